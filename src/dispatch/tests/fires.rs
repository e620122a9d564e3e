//! What triggers fire: runs by day, seats, gates, late B's, and tasks that are steered.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{hand, nth, place, release, released, text};
use super::world::Reply::{Busy, Deliver, Take};
use super::world::{Receiver, World, at, senders};
use crate::base::{Day, Timestamp};
use crate::dispatch::{NoFaults, Report, Triggered, cancel, stop};
use crate::task::Move;
use crate::trigger::{Counts, Decision, End, Reason as Why};

/// A running task whose users `0..users` are known, at 10:00.
fn running(users: u32, trigger: &str, limits: &str) -> (World, String) {
    let world = World::of(users);
    let id = world.approved(&text(trigger, limits));
    world.run(&senders(&Receiver::new(true, &[])), "10:00");
    (world, id)
}

fn late(user: u32, n: u32) -> Decision {
    nth(user, n, at("10:00"), End::Contradicted)
}

#[test]
fn a_user_may_have_several_touches_in_a_day_each_with_its_name() {
    let (world, id) = running(3, "", "");
    let receiver = Receiver::new(true, &[]);
    let fires: Vec<Decision> =
        (0..9).map(|n| released(n % 3, n / 3 + 1, at("10:00").plus(i64::from(n)))).collect();
    let happened = world.fire(&senders(&receiver), &NoFaults, &id, (0, &fires), at("10:01")).unwrap();
    assert_eq!(happened.unwrap().note, "done: 9 handed over, 0 withheld, 0 suppressed");
    assert_eq!((receiver.user_count(), receiver.doubles()), (3, 0));
    let seen = receiver.seen.lock().unwrap();
    let all: BTreeSet<&str> = seen.values().map(|(bytes, _)| bytes.as_str()).collect();
    assert_eq!(all.len(), 9);
    assert!(
        all.iter().any(|bytes| bytes.contains("\"due_at\":\"2026-03-01T10:00:00.008+08:00\"")),
        "{all:?}"
    );
    let report = world.report(&id);
    assert_eq!((report.runs[0].run.as_str(), report.runs[0].audience), ("t1@2026-03-01", 9));
    assert_eq!((report.total.delivered, report.runs[0].state.as_str()), (9, "done"));
}

#[test]
fn a_run_is_a_local_day_of_release() {
    let (world, id) = running(2, "", "");
    let receiver = Receiver::new(true, &[]);
    let evening = at("23:59");
    let fires = [released(0, 1, evening), released(1, 1, evening)];
    world.fire(&senders(&receiver), &NoFaults, &id, (0, &fires[..1]), evening).unwrap();
    world.fire(&senders(&receiver), &NoFaults, &id, (1, &fires[1..]), evening.plus(60_000)).unwrap();
    let report = world.report(&id);
    let runs: Vec<(&str, &str)> =
        report.runs.iter().map(|run| (run.run.as_str(), run.planned_at.as_str())).collect();
    let days = [
        ("t1@2026-03-01", "2026-03-01T00:00:00.000+08:00"),
        ("t1@2026-03-02", "2026-03-02T00:00:00.000+08:00"),
    ];
    assert_eq!(runs, days);
    assert_eq!(receiver.user_count(), 2);
}

#[test]
fn each_end_has_its_reason_and_the_gates_are_asked_at_the_release() {
    let (mut world, id) = running(9, "", "blacklist = \"投诉\"");
    world.blacklist = Some("退订");
    world.crowds.borrow_mut().insert("投诉".into(), (0..1).collect());
    world.crowds.borrow_mut().insert("退订".into(), (1..2).collect());
    let base = at("10:00");
    let ends = [
        End::Suppressed(Why::Paused),
        End::Suppressed(Why::Audience),
        End::Suppressed(Why::FiresMax),
        End::Suppressed(Why::GapMin),
        End::Suppressed(Why::Past),
        End::Expired,
        End::Ended,
        End::Withdrawn,
        End::Fired { reach: base },
        End::Cancelled,
        End::Joined,
    ];
    let mut all: Vec<Decision> = ends.iter().zip(1..).map(|(end, n)| nth(2, n, base, *end)).collect();
    all.extend([released(0, 1, base), released(1, 1, base), released(77, 1, base), released(3, 1, base)]);
    let receiver = Receiver::new(true, &[]);
    world.fire(&senders(&receiver), &NoFaults, &id, (0, &all), base).unwrap();
    let book = world.report(&id).total;
    assert_eq!((book.due, book.suppressed, book.delivered), (12, 11, 1));
    let by: BTreeMap<&str, i64> = book
        .suppressed_by
        .iter()
        .filter_map(|(k, v)| Some((k.as_str(), v.as_i64().filter(|n| *n > 0)?)))
        .collect();
    let wanted = [
        ("audience", 2),
        ("blacklist", 2),
        ("ended", 1),
        ("expired", 1),
        ("fires_max", 1),
        ("gap_min", 1),
        ("late_b", 1),
        ("past", 1),
        ("paused", 1),
    ];
    assert_eq!(by, wanted.into_iter().collect());
}

