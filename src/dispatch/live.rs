//! What do live events fire, on the clock that everything else goes by?
//!
//! [`Live::advance`] takes events as they came, up to the next step of the calendar: facts go to the
//! trigger room, time passes there, what is decided goes into the ledger and out. Moves of tasks are
//! followed in the audit trail, each at its instant, so that a pause counts from when it was made.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use roaring::RoaringBitmap;
use tokio::runtime::Runtime;

use crate::base::{Day, Kind, Outcome, Problem, Timestamp};
use crate::task::{Audience, Move, MoveRow, OnPause, Task, Update};
use crate::trigger::{Columns, Command, Entry as Record, Numbered, SourceNo, TaskNo, Triggers, Version};

use super::engine::{Engine, Happened};
use super::history::{self, EachA};
use super::release::Decided;

/// How far live events may be behind their arrival without being late (semantics 5.4).
pub const LATENESS_MS: i64 = 60_000;
/// While events come, time passes in steps of this length: decisions do not depend on how many come at once.
const STEP_MS: i64 = 1_000;
/// What is decided within this time goes out together.
const TOGETHER_MS: i64 = 10_000;
/// Facts that are made safe together.
const COMMIT_FACTS: usize = 65_536;

/// Live events, in the order in which they came.
pub trait Feed {
    /// When the next event came; nothing at the end.
    /// Errors: where the source breaks off, OUT-001.
    fn next_arrival(&mut self) -> Outcome<Option<Timestamp>>;
    /// The facts of events that came before `until`, at most a batch, for the predicates that `triggers`
    /// knows. There is at least one event, though perhaps no fact.
    /// Errors: STO-002 when an attribute that a filter asks for is damaged.
    fn take(&mut self, until: Timestamp, triggers: &Triggers) -> Outcome<Portion>;
    /// How far the watermark stays behind the clock while events may still be on their way.
    fn lateness_ms(&self) -> i64 {
        LATENESS_MS
    }
    /// The same when there is no event at hand: the end of a file proves that none is on its way.
    fn silence_ms(&self) -> i64 {
        0
    }
}

/// Some events that were taken.
#[derive(Debug, Default)]
pub struct Portion {
    pub facts: Columns,
    /// The place in the source up to which everything has been taken.
    pub read_to: u64,
}

/// What the words of rules mean; wired in `main`.
pub trait Meanings {
    /// Event (`None`: any) and canonical text of `EVENT [where FILTER]`. Errors: SEL-….
    fn filter(&self, text: &str) -> Outcome<(Option<String>, String)>;
    /// The real name of a property. Errors: SEL-113.
    fn property(&self, name: &str) -> Outcome<String>;
    /// Calls back for every stored A (`EVENT [where FILTER]`) with time in `[from, to)`. Errors: SEL-…, STO-002.
    fn each_stored(&self, did: &str, span: (Timestamp, Timestamp), each: EachA) -> Outcome<()>;
}

/// The triggers of a run, and where their events come from.
pub struct Live<'a> {
    triggers: &'a mut Triggers,
    feed: Option<&'a mut dyn Feed>,
    meanings: &'a dyn Meanings,
    source: SourceNo,
    /// Moves of tasks that are not followed yet.
    moves: VecDeque<(i64, MoveRow)>,
    /// Taken since the last commit.
    facts: usize,
    /// The place of the last event taken, if it made no fact: it is not in the log yet.
    passed_over: Option<u64>,
    /// Where the clock stood at the first decision that waits.
    since: Option<Timestamp>,
    happened: BTreeMap<(String, Day, String), Happened>,
}

/// The name of the source when a run has no live events.
pub const SILENCE: &str = "silence";

/// The source of this name that a crash interrupted, and how far it was taken; else a new one.
/// Errors: LOG-….
pub fn source_of(triggers: &mut Triggers, name: &str, now: Timestamp) -> Outcome<(SourceNo, u64)> {
    let all = triggers.names().sources().iter().zip(0..);
    let open: Vec<(SourceNo, bool, u64)> =
        all.filter(|(s, _)| !s.is_gone).map(|(s, no)| (no, &*s.name == name, s.read_to)).collect();
    if let [(no, true, read_to)] = open.as_slice() {
        return Ok((*no, *read_to));
    }
    for (no, ..) in open {
        triggers.take(Record::Gone { source: no }, now)?;
    }
    Ok((triggers.source(name, now)?, 0))
}

