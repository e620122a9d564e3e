//! Staff inside the engine: kills anywhere, fires of triggers, and batches of one member.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::timelines::Desk;
use crate::base::{Day, Timestamp};
use crate::dispatch::tests::facts::{self, released};
use crate::dispatch::tests::world::{DieAt, World, at, now, text};
use crate::dispatch::{NoFaults, Sender, Senders};
use crate::task::{By, MemberRow, Move};

const DAY_MS: i64 = 24 * 3_600_000;

fn with_staff(world: &World, ids: &[&str]) {
    let row = |id: &&str| MemberRow { id: id.to_string(), joined: Some(Day(0)), ..MemberRow::default() };
    let rows: Vec<MemberRow> = ids.iter().map(row).collect();
    let by = By { who: "人事", note: None, now: now() };
    world.tasks().staff().import(&rows, Day(20_500), by).unwrap();
}

fn senders(desk: &Arc<Desk>) -> Senders {
    [("desk".to_string(), desk.clone() as Arc<dyn Sender>)].into_iter().collect()
}

/// Whose each user's touch was when it went out.
fn got(desk: &Desk) -> BTreeMap<String, String> {
    let got = desk.got();
    let of: BTreeMap<String, String> =
        got.iter().map(|touch| (touch.user_id.clone(), touch.staff.clone().unwrap())).collect();
    assert!(
        got.iter().all(|touch| of[&touch.user_id] == *touch.staff.as_ref().unwrap()),
        "never two members"
    );
    of
}

/// A run over two days, killed before step `n` and gone on with: whose users were, and was it killed?
fn lived(n: i64) -> (BTreeMap<String, String>, bool) {
    let world = World::of(20);
    with_staff(&world, &["张三", "李四", "王五"]);
    let task = text("desk", "", "staff = { per_day = 4 }")
        .replace("name =", "staff = [\"张三\", \"李四\", \"王五\"]\nname =")
        .replace("2026-03-02T00:00", "2026-03-09T00:00");
    let id = world.approved(&task);
    let desk = Arc::new(Desk::default());
    let mut was_killed = false;
    for step in [n, i64::MAX] {
        let faults = DieAt::step(step);
        let ended = world.run_with(&senders(&desk), faults.as_ref(), at("20:10").plus(2 * DAY_MS));
        assert_eq!(ended.is_err(), faults.is_dead(), "{ended:?}");
        was_killed |= faults.is_dead();
    }
    let book = world.report(&id).total;
    assert!(book.balanced);
    assert_eq!((book.due, book.awaiting, book.held), (20, 20, 0), "killed at {n}: {book:?}");
    let todos = world.ledger().todos(&Default::default()).unwrap();
    assert_eq!(todos.len(), 20, "one to-do a user");
    (got(&desk), was_killed)
}

#[test]
fn a_kill_at_any_step_changes_nobody_s_member() {
    let (unkilled, _) = lived(i64::MAX);
    assert_eq!(unkilled.len(), 20);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    unkilled.values().for_each(|staff| *counts.entry(staff).or_insert(0) += 1);
    assert!(counts.values().all(|count| (6..=7).contains(count)), "{counts:?}");
    let mut steps = 0;
    while let (found, true) = lived(steps) {
        assert_eq!(found, unkilled, "killed at {steps}");
        steps += 1;
    }
    assert!(steps > 20, "{steps}");
}

