//! Tasks through the door: from a file to lines in the outbox and a book that balances.

use serde_json::Value;

use super::Shell;

fn file(shell: &Shell, name: &str, audience: &str, more: &str) -> String {
    let text = format!(
        "name = \"{name}\"\n{audience}\nstart = \"2026-03-01T00:00:00+08:00\"\nend = \"2026-04-01T00:00:00+08:00\"\n\
         [trigger]\nkind = \"once\"\nat = \"2026-03-02T20:00:00+08:00\"\n{more}\n\
         [dispatch]\nsender = \"file\"\nbatch = 2\ncontent = {{ template = \"{{{{city}}}} 您好\" }}\n"
    );
    shell.file("task.toml", &text)
}

/// A task that is approved; gives its id.
fn approved(shell: &Shell, file: &str) -> String {
    let made = shell.ask(&["task", "create", file]).fine().json();
    assert_eq!(made["state"], "draft");
    let id = made["id"].as_str().unwrap().to_string();
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    id
}

fn run(shell: &Shell, until: &str) -> Value {
    shell.ask(&["run", "--until", until]).fine().json()
}

/// The user ids in the outbox of a task, sorted.
fn reached(shell: &Shell, id: &str) -> Vec<String> {
    let text = std::fs::read_to_string(shell.folder.path().join(format!("home/outbox/{id}.ndjson")))
        .unwrap_or_default();
    let id_of =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["user_id"].as_str().unwrap().to_string();
    let mut ids: Vec<String> = text.lines().map(id_of).collect();
    ids.sort();
    ids
}

// proves: S2.32
// proves: S2.16
#[test]
fn a_task_goes_out_once_at_its_time_to_its_selection() {
    let shell = Shell::with_users();
    let id = approved(&shell, &file(&shell, "上海活动", "audience = \"city = '上海'\"", ""));
    run(&shell, "2026-03-02T19:59:00+08:00");
    assert!(reached(&shell, &id).is_empty());
    run(&shell, "2026-03-02T20:01:00+08:00");
    assert_eq!(reached(&shell, &id), ["00001", "00002"]);
    run(&shell, "2026-03-03T20:01:00+08:00");
    assert_eq!(reached(&shell, &id).len(), 2);
    let report = shell.ask(&["task", "report", &id]).fine().json();
    assert_eq!((&report["total"]["due"], &report["total"]["balanced"]), (&2.into(), &true.into()));
    assert!(shell.say(&["task", "report", &id]).fine().out.contains("the book balances"));
}

