//! A trigger's log is read again after a kill: everything is booked once, nothing is handed over twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::facts::{nth, released, text};
use super::world::Reply::{self, *};
use super::world::{DieAt, Receiver, World, at, senders};
use crate::base::{Outcome, Share, share_of};
use crate::dispatch::{Faults, NoFaults, TouchNames};
use crate::trigger::{Decision, End, Reason as Why};

const USERS: u32 = 12;

/// Three releases: eight touches each, several of one user; the last has a late B of the first.
fn story() -> Vec<Vec<Decision>> {
    let touch = |n: u32| released(n % 5, n / 5 + 1, at("10:00"));
    let mut parts: Vec<Vec<Decision>> =
        (0..3).map(|part| (part * 8..part * 8 + 8).map(touch).collect()).collect();
    parts[1].push(nth(9, 1, at("10:00"), End::Expired));
    parts[2].push(nth(1, 1, at("10:00"), End::Contradicted));
    parts
}

/// Releases and hands over part by part, from the first, as a replayed log does.
fn live(world: &World, id: &str, receiver: &Arc<Receiver>, faults: &dyn Faults) -> Outcome<()> {
    let mut first = 0;
    for part in story() {
        world.fire(&senders(receiver), faults, id, (first, &part), at("10:00"))?;
        first += part.len();
    }
    world.run_with(&senders(receiver), faults, at("10:05")).map(|_| ())
}

/// Kills at step `n` of the first life and at step `m` of the second; says whether the first kill came in time.
fn lived(is_idempotent: bool, n: i64, m: i64) -> bool {
    let world = World::of(USERS);
    world.crowds.borrow_mut().insert("投诉".into(), (0..1).collect());
    let id = world.approved(&text("", "blacklist = \"投诉\"").replace("batch = 3", "batch = 1"));
    world.run(&senders(&Receiver::new(true, &[])), "10:00");
    let mut receiver = Receiver::new(is_idempotent, &[]);
    let mut was_killed = false;
    for (life, step) in [n, m, i64::MAX].into_iter().enumerate() {
        let faults = DieAt::step(step);
        let script = if life == 0 { vec![Busy, Deliver] } else { Vec::new() };
        let next = Receiver::dying(is_idempotent, &script, faults.clone() as Arc<dyn Faults>);
        *next.seen.lock().unwrap() = receiver.seen.lock().unwrap().clone();
        *next.users.lock().unwrap() = receiver.users.lock().unwrap().clone();
        receiver = next;
        let ended = live(&world, &id, &receiver, faults.as_ref());
        assert_eq!(ended.is_err(), faults.is_dead(), "{ended:?}");
        was_killed |= life == 0 && faults.is_dead();
        assert!(world.report(&id).total.balanced);
    }
    let report = world.report(&id);
    let book = &report.total;
    // Of 24 touches user 0 has five, on the blacklist; one more expired.
    assert_eq!((book.due, book.suppressed, book.held, book.awaiting), (25, 6, 0, 0));
    assert_eq!((receiver.doubles(), report.runs.len(), report.runs[0].state.as_str()), (0, 1, "done"));
    assert_eq!(report.runs[0].contradicted, Some(1));
    let seen = receiver.seen.lock().unwrap().len() as i64;
    if is_idempotent {
        assert_eq!((book.delivered, seen), (19, 19));
    } else {
        assert!(book.delivered + book.unknown == 19 && seen >= book.delivered);
    }
    was_killed
}

#[test]
fn a_kill_at_any_step_books_and_sends_every_fire_once() {
    let steps = (0..).take_while(|n| lived(true, *n, i64::MAX)).count();
    assert!(steps > 60, "{steps}");
}

#[test]
fn two_kills_are_no_worse_than_one() {
    for n in (0..80).step_by(9) {
        lived(true, n, 1 + n % 7);
        lived(false, n, n % 13);
    }
}

#[test]
fn without_idempotent_keys_no_fire_is_sent_twice() {
    for n in (0..).step_by(3).take_while(|n| lived(false, *n, i64::MAX)) {
        assert!(n < 1_000);
    }
}

