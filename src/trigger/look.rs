//! What was decided, and why? The log is read through; nothing is changed, and nobody is kept from writing.

use std::sync::Arc;

use crate::base::{Outcome, Timestamp, UserNo};

use super::engine::unreadable;
use super::entry::Entry;
use super::loading::Loaded;
use super::log::{Disk, Survey, survey};
use super::names::Names;
use super::{Decision, State};

/// The state at the end of the log.
pub struct Looked {
    pub state: State,
    pub names: Names,
}

/// What was decided about one user, in order, each with the clock then.
pub struct Traced {
    pub decisions: Vec<(Timestamp, Decision)>,
    pub names: Names,
    /// What happened before this record is in no file any more.
    pub begins_at: u64,
}

/// Reads the log of an app up to its end. Errors: LOG-….
pub fn look(disk: Arc<dyn Disk>, app: &str) -> Outcome<Looked> {
    let survey = sound(disk, app)?;
    let Loaded { mut state, mut names } = match survey.open_snapshot()? {
        Some(reader) => Loaded::read(reader, survey.start)?,
        None => Loaded::nothing(1),
    };
    each(&survey, survey.start, |entry| {
        names.take(entry);
        entry.record(|record| state.step(record, &mut Vec::new()));
    })?;
    Ok(Looked { state, names })
}

/// Everything that was decided about a user, the quiet ends too (a B in time, an A that joined a window
/// that waited). Errors: LOG-….
pub fn trace(disk: Arc<dyn Disk>, app: &str, user: UserNo) -> Outcome<Traced> {
    let survey = sound(disk, app)?;
    let begins_at = survey.first();
    let (mut state, mut names) = (State::tracing(user), Names::default());
    let mut decisions = Vec::new();
    each(&survey, begins_at, |entry| {
        names.take(entry);
        let mut decided = Vec::new();
        entry.record(|record| state.step(record, &mut decided));
        let now = state.now().unwrap_or(Timestamp(0));
        decisions.extend(decided.into_iter().filter(|one| one.user == user).map(|one| (now, one)));
    })?;
    Ok(Traced { decisions, names, begins_at })
}

fn sound(disk: Arc<dyn Disk>, app: &str) -> Outcome<Survey> {
    let survey = survey(&disk, app, 0, None)?;
    match &survey.damage {
        Some(damage) => Err(damage.clone()),
        None => Ok(survey),
    }
}

fn each(survey: &Survey, from: u64, mut look: impl FnMut(&Entry)) -> Outcome<()> {
    let mut reader = survey.read(from)?;
    while let Some(group) = reader.next_group()? {
        for record in group.records() {
            look(&Entry::of(record.kind, record.bytes).ok_or_else(|| unreadable(record.position))?);
        }
    }
    Ok(())
}
