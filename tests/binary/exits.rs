//! Exit codes and the words on the way out.

use serde_json::Value;

use super::support::Place;

fn small() -> Place {
    let place = Place::new();
    let users =
        place.file("users.csv", "user_id,性别,age\n00001,女,30\n00002,男,20\n,女,1\n00003,女,forty\n");
    let said = place.try_run(&["ingest", "users", &users]);
    assert_eq!(said.code, 0, "{}", said.talk);
    place
}

#[test]
fn bad_rows_go_aside_and_too_many_change_nothing() {
    let place = small();
    assert_eq!(place.json(&["estimate", "性别 = '女'"])["count"], 1);
    let more = place.file("more.csv", "user_id,性别,age\n00009,女,1\n,男,2\n,男,3\n");
    let said = place.try_run(&["ingest", "users", &more, "--max-rejects", "1"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.talk);
    assert_eq!(place.json(&["estimate", "性别 = '女'"])["universe"], 2, "nothing changed");
    let again = place.json(&["ingest", "users", &more]);
    assert_eq!(
        (again["read"].as_u64(), again["accepted"].as_u64(), again["rejected"].as_u64()),
        (Some(3), Some(1), Some(2))
    );
}

#[test]
fn a_mistake_in_a_selection_is_exit_1_with_all_of_them() {
    let place = small();
    let said = place.try_run(&["estimate", "性别 = 3 且 agee > 1", "--json"]);
    assert_eq!(said.code, 1);
    let problems: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(problems["problems"].as_array().unwrap().len(), 2, "{problems}");
    let said = place.try_run(&["estimate", "性别 = 3 且 agee > 1"]);
    assert!(
        said.talk.contains("SEL-107") && said.talk.contains("SEL-101") && said.talk.contains("write `age`"),
        "{}",
        said.talk
    );
    assert!(said.talk.contains("selection:1:6") || said.talk.contains(":1:6"), "{}", said.talk);
}

#[test]
fn wrong_use_is_exit_2_and_apps_do_not_see_each_other() {
    let place = small();
    assert_eq!(place.try_run(&["estimate"]).code, 2);
    assert_eq!(place.try_run(&["nonsense"]).code, 2);
    let users = place.file("other.csv", "user_id,性别\nx,女\n");
    place.run(&["ingest", "users", &users, "--app", "second"]);
    assert_eq!(place.json(&["estimate", "性别 = '女'", "--app", "second"])["universe"], 1);
    assert_eq!(place.json(&["estimate", "性别 = '女'"])["universe"], 2);
    assert!(place.home().join("apps/second").is_dir());
}

/// A second writer is told who holds the home; readers go on.
#[test]
fn one_writer_many_readers() {
    let place = small();
    let lock = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(place.home().join("lock"))
        .unwrap();
    lock.lock().unwrap();
    let users = place.file("again.csv", "user_id,性别\ny,女\n");
    let said = place.try_run(&["ingest", "users", &users]);
    assert_eq!(said.code, 3, "{}", said.talk);
    assert!(said.talk.contains("OUT-010"), "{}", said.talk);
    assert_eq!(place.json(&["estimate", "性别 = '女'"])["count"], 1);
    lock.unlock().unwrap();
    place.run(&["ingest", "users", &users]);
    assert_eq!(place.json(&["estimate", "性别 = '女'"])["count"], 2);
}

/// A task that fails on the way is told after the summary, and the exit code says so.
#[test]
fn a_run_whose_task_fails_is_exit_3() {
    let place = small();
    std::fs::write(
        place.home().join("quanke.toml"),
        "[senders.hook]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n[retry]\ntries = 1\nwait = \"0s\"\n",
    )
    .unwrap();
    let task = place.file(
        "task.toml",
        "name = \"x\"\nstart = \"2026-03-01T00:00:00+08:00\"\nend = \"2026-03-02T00:00:00+08:00\"\n\
         [trigger]\nkind = \"once\"\nat = \"2026-03-01T10:00:00+08:00\"\n[dispatch]\nsender = \"hook\"\n",
    );
    let now = "2026-03-01T00:00:00+08:00";
    super::support::approved(&place, &task, now);
    let said = place.try_run(&["run", "--until", "2026-03-01T11:00:00+08:00", "--now", now, "--json"]);
    assert_eq!(said.code, 3, "{}{}", said.out, said.talk);
    assert!(said.talk.contains("DSP-008"), "{}", said.talk);
    let summary: Value = serde_json::from_str(&said.out).unwrap();
    assert!(summary["happened"].as_array().is_some_and(|steps| !steps.is_empty()), "{summary}");
}

/// `--json` means one document on stdout, for wrong use too; the JSON twin is read as text is.
#[test]
fn json_in_and_json_out() {
    let place = small();
    let said = place.try_run(&["estimate", "--json"]);
    assert_eq!(said.code, 2);
    let problems: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(problems["problems"][0]["code"], "CLI-001");
    let explained = place.json(&["explain", "性别 = '女' 且 age > 20"]);
    let twin = explained["json"].to_string();
    assert_eq!(place.json(&["estimate", &twin])["count"], 1);
}

/// A damaged file of ids is told (STO-002, exit 3): nobody gets a list with empty ids.
#[test]
fn damaged_ids_are_never_exported() {
    let place = small();
    let folder = place.home().join("ids");
    let keys = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let keys: Vec<_> =
        keys.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("keys")).collect();
    assert!(!keys.is_empty());
    for path in keys {
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let said = place.try_run(&["select", "性别 = '女'"]);
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.talk);
    assert!(said.talk.contains("STO-002"), "{}", said.talk);
}
