//! `quanke backtest`: what a task would have done on stored history.

mod rows;
mod telling;

use std::path::Path;

use super::args::Backtest as Asked;
use super::door::{Done, Door, Failure};
use super::session::{Session, usage};
use super::task::checked;
use super::wiring::People;
use crate::audience::{Audiences, Target, write_atomically};
use crate::base::{Problem, Problems, Timestamp};
use crate::dispatch::backtest::{Backtest, Trial, backtest};
use crate::store::Snapshot;
use crate::task::{State, Task};
use rows::Rows;

/// What a task that was not created is called.
const NAMELESS: &str = "backtest";
/// Warnings about the task's own start and end.
const OF_ITS_PERIOD: [&str; 2] = ["TSK-009", "TSK-018"];

/// Plays history through a task and tells what came of it.
/// Errors: CLI-001, CLI-002 a file that cannot be read, TSK-… mistakes in it, TSK-011 no such task, and those of
/// [`backtest`].
pub fn run(asked: &Asked, session: &Session, door: &mut Door) -> Done {
    asked.telling.check()?;
    let target = asked.out.as_deref().map(target_of).transpose()?;
    let snapshot = session.snapshot()?;
    let crowds = session.audiences()?;
    let (from, to) = (session.as_of(Some(&asked.from))?, session.as_of(Some(&asked.to))?);
    let (task, is_created) = task_of(asked, from, (&snapshot, &crowds), session, door)?;
    let trial = Trial {
        app: &session.app,
        task: &task,
        is_created,
        from,
        to,
        now: session.environment.now,
        snapshot: &snapshot,
        crowds: &crowds,
        directory: &People(&snapshot),
        blacklist: session.settings.blacklist.as_deref(),
        daily_at: session.settings.daily_at,
        pace: session.pace,
    };
    let found = match asked.out.as_deref().zip(target) {
        Some((path, target)) => written(&trial, path, target)?,
        None => backtest(&trial, &mut |_| Ok(()))?,
    };
    telling::tell(asked, &trial, &found, door)
}

/// The task that is meant: a file's, or one of the app's.
fn task_of(
    asked: &Asked,
    from: Timestamp,
    (snapshot, crowds): (&Snapshot, &Audiences),
    session: &Session,
    door: &mut Door,
) -> Result<(Task, bool), Failure> {
    let is_id = asked.task.strip_prefix('t').is_some_and(|no| no.parse::<u32>().is_ok());
    if is_id && !Path::new(&asked.task).exists() {
        return Ok((session.tasks()?.task(&asked.task)?, true));
    }
    let mut found = checked(&asked.task, snapshot, crowds, session)?;
    // Its own period is not asked.
    found.warnings.retain(|warning| !OF_ITS_PERIOD.contains(&warning.code));
    door.warn(&found.warnings);
    let task = Task {
        id: NAMELESS.to_string(),
        state: State::Draft,
        cause: None,
        version: 1,
        epoch: 0,
        created_at: from,
        creator: String::new(),
        deleted_at: None,
        zone: session.settings.zone,
        file: found.file,
    };
    Ok((task, false))
}

fn target_of(path: &Path) -> Result<Target, Failure> {
    let refused = || {
        let cure = "name a .csv, .ndjson or .parquet file";
        usage(format!("--out {}", path.display()), "fires are written as CSV, NDJSON or Parquet", cure)
    };
    Target::of(path).filter(|target| !matches!(target, Target::Bitmap(_) | Target::Xlsx)).ok_or_else(refused)
}

/// The same, with each fire as a row of a file, which appears whole or not at all.
fn written(trial: &Trial, path: &Path, target: Target) -> Result<Backtest, Problems> {
    let mut found = None;
    let done = write_atomically(path, |file| {
        let mut rows = Rows::new(target, file, trial.task.zone)?;
        let played = backtest(trial, &mut |fire| rows.add(fire));
        let is_fine = played.is_ok();
        found = Some(played);
        if is_fine { rows.finish() } else { Err(Problem::bug("no rows")) }
    });
    match found {
        Some(Err(problems)) => Err(problems),
        Some(Ok(found)) => done.map(|()| found).map_err(Problems::from),
        None => Err(done.err().unwrap_or_else(|| Problem::bug("nothing was tried")).into()),
    }
}
