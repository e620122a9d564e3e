//! Which tasks are there, in which state, and who moved them when?
//!
//! Tables in the app's `meta.db`: `tasks` (one row each), `task_versions` (the text of each
//! version, with the zone in which it was read) and `task_moves` (the audit trail).

use std::ops::Deref;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;

use crate::base::{Outcome, Problem, Problems, Timestamp, Zone};

use super::file::{TaskFile, Trigger, read};
use super::life::State;
use super::rule::Rule;
use super::slot::Slot;

/// A task as it stands now.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Short and readable: `t1`, `t2` … in one app.
    pub id: String,
    pub state: State,
    /// Why it was rejected, cancelled or failed.
    pub cause: Option<String>,
    /// Counts from 1; a new one for each edit.
    pub version: u32,
    /// Counts from 0; a new one only by a deliberate "run again".
    pub epoch: u32,
    pub created_at: Timestamp,
    /// Who made it.
    pub creator: String,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
    /// The zone in which its local times are meant.
    pub zone: Zone,
    pub file: TaskFile,
}

/// A task that the calendar starts, with one of its runs. Where only such a task makes sense this
/// is asked for, so that no other can come there.
#[derive(Debug, Clone, Copy)]
pub struct Scheduled<'t> {
    pub task: &'t Task,
    pub slot: &'t Slot,
}

impl Deref for Scheduled<'_> {
    type Target = Task;

    fn deref(&self) -> &Task {
        self.task
    }
}

impl Task {
    /// This task with a run of its calendar.
    pub fn scheduled<'t>(&'t self, slot: &'t Slot) -> Scheduled<'t> {
        Scheduled { task: self, slot }
    }

    /// Does the calendar start it?
    pub fn is_scheduled(&self) -> bool {
        self.rule().is_none()
    }

    /// Its rule on what users do, if it has one.
    pub fn rule(&self) -> Option<&Rule> {
        match &self.file.trigger {
            Trigger::Once(_) | Trigger::Repeat(_) => None,
            Trigger::Rule(rule) => Some(rule),
        }
    }
}

/// One line of the audit trail.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MoveRow {
    pub task: String,
    /// Milliseconds UTC.
    pub at: Timestamp,
    pub who: String,
    #[serde(rename = "move")]
    pub step: String,
    /// Absent for the making of the task.
    pub from: Option<String>,
    pub to: String,
    pub note: Option<String>,
}

impl MoveRow {
    pub(super) fn new(
        task: &str,
        step: &str,
        from: Option<State>,
        to: State,
        who: &str,
        at: Timestamp,
    ) -> MoveRow {
        MoveRow {
            task: task.to_string(),
            at,
            who: who.to_string(),
            step: step.to_string(),
            from: from.map(|state| state.word().to_string()),
            to: to.word().to_string(),
            note: None,
        }
    }
}

/// The tasks of one app.
pub struct Tasks {
    pub(super) db: Connection,
}

const TABLES: &str = "
    create table if not exists tasks (
        no integer primary key autoincrement, state text not null, cause text, version integer not null,
        epoch integer not null default 0, created_at integer not null);
    create table if not exists task_versions (
        task integer not null references tasks(no), version integer not null, text text not null,
        zone text not null, made_at integer not null, made_by text not null, primary key (task, version));
    create table if not exists task_moves (
        no integer primary key, task integer not null references tasks(no), at integer not null,
        who text not null, move text not null, from_state text, to_state text not null, note text);
    create table if not exists deleted_tasks (task integer primary key references tasks(no), at integer not null);
    create index if not exists moves_of_task on task_moves (task);";

/// Its version is chosen by what follows.
const TASK: &str = "select t.no, t.state, t.cause, v.version, t.epoch, t.created_at, v.text, v.zone,
    (select made_by from task_versions first where first.task = t.no and first.version = 1), d.at
    from tasks t join task_versions v on v.task = t.no left join deleted_tasks d on d.task = t.no where ";

impl Tasks {
    /// The tasks in `meta.db`, whose tables are made when they are absent.
    pub fn open(db: Connection) -> Outcome<Tasks> {
        db.execute_batch(TABLES).map_err(disk_trouble)?;
        db.execute_batch(super::register::TABLES).map_err(disk_trouble)?;
        Ok(Tasks { db })
    }

    /// One task by its id. Errors: TSK-011 with the ids that there are.
    pub fn task(&self, id: &str) -> Outcome<Task> {
        let no = no_of(id).map_err(|_| self.unknown(id))?;
        let found = self
            .db
            .query_row(&format!("{TASK} t.no = ?1 and v.version = t.version"), [no], stored)
            .optional();
        found.map_err(disk_trouble)?.ok_or_else(|| self.unknown(id))?.task()
    }

    /// The id that the next task will get. Errors: OUT-030.
    pub fn next_id(&self) -> Outcome<String> {
        let sql = "select coalesce(max(no), 0) + 1 from tasks";
        self.db.query_row(sql, [], |row| row.get(0)).map(id_of).map_err(disk_trouble)
    }

    /// A task as one of its versions says. Errors: OUT-030.
    pub(super) fn stored_at(&self, id: &str, version: u32) -> Outcome<Option<Task>> {
        let sql = format!("{TASK} t.no = ?1 and v.version = ?2");
        let found = self.db.query_row(&sql, params![no_of(id)?, version], stored).optional();
        found.map_err(disk_trouble)?.map(Stored::task).transpose()
    }