// proves: S2.16
#[test]
fn a_task_reaches_an_existing_crowd_but_not_the_blacklist() {
    let shell = Shell::with_users();
    let list = shell.file("list.csv", "user_id\n00001\nu3\nu4\n");
    shell.say(&["crowd", "import", "名单", &list]).fine();
    let black = shell.file("black.csv", "user_id\nu3\n");
    shell.say(&["crowd", "import", "黑名单", &black]).fine();
    shell.file("home/quanke.toml", "blacklist = \"黑名单\"\n");
    let id = approved(&shell, &file(&shell, "名单活动", "crowd = \"名单\"", ""));
    run(&shell, "2026-03-02T21:00:00+08:00");
    assert_eq!(reached(&shell, &id), ["00001", "u4"]);
    let said = shell.ask(&["crowd", "delete", "名单"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CRD-006".to_string()]), "{said:?}");
}

fn late_user(shell: &Shell) {
    let more = shell.file("more.csv", "user_id,city\nu7,上海\n");
    shell.say(&["ingest", "users", &more]).fine();
}

// proves: S2.33
#[test]
fn an_audience_is_of_the_task_s_creation_unless_it_is_refreshed_before() {
    let shell = Shell::with_users();
    let on_demand = "audience = \"city = '上海'\"\nupdate = \"on_demand\"";
    let fixed = approved(&shell, &file(&shell, "不更新", on_demand, ""));
    let fresh = approved(&shell, &file(&shell, "更新", on_demand, "refresh_before = true"));
    late_user(&shell);
    let summary = run(&shell, "2026-03-02T21:00:00+08:00");
    assert_eq!(reached(&shell, &fixed), ["00001", "00002"]);
    assert_eq!(reached(&shell, &fresh), ["00001", "00002", "u7"]);
    let happened = summary["happened"].as_array().unwrap();
    assert!(happened.iter().any(|h| h["what"] == "refreshed" && h["at"] == "2026-03-02T19:45:00.000+08:00"));
}

// proves: S2.29
#[test]
fn a_daily_audience_is_made_anew_each_day_by_itself() {
    let shell = Shell::with_users();
    shell.say(&["crowd", "create", "每天", "city = '上海'", "--update", "daily"]).fine();
    let id = approved(&shell, &file(&shell, "每天活动", "crowd = \"每天\"", ""));
    late_user(&shell);
    run(&shell, "2026-03-04T12:00:00+08:00");
    assert_eq!(reached(&shell, &id), ["00001", "00002", "u7"]);
    let shown = shell.ask(&["crowd", "show", "每天"]).fine().json();
    let as_of: Vec<&Value> = shown["versions"].as_array().unwrap().iter().map(|v| &v["as_of"]).collect();
    assert_eq!(
        as_of[1..],
        ["2026-03-02T00:00:00.000+08:00", "2026-03-03T00:00:00.000+08:00", "2026-03-04T00:00:00.000+08:00"]
    );
}

// proves: S2.24
// proves: S2.25
// proves: S2.26
#[test]
fn a_task_s_audience_is_listed_only_when_the_setting_says_so() {
    let shell = Shell::with_users();
    let path = file(&shell, "活动", "audience = \"city = '上海'\"", "");
    let hidden = approved(&shell, &path);
    assert!(shell.ask(&["crowd", "list"]).fine().json()["crowds"].as_array().unwrap().is_empty());
    assert_eq!(shell.ask(&["estimate", &format!("crowd '活动+{hidden}'")]).code, 1);
    shell.file("home/quanke.toml", "[crowds]\nsync = true\n");
    let listed = approved(&shell, &path);
    let said = shell.ask(&["estimate", &format!("crowd '活动+{listed}'")]).fine();
    assert_eq!(said.json()["count"], 2);
}

#[test]
fn the_mistakes_of_a_task_file_are_told_at_once() {
    let shell = Shell::with_users();
    let path = file(&shell, "错", "audience = \"citty = '上海'\"", "");
    let text = shell.read("task.toml").replace("sender = \"file\"", "sender = \"fille\"");
    shell.file("task.toml", &text);
    let said = shell.ask(&["task", "check", &path]);
    assert_eq!((said.code, said.codes().len()), (1, 2), "{said:?}");
    assert_eq!(shell.ask(&["task", "create", &path]).code, 1);
    assert!(shell.ask(&["task", "list"]).fine().json()["tasks"].as_array().unwrap().is_empty());
    assert_eq!(shell.ask(&["task", "check", &shell.path("absent.toml")]).codes(), ["CLI-002"]);
}

#[test]
fn a_task_is_rejected_edited_copied_and_cancelled() {
    let shell = Shell::with_users();
    let path = file(&shell, "活动", "audience = \"city = '上海'\"", "");
    shell.say(&["task", "create", &path]).fine();
    shell.say(&["task", "submit", "t1"]).fine();
    shell.say(&["task", "reject", "t1", "--reason", "文案有误"]).fine();
    let path = file(&shell, "活动二", "audience = \"city = '北京'\"", "");
    assert_eq!(shell.ask(&["task", "edit", "t1", &path]).fine().json()["state"], "draft");
    let copy = shell.ask(&["task", "copy", "t1"]).fine().json();
    assert_eq!((&copy["id"], &copy["state"]), (&"t2".into(), &"draft".into()));
    assert_eq!(shell.ask(&["task", "cancel", "t2"]).fine().json()["state"], "cancelled");
    let said = shell.ask(&["task", "approve", "t2"]);
    assert_eq!((said.code, said.codes()), (1, vec!["TSK-010".to_string()]));
    let shown = shell.ask(&["task", "show", "t1"]).fine().json();
    assert_eq!(shown["moves"].as_array().unwrap().len(), 4);
    shell.say(&["task", "submit", "t1"]).fine();
    shell.say(&["task", "approve", "t1"]).fine();
    run(&shell, "2026-03-02T21:00:00+08:00");
    assert_eq!(reached(&shell, "t1"), ["u3", "u4"]);
}

// proves: S2.31
#[test]
fn a_trigger_task_is_checked_against_the_data_and_lives_as_others_do() {
    let shell = Shell::with_users();
    let text = |did: &str, more: &str| {
        format!(
            "name = \"未分享提醒\"\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n[trigger]\nkind = \"absence\"\n\
             did = \"{did}\"\nnot_done = \"share\"\nwithin = \"20m\"\non_end = \"finish\"\n{more}\n[dispatch]\nsender = \"file\"\n"
        )
    };
    let bad = shell.file("bad.toml", &text("pay where amount = 'x' and amont > 1", "same = \"order_id\""));
    let told = shell.ask(&["task", "check", &bad]);
    assert_eq!(told.code, 1);
    assert!(told.out.contains("SEL-107") && told.out.contains("bad.toml:6:"), "{}", told.out);
    let good = shell.file("good.toml", &text("pay where amount > 100", "same = \"order_id\""));
    let checked = shell.ask(&["task", "check", &good]).fine().json();
    let codes: Vec<&str> =
        checked["warnings"].as_array().unwrap().iter().map(|w| w["code"].as_str().unwrap()).collect();
    // Nobody has shared yet, and no event has an order_id.
    assert_eq!(codes, ["SEL-160", "SEL-160"]);
    let odd = shell.file(
        "odd.toml",
        &text("pay where amount > 100", "").replace("\"share\"", "\"pay where amount > 100\""),
    );
    assert!(shell.ask(&["task", "check", &odd]).fine().out.contains("TSK-017"));
    let id = approved(&shell, &good);
    run(&shell, "2026-03-02T00:00:00+08:00");
    let shown = shell.ask(&["task", "show", &id]).fine().json();
    assert_eq!(
        (&shown["state"], &shown["kind"], &shown["planned_at"]),
        (&"running".into(), &"absence".into(), &Value::Null)
    );
    assert!(shell.say(&["task", "list"]).fine().out.contains("未分享提醒"));
    shell.say(&["task", "pause", &id]).fine();
    shell.say(&["task", "resume", &id]).fine();
    // With on_end = "finish" it is over when no touch can go out any more: after gap and grace.
    run(&shell, "2026-04-01T00:45:00+08:00");
    assert_eq!(shell.ask(&["task", "show", &id]).fine().json()["state"], "running");
    run(&shell, "2026-04-01T00:51:00+08:00");
    assert_eq!(shell.ask(&["task", "show", &id]).fine().json()["state"], "ended");
    shell.ask(&["task", "report", &id]).fine();
}
