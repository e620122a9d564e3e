//! What happens when the hold of touches is over? They pass all gates again, and go out.
//!
//! A run with nothing but held touches is done as far as others are concerned: it stands in nobody's way. At
//! the end of the hold it goes on. Time in a hold is no lateness; what is found later than the grace after it expires.

use roaring::RoaringBitmap;
use tokio::runtime::Runtime;

use crate::base::{Outcome, Timestamp, UserNo};
use crate::task::{State, Task};

use super::agenda::is_too_late;
use super::caps::Way;
use super::engine::{Engine, Said};
use super::gates::{Calm, Gates};
use super::held::{Held, Written};
use super::ledger::{Run, Seat};
use super::purse::Purse;
use super::state::{Reason, RunState, TouchState};
use super::touches::Verdict;

impl Engine<'_> {
    /// All touches of the task whose hold is over by `now`, run by run.
    pub(super) fn unhold(&self, runtime: &Runtime, task: &Task, now: Timestamp) -> Outcome<Said> {
        let mut last = Said { what: "released", note: String::new() };
        for run in self.ledger.runs_of(&task.id)? {
            if self.ledger.released(&run, now)?.is_none() {
                continue;
            }
            let own = if task.is_scheduled() { self.tasks.task_at(task, run.version)? } else { task.clone() };
            last = self.unhold_run(runtime, &own, &run, now)?;
            if last.what == "failed" {
                break;
            }
        }
        Ok(last)
    }

    /// What waits for a batch since an earlier instant is held, or dropped, when it is quiet by now. A batch
    /// that was cut goes out all the same: its touches never change.
    pub(super) fn hush(&self, task: &Task, run: &Run, now: Timestamp) -> Outcome<()> {
        let calm = self.calm(task, now);
        if calm == Calm::Open {
            return Ok(());
        }
        let run = self.ledger.fresh(run)?;
        let is_fired = task.rule().is_some();
        let waiting: Vec<(Seat, UserNo)> = match is_fired {
            true => self
                .ledger
                .waiting_fires(&run, usize::MAX)?
                .iter()
                .map(|fire| (fire.seat, fire.user))
                .collect(),
            false => {
                self.ledger.waiting_seats(&run, usize::MAX)?.into_iter().map(|seat| (seat, seat)).collect()
            }
        };
        if waiting.is_empty() {
            return Ok(());
        }
        self.faults.step("hush")?;
        if calm == Calm::Dropped {
            let seats: Vec<Seat> = waiting.iter().map(|(seat, _)| *seat).collect();
            return self.ledger.suppress(&run, &seats, Reason::QuietHours, now);
        }
        let (way, holds) = (Way::of(task, None), self.holds(task, now));
        let written = Written { run: run.no, way: &way, holds: &holds, now, is_fired };
        self.ledger.hold_waiting(&run, &waiting, (&written, Reason::QuietHours))
    }

    fn unhold_run(&self, runtime: &Runtime, task: &Task, run: &Run, now: Timestamp) -> Outcome<Said> {
        if let Err(problem) = self.let_go(task, run, now)? {
            return self.fail(task, run, run.state, &problem, now);
        }
        let run = self.ledger.fresh(run)?;
        if run.state == RunState::Sending && task.state == State::Running {
            if let Err(problem) = self.hand_over(runtime, task, &run, now)? {
                return self.fail(task, &run, RunState::Stalled, &problem, now);
            }
            self.faults.step("done")?;
            self.ledger.set_state(&run, RunState::Done, None, now)?;
        }
        Ok(Said { what: "released", note: self.outcome(&run)? })
    }

    /// Row by row, each in one commit. `Ok(Err(…))`: a list cannot be read.
    fn let_go(&self, task: &Task, run: &Run, now: Timestamp) -> Outcome<Outcome<()>> {
        let lists = match self.lists_again(task, now) {
            Ok(lists) => lists,
            Err(problem) => return Ok(Err(problem)),
        };
        let is_paused = task.state == State::Paused;
        let mut sieve = self.sieve(task, &lists, is_paused, now)?;
        let gates = Gates::of(task, is_paused, &lists, self.directory).at(self.calm(task, now));
        while let Some(held) = self.ledger.released(run, now)? {
            let is_late = is_too_late(task, held.until, now) && !is_paused;
            if task.is_scheduled() && !is_late {
                let users: RoaringBitmap = held.touches.iter().map(|(_, user)| *user).collect();
                sieve.room = self.deal_again(task, run, &seated(&sieve.passing(&users)), now)?;
            }
            let verdicts = match () {
                () if is_late => expired(&held),
                () if task.is_scheduled() => sieve.sift(held.touches.iter().map(|(_, user)| *user).collect()),
                () => self.fires_again((task, run), &gates, &held, now)?,
            };
            self.faults.step("release what was held")?;
            self.ledger.let_go(run, &held, &verdicts, (&sieve.way, &sieve.holds), now)?;
        }
        Ok(Ok(()))
    }

    /// What the gates say of held fires now, one by one: a user may have several.
    fn fires_again(
        &self,
        (task, run): (&Task, &Run),
        gates: &Gates,
        held: &Held,
        now: Timestamp,
    ) -> Outcome<Vec<Verdict>> {
        let passes = |user: UserNo| gates.ask(user).1 == TouchState::Due;
        let passing: Vec<(Seat, UserNo)> =
            held.touches.iter().copied().filter(|(_, user)| passes(*user)).collect();
        let room = self.deal_again(task, run, &passing, now)?;
        let mut purse = Purse::default();
        let mut one = |(seat, user): (Seat, UserNo)| {
            let verdict = gates.ask(user);
            if verdict.1 != TouchState::Due {
                return Ok(verdict);
            }
            if let Some((full, (state, reason))) = &room
                && full.contains(seat)
            {
                return Ok((user, *state, *reason));
            }
            let stopped = purse.take(self, task, (user, None), now)?;
            Ok(stopped.map_or(verdict, |(state, reason)| (user, state, Some(reason))))
        };
        held.touches.iter().map(|touch| one(*touch)).collect()
    }
}

/// In a run of the calendar the seat is the user's number.
fn seated(users: &RoaringBitmap) -> Vec<(Seat, UserNo)> {
    users.iter().map(|user| (user, user)).collect()
}

/// Found later than the grace after their hold.
fn expired(held: &Held) -> Vec<Verdict> {
    let of = |(_, user): &(Seat, UserNo)| (*user, TouchState::Suppressed, Some(Reason::Expired));
    held.touches.iter().map(of).collect()
}
