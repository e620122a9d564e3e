//! Who would be stopped by which gate, if the task ran?

use std::fmt::Write;
use std::path::Path;

use roaring::RoaringBitmap;
use serde_json::{Value, json};

use super::super::door::{Done, Door, Failure};
use super::super::session::Session;
use super::super::wiring::{owner_of, update_of};
use super::super::words::grouped;
use super::{Clock, checked};
use crate::base::{Outcome, Problem, Timestamp};
use crate::dispatch::Preflight;
use crate::store::Snapshot;
use crate::task::{Audience, State, Task, Update};

/// A task, when it would run, and as of when its audience would be found.
struct Asked {
    task: Task,
    at: Timestamp,
    as_of: Timestamp,
}

/// `task preflight FILE|ID`: what is a file is read as one. Nothing is sent and nothing changes.
pub fn run(what: &str, at: Option<&str>, session: &Session, door: &mut Door) -> Done {
    let snapshot = session.snapshot()?;
    let at = at.map(|text| session.as_of(Some(text))).transpose()?;
    let asked = asked(task(what, &snapshot, session, door)?, at, session)?;
    let users = users(&asked, &snapshot, session)?;
    let clock = Clock::new(session, &snapshot)?;
    let found = clock.engine(|engine| engine.preflight(&asked.task, &users, asked.at))?;
    let mut document = serde_json::to_value(&found).map_err(|e| Problem::bug(e.to_string()))?;
    if let Value::Object(all) = &mut document {
        all.insert("name".to_string(), json!(asked.task.file.name));
        all.insert("as_of".to_string(), json!(asked.task.zone.text(asked.as_of)));
    }
    door.answer(document, || text(&asked.task, &found))
}

/// A task file becomes the task that `create` would make now.
fn task(what: &str, snapshot: &Snapshot, session: &Session, door: &mut Door) -> Result<Task, Failure> {
    if !Path::new(what).is_file() {
        return Ok(session.tasks()?.task(what)?);
    }
    let found = checked(what, snapshot, &session.audiences()?, session)?;
    door.warn(&found.warnings);
    Ok(Task {
        id: session.tasks()?.next_id()?,
        state: State::Draft,
        cause: None,
        version: 1,
        epoch: 0,
        created_at: session.environment.now,
        creator: String::new(),
        deleted_at: None,
        zone: session.settings.zone,
        file: found.file,
    })
}

/// The task's next run; a trigger task as if all its users fired now.
fn asked(task: Task, at: Option<Timestamp>, session: &Session) -> Result<Asked, Failure> {
    let now = session.environment.now;
    let clock = session.ledger()?.clock()?.map_or(now, |clock| clock.max(now));
    if let Some(at) = at {
        return Ok(Asked { task, at, as_of: at });
    }
    if task.rule().is_some() {
        return Ok(Asked { task, at: clock, as_of: clock });
    }
    match task.file.slot_from(clock, &task.zone) {
        Some(slot) => Ok(Asked { task, at: slot.at, as_of: slot.as_of() }),
        None => Err(no_run(&task).into()),
    }
}

fn no_run(task: &Task) -> Problem {
    Problem::author("DSP-050", "no run of the task lies ahead of the clock")
        .at(format!("task {} '{}'", task.id, task.file.name))
        .cure("see `quanke task plan`, or say at which instant with --at")
}

/// The users whom the run would have; nothing is made for it.
fn users(asked: &Asked, snapshot: &Snapshot, session: &Session) -> Result<RoaringBitmap, Failure> {
    let Asked { task, as_of, .. } = asked;
    let (owner, job) = (owner_of(task), session.job(snapshot));
    let mut audiences = session.audiences()?;
    let universe = snapshot.universe();
    let rule = match &task.file.audience {
        Audience::Everyone => return Ok(universe.clone()),
        Audience::Crowd(name) => return Ok(audiences.bound_at(name, owner, *as_of, job)?.users),
        Audience::Selection(rule) => rule,
    };
    let is_made_anew = task.file.trigger.refreshes_before();
    if !is_made_anew
        && audiences.is_own(owner, rule, update_of(task))?
        && let Some(bound) = audiences.own_at(owner, *as_of, job)?
    {
        return Ok(bound.users);
    }
    let midnight = || task.zone.start_of(task.zone.day_of(*as_of));
    let as_of = if task.file.update == Update::Daily { midnight() } else { *as_of };
    let (_, prepared) = audiences.prepare_text(rule, as_of, snapshot)?;
    let found: Outcome<RoaringBitmap> = prepared.users(snapshot);
    Ok(found? & universe)
}

fn text(task: &Task, found: &Preflight) -> String {
    let mut text = format!("{} '{}' at {}\n", task.id, task.file.name, found.at);
    let _ = writeln!(text, "  {:<14}{:>14}{:>14}", "", "stopped", "left");
    let _ = writeln!(text, "  {:<14}{:>14}{:>14}", "audience", "", grouped(found.audience));
    for gate in &found.gates {
        let until =
            found.held_until.get(gate.gate).map_or(String::new(), |until| format!("  held until {until}"));
        let (stopped, left) = (grouped(gate.stopped), grouped(gate.left));
        let _ = writeln!(text, "  {:<14}{stopped:>14}{left:>14}{until}", gate.gate);
    }
    let (handed, held) = (grouped(found.handed), grouped(found.held));
    let (withheld, suppressed) = (grouped(found.withheld), grouped(found.suppressed));
    let _ = writeln!(
        text,
        "  would be handed over {handed}, held {held}, withheld {withheld}, suppressed {suppressed}"
    );
    text
}
