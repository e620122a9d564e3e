//! What do accepted events change? They become facts and history, and time passes.
//!
//! [`Keeper::step`] takes what the hall gives: new users get their numbers, the triggers take the events in
//! the order of arrival, the clock moves, what falls due goes out. History is written less often, since a
//! write of the store rewrites its day ([`Shelf`]). After any failure, and after a crash, [`Keeper::open`]
//! reads from the spool what triggers or store do not have: places tell the ones, event ids the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::hall::Taken;
use super::numbers::{Numbers, Readings};
use super::shelf::Shelf;
use super::spool::{Item, Spool};
use crate::base::{Outcome, Problem, Timestamp};
use crate::cli::crowd_clock::CROWDS;
use crate::cli::door::Failure;
use crate::cli::live::{Events, Words};
use crate::cli::session::Session;
use crate::cli::task::{Clock, SHARDS};
use crate::dispatch::{self, Happened};
use crate::ingest::Settled;
use crate::ingest::live::{Ask, Batch, Live};
use crate::store::{CrowdLock, Snapshot, Writer};
use crate::trigger::log::Disk;
use crate::trigger::{Counts, Numbered, Opened, SourceNo, TaskNo, Triggers};

/// The source of all doors, in the trigger log.
const SOURCE: &str = "serve";
/// Events without an id get this and their place in the spool.
const UNNAMED: &str = "serve-";
/// While nothing comes and nothing is due, time passes in steps of this length.
const QUIET_MS: i64 = 1_000;
/// The same while a deadline may be due.
const DUE_MS: i64 = 200;

/// Who has the home while the server runs.
pub struct Keeper<'a> {
    session: &'a Session<'a>,
    writer: Writer,
    clock: Clock<'a>,
    triggers: Triggers,
    source: SourceNo,
    ask: Ask,
    shelf: Shelf,
    lateness_ms: i64,
    /// The triggers have everything up to this place.
    taken_to: u64,
    /// Events up to this place were accepted by an earlier life: the clock goes through them as it would have then,
    /// and on to where it is now. What fell due between is judged by that: the grace says what is still worth sending.
    waiting_to: u64,
    /// Where the clock stands.
    now: Timestamp,
    pub readings: Readings,
}

/// A keeper at work, and what the start found.
pub struct Begun<'a> {
    pub keeper: Keeper<'a>,
    /// Events behind what the triggers have.
    pub waiting: Vec<Item>,
    /// What a person should see.
    pub notes: Vec<Problem>,
}

/// What a keeper needs of the outside.
#[derive(Clone)]
pub struct Means {
    /// Where the trigger log is.
    pub triggers: Arc<dyn Disk>,
    /// How lines are read.
    pub ask: Ask,
    pub lateness_ms: i64,
}

