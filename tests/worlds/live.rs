//! Live events, asked one batch after another, beside `did EVENT where FILTER` over the same events
//! once they are stored.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use quanke::audience::{AsOf, LiveRows, Predicate, UserTags};
use quanke::base::{Timestamp, Type};
use quanke::ingest::live::{self, Ask};
use quanke::ingest::{BATCH_ROWS, Settled};
use quanke::select::Scope;
use quanke::select::ast::{Behaviour, Leaf, Literal, Measure, Metric, Op, Selection, Step, Test, Written};

use super::laws::{number, runner};
use super::random::{filtered_steps, worlds};
use super::world::{Stored, World, folder};

/// Worlds of one run, and the filters asked of each.
const WORLDS: u64 = 40;
const ASKED: usize = 60;

#[test]
fn live_events_fit_as_stored_ones_do() {
    let first = number("PROPTEST_RNG_SEED", 0);
    (first..first + number("PROPTEST_CASES", WORLDS)).for_each(check_world);
}

fn check_world(case: u64) {
    let mut runner = runner(case);
    let world = worlds().new_tree(&mut runner).unwrap().current();
    let folder = folder();
    let stored = world.store(folder.path());
    let batches = batches(&world, folder.path(), 1 + case as usize % 7);
    for _ in 0..ASKED {
        let step = filtered_steps().new_tree(&mut runner).unwrap().current();
        check(&world, &stored, &batches, &step, case);
    }
}

/// The world's events as they come in, `size` lines at a time.
fn batches(world: &World, folder: &std::path::Path, size: usize) -> Vec<live::Batch> {
    let settled = |type_of: &Type| Settled { type_of: *type_of, is_fixed: true };
    let lines: Vec<String> =
        world.events.iter().map(|row| world.row_line(row, "event", "event_id")).collect();
    let read = |lines: &[String]| {
        let ask = Ask {
            paths: vec!["-".into()],
            format: None,
            zone: world.zone,
            map: BTreeMap::new(),
            types: world.types.iter().map(|(name, type_of)| (name.clone(), settled(type_of))).collect(),
            rejects: folder.join("live-rejects.ndjson"),
            after: 0,
            clock: Timestamp(0),
            is_eager: false,
            unnamed: None,
        };
        let pipe = std::io::Cursor::new(lines.join("\n").into_bytes());
        let mut source = live::open(ask, Some(Box::new(pipe))).unwrap();
        let batch = source.next_batch().unwrap().unwrap();
        assert!(batch.events.len() == lines.len() && lines.len() < BATCH_ROWS);
        batch
    };
    lines.chunks(size).map(read).collect()
}

fn check(world: &World, stored: &Stored, batches: &[live::Batch], step: &Step, case: u64) {
    let did = |count: u64| {
        let value = Written::Integer(count as i64);
        let literal = Literal { value, span: Default::default() };
        let measure = Measure { metric: Metric::Count, test: Test::Compare(Op::GreaterEqual, literal) };
        let leaf = Leaf::Behaviour(Behaviour { step: step.clone(), measure: Some(measure), window: None });
        let scope = Scope { snapshot: &stored.snapshot, crowds: &[] };
        let plan =
            Selection::Leaf(leaf).bind(&scope).ok()?.plan(&stored.snapshot, &stored.crowds, world.as_of);
        Some(plan.unwrap().users(&stored.snapshot).unwrap())
    };
    // A property that no event of the world has cannot be asked of what is stored.
    let Some(_) = did(1) else { return };
    let counts = counted(world, stored, batches, step);
    for count in 1..=counts.values().max().copied().unwrap_or(0) + 1 {
        let users = did(count).unwrap();
        let found: Vec<&str> = users.iter().map(|user| stored.snapshot.ids().text(user)).collect();
        let mut expected: Vec<&str> =
            counts.iter().filter(|(_, n)| **n >= count).map(|(user, _)| user.as_str()).collect();
        expected.sort_by_key(|user| stored.snapshot.ids().find(user));
        assert_eq!(expected, found, "case {case}: {step}, at least {count}");
    }
}

/// How many events of each user fit, up to the world's as-of.
fn counted(world: &World, stored: &Stored, batches: &[live::Batch], step: &Step) -> BTreeMap<String, u64> {
    let (predicate, warnings) = Predicate::read(&step.to_string(), &stored.snapshot).unwrap();
    assert!(warnings.is_empty(), "{step}: {warnings:?}");
    let mut predicates = [predicate];
    let mut counts = BTreeMap::new();
    for batch in batches {
        let events = &batch.events;
        let tags = UserTags::read(&predicates, events.users(), &stored.snapshot).unwrap();
        let tag = |name: &str, row: usize| tags.of(name, row);
        let names = events.events().unwrap();
        let rows = LiveRows::new(names, events.columns(), AsOf::At(world.as_of), &tag, world.zone);
        let fits = predicates[0].test(&rows).unwrap();
        assert_eq!(fits.len(), events.len());
        let times = events.times().unwrap();
        for row in fits.set_indices().filter(|row| times.value(*row) <= world.as_of.0) {
            *counts.entry(events.users().value(row).to_string()).or_insert(0) += 1;
        }
    }
    counts
}
