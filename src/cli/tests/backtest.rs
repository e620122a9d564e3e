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

#[test]
fn gates_and_limits_are_named_and_rows_have_every_fire() {
    let shell = Shell::with_users();
    stored(&shell, &views());
    let black = shell.file("black.csv", "user_id\nu3\n");
    shell.say(&["crowd", "import", "黑名单", &black]).fine();
    let trigger = "kind = \"event\"\ndid = \"view\"\nfires_max = 2\nreach = { delay = \"1h\" }";
    let task = file(&shell, "", trigger, "blacklist = \"黑名单\"\nholdout = \"100%\"");
    for (form, rows) in [("csv", 5), ("ndjson", 4), ("parquet", 0)] {
        let out = shell.path(&format!("fires.{form}"));
        let said = tried(&shell, &task, &["--out", &out, "--by", "day"]).fine().json();
        assert_eq!(fires(&said), (4, 3, 2));
        assert_eq!(said["ends"], json!({"blacklist": 2, "fires_max": 1, "holdout": 2}));
        assert_eq!(said["by_day"], json!([{"day": "2026-03-02", "fires": 4}]));
        let text = std::fs::read(&out).unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(form == "parquet" || text.lines().count() == rows, "{text}");
        let first = "nth:0:1,2026-03-02T10:00:00.000+08:00,2026-03-02T11:00:00.000+08:00,,blacklist";
        assert!(form != "csv" || text.lines().nth(1) == Some(&format!("u3,{first}")), "{text}");
        assert!(form != "ndjson" || text.contains("\"touch_id\":null"), "{text}");
    }
    let svg = shell.path("fires.svg");
    tried(&shell, &task, &["--svg", &svg]).fine();
    assert!(shell.read("fires.svg").contains("回测"));
    let table = shell.say(&["backtest", &task, "--from", FROM, "--to", TO, "--now", "2026-04-01", "--csv"]);
    assert!(table.fine().out.starts_with("hour,fires\n2026-03-02T10:00:00.000+08:00,3\n"));
}

#[test]
fn what_nobody_can_know_yet_stays_open() {
    let shell = Shell::with_users();
    stored(&shell, &views());
    let trigger = format!("{VIEW_NO_SHARE}\nreach = {{ delay = \"3h\" }}");
    let task = file(&shell, "", &trigger, "");
    let until = |to: &str, now: &str| {
        let asked = ["backtest", &task, "--from", FROM, "--to", to, "--now", now];
        let said = shell.ask(&asked).fine().json();
        ["fires", "waiting", "pending"].map(|key| said[key].as_u64().unwrap())
    };
    // The last events are stored up to 11:41: the window of 11:40 is open, and the touch of 10:26 is due at 13:26;
    // that of 10:25 was withdrawn a second after the deadline.
    assert_eq!(until("2026-03-02T11:00:00+08:00", "2026-04-01"), [2, 1, 0]);
    assert_eq!(until("2026-03-02T11:50:00+08:00", "2026-04-01"), [2, 1, 1]);
    assert_eq!(until("2026-03-02T12:01:00+08:00", "2026-04-01"), [3, 2, 0]);
    assert_eq!(until("2026-03-02T13:26:01+08:00", "2026-04-01"), [3, 1, 0]);
    // The clock has not come there yet.
    assert_eq!(until(TO, "2026-03-02T11:45:00+08:00"), [2, 1, 1]);
    assert_eq!(until(TO, "2026-04-01"), [3, 0, 0]);
}

#[test]
fn what_was_done_before_counts_if_the_rule_says_so() {
    let shell = Shell::with_users();
    let before = [("p1", "u3"), ("p2", "u3"), ("p3", "u4"), ("p4", "u4"), ("p5", "u4"), ("p6", "00001")];
    let day = |(id, user): &(&str, &str)| json!({"event_id": id, "user_id": user, "event": "view", "time": "2026-03-01T10:00:00+08:00", "page": "/home"});
    stored(&shell, &before.iter().map(day).collect::<Vec<_>>());
    let rule = "kind = \"event\"\ndid = \"view\"\ncount = { total = 3 }\ncount_history = ";
    let id = approved(&shell, "第三次", "", &format!("{rule}true"));
    let now = shell.file("events.ndjson", &lines(&views()));
    run(&shell, "2026-03-03T00:00:00+08:00", &now);
    // u3's third is the first of today; u4 had three before; 00001 has two now.
    assert_eq!(reached(&shell, &id), [("u3".to_string(), "2026-03-02T10:00:00.000+08:00".to_string())]);
    let said = tried(&shell, &id, &[]).fine().json();
    assert_eq!((fires(&said), &said["ends"]), ((1, 1, 1), &json!({"handed": 1})));
    let fresh = file(&shell, "", &format!("{rule}false"), "");
    assert_eq!(fires(&tried(&shell, &fresh, &[]).fine().json()), (1, 1, 1));
    let per_day = rule.replace("total = 3", "total = 3, per = \"day\"");
    let daily = file(&shell, "", &format!("{per_day}true\nfrom = \"2026-03-02T10:30:00+08:00\""), "");
    assert_eq!(fires(&tried(&shell, &daily, &[]).fine().json()), (0, 0, 0));
}