// proves: S2.52
#[test]
fn fires_are_dealt_too_and_who_fires_again_keeps_their_member() {
    let world = World::of(9);
    with_staff(&world, &["张三", "李四"]);
    let task = facts::text("", "staff = { per_day = 4 }")
        .replace("name =", "staff = [\"张三\", \"李四\"]\nname =")
        .replace("\"receiver\"", "\"desk\"")
        .replace("2026-03-02T00:00", "2026-03-09T00:00");
    let id = world.approved(&task);
    let desk = Arc::new(Desk::default());
    world.run(&senders(&desk), "10:00");
    let fires: Vec<_> = (0..6).map(|n| released(n % 3, n / 3 + 1, at("10:00").plus(i64::from(n)))).collect();
    world.fire(&senders(&desk), &NoFaults, &id, (0, &fires), at("10:01")).unwrap();
    assert_eq!(desk.got().len(), 6);
    let first = got(&desk);
    let more: Vec<_> = (0..6).map(|n| released(n, 3, at("11:00").plus(i64::from(n)))).collect();
    world.fire(&senders(&desk), &NoFaults, &id, (6, &more), at("11:01")).unwrap();
    let book = world.report(&id).total;
    assert_eq!((book.due, book.awaiting, book.held), (12, 8, 4), "four a day for each of two");
    let next = at("10:00").plus(DAY_MS);
    world.run_with(&senders(&desk), &NoFaults, next).unwrap();
    let book = world.report(&id).total;
    assert_eq!((book.due, book.awaiting, book.held, book.suppressed), (12, 12, 0, 0));
    let all = got(&desk);
    assert!(first.iter().all(|(user, staff)| all[user] == *staff));
    assert_eq!(world.report(&id).runs[0].state, "done");
}

#[test]
fn what_waits_for_room_ends_with_the_task() {
    let world = World::of(6);
    with_staff(&world, &["张三"]);
    let task = text("desk", "", "staff = { per_day = 4 }").replace("name =", "staff = [\"张三\"]\nname =");
    let id = world.approved(&task);
    let desk = Arc::new(Desk::default());
    world.run(&senders(&desk), "23:00");
    assert_eq!(world.report(&id).total.held, 2);
    world.run_with(&senders(&desk), &NoFaults, at("10:00").plus(DAY_MS)).unwrap();
    let book = world.report(&id).total;
    assert_eq!((book.awaiting, book.held, book.suppressed), (4, 0, 2));
    assert_eq!(book.suppressed_by["ended"], 2);
}

#[test]
fn a_task_whose_staff_has_left_fails_and_says_why() {
    let world = World::of(3);
    with_staff(&world, &["张三"]);
    let task = text("desk", "", "").replace("name =", "staff = [\"张三\"]\nname =");
    let id = world.approved(&task);
    let by = By { who: "人事", note: None, now: now() };
    world.tasks().staff().leave("张三", by).unwrap();
    world.run(&senders(&Arc::default()), "20:00");
    let task = world.tasks().task(&id).unwrap();
    assert!(task.cause.as_deref().is_some_and(|cause| cause.starts_with("TSK-072")), "{task:?}");
    world.tasks().staff().come_back("张三", by).unwrap();
    world.make_move(&id, Move::Start, at("20:05"));
    let desk = Arc::new(Desk::default());
    world.run(&senders(&desk), "20:10");
    assert_eq!(world.report(&id).total.awaiting, 3);
}

// proves: S4.15
#[test]
fn a_sender_by_staff_gets_batches_of_one_member_each() {
    let world = World::of(40);
    with_staff(&world, &["张三", "李四", "王五"]);
    let names = "staff = [\"张三\", \"李四\", \"王五\"]\nname =";
    let id = world.approved(&text("desk", "", "").replace("name =", names).replace("batch = 3", "batch = 2"));
    let desk = Arc::new(Desk::default());
    world.run(&senders(&desk), "20:00");
    let batches = desk.batches();
    assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 40);
    assert!(batches.len() > crate::dispatch::WAVE_BATCHES, "more than a wave");
    assert!(batches.iter().all(|batch| batch.iter().all(|staff| *staff == batch[0]) && batch.len() <= 2));
    assert_eq!((world.report(&id).total.awaiting, got(&desk).len()), (40, 40));
    let last: Timestamp = world.ledger().runs_of(&id).unwrap()[0].progress_at;
    assert_eq!(last, at("20:00"));
}
