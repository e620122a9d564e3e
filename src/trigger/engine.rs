//! How do decisions become safe? Every record goes into the log first; what it decided leaves when the log
//! has it for good.
//!
//! [`Triggers::take`] appends and steps, [`Triggers::commit`] makes durable and gives the decisions, each
//! with its [`Place`]. After a crash [`Triggers::open`] loads the newest snapshot, replays the rest and gives
//! once more all decisions behind the place that the ledger has.

use std::sync::Arc;

use crate::base::{Outcome, Problem, Timestamp};

use super::entry::Entry;
use super::fact::{EventNo, Predicate, SourceNo};
use super::loading::Loaded;
use super::log::{Disk, Log, Recovered, Settings};
use super::making::Making;
use super::names::Names;
use super::{Decision, State, TaskNo};

/// Bytes of records after which a snapshot shortens the next start.
const SNAPSHOT_BYTES: u64 = 256 << 20;
/// Bytes of records beside a snapshot after which it is waited for: log and memory must not grow without bound
/// where records come faster than the other thread can replay them.
const BESIDE_BYTES_MAX: u64 = 1 << 30;
/// The least step in which time passes, where nothing else happens.
const STEP_MS: i64 = 1_000;

/// The number of a decision: the record that caused it, and its place among that record's decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub position: u64,
    pub index: u32,
}

/// A decision that may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    pub place: Place,
    pub decision: Decision,
}

/// The state machine on its log.
pub struct Triggers {
    log: Log,
    state: State,
    names: Names,
    /// Decided, and not durable yet.
    waiting: Vec<Numbered>,
    /// The last decision that was given out, or that the ledger had at the start.
    given: Option<Place>,
    /// Bytes of records since the last snapshot began.
    bytes: u64,
    making: Making,
}

/// What a start found.
pub struct Opened {
    pub triggers: Triggers,
    /// Decisions behind the ledger's place, once more.
    pub again: Vec<Numbered>,
    /// What a person should see: a cut tail, a snapshot that was passed over.
    pub notes: Vec<Problem>,
}

impl Triggers {
    /// Opens the log of an app, or begins one. `known` is the last decision that the ledger has; `shards`
    /// is how many threads may decide at the same time (decisions do not depend on it).
    /// Errors: LOG-001 to LOG-009 of the log; LOG-012 for records that this program cannot read.
    pub fn open(disk: Arc<dyn Disk>, app: &str, known: Option<Place>, shards: usize) -> Outcome<Opened> {
        let position = known.map_or(0, |place| place.position + 1);
        let settings = Settings { known: position, ..Settings::of(app) };
        let (log, found) = Log::open(disk, &settings)?;
        let Loaded { state, names } = match found.snapshot {
            Some(position) => Loaded::read(log.open_snapshot(position)?, position)?,
            None => Loaded::nothing(shards),
        };
        let (waiting, making) = (Vec::new(), Making::default());
        let mut triggers = Triggers { log, state, names, waiting, given: known, bytes: 0, making };
        triggers.replay(&found)?;
        let is_new = |numbered: &Numbered| known.is_none_or(|known| numbered.place > known);
        let again: Vec<Numbered> = triggers.give().into_iter().filter(is_new).collect();
        Ok(Opened { triggers, again, notes: found.notes })
    }

    /// The state machine, to be looked at.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Names and their numbers.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Writes a record down and lets it act; its decisions wait for [`commit`](Triggers::commit).
    /// Errors: as [`Log::append`](super::log::Log::append); the record did not act then.
    pub fn take(&mut self, entry: Entry, now: Timestamp) -> Outcome<()> {
        let (kind, bytes) = entry.bytes();
        let position = self.log.append(kind, &bytes, now)?.position;
        self.bytes += bytes.len() as u64;
        self.act(position, &entry);
        Ok(())
    }

    /// Makes everything taken durable; gives the decisions that may leave now.
    /// Errors: as [`Log::commit`](super::log::Log::commit); decisions wait on then.
    pub fn commit(&mut self) -> Outcome<Vec<Numbered>> {
        self.log.commit()?;
        Ok(self.give())
    }

