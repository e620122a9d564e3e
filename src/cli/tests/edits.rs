//! Edits of triggers that run: a window belongs to the version in force at its A.

use serde_json::{Value, json};

use super::Shell;

fn text(within: &str, content: &str) -> String {
    format!(
        "name = \"提醒\"\nstart = \"2026-03-02\"\nend = \"2026-03-09\"\n[trigger]\nkind = \"absence\"\n\
         did = \"view\"\nnot_done = \"share\"\nwithin = \"{within}\"\n[dispatch]\nsender = \"file\"\n\
         content = {{ template = \"{content}\" }}\n"
    )
}

fn view(id: &str, user: &str, at: &str) -> String {
    let event = json!({"event_id": id, "user_id": user, "event": "view", "time": format!("2026-03-02T{at}:00+08:00")});
    format!("{event}\n")
}

/// Touches so far: user, planned reach (hour and minute), template.
fn reached(shell: &Shell) -> Vec<String> {
    let path = shell.folder.path().join("home/outbox/t1.ndjson");
    let shown = |line: &str| {
        let touch: Value = serde_json::from_str(line).unwrap();
        let part = |key: &str| touch[key].as_str().unwrap().to_string();
        format!(
            "{} {} {}",
            part("user_id"),
            &part("due_at")[11..16],
            touch["content"]["template"].as_str().unwrap()
        )
    };
    std::fs::read_to_string(path).unwrap_or_default().lines().map(shown).collect()
}

fn edit(shell: &Shell, text: &str, at: &str) {
    let file = shell.file("task.toml", text);
    shell.say(&["task", "edit", "t1", &file, "--now", &format!("2026-03-02T{at}:00+08:00")]).fine();
}

fn run(shell: &Shell, name: &str, events: &str, until: &str) {
    let events = shell.file(name, events);
    shell.say(&["run", "--until", &format!("2026-03-02T{until}:00+08:00"), "--events", &events]).fine();
}

// proves: S2.45, S2.46
#[test]
fn windows_keep_the_version_of_their_a_and_other_words_open_none() {
    let shell = Shell::with_users();
    let file = shell.file("task.toml", &text("20m", "旧"));
    shell.say(&["task", "create", &file]).fine();
    shell.say(&["task", "submit", "t1"]).fine();
    shell.say(&["task", "approve", "t1"]).fine();
    run(&shell, "a.ndjson", &view("e1", "u3", "10:00"), "10:05");
    edit(&shell, &text("5m", "旧"), "10:06");
    run(&shell, "b.ndjson", &view("e2", "00001", "10:08"), "10:30");
    assert_eq!(reached(&shell), ["00001 10:13 旧", "u3 10:20 旧"]);
    // Only what is said changes: the window that waits stays the only one of the user.
    run(&shell, "c.ndjson", &view("e3", "u4", "11:00"), "11:01");
    edit(&shell, &text("5m", "新"), "11:02");
    run(&shell, "d.ndjson", &view("e4", "u4", "11:03"), "11:30");
    assert_eq!(reached(&shell)[2..], ["u4 11:05 新"]);
    let report = shell.ask(&["task", "report", "t1"]).fine().json();
    assert_eq!((&report["total"]["handed"], &report["total"]["balanced"]), (&3.into(), &true.into()));
}
