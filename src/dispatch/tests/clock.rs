//! What happens when: starts, refreshes, runs, pauses, ends.

use super::world::{Receiver, World, at, now, senders, text};
use crate::base::{Share, share_of};
use crate::dispatch::{NoFaults, cancel, stop};
use crate::task::Move;

fn plain() -> String {
    text("receiver", "", "")
}

// proves: S2.32, S2.6, S2.7, S2.8
#[test]
fn a_once_task_runs_at_its_time_and_ends_at_its_end() {
    let (world, receiver) = (World::of(10), Receiver::new(true, &[]));
    let id = world.approved(&plain());
    assert_eq!(world.state(&id), "approved");
    world.run(&senders(&receiver), "19:59");
    assert_eq!((world.state(&id), receiver.user_count()), ("running", 0));
    let summary = world.run(&senders(&receiver), "20:00");
    assert_eq!(summary.happened[0].what, "ran");
    assert_eq!(summary.happened[0].at, "2026-03-01T20:00:00.000+08:00");
    assert_eq!(receiver.user_count(), 10);
    assert_eq!(*world.calls.borrow(), ["resolve 20:00"]);
    world.run(&senders(&receiver), "23:59");
    let report = world.report(&id);
    assert_eq!((report.total.due, report.total.handed, report.total.delivered), (10, 10, 10));
    assert!(report.total.balanced && report.runs[0].is_pushed && report.table().contains("进行中 running"));
    assert_eq!(report.runs[0].run, "t1@2026-03-01T20:00:00");
    world.run_with(&senders(&receiver), &NoFaults, at("23:59").plus(60_000)).unwrap();
    assert_eq!(world.state(&id), "ended");
    assert_eq!(receiver.doubles(), 0);
}

#[test]
fn content_is_filled_and_what_is_nobodys_stays() {
    let (world, receiver) = (World::of(6), Receiver::new(true, &[]));
    world.approved(&plain());
    world.run(&senders(&receiver), "20:00");
    let seen = receiver.seen.lock().unwrap();
    let all: String = seen.values().map(|(bytes, _)| bytes.as_str()).collect();
    assert!(all.contains("\"张1 您好，点击 https://例.cn/?u=u1 {{code}}\""), "{all}");
    assert!(all.contains("\" 您好，点击 https://例.cn/?u=u5 {{code}}\""), "{all}");
    assert!(all.contains("\"due_at\":\"2026-03-01T20:00:00.000+08:00\""), "{all}");
}

// proves: S2.33
#[test]
fn the_refresh_comes_fifteen_minutes_before_and_fixes_the_users() {
    let (world, receiver) = (World::of(10), Receiver::new(true, &[]));
    let id = world.approved(&text("receiver", "refresh_before = true", ""));
    world.run(&senders(&receiver), "19:44");
    assert!(world.calls.borrow().is_empty());
    world.run(&senders(&receiver), "19:45");
    assert_eq!(*world.calls.borrow(), ["refresh 19:45"]);
    assert_eq!(world.run_state(&id), "refreshed");
    world.users.borrow_mut().remove_range(0..8);
    world.run(&senders(&receiver), "20:00");
    assert_eq!(receiver.user_count(), 10);
    assert_eq!(world.report(&id).runs[0].as_of.as_deref(), Some("2026-03-01T19:45:00.000+08:00"));
    assert_eq!(*world.calls.borrow(), ["refresh 19:45"]);
}

// proves: S2.37
#[test]
fn a_failed_refresh_skips_the_run_or_uses_the_latest_crowd() {
    for (policy, state, users) in [("", "skipped", 0), ("on_refresh_failure = \"latest\"", "done", 4)] {
        let (world, receiver) = (World::of(4), Receiver::new(true, &[]));
        let id = world.approved(&text("receiver", &format!("refresh_before = true\n{policy}"), ""));
        world.is_refresh_broken.set(true);
        let summary = world.run(&senders(&receiver), "21:00");
        assert!(summary.happened.iter().any(|h| h.note.contains("DSP-006") && h.note.contains("CRD-009")));
        assert_eq!((world.run_state(&id).as_str(), receiver.user_count()), (state, users));
        assert!(world.report(&id).total.balanced);
    }
}

#[test]
fn a_run_found_late_is_sent_within_the_grace_and_missed_after_it() {
    for (grace, found, state) in
        [("", "20:30", "done"), ("", "20:31", "missed"), ("grace = \"2h\"", "21:59", "done")]
    {
        let (world, receiver) = (World::of(4), Receiver::new(true, &[]));
        let id = world.approved(&text("receiver", grace, ""));
        // The machine was down: the clock's first reading is already late.
        world
            .with_engine(&senders(&receiver), &NoFaults, |engine| {
                engine.run_until(at(found), at("22:00"), None)
            })
            .unwrap();
        assert_eq!(world.run_state(&id), state, "{found}");
        let report = world.report(&id);
        assert_eq!(
            report.runs[0].cause.as_deref().is_some_and(|cause| cause.contains("DSP-007")),
            state == "missed"
        );
        assert_eq!(receiver.user_count(), if state == "done" { 4 } else { 0 });
    }
}

