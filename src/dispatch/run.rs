//! How does one run go from its planned time to its last answer?
//!
//! refresh (15 min before, if asked for) → freeze the audience → write a touch for each user, slice
//! by slice → hand batches over (`hand.rs`). Each arrow is one or more commits; [`Engine::go_on`]
//! finds the place where it stopped.

use tokio::runtime::Runtime;

use crate::base::{Outcome, Problem, Timestamp};
use crate::task::{OnRefreshFailure, Scheduled, State};

use super::agenda::is_too_late;
use super::book::Book;
use super::calendar::is_missed;
use super::engine::{Engine, Said};
use super::gates::Lists;
use super::ledger::Run;
use super::outside::Resolved;
use super::state::{Reason, RunState};

/// Users whose touches are written in one commit.
pub(super) const SLICE_USERS: usize = 65_536;

impl Engine<'_> {
    /// Makes the audience anew before the run (S2.33); a failure is settled by the task's policy.
    pub(super) fn refresh(&self, task: Scheduled, now: Timestamp) -> Outcome<Said> {
        let run = self.ledger.plan(task, now)?;
        let what = "refreshed";
        let found = match self.audiences.refresh(&task, task.slot.as_of()) {
            Ok(found) => found,
            Err(problem) => return self.refresh_failed(task, &run, &problem, now),
        };
        self.faults.step("freeze the refreshed audience")?;
        self.ledger.freeze(&run, &found, now)?;
        Ok(Said { what, note: format!("{} users", found.users.len()) })
    }

    fn refresh_failed(&self, task: Scheduled, run: &Run, problem: &Problem, now: Timestamp) -> Outcome<Said> {
        let cause = format!("DSP-006 the refresh before the run failed: {} {}", problem.code, problem.what);
        let state = match task.slot.on_refresh_failure() {
            OnRefreshFailure::Skip => RunState::Skipped,
            OnRefreshFailure::Latest => RunState::Stale,
        };
        self.ledger.set_state(run, state, Some(&cause), now)?;
        Ok(Said { what: "refresh failed", note: cause })
    }

    /// The run itself, at its planned time or a little later.
    pub(super) fn run(&self, runtime: &Runtime, task: Scheduled, now: Timestamp) -> Outcome<Said> {
        if task.state == State::Running
            && let Some(said) = self.passed_over(&task, task.slot, now)?
        {
            return Ok(said);
        }
        let run = self.ledger.plan(task, now)?;
        if is_missed(&task, &run, now) {
            return self.missed(&run, now);
        }
        if task.state == State::Running && run.state.is_ahead() && self.overlaps(&task, task.slot)? {
            return self.skip_overlapping(&run, now);
        }
        if run.state.is_ahead() {
            match self.audience(task, &run, now) {
                Ok((found, lists)) => self.freeze(task, &run, found, &lists, now)?,
                Err(problem) if task.state == State::Running => {
                    return self.fail(&task, &run, run.state, &problem, now);
                }
                Err(problem) => return self.dropped_unseen(&run, &problem, now),
            }
        }
        self.finish(runtime, task, now, "ran")
    }

    /// A run that a kill, a failure or a pause interrupted.
    pub(super) fn go_on(&self, runtime: &Runtime, task: Scheduled, now: Timestamp) -> Outcome<Said> {
        let run = self.ledger.plan(task, now)?;
        let is_expired = is_too_late(&task, run.progress_at, now);
        self.write_touches(task, &run, now)?;
        if is_expired {
            self.faults.step("expire")?;
            self.ledger.drop_waiting(&run, Reason::Expired, now)?;
        }
        self.finish(runtime, task, now, "went on")
    }

    fn finish(
        &self,
        runtime: &Runtime,
        task: Scheduled,
        now: Timestamp,
        what: &'static str,
    ) -> Outcome<Said> {
        let run = self.ledger.plan(task, now)?;
        self.write_touches(task, &run, now)?;
        if let Err(problem) = self.hand_over(runtime, &task, &run, now)? {
            return self.fail(&task, &run, RunState::Stalled, &problem, now);
        }
        self.faults.step("done")?;
        let cause = run.cause.as_deref().filter(|_| run.is_paused);
        self.ledger.set_state(&run, RunState::Done, cause, now)?;
        Ok(Said { what, note: self.outcome(&run)? })
    }

    /// What became of the run's touches, in one line.
    pub(super) fn outcome(&self, run: &Run) -> Outcome<String> {
        let counts = self.ledger.counts(run)?;
        let book = Book::of(counts.values().sum(), &counts);
        let Book { handed, withheld, suppressed, .. } = book;
        Ok(format!("done: {handed} handed over, {withheld} withheld, {suppressed} suppressed"))
    }

    fn missed(&self, run: &Run, now: Timestamp) -> Outcome<Said> {
        let late = (now.0 - run.planned_at.0) / 60_000;
        let cause =
            format!("DSP-007 found {late} min after its time: later than the task's grace, or after its end");
        self.ledger.set_state(run, RunState::Missed, Some(&cause), now)?;
        Ok(Said { what: "missed", note: cause })
    }

    /// A paused task whose audience cannot be found has nothing to count.
    fn dropped_unseen(&self, run: &Run, problem: &Problem, now: Timestamp) -> Outcome<Said> {
        let cause = format!("fell due while the task was paused; {} {}", problem.code, problem.what);
        self.ledger.set_state(run, RunState::Stopped, Some(&cause), now)?;
        Ok(Said { what: "dropped", note: cause })
    }

    /// Who is in, and who of all is named on lists. A refreshed run already has its users.
    fn audience(&self, task: Scheduled, run: &Run, now: Timestamp) -> Outcome<(Option<Resolved>, Lists)> {
        let is_fresh = run.state == RunState::Refreshed;
        let found = if is_fresh { None } else { Some(self.audiences.resolve(&task, task.slot.as_of())?) };
        let lists = self.lists(&task, now)?;
        self.sender(&task)?.check()?;
        self.check_team(&task, now)?;
        Ok((found, lists))
    }

    fn freeze(
        &self,
        task: Scheduled,
        run: &Run,
        found: Option<Resolved>,
        lists: &Lists,
        now: Timestamp,
    ) -> Outcome<()> {
        self.faults.step("freeze the audience")?;
        if let Some(found) = &found {
            self.ledger.freeze(run, found, now)?;
        }
        self.faults.step("freeze the lists")?;
        self.ledger.freeze_lists(run, lists)?;
        self.faults.step("freeze the blocked")?;
        self.ledger.begin_writing(run, &lists.blocked, task.state == State::Paused, now)
    }

    /// Writes the touches that are not written yet.
    fn write_touches(&self, task: Scheduled, run: &Run, now: Timestamp) -> Outcome<()> {
        if run.state != RunState::Writing {
            return Ok(());
        }
        let (users, blocked) = self.ledger.frozen(run)?;
        let lists = self.ledger.frozen_lists(run, blocked)?;
        let mut sieve = self.sieve(&task, &lists, run.is_paused, now)?;
        sieve.room = self.deal_run((&task, run), || sieve.passing(&users), now)?;
        let mut left = users.iter().skip_while(|user| u64::from(*user) < run.next_user).peekable();
        self.pace.begin("touches", Some(users.len()), "users");
        while left.peek().is_some() {
            let slice = sieve.sift(left.by_ref().take(SLICE_USERS).collect());
            let next = slice.last().map_or(0, |(user, ..)| u64::from(*user) + 1);
            self.faults.step("write a slice")?;
            self.ledger.write_slice(run, &slice, next, (&sieve.way, &sieve.holds), now)?;
            self.pace.more(slice.len() as u64);
        }
        self.pace.end();
        self.ledger.forget_lists(run)?;
        self.faults.step("begin sending")?;
        self.ledger.begin_sending(run, now)
    }
}
