//! The algebra of selections on random worlds.

use proptest::prelude::*;
use quanke::select::Scope;
use quanke::select::ast::Selection;
use roaring::RoaringBitmap;

use super::oracle::holds_for;
use super::random::{selections, worlds};
use super::world::{Stored, World, folder};

fn evaluate(stored: &Stored, selection: &Selection, world: &World) -> quanke::select::Plan {
    let crowds: Vec<String> = stored.crowds.keys().cloned().collect();
    let scope = Scope { snapshot: &stored.snapshot, crowds: &crowds };
    let bound = selection.bind(&scope).unwrap_or_else(|problems| panic!("{selection}\n{problems}"));
    bound.plan(&stored.snapshot, &stored.crowds, world.as_of).unwrap()
}

pub fn users(stored: &Stored, selection: &Selection, world: &World) -> RoaringBitmap {
    evaluate(stored, selection, world).run(&stored.snapshot).unwrap().users
}

/// proves: S2.17, S2.18, S2.19, S2.20, S2.21, S2.22
#[test]
fn bitmaps_agree_with_asking_each_user() {
    let mut runner = proptest::test_runner::TestRunner::new(config());
    let asked = (worlds(), prop::collection::vec(selections(), 12));
    runner
        .run(&asked, |(world, selections)| {
            let folder = folder();
            let stored = world.store(folder.path());
            for selection in &selections {
                agrees(&world, &stored, selection)?;
            }
            Ok(())
        })
        .unwrap();
}

pub fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    ProptestConfig { cases, max_shrink_iters: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

fn agrees(world: &World, stored: &Stored, selection: &Selection) -> Result<(), TestCaseError> {
    let plan = evaluate(stored, selection, world);
    let answer = plan.run(&stored.snapshot).unwrap();
    let ids = stored.snapshot.ids();
    let expected: RoaringBitmap = (0..world.users.len())
        .filter(|user| holds_for(world, *user, selection))
        .map(|user| ids.find(&world.users[user].id).unwrap())
        .collect();
    let shown =
        |users: &RoaringBitmap| users.iter().map(|user| ids.text(user).to_string()).collect::<Vec<_>>();
    prop_assert_eq!(shown(&answer.users), shown(&expected), "{}", selection);
    prop_assert_eq!(answer.tree.count, expected.len());
    let rewritten = plan.rewritten();
    prop_assert_eq!(&rewritten.run(&stored.snapshot).unwrap().users, &expected, "rewritten: {}", selection);
    prop_assert_eq!(&plan.users(&stored.snapshot).unwrap(), &expected, "with the least work: {}", selection);
    let guess = plan.root.guess;
    prop_assert!(
        guess.low <= expected.len() && expected.len() <= guess.high,
        "{:?} for {} of {}",
        guess,
        expected.len(),
        selection
    );
    set_laws(world, stored, selection, &expected)
}

/// A and not A are everyone and share nobody; joins of nothing are everyone and nobody.
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
    Ok(())
}
