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
use super::log::{Disk, Log, Recovered, Settings, SnapshotReader};
use super::names::Names;
use super::{Decision, State, TaskNo};

/// Bytes of records after which a snapshot shortens the next start.
const SNAPSHOT_BYTES: u64 = 256 << 20;
/// The least step in which time passes, where nothing else happens.
const STEP_MS: i64 = 1_000;
const STATE: &str = "state";
const NAMES: &str = "names";

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
    /// Bytes of records since the last snapshot.
    bytes: u64,
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
        let (state, names) = restored(&log, &found, shards)?;
        let mut triggers = Triggers { log, state, names, waiting: Vec::new(), bytes: 0 };
        triggers.replay(&found)?;
        let is_new = |numbered: &Numbered| known.is_none_or(|known| numbered.place > known);
        let again = std::mem::take(&mut triggers.waiting).into_iter().filter(is_new).collect();
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
        Ok(std::mem::take(&mut self.waiting))
    }

    /// Writes a snapshot when the next start would have much to replay. `taken` is the ledger's place:
    /// what was decided after it must stay replayable.
    /// Errors: as the log's; the log itself is as good as before.
    pub fn snapshot_if_due(&mut self, taken: Option<Place>) -> Outcome<()> {
        let end = self.log.end();
        let is_settled = self.waiting.is_empty() && self.log.durable().until == end;
        if self.bytes < SNAPSHOT_BYTES || !is_settled {
            return Ok(());
        }
        self.log.keep("ledger", taken.map_or(0, |place| place.position));
        let mut writer = self.log.snapshot(end)?;
        writer.section(NAMES, &self.names.bytes())?;
        writer.section(STATE, &self.state.snapshot())?;
        let written = writer.finish()?;
        self.log.publish(written)?;
        self.bytes = 0;
        Ok(())
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

fn restored(log: &Log, found: &Recovered, shards: usize) -> Outcome<(State, Names)> {
    let Some(position) = found.snapshot else { return Ok((State::new(shards), Names::default())) };
    restored_from(log.open_snapshot(position)?, position)
}

/// What a snapshot holds.
pub(super) fn restored_from(reader: SnapshotReader, position: u64) -> Outcome<(State, Names)> {
    let sections = reader.sections()?;
    let section =
        |name: &str| sections.iter().find(|(one, _)| one == name).map(|(_, bytes)| bytes.as_slice());
    let state = section(STATE).and_then(State::restore);
    let names = section(NAMES).and_then(Names::of);
    state.zip(names).ok_or_else(|| unreadable(position))
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
mod tests {
    use crate::base::{UserNo, Zone};
    use crate::task::rule::{Absence, Again, AudienceAt, Count, LateB, OnEnd, Reach, Rule};

    use super::super::log::{Fault, SimulatedDisk};
    use super::super::{Columns, End, IdCode, Version};
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn open(disk: &SimulatedDisk, known: Option<Place>) -> Outcome<Opened> {
        Triggers::open(Arc::new(disk.clone()), "default", known, 2)
    }

    fn rule() -> Rule {
        let absence = Absence {
            not_done: "share".into(),
            gap_ms: 20 * 60_000,
            again: Again::First,
            same: None,
            late_b: LateB::Cancel,
        };
        Rule {
            did: "view".into(),
            absence: Some(absence),
            from: None,
            to: None,
            count: Count::Every(1),
            count_history: false,
            reach: Reach::Delay(0),
            fires_max: None,
            gap_min_ms: 0,
            audience_at: AudienceAt::Fire,
            recheck: None,
            on_end: OnEnd::Drop,
        }
    }

    /// Records that name things; a log that was cut among them gets the rest.
    const NAMED: u64 = 6;

    /// Users view, every third of them shares: the names are written, the records of what happened given.
    fn story(triggers: &mut Triggers) -> Outcome<Vec<Entry>> {
        let (now, zone) = (Timestamp(0), Zone::default());
        let task = triggers.task("t1", now)?;
        let did = triggers.predicate(Some("view"), "view", now)?;
        let not_done = triggers.predicate(Some("share"), "share", now)?;
        let source = if triggers.names().sources().is_empty() { triggers.source("-", now)? } else { 0 };
        let version = Version {
            version: 1,
            rule: rule(),
            did,
            not_done: Some(not_done),
            same: None,
            start: now,
            end: Timestamp(48 * HOUR),
            grace_ms: HOUR,
            is_held_in_pause: false,
            zone,
        };
        let mut all = vec![
            Entry::Tick { now },
            Entry::Install { task, version: Box::new(version) },
            Entry::Audience { task, users: None },
        ];
        for hour in 0..3 {
            let mut columns = Columns::default();
            for user in 0..9u32 {
                fact(&mut columns, user, hour * HOUR + i64::from(user), did);
                if user % 3 == 0 {
                    fact(&mut columns, user, hour * HOUR + 60_000, not_done);
                }
            }
            all.push(Entry::Facts { source, read_to: hour as u64, columns: Box::new(columns) });
            let to = Timestamp((hour + 1) * HOUR - 1);
            all.extend([Entry::Tick { now: to }, Entry::Watermark { source, to }]);
        }
        Ok(all)
    }

    fn fact(columns: &mut Columns, user: UserNo, at: i64, of: Predicate) {
        columns.users.push(user);
        columns.times.push(at);
        columns.arrivals.push(at);
        columns.events.push(of.event);
        columns.masks.push(1 << of.bit);
        columns.ids.push(IdCode::of(&format!("e{user}-{at}"), &mut columns.texts));
    }

    /// Goes on where the log ends; what leaves is kept also when the disk goes.
    fn run(disk: &SimulatedDisk, left: &mut Vec<Numbered>) -> Outcome<u128> {
        let Opened { mut triggers, again, .. } = open(disk, left.last().map(|one| one.place))?;
        left.extend(again);
        let all = story(&mut triggers)?;
        left.extend(triggers.commit()?);
        let done = triggers.log.end().saturating_sub(NAMED) as usize;
        for entry in all.into_iter().skip(done) {
            triggers.take(entry, Timestamp(0))?;
            left.extend(triggers.commit()?);
        }
        Ok(triggers.state.digest())
    }

    // proves: S2.47
    #[test]
    fn a_crash_at_any_operation_loses_and_doubles_no_decision() {
        let (whole, mut expected) = (SimulatedDisk::new(7), Vec::new());
        let digest = run(&whole, &mut expected).unwrap();
        let released = expected.iter().filter(|one| matches!(one.decision.end, End::Released { .. }));
        assert_eq!(released.count(), 18, "six of nine users, three times");
        for operation in 0..whole.operations() {
            let (disk, mut left) = (SimulatedDisk::new(operation), Vec::new());
            disk.fault_at(operation, Fault::Crash);
            let before = run(&disk, &mut left);
            disk.restart();
            let after = before.or_else(|_| run(&disk, &mut left)).unwrap();
            assert_eq!((&left, after), (&expected, digest), "crash at operation {operation}");
        }
    }

    #[test]
    fn a_snapshot_and_what_follows_give_the_same_state() {
        let (disk, mut left) = (SimulatedDisk::new(1), Vec::new());
        let digest = run(&disk, &mut left).unwrap();
        let known = left.last().map(|one| one.place);
        let mut triggers = open(&disk, known).unwrap().triggers;
        triggers.bytes = SNAPSHOT_BYTES;
        triggers.snapshot_if_due(known).unwrap();
        assert_eq!(triggers.bytes, 0);
        let names = triggers.names().clone();
        drop(triggers);
        let again = open(&disk, known).unwrap();
        assert_eq!((again.triggers.state.digest(), again.again), (digest, vec![]));
        assert_eq!(again.triggers.names(), &names);
    }

    #[test]
    fn the_log_can_be_looked_at_and_a_user_traced() {
        let (disk, mut left) = (SimulatedDisk::new(3), Vec::new());
        run(&disk, &mut left).unwrap();
        let looked = super::super::look(Arc::new(disk.clone()), "default").unwrap();
        let counts = looked.state.counts(looked.names.task("t1").unwrap());
        let sum: u64 = counts.values().map(|day| day.cancelled).sum();
        assert_eq!(sum, 9, "three users, three times");
        let traced = super::super::trace(Arc::new(disk), "default", 3).unwrap();
        assert!(traced.decisions.iter().all(|(_, one)| one.end == End::Cancelled && one.user == 3));
        assert_eq!((traced.decisions.len(), traced.begins_at), (3, 0));
    }

    #[test]
    fn there_is_room_for_64_filters_of_an_event() {
        let mut triggers = open(&SimulatedDisk::new(1), None).unwrap().triggers;
        let mut bits = Vec::new();
        for n in 0..64 {
            bits.push(
                triggers.predicate(Some("view"), &format!("view where n = {n}"), Timestamp(0)).unwrap().bit,
            );
        }
        bits.sort_unstable();
        assert_eq!(bits, (0..64).collect::<Vec<u8>>());
        let again = triggers.predicate(Some("view"), "view where n = 3", Timestamp(0)).unwrap();
        assert_eq!(again.bit, 3);
        let names = triggers.names().clone();
        let used: Vec<Predicate> = names.predicates().iter().map(|(predicate, _)| *predicate).collect();
        assert_eq!(names.bit(again.event, "view where n = 64", &used).unwrap_err().code, "TRG-001");
        // A filter of no task in force makes room.
        assert!(names.bit(again.event, "view where n = 64", &used[1..]).is_ok());
    }

    #[test]
    fn a_record_of_a_newer_program_is_told() {
        let disk = SimulatedDisk::new(1);
        let mut triggers = open(&disk, None).unwrap().triggers;
        triggers.log.append(999, b"?", Timestamp(0)).unwrap();
        triggers.log.commit().unwrap();
        drop(triggers);
        assert_eq!(open(&disk, None).err().map(|problem| problem.code), Some("LOG-012"));
    }
}
