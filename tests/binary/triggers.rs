//! kill -9 on the real binary while live events fire a task: every window is decided once, everybody who did
//! not do B has one line, and the events are history once.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::{Value, json};

use super::support::{Place, approved, assert_balanced};

const NOW: &str = "2026-03-02T00:00:00+08:00";
const UNTIL: &str = "2026-03-02T12:00:00+08:00";
const USERS: usize = 30;

fn event(id: usize, user: usize, name: &str, minute: usize) -> String {
    let time = format!("2026-03-02T{:02}:{:02}:00+08:00", 9 + minute / 60, minute % 60);
    json!({"event_id": format!("e{id}"), "user_id": format!("u{user}"), "event": name, "time": time,
        "properties": {}})
    .to_string()
}

/// A home with an approved task, and a file in which every user views, and every third of them shares in time.
fn ready() -> (Place, String, String) {
    let place = Place::new();
    let rows: String = (0..USERS).map(|n| format!("u{n}\n")).collect();
    let users = place.file("users.csv", &format!("user_id\n{rows}"));
    place.run(&["ingest", "users", &users]);
    let views = (0..USERS).map(|n| (2 * n, event(n, n, "view", 2 * n)));
    let shares = (0..USERS).step_by(3).map(|n| (2 * n + 7, event(100 + n, n, "share", 2 * n + 7)));
    let mut all: Vec<(usize, String)> = views.chain(shares).collect();
    all.sort();
    let lines: String = all.into_iter().map(|(_, line)| line + "\n").collect();
    let events = place.file("events.ndjson", &lines);
    let task = place.file(
        "task.toml",
        "name = \"未分享\"\nstart = \"2026-03-02T00:00:00+08:00\"\nend = \"2026-03-09T00:00:00+08:00\"\n\
         [trigger]\nkind = \"absence\"\ndid = \"view\"\nnot_done = \"share\"\nwithin = \"20m\"\non_end = \"finish\"\n\
         [dispatch]\nsender = \"file\"\nbatch = 3\ncontent = { template = \"您好\" }\n",
    );
    let id = approved(&place, &task, NOW);
    (place, id, events)
}

fn run(place: &Place, events: &str, die_at: usize) -> bool {
    let mut command = place.command(&["run", "--until", UNTIL, "--now", NOW, "--events", events]);
    command.env("QUANKE_DIE_AT", die_at.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

fn assert_each_once(place: &Place, task: &str) {
    let report = place.json(&["task", "report", task, "--now", UNTIL]);
    assert_balanced(&report["total"]);
    let lines = place.outbox(task);
    let touched: BTreeSet<(&str, &str)> =
        lines.iter().map(|l| (l["user_id"].as_str().unwrap(), l["due_at"].as_str().unwrap())).collect();
    let users: BTreeSet<&str> = touched.iter().map(|(user, _)| *user).collect();
    let expected: BTreeSet<String> = (0..USERS).filter(|n| n % 3 != 0).map(|n| format!("u{n}")).collect();
    assert_eq!(users, expected.iter().map(String::as_str).collect());
    assert_eq!(lines.len(), expected.len(), "one line each");
    assert_eq!(report["total"]["handed"], expected.len());
    let did = |selection: &str| -> Value {
        place.json(&["estimate", selection, "--as-of", "2026-03-03T00:00:00+08:00"])["count"].clone()
    };
    assert_eq!((did("did view count = 1"), did("did view count >= 2")), (USERS.into(), 0.into()));
}

// proves: S2.47
#[test]
fn dying_at_every_step_of_a_live_run_gives_everybody_one_line() {
    let (place, task, events) = ready();
    let mut deaths = 0;
    // Each life gets one step further than the last before it dies; what was done stays done.
    while !run(&place, &events, deaths + 1) {
        deaths += 1;
        assert!(deaths < 300, "it never came to an end");
    }
    assert!(deaths > 5, "the fault hook never struck");
    assert_each_once(&place, &task);
}

#[test]
fn dying_once_and_starting_again_gives_everybody_one_line() {
    for step in [2, 3, 5, 8, 13, 21, 34] {
        let (place, task, events) = ready();
        run(&place, &events, step);
        assert!(run(&place, &events, 1_000_000), "step {step}");
        assert_each_once(&place, &task);
    }
}

#[test]
fn another_stream_at_the_same_place_is_read_from_its_beginning() {
    let (place, task, events) = ready();
    assert!(!run(&place, &events, 21), "killed in the middle");
    place.file("events.ndjson", &(event(900, 4, "view", 125) + "\n"));
    assert!(run(&place, &events, 1_000_000));
    let due: Vec<Value> = place.outbox(&task).into_iter().map(|line| line["due_at"].clone()).collect();
    assert!(due.contains(&json!("2026-03-02T11:25:00.000+08:00")), "{due:?}");
}
