//! The engine: what does this record change?
//!
//! [`State::step`] takes one record of the log and says what was decided. It looks at nothing else: no clock, no
//! file, no chance, no order of a hash map. The same records give the same decisions, in the same order, for
//! any number of shards and however facts are cut into batches.

use std::collections::BTreeMap;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::base::{Day, Timestamp, UserNo};

use super::book::Counts;
use super::decision::{Decision, TaskNo};
use super::fact::{Facts, Predicate, Record, SourceNo, Version};
use super::shard::{Keyed, Oddities, Shard};

/// Batches with fewer rows are not worth a second thread.
const ROWS_PARALLEL_MIN: usize = 4_096;

/// All that the engine knows.
#[derive(Debug, Clone)]
pub struct State {
    pub(super) now: i64,
    pub(super) watermark: Option<i64>,
    /// The watermark of each source; none before its first.
    pub(super) sources: BTreeMap<SourceNo, Option<i64>>,
    pub(super) shards: Vec<Shard>,
}

impl State {
    /// An engine that knows nothing, its users spread over `shards` shards.
    pub fn new(shards: usize) -> State {
        let shards = (0..shards.max(1)).map(|_| Shard::new()).collect();
        State { now: i64::MIN, watermark: None, sources: BTreeMap::new(), shards }
    }

    /// An engine that looks at one user only and also says the quiet ends, `Cancelled` and `Joined`: the log
    /// read through it answers why this user was or was not reached.
    pub fn tracing(user: UserNo) -> State {
        let mut state = State::new(1);
        state.shards.iter_mut().for_each(|shard| shard.only = Some(user));
        state.say_quiet_ends();
        state
    }

