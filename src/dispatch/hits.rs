//! Whom did a task hit in a period? Users to whom a touch was handed over that was due in it.

use roaring::RoaringBitmap;

use crate::base::{Outcome, Timestamp};
use crate::task::Task;

use super::ledger::{Ledger, Run};

/// The users whom a task hit by touches due in `[from, to)`. Errors: OUT-030.
pub fn hit_between(
    task: &Task,
    ledger: &Ledger,
    (from, to): (Timestamp, Timestamp),
) -> Outcome<RoaringBitmap> {
    let mut users = RoaringBitmap::new();
    for run in ledger.runs_of(&task.id)? {
        if task.is_scheduled() && from <= run.planned_at && run.planned_at < to {
            add_run(ledger, &run, &mut users)?;
        } else if !task.is_scheduled() && has_fires(ledger, &run, (from, to))? {
            ledger.each_row(task, &run, |row| {
                if row.state.is_handed() && row.due_at.is_some_and(|due| from <= due && due < to) {
                    users.insert(row.user);
                }
                Ok(())
            })?;
        }
    }
    Ok(users)
}

/// In a run of the calendar a seat is a user, and all are due together.
fn add_run(ledger: &Ledger, run: &Run, users: &mut RoaringBitmap) -> Outcome<()> {
    ledger.each_touch(run, |seat, cell| {
        if cell.state.is_handed() {
            users.insert(seat);
        }
        Ok(())
    })
}

fn has_fires(ledger: &Ledger, run: &Run, (from, to): (Timestamp, Timestamp)) -> Outcome<bool> {
    Ok(ledger.fires_span(run)?.is_some_and(|(first, last)| first < to && from <= last))
}
