//! How does a writer begin, after whatever happened before?
//!
//! Flow: claim an epoch, so that an older writer stops → [`survey`] → set aside what an operator has
//! given up → a new segment behind the last whole group. The last group is written once more into the
//! new segment: the old bytes may be in the system's memory only, and a sync that failed once may
//! never bring them to the disk. No file is ever cut or written over, so a crash in here leaves what
//! was there before.

use std::sync::Arc;

use crate::base::{Outcome, Problem};

use super::disk::Disk;
use super::frame::app_hash;
use super::names;
use super::problems::{self, Told};
use super::scan::Cut;
use super::survey::{Files, Survey, survey};
use super::writer::{Limits, Log};

/// How a log is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whose log it is; another app's is refused.
    pub app: String,
    /// The fencing token of this writer; `None`: one more than the newest.
    pub epoch: Option<u64>,
    /// Somebody acted on all records before this one (the ledger's cursor), so they must be there.
    pub known: u64,
    /// What an operator has decided after damage: records from this one on are given up.
    pub up_to: Option<u64>,
    /// When to write and where to cut.
    pub limits: Limits,
}

impl Settings {
    /// The usual settings for an app.
    pub fn of(app: &str) -> Settings {
        Settings { app: app.to_string(), epoch: None, known: 0, up_to: None, limits: Limits::default() }
    }
}

/// What a start found.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// The first record to be replayed: the snapshot's position, 0 without one.
    pub start: u64,
    /// The newest whole snapshot; [`Log::open_snapshot`] reads it.
    pub snapshot: Option<u64>,
    /// The position after the last record; all before it are durable.
    pub end: u64,
    /// The last write, when it did not finish.
    pub cut: Option<Cut>,
    /// What a person should see: LOG-010 for a cut tail, LOG-011 or LOG-020 for each snapshot that was passed
    /// over, LOG-003 for damage before the snapshot that is used.
    pub notes: Vec<Problem>,
    /// Files that were given up, under their new names.
    pub aside: Vec<String>,
}

impl Log {
    /// Opens the log in a folder, or begins one.
    /// Errors: LOG-001 and LOG-002 for the disk; LOG-003, LOG-004, LOG-005, LOG-020 for damage that only an
    /// operator may pass (`up_to`); LOG-006 for a log of another app or a newer program; LOG-007 when
    /// the epoch is older than the newest; LOG-009 when the log is not whole up to `up_to`.
    pub fn open(disk: Arc<dyn Disk>, settings: &Settings) -> Outcome<(Log, Recovered)> {
        let before = Files::list(disk.as_ref())?;
        let epoch = claim(disk.as_ref(), &before, settings.epoch)?;
        let found = survey(&disk, &settings.app, settings.known, settings.up_to)?;
        check_damage(&found, settings.up_to)?;
        let aside = set_aside(disk.as_ref(), &found, settings.up_to)?;
        let mut log = Log::new(&disk, app_hash(&settings.app), epoch, settings.limits, found.end);
        log.segments = found.files.accepted(settings.up_to.unwrap_or(u64::MAX));
        log.snapshots = kept_snapshots(&found);
        let first = found.last.as_ref().map_or(found.end, |group| group.from());
        log.begin_segment(first, found.last.as_ref())?;
        sweep(disk.as_ref(), &found.files, &log);
        let Survey { start, snapshot, end, cut, notes, .. } = found;
        Ok((log, Recovered { start, snapshot, end, cut, notes, aside }))
    }
}

/// Makes our epoch known, durably, before anything is read.
fn claim(disk: &dyn Disk, files: &Files, wanted: Option<u64>) -> Outcome<u64> {
    let newest = files.newest_epoch();
    let epoch = wanted.unwrap_or(newest.saturating_add(1));
    if epoch < newest {
        return Err(problems::fenced(&disk.place(""), epoch, newest));
    }
    let name = names::claim(epoch);
    disk.create(&name).told(disk, &name)?;
    disk.sync_folder().map_err(|error| problems::not_synced(&disk.place(""), &error, 0))?;
    Ok(epoch)
}

fn check_damage(found: &Survey, up_to: Option<u64>) -> Outcome<()> {
    match (&found.damage, up_to) {
        (None, _) => Ok(()),
        (Some(damage), None) => Err(damage.clone()),
        (Some(damage), Some(up_to)) => Err(problems::not_up_to(up_to, damage)),
    }
}

/// Gives other names to the files that hold only what was given up; nothing is removed.
fn set_aside(disk: &dyn Disk, found: &Survey, up_to: Option<u64>) -> Outcome<Vec<String>> {
    let Some(up_to) = up_to else { return Ok(Vec::new()) };
    let names = found.files.beyond(up_to);
    for name in &names {
        disk.rename(name, &names::aside(name)).told(disk, name)?;
    }
    disk.sync_folder().map_err(|error| problems::not_synced(&disk.place(""), &error, up_to))?;
    Ok(names.iter().map(|name| names::aside(name)).collect())
}

/// The snapshot that is used and the one before it.
fn kept_snapshots(found: &Survey) -> Vec<u64> {
    let before = found.files.snapshots.iter().rev().copied().find(|position| *position < found.start);
    before.into_iter().chain(found.snapshot).collect()
}

/// Takes away what earlier writers left half done. What stays, the next start takes.
fn sweep(disk: &dyn Disk, files: &Files, log: &Log) {
    let replaced = files.segments.iter().filter(|segment| {
        log.segments.iter().any(|current| current.first == segment.first && current.epoch > segment.epoch)
    });
    let claims = files.claims.iter().filter(|epoch| **epoch < log.epoch()).map(|epoch| names::claim(*epoch));
    let names = replaced.map(|segment| segment.name()).chain(claims).chain(files.parts.iter().cloned());
    for name in names {
        let _ = disk.remove(&name);
    }
}
