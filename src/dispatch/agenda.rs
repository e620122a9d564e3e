//! What falls due next for a task? A pure function of the task, its runs and the clock.

use crate::base::Timestamp;
use crate::task::rule::{OnEnd, Reach};
use crate::task::{OnPause, Overlap, Planned, State, Task};

use super::ledger::Run;
use super::state::RunState;

/// What the clock can bring; at one instant, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A run that was under way goes on.
    GoOn,
    /// The task becomes 进行中.
    Start,
    /// The audience is made anew, 15 min before the run.
    Refresh,
    /// Held touches whose hold is over pass the gates again.
    Release,
    Run,
    /// The task becomes 已结束.
    End,
}

/// A step and the instant at which it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    pub at: Timestamp,
    pub step: Step,
}

/// The runs of a task on which something may fall due.
#[derive(Debug, Clone, Default)]
pub struct AtHand {
    /// The earliest run that is under way.
    pub open: Option<Run>,
    /// The next run that the calendar plans, and what the ledger knows of it.
    pub next: Option<(Planned, Option<Run>)>,
    /// When the hold of touches is over next.
    pub held: Option<Timestamp>,
}

/// The earliest step of a task that is not done yet; what is overdue is due at `clock`. Triggers fire by
/// themselves: for their tasks the calendar knows no next run.
pub fn due(task: &Task, at_hand: &AtHand, clock: Timestamp) -> Option<Due> {
    let own = at_hand
        .next
        .as_ref()
        .map(|(planned, run)| [refresh(task, planned, run.as_ref(), clock), the_run(task, planned, at_hand)]);
    let steps = own.into_iter().flatten().chain([
        go_on(task, at_hand.open.as_ref(), clock),
        drop_on(task, at_hand.open.as_ref(), clock),
        start(task),
        release(task, at_hand.held, clock),
        end(task, at_hand.held),
    ]);
    let mut all: Vec<Due> = steps.flatten().map(|due| Due { at: due.at.max(clock), ..due }).collect();
    if at_hand.goes_beside() && all.contains(&Due { at: clock, step: Step::Run }) {
        all.retain(|due| due.step != Step::GoOn);
    }
    all.into_iter().min()
}

impl AtHand {
    /// Does the next run go out beside the one that is under way?
    fn goes_beside(&self) -> bool {
        self.next.as_ref().is_some_and(|(planned, _)| planned.slot.overlap == Overlap::Parallel)
    }
}

/// Late by more than the task's grace?
pub(super) fn is_too_late(task: &Task, since: Timestamp, now: Timestamp) -> bool {
    now > since.plus(task.file.grace_ms)
}

fn go_on(task: &Task, open: Option<&Run>, clock: Timestamp) -> Option<Due> {
    let is_alive = task.state == State::Running && clock < over_at(task);
    (is_alive && open.is_some()).then_some(Due { at: clock, step: Step::GoOn })
}

/// A run that is being dropped because the task is paused, and was interrupted in that.
fn drop_on(task: &Task, open: Option<&Run>, clock: Timestamp) -> Option<Due> {
    let is_dropped = task.state == State::Paused && open.is_some_and(|run| run.is_paused);
    is_dropped.then_some(Due { at: clock, step: Step::GoOn })
}

fn start(task: &Task) -> Option<Due> {
    (task.state == State::Approved).then_some(Due { at: task.file.start, step: Step::Start })
}

/// A refresh is also due before the task has started: the run may be at the start itself. For a
/// run that will be missed it is spared.
fn refresh(task: &Task, planned: &Planned, run: Option<&Run>, clock: Timestamp) -> Option<Due> {
    let at = planned.slot.refresh_at()?;
    let is_alive = matches!(task.state, State::Approved | State::Running);
    let is_open = run.is_none_or(|run| run.state == RunState::Planned);
    let is_wanted = is_alive && is_open && !is_too_late(&planned.task, planned.slot.at, clock);
    is_wanted.then_some(Due { at, step: Step::Refresh })
}

/// A paused task's run falls due too when it is to be dropped, so that it is counted. While the run before is
/// under way it waits, unless it may go out beside it.
fn the_run(task: &Task, planned: &Planned, at_hand: &AtHand) -> Option<Due> {
    let is_alive = match task.state {
        State::Running => true,
        State::Paused => planned.task.file.on_pause == OnPause::Drop,
        _ => false,
    };
    let is_free = task.state == State::Paused || at_hand.open.is_none() || at_hand.goes_beside();
    (is_alive && is_free).then_some(Due { at: planned.slot.at, step: Step::Run })
}

/// What was held goes on while the task runs; in a pause it is dropped, where the task says so.
fn release(task: &Task, held: Option<Timestamp>, clock: Timestamp) -> Option<Due> {
    let is_alive = match task.state {
        State::Running => true,
        State::Paused => task.file.on_pause == OnPause::Drop,
        _ => false,
    };
    let at = held.filter(|at| is_alive && (*at).max(clock) < ends_at(task, held))?;
    Some(Due { at, step: Step::Release })
}

fn end(task: &Task, held: Option<Timestamp>) -> Option<Due> {
    let is_alive = matches!(task.state, State::Approved | State::Running | State::Paused | State::Failed);
    is_alive.then_some(Due { at: ends_at(task, held), step: Step::End })
}

/// Where what waits may finish, what is held may too.
fn ends_at(task: &Task, held: Option<Timestamp>) -> Timestamp {
    let may_finish = task.rule().is_some_and(|rule| rule.on_end == OnEnd::Finish);
    let held = held.filter(|_| may_finish).map(|at| at.plus(task.file.grace_ms).plus(1));
    over_at(task).max(held.unwrap_or(Timestamp(i64::MIN)))
}

/// The end of the task; where what waits may finish, the instant after which no touch can go out: the last
/// window opens before `end`, reaches its deadline and its reach, and is stale after the grace.
fn over_at(task: &Task) -> Timestamp {
    let end = task.file.end;
    let Some(rule) = task.rule().filter(|rule| rule.on_end == OnEnd::Finish) else { return end };
    let base = end.plus(rule.absence.as_ref().map_or(0, |absence| absence.gap_ms));
    let reach = match rule.reach {
        Reach::Delay(ms) => base.plus(ms.max(0)),
        Reach::At { second_of_day, plus_days } => task.zone.next_at(base, second_of_day, plus_days),
        Reach::On { instant, .. } => base.max(instant),
    };
    reach.plus(task.file.grace_ms).plus(1)
}
