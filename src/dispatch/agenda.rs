//! What falls due next for a task? A pure function of the task, its run and the clock.

use crate::base::Timestamp;
use crate::task::rule::{OnEnd, Reach};
use crate::task::{OnPause, Scheduled, State, Task};

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

/// The earliest step of a task that is not done yet; what is overdue is due at `clock`. `run` is its one run,
/// or that run of a trigger task which is under way; triggers fire by themselves, the calendar knows no run.
pub fn due(task: &Task, run: Option<&Run>, clock: Timestamp) -> Option<Due> {
    let own = task.scheduled().map(|task| [refresh(task, run, clock), the_run(task, run)]);
    let steps = own.into_iter().flatten().chain([go_on(task, run, clock), start(task), end(task)]);
    let earliest = steps.flatten().min()?;
    Some(Due { at: earliest.at.max(clock), ..earliest })
}

/// Late by more than the task's grace?
pub(super) fn is_too_late(task: &Task, since: Timestamp, now: Timestamp) -> bool {
    now > since.plus(task.file.grace_ms)
}

fn go_on(task: &Task, run: Option<&Run>, clock: Timestamp) -> Option<Due> {
    let is_alive = task.state == State::Running && clock < over_at(task);
    let is_open = is_alive && run.is_some_and(|run| run.state.is_under_way());
    is_open.then_some(Due { at: clock, step: Step::GoOn })
}

fn start(task: &Task) -> Option<Due> {
    (task.state == State::Approved).then_some(Due { at: task.file.start, step: Step::Start })
}

/// A refresh is also due before the task has started: the run may be at the start itself. For a
/// run that will be missed it is spared.
fn refresh(task: Scheduled, run: Option<&Run>, clock: Timestamp) -> Option<Due> {
    let at = task.once.refresh_at()?;
    let is_alive = matches!(task.state, State::Approved | State::Running);
    let is_open = run.is_none_or(|run| run.state == RunState::Planned);
    let is_wanted = is_alive && is_open && !is_too_late(&task, task.once.at, clock);
    is_wanted.then_some(Due { at, step: Step::Refresh })
}

/// A paused task's run falls due too when it is to be dropped, so that it is counted.
fn the_run(task: Scheduled, run: Option<&Run>) -> Option<Due> {
    let is_alive = match task.state {
        State::Running => true,
        State::Paused => task.file.on_pause == OnPause::Drop,
        _ => false,
    };
    let is_ahead = run.is_none_or(|run| run.state.is_ahead());
    let is_half_dropped =
        task.state == State::Paused && run.is_some_and(|run| run.is_paused && run.state.is_under_way());
    (is_alive && (is_ahead || is_half_dropped)).then_some(Due { at: task.once.at, step: Step::Run })
}

fn end(task: &Task) -> Option<Due> {
    let is_alive = matches!(task.state, State::Approved | State::Running | State::Paused | State::Failed);
    is_alive.then_some(Due { at: over_at(task), step: Step::End })
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