#[test]
fn gates_name_the_first_reason_and_the_holdout_is_the_shares() {
    let (mut world, receiver) = (World::of(400), Receiver::new(true, &[]));
    world.blacklist = Some("全局黑名单");
    world.crowds.borrow_mut().insert("全局黑名单".into(), (0..10).collect());
    world.crowds.borrow_mut().insert("投诉".into(), (5..20).collect());
    let id = world.approved(&text("receiver", "", "holdout = \"25%\"\nblacklist = \"投诉\""));
    world.run(&senders(&receiver), "20:00");
    let is_out = |n: &u32| share_of(Share(250_000), "holdout t1", &format!("u{n}"));
    let withheld = (20..400).filter(is_out).count() as i64;
    let book = world.report(&id).total;
    assert_eq!((book.due, book.suppressed, book.withheld), (400, 20, withheld));
    assert_eq!(book.suppressed_by["blacklist"], 20);
    assert_eq!(book.handed, 380 - withheld);
    assert!(withheld > 50 && book.balanced);
    assert!(!receiver.users.lock().unwrap().contains("u19"));
}

/// Who complained between the refresh, or the planned time, and the run is not reached.
#[test]
fn the_blacklist_is_asked_at_the_instant_of_the_run() {
    for (more, found, calls) in [
        ("refresh_before = true", "19:00", ["refresh 19:45", "crowd 投诉 20:00"]),
        ("", "20:20", ["resolve 20:00", "crowd 投诉 20:20"]),
    ] {
        let (world, receiver) = (World::of(4), Receiver::new(true, &[]));
        world.crowds.borrow_mut().insert("投诉".into(), (0..1).collect());
        world.approved(&text("receiver", more, "blacklist = \"投诉\""));
        let run = |from, to| {
            world.with_engine(&senders(&receiver), &NoFaults, |engine| {
                engine.run_until(at(from), at(to), None)
            })
        };
        run(found, "22:00").unwrap();
        assert_eq!(*world.calls.borrow(), calls);
        assert_eq!(receiver.user_count(), 3);
    }
}

#[test]
fn an_unknown_blacklist_stops_the_task_instead_of_reaching_everyone() {
    let (world, receiver) = (World::of(4), Receiver::new(true, &[]));
    let id = world.approved(&text("receiver", "", "blacklist = \"没有\""));
    world.run(&senders(&receiver), "20:00");
    assert_eq!((world.state(&id), receiver.user_count()), ("failed", 0));
    world.crowds.borrow_mut().insert("没有".into(), (0..1).collect());
    // proves: S2.11, S2.7 (restarted)
    world.make_move(&id, Move::Start, at("20:00"));
    world.run(&senders(&receiver), "20:10");
    assert_eq!((world.state(&id), receiver.user_count()), ("running", 3));
}

// proves: S2.9
#[test]
fn what_falls_due_in_a_pause_is_counted_or_held() {
    for (policy, resumed, users, paused) in
        [("", "20:10", 0, 6), ("on_pause = \"hold\"", "20:10", 6, 0), ("on_pause = \"hold\"", "20:40", 0, 0)]
    {
        let (world, receiver) = (World::of(6), Receiver::new(true, &[]));
        let id = world.approved(&text("receiver", policy, ""));
        world.run(&senders(&receiver), "19:00");
        world.make_move(&id, Move::Pause, at("19:00"));
        world.run(&senders(&receiver), resumed);
        world.make_move(&id, Move::Resume, at(resumed));
        world.run(&senders(&receiver), "21:00");
        let book = world.report(&id).total;
        assert_eq!((receiver.user_count(), book.suppressed), (users, paused), "{policy} {resumed}");
        assert!(book.balanced);
    }
}

// proves: S2.10
#[test]
fn cancel_is_allowed_until_the_first_batch_is_out() {
    let (world, receiver) = (World::of(6), Receiver::new(true, &[]));
    let early = world.approved(&plain());
    let late = world.approved(&plain());
    world.run(&senders(&receiver), "19:00");
    let (tasks, ledger) = (world.tasks(), world.ledger());
    assert_eq!(
        cancel(&tasks, &ledger, &early, "小王", Some("不做了"), at("19:00")).unwrap().state.chinese(),
        "已取消"
    );
    world.run(&senders(&receiver), "20:00");
    assert!(world.report(&early).runs.is_empty());
    let refused = cancel(&tasks, &ledger, &late, "小王", None, at("20:00")).unwrap_err();
    assert_eq!(refused.code, "DSP-002");
    assert!(refused.cure.contains("task stop t2"));
    assert_eq!(stop(&tasks, &ledger, &late, "小王", None, at("20:00")).unwrap().state.word(), "ended");
}

#[test]
fn a_person_may_start_before_the_start() {
    let (world, receiver) = (World::of(2), Receiver::new(true, &[]));
    let id = world.approved(&plain());
    assert_eq!(world.make_move(&id, Move::Start, now()).state.word(), "running");
    world.run(&senders(&receiver), "20:00");
    assert_eq!(receiver.user_count(), 2);
}

#[test]
fn the_clock_never_goes_back() {
    let (world, receiver) = (World::of(1), Receiver::new(true, &[]));
    world.run(&senders(&receiver), "20:00");
    let back = world.run_with(&senders(&receiver), &NoFaults, at("19:00")).unwrap_err();
    assert_eq!(back.code, "DSP-003");
    world.run(&senders(&receiver), "20:00");
}

#[test]
fn a_sender_that_is_gone_fails_the_task() {
    let (world, receiver) = (World::of(1), Receiver::new(true, &[]));
    let id = world.approved(&text("短信", "", ""));
    let summary = world.run(&senders(&receiver), "20:00");
    assert!(summary.happened.iter().any(|h| h.note.contains("DSP-001") && h.note.contains("receiver")));
    assert_eq!(world.state(&id), "failed");
}