impl<'a> Live<'a> {
    /// The triggers of a run whose events come from `feed`, as source `source`; without a feed there is
    /// silence, proved, since there is no other door.
    pub fn new(
        triggers: &'a mut Triggers,
        source: SourceNo,
        feed: Option<&'a mut dyn Feed>,
        meanings: &'a dyn Meanings,
    ) -> Live<'a> {
        Live {
            triggers,
            feed,
            meanings,
            source,
            moves: VecDeque::new(),
            facts: 0,
            passed_over: None,
            since: None,
            happened: BTreeMap::new(),
        }
    }

    /// Takes what comes before `until` (at it too if `is_last`), moves of tasks among it.
    pub(super) fn advance(
        &mut self,
        engine: &Engine,
        runtime: &Runtime,
        clock: &mut Timestamp,
        until: Timestamp,
        is_last: bool,
    ) -> Outcome<()> {
        self.look(engine)?;
        let (lateness, silence) =
            self.feed.as_ref().map_or((0, 0), |feed| (feed.lateness_ms(), feed.silence_ms()));
        loop {
            self.follow(engine, *clock)?;
            let stop = self.moves.front().map_or(until, |(_, row)| row.at.min(until)).max(*clock);
            match self.next_arrival()? {
                Some(arrival) if arrival < stop || (is_last && stop == until && arrival == stop) => {
                    // What was decided goes out at its own time, not when the next event comes.
                    self.settle_before(engine, runtime, arrival, *clock)?;
                    let end = Timestamp(arrival.0.div_euclid(STEP_MS) * STEP_MS + STEP_MS);
                    let stop = if is_last && stop == until { stop.plus(1) } else { stop };
                    let begin = Timestamp(end.0 - STEP_MS);
                    if begin > *clock && self.triggers.next_stop(begin, lateness) < begin {
                        self.pass(engine, runtime, begin, lateness)?;
                    }
                    self.take(arrival, end.min(stop))?;
                    *clock = arrival.max(*clock);
                    self.settle_before(engine, runtime, *clock, *clock)?;
                }
                next => {
                    let lateness = if next.is_none() { silence } else { lateness };
                    self.pass(engine, runtime, stop, lateness)?;
                    self.settle(engine, runtime, stop)?;
                    *clock = stop;
                    if stop == until {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The source has no more to say. Errors: LOG-….
    pub fn end(&mut self, engine: &Engine, now: Timestamp) -> Outcome<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        self.triggers.take(Record::Gone { source: self.source }, now)?;
        self.settle(engine, &runtime, now)
    }

    /// Makes what was taken durable, and lets out what it decided.
    fn settle(&mut self, engine: &Engine, runtime: &Runtime, now: Timestamp) -> Outcome<()> {
        // Events without a fact stay passed over, also when a rule that comes later would name them.
        if let Some(read_to) = self.passed_over.take() {
            self.facts_read(read_to, Columns::default(), now)?;
        }
        engine.faults.step("commit the trigger log")?;
        let decided = self.triggers.commit()?;
        (self.facts, self.since) = (0, None);
        engine.ledger.set_clock(now)?;
        self.release(engine, runtime, &decided, now)?;
        self.triggers.snapshot_if_due(engine.ledger.place()?)
    }

    /// Lets out once more what was decided before a crash and is not in the ledger.
    /// Errors: DSP-…, OUT-030.
    pub fn again(&mut self, engine: &Engine, decided: &[Numbered], now: Timestamp) -> Outcome<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        self.release(engine, &runtime, decided, now)
    }

    /// Decisions go into the ledger in one commit, and what is due goes out.
    fn release(
        &mut self,
        engine: &Engine,
        runtime: &Runtime,
        decided: &[Numbered],
        now: Timestamp,
    ) -> Outcome<()> {
        let Some(last) = decided.last() else { return Ok(()) };
        let mut tasks: BTreeMap<TaskNo, Task> = BTreeMap::new();
        for one in decided {
            let no = one.decision.task;
            if let Entry::Vacant(slot) = tasks.entry(no) {
                let id = self.triggers.names().task_id(no);
                let id = id.ok_or_else(|| Problem::bug(format!("a decision about task number {no}")))?;
                slot.insert(engine.tasks.task(id)?);
            }
        }
        let mut all = Vec::with_capacity(decided.len());
        for Numbered { place, decision } in decided {
            all.extend(tasks.get(&decision.task).map(|task| Decided { task, place: *place, decision }));
        }
        engine.release(&all, last.place, now)?;
        for task in tasks.values() {
            if let Some(happened) = engine.hand_fires(runtime, task, now)? {
                self.happened
                    .insert((task.id.clone(), engine.zone.day_of(now), happened.what.clone()), happened);
            }
        }
        Ok(())
    }

    /// What went out or failed since this was last asked: the last word of each task and day.
    pub(super) fn happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened).into_values().collect()
    }

    fn next_arrival(&mut self) -> Outcome<Option<Timestamp>> {
        self.feed.as_mut().map_or(Ok(None), |feed| feed.next_arrival())
    }

    /// Time passes without events; what it decides goes out when it is due.
    fn pass(&mut self, engine: &Engine, runtime: &Runtime, to: Timestamp, lateness_ms: i64) -> Outcome<()> {
        loop {
            let next = self.triggers.next_stop(to, lateness_ms);
            let clock = self.triggers.state().now().unwrap_or(next);
            self.settle_before(engine, runtime, next, clock)?;
            self.triggers.pass(self.source, next, lateness_ms)?;
            if next == to {
                return Ok(());
            }
        }
    }

    /// Lets out what was decided, unless the clock is still near it when it moves to `next`.
    fn settle_before(
        &mut self,
        engine: &Engine,
        runtime: &Runtime,
        next: Timestamp,
        clock: Timestamp,
    ) -> Outcome<()> {
        if self.triggers.has_decided() && self.since.is_none() {
            self.since = Some(clock);
        }
        let is_old = self.since.is_some_and(|since| next.0 - since.0 > TOGETHER_MS);
        if is_old || self.facts >= COMMIT_FACTS { self.settle(engine, runtime, clock) } else { Ok(()) }
    }

    fn take(&mut self, arrival: Timestamp, until: Timestamp) -> Outcome<()> {
        let Some(feed) = self.feed.as_mut() else { return Ok(()) };
        let portion = feed.take(until, self.triggers)?;
        self.facts += portion.facts.len().max(1);
        let is_empty = portion.facts.is_empty();
        self.passed_over = is_empty.then_some(portion.read_to);
        if is_empty { Ok(()) } else { self.facts_read(portion.read_to, portion.facts, arrival) }
    }

    fn facts_read(&mut self, read_to: u64, facts: Columns, now: Timestamp) -> Outcome<()> {
        let columns = Box::new(facts);
        self.triggers.take(Record::Facts { source: self.source, read_to, columns }, now)
    }

    /// Looks for moves of tasks that are new.
    fn look(&mut self, engine: &Engine) -> Outcome<()> {
        let seen = self.moves.back().map_or(self.triggers.names().followed(), |(no, _)| *no);
        self.moves.extend(engine.tasks.moves_after(seen)?);
        Ok(())
    }

    /// Does to the triggers what was done to tasks until `now`.
    fn follow(&mut self, engine: &Engine, now: Timestamp) -> Outcome<()> {
        while let Some((no, row)) = self.moves.front().cloned().filter(|(_, row)| row.at <= now) {
            self.apply(engine, no, &row, now)?;
            self.triggers.take(Record::Followed { no }, now)?;
            self.moves.pop_front();
        }
        Ok(())
    }

    /// Does to the triggers what a row of the audit trail did to a task, as its version of that time says.
    fn apply(&mut self, engine: &Engine, no: i64, row: &MoveRow, now: Timestamp) -> Outcome<()> {
        let task = engine.tasks.task(&row.task)?;
        let task = engine.tasks.task_at(&task, engine.tasks.version_of_row(&task.id, no)?)?;
        if task.rule().is_none() {
            return Ok(());
        }
        let is_known = self.triggers.names().task(&task.id).is_some();
        let command = match row.step.as_str() {
            "start" if !is_known => return self.begin(engine, &task, now),
            "edit" if is_known => return self.edited(engine, &task, now),
            "pause" => Command::Pause,
            "resume" => Command::Resume,
            "end" => Command::End,
            "cancel" | "stop" => Command::Stop,
            _ => return Ok(()),
        };
        let Some(no) = self.triggers.names().task(&task.id) else { return Ok(()) };
        self.triggers.take(Record::Command { task: no, command }, now)
    }

    /// A new version of a task that has begun. Windows belong to the version of their A, so a new one comes into
    /// force only where the rule is another; a new audience decides from now on.
    fn edited(&mut self, engine: &Engine, task: &Task, now: Timestamp) -> Outcome<()> {
        let before = engine.tasks.task_at(task, task.version.saturating_sub(1))?;
        let (old, new) = (&before.file, &task.file);
        let has_same_rule = old.trigger == new.trigger
            && (old.start, old.end, old.grace_ms, old.on_pause)
                == (new.start, new.end, new.grace_ms, new.on_pause);
        match has_same_rule && (&old.audience, old.update) == (&new.audience, new.update) {
            true => Ok(()),
            false if has_same_rule => self.renew_one(engine, task, now),
            false => self.begin(engine, task, now),
        }
    }

    /// A task, or a new version of it, begins, or fails by a trouble of its own: a filter that means nothing any more, a crowd that is gone.
    fn begin(&mut self, engine: &Engine, task: &Task, now: Timestamp) -> Outcome<()> {
        match self.install(engine, task, now) {
            Err(problem) if problem.kind != Kind::Outside => {
                let cause = format!("{} {}", problem.code, problem.what);
                if task.state.after(Move::Fail).is_some() {
                    engine.tasks.make_move(&task.id, Move::Fail, "clock", Some(&cause), now)?;
                }
                self.tell(engine, task, "failed", cause, now);
                self.look(engine)
            }
            other => other,
        }
    }

    /// Its rule is in force, and its audience is the one of now. The task gets its number when nothing of its
    /// own can fail any more, so that another start tries again.
    fn install(&mut self, engine: &Engine, task: &Task, now: Timestamp) -> Outcome<()> {
        let version = self.version(task, now)?;
        let users = reachable(engine, task, now)?;
        let no = self.triggers.task(&task.id, now)?;
        self.triggers.take(Record::Install { task: no, version: Box::new(version) }, now)?;
        if now < task.file.start {
            self.triggers.take(Record::Command { task: no, command: Command::Start }, now)?;
        }
        self.count_history(task, no, now)?;
        self.triggers.take(Record::Audience { task: no, users }, now)
    }

    /// What was done before the task counts, if its rule says so.
    fn count_history(&mut self, task: &Task, no: TaskNo, now: Timestamp) -> Outcome<()> {
        let begins_at = self.triggers.state().counts_from(no);
        let Some((rule, begins_at)) = task.rule().zip(begins_at) else { return Ok(()) };
        let look = |span, each: EachA| self.meanings.each_stored(&rule.did, span, each);
        let counts = history::counted(rule, &task.zone, begins_at, look)?;
        if counts.is_empty() { Ok(()) } else { self.triggers.take(Record::History { task: no, counts }, now) }
    }

    /// Daily audiences may have new versions, made by the clock or by hand: rules ask those from now on. Where
    /// one cannot be had, the one before stays, and that is told.
    /// Errors: LOG-….
    pub fn renew(&mut self, engine: &Engine, now: Timestamp) -> Outcome<()> {
        for task in engine.tasks.alive()? {
            let is_daily =
                task.file.update == Update::Daily || matches!(task.file.audience, Audience::Crowd(_));
            let no = self.triggers.names().task(&task.id).filter(|_| is_daily && task.rule().is_some());
            if no.is_some() {
                self.renew_one(engine, &task, now)?;
            }
        }
        Ok(())
    }

    fn renew_one(&mut self, engine: &Engine, task: &Task, now: Timestamp) -> Outcome<()> {
        let Some(no) = self.triggers.names().task(&task.id) else { return Ok(()) };
        match reachable(engine, task, now) {
            Ok(users) if self.triggers.state().audience(no) == Some(users.as_deref()) => Ok(()),
            Ok(users) => self.triggers.take(Record::Audience { task: no, users }, now),
            Err(problem) => {
                let cause = format!("{} {}", problem.code, problem.what);
                self.tell(engine, task, "refresh failed", cause, now);
                Ok(())
            }
        }
    }

    fn tell(&mut self, engine: &Engine, task: &Task, what: &str, note: String, now: Timestamp) {
        let at = engine.zone.text(now);
        let happened = Happened { at, task: task.id.clone(), what: what.into(), note };
        self.happened.insert((task.id.clone(), engine.zone.day_of(now), what.into()), happened);
    }

    fn version(&mut self, task: &Task, now: Timestamp) -> Outcome<Version> {
        let rule = task.rule().ok_or_else(|| Problem::bug("a task without a rule"))?.clone();
        let absence = rule.absence.as_ref();
        let (a, a_text) = self.meanings.filter(&rule.did)?;
        let b = absence.map(|absence| self.meanings.filter(&absence.not_done)).transpose()?;
        // Where one of both takes any event, an event may be both: then both are looked for among all.
        let is_any = a.is_none() || b.as_ref().is_some_and(|(event, _)| event.is_none());
        let among = |event: Option<String>| event.filter(|_| !is_any);
        let did = self.triggers.predicate(among(a).as_deref(), &a_text, now)?;
        let not_done = match b {
            Some((event, text)) => Some(self.triggers.predicate(among(event).as_deref(), &text, now)?),
            None => None,
        };
        let same = match absence.and_then(|absence| absence.same.as_deref()) {
            Some(name) => {
                let column = self.triggers.property(&self.meanings.property(name)?, now)?;
                Some((column, column))
            }
            None => None,
        };
        Ok(Version {
            version: task.version,
            did,
            not_done,
            same,
            start: task.file.start,
            end: task.file.end,
            grace_ms: task.file.grace_ms,
            is_held_in_pause: task.file.on_pause == OnPause::Hold,
            zone: task.zone,
            rule,
        })
    }
}

/// Whom a task may reach; `None` is everyone. Errors: CRD-…, STO-….
fn reachable(engine: &Engine, task: &Task, now: Timestamp) -> Outcome<Option<Arc<RoaringBitmap>>> {
    match task.file.audience {
        Audience::Everyone => Ok(None),
        _ => Ok(Some(Arc::new(engine.audiences.resolve(task, now)?.users))),
    }
}
