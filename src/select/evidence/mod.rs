//! Why is this user in, or out? The truth of every node of a selection for one user, with the rows
//! and values that prove it.
//!
//! ```text
//! Selection + user ──evidence──▶ Evidence: holds? decides? facts (values, windows, rows, near misses)
//! ```
//!
//! The selection is walked as it was asked, over the rows of one user alone: no plan, bitmap or
//! chunk takes part, so that this is a second opinion on the engine as well. Read on in `person`
//! (values and names), `history` (rows), then one file per condition: `tag`, `rows`, `edge`,
//! `sequence`, `absence`, `share`.

mod absence;
mod check;
mod edge;
mod facts;
mod filter;
mod history;
mod measure;
mod person;
mod rows;
mod sequence;
mod share;
mod story;
mod tag;
mod value;
mod who;

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::ast::{Leaf, Selection};
use super::text::Spelling;
use crate::base::{Name, Outcome, Problem, Timestamp, UserNo};
use crate::store::Snapshot;

#[cfg(test)]
pub(super) use check::fits;
pub use facts::{
    Absence, Attempt, Break, EdgeFacts, End, Facts, FailedRow, FailedTest, Instance, Near, Row, RowFacts,
    SequenceFacts, Span, TagFacts,
};
use person::Person;
pub use who::user_of;

/// What a question about one user is asked of.
pub struct Asked<'a> {
    pub snapshot: &'a Snapshot,
    /// Every crowd that the selection names, resolved once by the caller.
    pub crowds: &'a BTreeMap<String, CrowdSeen>,
    pub as_of: Timestamp,
    /// Rows shown as proof of one condition; all are counted.
    pub rows_max: usize,
}

/// A version of a crowd, as an evaluation sees it.
#[derive(Debug, Clone)]
pub struct CrowdSeen {
    /// The version's number.
    pub no: u32,
    pub as_of: Timestamp,
    pub users: Arc<RoaringBitmap>,
}

/// One node of the selection for one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The whole condition, as text.
    pub node: String,
    /// The same in short, for a tree: `all`, `any`, `not`, or the text of a leaf.
    pub label: String,
    pub holds: bool,
    /// Is the truth of the node above due to this one? True at the root.
    pub decides: bool,
    pub facts: Facts,
    pub children: Vec<Evidence>,
}

impl Evidence {
    /// The leaves that decide, in the order of the text: of a user who is out, conditions that
    /// failed (or that hold under a `not`); empty only for a join of nothing.
    pub fn because(&self) -> Vec<&Evidence> {
        let mut leaves = vec![];
        self.deciding(&mut leaves);
        leaves
    }

    fn deciding<'e>(&'e self, leaves: &mut Vec<&'e Evidence>) {
        if !matches!(self.facts, Facts::Join) {
            leaves.push(self);
        }
        self.children.iter().filter(|child| child.decides).for_each(|child| child.deciding(leaves));
    }
}

/// Truth and evidence of every node of `selection` for one user of the universe.
/// Units: windows are half-open, in the zone of the snapshot.
/// Errors: SEL-101 … SEL-107 for a selection that does not fit the catalog (bind it first to be told
/// all), a file of the snapshot that cannot be read.
pub fn evidence(selection: &Selection, user: UserNo, asked: &Asked) -> Outcome<Evidence> {
    node(selection, &Person::new(user, asked)?)
}

fn node(selection: &Selection, person: &Person) -> Outcome<Evidence> {
    let (holds, facts, children) = match selection {
        Selection::All(parts) => {
            let children = decided(parts, false, person)?;
            (children.iter().all(|child| child.holds), Facts::Join, children)
        }
        Selection::Any(parts) => {
            let children = decided(parts, true, person)?;
            (children.iter().any(|child| child.holds), Facts::Join, children)
        }
        Selection::Not(part) => {
            let child = node(part, person)?;
            (!child.holds, Facts::Join, vec![child])
        }
        Selection::Leaf(leaf) => {
            let (holds, facts) = self::leaf(leaf, person)?;
            (holds, facts, vec![])
        }
    };
    let (node, label) = (selection.to_string(), selection.node(Spelling::English));
    Ok(Evidence { node, label, holds, decides: true, facts, children })
}

/// The parts of a join. One part with the truth `deciding` settles the join, and then only such
/// parts decide; without one, all do.
fn decided(parts: &[Selection], deciding: bool, person: &Person) -> Outcome<Vec<Evidence>> {
    let mut children = parts.iter().map(|part| node(part, person)).collect::<Outcome<Vec<_>>>()?;
    let is_settled = children.iter().any(|child| child.holds == deciding);
    children.iter_mut().for_each(|child| child.decides = !is_settled || child.holds == deciding);
    Ok(children)
}

fn leaf(leaf: &Leaf, person: &Person) -> Outcome<(bool, Facts)> {
    match leaf {
        Leaf::Tag(comparison) => tag::facts(comparison, person),
        Leaf::Behaviour(behaviour) => rows::behaviour(behaviour, person),
        Leaf::Detail(detail) => rows::detail(detail, person),
        Leaf::Edge(edge) => edge::facts(edge, person),
        Leaf::Sequence(asked) if asked.is_last_absent => absence::facts(asked, person),
        Leaf::Sequence(asked) => sequence::facts(asked, person),
        Leaf::Crowd(name) => crowd(name, person),
        Leaf::Sample { share, salt } => Ok(share::sample(*share, salt, person)),
        Leaf::Top { count, by } => share::top(*count, by, person),
    }
}

fn crowd(name: &Name, person: &Person) -> Outcome<(bool, Facts)> {
    let missing = || Problem::author("SEL-105", format!("crowd `{name}` has no complete version"));
    let seen = person.asked.crowds.get(&name.text).ok_or_else(missing)?;
    let facts = Facts::Crowd { name: name.text.clone(), no: seen.no, as_of: seen.as_of };
    Ok((seen.users.contains(person.user), facts))
}