impl<'a> Keeper<'a> {
    /// Goes on where the last one ended, and finishes what a crash has left half done.
    /// Errors: LOG-005 when the spool has less than the triggers; what log, store and ledger say.
    pub fn open(
        session: &'a Session<'a>,
        writer: Writer,
        spool: &Mutex<Spool>,
        means: &Means,
    ) -> Result<Begun<'a>, Failure> {
        let snapshot = writer.snapshot();
        let mut clock = Clock::new(session, &snapshot)?;
        clock.is_served = true;
        let known = clock.ledger.place()?;
        let opened = Triggers::open(means.triggers.clone(), &session.app, known, SHARDS)?;
        let Opened { mut triggers, again, notes } = opened;
        let now = clock.from()?;
        let taken_to = taken_to(&triggers);
        let (source, _) = dispatch::source_of(&mut triggers, SOURCE, now)?;
        let types = snapshot.catalog().settled_properties();
        let ask = Ask { types, unnamed: Some(UNNAMED.to_string()), ..means.ask.clone() };
        let readings = Readings { now: now.0, clock: now.0, silent_to: now.0, ..Readings::default() };
        let mut keeper = Keeper {
            session,
            writer,
            clock,
            triggers,
            source,
            ask,
            shelf: Shelf::new(session.settings.memory),
            lateness_ms: means.lateness_ms,
            taken_to,
            waiting_to: 0,
            now,
            readings,
        };
        keeper.again(&again)?;
        let waiting = keeper.catch_up(spool)?;
        if let (Some(first), Some(last)) = (waiting.first(), waiting.last()) {
            keeper.waiting_to = last.place;
            keeper.clock.begins = first.arrival.min(session.environment.now);
            keeper.now = keeper.clock.from()?;
        }
        Ok(Begun { keeper, waiting, notes })
    }

    /// Lets out what was decided and is not in the ledger.
    fn again(&mut self, again: &[Numbered]) -> Result<(), Failure> {
        let (snapshot, now) = (self.clock.snapshot.clone(), self.now);
        let words = Words(&snapshot);
        let mut live = dispatch::Live::new(&mut self.triggers, self.source, None, &words);
        self.clock.engine(|engine| live.again(engine, again, now))
    }

    /// What the triggers have and the store perhaps not becomes history now; gives what comes after it.
    fn catch_up(&mut self, spool: &Mutex<Spool>) -> Result<Vec<Item>, Failure> {
        let mut items = {
            let spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
            spool.check(self.taken_to)?;
            spool.after(spool.forgotten())?
        };
        let waiting = items.split_off(items.partition_point(|item| item.place <= self.taken_to));
        let batches = self.read(&items)?;
        self.shelf.put(batches, bytes_of(&items), self.taken_to);
        self.store()?;
        Ok(waiting)
    }

    /// Where the clock stands.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Would nothing happen if the clock went there?
    /// Errors: OUT-030.
    pub fn is_idle(&self, taken: &Taken) -> Outcome<bool> {
        let passed = taken.until.0 - self.now.0;
        if !taken.items.is_empty() || passed >= QUIET_MS || self.clock.audiences.borrow().has_queued()? {
            return Ok(false);
        }
        let state = self.triggers.state();
        let is_due = state.next_due().is_some_and(|due| due.plus(self.lateness_ms) < taken.silent_to);
        let is_reached = state.next_reach().is_some_and(|reach| reach <= taken.until);
        let has_work = is_reached || (is_due && passed >= DUE_MS);
        Ok(!has_work && !self.shelf.is_due(self.session.pace.seconds()))
    }

    /// Gets what the next step needs before it changes anything: where audiences will be asked, nobody else
    /// may make crowds meanwhile.
    /// Errors: OUT-010 while another process makes crowds: ask again.
    pub fn prepare(&self, taken: &Taken) -> Result<Option<CrowdLock>, Failure> {
        if self.needs_crowds(taken.until.max(self.now))? {
            Ok(Some(self.session.crowd_lock()?))
        } else {
            Ok(None)
        }
    }

    /// Takes events and moves the clock; what falls due on the way happens. Events that were taken before are
    /// passed over. `crowds` is what [`prepare`](Keeper::prepare) gave.
    /// Errors: any; the keeper must be opened again then.
    pub fn step(
        &mut self,
        taken: Taken,
        crowds: Option<CrowdLock>,
        numbers: &Numbers,
    ) -> Result<Vec<Happened>, Failure> {
        let mut taken = taken;
        taken.items.retain(|item| item.place > self.taken_to);
        let mut happened = Vec::new();
        if self.taken_to < self.waiting_to {
            let new =
                taken.items.split_off(taken.items.partition_point(|item| item.place <= self.waiting_to));
            let newest = taken.items.iter().map(|item| item.arrival).fold(self.now, Timestamp::max);
            // Somebody may have been in the middle of a request when that life ended, and will come again.
            let silent_to = newest.min(taken.silent_to);
            let old = Taken { items: std::mem::replace(&mut taken.items, new), until: newest, silent_to };
            happened = self.advance(old, crowds.is_some(), numbers)?;
            if self.taken_to < self.waiting_to {
                return Ok(happened);
            }
            self.clock.begins = self.session.environment.now;
        }
        happened.extend(self.advance(taken, crowds.is_some(), numbers)?);
        drop(crowds);
        Ok(happened)
    }

    fn advance(
        &mut self,
        taken: Taken,
        has_crowds: bool,
        numbers: &Numbers,
    ) -> Result<Vec<Happened>, Failure> {
        let Taken { items, until, silent_to } = taken;
        let last = items.last().map_or(self.taken_to, |item| item.place);
        // What came is never left behind, whatever the clock says.
        let until = items.iter().map(|item| item.arrival).fold(until.max(self.now), Timestamp::max);
        let batches = self.read(&items)?;
        count(&batches, &items, numbers);
        let is_stored = self.know(&batches)?;
        if has_crowds {
            self.store()?;
        }
        let silence_ms = until.0 - silent_to.0.min(until.0) + self.lateness_ms;
        let happened = self.pass(batches.clone(), until, silence_ms)?;
        let good = batches.iter().filter_map(|batch| batch.positions.last()).max();
        if good.is_some_and(|good| taken_to(&self.triggers) < *good) {
            return Err(Problem::bug(format!("the triggers did not take event {last} of the spool")).into());
        }
        self.shelf.put(if is_stored { Vec::new() } else { batches }, bytes_of(&items), last);
        (self.taken_to, self.now) = (last, until);
        if self.shelf.is_due(self.session.pace.seconds()) {
            self.store()?;
        }
        self.read_off(until, silent_to);
        Ok(happened)
    }

    /// Everything taken becomes history. Errors: STO-004, OUT-001.
    pub fn store(&mut self) -> Result<(), Failure> {
        if self.shelf.is_empty() {
            return Ok(());
        }
        self.session.faults.step("store events")?;
        let began = self.session.pace.seconds();
        let loaded = self.shelf.store(&mut self.writer, &self.ask.types, self.session.pace)?;
        self.clock.snapshot = self.writer.publish()?;
        self.session.faults.step("events are stored")?;
        let ended = self.session.pace.seconds();
        self.shelf.stored(began, ended);
        self.readings.duplicates += loaded.duplicates;
        self.readings.new_users += loaded.new_users;
        self.readings.store_writes += 1;
        self.readings.store_ms = (ended - began) * 1e3;
        Ok(())
    }

    /// Events up to this place are in the store.
    pub fn stored_to(&self) -> u64 {
        self.shelf.stored_to
    }

    /// Events as they were when they came, checked.
    fn read(&mut self, items: &[Item]) -> Result<Vec<Batch>, Failure> {
        let Some(first) = items.first() else { return Ok(Vec::new()) };
        let base = first.place - 1;
        let lines = lines_of(items, &self.session.settings.zone);
        let mut live = Live::of_lines(self.ask.clone(), base, lines);
        let mut batches = Vec::new();
        while let Some(batch) = live.next_batch()? {
            batches.push(batch);
        }
        live.flush()?;
        if live.types() != &self.ask.types {
            // What lies on the shelf is of the older types.
            self.store()?;
            self.ask.types = live.types().clone();
        }
        Ok(batches)
    }

    /// The store knows all users, events and properties afterwards. Says whether it has the events, too.
    fn know(&mut self, batches: &[Batch]) -> Result<bool, Failure> {
        let is_new = |batch: &Batch| has_new_words(batch, &self.clock.snapshot, &self.ask.types);
        if batches.iter().any(is_new) {
            // A filter asks the catalog what a word means, so history comes first this time.
            self.shelf.put(batches.to_vec(), 0, self.taken_to);
            self.store()?;
            return Ok(true);
        }
        let strange = batches.iter().filter(|batch| has_new_users(batch, &self.clock.snapshot));
        let strange: Vec<_> = strange.map(|batch| Ok(batch.events.clone())).collect();
        if strange.is_empty() {
            return Ok(false);
        }
        self.session.faults.step("number users")?;
        let mut batches = strange.into_iter();
        let (_, loaded) = self.writer.members(&mut batches, true, &mut |_| {}, self.session.pace)?;
        self.clock.snapshot = self.writer.publish()?;
        self.session.faults.step("users are numbered")?;
        self.readings.new_users += loaded.new_users;
        Ok(false)
    }

    fn pass(
        &mut self,
        batches: Vec<Batch>,
        until: Timestamp,
        silence_ms: i64,
    ) -> Result<Vec<Happened>, Failure> {
        let snapshot = self.clock.snapshot.clone();
        let mut batches = batches.into_iter();
        let mut feed = Events::new(self.source, &snapshot, Box::new(move || Ok(batches.next())))
            .behind(self.lateness_ms, silence_ms);
        let words = Words(&snapshot);
        let mut live = dispatch::Live::new(&mut self.triggers, self.source, Some(&mut feed), &words);
        let happened = self.clock.go_on(until, Some(&mut live))?;
        let failed = happened.iter().filter(|h| h.task == CROWDS && h.what == "refresh failed");
        self.readings.crowd_failures += failed.count() as u64;
        Ok(happened)
    }

    /// Will audiences be asked on the way? Then history is written first, and nobody else makes crowds.
    fn needs_crowds(&self, until: Timestamp) -> Result<bool, Failure> {
        let has_moves = !self.clock.tasks.moves_after(self.triggers.names().followed())?.is_empty();
        let is_daily = || {
            let is_due = !self.clock.daily(self.now, until)?.is_empty();
            Ok::<bool, Failure>(is_due || self.clock.audiences.borrow().has_queued()?)
        };
        let has_steps = || self.clock.engine(|engine| engine.next_at(self.now, until)).map(|at| at.is_some());
        Ok(has_moves || is_daily()? || has_steps()?)
    }

    fn read_off(&mut self, until: Timestamp, silent_to: Timestamp) {
        let state = self.triggers.state();
        let readings = &mut self.readings;
        (readings.clock, readings.silent_to) = (until.0, silent_to.0);
        readings.watermark = state.watermark().map(|at| at.0);
        readings.breaches = state.oddities().late;
        readings.pending = state.pending() as u64;
        readings.waiting = state.waiting() as u64;
        readings.spool_bytes = self.shelf.bytes;
        readings.steps += 1;
    }

    /// The readings that cost a look into the ledger. Errors: OUT-030.
    pub fn read_book(&mut self) -> Outcome<()> {
        self.readings.touches = self.clock.ledger.by_state()?;
        self.readings.crowds = self.clock.audiences.borrow().standing(self.now)?;
        let names = self.triggers.names();
        let tasks = (0..TaskNo::MAX).take_while(|no| names.task_id(*no).is_some());
        let mut total = Counts::default();
        for no in tasks {
            self.triggers.state().counts(no).values().for_each(|day| total.add(*day));
        }
        let total = serde_json::to_value(total).map_err(|e| Problem::bug(e.to_string()))?;
        let ends = total.as_object().into_iter().flatten();
        self.readings.decisions = ends.map(|(end, n)| (end.clone(), n.as_u64().unwrap_or(0))).collect();
        Ok(())
    }
}

