//! From plan to users: chunk by chunk, one register of 65,536 bits per node, in parallel.
//!
//! The rows of every condition are read once (`source`); then each chunk of users is
//! walked alone: leaves fill a register, joins are word-wise and / or / not, and what comes out is
//! one Roaring bitmap. Beside it stands the slow and obvious twin that asks user by user
//! (`select/twin.rs`, a test).

use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::bound::{BoundMetric, Compare, Tested};
use super::edge::Edges;
use super::fold::{OwnWindows, Scratch, users_of};
use super::plan::{Plan, PlanForm, PlanLeaf, PlanNode, RowPlan, Source, TimeSpan};
use super::sequence::Sequences;
use super::source::{self, Part};
use super::trace::{Probe, Unwatched};
use super::{share, tag};
use crate::base::{Interval, Outcome, Share, Timestamp, Zone, ahead};
use crate::store::{Attributes, Bitmap, Register, Snapshot};

/// The users found, and how many at every node.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Bitmap over `UserNo`; users deleted before the snapshot are absent.
    pub users: RoaringBitmap,
    pub tree: Counted,
}

/// A node with its exact count over the whole universe.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Counted {
    /// The whole condition, as text.
    pub node: String,
    /// The same in short, for a tree: `all`, `any`, `not`, or the text of a leaf.
    #[serde(skip)]
    pub label: String,
    pub count: u64,
    pub children: Vec<Counted>,
}

impl Plan {
    /// Users who fit, with the exact count of every node, read from one `snapshot`.
    /// Errors: a file of the snapshot that cannot be read.
    pub fn run(&self, snapshot: &Snapshot) -> Outcome<Answer> {
        self.run_watched(snapshot, &Unwatched)
    }

    /// As [`run`](Plan::run), and `probe` hears of the work on every leaf.
    pub fn run_watched(&self, snapshot: &Snapshot, probe: &dyn Probe) -> Outcome<Answer> {
        let (users, counts) = Engine::new(self, snapshot, true, probe)?.run(self)?;
        let tree = counted(&self.root, &mut counts.into_iter());
        Ok(Answer { users, tree })
    }

    /// Users who fit, with the least work: the plan is rewritten and stops where a chunk is empty.
    pub fn users(&self, snapshot: &Snapshot) -> Outcome<RoaringBitmap> {
        let plan = self.rewritten();
        Ok(Engine::new(&plan, snapshot, false, &Unwatched)?.run(&plan)?.0)
    }
}

/// Counts come in the order in which nodes are walked: a node, then its parts.
fn counted(node: &PlanNode, counts: &mut impl Iterator<Item = u64>) -> Counted {
    let count = counts.next().unwrap_or(0);
    let (label, parts): (&str, &[PlanNode]) = match &node.form {
        PlanForm::All(parts) => ("all", parts),
        PlanForm::Any(parts) => ("any", parts),
        PlanForm::Not(part) => ("not", std::slice::from_ref(part)),
        PlanForm::Leaf(_) => (&node.text, &[]),
    };
    let children = parts.iter().map(|part| counted(part, counts)).collect();
    Counted { node: node.text.clone(), label: label.to_string(), count, children }
}

