//! Who fits a selection at one instant over one snapshot?
//!
//! Every crowd that the selection names is resolved once, at the start; its version is part of
//! the answer, so the same as-of and the same data version give the same bits.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::crowds::{Audiences, versionless};
use super::registry::Crowd;
use super::rules::crowds_in;
use super::version::{CrowdVersion, resolve};
use crate::base::{Name, Outcome, Problem, Problems, Timestamp, UserNo};
use crate::select::ast::Selection;
use crate::select::bind::Scope;
use crate::select::evidence::{Asked, CrowdSeen, Evidence, evidence};
use crate::select::lint;
use crate::select::plan::Plan;
use crate::select::run::{Answer, Counted};
use crate::select::text::read_partly;
use crate::select::{Budgeted, LeafCache};
use crate::store::Snapshot;

/// An audience, and what it was made from.
#[derive(Debug, Clone)]
pub struct Evaluated {
    /// The users, and a count at every node of the selection.
    pub answer: Answer,
    pub as_of: Timestamp,
    pub data_version: u64,
    /// The versions of the crowds that it names: crowd name → version.
    pub uses: BTreeMap<String, u32>,
    pub warnings: Vec<Problem>,
}

/// A selection whose names are looked up and whose crowds are in hand; can be run many times.
pub struct Prepared {
    plan: Plan,
    uses: BTreeMap<String, u32>,
    crowds: BTreeMap<String, CrowdSeen>,
    warnings: Vec<Problem>,
}

impl Prepared {
    /// The plan in the shape that was asked.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the author should know though the selection can be evaluated.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Why one user fits or does not: truth and evidence for every node of `selection`, which this was
    /// prepared from; at most `rows_max` rows a condition.
    /// Errors: a file of the snapshot that cannot be read.
    pub fn evidence(
        &self,
        selection: &Selection,
        user: UserNo,
        rows_max: usize,
        snapshot: &Snapshot,
    ) -> Outcome<Evidence> {
        let asked = Asked { snapshot, crowds: &self.crowds, as_of: self.plan.as_of, rows_max };
        evidence(selection, user, &asked)
    }

    /// Warnings that need the counts of an evaluation of `selection`, which this was prepared from.
    /// `tree` is of the plan as asked.
    /// Errors: a file of the snapshot that cannot be read.
    pub fn advice(
        &self,
        selection: &Selection,
        tree: &Counted,
        snapshot: &Snapshot,
    ) -> Outcome<Vec<Problem>> {
        lint::after(selection, tree, snapshot, self.plan.as_of)
    }

    /// The exact count at every node of the plan as asked; the root's is the audience's size.
    pub fn count(&self, snapshot: &Snapshot) -> Outcome<Counted> {
        self.plan.count(snapshot)
    }

    /// The same, with what `cache` knows of single conditions, and for it.
    pub fn count_with(&self, snapshot: &Snapshot, cache: &LeafCache) -> Outcome<Counted> {
        self.plan.count_with(snapshot, cache)
    }

    /// The count at every node within `seconds` by `clock`, or an interval from a sample.
    pub fn count_within(
        &self,
        seconds: f64,
        clock: &(dyn Fn() -> f64 + Sync),
        snapshot: &Snapshot,
    ) -> Outcome<Budgeted> {
        self.plan.count_within(seconds, clock, snapshot)
    }

    /// Runs the plan with less work, for the users alone.
    pub fn quick(&self, snapshot: &Snapshot) -> Outcome<Evaluated> {
        self.run(&self.plan.rewritten(), snapshot)
    }

    /// The users alone, with the least work.
    pub fn users(&self, snapshot: &Snapshot) -> Outcome<RoaringBitmap> {
        self.plan.users(snapshot)
    }

    fn run(&self, plan: &Plan, snapshot: &Snapshot) -> Outcome<Evaluated> {
        Ok(Evaluated {
            answer: plan.run(snapshot)?,
            as_of: plan.as_of,
            data_version: snapshot.version(),
            uses: self.uses.clone(),
            warnings: self.warnings.clone(),
        })
    }
}

impl Audiences {
    /// The users who fit `selection` at `as_of`, found with the least work.
    /// Errors: every mistake of the selection (SEL-…), CRD-007 for a crowd without a version.
    pub fn evaluate(
        &self,
        selection: &Selection,
        as_of: Timestamp,
        snapshot: &Snapshot,
    ) -> Result<Evaluated, Problems> {
        Ok(self.prepare(selection, as_of, snapshot)?.quick(snapshot)?)
    }

