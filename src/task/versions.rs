//! Which versions has a task, and which of them holds when?
//!
//! A version is in force from when it was made, or from when the task was approved, until the next is
//! made. A run belongs to the version in force at its planned time, a trigger's window to the one in
//! force at A: so each belongs to exactly one, and an edit changes nothing that is under way.

use rusqlite::{OptionalExtension, params};

use crate::base::{Outcome, Problem, Timestamp};

use super::slot::Slot;
use super::tasks::{Task, Tasks, disk_trouble, no_of};

/// One version, as `task show` lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRow {
    pub version: u32,
    /// The file as it was written.
    pub text: String,
    pub made_at: Timestamp,
    pub made_by: String,
}

/// When a version holds: `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    pub version: u32,
    pub from: Timestamp,
    /// Open for the newest.
    pub to: Option<Timestamp>,
}

/// A planned run, and the task as its version says.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub task: Task,
    pub slot: Slot,
}

impl Tasks {
    /// All versions of a task, the oldest first. Errors: TSK-011, OUT-030.
    pub fn versions(&self, id: &str) -> Outcome<Vec<VersionRow>> {
        let sql =
            "select version, text, made_at, made_by from task_versions where task = ?1 order by version";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let rows = query.query_map([no_of(id)?], |row| {
            Ok(VersionRow {
                version: row.get(0)?,
                text: row.get(1)?,
                made_at: Timestamp(row.get(2)?),
                made_by: row.get(3)?,
            })
        });
        rows.map_err(disk_trouble)?.map(|row| row.map_err(disk_trouble)).collect()
    }

    /// The task as one of its versions says; its state is that of now.
    /// Errors: TSK-011 for an unknown task or version, OUT-030.
    pub fn task_at(&self, task: &Task, version: u32) -> Outcome<Task> {
        if task.version == version {
            return Ok(task.clone());
        }
        self.stored_at(&task.id, version)?.ok_or_else(|| unknown_version(task, version))
    }

    /// When each version of a task holds, the oldest first; nothing before it was approved.
    /// Errors: OUT-030.
    pub fn in_force(&self, task: &Task) -> Outcome<Vec<InForce>> {
        let Some(approved) = self.last_move(&task.id, "approve")? else { return Ok(Vec::new()) };
        let sql = "select version, made_at from task_versions where task = ?1 order by version";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let read = |row: &rusqlite::Row| Ok((row.get::<_, u32>(0)?, Timestamp(row.get(1)?)));
        let rows = query.query_map([no_of(&task.id)?], read).map_err(disk_trouble)?;
        let made: Vec<(u32, Timestamp)> = rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)?;
        let ends = made.iter().skip(1).map(|(_, at)| Some(*at)).chain([None]);
        let all = made.iter().zip(ends).map(|((version, at), to)| InForce {
            version: *version,
            from: (*at).max(approved),
            to,
        });
        Ok(all.filter(|force| force.to.is_none_or(|to| force.from < to)).collect())
    }

    /// The first run that the calendar plans after `after` (from the beginning without it).
    /// Errors: OUT-030.
    pub fn run_after(&self, task: &Task, after: Option<Timestamp>) -> Outcome<Option<Planned>> {
        for force in self.in_force(task)? {
            if after.zip(force.to).is_some_and(|(after, to)| to <= after) {
                continue;
            }
            let from = after.map_or(force.from, |after| after.plus(1).max(force.from));
            let own = self.task_at(task, force.version)?;
            let slot = own.file.slot_from(from, &own.zone);
            if let Some(slot) = slot.filter(|slot| force.to.is_none_or(|to| slot.at < to)) {
                return Ok(Some(Planned { task: own, slot }));
            }
        }
        Ok(None)
    }

    /// The version that a task had when row `no` of the audit trail was written.
    /// Errors: OUT-030.
    pub fn version_of_row(&self, id: &str, no: i64) -> Outcome<u32> {
        let sql = "select 1 + count(*) from task_moves where task = ?1 and no <= ?2 and move = 'edit'";
        self.db.query_row(sql, params![no_of(id)?, no], |row| row.get(0)).map_err(disk_trouble)
    }

    /// When a task was last moved so.
    fn last_move(&self, id: &str, word: &str) -> Outcome<Option<Timestamp>> {
        let sql = "select at from task_moves where task = ?1 and move = ?2 order by no desc limit 1";
        let found = self.db.query_row(sql, params![no_of(id)?, word], |row| row.get(0)).optional();
        Ok(found.map_err(disk_trouble)?.map(Timestamp))
    }
}

fn unknown_version(task: &Task, version: u32) -> Problem {
    let what = format!("task {} has no version {version}; it has 1 to {}", task.id, task.version);
    Problem::author("TSK-011", what).cure(format!("see `quanke task show {}`", task.id))
}