/// A leaf with what it reads laid ready.
enum Ready<'a> {
    Tag(&'a Tested),
    Events {
        plan: &'a RowPlan,
        parts: Vec<Part>,
    },
    Detail(&'a RowPlan),
    /// A crowd as portable Roaring bytes, containers read in place.
    Crowd(Bitmap),
    Edge(Edges<'a>),
    Sequence(Sequences<'a>),
    Sample(Share, &'a str),
}

struct Engine<'a> {
    snapshot: &'a Snapshot,
    universe: Bitmap,
    leaves: Vec<Ready<'a>>,
    /// Every node is evaluated and counted; otherwise a join stops when nothing is left.
    counts_all: bool,
    zone: Zone,
    as_of: Timestamp,
    probe: &'a dyn Probe,
}

impl<'a> Engine<'a> {
    fn new(
        plan: &'a Plan,
        snapshot: &'a Snapshot,
        counts_all: bool,
        probe: &'a dyn Probe,
    ) -> Outcome<Engine<'a>> {
        let mut leaves = vec![];
        collect(&plan.root, &mut leaves);
        let lay_ready = |(index, leaf)| watched(probe, index, || ready(leaf, snapshot));
        let leaves = leaves.into_par_iter().enumerate().map(lay_ready).collect::<Outcome<_>>()?;
        let universe = Bitmap::of(snapshot.universe());
        Ok(Engine { snapshot, universe, leaves, counts_all, zone: plan.zone, as_of: plan.as_of, probe })
    }

    fn run(&self, plan: &Plan) -> Outcome<(RoaringBitmap, Vec<u64>)> {
        let chunks: Vec<(Register, Vec<u64>)> = (0..self.snapshot.chunk_count())
            .into_par_iter()
            .map_init(Scratch::default, |scratch, chunk| self.chunk(plan, chunk, scratch))
            .collect::<Outcome<_>>()?;
        let mut totals = vec![0; nodes(&plan.root)];
        let mut users = RoaringBitmap::new();
        for (chunk, (register, counts)) in chunks.iter().enumerate() {
            totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            if !register.is_empty() {
                users |= register.to_bitmap(chunk as u32);
            }
        }
        users.optimize();
        Ok((users, totals))
    }

    fn chunk(&self, plan: &Plan, chunk: u32, scratch: &mut Scratch) -> Outcome<(Register, Vec<u64>)> {
        let mut universe = Register::new();
        if let Some(container) = self.universe.container(chunk) {
            universe.fill(container);
        }
        let attributes = self.snapshot.attributes(chunk)?;
        let mut walk = Walk {
            engine: self,
            chunk,
            universe: &universe,
            attributes: attributes.as_deref(),
            scratch,
            counts: vec![],
            leaf: 0,
        };
        let users = walk.node(&plan.root)?;
        let counts = walk.counts;
        Ok((*users, counts))
    }
}

fn collect<'a>(node: &'a PlanNode, leaves: &mut Vec<&'a PlanLeaf>) {
    match &node.form {
        PlanForm::All(parts) | PlanForm::Any(parts) => parts.iter().for_each(|part| collect(part, leaves)),
        PlanForm::Not(part) => collect(part, leaves),
        PlanForm::Leaf(leaf) => leaves.push(leaf),
    }
}

fn nodes(node: &PlanNode) -> usize {
    match &node.form {
        PlanForm::All(parts) | PlanForm::Any(parts) => 1 + parts.iter().map(nodes).sum::<usize>(),
        PlanForm::Not(part) => 1 + nodes(part),
        PlanForm::Leaf(_) => 1,
    }
}

fn leaves(node: &PlanNode) -> usize {
    let mut found = vec![];
    collect(node, &mut found);
    found.len()
}

fn ready<'a>(leaf: &'a PlanLeaf, snapshot: &Snapshot) -> Outcome<Ready<'a>> {
    Ok(match leaf {
        PlanLeaf::Tag(tested) => Ready::Tag(tested),
        PlanLeaf::Crowd(users) => Ready::Crowd(Bitmap::of(users)),
        PlanLeaf::Edge(plan) => Ready::Edge(Edges::read(plan, snapshot)?),
        PlanLeaf::Sequence(plan) => Ready::Sequence(Sequences::read(plan, snapshot)?),
        PlanLeaf::Sample { share, salt } => {
            snapshot.ids().ready()?;
            Ready::Sample(*share, salt)
        }
        PlanLeaf::Top { count, by } => Ready::Crowd(Bitmap::of(&share::top(*count, by, snapshot)?)),
        PlanLeaf::Rows(plan) => match &plan.source {
            Source::Events(_) => Ready::Events { plan, parts: source::event_parts(plan, snapshot)? },
            Source::Detail { .. } => Ready::Detail(plan),
        },
    })
}

/// Does a piece of work on a leaf and tells how long it took.
fn watched<T>(probe: &dyn Probe, index: usize, work: impl FnOnce() -> T) -> T {
    let began = probe.seconds();
    let done = work();
    probe.leaf(index, probe.seconds() - began, 0);
    done
}

