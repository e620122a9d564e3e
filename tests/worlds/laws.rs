//! The algebra of selections on random worlds, against the twin that asks user by user.
//!
//! Storing a world is dear and asking it is cheap, so each world is asked many selections. Cases are
//! numbered and each is made from its own seed: a failure names its case, and the smallest selection
//! and world that still fail are shown. `PROPTEST_CASES` is the number of worlds, `PROPTEST_RNG_SEED`
//! the first seed.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use quanke::base::Timestamp;
use quanke::select::ast::Selection;
use quanke::select::rules::{RULES, Rule};
use quanke::select::{Plan, Scope};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::oracle::holds_for;
use super::random::{selections, worlds};
use super::world::{Stored, World, folder};

/// Worlds of one run of `make test`, and the questions to each: 10^5 comparisons and more.
const WORLDS: u64 = 170;
const ASKED: usize = 600;
/// Of so many questions one is asked the laws of sets too.
const LAWS_EVERY: usize = 19;
/// How many simpler forms of a failing selection, and then of its world, are tried.
const SIMPLER_SELECTIONS: usize = 400;
const SIMPLER_WORLDS: usize = 150;
const HOUR_MS: i64 = 3_600_000;

/// proves: S2.17, S2.18, S2.19, S2.20, S2.21, S2.22
#[test]
fn bitmaps_agree_with_asking_each_user() {
    let first = number("PROPTEST_RNG_SEED", 0);
    let cases = first..first + number("PROPTEST_CASES", WORLDS);
    cases.into_par_iter().for_each(|case| check_world(&mut runner(case), case));
}

/// A number from outside, which makes a test run longer or begin elsewhere.
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Chance that is the same for the same case.
pub fn runner(case: u64) -> TestRunner {
    // The quick generator: a seed is drawn for every part of a selection.
    let mut seed = [7; 16];
    seed[..8].copy_from_slice(&(case + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::XorShift, &seed))
}

fn check_world(runner: &mut TestRunner, case: u64) {
    let mut tree = worlds().new_tree(runner).unwrap();
    let mut world = tree.current();
    let folder = folder();
    let stored = world.store(folder.path());
    let any = selections();
    let latest = world.as_of;
    for asked in 0..ASKED {
        world.as_of = as_of(latest, asked);
        let mut selection = any.new_tree(runner).unwrap();
        if agrees(&world, &stored, &selection.current(), asked).is_ok() {
            continue;
        }
        let fails = |selection: &Selection, world: &World, stored: &Stored| {
            agrees(world, stored, selection, asked).is_err()
        };
        let smallest = smallest(&mut selection, SIMPLER_SELECTIONS, |one| fails(one, &world, &stored));
        let (smallest_world, why) = smallest_world(&mut tree, &smallest, asked);
        panic!("case {case}: {why}\n{smallest}\n{smallest_world:#?}");
    }
}

/// Most questions are asked now, some of the past.
fn as_of(latest: Timestamp, asked: usize) -> Timestamp {
    match asked % 9 {
        6 => latest.plus(-2 * HOUR_MS),
        7 => latest.plus(-24 * HOUR_MS),
        8 => latest.plus(-24 * 7 * HOUR_MS + 1),
        _ => latest,
    }
}

/// The simplest value that still fails.
fn smallest<T: ValueTree>(tree: &mut T, tries: usize, fails: impl Fn(&T::Value) -> bool) -> T::Value {
    let mut found = tree.current();
    for _ in 0..tries {
        let value = tree.current();
        let is_failing = fails(&value);
        if is_failing {
            found = value;
        }
        let goes_on = if is_failing { tree.simplify() } else { tree.complicate() };
        if !goes_on {
            break;
        }
    }
    found
}

