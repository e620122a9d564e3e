//! `quanke task trace`: what a task decided about one user, and why; what became of the user in its runs.

use std::sync::Arc;

use serde_json::{Value, json};

use super::door::{Done, Door};
use super::session::Session;
use super::table::{Cell, aligned};
use crate::base::{Problem, Timestamp, UserNo, Zone};
use crate::dispatch::{Row, Run};
use crate::select::evidence::user_of;
use crate::task::Task;
use crate::trigger::log::RealDisk;
use crate::trigger::{Decision, End, Occurrence, Reason, Traced, trace};

/// The folder of the trigger log, in the home of the app.
pub const TRIGGERS: &str = "triggers";

/// Every A of the user, its window, and the window's end with its instant and reason; of a task that the calendar
/// starts, every run.
/// Errors: TSK-011, SEL-121 for an unknown user, LOG-…, OUT-030.
pub fn run(id: &str, user: &str, session: &Session, door: &mut Door) -> Done {
    let task = session.tasks()?.task(id)?;
    let snapshot = session.snapshot()?;
    let no = user_of(user, &snapshot)?;
    if task.rule().is_none() {
        return of_calendar(&task, (user, no), session, door);
    }
    let folder = session.home.dir().join(TRIGGERS);
    let traced = match folder.exists() {
        true => Some(read(&folder, &session.app, no)?),
        false => None,
    };
    let ours = traced.as_ref().map_or(vec![], |traced| of_task(traced, &task));
    let is_whole = traced.as_ref().is_none_or(|traced| traced.begins_at == 0);
    let zone = task.zone;
    match door.is_json {
        true => {
            let decisions: Vec<Value> = ours.iter().map(|(at, one)| document(*at, one, &task)).collect();
            door.json(&json!({ "task": id, "user_id": user, "is_whole": is_whole, "decisions": decisions }))
        }
        false => {
            if !is_whole {
                door.say("what happened earlier is in a snapshot only, and is not shown");
            }
            if ours.is_empty() {
                door.say(&format!("{user} has done nothing yet that task {id} looks for"));
            }
            let rows: Vec<Vec<Cell>> = ours.iter().map(|(at, one)| row(*at, one, zone, &task)).collect();
            Ok(std::io::Write::write_all(&mut door.stream(), aligned(&rows).as_bytes())?)
        }
    }
}

/// What became of the user in every run of a task that the calendar starts.
fn of_calendar(task: &Task, (user, no): (&str, UserNo), session: &Session, door: &mut Door) -> Done {
    let ledger = session.ledger()?;
    let mut found: Vec<(Run, Option<Row>)> = Vec::new();
    for run in ledger.runs_of(&task.id)? {
        let row = ledger.rows_of(task, &run, no)?.into_iter().next();
        found.push((run, row));
    }
    if door.is_json {
        let runs: Vec<Value> =
            found.iter().map(|(run, row)| run_document(run, row.as_ref(), task.zone)).collect();
        return door.json(&json!({ "task": task.id, "user_id": user, "runs": runs }));
    }
    if found.is_empty() {
        door.say(&format!("task {} has had no run yet", task.id));
    }
    let rows: Vec<Vec<Cell>> = found.iter().map(|(run, row)| run_row(run, row.as_ref(), task.zone)).collect();
    Ok(std::io::Write::write_all(&mut door.stream(), aligned(&rows).as_bytes())?)
}

fn run_document(run: &Run, row: Option<&Row>, zone: Zone) -> Value {
    json!({
        "run": run.name(),
        "planned_at": zone.text(run.planned_at),
        "run_state": run.state.word(),
        "crowd_version": run.crowd_version,
        "is_in_audience": row.is_some(),
        "state": row.map(|row| row.state.word()),
        "reason": row.and_then(|row| row.reason).map(|reason| reason.word()),
        "batch": row.and_then(|row| row.batch),
        "note": row.and_then(|row| row.note.as_deref()),
    })
}

fn run_row(run: &Run, row: Option<&Row>, zone: Zone) -> Vec<Cell> {
    let (state, why) = match row {
        Some(row) => (row.state.word(), why_touch(row)),
        None if run.due > 0 => ("-", "not in the audience of this run".to_string()),
        None => ("-", run.cause.clone().unwrap_or_else(|| format!("the run is {}", run.state.word()))),
    };
    [zone.text(run.planned_at), run.name(), state.to_string(), why].iter().map(Cell::text).collect()
}

fn why_touch(row: &Row) -> String {
    let reason = row.reason.map(|reason| reason.word().to_string());
    let batch = row.batch.map(|no| format!("batch {no}"));
    [reason, batch, row.note.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn read(folder: &std::path::Path, app: &str, user: UserNo) -> crate::base::Outcome<Traced> {
    trace(Arc::new(RealDisk::open(folder).map_err(Problem::from)?), app, user)
}

fn of_task(traced: &Traced, task: &Task) -> Vec<(Timestamp, Decision)> {
    let no = traced.names.task(&task.id);
    traced.decisions.iter().filter(|(_, one)| Some(one.task) == no).cloned().collect()
}

fn document(at: Timestamp, one: &Decision, task: &Task) -> Value {
    let zone = task.zone;
    let mut document = json!({ "at": zone.text(at), "what": one.end.word(), "base": zone.text(one.base) });
    match &one.occurrence {
        Occurrence::Nth { nth, .. } => document["nth"] = (*nth).into(),
        Occurrence::A { at, id } => {
            document["a"] = zone.text(*at).into();
            document["event_id"] = id.to_string().into();
        }
    }
    if let End::Fired { reach } | End::Released { reach } = one.end {
        document["reach"] = zone.text(reach).into();
    }
    document
}

fn row(at: Timestamp, one: &Decision, zone: Zone, task: &Task) -> Vec<Cell> {
    let whose = match &one.occurrence {
        Occurrence::Nth { nth, .. } => format!("A number {nth}"),
        Occurrence::A { at, id } => format!("A at {} ({id})", zone.text(*at)),
    };
    [zone.text(at), whose, one.end.word().to_string(), why(one, zone, task)].iter().map(Cell::text).collect()
}

/// In words that an operator reads.
fn why(one: &Decision, zone: Zone, task: &Task) -> String {
    let deadline = zone.text(one.base);
    let is_absence = task.rule().is_some_and(|rule| rule.absence.is_some());
    match one.end {
        End::Fired { reach } if is_absence => {
            format!("no B until {deadline}; reaches at {}", zone.text(reach))
        }
        End::Fired { reach } => format!("reaches at {}", zone.text(reach)),
        End::Released { reach } => format!("handed to dispatch, due at {}", zone.text(reach)),
        End::Cancelled => format!("a B came in time, not later than {deadline}"),
        End::Joined => "belongs to a window that waits, or a later A took its place".into(),
        End::Withdrawn => "a B came while the touch waited".into(),
        End::Expired => "later than the task's grace".into(),
        End::Ended => "the task was over".into(),
        End::Contradicted => "a B that would have cancelled came when the touch was out".into(),
        End::Suppressed(Reason::Paused) => "the task was paused".into(),
        End::Suppressed(Reason::Audience) => "not in the audience".into(),
        End::Suppressed(Reason::FiresMax) => "as many fires as the rule allows".into(),
        End::Suppressed(Reason::GapMin) => "too soon after the last fire".into(),
        End::Suppressed(Reason::Past) => "the instant of the reach was past".into(),
    }
}
