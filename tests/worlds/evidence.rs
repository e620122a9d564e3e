//! Evidence is a second opinion on the engine: node by node and user by user the two agree.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quanke::base::{Timestamp, UserNo};
use quanke::select::ast::Selection;
use quanke::select::evidence::{Asked, CrowdSeen, Evidence, Facts, evidence};
use quanke::select::{Plan, Scope};
use roaring::RoaringBitmap;

use super::random::{selections, worlds};
use super::world::{Stored, World, folder};

/// Rows shown as proof: more than a random user has.
const ROWS_MAX: usize = 100;

/// For every user and every node, `holds` is membership in the node's own bitmap; whoever is out is
/// told a leaf, and the rows shown are those that were counted.
#[test]
fn evidence_agrees_with_the_engine_at_every_node() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(25);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let asked = (worlds(), prop::collection::vec(selections(), 12));
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let ran = runner.run(&asked, |(world, selections)| {
        let folder = folder();
        let stored = world.store(folder.path());
        selections.iter().try_for_each(|selection| agrees(&world, &stored, selection))
    });
    ran.unwrap();
}

/// The crowds of a stored world, each in its first version.
pub fn crowds(stored: &Stored) -> BTreeMap<String, CrowdSeen> {
    let seen = |users: &std::sync::Arc<RoaringBitmap>| CrowdSeen {
        no: 1,
        as_of: Timestamp(0),
        users: users.clone(),
    };
    stored.crowds.iter().map(|(name, users)| (name.clone(), seen(users))).collect()
}

fn agrees(world: &World, stored: &Stored, selection: &Selection) -> Result<(), TestCaseError> {
    let crowds = crowds(stored);
    let asked = Asked { snapshot: &stored.snapshot, crowds: &crowds, as_of: world.as_of, rows_max: ROWS_MAX };
    let told: Vec<(UserNo, Evidence)> = stored
        .snapshot
        .universe()
        .iter()
        .map(|user| (user, evidence(selection, user, &asked).unwrap()))
        .collect();
    let nodes: Vec<(UserNo, &Evidence)> = told.iter().map(|(user, evidence)| (*user, evidence)).collect();
    nodes_agree(world, stored, selection, &nodes)?;
    told.iter().try_for_each(|(_, evidence)| is_proved(evidence))
}

fn nodes_agree(
    world: &World,
    stored: &Stored,
    selection: &Selection,
    told: &[(UserNo, &Evidence)],
) -> Result<(), TestCaseError> {
    let engine = users(world, stored, selection);
    for (user, evidence) in told {
        let (id, text) = (stored.snapshot.ids().text(*user), selection.to_string());
        prop_assert_eq!(evidence.holds, engine.contains(*user), "{} of {}: {:#?}", id, text, evidence);
    }
    let parts: &[Selection] = match selection {
        Selection::All(parts) | Selection::Any(parts) => parts,
        Selection::Not(part) => std::slice::from_ref(part),
        Selection::Leaf(_) => &[],
    };
    for (at, part) in parts.iter().enumerate() {
        let below: Vec<_> = told.iter().map(|(user, evidence)| (*user, &evidence.children[at])).collect();
        nodes_agree(world, stored, part, &below)?;
    }
    Ok(())
}

fn users(world: &World, stored: &Stored, selection: &Selection) -> RoaringBitmap {
    plan_of(world, stored, selection).run(&stored.snapshot).unwrap().users
}

/// The plan in the shape that was asked.
pub fn plan_of(world: &World, stored: &Stored, selection: &Selection) -> Plan {
    let names: Vec<String> = stored.crowds.keys().cloned().collect();
    let bound = selection.bind(&Scope { snapshot: &stored.snapshot, crowds: &names });
    let bound = bound.unwrap_or_else(|problems| panic!("{selection}\n{problems}"));
    bound.plan(&stored.snapshot, &stored.crowds, world.as_of).unwrap()
}

/// The truth of a node follows from the children that decide, and from them alone.
fn is_proved(evidence: &Evidence) -> Result<(), TestCaseError> {
    let deciding: Vec<&Evidence> = evidence.children.iter().filter(|child| child.decides).collect();
    match (evidence.label.as_str(), evidence.holds) {
        ("all", _) => prop_assert_eq!(evidence.holds, deciding.iter().all(|child| child.holds)),
        ("any", _) => prop_assert_eq!(evidence.holds, deciding.iter().any(|child| child.holds)),
        ("not", _) => prop_assert_eq!(evidence.holds, deciding.iter().all(|child| !child.holds)),
        _ => {}
    }
    prop_assert!(evidence.children.is_empty() || !deciding.is_empty());
    if let Facts::Rows(rows) = &evidence.facts {
        prop_assert_eq!(rows.rows.len() as u64, rows.passed);
        prop_assert!(rows.rows.iter().all(|row| rows.span.holds(row.at)));
        prop_assert!(rows.near.rows >= rows.passed + rows.near.outside + rows.near.failed);
        prop_assert!(rows.near.failed_latest.as_ref().is_none_or(|failed| !failed.tests.is_empty()));
    }
    evidence.children.iter().try_for_each(is_proved)
}
