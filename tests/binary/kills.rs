//! kill -9 on the real binary, by fault hook at every step and by signal at any moment: nobody is
//! lost, nobody is doubled at a receiver that honours touch ids, and the book balances.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::receiver::{Answer, Receiver};
use super::support::{Place, approved, assert_balanced, repository};

const NOW: &str = "2026-03-01T09:00:00+08:00";
const UNTIL: &str = "2026-03-01T10:20:00+08:00";

/// A home with `count` customers and a once task at 10:00 through `sender`.
fn ready(count: usize, sender: &str, batch: usize, url: &str) -> (Place, String) {
    let place = Place::new();
    let rows: String =
        (0..count).map(|n| format!("u{n:05},客户{n},{}\n", if n % 20 == 0 { "yes" } else { "no" })).collect();
    let users = place.file("users.csv", &format!("user_id,name,blocked\n{rows}"));
    place.run(&["ingest", "users", &users]);
    std::fs::write(
        place.home().join("quanke.toml"),
        format!("[senders.hook]\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = \"s3cret\"\ntimeout = \"2s\"\n[retry]\ntries = 4\nwait = \"0s\"\n"),
    )
    .unwrap();
    place.run(&["crowd", "create", "黑名单", "blocked = 'yes'", "--now", NOW]);
    let task = place.file(
        "task.toml",
        &format!(
            "name = \"提醒\"\nstart = \"{NOW}\"\nend = \"2026-04-01T00:00:00+08:00\"\n[trigger]\nkind = \"once\"\nat = \"2026-03-01T10:00:00+08:00\"\n\
             [dispatch]\nsender = \"{sender}\"\nbatch = {batch}\ncontent = {{ template = \"{{{{name}}}} 您好\" }}\n[limits]\nholdout = \"10%\"\nblacklist = \"黑名单\"\n"
        ),
    );
    let id = approved(&place, &task, NOW);
    (place, id)
}

fn report(place: &Place, task: &str) -> Value {
    let report = place.json(&["task", "report", task, "--now", UNTIL]);
    assert_balanced(&report["total"]);
    report["total"].clone()
}

/// Each person has exactly one line in the outbox, and as many as the book says were handed over.
fn assert_each_once(place: &Place, task: &str) {
    let total = report(place, task);
    let lines = place.outbox(task);
    let users: BTreeSet<&str> = lines.iter().map(|line| line["user_id"].as_str().unwrap()).collect();
    assert_eq!(users.len(), lines.len(), "somebody has two lines");
    assert_eq!(lines.len() as u64, total["handed"].as_u64().unwrap(), "{total}");
}

#[test]
fn dying_at_every_step_of_the_dispatch_gives_each_user_one_line() {
    let (place, task) = ready(60, "file", 20, "http://127.0.0.1:1/");
    let mut deaths = 0;
    loop {
        let status = place
            .command(&["run", "--until", UNTIL, "--now", NOW])
            .env("QUANKE_DIE_AT", (deaths + 1).to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        // Each life gets one step further than the last before it dies; what was done stays done.
        if status.success() || deaths > 200 {
            assert!(status.success(), "it never came to an end");
            assert_each_once(&place, &task);
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 0, "the fault hook never struck");
}

#[test]
fn dying_once_at_step_n_and_starting_again_gives_each_user_one_line() {
    for step in [1, 2, 3, 5, 8, 13, 21] {
        let (place, task) = ready(45, "file", 10, "http://127.0.0.1:1/");
        let _ = place
            .command(&["run", "--until", UNTIL, "--now", NOW])
            .env("QUANKE_DIE_AT", step.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        place.run(&["run", "--until", UNTIL, "--now", NOW]);
        assert_each_once(&place, &task);
    }
}

/// A channel that sometimes takes a batch and hangs up, sometimes is busy.
fn moody(request: usize) -> Answer {
    match request % 7 {
        2 => Answer::TakeAndHangUp,
        4 => Answer::Busy,
        _ => Answer::Ok,
    }
}

#[test]
fn killed_by_signal_at_any_moment_a_deduplicating_receiver_has_everyone_once() {
    let receiver = Receiver::start(moody);
    let (place, task) = ready(3_000, "hook", 25, &receiver.url);
    for life in 0..12u64 {
        let mut child = place
            .command(&["run", "--until", UNTIL, "--now", NOW])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(30 + 35 * life));
        let _ = child.kill();
        let _ = child.wait();
    }
    // A channel that gave no answer three times in a row stops the task (异常); an operator starts it again.
    for _ in 0..10 {
        let said = place.try_run(&["run", "--until", UNTIL, "--now", NOW]);
        assert!(said.code == 0 || (said.code == 3 && said.talk.contains("DSP-008")), "{}", said.talk);
        if place.json(&["task", "report", &task])["state"] == "failed" {
            place.run(&["task", "start", &task, "--now", UNTIL]);
        }
    }
    let total = report(&place, &task);
    let touches = receiver.touches.lock().unwrap();
    let users: BTreeSet<&String> = touches.values().map(|(user, _)| user).collect();
    assert_eq!(users.len(), touches.len(), "one touch id a person");
    let n = |name: &str| total[name].as_u64().unwrap();
    assert_eq!(n("held"), 0, "{total}");
    assert!(
        touches.len() as u64 >= n("handed") - n("unknown") - n("refused"),
        "handed over but never seen: {total}, seen {}",
        touches.len()
    );
    assert!(touches.len() as u64 <= n("handed"), "seen but not in the book: {total}, seen {}", touches.len());
    assert_eq!(n("due"), 3_000);
}

/// An ingest killed at any moment leaves the home as it was, and running it again is safe.
#[test]
fn an_ingest_killed_at_any_moment_changes_all_or_nothing() {
    let place = Place::new();
    let file = repository("data/cdnow/purchases.csv");
    let users = place.file("users.csv", "user_id,city\n00001,上海\n");
    place.run(&["ingest", "users", &users]);
    for life in 0..10u64 {
        let mut child = place
            .command(&["ingest", "events", &file, "--time", "time"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20 + 60 * life));
        let _ = child.kill();
        let _ = child.wait();
        let universe =
            place.json(&["estimate", "city is known or city is missing"])["universe"].as_u64().unwrap();
        assert!(universe == 1 || universe == 23_570, "{universe}: half a load is visible");
    }
    place.run(&["ingest", "events", &file, "--time", "time"]);
    assert_eq!(place.json(&["estimate", "did purchase", "--as-of", "1998-07-01"])["count"], 23_570);
}
