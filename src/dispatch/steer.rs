//! How does a person stop a task that may already be going out?

use crate::base::{Outcome, Problem, Timestamp, Zone};
use crate::task::{Move, Task, TaskFile, Tasks, Trigger};

use super::ledger::{Ledger, Run};
use super::state::{Reason, RunState};

/// Cancels a task of which nothing has left yet (S2.10).
/// Errors: DSP-002 when a batch was handed over; TSK-010, TSK-011.
pub fn cancel(
    tasks: &Tasks,
    ledger: &Ledger,
    id: &str,
    who: &str,
    note: Option<&str>,
    now: Timestamp,
) -> Outcome<Task> {
    let task = tasks.task(id)?;
    if task.state.after(Move::Cancel).is_some() && ledger.was_handed(id)? {
        return Err(Problem::author(
            "DSP-002",
            format!("task {id} has batches that are out, so it cannot be cancelled"),
        )
        .cure(format!("quanke task stop {id}  (the rest is not sent)")));
    }
    steer(tasks, ledger, &task, (Move::Cancel, Reason::Cancelled), (who, note), now)
}

/// Stops the rest of a task: what waits is suppressed, the task is over.
/// Errors: TSK-010, TSK-011.
pub fn stop(
    tasks: &Tasks,
    ledger: &Ledger,
    id: &str,
    who: &str,
    note: Option<&str>,
    now: Timestamp,
) -> Outcome<Task> {
    steer(tasks, ledger, &tasks.task(id)?, (Move::Stop, Reason::Ended), (who, note), now)
}

/// A new version of a task (semantics 7); runs under way keep theirs, and those that are prepared but
/// have not begun are planned anew.
/// Errors: DSP-042 when a once task's run has begun (S1.25); those of [`Tasks::edit`].
pub fn edit(
    tasks: &Tasks,
    ledger: &Ledger,
    id: &str,
    file: &TaskFile,
    zone: &Zone,
    who: &str,
    now: Timestamp,
) -> Outcome<Task> {
    let task = tasks.task(id)?;
    let is_open = task.state.after(Move::Edit).is_some();
    if is_open && matches!(task.file.trigger, Trigger::Once(_)) && ledger.has_begun(id)? {
        let what = format!("the run of task {id} has begun, so it cannot be edited");
        return Err(
            Problem::author("DSP-042", what).cure(format!("quanke task copy {id}, and edit the copy"))
        );
    }
    // The ledger first: what is forgotten is prepared again, also when the edit does not come about.
    if is_open {
        ledger.forget_ahead(id, now)?;
    }
    tasks.edit(id, file, zone, who, now)
}

/// Suppresses what waits in every run of a task. A run without an end is stopped.
pub(super) fn drop_the_rest(ledger: &Ledger, task: &str, reason: Reason, now: Timestamp) -> Outcome<()> {
    for run in ledger.runs_of(task)? {
        ledger.drop_held(&run, reason, now)?;
        if run.state.is_under_way() {
            ledger.drop_waiting(&run, reason, now)?;
        }
        if run.state.is_under_way() || run.state.is_ahead() {
            let cause = run.cause.unwrap_or_else(|| format!("the task was {}", reason.word()));
            ledger.set_state(&Run { cause: None, ..run }, RunState::Stopped, Some(&cause), now)?;
        }
    }
    Ok(())
}

/// The ledger first: if we are killed between the two, the same command finishes it.
fn steer(
    tasks: &Tasks,
    ledger: &Ledger,
    task: &Task,
    (step, reason): (Move, Reason),
    (who, note): (&str, Option<&str>),
    now: Timestamp,
) -> Outcome<Task> {
    if task.state.after(step).is_some() {
        drop_the_rest(ledger, &task.id, reason, now)?;
    }
    tasks.make_move(&task.id, step, who, note, now)
}