#[test]
fn an_audience_that_is_made_daily_is_made_daily() {
    let shell = Shell::with_users();
    let event = |id: &str, user: &str, name: &str, time: &str| json!({"event_id": id, "user_id": user, "event": name, "time": format!("2026-03-{time}+08:00")});
    stored(
        &shell,
        &[
            event("a", "u3", "join", "02T09:00:00"),
            event("b", "u3", "view", "02T10:00:00"),
            event("c", "u3", "view", "03T01:59:00"),
            event("d", "u3", "view", "03T02:00:00"),
            event("e", "u4", "view", "04T10:00:00"),
        ],
    );
    let task = |update: &str| {
        file(
            &shell,
            &format!("audience = \"did join\"\nupdate = \"{update}\""),
            "kind = \"event\"\ndid = \"view\"",
            "",
        )
    };
    // From two o'clock on, who joined before midnight.
    let said = tried(&shell, &task("daily"), &[]).fine().json();
    assert_eq!((&said["fires"], &said["ends"]), (&1.into(), &json!({"audience": 3, "handed": 1})));
    let said = tried(&shell, &task("once"), &[]).fine().json();
    assert_eq!((&said["fires"], &said["audience"]), (&0.into(), &0.into()));
}

#[test]
fn what_cannot_be_tried_is_refused() {
    let shell = Shell::with_users();
    let calendar = file(&shell, "", "kind = \"once\"\nat = \"2027-03-05T20:00:00+08:00\"", "");
    let said = tried(&shell, &calendar, &[]);
    assert_eq!((said.code, said.codes()), (1, vec!["DSP-040".to_string()]), "{said:?}");
    let task = file(&shell, "", VIEW_NO_SHARE, "");
    let said = shell.ask(&["backtest", &task, "--from", TO, "--to", FROM]);
    assert_eq!((said.code, said.codes()), (1, vec!["DSP-041".to_string()]), "{said:?}");
    let said = tried(&shell, &task, &["--out", &shell.path("fires.roaring")]);
    assert_eq!((said.code, said.codes()), (2, vec!["CLI-001".to_string()]), "{said:?}");
    assert_eq!(tried(&shell, "t77", &[]).codes(), ["TSK-011"]);
    assert_eq!(tried(&shell, "nowhere.toml", &[]).codes(), ["CLI-002"]);
    let torn = file(&shell, "", "kind = \"event\"\ndid = \"view where\"", "");
    assert!(tried(&shell, &torn, &["--out", &shell.path("fires.csv")]).code == 1);
    assert!(!shell.folder.path().join("fires.csv").exists());
}

/// Every file below a folder, with its bytes; the locks that readers hold are files of none.
fn files(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push((path.clone(), std::fs::read(&path).unwrap())),
        }
    }
    found.sort();
    found
}

#[test]
fn nothing_in_the_home_changes_while_another_process_holds_it() {
    let shell = Shell::with_users();
    let id = approved(&shell, "未分享提醒", "audience = \"gender = '女'\"", VIEW_NO_SHARE);
    stored(&shell, &views());
    let home = crate::store::Home::at(std::path::Path::new(&shell.home()), "default").unwrap();
    let held =
        crate::base::Environment { now: crate::base::Timestamp(0), seed: 1, process: "another".into() };
    let _writer = home.writer(&held, crate::base::Zone::default()).unwrap();
    let before = files(home.dir());
    assert_eq!(fires(&tried(&shell, &id, &[]).fine().json()), (2, 2, 1));
    let after = files(home.dir());
    let names =
        |all: &[(std::path::PathBuf, Vec<u8>)]| -> Vec<_> { all.iter().map(|(p, _)| p.clone()).collect() };
    assert_eq!(names(&before), names(&after));
    assert!(before == after, "a file has changed");
}