fn smallest_world(
    tree: &mut impl ValueTree<Value = World>,
    selection: &Selection,
    asked: usize,
) -> (World, String) {
    let outcome = |world: &World| {
        let world = World { as_of: as_of(world.as_of, asked), ..world.clone() };
        let folder = folder();
        let stored = world.store(folder.path());
        agrees(&world, &stored, selection, asked)
    };
    let world = smallest(tree, SIMPLER_WORLDS, |world| outcome(world).is_err());
    let why = outcome(&world).err().map_or("it agrees now".into(), |error| error.to_string());
    (world, why)
}

/// The plan of a selection at the world's instant.
pub fn planned(stored: &Stored, selection: &Selection, as_of: Timestamp) -> Plan {
    let crowds: Vec<String> = stored.crowds.keys().cloned().collect();
    let scope = Scope { snapshot: &stored.snapshot, crowds: &crowds };
    let bound = selection.bind(&scope).unwrap_or_else(|problems| panic!("{selection}\n{problems}"));
    bound.plan(&stored.snapshot, &stored.crowds, as_of).unwrap()
}

pub fn users(stored: &Stored, selection: &Selection, world: &World) -> RoaringBitmap {
    planned(stored, selection, world.as_of).users(&stored.snapshot).unwrap()
}

fn agrees(world: &World, stored: &Stored, selection: &Selection, asked: usize) -> Result<(), TestCaseError> {
    let plan = planned(stored, selection, world.as_of);
    let answer = plan.run(&stored.snapshot).unwrap();
    let ids = stored.snapshot.ids();
    let expected: RoaringBitmap = (0..world.users.len())
        .filter(|user| holds_for(world, *user, selection))
        .map(|user| ids.find(&world.users[user].id).unwrap())
        .collect();
    let shown =
        |users: &RoaringBitmap| users.iter().map(|user| ids.text(user).to_string()).collect::<Vec<_>>();
    prop_assert_eq!(shown(&answer.users), shown(&expected));
    prop_assert_eq!(answer.tree.count, expected.len());
    let guess = plan.root.guess;
    prop_assert!(
        guess.low <= expected.len() && expected.len() <= guess.high,
        "{:?} for {}",
        guess,
        expected.len()
    );
    // All rewrites and each alone, in turn: every one is asked of all kinds of plans.
    match RULES.get(asked % 8) {
        Some(Rule { name, rewrite, .. }) => {
            let mut alone = plan.clone();
            alone.root = rewrite(alone.root);
            prop_assert_eq!(&alone.run(&stored.snapshot).unwrap().users, &expected, "after {}", name);
        }
        None => prop_assert_eq!(&plan.users(&stored.snapshot).unwrap(), &expected, "with the least work"),
    }
    if asked.is_multiple_of(LAWS_EVERY) { set_laws(world, stored, selection, &expected) } else { Ok(()) }
}

/// A and not A are everyone and share nobody; joins of nothing are everyone and nobody; text and
/// JSON ask the same.
fn set_laws(
    world: &World,
    stored: &Stored,
    selection: &Selection,
    found: &RoaringBitmap,
) -> Result<(), TestCaseError> {
    let universe = stored.snapshot.universe();
    let rest = users(stored, &Selection::Not(Box::new(selection.clone())), world);
    prop_assert_eq!(&(found | &rest), universe);
    prop_assert!(found.is_disjoint(&rest));
    let twice = Selection::All(vec![selection.clone(), selection.clone()]);
    prop_assert_eq!(&users(stored, &twice, world), found);
    prop_assert_eq!(&users(stored, &Selection::All(vec![]), world), universe);
    prop_assert!(users(stored, &Selection::Any(vec![]), world).is_empty());
    let read: Selection = selection.to_string().parse().map_err(|p| TestCaseError::fail(format!("{p}")))?;
    prop_assert_eq!(&users(stored, &read, world), found, "as text");
    let read = Selection::from_json(&selection.to_json());
    prop_assert_eq!(read.as_ref(), Ok(selection), "as JSON");
    Ok(())
}