    /// Begins a snapshot when the next start would have much to replay, and goes on with one that is under
    /// way, without waiting for it (unless a gibibyte of records has come beside it): another thread makes it. `taken` is the ledger's place: what was
    /// decided after it must stay replayable.
    /// Errors: what kept the snapshot from being made; the log itself is as good as before, except after
    /// LOG-002 and LOG-007.
    pub fn snapshot_if_due(&mut self, taken: Option<Place>) -> Outcome<()> {
        if self.bytes >= BESIDE_BYTES_MAX {
            self.finish_snapshot()?;
        }
        if self.bytes >= SNAPSHOT_BYTES {
            return self.begin_snapshot(taken);
        }
        self.go_on(taken)
    }

    /// Begins a snapshot on another thread, whether it is worth it or not; nothing if one is under way or
    /// nothing has happened since the last one.
    /// Errors: as [`snapshot_if_due`](Triggers::snapshot_if_due).
    pub fn begin_snapshot(&mut self, taken: Option<Place>) -> Outcome<()> {
        self.go_on(taken)?;
        if self.making.is_under_way() || !self.has_new() {
            return Ok(());
        }
        self.bytes = 0;
        self.making.begin(&self.log, &mut self.state)
    }

    /// Waits for the snapshot that is under way.
    /// Errors: as [`snapshot_if_due`](Triggers::snapshot_if_due).
    pub fn finish_snapshot(&mut self) -> Outcome<()> {
        self.making.finish(&mut self.log, &mut self.state)
    }

    /// Is a snapshot under way, or its end?
    pub fn is_taking_snapshot(&self) -> bool {
        self.making.is_under_way()
    }

    /// Makes a snapshot now, on this thread; `taken` as in [`snapshot_if_due`](Triggers::snapshot_if_due).
    /// Nothing if nothing has happened since the last one.
    /// Errors: as [`snapshot_if_due`](Triggers::snapshot_if_due).
    pub fn snapshot(&mut self, taken: Option<Place>) -> Outcome<()> {
        self.keep_for_ledger(taken);
        self.finish_snapshot()?;
        if !self.has_new() {
            return Ok(());
        }
        self.bytes = 0;
        self.making.make(&mut self.log, &mut self.state)
    }

    fn go_on(&mut self, taken: Option<Place>) -> Outcome<()> {
        self.keep_for_ledger(taken);
        self.making.go_on(&mut self.log, &mut self.state)
    }

    /// Is everything durable and every decision given out, and is there a record that no snapshot has?
    fn has_new(&self) -> bool {
        let end = self.log.end();
        self.waiting.is_empty() && self.log.durable().until == end && self.log.newest_snapshot() < Some(end)
    }

    /// Records stay as long as the ledger may ask for decisions that they caused.
    fn keep_for_ledger(&mut self, taken: Option<Place>) {
        let waiting = self.waiting.first().map_or(self.log.durable().until, |one| one.place.position);
        let has_all = taken >= self.given;
        let needed = if has_all { waiting } else { taken.map_or(0, |place| place.position) };
        self.log.keep("ledger", needed);
    }

    fn give(&mut self) -> Vec<Numbered> {
        let all = std::mem::take(&mut self.waiting);
        self.given = all.last().map(|one| one.place).max(self.given);
        all
    }

    /// The number of a task, which it gets if it has none.
    /// Errors: as [`take`](Triggers::take).
    pub fn task(&mut self, id: &str, now: Timestamp) -> Outcome<TaskNo> {
        if self.names.task(id).is_none() {
            self.take(Entry::Task { id: id.into() }, now)?;
        }
        self.names.task(id).ok_or_else(|| Problem::bug("a task without a number"))
    }

    /// The bit of a filter, which it gets if it has none; `event` `None` is any event.
    /// Errors: TRG-001 when there is no room for one more; as [`take`](Triggers::take).
    pub fn predicate(&mut self, event: Option<&str>, text: &str, now: Timestamp) -> Outcome<Predicate> {
        let event = self.event(event, now)?;
        let (predicate, is_known) = self.names.bit(event, text, &self.state.predicates())?;
        if !is_known {
            self.take(Entry::Predicate { predicate, text: text.into() }, now)?;
        }
        Ok(predicate)
    }

    fn event(&mut self, name: Option<&str>, now: Timestamp) -> Outcome<EventNo> {
        if self.names.event(name).is_none() {
            if self.names.event_count() > usize::from(EventNo::MAX) {
                return Err(Problem::author("TRG-001", "rules name more than 65,536 different events"));
            }
            self.take(Entry::Event { name: name.unwrap_or("").into() }, now)?;
        }
        self.names.event(name).ok_or_else(|| Problem::bug("an event without a number"))
    }

