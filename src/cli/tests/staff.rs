//! Staff and to-dos as commands.

use serde_json::{Value, json};

use super::Shell;

const STAFF: &str = "id,name,department,joined,friends,state\n\
    s1,张三,华东/上海,2020-05-01,120,在职\ns2,李四,华东,2020-06-01,80,active\ns3,王五,华南,2026-02-27,0,\n\
    s4,赵六,华东,2021-01-01,-5,active\ns5,孙七,华东,2021-01-01,7,休假\n";

fn with_staff() -> Shell {
    let shell = Shell::with_users();
    let path = shell.file("staff.csv", STAFF);
    let found = shell.ask(&["staff", "import", &path, "--by", "人事"]).fine().json();
    assert_eq!((&found["new"], &found["rejected"]), (&json!(3), &json!(2)), "{found}");
    let aside = std::fs::read_to_string(found["rejects"][0].as_str().unwrap()).unwrap();
    assert!(aside.lines().count() == 2 && aside.lines().all(|line| line.contains("STF-001")), "{aside}");
    shell.file(
        "home/quanke.toml",
        "[senders.\"人工\"]\nkind = \"staff\"\nphone = \"city\"\n[todo]\noverdue = \"12h\"\n",
    );
    shell
}

fn task(more: &str, limits: &str) -> String {
    format!(
        "name = \"加客\"\n{more}\nstart = \"2026-03-01\"\nend = \"2026-03-20\"\n[trigger]\nkind = \"once\"\n\
         at = \"2026-03-01 20:00\"\n[dispatch]\nsender = \"人工\"\ncontent = {{ text = \"请添加 {{{{user_id}}}}\" }}\n{limits}"
    )
}

/// A task whose run at 20:00 is over.
fn ran(shell: &Shell, more: &str) -> String {
    let path = shell.file("task.toml", &task(more, ""));
    let id = shell.ask(&["task", "create", &path]).fine().json()["id"].as_str().unwrap().to_string();
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    shell.say(&["run", "--until", "2026-03-01T21:00:00+08:00"]).fine();
    id
}

fn list(shell: &Shell, more: &[&str]) -> Vec<Value> {
    let found = shell.ask(&[&["todo", "list"][..], more].concat()).fine().json();
    found["todos"].as_array().unwrap().clone()
}

// proves: S2.52, S2.54, S1.18, S1.20, S1.21
#[test]
fn users_are_dealt_and_their_to_dos_done_with_a_proof() {
    let shell = with_staff();
    let id = ran(&shell, "staff = [\"张三\", \"s2\"]");
    let shares = shell.ask(&["task", "staff", &id]).fine().json()["shares"].clone();
    let mut counts: Vec<u64> =
        shares.as_array().unwrap().iter().map(|share| share["users"].as_u64().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [3, 4], "{shares}");
    let open = list(&shell, &["--state", "open"]);
    assert_eq!(open.len(), 7);
    let line: Value =
        serde_json::from_str(shell.read(&format!("home/todo/{id}.ndjson")).lines().next().unwrap()).unwrap();
    assert!(["s1", "s2"].contains(&line["staff"].as_str().unwrap()), "{line}");
    let proof = shell.file("截图.png", "a picture");
    let no = open[0]["id"].to_string();
    let done = shell.ask(&["todo", "done", &no, "--proof", &proof, "--by", "张三"]).fine().json();
    assert_eq!((&done["state"], &done["closed_by"]), (&json!("done"), &json!("张三")));
    assert_eq!(done["proof"]["sha256"], "92b2fa58028958317e408bd84ecfa70f5ee35b121991dbc232c49d166353708b");
    assert_eq!(shell.read(&format!("home/{}", done["proof"]["file"].as_str().unwrap())), "a picture");
    assert_eq!(shell.ask(&["todo", "done", &no]).codes(), ["STF-011"]);
    assert_eq!(shell.ask(&["todo", "done", "99"]).codes(), ["STF-010"]);
    let next = open[1]["id"].to_string();
    assert_eq!(shell.ask(&["todo", "done", &next, "--proof", "nowhere.png"]).codes(), ["STF-012"]);
    let refused = shell.ask(&["todo", "refused", &next, "--reason", "空号"]).fine().json();
    assert_eq!((&refused["state"], &refused["proof"]), (&json!("refused"), &Value::Null));
    let book = shell.ask(&["task", "report", &id]).fine().json()["total"].clone();
    assert_eq!((&book["delivered"], &book["refused"], &book["awaiting"]), (&json!(1), &json!(1), &json!(5)));
    // A receipt closes a to-do as well.
    let receipt = json!({"touch_id": open[2]["touch_id"], "state": "delivered"}).to_string();
    shell.say_with(&["receipts", "-"], &receipt).fine();
    assert_eq!(list(&shell, &["--state", "done"]).len(), 2);
    let late = ["--now", "2026-03-02T08:00:00+08:00"];
    assert!(list(&shell, &["--state", "overdue", "--now", "2026-03-01T23:00:00+08:00"]).is_empty());
    assert_eq!(list(&shell, &["--state", "overdue", late[0], late[1]]).len(), 4);
    assert_eq!(shell.ask(&["todo", "remind", late[0], late[1]]).fine().json()["total"], 4);
    assert_eq!(shell.ask(&["todo", "remind", late[0], late[1]]).fine().json()["total"], 0);
    let words = shell.ask(&["task", "staff", &id, "--user", "00001"]).fine().json()["words"].clone();
    assert_eq!(
        (&words[0]["why"], &words[0]["run"]),
        (&json!("run"), &json!(format!("{id}@2026-03-01T20:00:00")))
    );
    let text = shell.say(&["todo", "list", "--staff", "张三"]).fine().out;
    assert!(text.contains("张三") && !text.contains("李四"), "{text}");
    assert_eq!(
        shell.ask(&["todo", "show", &no]).fine().json()["content"]["text"],
        format!("请添加 {}", open[0]["user_id"].as_str().unwrap())
    );
}