    /// From now on `Cancelled` and `Joined` are said as decisions, not only counted.
    pub fn say_quiet_ends(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.is_tracing = true);
    }

    /// Takes one record; decisions are added to `out` in an order that depends on the records alone.
    pub fn step(&mut self, record: Record, out: &mut Vec<Decision>) {
        match record {
            Record::Facts { source, facts } => self.facts(source, &facts, out),
            Record::Watermark { source, to } => {
                let known = self.sources.entry(source).or_insert(None);
                *known = Some(known.map_or(to.0, |old| old.max(to.0)));
                self.advance(out);
            }
            Record::Gone { source } => {
                self.sources.remove(&source);
                self.advance(out);
            }
            Record::Tick { now } => self.tick(now, out),
            Record::Install { task, version } => self.install(task, *version),
            Record::Command { task, command } => {
                let decided = self.keyed(|shard, out| shard.command(task, command, out));
                merge(decided, out, by_reach);
            }
            Record::Audience { task, users } => {
                self.shards.iter_mut().for_each(|shard| shard.audience(task, users.clone()));
            }
            Record::History { task, counts } => self.history(task, counts),
        }
    }

    /// The clock, if there was a tick.
    pub fn now(&self) -> Option<Timestamp> {
        (self.now != i64::MIN).then_some(Timestamp(self.now))
    }

    /// The instant before which all facts are known: the least over the sources.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.watermark.map(Timestamp)
    }

    /// Facts that were clamped, repeated or late, since the beginning.
    pub fn oddities(&self) -> Oddities {
        let mut sum = Oddities::default();
        for shard in &self.shards {
            sum.clamped += shard.oddities.clamped;
            sum.duplicates += shard.oddities.duplicates;
            sum.late += shard.oddities.late;
        }
        sum
    }

    /// What became of a task's windows and touches, by the local day of the base instant.
    pub fn counts(&self, task: TaskNo) -> BTreeMap<Day, Counts> {
        let mut sum: BTreeMap<Day, Counts> = BTreeMap::new();
        let tasks = self.shards.iter().flat_map(|shard| &shard.tasks).filter(|known| known.no == task);
        for (day, counts) in tasks.flat_map(|known| &known.book.days) {
            sum.entry(*day).or_default().add(*counts);
        }
        sum
    }

    /// Who a task may reach by the newest audience that it was told; `None` inside is everyone, outside: none yet.
    pub fn audience(&self, task: TaskNo) -> Option<Option<&RoaringBitmap>> {
        let known = self.shards.first()?.tasks.iter().find(|known| known.no == task)?;
        known.audiences.last().map(|(_, users)| users.as_deref())
    }

    /// Touches that have fired and wait.
    pub fn waiting(&self) -> usize {
        self.shards.iter().map(|shard| shard.waiting.touches.len() + shard.waiting.held.len()).sum()
    }

    /// Touches of a task that have fired and wait.
    pub fn waiting_of(&self, task: TaskNo) -> usize {
        self.shards.iter().map(|shard| shard.waiting.count_of(task)).sum()
    }

    /// A's that are kept: those that wait for their deadline, and some that are past it.
    pub fn pending(&self) -> usize {
        self.shards.iter().flat_map(|shard| &shard.logs).map(|log| log.count).sum()
    }

    /// The predicates whose bits must keep their meaning.
    pub fn predicates(&self) -> Vec<Predicate> {
        let tasks = self.shards.first().into_iter().flat_map(|shard| &shard.tasks);
        let lives = tasks.flat_map(|task| &task.versions).filter(|live| !live.is_done);
        let both = lives.flat_map(|live| [Some(live.spec.did), live.spec.absent()]);
        let mut found: Vec<Predicate> = both.flatten().collect();
        found.sort();
        found.dedup();
        found
    }

    /// The next instant at which something falls due, if no more facts come: a touch that waits is released by
    /// the tick at its reach, an A is decided when the watermark is past its deadline. Where many A's of
    /// other rules lie before the next one it is a little earlier. None: nothing waits at all.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.shards.iter().filter_map(Shard::next_due).min().map(Timestamp)
    }

    /// The instant at which the next touch that waits is due.
    pub fn next_reach(&self) -> Option<Timestamp> {
        let first = |shard: &Shard| shard.waiting.touches.first_key_value().map(|(due, _)| due.reach);
        self.shards.iter().filter_map(first).min().map(Timestamp)
    }

    fn facts(&mut self, source: SourceNo, facts: &Facts, out: &mut Vec<Decision>) {
        self.sources.entry(source).or_insert(None);
        if let [shard] = self.shards.as_mut_slice() {
            let mut decided = Keyed::default();
            shard.facts(facts, 0, 1, &mut decided);
            out.append(&mut decided.decisions);
            return;
        }
        let count = self.shards.len();
        let decided = if facts.rows() < ROWS_PARALLEL_MIN {
            each(self.shards.iter_mut().enumerate(), |(n, shard), out| shard.facts(facts, n, count, out))
        } else {
            let shards = self.shards.par_iter_mut().enumerate();
            shards.map(|(n, shard)| keyed(|out| shard.facts(facts, n, count, out))).collect()
        };
        merge(decided, out, |_, _| std::cmp::Ordering::Equal);
    }

    /// The engine's watermark is the least over its sources, and never moves back.
    fn advance(&mut self, out: &mut Vec<Decision>) {
        let known: Option<Vec<i64>> = self.sources.values().copied().collect();
        let Some(least) = known.and_then(|all| all.into_iter().min()) else { return };
        if self.watermark.is_some_and(|watermark| least <= watermark) {
            return;
        }
        self.watermark = Some(least);
        if let [shard] = self.shards.as_mut_slice() {
            shard.advance(least, out);
            return;
        }
        self.shards.par_iter_mut().for_each(|shard| shard.advance_apart(least));
        for task in 0..self.shards[0].tasks.len() {
            let from = out.len();
            let decided = self.shards.iter_mut().filter_map(|shard| shard.outs.get_mut(task));
            decided.for_each(|decided| out.append(decided));
            out[from..].sort_by(by_deadline);
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Decision>) {
        if now.0 <= self.now {
            return;
        }
        self.now = now.0;
        let decided = self.keyed(|shard, out| shard.tick(now.0, out));
        merge(decided, out, by_reach);
    }

    /// The version is in force for A's from now on, and from after every A and B that has come already: so
    /// each A belongs to one version, and was asked for that version's predicates.
    fn install(&mut self, task: TaskNo, version: Version) {
        let place = self.shards[0].place(task);
        let known = place.into_iter().flat_map(|place| &self.shards[0].tasks[place].versions);
        let specs = known.map(|live| &*live.spec).chain([&version]);
        let both = specs.flat_map(|spec| [Some(spec.did), spec.absent()]);
        let events: Vec<_> = both.flatten().map(|predicate| predicate.event).collect();
        let newest = self.shards.iter().map(|shard| shard.newest_of(&events)).max().unwrap_or(i64::MIN);
        let from = self.now.max(newest.saturating_add(1));
        self.shards.iter_mut().for_each(|shard| shard.install(task, version.clone(), from));
    }

    fn history(&mut self, task: TaskNo, counts: &[(UserNo, i32, u32)]) {
        let shards = self.shards.len();
        for (user, period, count) in counts {
            let shard = &mut self.shards[*user as usize % shards];
            if let Some(place) = shard.place(task) {
                shard.tasks[place].add_history(*user, *period, *count);
            }
        }
    }

    fn keyed(&mut self, act: impl Fn(&mut Shard, &mut Keyed)) -> Vec<Keyed> {
        each(self.shards.iter_mut(), act)
    }
}

impl Facts<'_> {
    /// How many rows every column has.
    pub fn rows(&self) -> usize {
        let lengths =
            [self.times.len(), self.arrivals.len(), self.events.len(), self.masks.len(), self.ids.len()];
        lengths.into_iter().fold(self.users.len(), usize::min)
    }
}

fn keyed(act: impl FnOnce(&mut Keyed)) -> Keyed {
    let mut out = Keyed::default();
    act(&mut out);
    out
}

fn each<T>(shards: impl Iterator<Item = T>, act: impl Fn(T, &mut Keyed)) -> Vec<Keyed> {
    shards.map(|shard| keyed(|out| act(shard, out))).collect()
}

/// Puts the decisions of all shards in the order of their keys, then in `order`.
fn merge(
    decided: Vec<Keyed>,
    out: &mut Vec<Decision>,
    order: impl Fn(&Decision, &Decision) -> std::cmp::Ordering,
) {
    let mut all: Vec<(i64, Decision)> =
        decided.into_iter().flat_map(|part| part.keys.into_iter().zip(part.decisions)).collect();
    all.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| order(left, right)));
    out.extend(all.into_iter().map(|(_, decision)| decision));
}

fn by_reach(a: &Decision, b: &Decision) -> std::cmp::Ordering {
    (a.task, a.user, &a.occurrence).cmp(&(b.task, b.user, &b.occurrence))
}

/// The order in which one shard decides the windows of a task.
fn by_deadline(a: &Decision, b: &Decision) -> std::cmp::Ordering {
    (a.base, a.version, a.user, &a.occurrence).cmp(&(b.base, b.version, b.user, &b.occurrence))
}
