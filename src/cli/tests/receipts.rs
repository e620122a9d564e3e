//! Receipts, reconciling and links as commands.

use serde_json::{Value, json};

use super::Shell;

const EXEC: &str = "[senders.p]\nkind = \"exec\"\ncommand = [\"sh\", \"-c\", \"exit 1\"]\n\
    reconcile = [\"sh\", \"-c\", 'sed -E \"s/.*touch_id.:.([0-9a-f]+).*/{\\\"touch_id\\\":\\\"\\1\\\",\\\"state\\\":\\\"delivered\\\"}/\"']\n\
    [senders.q]\nkind = \"exec\"\ncommand = [\"cat\"]\n\
    [senders.todo]\nkind = \"staff\"\n\
    [links.\"加客\"]\nurl = \"https://work.weixin.qq.com/ca/x\"\nstate = \"task\"\n";

fn ran(shell: &Shell, sender: &str, more: &str) -> String {
    std::fs::create_dir_all(shell.folder.path().join("home")).unwrap();
    shell.file("home/quanke.toml", EXEC);
    let text = format!(
        "name = \"x\"\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n[trigger]\nkind = \"once\"\n\
         at = \"2026-03-02T20:00:00+08:00\"\n[dispatch]\nsender = \"{sender}\"\n{more}\n"
    );
    let path = shell.file("task.toml", &text);
    let id = shell.ask(&["task", "create", &path]).fine().json()["id"].as_str().unwrap().to_string();
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    shell.say(&["run", "--until", "2026-03-02T21:00:00+08:00"]).fine();
    id
}

fn total(shell: &Shell, id: &str) -> Value {
    shell.ask(&["task", "report", id]).fine().json()["total"].clone()
}