    /// All tasks that are not deleted, the oldest first.
    pub fn list(&self) -> Outcome<Vec<Task>> {
        self.list_where("true")
    }

    /// The tasks to which the clock can do something, the oldest first.
    pub fn alive(&self) -> Outcome<Vec<Task>> {
        self.list_where("t.state in ('approved', 'running', 'paused', 'failed')")
    }

    fn list_where(&self, condition: &str) -> Outcome<Vec<Task>> {
        let sql = format!("{TASK} v.version = t.version and d.at is null and {condition} order by t.no");
        let mut query = self.db.prepare_cached(&sql).map_err(disk_trouble)?;
        let rows = query.query_map([], stored).map_err(disk_trouble)?;
        rows.map(|row| row.map_err(disk_trouble)?.task()).collect()
    }

    /// The audit trail of a task, the oldest first.
    pub fn moves(&self, id: &str) -> Outcome<Vec<MoveRow>> {
        let sql =
            "select at, who, move, from_state, to_state, note from task_moves where task = ?1 order by no";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let rows = query.query_map([no_of(id)?], |row| move_row(id, row)).map_err(disk_trouble)?;
        rows.map(|row| row.map_err(disk_trouble)).collect()
    }

    /// What happened to tasks after row `no` of the audit trail, in order, each with its row.
    pub fn moves_after(&self, no: i64) -> Outcome<Vec<(i64, MoveRow)>> {
        let sql = "select at, who, move, from_state, to_state, note, no, task from task_moves where no > ?1 order by no";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let read = |row: &Row| {
            let id = id_of(row.get(7)?);
            Ok((row.get(6)?, move_row(&id, row)?))
        };
        let rows = query.query_map([no], read).map_err(disk_trouble)?;
        rows.map(|row| row.map_err(disk_trouble)).collect()
    }

    pub(super) fn begin(&self) -> Outcome<Transaction<'_>> {
        Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate).map_err(disk_trouble)
    }

    fn unknown(&self, id: &str) -> Problem {
        let no: i64 =
            self.db.query_row("select coalesce(max(no), 0) from tasks", [], |row| row.get(0)).unwrap_or(0);
        let there = if no == 0 {
            "there is none yet".into()
        } else {
            format!("there are {} to {}", id_of(1), id_of(no))
        };
        Problem::author("TSK-011", format!("no task is called `{id}`; {there}"))
            .cure("see `quanke task list`")
    }
}

/// A database that could not be read or written, as a problem.
pub fn disk_trouble(error: rusqlite::Error) -> Problem {
    let full = matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull));
    let cure = if full {
        "free some disk space and run the command again"
    } else {
        "run the command again; nothing was half written"
    };
    Problem::outside("OUT-030", format!("the home's database could not be used: {error}")).cure(cure)
}

struct Stored {
    no: i64,
    state: String,
    cause: Option<String>,
    version: u32,
    epoch: u32,
    created_at: i64,
    text: String,
    zone: String,
    creator: String,
    deleted_at: Option<i64>,
}

fn stored(row: &Row) -> rusqlite::Result<Stored> {
    Ok(Stored {
        no: row.get(0)?,
        state: row.get(1)?,
        cause: row.get(2)?,
        version: row.get(3)?,
        epoch: row.get(4)?,
        created_at: row.get(5)?,
        text: row.get(6)?,
        zone: row.get(7)?,
        creator: row.get(8)?,
        deleted_at: row.get(9)?,
    })
}

impl Stored {
    fn task(self) -> Outcome<Task> {
        let id = id_of(self.no);
        let odd = |what: &str| Problem::bug(format!("meta.db has {what} for task {id}"));
        let zone = Zone::named(&self.zone).ok_or_else(|| odd("an unknown zone"))?;
        let file = read(&self.text, &id, &zone).map_err(|problems| first(problems, &id))?;
        let state = State::of(&self.state).ok_or_else(|| odd("an unknown state"))?;
        let created_at = Timestamp(self.created_at);
        Ok(Task {
            state,
            cause: self.cause,
            version: self.version,
            epoch: self.epoch,
            created_at,
            creator: self.creator,
            deleted_at: self.deleted_at.map(Timestamp),
            zone,
            file,
            id,
        })
    }
}

fn first(problems: Problems, id: &str) -> Problem {
    let fallback = || Problem::bug(format!("task {id} cannot be read any more"));
    problems.0.into_iter().next().unwrap_or_else(fallback)
}

fn move_row(id: &str, row: &Row) -> rusqlite::Result<MoveRow> {
    Ok(MoveRow {
        task: id.to_string(),
        at: Timestamp(row.get(0)?),
        who: row.get(1)?,
        step: row.get(2)?,
        from: row.get(3)?,
        to: row.get(4)?,
        note: row.get(5)?,
    })
}

pub(super) fn id_of(no: i64) -> String {
    format!("t{no}")
}

pub(super) fn no_of(id: &str) -> Outcome<i64> {
    let no = id.strip_prefix('t').and_then(|digits| digits.parse().ok());
    no.ok_or_else(|| Problem::author("TSK-011", format!("`{id}` is no task id; ids look like t1")))
}