    /// Looks the selection's names up and resolves its crowds; nothing is evaluated yet.
    /// Errors: every mistake of the selection (SEL-…), CRD-007 for a crowd without a version.
    pub fn prepare(
        &self,
        selection: &Selection,
        as_of: Timestamp,
        snapshot: &Snapshot,
    ) -> Result<Prepared, Problems> {
        let listed: Vec<Crowd> = self.registry.all()?.into_iter().filter(|crowd| crowd.is_listed).collect();
        let names: Vec<String> = listed.iter().map(|crowd| crowd.name.clone()).collect();
        let bound = selection.bind(&Scope { snapshot, crowds: &names });
        let found = self.find_crowds(selection, &listed, as_of, snapshot);
        let (bound, found) = both(bound, found)?;
        let plan = bound.plan(snapshot, &found.bitmaps, as_of)?;
        let mut warnings = found.warnings;
        warnings.extend(bound.warnings().iter().chain(plan.warnings()).cloned());
        warnings.extend(lint::before(selection, snapshot, as_of));
        Ok(Prepared { plan, uses: found.uses, crowds: found.seen, warnings })
    }

    /// Reads a selection and prepares it: mistakes of spelling and of names come together.
    /// Errors: as [`Audiences::prepare`], and those of reading; in the order of the text.
    pub fn prepare_text(
        &self,
        text: &str,
        as_of: Timestamp,
        snapshot: &Snapshot,
    ) -> Result<(Selection, Prepared), Problems> {
        let (selection, mistakes) = read_partly(text);
        match self.prepare(&selection, as_of, snapshot) {
            Ok(prepared) => mistakes.or((selection, prepared)),
            Err(more) => Err(mistakes.and(more)),
        }
    }

    fn find_crowds(
        &self,
        selection: &Selection,
        listed: &[Crowd],
        as_of: Timestamp,
        snapshot: &Snapshot,
    ) -> Result<Found, Problems> {
        let mut found = Found::default();
        let mut problems = Problems::default();
        for name in crowds_in(selection) {
            if let Some(crowd) = listed.iter().find(|crowd| crowd.name == name.text) {
                match self.find_crowd(crowd, name, as_of, snapshot, &mut found) {
                    Ok(()) => {}
                    Err(problem) => problems.push(problem),
                }
            }
        }
        problems.or(found)
    }

    fn find_crowd(
        &self,
        crowd: &Crowd,
        name: &Name,
        as_of: Timestamp,
        snapshot: &Snapshot,
        found: &mut Found,
    ) -> Outcome<()> {
        let versions = self.registry.versions(crowd.no)?;
        let (version, is_later) =
            resolve(&versions, as_of).ok_or_else(|| versionless(&name.text).span(name.span))?;
        if is_later {
            found.warnings.push(later(name, version, as_of, snapshot));
        }
        let users = self.registry.files.read(crowd.no, version.no, &version.checksum)? & snapshot.universe();
        let users = Arc::new(users);
        let seen = CrowdSeen { no: version.no, as_of: version.as_of, users: users.clone() };
        found.uses.insert(name.text.clone(), version.no);
        found.seen.insert(name.text.clone(), seen);
        found.bitmaps.insert(name.text.clone(), users);
        Ok(())
    }
}

/// The crowds of one selection, resolved.
#[derive(Default)]
struct Found {
    bitmaps: BTreeMap<String, Arc<RoaringBitmap>>,
    uses: BTreeMap<String, u32>,
    seen: BTreeMap<String, CrowdSeen>,
    warnings: Vec<Problem>,
}

/// Both, or the problems of both.
fn both<A, B>(a: Result<A, Problems>, b: Result<B, Problems>) -> Result<(A, B), Problems> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (a, b) => {
            let mut all = a.err().unwrap_or_default();
            all.0.extend(b.err().unwrap_or_default().0);
            Err(all)
        }
    }
}

fn later(name: &Name, version: &CrowdVersion, as_of: Timestamp, snapshot: &Snapshot) -> Problem {
    let zone = snapshot.zone();
    let (no, at, ours) = (version.no, zone.text(version.as_of), zone.text(as_of));
    let what = format!(
        "all versions of crowd '{name}' are later than {ours}; its oldest, version {no} of {at}, is used"
    );
    Problem::author("CRD-008", what)
        .at(format!("crowd '{name}'"))
        .span(name.span)
        .cure("ask as of a later instant, or mind the difference")
}