    /// The column of a correlation property, which it gets if it has none.
    /// Errors: TRG-001 beyond 256; as [`take`](Triggers::take).
    pub fn property(&mut self, name: &str, now: Timestamp) -> Outcome<u8> {
        let known = |names: &Names| names.properties().iter().position(|one| &**one == name);
        if known(&self.names).is_none() {
            self.take(Entry::Property { name: name.into() }, now)?;
        }
        let column = known(&self.names).and_then(|column| u8::try_from(column).ok());
        column.ok_or_else(|| Problem::author("TRG-001", "rules compare more than 256 different properties"))
    }

    /// Opens a source that has not been read before.
    /// Errors: as [`take`](Triggers::take).
    pub fn source(&mut self, name: &str, now: Timestamp) -> Outcome<SourceNo> {
        let no = self.names.source_no();
        self.take(Entry::Source { name: name.into() }, now)?;
        Ok(no)
    }

    /// When time passes up to `to` and the watermark stays `lateness_ms` behind the clock: the next instant at
    /// which something falls due, at most `to`.
    pub fn next_stop(&self, to: Timestamp, lateness_ms: i64) -> Timestamp {
        let clock = self.state.now().unwrap_or(Timestamp(i64::MIN));
        let due = self.state.next_due().filter(|due| *due < to);
        // The clock may be past the deadline already, and the watermark behind.
        let is_behind = self.state.watermark().is_none_or(|known| known < clock.plus(-lateness_ms));
        if due.is_some_and(|due| due < clock) && is_behind {
            return clock;
        }
        // A deadline is decided when the watermark is past it, a waiting touch at its instant.
        let steps = due.map(|due| [due, due.plus(lateness_ms.saturating_add(1))]);
        let next = steps.into_iter().flatten().find(|at| *at > clock).unwrap_or(to);
        // Deadlines close to each other are passed together: time passes by a second at least, but meets a reach.
        let reach = self.state.next_reach().filter(|at| *at > clock).unwrap_or(to);
        next.max(clock.plus(STEP_MS)).min(reach).min(to)
    }

    /// Lets time pass over proved silence: the clock moves to `to`, the source's watermark to `lateness_ms`
    /// before. Do so stop by stop ([`next_stop`](Triggers::next_stop)): what falls due is judged by the clock.
    /// Errors: as [`take`](Triggers::take).
    pub fn pass(&mut self, source: SourceNo, to: Timestamp, lateness_ms: i64) -> Outcome<()> {
        if self.state.now().is_none_or(|now| now < to) {
            self.take(Entry::Tick { now: to }, to)?;
        }
        let watermark = to.plus(-lateness_ms);
        if self.state.watermark().is_none_or(|known| known < watermark) {
            self.take(Entry::Watermark { source, to: watermark }, to)?;
        }
        Ok(())
    }

    /// Do decisions wait for [`commit`](Triggers::commit)?
    pub fn has_decided(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn act(&mut self, position: u64, entry: &Entry) {
        self.names.take(entry);
        let mut decisions = Vec::new();
        entry.record(|record| self.state.step(record, &mut decisions));
        let numbered = decisions.into_iter().zip(0u32..);
        let numbered =
            numbered.map(|(decision, index)| Numbered { place: Place { position, index }, decision });
        self.waiting.extend(numbered);
    }

    fn replay(&mut self, found: &Recovered) -> Outcome<()> {
        let mut reader = self.log.read(found.start)?;
        while let Some(group) = reader.next_group()? {
            for record in group.records() {
                let entry =
                    Entry::of(record.kind, record.bytes).ok_or_else(|| unreadable(record.position))?;
                self.bytes += record.bytes.len() as u64;
                self.act(record.position, &entry);
            }
        }
        Ok(())
    }
}

/// A snapshot that is being made is waited for: nobody else may begin with its files before.
impl Drop for Triggers {
    fn drop(&mut self) {
        // Whatever went wrong, the next start has the log.
        let _ = self.making.finish(&mut self.log, &mut self.state);
    }
}

/// A record that is whole and says nothing to us.
pub(super) fn unreadable(position: u64) -> Problem {
    let what = format!(
        "record {position} of the trigger log is whole, but of a form that this program does not know"
    );
    Problem::outside("LOG-012", what)
        .cure("a newer program wrote it: use that one; older programs cannot go on from here")
}

#[cfg(test)]
mod tests;