#[test]
fn without_its_blacklist_nothing_is_booked() {
    let (world, id) = running(2, "", "blacklist = \"没有\"");
    let receiver = Receiver::new(true, &[]);
    let fires = [released(0, 1, at("10:00"))];
    let refused = world.fire(&senders(&receiver), &NoFaults, &id, (0, &fires), at("10:00")).unwrap_err();
    assert_eq!((refused.code, world.ledger().place().unwrap()), ("CRD-001", None));
    assert!(world.report(&id).runs.is_empty());
}

#[test]
fn a_late_b_cancels_what_waits_and_marks_what_is_out_once() {
    let (world, id) = running(6, "", "holdout = \"100%\"");
    let out = Receiver::new(true, &[]);
    world.fire(&senders(&out), &NoFaults, &id, (0, &[released(5, 1, at("10:00"))]), at("10:00")).unwrap();
    assert_eq!(world.report(&id).total.withheld, 1);
    let other = world.approved(&text("", ""));
    let receiver = Receiver::new(true, &[Take]);
    let engine =
        |work: &dyn Fn(&crate::dispatch::Engine)| world.with_engine(&senders(&receiver), &NoFaults, work);
    world.run(&senders(&receiver), "10:00");
    engine(&|engine| {
        release(engine, &other, 10, &[released(0, 1, at("10:00")), released(0, 2, at("10:00"))], at("10:00"))
            .unwrap();
        hand(engine, &other, at("10:00")).unwrap();
        release(engine, &other, 20, &[released(1, 1, at("10:01"))], at("10:01")).unwrap();
        // User 1 waits, the second touch of user 0 is out; what others know of user 0 is not meant.
        for _ in 0..2 {
            release(engine, &other, 30, &[late(1, 1), late(0, 2), late(0, 2), late(4, 1)], at("10:02"))
                .unwrap();
        }
        release(engine, &id, 40, &[late(5, 1), late(0, 1)], at("10:02")).unwrap();
        hand(engine, &other, at("10:02")).unwrap();
    });
    let report = world.report(&other);
    assert_eq!((report.total.awaiting, report.total.suppressed_by["late_b"].as_i64()), (2, Some(1)));
    assert_eq!((report.runs[0].contradicted, report.trigger.unwrap().contradicted), (Some(1), 1));
    assert_eq!(world.report(&id).runs[0].contradicted, Some(0));
    assert_eq!(receiver.user_count(), 1);
}

#[test]
fn a_stalled_channel_fails_the_task_and_a_start_goes_on_within_the_grace() {
    for (again, delivered, expired) in [("10:20", 9, 0), ("10:31", 5, 4), ("11:31", 0, 9)] {
        let (world, id) = running(9, "", "");
        let busy = Receiver::new(true, &[Busy; 9]);
        let early: Vec<Decision> = (0..4).map(|n| released(n, 1, at("10:00"))).collect();
        let later: Vec<Decision> = (4..9).map(|n| released(n, 1, at("10:05"))).collect();
        let happened =
            world.fire(&senders(&busy), &NoFaults, &id, (0, &early), at("10:00")).unwrap().unwrap();
        assert!(happened.what == "failed" && happened.note.contains("DSP-005"), "{happened:?}");
        assert_eq!((world.state(&id), world.run_state(&id).as_str()), ("failed", "stalled"));
        // A failed task hands nothing over, but what fires is booked.
        assert_eq!(world.fire(&senders(&busy), &NoFaults, &id, (10, &later), at("10:05")).unwrap(), None);
        world.run(&senders(&busy), again);
        world.make_move(&id, Move::Start, at(again));
        let receiver = Receiver::new(true, &[]);
        world.run(&senders(&receiver), again);
        let book = world.report(&id).total;
        assert_eq!((book.due, book.delivered, book.held), (9, delivered, 0), "{again}");
        assert_eq!(book.suppressed_by["expired"], expired, "{again}");
        assert_eq!(world.run_state(&id), "done");
    }
}

#[test]
fn a_paused_task_hands_nothing_over() {
    let (world, id) = running(4, "", "");
    let receiver = Receiver::new(true, &[]);
    world.make_move(&id, Move::Pause, at("10:00"));
    let fires = [released(0, 1, at("10:00")), released(1, 1, at("10:00"))];
    assert_eq!(world.fire(&senders(&receiver), &NoFaults, &id, (0, &fires), at("10:00")).unwrap(), None);
    world.run(&senders(&receiver), "10:10");
    assert_eq!((receiver.user_count(), world.report(&id).total.waiting), (0, 2));
    world.make_move(&id, Move::Resume, at("10:10"));
    let summary = world.run(&senders(&receiver), "10:20");
    assert_eq!((summary.happened[0].what.as_str(), receiver.user_count()), ("handed over", 2));
}

