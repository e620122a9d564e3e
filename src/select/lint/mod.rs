//! Does the author mean this? Warnings about selections that can be evaluated and still look wrong.
//!
//! Nothing here is a mistake: every selection has an answer. A check speaks only when it is sure of
//! what it says, so that warnings stay worth reading. [`before`] looks at the text alone; [`after`]
//! has the counts of every node in hand and may look at the data. Each check is one small file, and
//! all are in the tables below.

mod clash;
mod idle;
mod never_did;
mod scene;
mod truth;
mod truth_of_leaf;
mod twice;
mod unknown;
mod unseen;

use super::ast::Selection;
use super::run::Counted;
use crate::base::{Outcome, Problem, Timestamp};
use crate::store::Snapshot;
use scene::Scene;
use truth::Truth;

/// A check that looks at the selection alone.
type Before = fn(&Selection, &Scene, &mut Vec<Problem>);
/// A check that has the counts in hand.
type After = fn(&Selection, &Counted, &Scene, &mut Vec<Problem>) -> Outcome<()>;

/// The codes of a check and the check.
const BEFORE: &[(&[&str], Before)] = &[
    (&["SEL-152", "SEL-153", "SEL-156"], truth::look),
    (&["SEL-154"], twice::look),
    (&["SEL-155"], never_did::look),
];

const AFTER: &[(&[&str], After)] =
    &[(&["SEL-157"], unknown::look), (&["SEL-158"], unseen::look), (&["SEL-159"], idle::look)];

/// Warnings that need no evaluation, in the order of the text.
/// A name that is not known is passed over: binding tells it.
pub fn before(selection: &Selection, snapshot: &Snapshot, as_of: Timestamp) -> Vec<Problem> {
    let scene = Scene { snapshot, as_of, zone: snapshot.zone() };
    let mut found = vec![];
    BEFORE.iter().for_each(|(_, look)| look(selection, &scene, &mut found));
    sorted(found)
}

/// Warnings that need the counts; `tree` is of the plan in the shape that was asked.
/// Errors: a file of the snapshot that cannot be read.
pub fn after(
    selection: &Selection,
    tree: &Counted,
    snapshot: &Snapshot,
    as_of: Timestamp,
) -> Outcome<Vec<Problem>> {
    let scene = Scene { snapshot, as_of, zone: snapshot.zone() };
    let mut found = vec![];
    AFTER.iter().try_for_each(|(_, look)| look(selection, tree, &scene, &mut found))?;
    // What is sure without counts need not be said again because of them.
    let told = before(selection, snapshot, as_of);
    let is_told = |one: &Problem| told.iter().any(|other| other.span == one.span && one.span.is_some());
    let is_twice = told.iter().any(|other| other.code == "SEL-154");
    let is_said = |one: &Problem| is_told(one) || (is_twice && one.code == "SEL-159");
    found.retain(|one| !is_said(one));
    Ok(sorted(found))
}

/// Is the selection nobody (false) or everyone (true) whatever the data? `None`: it depends.
pub fn sure(selection: &Selection, snapshot: &Snapshot, as_of: Timestamp) -> Option<bool> {
    let scene = Scene { snapshot, as_of, zone: snapshot.zone() };
    match truth::truth(selection, &scene, &mut vec![]) {
        Truth::Nobody => Some(false),
        Truth::Everyone => Some(true),
        Truth::Open => None,
    }
}

/// The codes that the linter may give, in order.
pub fn codes() -> Vec<&'static str> {
    let before = BEFORE.iter().flat_map(|(codes, _)| codes.iter());
    before.chain(AFTER.iter().flat_map(|(codes, _)| codes.iter())).copied().collect()
}

fn sorted(mut found: Vec<Problem>) -> Vec<Problem> {
    found.sort_by_key(|problem| problem.span);
    found
}
