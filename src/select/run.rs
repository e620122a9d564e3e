//! From plan to users: chunk by chunk, one register of 65,536 bits per node, in parallel.
//!
//! The rows of every condition are read once (`source`); then each chunk of users is
//! walked alone: leaves fill a register, joins are word-wise and / or / not, and what comes out is
//! one Roaring bitmap. Beside it stands the slow and obvious twin that asks user by user
//! (`select/twin.rs`, a test).

use std::sync::Arc;

use rayon::prelude::*;
use roaring::{MultiOps, RoaringBitmap};

use super::bound::Tested;
use super::cache::{LeafCache, key_of};
use super::edge::Edges;
use super::fold::{OwnWindows, Rows, Scratch};
use super::pair::Pair;
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
        let engine = Engine::new(self, snapshot, true, probe)?;
        let chunks = engine.chunks(|chunk, scratch| {
            let Chunk { users, counts, .. } = engine.chunk(self, chunk, scratch)?;
            Ok((bitmap(&users, chunk), counts))
        })?;
        let tree = self.tree_of(chunks.iter().map(|(_, counts)| counts));
        Ok(Answer { users: chunks.into_iter().map(|(users, _)| users).union(), tree })
    }

    /// The exact count of every node; no bitmap is made of the users.
    /// Errors: a file of the snapshot that cannot be read.
    pub fn count(&self, snapshot: &Snapshot) -> Outcome<Counted> {
        let engine = Engine::new(self, snapshot, true, &Unwatched)?;
        let chunks = engine.chunks(|chunk, scratch| Ok(engine.chunk(self, chunk, scratch)?.counts))?;
        Ok(self.tree_of(chunks.iter()))
    }

    /// The same, with what `cache` knows of single conditions, and for it.
    /// Errors: a file of the snapshot that cannot be read.
    pub fn count_with(&self, snapshot: &Snapshot, cache: &LeafCache) -> Outcome<Counted> {
        let mut engine = Engine { leaves: vec![], ..Engine::of(self, snapshot, true, &Unwatched) };
        let mut leaves = vec![];
        collect(&self.root, &mut leaves);
        let lay_ready = leaves.into_par_iter().map(|leaf| {
            let key = key_of(leaf, &self.zone, snapshot);
            match key.and_then(|key| cache.get(key)) {
                Some(users) => Ok((Ready::Known(users), None)),
                None => Ok((ready(leaf, snapshot)?, key)),
            }
        });
        let (leaves, keys): (Vec<Ready>, Vec<Option<u128>>) =
            lay_ready.collect::<Outcome<Vec<_>>>()?.into_iter().unzip();
        (engine.leaves, engine.kept) = (leaves, keys.iter().map(Option::is_some).collect());
        let chunks = engine.chunks(|chunk, scratch| engine.chunk(self, chunk, scratch))?;
        let mut found = vec![RoaringBitmap::new(); keys.len()];
        for (leaf, users) in chunks.iter().flat_map(|chunk| &chunk.kept) {
            found[*leaf] |= users;
        }
        for (key, users) in keys.into_iter().zip(found) {
            key.into_iter().for_each(|key| cache.put(key, Bitmap::of(&users)));
        }
        Ok(self.tree_of(chunks.iter().map(|chunk| &chunk.counts)))
    }

    /// Users and counts of the chunks in `order`, each if `look` lets it be counted.
    pub(super) fn counts_of<T: Send>(
        &self,
        order: &[u32],
        snapshot: &Snapshot,
        look: impl Fn(&mut dyn FnMut() -> Outcome<(u64, Vec<u64>)>) -> Option<Outcome<T>> + Sync,
    ) -> Outcome<Vec<Option<T>>> {
        let engine = Engine::new(self, snapshot, true, &Unwatched)?;
        let chunks = order.par_iter().map_init(Scratch::default, |scratch, chunk| {
            look(&mut || {
                let universe =
                    engine.universe.container(*chunk).map_or(0, |container| container.count() as u64);
                Ok((universe, engine.chunk(self, *chunk, scratch)?.counts))
            })
            .transpose()
        });
        chunks.collect()
    }

    /// Users who fit, with the least work: the plan is rewritten and stops where a chunk is empty.
    /// Errors: a file of the snapshot that cannot be read.
    pub fn users(&self, snapshot: &Snapshot) -> Outcome<RoaringBitmap> {
        let plan = self.rewritten();
        let engine = Engine::new(&plan, snapshot, false, &Unwatched)?;
        let chunks =
            engine.chunks(|chunk, scratch| Ok(bitmap(&engine.chunk(&plan, chunk, scratch)?.users, chunk)))?;
        Ok(chunks.union())
    }

    pub(super) fn tree_of<'c>(&self, chunks: impl Iterator<Item = &'c Vec<u64>>) -> Counted {
        let mut totals = vec![0; nodes(&self.root)];
        for counts in chunks {
            totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        }
        counted(&self.root, &mut totals.into_iter())
    }
}

