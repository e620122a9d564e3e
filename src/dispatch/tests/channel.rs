//! What a channel may answer, and what the ledger makes of it.

use proptest::prelude::*;

use super::world::Reply::{self, *};
use super::world::{Receiver, World, at, senders, text};
use crate::dispatch::book::Counts;
use crate::dispatch::{Book, NoFaults, Reason, TouchId, TouchNames, TouchState, stop};
use crate::task::Move;

/// One run of nine users in batches of three: delivered, refused, unknown, awaiting, waiting.
fn after(is_idempotent: bool, script: &[Reply]) -> (World, String, [i64; 5]) {
    let (world, receiver) = (World::of(9), Receiver::new(is_idempotent, script));
    let id = world.approved(&text("receiver", "", ""));
    world.run(&senders(&receiver), "20:00");
    assert_eq!(receiver.doubles(), 0);
    let book = world.report(&id).total;
    assert!(book.balanced);
    (world, id, [book.delivered, book.refused, book.unknown, book.awaiting, book.waiting])
}

#[test]
fn each_answer_has_its_place_in_the_book() {
    assert_eq!(after(true, &[]).2, [9, 0, 0, 0, 0]);
    assert_eq!(after(true, &[Take]).2, [6, 0, 0, 3, 0]);
    assert_eq!(after(true, &[Refuse]).2, [6, 3, 0, 0, 0]);
    assert_eq!(after(true, &[Mixed]).2, [7, 1, 1, 0, 0]);
    assert_eq!(after(true, &[Busy, Deliver, Busy]).2, [9, 0, 0, 0, 0]);
    assert_eq!(after(true, &[LostAnswer, LostBatch]).2, [9, 0, 0, 0, 0]);
}

#[test]
fn without_idempotent_keys_an_unknown_batch_is_never_sent_again() {
    let (world, id, book) = after(false, &[LostAnswer, LostBatch]);
    assert_eq!(book, [3, 0, 6, 0, 0]);
    let receiver = Receiver::new(false, &[]);
    world.with_engine(&senders(&receiver), &NoFaults, |engine| engine.reconcile(&id, at("20:00"))).unwrap();
    assert_eq!(receiver.user_count(), 0);
}

#[test]
fn an_idempotent_channel_settles_what_was_unknown() {
    let (world, id, book) = after(true, &[Mixed]);
    assert_eq!(book, [7, 1, 1, 0, 0]);
    let receiver = Receiver::new(true, &[]);
    world.with_engine(&senders(&receiver), &NoFaults, |engine| engine.reconcile(&id, at("20:00"))).unwrap();
    let book = world.report(&id).total;
    assert_eq!((book.delivered, book.refused, book.unknown), (8, 1, 0));
}

#[test]
fn a_channel_that_stays_busy_fails_the_task_and_a_start_sends_the_rest() {
    let (world, id, book) = after(true, &[Busy; 6]);
    assert_eq!(book, [0, 0, 0, 0, 9]);
    assert_eq!((world.state(&id), world.run_state(&id).as_str()), ("failed", "stalled"));
    assert!(world.tasks().task(&id).unwrap().cause.unwrap().contains("DSP-005"));
    world.make_move(&id, Move::Start, at("20:00"));
    let receiver = Receiver::new(true, &[]);
    world.run(&senders(&receiver), "20:10");
    assert_eq!((receiver.user_count(), world.run_state(&id).as_str()), (9, "done"));
}

#[test]
fn what_waited_longer_than_the_grace_expires() {
    let (world, id, _) = after(true, &[Deliver, Deliver, Busy, Busy, Busy]);
    world.run(&senders(&Receiver::new(true, &[])), "20:31");
    world.make_move(&id, Move::Start, at("20:31"));
    let receiver = Receiver::new(true, &[]);
    world.run(&senders(&receiver), "20:32");
    let book = world.report(&id).total;
    assert_eq!((receiver.user_count(), book.delivered, book.suppressed), (0, 6, 3));
    assert_eq!(book.suppressed_by["expired"], 3);
}

#[test]
fn a_stopped_or_ended_task_drops_what_waits() {
    let (world, id, _) = after(true, &[Deliver, Deliver, Busy, Busy, Busy]);
    stop(&world.tasks(), &world.ledger(), &id, "小王", None, at("20:05")).unwrap();
    let report = world.report(&id);
    assert_eq!((report.total.suppressed_by["ended"].as_i64(), report.state.word()), (Some(3), "ended"));
    let (world, id, _) = after(true, &[Busy; 6]);
    world.run_with(&senders(&Receiver::new(true, &[])), &NoFaults, at("23:00").plus(7_200_000)).unwrap();
    assert_eq!((world.report(&id).total.suppressed, world.state(&id)), (9, "ended"));
}

#[test]
fn three_batches_in_a_row_without_an_answer_stop_the_run() {
    let (world, id, book) = after(false, &[LostBatch; 4]);
    assert_eq!(book, [0, 0, 9, 0, 0]);
    assert_eq!(world.state(&id), "failed");
}

#[test]
fn a_touch_has_one_name_for_ever() {
    let names = TouchNames::of("default", "t1", 0, "2026-03-01T20:00:00", "sms");
    let id = names.touch_id("用户1");
    assert_eq!(id, TouchNames::of("default", "t1", 0, "2026-03-01T20:00:00", "sms").touch_id("用户1"));
    assert_eq!(TouchId::parse(&id.to_string()), Some(id));
    let others = [
        TouchNames::of("other", "t1", 0, "2026-03-01T20:00:00", "sms").touch_id("用户1"),
        TouchNames::of("default", "t1", 1, "2026-03-01T20:00:00", "sms").touch_id("用户1"),
        TouchNames::of("default", "t1", 0, "2026-03-01T20:00:00s", "ms").touch_id("用户1"),
        names.touch_id("用户2"),
    ];
    assert!(others.iter().all(|other| *other != id));
    assert!(
        ["", "zz", "用户用户用户用户用户", &"0".repeat(33)].iter().all(|bad| TouchId::parse(bad).is_none())
    );
}

#[test]
fn a_book_that_does_not_add_up_is_refused() {
    let counts =
        Counts::from([((TouchState::Delivered, None), 2), ((TouchState::Suppressed, Some(Reason::Cap)), 1)]);
    assert!(Book::of(3, &counts).check().is_ok());
    assert_eq!(Book::of(4, &counts).check().unwrap_err().code, "DSP-004");
}

fn replies() -> impl Strategy<Value = Vec<Reply>> {
    let reply = prop_oneof![
        Just(Deliver),
        Just(Take),
        Just(Busy),
        Just(Refuse),
        Just(LostAnswer),
        Just(LostBatch),
        Just(Mixed)
    ];
    prop::collection::vec(reply, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever a channel answers: the book balances, nobody gets it twice, and who was never
    /// handed over is not counted as handed.
    #[test]
    fn any_channel_leaves_a_balanced_book(users in 0u32..30, is_idempotent: bool, script in replies()) {
        let (world, receiver) = (World::of(users), Receiver::new(is_idempotent, &script));
        let id = world.approved(&text("receiver", "", "holdout = \"20%\""));
        world.run(&senders(&receiver), "20:00");
        let book = world.report(&id).total;
        prop_assert!(book.balanced);
        prop_assert_eq!(book.due, i64::from(users));
        prop_assert_eq!(receiver.doubles(), 0);
        prop_assert!(book.delivered + book.awaiting <= receiver.user_count() as i64);
    }
}