#[test]
fn a_member_leaves_and_others_go_on() {
    let shell = with_staff();
    let id = ran(&shell, "departments = [\"华东\"]");
    let mine = list(&shell, &["--staff", "张三"]).len();
    let left = shell.ask(&["staff", "leave", "张三", "--reason", "离职"]).fine().json();
    assert_eq!(left["handed_on"], json!([{"task": id, "users": mine, "todos": mine}]));
    assert_eq!((list(&shell, &["--staff", "张三"]).len(), list(&shell, &["--staff", "李四"]).len()), (0, 7));
    assert_eq!(shell.ask(&["staff", "leave", "张三"]).codes(), ["STF-003"]);
    assert_eq!(shell.ask(&["staff", "show", "nobody"]).codes(), ["STF-002"]);
    let shown = shell.ask(&["staff", "show", "s1"]).fine().json();
    let steps: Vec<&str> =
        shown["moves"].as_array().unwrap().iter().map(|m| m["move"].as_str().unwrap()).collect();
    assert_eq!((steps, &shown["state"]), (vec!["imported", "left"], &json!("left")));
    shell.say(&["staff", "return", "s1"]).fine();
    assert_eq!(shell.ask(&["staff", "resume", "s1"]).codes(), ["STF-004"]);
    let all = shell.ask(&["staff", "list", "--department", "华东"]).fine().json()["staff"].clone();
    let now = |n: usize| {
        (all[n]["id"].clone(), all[n]["open_todos"].clone(), all[n]["today"][0]["dealt_today"].clone())
    };
    assert_eq!(now(0).0, "s1");
    assert_eq!((now(1).0, now(1).1), (json!("s2"), json!(7)));
    assert_eq!(all[0]["today"][0]["per_day"], 300);
    // The search finds tasks by the names of members, wherever they are named.
    assert_eq!(shell.ask(&["task", "list", "--search", "李四"]).fine().json()["total"], 1);
}

#[test]
fn a_task_names_staff_who_are_there() {
    let shell = with_staff();
    let codes = |more: &str, limits: &str| {
        let path = shell.file("bad.toml", &task(more, limits));
        shell.ask(&["task", "check", &path]).codes()
    };
    assert_eq!(codes("staff = [\"张山\"]\ndepartments = [\"华北\"]", ""), ["TSK-070", "TSK-070"]);
    assert_eq!(codes("staff = [\"s1\"]", "[limits]\nstaff = { quota = \"staff.fly\" }\n"), ["TSK-073"]);
    assert_eq!(
        codes("staff = [\"s1\"]", "[limits]\nstaff = { when_full = \"later\", per_day = -1, x = 1 }\n").len(),
        3
    );
    assert_eq!(codes("departments = \"华东\"", ""), ["TSK-004"]);
    shell.say(&["staff", "leave", "s1"]).fine();
    assert_eq!(codes("staff = [\"s1\"]", ""), ["TSK-072"]);
    let bare = Shell::with_users();
    let path = bare.file("bare.toml", &task("staff = [\"张三\"]", "").replace("人工", "file"));
    let found = bare.say(&["task", "check", &path]).fine();
    assert!(found.talk.contains("TSK-071"), "{found:?}");
}
