//! How does history go through the state machine?
//!
//! Day by day, and within a day from one change of the audience to the next: the events of the stretch, then
//! the watermark to its end (nothing before it can come any more), then the clock, which stops at every
//! instant at which a touch is due. So nothing is ever late, and a stretch may be as long as memory allows.

use crate::audience::{Happened, Past, PastDay, Predicate, same_property};
use crate::base::{Day, Outcome, Problems, Timestamp};
use crate::task::{OnPause, Rule};
use crate::trigger::{
    Columns, Decision, Entry, EventNo, IdCode, Predicate as Bit, Record, State, TaskNo, Texts, Version,
};

use super::super::history;
use super::tally::Tally;
use super::whom::{Users, Whom};
use super::{Backtest, Trial, Tried};

const TASK: TaskNo = 0;
const SOURCE: u32 = 0;
/// The events' numbers; B's is A's where both have one name, or one of both takes any event.
const A: EventNo = 0;
const B: EventNo = 1;
/// Events that a live run kept without an id of their own are called so, then by source and position.
const LIVE: &str = "live-";

/// Plays all of it.
pub fn play(
    trial: &Trial,
    rule: &Rule,
    each: &mut dyn FnMut(&Tried) -> Outcome<()>,
) -> Result<Backtest, Problems> {
    let asked = asked(trial, rule)?;
    let Asked { version, past, is_apart } = asked;
    let mut play = Play {
        trial,
        is_apart,
        gap_ms: rule.absence.as_ref().map_or(0, |absence| absence.gap_ms),
        state: State::new(1),
        past,
        whom: Whom::new(trial)?,
        tally: Tally::new(trial, each),
        unnamed: 0,
    };
    play.state.say_quiet_ends();
    play.begin(version)?;
    play.days()?;
    Ok(play.finish()?)
}

struct Play<'a, 'e> {
    trial: &'a Trial<'a>,
    /// Are A and B events of two names?
    is_apart: bool,
    gap_ms: i64,
    state: State,
    past: Past,
    whom: Whom<'a>,
    tally: Tally<'a, 'e>,
    /// Events without an id so far.
    unnamed: u64,
}

impl Play<'_, '_> {
    /// The rule is in force from `from` on, with what was counted before.
    fn begin(&mut self, version: Version) -> Result<(), Problems> {
        let (trial, rule) = (self.trial, version.rule.clone());
        self.step(Record::Tick { now: trial.from })?;
        self.step(Record::Install { task: TASK, version: Box::new(version) })?;
        let begins_at = self.state.counts_from(TASK).unwrap_or(trial.from);
        let look = |span, each: history::EachA| history::stored(&rule.did, span, trial.snapshot, each);
        let counts = history::counted(&rule, &trial.task.zone, begins_at, look)?;
        self.step(Record::History { task: TASK, counts: &counts })?;
        let users = self.whom.first()?;
        let everyone = trial.snapshot.universe().len();
        self.tally.found.audience = users.as_ref().map_or(everyone, |users| users.len());
        self.reach(users)?;
        Ok(())
    }

    fn days(&mut self) -> Result<(), Problems> {
        let (days, known_to) = (self.span(), self.tally.found.known_to);
        self.trial.pace.begin("looking at history", Some(days.len() as u64), "days");
        for day in days {
            let end = self.trial.snapshot.zone().start_of(day.plus(1)).min(known_to);
            self.day(day, end)?;
            self.trial.pace.more(1);
            if end.0 > self.last_deadline() && self.state.waiting() == 0 {
                break;
            }
        }
        self.trial.pace.end();
        Ok(())
    }

    /// Local days from the first one with events to the last that is known.
    fn span(&self) -> Vec<Day> {
        let (snapshot, known_to) = (self.trial.snapshot, self.tally.found.known_to);
        let first = self.past.days(self.trial.from, known_to, snapshot).first().copied();
        let last = snapshot.zone().day_of(known_to.plus(-1));
        first.map_or(Vec::new(), |first| (first.0..=last.0).map(Day).collect())
    }

    /// When the last window that may open is over.
    fn last_deadline(&self) -> i64 {
        self.trial.to.0.saturating_add(self.gap_ms)
    }

    fn day(&mut self, day: Day, end: Timestamp) -> Result<(), Problems> {
        let start = self.trial.snapshot.zone().start_of(day).max(self.trial.from);
        let found = self.past.on(day, (start, end), self.trial.snapshot)?;
        self.tally.found.events += found.events.len() as u64;
        let mut rest = found.events.as_slice();
        for at in self.whom.switches(start.max(self.trial.from.plus(1)), end) {
            let (before, after) = rest.split_at(rest.partition_point(|event| event.at < at));
            rest = after;
            self.stretch(&found, before, at)?;
            let users = self.whom.at(at)?;
            self.reach(users)?;
        }
        Ok(self.stretch(&found, rest, end)?)
    }