/// One chunk on its way through the plan.
struct Walk<'a> {
    engine: &'a Engine<'a>,
    chunk: u32,
    universe: &'a Register,
    attributes: Option<&'a Attributes>,
    scratch: &'a mut Scratch,
    /// Users per node so far, in the order of [`counted`].
    counts: Vec<u64>,
    /// The next leaf, in the order of [`collect`].
    leaf: usize,
}

impl Walk<'_> {
    fn node(&mut self, node: &PlanNode) -> Outcome<Box<Register>> {
        let at = self.counts.len();
        self.counts.push(0);
        let register = match &node.form {
            PlanForm::All(parts) => self.all(parts)?,
            PlanForm::Any(parts) => self.any(parts)?,
            PlanForm::Not(part) => {
                let inner = self.node(part)?;
                let mut rest = Box::new(self.universe.clone());
                rest.and_not(&inner);
                rest
            }
            PlanForm::Leaf(_) => watched(self.engine.probe, self.leaf, || self.leaf())?,
        };
        self.counts[at] = register.count() as u64;
        Ok(register)
    }

    fn all(&mut self, parts: &[PlanNode]) -> Outcome<Box<Register>> {
        let mut users = Box::new(self.universe.clone());
        for part in parts {
            if !self.engine.counts_all && users.is_empty() {
                self.leaf += leaves(part);
                continue;
            }
            users.and(&*self.node(part)?);
        }
        Ok(users)
    }

    fn any(&mut self, parts: &[PlanNode]) -> Outcome<Box<Register>> {
        let mut users = Box::new(Register::new());
        for part in parts {
            users.or(&*self.node(part)?);
        }
        Ok(users)
    }

    fn leaf(&mut self) -> Outcome<Box<Register>> {
        let engine = self.engine;
        let mut users = match engine.leaves.get(self.leaf) {
            Some(Ready::Tag(tested)) => tag::users_of(tested, self.attributes, engine.as_of, &engine.zone)?,
            Some(Ready::Events { plan, parts }) => self.rows(plan, parts)?,
            Some(Ready::Detail(plan)) => {
                let parts = source::detail_parts(plan, engine.snapshot, self.chunk)?;
                self.rows(plan, &parts)?
            }
            Some(Ready::Crowd(crowd)) => self.crowd(crowd),
            Some(Ready::Edge(edges)) => {
                let own = self.own_windows(&edges.plan.inside.span)?;
                edges.users_of(self.chunk, own.as_ref(), self.scratch)
            }
            Some(Ready::Sequence(sequences)) => {
                let own = self.own_windows(&sequences.plan.span)?;
                sequences.users_of(self.chunk, own.as_ref())
            }
            Some(Ready::Sample(share, salt)) => {
                share::sampled(*share, salt, engine.snapshot, self.chunk, self.universe)
            }
            None => Register::new(),
        };
        self.leaf += 1;
        users.and(self.universe);
        Ok(Box::new(users))
    }

    fn crowd(&self, crowd: &Bitmap) -> Register {
        let mut users = Register::new();
        if let Some(container) = crowd.container(self.chunk) {
            users.fill(container);
        }
        users
    }

    fn rows(&mut self, plan: &RowPlan, parts: &[Part]) -> Outcome<Register> {
        let own = self.own_windows(&plan.span)?;
        let did_nothing_matters = plan.metric != BoundMetric::Count || plan.compare != Compare::AT_LEAST_ONE;
        if parts.is_empty() && !did_nothing_matters {
            return Ok(Register::new());
        }
        Ok(users_of(&plan.metric, &plan.compare, parts, self.chunk, own.as_ref(), self.scratch))
    }

    /// `[X, X + gap)` per user of the chunk, where the plan asks for it.
    fn own_windows(&self, span: &TimeSpan) -> Outcome<Option<OwnWindows>> {
        let TimeSpan::Own { of, count, unit, until } = span else { return Ok(None) };
        let Some(attributes) = self.attributes else { return Ok(Some(vec![])) };
        let Some(column) = attributes.column(of)? else { return Ok(Some(vec![])) };
        let zone = &self.engine.zone;
        let window =
            |from: Timestamp| Interval { from, to: ahead(from, *count, *unit, zone).min(until.plus(1)) };
        Ok(Some((0..column.len()).map(|row| source::instant(column, row, zone).map(window)).collect()))
    }
}