/// What may become of a fire; the second number picks the user.
fn decisions() -> impl Strategy<Value = Vec<(End, u32)>> {
    let reach = at("10:00");
    let end = prop_oneof![
        8 => Just(End::Released { reach }),
        1 => Just(End::Fired { reach }),
        1 => Just(End::Cancelled),
        1 => Just(End::Expired),
        1 => Just(End::Ended),
        1 => Just(End::Withdrawn),
        1 => Just(End::Suppressed(Why::GapMin)),
        1 => Just(End::Suppressed(Why::Paused)),
    ];
    prop::collection::vec((end, 0..USERS), 0..60)
}

fn replies() -> impl Strategy<Value = Vec<Reply>> {
    let reply =
        prop_oneof![Just(Deliver), Just(Take), Just(Refuse), Just(LostAnswer), Just(LostBatch), Just(Mixed)];
    prop::collection::vec(reply, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever fires, in whatever portions, however often it is replayed: the book agrees with counting the
    /// decisions one by one, and balances after every commit.
    #[test]
    fn the_book_agrees_with_counting_by_hand(
        fires in decisions(),
        cuts in prop::collection::vec(1usize..9, 20),
        replays in prop::collection::vec(any::<bool>(), 20),
        script in replies(),
        is_idempotent: bool,
    ) {
        let world = World::of(USERS);
        world.crowds.borrow_mut().insert("投诉".into(), (0..2).collect());
        let id = world.approved(&text("", "blacklist = \"投诉\"\nholdout = \"30%\""));
        world.run(&senders(&Receiver::new(true, &[])), "10:00");
        let receiver = Receiver::new(is_idempotent, &script);
        let all: Vec<Decision> =
            fires.iter().zip(1..).map(|((end, user), n)| nth(*user, n, at("10:00"), *end)).collect();
        let mut first = 0;
        for (size, is_again) in cuts.iter().zip(&replays) {
            // A replay begins at the start of the log and may end in the middle of a portion.
            let from = if *is_again { 0 } else { first };
            let to = (first + size).min(all.len());
            world.fire(&senders(&receiver), &NoFaults, &id, (from, &all[from..to]), at("10:00")).unwrap();
            prop_assert!(world.report(&id).total.balanced);
            prop_assert!(world.state(&id) == "running" || world.state(&id) == "failed");
            first = to;
        }
        let book = world.report(&id).total;
        let seen_now: Vec<_> = all[..first].iter().collect();
        let count = |is: &dyn Fn(&Decision) -> bool| seen_now.iter().filter(|d| is(d)).count() as i64;
        let is_released = |d: &Decision| matches!(d.end, End::Released { .. });
        let is_out = |d: &Decision| share_of(Share(300_000), "holdout t1", &format!("u{}", d.user));
        let blacklisted = count(&|d| is_released(d) && d.user < 2);
        let withheld = count(&|d| is_released(d) && d.user >= 2 && is_out(d));
        let quiet = count(&|d| matches!(d.end, End::Fired { .. } | End::Cancelled));
        prop_assert_eq!(book.due, first as i64 - quiet);
        prop_assert_eq!(book.suppressed_by["blacklist"].as_i64(), Some(blacklisted));
        prop_assert_eq!(book.withheld, withheld);
        let others = count(&|d| !is_released(d)) - quiet;
        prop_assert_eq!(book.suppressed, blacklisted + others);
        prop_assert_eq!(receiver.doubles(), 0);
        let named: BTreeSet<_> = seen_now
            .iter()
            .filter(|d| is_released(d) && d.user >= 2 && !is_out(d))
            .map(|d| {
                let names = TouchNames::of("default", &id, 0, &d.occurrence.text(), "receiver");
                names.touch_id(&format!("u{}", d.user))
            })
            .collect();
        prop_assert_eq!(named.len() as i64, book.handed + book.held);
        prop_assert!(receiver.seen.lock().unwrap().keys().all(|name| named.contains(name)));
    }
}
