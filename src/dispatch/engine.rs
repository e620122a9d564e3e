//! What happens when the clock moves?
//!
//! [`Engine::run_until`] asks every task for its next step ([`super::due`]), takes the earliest of
//! all, does it, and asks again until nothing is due before the end.

use serde::Serialize;
use tokio::runtime::Runtime;

use crate::base::{Outcome, Pace, Problem, Timestamp, Zone};
use crate::task::{Move, Scheduled, Task, Tasks};

use super::agenda::{Step, due};
use super::hand::Policy;
use super::ledger::{Ledger, Run};
use super::live::Live;
use super::outside::{Audiences, Directory, Faults, Patience};
use super::sender::Senders;
use super::state::{Reason, RunState};

/// Everything that a run needs. Synchronous; it waits for senders on a small runtime of its own,
/// so inside an async program it belongs on a blocking thread.
pub struct Engine<'a> {
    pub app: &'a str,
    pub zone: Zone,
    pub tasks: &'a Tasks,
    pub ledger: &'a Ledger,
    pub audiences: &'a dyn Audiences,
    pub directory: &'a dyn Directory,
    pub senders: &'a Senders,
    /// A crowd that no task may reach, from the settings.
    pub blacklist: Option<&'a str>,
    pub policy: Policy,
    pub patience: &'a dyn Patience,
    pub faults: &'a dyn Faults,
    pub pace: &'a dyn Pace,
}

/// What a move of the clock brought.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// RFC 3339.
    pub from: String,
    pub to: String,
    pub happened: Vec<Happened>,
}

/// One thing that fell due.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happened {
    pub at: String,
    pub task: String,
    /// `started`, `refreshed`, `ran`, `went on`, `handed over` (a trigger's touches), `failed`, `ended`.
    pub what: String,
    /// The state of the run afterwards, or why something failed.
    pub note: String,
}

/// What became of a step, in words.
pub(super) struct Said {
    pub what: &'static str,
    pub note: String,
}

impl Engine<'_> {
    /// Moves the clock from the later of `now` and its last reading to `until`; every start,
    /// refresh, run and end on the way happens in order. Interrupted runs go on first.
    /// Errors: DSP-003 when `until` is past, OUT-030; a task's own trouble makes that task failed
    /// and stands in the summary.
    ///
    /// With `live`, what happens to users comes in between, at its own instant.
    pub fn run_until(
        &self,
        now: Timestamp,
        until: Timestamp,
        mut live: Option<&mut Live<'_>>,
    ) -> Outcome<Summary> {
        let from = self.ledger.clock()?.map_or(now, |last| last.max(now));
        if until < from {
            return Err(self.backwards(from, until));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut clock = from;
        let mut happened = Vec::new();
        loop {
            let next = self.next(clock, until)?;
            if let Some(live) = live.as_deref_mut() {
                let stop = next.as_ref().map_or(until, |(at, ..)| *at);
                live.advance(self, &runtime, &mut clock, stop, next.is_none())?;
                happened.extend(live.happened());
            }
            let Some((at, step, task)) = next else { break };
            clock = at;
            self.faults.step("clock")?;
            self.ledger.set_clock(clock)?;
            let said = self.perform(&runtime, step, &task, clock)?;
            happened.push(Happened {
                at: self.zone.text(at),
                task: task.id,
                what: said.what.into(),
                note: said.note,
            });
        }
        self.ledger.set_clock(until)?;
        Ok(Summary { from: self.zone.text(from), to: self.zone.text(until), happened })
    }

    /// When the calendar brings something next, by `until`, with the clock at `clock`. Errors: OUT-030.
    pub fn next_at(&self, clock: Timestamp, until: Timestamp) -> Outcome<Option<Timestamp>> {
        Ok(self.next(clock, until)?.map(|(at, ..)| at))
    }

    /// The earliest step of all tasks, if one is due by `until`. Of several, the older task's.
    fn next(&self, clock: Timestamp, until: Timestamp) -> Outcome<Option<(Timestamp, Step, Task)>> {
        let mut best: Option<(Timestamp, Step, Task)> = None;
        for task in self.tasks.alive()? {
            let run = self.run_at_hand(&task)?;
            let Some(found) = due(&task, run.as_ref(), clock).filter(|due| due.at <= until) else { continue };
            if best.as_ref().is_none_or(|(at, step, _)| (found.at, found.step) < (*at, *step)) {
                best = Some((found.at, found.step, task));
            }
        }
        Ok(best)
    }

    /// The run of a scheduled task; of a trigger task the earliest that is under way.
    fn run_at_hand(&self, task: &Task) -> Outcome<Option<Run>> {
        match task.scheduled() {
            Some(task) => self.ledger.run(task),
            None => self.ledger.open_run(&task.id),
        }
    }

    fn perform(&self, runtime: &Runtime, step: Step, task: &Task, now: Timestamp) -> Outcome<Said> {
        match step {
            Step::Start => {
                self.tasks.make_move(&task.id, Move::Start, "clock", None, now)?;
                Ok(Said { what: "started", note: String::new() })
            }
            Step::Refresh => self.refresh(scheduled(task)?, now),
            Step::Run => self.run(runtime, scheduled(task)?, now),
            Step::GoOn => match task.scheduled() {
                Some(task) => self.go_on(runtime, task, now),
                None => self.go_on_firing(runtime, task, now),
            },
            Step::End => self.end(task, now),
        }
    }

    fn go_on_firing(&self, runtime: &Runtime, task: &Task, now: Timestamp) -> Outcome<Said> {
        let said = self.hand_runs(runtime, task, now)?;
        Ok(said.unwrap_or(Said { what: "handed over", note: String::new() }))
    }

    /// What still waits is suppressed, then the task is over.
    fn end(&self, task: &Task, now: Timestamp) -> Outcome<Said> {
        super::steer::drop_the_rest(self.ledger, &task.id, Reason::Ended, now)?;
        self.faults.step("end")?;
        self.tasks.make_move(&task.id, Move::End, "clock", None, now)?;
        Ok(Said { what: "ended", note: String::new() })
    }

    /// The task's own trouble: the run keeps it as its cause, the task becomes 异常.
    pub(super) fn fail(
        &self,
        task: &Task,
        run: &Run,
        state: RunState,
        problem: &Problem,
        now: Timestamp,
    ) -> Outcome<Said> {
        let cause = format!("{} {}", problem.code, problem.what);
        self.ledger.set_state(run, state, Some(&cause), now)?;
        self.tasks.make_move(&task.id, Move::Fail, "clock", Some(&cause), now)?;
        Ok(Said { what: "failed", note: cause })
    }

    fn backwards(&self, from: Timestamp, until: Timestamp) -> Problem {
        let what =
            format!("the clock stands at {}, later than {}", self.zone.text(from), self.zone.text(until));
        Problem::author("DSP-003", what)
            .cure("give a later --until (or an earlier --now, if the clock never ran)")
    }
}

/// These steps are due only for tasks that the calendar starts.
fn scheduled(task: &Task) -> Outcome<Scheduled<'_>> {
    task.scheduled()
        .ok_or_else(|| Problem::bug(format!("a run fell due for task {} without a time", task.id)))
}