/// Up to where the triggers have read the doors.
fn taken_to(triggers: &Triggers) -> u64 {
    let doors = triggers.names().sources().iter().filter(|source| &*source.name == SOURCE);
    doors.map(|source| source.read_to).max().unwrap_or(0)
}

/// Counts late and clamped events by the doors that they came by.
fn count(batches: &[Batch], items: &[Item], numbers: &Numbers) {
    let Some(first) = items.first() else { return };
    for batch in batches {
        let rows = batch.positions.iter().zip(batch.late.iter().zip(&batch.clamped));
        for (position, (is_late, is_clamped)) in rows.filter(|(_, (late, clamped))| *late || *clamped) {
            let place = usize::try_from(position - first.place.min(*position)).ok();
            let door = place.and_then(|place| items.get(place)).map_or(0, |item| item.door);
            numbers.late.add(door, u64::from(is_late));
            numbers.clamped.add(door, u64::from(is_clamped));
        }
    }
}

fn bytes_of(items: &[Item]) -> u64 {
    items.iter().map(|item| item.line.len() as u64).sum()
}

/// Lines as the doors took them, each with its arrival.
fn lines_of(items: &[Item], zone: &crate::base::Zone) -> Vec<u8> {
    let mut lines = Vec::with_capacity(items.iter().map(|item| item.line.len() + 64).sum());
    for item in items {
        // The last value of a name counts, so nobody's own word about the arrival does.
        let open = item.line.strip_suffix(b"}").unwrap_or(&item.line);
        lines.extend_from_slice(open);
        lines.extend_from_slice(format!(",\"arrived_at\":\"{}\"}}\n", zone.text(item.arrival)).as_bytes());
    }
    lines
}

/// Does an event or a property come up that the catalog does not have, or has as another type?
fn has_new_words(batch: &Batch, snapshot: &Snapshot, types: &BTreeMap<String, Settled>) -> bool {
    let catalog = snapshot.catalog();
    let schema = batch.events.columns().schema();
    let is_new_column = |name: &String| {
        let type_of = types.get(name).map(|settled| settled.type_of);
        !catalog.properties.iter().any(|column| column.name == *name && Some(column.type_of) == type_of)
    };
    let names = batch.events.events().into_iter().flat_map(|events| events.iter().flatten());
    let has_new_column = schema.fields().iter().any(|field| is_new_column(field.name()));
    has_new_column || names.into_iter().any(|name| !catalog.events.contains_key(name))
}

fn has_new_users(batch: &Batch, snapshot: &Snapshot) -> bool {
    batch.events.users().iter().flatten().any(|user| snapshot.find(user).is_none())
}
