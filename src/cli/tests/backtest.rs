//! Tasks tried on stored history: the same fires as live, and nothing changes.

use serde_json::{Value, json};

use super::live::{VIEW_NO_SHARE, approved, event, lines, reached, run};
use super::{Said, Shell};

const FROM: &str = "2026-03-02T00:00:00+08:00";
const TO: &str = "2026-03-09T00:00:00+08:00";

/// A file of a task with a trigger, in a period that is long past.
fn file(shell: &Shell, head: &str, trigger: &str, limits: &str) -> String {
    let text = format!(
        "name = \"回测\"\n{head}\nstart = \"2027-03-02T00:00:00+08:00\"\nend = \"2027-03-09T00:00:00+08:00\"\n\
         [trigger]\n{trigger}\n[dispatch]\nsender = \"file\"\n[limits]\n{limits}\n"
    );
    shell.file("backtest.toml", &text)
}

fn stored(shell: &Shell, events: &[Value]) {
    let flat: Vec<Value> = events.iter().map(flat).collect();
    let events = shell.file("stored.ndjson", &lines(&flat));
    shell.say(&["ingest", "events", &events, "--time", "time"]).fine();
}

/// An event as `ingest` takes it: properties beside the rest.
fn flat(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(properties) = event.as_object_mut().and_then(|event| event.remove("properties")) {
        for (name, value) in properties.as_object().into_iter().flatten() {
            event[name] = value.clone();
        }
    }
    event
}

fn tried(shell: &Shell, task: &str, more: &[&str]) -> Said {
    let now = "2026-04-01T00:00:00+08:00";
    shell.ask(&[&["backtest", task, "--from", FROM, "--to", TO, "--now", now], more].concat())
}

fn fires(said: &Value) -> (u64, u64, u64) {
    let number = |key: &str| said[key].as_u64().unwrap();
    (number("fires"), number("users"), number("per_user_max"))
}

/// u3 views twice and shares in time once; 00001 views and shares too late; 00002 is a man.
fn views() -> Vec<Value> {
    vec![
        event("e1", "u3", "view", "10:00:00"),
        event("e2", "00001", "view", "10:05:00"),
        event("e3", "00002", "view", "10:06:00"),
        event("e5", "u3", "share", "10:10:00"),
        event("e6", "00001", "share", "10:25:01"),
        event("e7", "u3", "view", "11:40:00"),
        event("e8", "u3", "view", "11:41:00"),
    ]
}

#[test]
fn a_file_says_what_it_would_have_done() {
    let shell = Shell::with_users();
    stored(&shell, &views());
    let task = file(&shell, "audience = \"gender = '女'\"", VIEW_NO_SHARE, "");
    let said = tried(&shell, &task, &[]).fine().json();
    assert_eq!(fires(&said), (2, 2, 1));
    assert_eq!(said["ends"], json!({"audience": 1, "cancelled": 1, "handed": 2, "joined": 1}));
    let hours = json!([
        {"hour": "2026-03-02T10:00:00.000+08:00", "fires": 1},
        {"hour": "2026-03-02T12:00:00.000+08:00", "fires": 1}
    ]);
    assert_eq!((&said["by_hour"], &said["pending"], &said["audience"]), (&hours, &0.into(), &3.into()));
    let told = shell.say(&["backtest", &task, "--from", FROM, "--to", TO, "--now", "2026-04-01"]).fine();
    assert!(told.out.contains("cancelled") && told.out.contains("2026-03-02 12:00"), "{told:?}");
    assert!(told.out.contains('█') && !told.talk.contains("TSK-009"), "{told:?}");
}

#[test]
fn a_task_of_the_app_has_the_touches_of_its_live_run() {
    let shell = Shell::with_users();
    let id = approved(&shell, "未分享提醒", "audience = \"gender = '女'\"", VIEW_NO_SHARE);
    let events = shell.file("events.ndjson", &lines(&views()));
    run(&shell, "2026-03-03T00:00:00+08:00", &events);
    let out = shell.path("fires.ndjson");
    let said = tried(&shell, &id, &["--out", &out]).fine().json();
    assert_eq!(fires(&said), (2, 2, 1));
    let ids = |path: &str, wanted: &dyn Fn(&Value) -> bool| {
        let rows = std::fs::read_to_string(path).unwrap();
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut ids: Vec<String> =
            rows.filter(wanted).map(|row| row["touch_id"].as_str().unwrap().to_string()).collect();
        ids.sort();
        ids
    };
    let live = ids(&shell.path(&format!("home/outbox/{id}.ndjson")), &|_| true);
    assert_eq!(ids(&out, &|row| row["end"] == "handed"), live);
    assert_eq!(reached(&shell, &id).len(), 2);
}
