//! A kill before every step, and a restart: everyone has it once, and the book balances.

use std::sync::Arc;

use super::world::{DieAt, Receiver, Reply, World, at, senders, text};
use crate::base::Timestamp;
use crate::dispatch::{Faults, RunState};

const USERS: u32 = 20;

fn in_two_waves(limits: &str) -> String {
    let limits = format!("blacklist = \"投诉\"\n{limits}");
    text("receiver", "refresh_before = true", &limits).replace("batch = 3", "batch = 1")
}

/// Kills at step `first`, restarts, kills at step `second` of that life, restarts, and looks.
/// Says whether the first kill came before the end.
fn lived(is_idempotent: bool, first: i64, second: i64) -> bool {
    lived_with("", is_idempotent, first, second)
}

fn lived_with(limits: &str, is_idempotent: bool, first: i64, second: i64) -> bool {
    let world = World::of(USERS + 1);
    world.users.borrow_mut().remove(USERS);
    world.crowds.borrow_mut().insert("投诉".into(), (0..2).collect());
    let id = world.approved(&in_two_waves(limits));
    let mut receiver = Receiver::new(is_idempotent, &[]);
    let mut was_killed = false;
    for n in [first, second, i64::MAX] {
        let faults = DieAt::step(n);
        let script = if n == first { vec![Reply::Busy, Reply::Deliver] } else { Vec::new() };
        let next = Receiver::dying(is_idempotent, &script, faults.clone() as Arc<dyn Faults>);
        *next.seen.lock().unwrap() = receiver.seen.lock().unwrap().clone();
        *next.users.lock().unwrap() = receiver.users.lock().unwrap().clone();
        receiver = next;
        let ended = world.run_with(&senders(&receiver), faults.as_ref(), at("20:20"));
        assert_eq!(ended.is_err(), faults.is_dead(), "{ended:?}");
        was_killed |= n == first && faults.is_dead();
        // The audience changes meanwhile; a run that has its users does not.
        if world.ledger().runs_of(&id).unwrap().iter().any(|run| run.state != RunState::Planned) {
            world.users.borrow_mut().insert(USERS);
        }
    }
    let book = world.report(&id).total;
    assert!(book.balanced);
    assert_eq!((book.due, book.suppressed, book.held, book.awaiting), (i64::from(USERS), 2, 0, 0));
    assert_eq!(receiver.doubles(), 0);
    let reserved = world.ledger().sent_since("receiver", Timestamp(0)).unwrap();
    assert_eq!(reserved as i64, book.delivered + book.unknown);
    if is_idempotent {
        assert_eq!((book.delivered, receiver.user_count()), (18, 18));
    } else {
        assert_eq!(book.delivered + book.unknown, 18);
        assert!(receiver.user_count() as i64 >= book.delivered);
    }
    was_killed
}

// proves: P5 and P6 of part two (duplicates, losses)
#[test]
fn a_kill_at_any_step_gives_everyone_exactly_one_message() {
    let steps = (0..).take_while(|n| lived(true, *n, i64::MAX)).count();
    assert!(steps > 30, "{steps}");
}

#[test]
fn two_kills_are_no_worse_than_one() {
    for n in (0..60).step_by(5) {
        lived(true, n, 1 + n % 7);
        lived(true, n, n % 13);
    }
}

#[test]
fn a_channel_without_idempotent_keys_never_gets_anything_twice() {
    let steps = (0..).take_while(|n| lived(false, *n, i64::MAX)).count();
    assert!(steps > 30, "{steps}");
}

#[test]
fn a_kill_at_any_step_of_a_run_that_is_held_is_no_worse() {
    let quiet =
        "quiet = { from = \"19:55\", to = \"20:05\" }\ncaps = [{ all = true, limit = 1, per = \"day\" }]";
    let steps = (0..).take_while(|n| lived_with(quiet, true, *n, i64::MAX)).count();
    assert!(steps > 32, "{steps}");
    for n in (0..60).step_by(6) {
        lived_with(quiet, false, n, n % 11);
    }
}
