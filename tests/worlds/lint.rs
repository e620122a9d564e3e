//! What the linter is sure of without looking at the data is so on every random world.

use proptest::prelude::*;
use quanke::select::ast::Selection;
use quanke::select::lint::{after, before, codes, sure};

use super::evidence::plan_of;
use super::random::{selections, worlds};
use super::world::folder;

/// Pairs that exclude each other are rare among random selections: some are made.
fn asked() -> impl Strategy<Value = Selection> {
    let not = |part: Selection| Selection::Not(Box::new(part));
    let pair = (selections(), selections(), 0..5u8).prop_map(move |(a, b, form)| match form {
        0 => Selection::All(vec![a.clone(), b, not(a)]),
        1 => Selection::Any(vec![a.clone(), b, not(a)]),
        2 => Selection::All(vec![a, Selection::All(vec![b])]),
        3 => not(Selection::Any(vec![not(a), not(b)])),
        _ => Selection::Any(vec![a, b]),
    });
    prop_oneof![selections(), pair]
}

#[test]
fn what_is_sure_holds_on_every_world() {
    let config = ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let all = (worlds(), prop::collection::vec(asked(), 60));
    let sure_count = std::cell::Cell::new(0);
    let ran = runner.run(&all, |(world, selections)| {
        let folder = folder();
        let stored = world.store(folder.path());
        let (snapshot, as_of) = (&stored.snapshot, world.as_of);
        for selection in &selections {
            let found = plan_of(&world, &stored, selection).run(snapshot).unwrap();
            if let Some(is_everyone) = sure(selection, snapshot, as_of) {
                sure_count.set(sure_count.get() + 1);
                let expected = if is_everyone { snapshot.universe().len() } else { 0 };
                prop_assert_eq!(found.tree.count, expected, "{}", selection);
            }
            let told = after(selection, &found.tree, snapshot, as_of).unwrap();
            for warning in before(selection, snapshot, as_of).iter().chain(&told) {
                prop_assert!(codes().contains(&warning.code), "{}", warning);
            }
        }
        Ok(())
    });
    ran.unwrap();
    assert!(sure_count.get() > 20, "only {} selections were sure", sure_count.get());
}