    /// Events before `end`, and all that falls due before it.
    fn stretch(&mut self, day: &PastDay, events: &[Happened], end: Timestamp) -> Outcome<()> {
        if !events.is_empty() {
            let columns = Box::new(self.columns(day, events));
            let facts = Entry::Facts { source: SOURCE, read_to: 0, columns };
            let mut decided = Vec::new();
            facts.record(|record| self.state.step(record, &mut decided));
            self.tally.take(decided)?;
        }
        self.step(Record::Watermark { source: SOURCE, to: end })?;
        while let Some(reach) = self.state.next_reach().filter(|reach| *reach < end) {
            let now = self.state.now().map_or(reach, |now| reach.max(now.plus(1)));
            self.step(Record::Tick { now })?;
        }
        self.step(Record::Tick { now: end.plus(-1) })
    }

    fn reach(&mut self, users: Users) -> Outcome<()> {
        self.step(Record::Audience { task: TASK, users })
    }

    fn step(&mut self, record: Record) -> Outcome<()> {
        let mut decided: Vec<Decision> = Vec::new();
        self.state.step(record, &mut decided);
        self.tally.take(decided)
    }

    fn columns(&mut self, day: &PastDay, events: &[Happened]) -> Columns {
        let mut columns = Columns { same: vec![Vec::new()], ..Columns::default() };
        for event in events {
            let id = match day.id(event) {
                Some(id) => id_of(id, &mut columns.texts),
                None => {
                    self.unnamed += 1;
                    IdCode::unnamed(self.unnamed)
                }
            };
            let (kind, mask) = if self.is_apart && event.mask & 1 == 0 { (B, 1) } else { (A, event.mask) };
            columns.users.push(event.user);
            columns.times.push(event.at.0);
            columns.arrivals.push(event.at.0);
            columns.events.push(kind);
            columns.masks.push(mask);
            columns.ids.push(id);
            columns.same.iter_mut().for_each(|column| column.push(event.same));
        }
        columns
    }

    /// What nobody can know yet stays open.
    fn finish(mut self) -> Outcome<Backtest> {
        let far = Timestamp(self.last_deadline().max(self.tally.found.known_to.0).saturating_add(1));
        let mut decided = Vec::new();
        self.state.step(Record::Watermark { source: SOURCE, to: far }, &mut decided);
        self.tally.take_open(decided);
        self.tally.finish()
    }
}

/// A rule, ready to be played.
struct Asked {
    version: Version,
    past: Past,
    is_apart: bool,
}

fn asked(trial: &Trial, rule: &Rule) -> Result<Asked, Problems> {
    let (did, _) = Predicate::read(&rule.did, trial.snapshot)?;
    let absence = rule.absence.as_ref();
    let b = absence.map(|absence| Predicate::read(&absence.not_done, trial.snapshot)).transpose()?;
    let b = b.map(|(b, _)| b);
    let same = absence.and_then(|absence| absence.same.as_deref());
    let same = same.map(|name| same_property(name, trial.snapshot)).transpose()?.map(|(name, _)| name);
    let is_apart =
        b.as_ref().is_some_and(|b| b.event().is_some() && b.event() != did.event()) && did.event().is_some();
    let not_done = b.as_ref().map(|_| match is_apart {
        true => Bit { event: B, bit: 0 },
        false => Bit { event: A, bit: 1 },
    });
    let version = version(trial, rule, not_done, same.is_some());
    let past = Past::new(std::iter::once(did).chain(b).collect()).with_ids(same);
    Ok(Asked { version, past, is_apart })
}

/// The rule over the time that was asked for: A's count up to `to`, and the task lives on if its own end is
/// later.
fn version(trial: &Trial, rule: &Rule, not_done: Option<Bit>, is_same: bool) -> Version {
    let task = trial.task;
    let to = rule.to.map_or(trial.to, |to| to.min(trial.to));
    Version {
        version: task.version,
        rule: Rule { to: Some(to), ..rule.clone() },
        did: Bit { event: A, bit: 0 },
        not_done,
        same: is_same.then_some((0, 0)),
        start: trial.from,
        end: task.file.end.max(trial.to),
        grace_ms: task.file.grace_ms,
        is_held_in_pause: task.file.on_pause == OnPause::Hold,
        zone: task.zone,
    }
}

/// The event id as a live run knows it.
fn id_of(id: &str, texts: &mut Texts) -> IdCode {
    let place = id.strip_prefix(LIVE).and_then(|rest| rest.split_once('-'));
    let numbers =
        place.and_then(|(source, row)| Some((source.parse::<u32>().ok()?, row.parse::<u64>().ok()?)));
    match numbers {
        Some((source, row)) if format!("{LIVE}{source}-{row}") == id => {
            IdCode::unnamed(u64::from(source) << 40 | row)
        }
        _ => IdCode::of(id, texts),
    }
}
