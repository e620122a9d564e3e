//! Pages of touches beside the obvious: a map from seat to touch.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::{Connection, params};

use super::world::World;
use crate::dispatch::pages::{Cell, Pages};
use crate::dispatch::{Ledger, Reason, Run, TouchState};

/// What may happen to a touch in one commit.
#[derive(Debug, Clone)]
enum Act {
    Add(u32, TouchState),
    Cut(u32, u64),
    Move(u32, TouchState, TouchState, Option<&'static str>),
    Suppress(u32),
}

fn acts() -> impl Strategy<Value = Vec<Vec<Act>>> {
    // Ends of pages, neighbours, and far away.
    let seat = || prop_oneof![4 => 0..6u32, 2 => 4_093..4_099u32, 1 => Just(u32::MAX), 1 => 900_000_000..900_000_003u32];
    let state = || prop::sample::select(TouchState::ALL.to_vec());
    let note = prop_oneof![Just(None), Just(Some("空号")), Just(Some("停机"))];
    let act = prop_oneof![
        4 => (seat(), state()).prop_map(|(seat, state)| Act::Add(seat, state)),
        2 => (seat(), 1..4u64).prop_map(|(seat, batch)| Act::Cut(seat, batch)),
        4 => (seat(), state(), state(), note).prop_map(|(seat, from, to, note)| Act::Move(seat, from, to, note)),
        1 => seat().prop_map(Act::Suppress),
    ];
    prop::collection::vec(prop::collection::vec(act, 1..12), 1..6)
}

/// The obvious: every touch with its note.
type Twin = BTreeMap<u32, (Cell, Option<&'static str>)>;

fn act_on_both(pages: &mut Pages, twin: &mut Twin, act: &Act) {
    match *act {
        Act::Add(seat, state) => {
            let cell = Cell::new(state, None);
            assert_eq!(pages.add(seat, cell).is_ok(), !twin.contains_key(&seat));
            twin.entry(seat).or_insert((cell, None));
        }
        Act::Cut(seat, batch) => {
            let cell = Cell { state: TouchState::Handed, reason: None, batch: Some(batch) };
            assert_eq!(pages.change(seat, cell).is_ok(), twin.contains_key(&seat));
            twin.entry(seat).and_modify(|touch| touch.0 = cell);
        }
        Act::Move(seat, from, to, note) => {
            let touch = twin.get_mut(&seat).filter(|touch| touch.0.state == from);
            assert_eq!(pages.move_if(seat, from, to, note).unwrap(), touch.is_some());
            if let Some(touch) = touch {
                (touch.0.state, touch.1) = (to, note);
            }
        }
        Act::Suppress(seat) => {
            let touch = twin.get_mut(&seat).filter(|touch| touch.0.state == TouchState::Due);
            assert_eq!(pages.suppress_if_due(seat, Reason::Cap).unwrap(), touch.is_some());
            if let Some(touch) = touch {
                (touch.0.state, touch.0.reason) = (TouchState::Suppressed, Some(Reason::Cap));
            }
        }
    }
}

/// A ledger with one run and no touches.
fn ledger(world: &World) -> (Ledger, Run) {
    let ledger = world.ledger();
    let sql = "insert into runs (no, task, epoch, occurrence, version, planned_at, state, progress_at)
               values (1, 't1', 0, 'x', 1, 0, 'done', 0)";
    ledger.db.execute(sql, []).unwrap();
    let run = ledger.runs_of("t1").unwrap().remove(0);
    (ledger, run)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_say_what_a_map_says(commits in acts(), from in 0..5_000u64, limit in 1..8usize) {
        let world = World::of(0);
        let ((ledger, run), mut twin) = (ledger(&world), Twin::new());
        for acts in &commits {
            let mut pages = Pages::of(&ledger.db, 1);
            acts.iter().for_each(|act| act_on_both(&mut pages, &mut twin, act));
            pages.close().unwrap();
        }
        let mut found = Vec::new();
        ledger.each_touch(&run, |seat, cell| {
            found.push((seat, cell));
            Ok(())
        }).unwrap();
        let expected: Vec<_> = twin.iter().map(|(seat, touch)| (*seat, touch.0)).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(ledger.counts(&run).unwrap(), ledger.recount(&run).unwrap());
        for (seat, touch) in &twin {
            let note = ledger.note(&run, *seat).unwrap();
            prop_assert_eq!(note.as_deref(), touch.1);
        }
        let waiting = twin.iter().filter(|(seat, touch)| u64::from(**seat) >= from && touch.0.is_waiting());
        let waiting: Vec<u32> = waiting.map(|(seat, _)| *seat).take(limit).collect();
        let mut pages = Pages::of(&ledger.db, 1);
        prop_assert_eq!(pages.seats(from, limit, true, Cell::is_waiting).unwrap(), waiting);
    }
}

/// Pages that were written out on the way, because many are open, are read again as they were.
#[test]
fn many_pages_in_one_commit() {
    let world = World::of(0);
    let (ledger, run) = ledger(&world);
    let mut pages = Pages::of(&ledger.db, 1);
    let seats = || (0..200u32).map(|n| n * 5_000);
    seats().for_each(|seat| pages.add(seat, Cell::new(TouchState::Due, None)).unwrap());
    seats().for_each(|seat| assert!(pages.suppress_if_due(seat, Reason::Cap).unwrap()));
    pages.close().unwrap();
    assert_eq!(ledger.counts(&run).unwrap(), [((TouchState::Suppressed, Some(Reason::Cap)), 200)].into());
}

#[test]
fn a_page_that_is_not_as_it_was_written_is_said() {
    let world = World::of(0);
    let (ledger, run) = ledger(&world);
    for bytes in [zstd::encode_all(&[1u8; 7][..], 1).unwrap(), vec![0; 9]] {
        let db: &Connection = &ledger.db;
        let sql = "insert or replace into pages (run, no, waiting, seats) values (1, 0, 0, ?1)";
        db.execute(sql, params![bytes]).unwrap();
        assert!(ledger.each_touch(&run, |_, _| Ok(())).is_err());
    }
}
