//! `quanke task trace`: what a task decided about one user, and why.

use std::sync::Arc;

use serde_json::{Value, json};

use super::door::{Done, Door};
use super::session::{Session, usage};
use super::table::{Cell, aligned};
use crate::base::{Problem, Timestamp, UserNo, Zone};
use crate::select::evidence::user_of;
use crate::task::Task;
use crate::trigger::log::RealDisk;
use crate::trigger::{Decision, End, Occurrence, Reason, Traced, trace};

/// The folder of the trigger log, in the home of the app.
pub const TRIGGERS: &str = "triggers";

/// Every A of the user, its window, and the window's end with its instant and reason.
/// Errors: TSK-011, CLI-006 for an unknown user, LOG-….
pub fn run(id: &str, user: &str, session: &Session, door: &mut Door) -> Done {
    let task = session.tasks()?.task(id)?;
    if task.rule().is_none() {
        let what = format!("task {id} goes by the calendar: all its users are reached in its runs");
        return Err(usage("task trace", &what, format!("quanke task report {id}")));
    }
    let snapshot = session.snapshot()?;
    let no = user_of(user, &snapshot)?;
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