fn todos(shell: &Shell, id: &str) -> Vec<Value> {
    let text = shell.read(&format!("home/todo/{id}.ndjson"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn receipts_from_a_pipe_settle_and_what_is_strange_is_set_aside() {
    let shell = Shell::with_users();
    let id = ran(&shell, "todo", "");
    let todos = todos(&shell, &id);
    assert_eq!((todos.len(), &total(&shell, &id)["awaiting"]), (7, &json!(7)));
    let receipt =
        |n: usize, state: &str| json!({"touch_id": todos[n]["touch_id"], "state": state}).to_string();
    let lines = [
        receipt(0, "delivered"),
        receipt(0, "delivered"),
        receipt(1, "refused"),
        receipt(0, "refused"),
        json!({"touch_id": "0".repeat(32), "state": "delivered"}).to_string(),
        receipt(2, "seen"),
        "{".to_string(),
        String::new(),
        format!("[{},{}]", receipt(2, "delivered"), receipt(3, "delivered")),
    ];
    let found = shell.say_with(&["receipts", "-", "--json"], &lines.join("\n")).fine().json();
    let count = |key: &str| found[key].as_u64().unwrap();
    assert_eq!((count("read"), count("settled"), count("repeated")), (9, 4, 1), "{found}");
    assert_eq!((count("contradictory"), count("strangers"), count("bad")), (1, 1, 2), "{found}");
    let aside = std::fs::read_to_string(found["rejects"].as_str().unwrap()).unwrap();
    let codes: Vec<Value> =
        aside.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["code"].clone()).collect();
    assert_eq!(codes.len(), 3);
    assert!(codes.contains(&json!("DSP-020")) && codes.contains(&json!("SND-010")), "{codes:?}");
    let book = total(&shell, &id);
    assert_eq!((&book["delivered"], &book["refused"], &book["awaiting"]), (&json!(3), &json!(1), &json!(3)));
    let torn = shell.say_with(&["receipts", "-", "--shape", "aliyun", "--json"], "[]{").fine().json();
    assert_eq!((torn["read"].as_u64(), torn["bad"].as_u64()), (Some(1), Some(1)));
    assert_eq!(shell.ask(&["receipts", "nowhere"]).codes(), ["CLI-002"]);
}

#[test]
fn a_receipt_for_what_was_not_handed_over_is_set_aside() {
    let shell = Shell::with_users();
    std::fs::create_dir_all(shell.folder.path().join("home")).unwrap();
    let kept = shell.path("kept.ndjson");
    // The program keeps the touches and says "later".
    let settings = format!(
        "[retry]\ntries = 1\n[senders.later]\nkind = \"exec\"\ncommand = [\"sh\", \"-c\", \"cat > '{kept}'; exit 75\"]\n"
    );
    shell.file("home/quanke.toml", &settings);
    let text = "name = \"x\"\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n[trigger]\nkind = \"once\"\n\
                at = \"2026-03-02T20:00:00+08:00\"\n[dispatch]\nsender = \"later\"\n";
    let path = shell.file("task.toml", text);
    let id = shell.ask(&["task", "create", &path]).fine().json()["id"].as_str().unwrap().to_string();
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    assert_eq!(shell.say(&["run", "--until", "2026-03-02T21:00:00+08:00"]).code, 3);
    let first: Value = serde_json::from_str(shell.read("kept.ndjson").lines().next().unwrap()).unwrap();
    let receipt = json!({"touch_id": first["touch_id"], "state": "delivered"}).to_string();
    let found = shell.say_with(&["receipts", "-", "--json"], &receipt).fine().json();
    assert_eq!((&found["settled"], &found["early"]), (&json!(0), &json!(1)), "{found}");
    let aside = std::fs::read_to_string(found["rejects"].as_str().unwrap()).unwrap();
    assert!(aside.contains("DSP-021"), "{aside}");
}

#[test]
fn a_sender_that_can_tell_is_asked() {
    let shell = Shell::with_users();
    let id = ran(&shell, "p", "");
    assert_eq!(total(&shell, &id)["unknown"], 7);
    let found = shell.ask(&["task", "reconcile", &id]).fine().json();
    assert_eq!(found, json!({"task": id, "before": 7, "unknown": 0, "can_ask": true}));
    assert_eq!(total(&shell, &id)["delivered"], 7);
}

// proves: S0.7
// proves: S2.51
#[test]
fn a_task_s_link_carries_the_task() {
    let shell = Shell::with_users();
    let id = ran(&shell, "todo", "link = \"加客\"\ncontent = { text = \"点击 {{link}}\" }");
    let text = todos(&shell, &id)[0]["content"]["text"].clone();
    assert_eq!(text, format!("点击 https://work.weixin.qq.com/ca/x?customer_channel={id}"));
}

#[test]
fn a_home_has_limits_of_its_own() {
    let shell = Shell::with_users();
    let path = shell.file(
        "task.toml",
        "name = \"x\"\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n[trigger]\nkind = \"once\"\nat = \"2026-03-02\"\n\
         [dispatch]\nsender = \"file\"\ncontent = { form = \"moment\", text = \"一二三四\" }\n",
    );
    shell.say(&["task", "check", &path]).fine();
    std::fs::create_dir_all(shell.folder.path().join("home/limits")).unwrap();
    let ours = |max: &str| {
        let text = format!(
            "[[limit]]\nid = \"wecom.moment.text_chars\"\n{max}\non_exceed = \"error\"\nsource = \"ours\"\nas_of = \"2026\"\n"
        );
        shell.file("home/limits/ours.toml", &text)
    };
    ours("max = 3");
    assert_eq!(shell.ask(&["task", "check", &path]).codes(), ["TSK-052"]);
    ours("");
    assert_eq!(shell.ask(&["task", "check", &path]).codes(), ["TSK-055"]);
    shell.file("home/quanke.toml", "[links.a]\nurl = \"x\"\n");
    ours("max = 4");
    assert_eq!(shell.ask(&["task", "check", &path]).codes(), ["TSK-050"]);
}
