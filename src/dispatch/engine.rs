//! What happens when the clock moves?
//!
//! [`Engine::run_until`] asks every task for its next step ([`super::due`], `calendar`), takes the earliest of
//! all, does it, and asks again until nothing is due before the end.

use serde::Serialize;
use tokio::runtime::Runtime;

use crate::base::{Outcome, Pace, Problem, Timestamp, Zone};
use crate::task::{Move, Task, Tasks};

use super::agenda::Step;
use super::calendar::{Agendum, slot_of};
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
    /// `started`, `refreshed`, `ran`, `went on`, `handed over` (a trigger's touches), `released` (what was held), `missed`, `skipped`, `failed`,
    /// `ended`; of crowds `refreshed`, `held`, `refresh failed`.
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
                let stop = next.as_ref().map_or(until, |next| next.due.at);
                live.advance(self, &runtime, &mut clock, stop, next.is_none())?;
                happened.extend(live.happened());
            }
            let Some(next) = next else { break };
            clock = next.due.at;
            self.faults.step("clock")?;
            self.ledger.set_clock(clock)?;
            let said = self.perform(&runtime, &next, clock)?;
            happened.push(Happened {
                at: self.zone.text(clock),
                task: next.task.id,
                what: said.what.into(),
                note: said.note,
            });
        }
        self.ledger.set_clock(until)?;
        Ok(Summary { from: self.zone.text(from), to: self.zone.text(until), happened })
    }

    /// When the calendar brings something next, by `until`, with the clock at `clock`. Errors: OUT-030.
    pub fn next_at(&self, clock: Timestamp, until: Timestamp) -> Outcome<Option<Timestamp>> {
        Ok(self.next(clock, until)?.map(|found| found.due.at))
    }

    /// The earliest step of all tasks, if one is due by `until`. Of several, the older task's.
    fn next(&self, clock: Timestamp, until: Timestamp) -> Outcome<Option<Agendum>> {
        let mut best: Option<Agendum> = None;
        for task in self.tasks.alive()? {
            let Some(found) = self.agendum(task, clock)?.filter(|found| found.due.at <= until) else {
                continue;
            };
            if best.as_ref().is_none_or(|best| found.due < best.due) {
                best = Some(found);
            }
        }
        Ok(best)
    }

    fn perform(&self, runtime: &Runtime, agendum: &Agendum, now: Timestamp) -> Outcome<Said> {
        let task = &agendum.task;
        match agendum.due.step {
            Step::Start => {
                self.tasks.make_move(&task.id, Move::Start, "clock", None, now)?;
                Ok(Said { what: "started", note: String::new() })
            }
            Step::Refresh => self.refresh(task.scheduled(slot_of(agendum)?), now),
            Step::Run => self.run(runtime, task.scheduled(slot_of(agendum)?), now),
            Step::GoOn if task.is_scheduled() => self.go_on(runtime, task.scheduled(slot_of(agendum)?), now),
            Step::GoOn => self.go_on_firing(runtime, task, now),
            Step::Release => self.unhold(runtime, task, now),
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
