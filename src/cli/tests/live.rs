//! Tasks that live events fire, through the door: events in, touches out, history behind.

use serde_json::{Value, json};

use super::Shell;

/// A task of a trigger kind that is approved; gives its id.
pub(super) fn approved(shell: &Shell, name: &str, audience: &str, trigger: &str) -> String {
    let text = format!(
        "name = \"{name}\"\n{audience}\nstart = \"2026-03-02T00:00:00+08:00\"\nend = \"2026-03-09T00:00:00+08:00\"\n\
         [trigger]\n{trigger}\n[dispatch]\nsender = \"file\"\ncontent = {{ template = \"{{{{city}}}} 您好\" }}\n"
    );
    let file = shell.file("task.toml", &text);
    let id = shell.ask(&["task", "create", &file]).fine().json()["id"].as_str().unwrap().to_string();
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    id
}

pub(super) fn event(id: &str, user: &str, event: &str, at: &str) -> Value {
    json!({"event_id": id, "user_id": user, "event": event, "time": format!("2026-03-02T{at}+08:00"),
        "properties": {"page": "/home"}})
}

pub(super) fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

/// The touches in the outbox of a task: user and planned reach, in the order in which they went out.
pub(super) fn reached(shell: &Shell, id: &str) -> Vec<(String, String)> {
    let path = shell.folder.path().join(format!("home/outbox/{id}.ndjson"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let touch = |line: &str| {
        let touch: Value = serde_json::from_str(line).unwrap();
        (touch["user_id"].as_str().unwrap().to_string(), touch["due_at"].as_str().unwrap().to_string())
    };
    text.lines().map(touch).collect()
}

pub(super) fn run(shell: &Shell, until: &str, events: &str) -> Value {
    shell.ask(&["run", "--until", until, "--events", events]).fine().json()
}

pub(super) const VIEW_NO_SHARE: &str =
    "kind = \"absence\"\ndid = \"view where page = '/home'\"\nnot_done = \"share\"\nwithin = \"20m\"";

// proves: S2.49
#[test]
fn what_came_later_than_the_lateness_allows_is_counted() {
    let shell = Shell::with_users();
    approved(&shell, "未分享提醒", "audience = \"gender = '女'\"", VIEW_NO_SHARE);
    let first = shell.file("first.ndjson", &lines(&[event("e1", "u3", "view", "10:00:00")]));
    let said = run(&shell, "2026-03-02T10:50:00+08:00", &first);
    assert_eq!(said["events"]["breaches"], 0);
    let all = [event("e2", "u3", "view", "10:20:00"), event("e3", "u3", "view", "10:55:00")];
    let said = run(&shell, "2026-03-02T11:30:00+08:00", &shell.file("later.ndjson", &lines(&all)));
    assert_eq!(said["events"]["breaches"], 1, "the watermark was past 10:20");
}

// proves: S2.47
// proves: S2.42
#[test]
fn who_viewed_and_did_not_share_is_reached_once() {
    let shell = Shell::with_users();
    let id = approved(&shell, "未分享提醒", "audience = \"gender = '女'\"", VIEW_NO_SHARE);
    let events = shell.file(
        "events.ndjson",
        &lines(&[
            event("e1", "u3", "view", "10:00:00"),
            event("e2", "00001", "view", "10:05:00"),
            event("e3", "00002", "view", "10:06:00"),
            event("e4", "u77", "view", "10:07:00"),
            event("e5", "u3", "share", "10:10:00"),
            event("e6", "00001", "share", "10:25:01"),
            event("e7", "00001", "view", "10:40:00"),
        ]),
    );
    let said = run(&shell, "2026-03-02T10:50:00+08:00", &events);
    assert_eq!((&said["events"]["accepted"], &said["events"]["new_users"]), (&7.into(), &1.into()));
    let first = ("00001".to_string(), "2026-03-02T10:25:00.000+08:00".to_string());
    assert_eq!(reached(&shell, &id), std::slice::from_ref(&first));
    // The window of e7 waits over the end of the run.
    shell.ask(&["run", "--until", "2026-03-02T11:30:00+08:00"]).fine();
    let second = ("00001".to_string(), "2026-03-02T11:00:00.000+08:00".to_string());
    assert_eq!(reached(&shell, &id), [first, second]);
    let report = shell.ask(&["task", "report", &id]).fine().json();
    assert_eq!((&report["total"]["handed"], &report["total"]["balanced"]), (&2.into(), &true.into()));
    // What came is history now, once, also when it is delivered again.
    let did = |selection: &str| {
        shell.ask(&["estimate", selection, "--as-of", "2026-03-03"]).fine().json()["count"].as_u64().unwrap()
    };
    assert_eq!((did("did view"), did("did view count >= 2")), (4, 1));
    run(&shell, "2026-03-02T12:00:00+08:00", &events);
    assert_eq!((did("did view"), did("did view count >= 2")), (4, 1));
    assert_eq!(reached(&shell, &id).len(), 2);
}

// proves: S2.38
// proves: S2.40
#[test]
fn the_third_time_fires_once() {
    let shell = Shell::with_users();
    let id = approved(&shell, "第三次", "", "kind = \"event\"\ndid = \"view\"\ncount = { total = 3 }");
    let all: Vec<Value> =
        (0..5).map(|n| event(&format!("e{n}"), "u3", "view", &format!("10:0{n}:00"))).collect();
    let events = shell.file("events.ndjson", &lines(&all));
    run(&shell, "2026-03-02T10:30:00+08:00", &events);
    assert_eq!(reached(&shell, &id), [("u3".to_string(), "2026-03-02T10:02:00.000+08:00".to_string())]);
}

// proves: S2.45
#[test]
fn a_trace_tells_every_window_and_its_end() {
    let shell = Shell::with_users();
    let id = approved(&shell, "未分享提醒", "", VIEW_NO_SHARE);
    let events = shell.file(
        "events.ndjson",
        &lines(&[
            event("e1", "u3", "view", "10:00:00"),
            event("e2", "u3", "share", "10:10:00"),
            event("e3", "u3", "view", "11:00:00"),
        ]),
    );
    run(&shell, "2026-03-02T12:00:00+08:00", &events);
    let traced = shell.ask(&["task", "trace", &id, "--user", "u3"]).fine().json();
    let words: Vec<&str> =
        traced["decisions"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert_eq!(words, ["cancelled", "fired", "released"]);
    assert!(shell.say(&["task", "trace", &id, "--user", "u3"]).fine().out.contains("no B until"));
}

#[test]
fn a_pause_counts_from_when_it_was_made() {
    let shell = Shell::with_users();
    let id = approved(&shell, "未分享提醒", "", VIEW_NO_SHARE);
    let first = shell.file(
        "a.ndjson",
        &lines(&[event("e1", "u3", "view", "10:00:00"), event("e2", "u4", "view", "10:30:00")]),
    );
    run(&shell, "2026-03-02T10:31:00+08:00", &first);
    shell.say(&["task", "pause", &id, "--now", "2026-03-02T10:40:00+08:00"]).fine();
    shell.ask(&["run", "--until", "2026-03-02T11:00:00+08:00"]).fine();
    shell.say(&["task", "resume", &id, "--now", "2026-03-02T11:00:00+08:00"]).fine();
    let second = shell.file("b.ndjson", &lines(&[event("e3", "u5", "view", "11:05:00")]));
    run(&shell, "2026-03-02T12:00:00+08:00", &second);
    let users: Vec<String> = reached(&shell, &id).into_iter().map(|(user, _)| user).collect();
    assert_eq!(users, ["u3", "u5"], "u4's window fell due in the pause");
    let report = shell.ask(&["task", "report", &id]).fine().json();
    assert_eq!(report["total"]["suppressed"], 1);
}

#[test]
fn a_task_whose_filter_means_nothing_any_more_fails_alone_and_starts_again() {
    let shell = Shell::with_users();
    let odd = approved(&shell, "金额", "", "kind = \"event\"\ndid = \"view where score > 5\"");
    let sound = approved(&shell, "浏览", "", "kind = \"event\"\ndid = \"view\"");
    // `score` is a text from now on, so the filter cannot be read.
    shell.file("catalog.toml", "[properties]\nscore = { type = \"text\" }\n");
    std::fs::copy(shell.path("catalog.toml"), shell.path("home/catalog.toml")).unwrap();
    let events = shell.file("events.ndjson", &lines(&[event("e1", "u3", "view", "10:00:00")]));
    let said = shell.ask(&["run", "--until", "2026-03-02T11:00:00+08:00", "--events", &events]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.talk.contains("DSP-008") && said.talk.contains(&odd), "{said:?}");
    assert_eq!(shell.ask(&["task", "show", &odd]).fine().json()["state"], "failed");
    assert_eq!(reached(&shell, &sound).len(), 1, "{said:?}");
}

#[test]
fn a_crowd_refreshed_by_hand_between_two_runs_is_asked_by_the_second() {
    let shell = Shell::with_users();
    let women = ["crowd", "create", "女性", "gender = '女'", "--update", "daily"];
    shell.say(&women).fine();
    let id = approved(&shell, "浏览", "crowd = \"女性\"", "kind = \"event\"\ndid = \"view\"");
    let first = shell.file("a.ndjson", &lines(&[event("e1", "u4", "view", "10:00:00")]));
    run(&shell, "2026-03-02T10:30:00+08:00", &first);
    assert!(reached(&shell, &id).is_empty(), "u4 is a man");
    let more = shell.file("more.csv", "user_id,gender\nu4,女\n");
    shell.say(&["ingest", "users", &more, "--mode", "patch"]).fine();
    shell.say(&["crowd", "refresh", "女性", "--now", "2026-03-02T10:40:00+08:00"]).fine();
    let second = shell.file("b.ndjson", &lines(&[event("e2", "u4", "view", "10:50:00")]));
    let now = "2026-03-02T10:45:00+08:00";
    let until = "2026-03-02T11:00:00+08:00";
    shell.ask(&["run", "--now", now, "--until", until, "--events", &second]).fine();
    assert_eq!(reached(&shell, &id), [("u4".to_string(), "2026-03-02T10:50:00.000+08:00".to_string())]);
}

#[test]
fn any_event_can_be_what_was_done_and_what_was_not() {
    let shell = Shell::with_users();
    let trigger =
        "kind = \"absence\"\ndid = \"view\"\nnot_done = \"any where page = '/home'\"\nwithin = \"20m\"";
    let silent = approved(&shell, "沉默", "", trigger);
    let trigger = "kind = \"event\"\ndid = \"任意\"\ncount = { every = 2 }";
    let active = approved(&shell, "活跃", "", trigger);
    let mut other = event("e3", "u4", "share", "10:10:00");
    other["properties"]["page"] = "/cart".into();
    let events = shell.file(
        "events.ndjson",
        &lines(&[
            event("e1", "u3", "view", "10:00:00"),
            event("e2", "u4", "view", "10:05:00"),
            event("e4", "u3", "share", "10:06:00"),
            other,
        ]),
    );
    run(&shell, "2026-03-02T12:00:00+08:00", &events);
    // u3 did something at home in time; u4 did not, and the view itself does not count.
    assert_eq!(reached(&shell, &silent), [("u4".to_string(), "2026-03-02T10:25:00.000+08:00".to_string())]);
    let at = |time: &str| format!("2026-03-02T{time}.000+08:00");
    assert_eq!(
        reached(&shell, &active),
        [("u3".to_string(), at("10:06:00")), ("u4".to_string(), at("10:10:00"))]
    );
}

#[test]
fn what_fires_at_once_goes_out_before_hours_of_silence() {
    let shell = Shell::with_users();
    let id = approved(&shell, "浏览", "", "kind = \"event\"\ndid = \"view\"");
    let all = [event("e1", "u3", "view", "10:00:00"), event("e2", "u4", "view", "14:00:00")];
    let events = shell.file("events.ndjson", &lines(&all));
    run(&shell, "2026-03-02T20:00:00+08:00", &events);
    let users: Vec<String> = reached(&shell, &id).into_iter().map(|(user, _)| user).collect();
    assert_eq!(users, ["u3", "u4"], "neither is older than the grace when it goes out");
}
