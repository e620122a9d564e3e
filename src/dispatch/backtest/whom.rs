//! Who may be reached at which instant of history?
//!
//! A selection is evaluated as of `from`; one that is made anew daily at each daily instant, as of its local
//! midnight. Of a crowd the versions count that were there then; where all came later, the oldest.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::audience::{CrowdVersion, State, Update as Rhythm};
use crate::base::{Day, Outcome, Problems, Timestamp};
use crate::task::{Audience, Update};

use super::Trial;

/// Users; `None` is everyone.
pub type Users = Option<Arc<RoaringBitmap>>;

/// The audience of a trial over time.
pub struct Whom<'a> {
    trial: &'a Trial<'a>,
    /// Of a daily crowd: from when each version is in force, ascending.
    versions: Vec<(Timestamp, u32)>,
}

impl<'a> Whom<'a> {
    /// Looks the audience's crowd up. Errors: CRD-002 unknown, CRD-007 without a version.
    pub fn new(trial: &'a Trial<'a>) -> Outcome<Whom<'a>> {
        let versions = match &trial.task.file.audience {
            Audience::Crowd(name) => versions(trial, name)?,
            _ => Vec::new(),
        };
        Ok(Whom { trial, versions })
    }

    /// Who may be reached at `from`.
    /// Errors: as [`Whom::at`].
    pub fn first(&self) -> Result<Users, Problems> {
        let from = self.trial.from;
        match &self.trial.task.file.audience {
            Audience::Selection(_) if self.is_daily() => {
                let today = self.trial.snapshot.zone().day_of(from);
                let latest = if self.daily(today) <= from { today } else { today.plus(-1) };
                self.at(self.daily(latest))
            }
            _ => self.at(from),
        }
    }

    /// The instants within `[from, to)` at which the audience becomes another.
    pub fn switches(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let zone = self.trial.snapshot.zone();
        let mut found: Vec<Timestamp> = match &self.trial.task.file.audience {
            Audience::Selection(_) if self.is_daily() => {
                (zone.day_of(from).0..=zone.day_of(to).0).map(|day| self.daily(Day(day))).collect()
            }
            _ => self.versions.iter().map(|(at, _)| *at).collect(),
        };
        found.retain(|at| from <= *at && *at < to);
        found.dedup();
        found
    }

    /// Who may be reached from an instant of [`Whom::switches`] on.
    /// Errors: SEL-… mistakes of the selection, CRD-… of crowds, STO-002.
    pub fn at(&self, at: Timestamp) -> Result<Users, Problems> {
        let (crowds, snapshot) = (self.trial.crowds, self.trial.snapshot);
        match &self.trial.task.file.audience {
            Audience::Everyone => Ok(None),
            Audience::Selection(text) => {
                let as_of =
                    if self.is_daily() { snapshot.zone().start_of(snapshot.zone().day_of(at)) } else { at };
                let (_, prepared) = crowds.prepare_text(text, as_of, snapshot)?;
                Ok(Some(Arc::new(prepared.users(snapshot)?)))
            }
            Audience::Crowd(name) => {
                let (_, users) = crowds.users(name, self.version_at(at))?;
                Ok(Some(Arc::new(users & snapshot.universe())))
            }
        }
    }

    fn is_daily(&self) -> bool {
        self.trial.task.file.update == Update::Daily
    }

    /// When the audiences of a day are made.
    fn daily(&self, day: Day) -> Timestamp {
        self.trial.snapshot.zone().instant(day.date().and_time(self.trial.daily_at))
    }

    /// The newest version in force at `at`, or the oldest.
    fn version_at(&self, at: Timestamp) -> Option<u32> {
        let place = self.versions.partition_point(|(from, _)| *from <= at).saturating_sub(1);
        self.versions.get(place).map(|(_, no)| *no)
    }
}

/// The versions of a crowd and when each came into force; of one that is not daily, only that of `from`.
fn versions(trial: &Trial, name: &str) -> Outcome<Vec<(Timestamp, u32)>> {
    let overview = trial.crowds.show(name, trial.now)?;
    let since = |version: &CrowdVersion| version.as_of.max(version.made_at);
    let complete = overview.versions.iter().filter(|version| version.state == State::Complete);
    let mut all: Vec<(Timestamp, u32)> = complete.map(|version| (since(version), version.no)).collect();
    all.sort_unstable();
    if all.is_empty() {
        trial.crowds.users(name, None)?;
    }
    if overview.crowd.update != Rhythm::Daily {
        let place = all.partition_point(|(at, _)| *at <= trial.from).saturating_sub(1);
        all = all.get(place).into_iter().copied().collect();
    }
    Ok(all)
}
