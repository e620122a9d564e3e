//! `quanke user history`: every touch of one user, of all tasks.

use serde_json::{Value, json};

use super::args::User;
use super::door::{Done, Door};
use super::session::Session;
use super::table::{Cell, aligned};
use crate::base::{Outcome, Timestamp, UserNo, Zone};
use crate::dispatch::{Ledger, Row, Run, TouchNames};
use crate::select::evidence::user_of;
use crate::task::Task;

/// Runs one command on a user.
pub fn run(command: &User, session: &Session, door: &mut Door) -> Done {
    match command {
        User::History { id } => history(id, session, door),
    }
}

/// A touch, and the task and run that it belongs to.
struct Told {
    task: Task,
    run: Run,
    row: Row,
}

/// The touches of a user in the order in which they were due, those of deleted tasks too.
/// Errors: SEL-121, SEL-122 for a user who is not known, OUT-030.
fn history(id: &str, session: &Session, door: &mut Door) -> Done {
    let user = user_of(id, &session.snapshot()?)?;
    let (tasks, ledger) = (session.tasks()?, session.ledger()?);
    let mut all: Vec<Told> = Vec::new();
    for task in ledger.tasks_with_runs()? {
        all.extend(of_task(&tasks.task(&task)?, &ledger, user)?);
    }
    all.sort_by_key(|told| (told.at(), told.run.name(), told.row.seat));
    match door.is_json {
        true => {
            let touches: Vec<Value> = all.iter().map(|told| told.document(id, &session.app)).collect();
            door.json(&json!({ "user_id": id, "touches": touches }))
        }
        false if all.is_empty() => {
            door.say(&format!("no task has had a touch for {id} yet"));
            Ok(())
        }
        false => door.data(aligned(&rows(&all, session.settings.zone)).trim_end()),
    }
}

fn of_task(task: &Task, ledger: &Ledger, user: UserNo) -> Outcome<Vec<Told>> {
    let mut all = Vec::new();
    for run in ledger.runs_of(&task.id)? {
        let rows = ledger.rows_of(task, &run, user)?;
        all.extend(rows.into_iter().map(|row| Told { task: task.clone(), run: run.clone(), row }));
    }
    Ok(all)
}

impl Told {
    /// When it was due; for one that never was, the day of its run.
    fn at(&self) -> Timestamp {
        self.row.due_at.unwrap_or(self.run.planned_at)
    }

    fn document(&self, id: &str, app: &str) -> Value {
        let Told { task, run, row } = self;
        let channel = &task.file.dispatch.channel;
        let names = TouchNames::of(app, &task.id, run.epoch, &row.occurrence, channel);
        json!({
            "touch_id": names.touch_id(id).to_string(),
            "task": task.id,
            "name": task.file.name,
            "run": run.name(),
            "channel": channel,
            "due_at": row.due_at.map(|at| task.zone.text(at)),
            "state": row.state.word(),
            "reason": row.reason.map(|reason| reason.word()),
            "batch": row.batch,
            "note": row.note,
        })
    }
}

fn rows(all: &[Told], zone: Zone) -> Vec<Vec<Cell>> {
    let titles = ["due", "task", "", "run", "channel", "state", "reason", "note"];
    let mut rows = vec![titles.map(Cell::text).to_vec()];
    rows.extend(all.iter().map(|told| {
        let Told { task, run, row } = told;
        let reason = row.reason.map_or("", |reason| reason.word());
        let note = row.note.as_deref().unwrap_or_default();
        let run = run.name();
        let occurrence = run.split_once('@').map_or("", |(_, occurrence)| occurrence);
        let at = zone.text(told.at());
        let cells = [
            &at,
            &task.id,
            &task.file.name,
            occurrence,
            &task.file.dispatch.channel,
            row.state.word(),
            reason,
            note,
        ];
        cells.map(Cell::text).to_vec()
    }));
    rows
}
