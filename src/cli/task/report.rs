//! `quanke task report`: the book, what a trigger says, whether the goal came about, which crowds need a look.

use std::sync::Arc;

use super::super::crowd_clock::crowds_of;
use super::super::door::{Done, Door, Failure};
use super::super::session::Session;
use super::super::trace::TRIGGERS;
use super::super::wiring::People;
use crate::base::Problem;
use crate::dispatch::{self, CrowdNote, GoalReport, Ledger, Report, Triggered};
use crate::task::Task;
use crate::trigger::log::RealDisk;
use crate::trigger::look;

/// Everything about a task that has run.
/// Errors: TSK-011, DSP-004, OUT-030.
pub fn run(id: &str, session: &Session, door: &mut Door) -> Done {
    let (task, ledger) = (session.tasks()?.task(id)?, session.ledger()?);
    let mut report = Report::of(&task, &ledger, &triggered(&task, session)?)?;
    if !task.file.dispatch.variants.is_empty() {
        let snapshot = session.snapshot()?;
        snapshot.ids().ready()?;
        report.variants = dispatch::by_variant(&task, &ledger, &People(&snapshot))?;
    }
    match goal(&task, &ledger, session) {
        Ok(goal) => report.goal = goal,
        // The book is told all the same.
        Err(Failure::Found(problems)) => door.warn(&problems.0),
        Err(failure) => return Err(failure),
    }
    report.crowds = crowds(&task, session)?;
    let document = serde_json::to_value(&report).map_err(|e| Problem::bug(e.to_string()))?;
    door.answer(document, || report.table())
}

/// How the goal came about, as of the later of now and where the clock stands.
fn goal(task: &Task, ledger: &Ledger, session: &Session) -> Result<Option<GoalReport>, Failure> {
    let Some(goal) = &task.file.goal else { return Ok(None) };
    let as_of = ledger.clock()?.map_or(session.environment.now, |clock| clock.max(session.environment.now));
    Ok(Some(GoalReport::of(task, goal, ledger, &session.snapshot()?, as_of)?))
}

/// The crowds of the task that are stale, or of which a version is held.
fn crowds(task: &Task, session: &Session) -> Result<Vec<CrowdNote>, Failure> {
    let audiences = session.audiences()?;
    let mut notes = Vec::new();
    for crowd in crowds_of(task, &audiences, session.settings.blacklist.as_deref())? {
        let Ok(overview) = audiences.show(&crowd, session.environment.now) else { continue };
        let mark = if overview.held().is_some() { "held" } else { "stale" };
        notes.extend(overview.why().map(|why| CrowdNote { crowd, mark: mark.to_string(), why }));
    }
    Ok(notes)
}

/// What the trigger of a task has counted so far.
fn triggered(task: &Task, session: &Session) -> Result<Triggered, Failure> {
    let folder = session.home.dir().join(TRIGGERS);
    if task.rule().is_none() || !folder.exists() {
        return Ok(Triggered::default());
    }
    let found = look(Arc::new(RealDisk::open(&folder).map_err(Problem::from)?), &session.app)?;
    let Some(no) = found.names.task(&task.id) else { return Ok(Triggered::default()) };
    Ok(Triggered { days: found.state.counts(no), waiting: found.state.waiting_of(no) as u64 })
}