#[test]
fn a_task_that_is_over_drops_what_waits_and_what_comes() {
    type Steer = fn(&World, &str);
    let stopped: Steer = |world, id| {
        stop(&world.tasks(), &world.ledger(), id, "小王", None, at("10:05")).unwrap();
    };
    let cancelled: Steer = |world, id| {
        cancel(&world.tasks(), &world.ledger(), id, "小王", None, at("10:05")).unwrap();
    };
    let ended: Steer = |world, _| {
        world
            .run_with(&senders(&Receiver::new(true, &[Busy; 9])), &NoFaults, at("10:05").plus(3 * 86_400_000))
            .unwrap();
    };
    for (steer, reason) in [(stopped, "ended"), (cancelled, "cancelled"), (ended, "ended")] {
        let (world, id) = running(4, "", "");
        let receiver = Receiver::new(true, &[]);
        let engine_release = |first, now: Timestamp| {
            let fires = [released(0, first as u32 + 1, now), released(1, first as u32 + 1, now)];
            world
                .with_engine(&senders(&receiver), &NoFaults, |engine| {
                    release(engine, &id, first, &fires, now)
                })
                .unwrap();
        };
        world.make_move(&id, Move::Pause, at("10:00"));
        engine_release(0, at("10:00"));
        steer(&world, &id);
        engine_release(10, at("10:06"));
        assert_eq!(world.fire(&senders(&receiver), &NoFaults, &id, (20, &[]), at("10:07")).unwrap(), None);
        let book = world.report(&id).total;
        assert_eq!((book.due, book.suppressed_by[reason].as_i64(), receiver.user_count()), (4, Some(4), 0));
    }
}

#[test]
fn a_task_that_lets_what_waits_finish_is_over_when_nothing_can_go_out_any_more() {
    let end = Timestamp(at("00:00").0 + 3 * 86_400_000);
    for (trigger, later_ms) in [
        ("", 0),
        ("on_end = \"finish\"", 30 * 60_000 + 1),
        ("on_end = \"finish\"\nreach = { delay = \"2h\" }", 150 * 60_000 + 1),
        ("on_end = \"finish\"\nreach = { at = \"20:00\" }", (20 * 60 + 30) * 60_000 + 1),
    ] {
        let (world, id) = running(1, trigger, "");
        let none = senders(&Receiver::new(true, &[]));
        world.run_with(&none, &NoFaults, end.plus(later_ms - 1)).unwrap();
        assert_eq!(world.state(&id), "running", "{trigger}");
        world.run_with(&none, &NoFaults, end.plus(later_ms)).unwrap();
        assert_eq!(world.state(&id), "ended", "{trigger}");
    }
}

#[test]
fn a_user_who_was_deleted_meanwhile_is_not_reached() {
    let (world, id) = running(9, "", "");
    let receiver = Receiver::new(true, &[Deliver]);
    let fires: Vec<Decision> = (0..9).map(|n| released(n, 1, at("10:00"))).collect();
    world
        .with_engine(&senders(&receiver), &NoFaults, |engine| release(engine, &id, 0, &fires, at("10:00")))
        .unwrap();
    world.gone.borrow_mut().extend([0, 4, 8]);
    world.with_engine(&senders(&receiver), &NoFaults, |engine| hand(engine, &id, at("10:00"))).unwrap();
    let book = world.report(&id).total;
    assert_eq!((book.delivered, book.suppressed_by["audience"].as_i64()), (6, Some(3)));
}

#[test]
fn the_report_has_the_triggers_numbers_beside_the_book() {
    let (world, id) = running(2, "", "");
    let receiver = Receiver::new(true, &[]);
    world
        .fire(&senders(&receiver), &NoFaults, &id, (0, &[released(0, 1, at("10:00"))]), at("10:00"))
        .unwrap();
    let day = |text| Day::parse(text).unwrap();
    let counts = |fired, cancelled| Counts { fired, cancelled, ..Counts::default() };
    let days = [(day("2026-02-28"), counts(3, 1)), (day("2026-03-01"), counts(4, 0))].into_iter().collect();
    let triggered = Triggered { days, waiting: 6 };
    let report = Report::of(&world.tasks().task(&id).unwrap(), &world.ledger(), &triggered).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["trigger"]["waiting"], 6);
    assert_eq!(
        (&json["trigger"]["total"]["fired"], &json["runs"][0]["contradicted"]),
        (&7.into(), &0.into())
    );
    assert_eq!(json["trigger"]["days"][0]["day"], "2026-02-28");
    assert_eq!(json["runs"][0]["suppressed_by"]["late_b"], 0);
    let table = report.table();
    assert!(
        table.contains("2026-02-28  fired 3, cancelled 1") && table.contains("6 fired and wait"),
        "{table}"
    );
    assert!(world.ledger().place().unwrap() == Some(place(0)));
}