fn bitmap(users: &Register, chunk: u32) -> RoaringBitmap {
    if users.is_empty() { RoaringBitmap::new() } else { users.to_bitmap(chunk) }
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
    Crowd(&'a Bitmap),
    Edge(Edges<'a>),
    Sequence(Sequences<'a>),
    Pair(Pair),
    Sample(Share, &'a str),
    /// Found before the walk.
    Found(Bitmap),
    /// Found in an earlier evaluation.
    Known(Arc<Bitmap>),
}

/// What one chunk gives.
struct Chunk {
    users: Box<Register>,
    /// Users at every node.
    counts: Vec<u64>,
    /// Leaves whose users are to be kept, with them.
    kept: Vec<(usize, RoaringBitmap)>,
}

struct Engine<'a> {
    snapshot: &'a Snapshot,
    universe: &'a Bitmap,
    leaves: Vec<Ready<'a>>,
    /// Every node is evaluated and counted; otherwise a join stops when nothing is left.
    counts_all: bool,
    zone: Zone,
    as_of: Timestamp,
    probe: &'a dyn Probe,
    /// Which leaves' users are kept; left out: none.
    kept: Vec<bool>,
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
        Ok(Engine { leaves, ..Engine::of(plan, snapshot, counts_all, probe) })
    }

    /// Without leaves yet.
    fn of(plan: &'a Plan, snapshot: &'a Snapshot, counts_all: bool, probe: &'a dyn Probe) -> Engine<'a> {
        let universe = snapshot.universe_bitmap();
        let (zone, as_of) = (plan.zone, plan.as_of);
        Engine { snapshot, universe, leaves: vec![], counts_all, zone, as_of, probe, kept: vec![] }
    }

    /// What `each` gives for every chunk, in parallel.
    fn chunks<T: Send>(&self, each: impl Fn(u32, &mut Scratch) -> Outcome<T> + Sync) -> Outcome<Vec<T>> {
        let chunks = (0..self.snapshot.chunk_count()).into_par_iter();
        chunks.map_init(Scratch::default, |scratch, chunk| each(chunk, scratch)).collect()
    }

    /// The users of one chunk, and how many at every node.
    fn chunk(&self, plan: &Plan, chunk: u32, scratch: &mut Scratch) -> Outcome<Chunk> {
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
            spare: vec![],
            counts: vec![],
            kept: vec![],
            leaf: 0,
        };
        let mut users = Box::new(Register::new());
        walk.node(&plan.root, &mut users)?;
        Ok(Chunk { users, counts: walk.counts, kept: walk.kept })
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
        PlanLeaf::Crowd(users) => Ready::Crowd(users),
        PlanLeaf::Edge(plan) => Ready::Edge(Edges::read(plan, snapshot)?),
        PlanLeaf::Sequence(plan) => match Pair::read(plan, snapshot)? {
            Some(pair) => Ready::Pair(pair),
            None => Ready::Sequence(Sequences::read(plan, snapshot)?),
        },
        PlanLeaf::Sample { share, salt } => {
            snapshot.ids().ready()?;
            Ready::Sample(*share, salt)
        }
        PlanLeaf::Top { count, by } => Ready::Found(Bitmap::of(&share::top(*count, by, snapshot)?)),
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
    /// Registers that nobody uses at the moment.
    spare: Vec<Box<Register>>,
    /// Users per node so far, in the order of [`counted`].
    counts: Vec<u64>,
    kept: Vec<(usize, RoaringBitmap)>,
    /// The next leaf, in the order of [`collect`].
    leaf: usize,
}

impl Walk<'_> {
    /// Writes the users of a node.
    fn node(&mut self, node: &PlanNode, out: &mut Register) -> Outcome<()> {
        let at = self.counts.len();
        self.counts.push(0);
        match &node.form {
            PlanForm::All(parts) => self.join(parts, out, true)?,
            PlanForm::Any(parts) => self.join(parts, out, false)?,
            PlanForm::Not(part) => {
                self.node(part, out)?;
                out.complement_in(self.universe);
            }
            PlanForm::Leaf(_) => watched(self.engine.probe, self.leaf, || self.leaf(out))?,
        }
        if self.engine.counts_all {
            self.counts[at] = out.count() as u64;
        }
        Ok(())
    }

    fn join(&mut self, parts: &[PlanNode], out: &mut Register, is_all: bool) -> Outcome<()> {
        let Some((first, rest)) = parts.split_first() else {
            if is_all {
                out.clone_from(self.universe)
            } else {
                out.clear()
            }
            return Ok(());
        };
        self.node(first, out)?;
        for part in rest {
            if !self.engine.counts_all && is_all && out.is_empty() {
                self.leaf += leaves(part);
                continue;
            }
            let mut next = self.spare.pop().unwrap_or_default();
            self.node(part, &mut next)?;
            if is_all {
                out.and(&next)
            } else {
                out.or(&next)
            }
            self.spare.push(next);
        }
        Ok(())
    }

    fn leaf(&mut self, out: &mut Register) -> Outcome<()> {
        let engine = self.engine;
        match engine.leaves.get(self.leaf) {
            Some(Ready::Tag(tested)) => {
                tag::users_of(tested, self.attributes, engine.as_of, &engine.zone, out)?;
            }
            Some(Ready::Events { plan, parts }) => self.rows(plan, parts, out)?,
            Some(Ready::Detail(plan)) => {
                let parts = source::detail_parts(plan, engine.snapshot, self.chunk)?;
                self.rows(plan, &parts, out)?;
            }
            Some(Ready::Crowd(users)) => return self.known(users, out),
            Some(Ready::Found(users)) => return self.known(users, out),
            Some(Ready::Known(users)) => return self.known(users, out),
            Some(Ready::Edge(edges)) => {
                let own = self.own_windows(&edges.plan.inside.span)?;
                edges.users_of(self.chunk, own.as_ref(), &engine.zone, self.scratch, out);
            }
            Some(Ready::Pair(pair)) => pair.users_of(self.chunk, engine.snapshot, self.scratch, out)?,
            Some(Ready::Sequence(sequences)) => {
                let own = self.own_windows(&sequences.plan.span)?;
                *out = sequences.users_of(self.chunk, own.as_ref());
            }
            Some(Ready::Sample(share, salt)) => {
                *out = share::sampled(*share, salt, engine.snapshot, self.chunk, self.universe);
            }
            None => out.clear(),
        }
        out.and(self.universe);
        self.leave(out);
        Ok(())
    }

    /// Users who stand in a bitmap already, in one pass.
    fn known(&mut self, users: &Bitmap, out: &mut Register) -> Outcome<()> {
        match users.container(self.chunk) {
            Some(container) => out.meet(container, self.universe),
            None => out.clear(),
        }
        self.leave(out);
        Ok(())
    }

    /// The leaf is done.
    fn leave(&mut self, out: &Register) {
        if self.engine.kept.get(self.leaf) == Some(&true) {
            self.kept.push((self.leaf, bitmap(out, self.chunk)));
        }
        self.leaf += 1;
    }

    fn rows(&mut self, plan: &RowPlan, parts: &[Part], out: &mut Register) -> Outcome<()> {
        let own = self.own_windows(&plan.span)?;
        let rows = Rows { parts, chunk: self.chunk, own: own.as_ref(), zone: &self.engine.zone };
        rows.users(&plan.metric, &plan.compare, self.scratch, out);
        Ok(())
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
