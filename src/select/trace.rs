//! Where does the time go? A run that tells, for every node, how long its conditions took and how
//! many bytes they had to look at.
//!
//! The engine calls a [`Probe`] after each piece of work on a leaf; the clock is handed in, so that
//! nothing here reads the time.

use std::sync::Mutex;

use arrow::array::{Array, ArrayRef};
use rayon::prelude::*;

use super::bound::Tested;
use super::check::Check;
use super::plan::{Plan, PlanForm, PlanLeaf, PlanNode, RowPlan, Source};
use super::run::Answer;
use super::source::{Part, detail_parts, event_parts};
use crate::base::Outcome;
use crate::store::{Attributes, Container, Snapshot};

/// What the engine tells while it runs; by default nobody listens.
pub trait Probe: Sync {
    /// The clock, in seconds since some fixed point.
    fn seconds(&self) -> f64 {
        0.0
    }

    /// A piece of work on the leaf at `index` (counted from 0 in the order of the plan) is done.
    /// `bytes` is what the engine knows to have read; 0 where it did not count.
    fn leaf(&self, _index: usize, _seconds: f64, _bytes: u64) {}
}

/// Nobody listens.
pub struct Unwatched;

impl Probe for Unwatched {}

/// What the conditions of one node took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Effort {
    /// Seconds, summed over the cores.
    pub seconds: f64,
    /// Sizes of the containers, columns and rows that were looked at.
    pub bytes: u64,
}

/// A run with the effort of every node.
pub struct Traced {
    pub answer: Answer,
    /// One for each of [`Plan::lines`].
    pub efforts: Vec<Effort>,
    /// Seconds from the start to the end.
    pub seconds: f64,
}

impl Plan {
    /// Runs the plan and tells where the time went; `clock` gives seconds since some fixed point.
    /// Errors: a file of the snapshot that cannot be read.
    pub fn traced(&self, snapshot: &Snapshot, clock: &(dyn Fn() -> f64 + Sync)) -> Outcome<Traced> {
        let leaves = leaves(&self.root);
        let watch = Watch { clock, efforts: Mutex::new(vec![Effort::default(); leaves.len()]) };
        let began = clock();
        let answer = self.run_watched(snapshot, &watch)?;
        let seconds = clock() - began;
        let mut told = watch.efforts.into_inner().unwrap_or_default();
        let sizes = leaves.par_iter().map(|leaf| bytes_of(leaf, snapshot)).collect::<Outcome<Vec<u64>>>()?;
        told.iter_mut()
            .zip(sizes)
            .filter(|(told, _)| told.bytes == 0)
            .for_each(|(told, size)| told.bytes = size);
        let mut efforts = vec![];
        sum(&self.root, &mut told.into_iter(), &mut efforts);
        Ok(Traced { answer, efforts, seconds })
    }
}

/// Adds up what the engine tells.
struct Watch<'a> {
    clock: &'a (dyn Fn() -> f64 + Sync),
    efforts: Mutex<Vec<Effort>>,
}

impl Probe for Watch<'_> {
    fn seconds(&self) -> f64 {
        (self.clock)()
    }

    fn leaf(&self, index: usize, seconds: f64, bytes: u64) {
        // A poisoned lock means that a thread has panicked already, which is told elsewhere.
        let Ok(mut efforts) = self.efforts.lock() else { return };
        if let Some(effort) = efforts.get_mut(index) {
            effort.seconds += seconds;
            effort.bytes += bytes;
        }
    }
}

fn leaves(node: &PlanNode) -> Vec<&PlanLeaf> {
    match &node.form {
        PlanForm::All(parts) | PlanForm::Any(parts) => parts.iter().flat_map(leaves).collect(),
        PlanForm::Not(part) => leaves(part),
        PlanForm::Leaf(leaf) => vec![leaf],
    }
}

/// A join's effort is that of its parts.
fn sum(node: &PlanNode, leaves: &mut impl Iterator<Item = Effort>, all: &mut Vec<Effort>) -> Effort {
    let place = all.len();
    all.push(Effort::default());
    let parts: &[PlanNode] = match &node.form {
        PlanForm::All(parts) | PlanForm::Any(parts) => parts,
        PlanForm::Not(part) => std::slice::from_ref(part),
        PlanForm::Leaf(_) => &[],
    };
    let mut effort = match &node.form {
        PlanForm::Leaf(_) => leaves.next().unwrap_or_default(),
        _ => Effort::default(),
    };
    for part in parts {
        let of_part = sum(part, leaves, all);
        effort = Effort { seconds: effort.seconds + of_part.seconds, bytes: effort.bytes + of_part.bytes };
    }
    all.truncate(if has_one_line(node) { place + 1 } else { all.len() });
    if let Some(slot) = all.get_mut(place) {
        *slot = effort;
    }
    effort
}

/// `not LEAF` stands in one line.
fn has_one_line(node: &PlanNode) -> bool {
    matches!(&node.form, PlanForm::Not(part) if matches!(part.form, PlanForm::Leaf(_)))
}

/// The size of what a leaf has to look at; 0 for a form whose bytes only the engine knows.
fn bytes_of(leaf: &PlanLeaf, snapshot: &Snapshot) -> Outcome<u64> {
    if let PlanLeaf::Tag(tested) = leaf {
        return tag_bytes(tested, snapshot);
    }
    if let PlanLeaf::Crowd(users) = leaf {
        return Ok(users.bytes().len() as u64);
    }
    if let PlanLeaf::Rows(rows) = leaf {
        return rows_bytes(rows, snapshot);
    }
    Ok(0)
}

fn tag_bytes(tested: &Tested, snapshot: &Snapshot) -> Outcome<u64> {
    let mut bytes = 0;
    for chunk in 0..snapshot.chunk_count() {
        let Some(attributes) = snapshot.attributes(chunk)? else { continue };
        bytes += match values_of(&tested.check) {
            Some(values) if attributes.is_indexed(&tested.column) => {
                containers(values, &tested.column, &attributes)?
            }
            _ => attributes.narrow(&tested.column)?.map_or(0, size),
        };
    }
    Ok(bytes)
}

/// The values whose bitmaps answer a check.
fn values_of(check: &Check) -> Option<&[String]> {
    match check {
        Check::Text { values, negated: false } => Some(values),
        Check::AnyOf(values) | Check::AllOf(values) | Check::NoneOf(values) => Some(values),
        _ => None,
    }
}

fn containers(values: &[String], column: &str, attributes: &Attributes) -> Outcome<u64> {
    let mut bytes = 0;
    for value in values {
        bytes += attributes.container(column, value)?.map_or(0, |container| match container {
            Container::Array(bytes) | Container::Runs(bytes) => bytes.len() as u64,
            Container::Bits(bits) => bits.len() as u64,
        });
    }
    Ok(bytes)
}

/// Bits or roll-ups for whole days of a plain count, rows for the others.
fn rows_bytes(plan: &RowPlan, snapshot: &Snapshot) -> Outcome<u64> {
    let sum = |parts: Vec<Part>| parts.iter().map(Part::bytes).sum::<u64>();
    match &plan.source {
        Source::Events(_) => event_parts(plan, snapshot).map(sum),
        Source::Detail { .. } => {
            (0..snapshot.chunk_count()).map(|chunk| detail_parts(plan, snapshot, chunk).map(sum)).sum()
        }
    }
}

/// The bytes of the rows of an array, as they lie in memory.
fn size(column: &ArrayRef) -> u64 {
    column.to_data().get_slice_memory_size().unwrap_or_default() as u64
}
