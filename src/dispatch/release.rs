//! What does a trigger's decision mean for the book, and when does it leave?
//!
//! [`Engine::release`] asks the gates about every touch that is due and books it with all the rest
//! ([`super::Ledger::release`]); [`Engine::hand_fires`] hands over what waits then. A kill between the two
//! leaves a run under way, with which the clock goes on.

use std::collections::BTreeMap;

use tokio::runtime::Runtime;

use crate::base::{Day, Outcome, Timestamp};
use crate::task::{State, Task};
use crate::trigger::{Decision, End, Place, Reason as Why};

use super::caps::Way;
use super::engine::{Engine, Happened, Said};
use super::fires::{Fire, Release, Word};
use super::gates::{Gates, Lists};
use super::ledger::Run;
use super::purse::Purse;
use super::state::{Reason, RunState, TouchState};

/// A decision of a task, and where it stands in the trigger's log.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'t> {
    /// As it is at the release.
    pub task: &'t Task,
    pub place: Place,
    pub decision: &'t Decision,
}

impl Engine<'_> {
    /// Books decisions, of whatever tasks, up to and with the place `upto`: one commit. What was released is
    /// due, withheld or suppressed as the gates say now; what ended before its release is suppressed; fires
    /// that wait, and windows that never fired, are not in the book. Decisions that are in it already change
    /// nothing.
    /// Errors: CRD-001 and the like when a blacklist cannot be read (then nothing is booked); DSP-004, OUT-030.
    pub fn release(&self, decided: &[Decided], upto: Place, now: Timestamp) -> Outcome<()> {
        let mut tasks: BTreeMap<&str, Vec<Decided>> = BTreeMap::new();
        // What is in the book already uses up no cap once more.
        let before = self.ledger.place()?;
        for one in decided.iter().filter(|one| before.is_none_or(|before| one.place > before)) {
            tasks.entry(&one.task.id).or_default().push(*one);
        }
        let mut purse = Purse::default();
        let releases =
            tasks.values().map(|own| self.gated(own, &mut purse, now)).collect::<Outcome<Vec<_>>>()?;
        self.faults.step("release")?;
        let releases: Vec<Release> = releases.into_iter().flatten().collect();
        self.ledger.release(&releases, upto, now)
    }

    /// Hands over all that waits in the runs of a running trigger task; what is older than its grace expires.
    /// `None` when nothing waits. A channel that gives up makes the task failed, which is what happened then.
    /// Errors: OUT-030.
    pub fn hand_fires(&self, runtime: &Runtime, task: &Task, now: Timestamp) -> Outcome<Option<Happened>> {
        if self.ledger.open_run(&task.id)?.is_none() {
            return Ok(None);
        }
        let task = self.tasks.task(&task.id)?;
        let said = self.hand_runs(runtime, &task, now)?;
        let happened = |Said { what, note }| Happened {
            at: self.zone.text(now),
            task: task.id.clone(),
            what: what.into(),
            note,
        };
        Ok(said.map(happened))
    }

    /// The runs one by one, the earliest first, until one fails.
    pub(super) fn hand_runs(&self, runtime: &Runtime, task: &Task, now: Timestamp) -> Outcome<Option<Said>> {
        let mut last = None;
        while let Some(run) = self.ledger.open_run(&task.id)?.filter(|_| task.state == State::Running) {
            let said = self.hand_run(runtime, task, &run, now)?;
            let is_over = said.what == "failed";
            last = Some(said);
            if is_over {
                break;
            }
        }
        Ok(last)
    }

    fn hand_run(&self, runtime: &Runtime, task: &Task, run: &Run, now: Timestamp) -> Outcome<Said> {
        self.faults.step("expire")?;
        self.ledger.expire(run, now.plus(-task.file.grace_ms), now)?;
        if let Err(problem) = self.hand_over(runtime, task, run, now)? {
            return self.fail(task, run, RunState::Stalled, &problem, now);
        }
        self.faults.step("done")?;
        self.ledger.set_state(run, RunState::Done, None, now)?;
        Ok(Said { what: "handed over", note: self.outcome(run)? })
    }

    /// The decisions of one task, with the word of the gates on each.
    fn gated<'t>(
        &self,
        own: &[Decided<'t>],
        purse: &mut Purse,
        now: Timestamp,
    ) -> Outcome<Option<Release<'t>>> {
        let Some(task) = own.first().map(|one| one.task) else { return Ok(None) };
        let asks = own.iter().any(|one| matches!(one.decision.end, End::Released { .. }));
        let lists = if asks { self.lists(task, now)? } else { Lists::default() };
        let gates = Gates::of(task, false, &lists, self.directory).at(self.calm(task, now));
        let mut fires: Vec<Fire> = own.iter().filter_map(|one| fire(one, &gates)).collect();
        for fire in fires.iter_mut().filter(|fire| fire.word == Word::Touch(TouchState::Due, None)) {
            if let Some((state, reason)) = purse.take(self, task, (fire.user, None), now)? {
                fire.word = Word::Touch(state, Some(reason));
            }
        }
        let day: Day = task.zone.day_of(now);
        let (way, holds) = (Way::of(task, None), self.holds(task, now));
        let team = if asks { self.team(task, now)? } else { None };
        Ok(Some(Release { task, day, fires, way, holds, team }))
    }
}

/// What the book needs of a decision; `None` if it has no place there.
fn fire(one: &Decided, gates: &Gates) -> Option<Fire> {
    let Decision { user, occurrence, base, end, .. } = one.decision;
    let due_at = match end {
        End::Released { reach } => Some(*reach),
        _ => None,
    };
    let word = word(one.task, *user, *end, gates)?;
    Some(Fire { place: one.place, user: *user, occurrence: occurrence.text(), base_at: *base, due_at, word })
}

fn word(task: &Task, user: crate::base::UserNo, end: End, gates: &Gates) -> Option<Word> {
    let suppressed = |reason| Some(Word::Touch(TouchState::Suppressed, Some(reason)));
    match end {
        End::Fired { .. } | End::Cancelled | End::Joined => None,
        End::Contradicted => Some(Word::Contradicted),
        End::Expired => suppressed(Reason::Expired),
        End::Withdrawn => suppressed(Reason::LateB),
        End::Suppressed(why) => suppressed(reason_of(why)),
        End::Ended => suppressed(over(task).unwrap_or(Reason::Ended)),
        End::Released { .. } => match over(task) {
            Some(reason) => suppressed(reason),
            None => {
                let (_, state, reason) = gates.ask(user);
                Some(Word::Touch(state, reason))
            }
        },
    }
}

/// Why nothing of the task goes out any more: it was cancelled, or it is over.
fn over(task: &Task) -> Option<Reason> {
    match task.state {
        State::Cancelled => Some(Reason::Cancelled),
        State::Ended => Some(Reason::Ended),
        _ => None,
    }
}

fn reason_of(why: Why) -> Reason {
    match why {
        Why::Paused => Reason::Paused,
        Why::Audience => Reason::Audience,
        Why::FiresMax => Reason::FiresMax,
        Why::GapMin => Reason::GapMin,
        Why::Past => Reason::Past,
    }
}
