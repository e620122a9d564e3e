//! Which crowds and versions are there? The tables of this room in `meta.db`.
//!
//! Every change is one transaction; the bitmap's file is written inside it, before the row, so
//! that a file without a row is always what an interrupted writer left.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;

use super::files::{Files, Written};
use super::guard::Guard;
use super::rules::{Graph, crowds_in};
use super::version::{CrowdVersion, State};
use crate::base::{Outcome, Problem, Timestamp};
use crate::select::ast::Selection;
use crate::store::database;

/// The tables, in steps that are only ever added to.
pub const STEPS: &[&str] = &[
    "
    CREATE TABLE crowds (
        no INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        update_type TEXT NOT NULL CHECK (update_type IN ('once', 'daily', 'on_demand', 'upload')),
        owner TEXT,
        is_listed INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        deleted_at INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX crowd_names ON crowds (name) WHERE deleted_at IS NULL;
    CREATE TABLE crowd_rules (
        crowd INTEGER NOT NULL REFERENCES crowds (no),
        no INTEGER NOT NULL,
        rule TEXT NOT NULL,
        made_at INTEGER NOT NULL,
        PRIMARY KEY (crowd, no)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE crowd_versions (
        crowd INTEGER NOT NULL REFERENCES crowds (no),
        no INTEGER NOT NULL,
        as_of INTEGER NOT NULL,
        made_at INTEGER NOT NULL,
        rule_version INTEGER NOT NULL,
        size INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        data_version INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('computing', 'complete', 'failed', 'cancelled')),
        file TEXT NOT NULL,
        checksum TEXT NOT NULL,
        cause TEXT NOT NULL,
        uses TEXT NOT NULL,
        PRIMARY KEY (crowd, no)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE held_versions (
        crowd INTEGER NOT NULL REFERENCES crowds (no),
        no INTEGER NOT NULL,
        as_of INTEGER NOT NULL,
        made_at INTEGER NOT NULL,
        rule_version INTEGER NOT NULL,
        size INTEGER NOT NULL,
        duration_ms INTEGER NOT NULL,
        data_version INTEGER NOT NULL,
        state TEXT NOT NULL
            CHECK (state IN ('computing', 'complete', 'failed', 'cancelled', 'held', 'discarded')),
        file TEXT NOT NULL,
        checksum TEXT NOT NULL,
        cause TEXT NOT NULL,
        uses TEXT NOT NULL,
        PRIMARY KEY (crowd, no)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO held_versions SELECT * FROM crowd_versions;
    DROP TABLE crowd_versions;
    ALTER TABLE held_versions RENAME TO crowd_versions;
    ALTER TABLE crowds ADD COLUMN guard INTEGER;
    CREATE TABLE crowd_queue (
        crowd INTEGER PRIMARY KEY REFERENCES crowds (no),
        at INTEGER NOT NULL,
        as_of INTEGER NOT NULL
    ) STRICT;
",
];

/// When new versions of a crowd are made (semantics 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// One version, fixed for ever.
    Once,
    /// Each day by itself.
    Daily,
    /// When asked to.
    OnDemand,
    /// By uploading a list.
    Upload,
}

impl Update {
    /// The word in tables, JSON and talk.
    pub fn word(self) -> &'static str {
        match self {
            Update::Once => "once",
            Update::Daily => "daily",
            Update::OnDemand => "on_demand",
            Update::Upload => "upload",
        }
    }

    /// The kind that a word of a task file or a table means.
    pub fn of(word: &str) -> Option<Update> {
        [Update::Once, Update::Daily, Update::OnDemand, Update::Upload].into_iter().find(|u| u.word() == word)
    }
}

/// A named audience.
#[derive(Debug, Clone, PartialEq)]
pub struct Crowd {
    /// Its number in this app; names its folder.
    pub no: u32,
    pub name: String,
    pub update: Update,
    /// The selection in force, in its own spelling; nothing for an upload.
    pub rule: Option<String>,
    /// Counted from 1; 0 for an upload.
    pub rule_version: u32,
    /// The task whose own audience this is.
    pub owner: Option<String>,
    /// Is it seen by selections and in lists?
    pub is_listed: bool,
    pub created_at: Timestamp,
    /// Its own guard, if it has one.
    pub guard: Option<Guard>,
}

/// The crowds of one app.
pub struct Registry {
    connection: Connection,
    pub files: Files,
}

const CROWD: &str =
    "SELECT c.no, c.name, c.update_type, r.rule, coalesce(r.no, 0), c.owner, c.is_listed, c.created_at,
    c.guard
    FROM crowds c LEFT JOIN crowd_rules r ON r.crowd = c.no
        AND r.no = (SELECT max(no) FROM crowd_rules WHERE crowd = c.no)
    WHERE c.deleted_at IS NULL";

const VERSION: &str =
    "SELECT no, as_of, made_at, rule_version, size, duration_ms, data_version, state, file, cause,
    uses, checksum FROM crowd_versions WHERE crowd = ?1";

impl Registry {
    /// The crowds in a database whose tables are there already ([`STEPS`]).
    pub fn new(connection: Connection, files: Files) -> Registry {
        Registry { connection, files }
    }

    /// The crowd of this name.
    pub fn find(&self, name: &str) -> Outcome<Option<Crowd>> {
        let sql = format!("{CROWD} AND c.name = ?1");
        self.connection.query_row(&sql, [name], crowd_of).optional().map_err(database)
    }

    /// All crowds by name, those that belong to one task alone among them.
    pub fn all(&self) -> Outcome<Vec<Crowd>> {
        all_in(&self.connection)
    }

    /// The versions of a crowd, oldest first, in every state.
    pub fn versions(&self, crowd: u32) -> Outcome<Vec<CrowdVersion>> {
        versions_in(&self.connection, crowd)
    }

    /// Which crowd's rule uses which crowds.
    pub fn graph(&self) -> Outcome<Graph> {
        graph_in(&self.connection)
    }

    /// The crowds that are due to be made anew, by name: since when, and as of when.
    pub fn queued(&self) -> Outcome<BTreeMap<String, (Timestamp, Timestamp)>> {
        let sql = "SELECT c.name, q.at, q.as_of FROM crowd_queue q JOIN crowds c ON c.no = q.crowd
            WHERE c.deleted_at IS NULL";
        let mut query = self.connection.prepare_cached(sql).map_err(database)?;
        let read = |row: &Row| Ok((row.get(0)?, (Timestamp(row.get(1)?), Timestamp(row.get(2)?))));
        let rows = query.query_map([], read).map_err(database)?;
        rows.collect::<Result<_, _>>().map_err(database)
    }

    /// Is a crowd due to be made anew?
    pub fn has_queued(&self) -> Outcome<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM crowd_queue q JOIN crowds c ON c.no = q.crowd
            WHERE c.deleted_at IS NULL)";
        let mut query = self.connection.prepare_cached(sql).map_err(database)?;
        query.query_row([], |row| row.get(0)).map_err(database)
    }

    /// Runs `work` as one transaction that holds out other writers from its start.
    pub fn change<T>(&mut self, work: impl FnOnce(&Change) -> Outcome<T>) -> Outcome<T> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
        let change = Change { transaction, files: &self.files };
        let value = work(&change)?;
        change.transaction.commit().map_err(database)?;
        Ok(value)
    }
}

/// One transaction over the tables of this room.
pub struct Change<'a> {
    transaction: Transaction<'a>,
    pub files: &'a Files,
}

impl Change<'_> {
    /// Which crowd's rule uses which crowds, as this change sees it.
    pub fn graph(&self) -> Outcome<Graph> {
        graph_in(&self.transaction)
    }

    /// From now on new versions are made by `update`.
    pub fn set_update(&self, crowd: u32, update: Update) -> Outcome<()> {
        let sql = "UPDATE crowds SET update_type = ?2 WHERE no = ?1";
        self.transaction.execute(sql, params![crowd, update.word()]).map(drop).map_err(database)
    }

    /// From now on the crowd has this guard of its own.
    pub fn set_guard(&self, crowd: u32, guard: Option<Guard>) -> Outcome<()> {
        let sql = "UPDATE crowds SET guard = ?2 WHERE no = ?1";
        let millionths = guard.map(|Guard(millionths)| millionths);
        self.transaction.execute(sql, params![crowd, millionths]).map(drop).map_err(database)
    }

    /// From now on the crowd is seen by selections and in lists, or not.
    pub fn set_listed(&self, crowd: u32, is_listed: bool) -> Outcome<()> {
        let sql = "UPDATE crowds SET is_listed = ?2 WHERE no = ?1";
        self.transaction.execute(sql, params![crowd, is_listed]).map(drop).map_err(database)
    }

    /// The crowd is due to be made anew, in place of an earlier time at which it was.
    pub fn queue(&self, crowd: u32, at: Timestamp, as_of: Timestamp) -> Outcome<()> {
        let sql = "INSERT OR REPLACE INTO crowd_queue (crowd, at, as_of) VALUES (?1, ?2, ?3)";
        self.transaction.execute(sql, params![crowd, at.0, as_of.0]).map(drop).map_err(database)
    }

    /// The crowd is not due any more.
    pub fn unqueue(&self, crowd: u32) -> Outcome<()> {
        let sql = "DELETE FROM crowd_queue WHERE crowd = ?1";
        self.transaction.execute(sql, [crowd]).map(drop).map_err(database)
    }

    /// A new crowd; gives its number.
    /// Errors: CRD-003 when the name is taken.
    pub fn add_crowd(
        &self,
        name: &str,
        update: Update,
        owner: Option<&str>,
        is_listed: bool,
        now: Timestamp,
    ) -> Outcome<u32> {
        let sql = "INSERT INTO crowds (name, update_type, owner, is_listed, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";
        let added = self.transaction.execute(sql, params![name, update.word(), owner, is_listed, now.0]);
        match added {
            Err(error) if is_conflict(&error) => Err(taken(name)),
            Err(error) => Err(database(error)),
            Ok(_) => Ok(self.transaction.last_insert_rowid() as u32),
        }
    }

    /// A crowd's next rule; gives its number.
    pub fn add_rule(&self, crowd: u32, rule: &str, now: Timestamp) -> Outcome<u32> {
        let sql = "INSERT INTO crowd_rules (crowd, no, rule, made_at)
            SELECT ?1, coalesce(max(no), 0) + 1, ?2, ?3 FROM crowd_rules WHERE crowd = ?1 RETURNING no";
        self.transaction.query_row(sql, params![crowd, rule, now.0], |row| row.get(0)).map_err(database)
    }

    /// The number that the crowd's next version gets.
    pub fn next_no(&self, crowd: u32) -> Outcome<u32> {
        let sql = "SELECT coalesce(max(no), 0) + 1 FROM crowd_versions WHERE crowd = ?1";
        self.transaction.query_row(sql, [crowd], |row| row.get(0)).map_err(database)
    }

    /// Writes a version's row, in place of an earlier row of the same number.
    pub fn put_version(&self, crowd: u32, version: &CrowdVersion) -> Outcome<()> {
        let sql = "INSERT OR REPLACE INTO crowd_versions (crowd, no, as_of, made_at, rule_version, size, duration_ms,
            data_version, state, file, checksum, cause, uses) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)";
        let uses = serde_json::to_string(&version.uses).map_err(|e| Problem::bug(e.to_string()))?;
        let v = version;
        let values = params![
            crowd,
            v.no,
            v.as_of.0,
            v.made_at.0,
            v.rule_version,
            v.size as i64,
            v.duration_ms as i64,
            v.data_version as i64,
            v.state.word(),
            v.file,
            v.checksum,
            v.cause,
            uses
        ];
        self.transaction.execute(sql, values).map(drop).map_err(database)
    }

    /// Writes the users, then the row that makes them visible when this change is committed; a version that
    /// is held stays invisible. One that was held before is overtaken.
    pub fn publish(
        &self,
        crowd: u32,
        mut version: CrowdVersion,
        users: &roaring::RoaringBitmap,
    ) -> Outcome<CrowdVersion> {
        self.overtake(crowd, version.no)?;
        let Written { file, checksum } = self.files.write(crowd, version.no, users)?;
        let state = if version.state == State::Held { State::Held } else { State::Complete };
        version = CrowdVersion { state, size: users.len(), file, checksum, ..version };
        self.put_version(crowd, &version)?;
        Ok(version)
    }

    /// A version that is held makes room for version `no`; its file goes with the next sweep.
    fn overtake(&self, crowd: u32, no: u32) -> Outcome<()> {
        let sql = "UPDATE crowd_versions SET state = 'discarded', file = '', cause = cause || ?2
            WHERE crowd = ?1 AND state = 'held'";
        let cause = format!("; version {no} took its place");
        self.transaction.execute(sql, params![crowd, cause]).map(drop).map_err(database)
    }

    /// Cleans up after writers that died: versions still computing become cancelled, files
    /// without a complete version go.
    pub fn sweep(&self, crowd: u32) -> Outcome<()> {
        let versions = versions_in(&self.transaction, crowd)?;
        let is_alive = |v: &CrowdVersion| v.state == State::Computing && self.files.is_marked(crowd, v.no);
        for dead in versions.iter().filter(|v| v.state == State::Computing && !is_alive(v)) {
            let cause = "its process ended before it was done".to_string();
            self.put_version(crowd, &CrowdVersion { state: State::Cancelled, cause, ..dead.clone() })?;
        }
        let kept: BTreeSet<u32> =
            versions.iter().filter(|v| is_kept(v.state) || is_alive(v)).map(|v| v.no).collect();
        self.files.sweep(crowd, |no| kept.contains(&no))
    }

    /// Frees a crowd's name; its versions stay for the reports that speak of them.
    pub fn delete(&self, crowd: u32, now: Timestamp) -> Outcome<()> {
        let sql = "UPDATE crowds SET deleted_at = ?2 WHERE no = ?1";
        self.transaction.execute(sql, params![crowd, now.0]).map(drop).map_err(database)
    }
}

/// The crowds that a saved rule names; a rule that no longer reads uses none.
pub fn uses_of(rule: &str) -> BTreeSet<String> {
    match rule.parse::<Selection>() {
        Ok(selection) => crowds_in(&selection).into_iter().map(|name| name.text.clone()).collect(),
        Err(_) => BTreeSet::new(),
    }
}

/// The name is taken: CRD-003.
pub fn taken(name: &str) -> Problem {
    Problem::author("CRD-003", format!("a crowd named `{name}` exists already"))
        .at(format!("crowd '{name}'"))
        .cure("choose another name, give it this selection with `--redefine`, or delete it first")
}

/// Has a version in this state its users on disk?
fn is_kept(state: State) -> bool {
    matches!(state, State::Complete | State::Held)
}

fn is_conflict(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

fn all_in(connection: &Connection) -> Outcome<Vec<Crowd>> {
    let mut query = connection.prepare(&format!("{CROWD} ORDER BY c.name")).map_err(database)?;
    let rows = query.query_map([], crowd_of).map_err(database)?;
    rows.collect::<Result<_, _>>().map_err(database)
}

fn graph_in(connection: &Connection) -> Outcome<Graph> {
    let uses = |crowd: &Crowd| crowd.rule.as_deref().map(uses_of).unwrap_or_default();
    Ok(all_in(connection)?.iter().map(|crowd| (crowd.name.clone(), uses(crowd))).collect())
}

fn versions_in(connection: &Connection, crowd: u32) -> Outcome<Vec<CrowdVersion>> {
    let mut query = connection.prepare(&format!("{VERSION} ORDER BY no")).map_err(database)?;
    let rows = query.query_map([crowd], version_of).map_err(database)?;
    rows.collect::<Result<_, _>>().map_err(database)
}

fn crowd_of(row: &Row) -> rusqlite::Result<Crowd> {
    let update: String = row.get(2)?;
    Ok(Crowd {
        no: row.get(0)?,
        name: row.get(1)?,
        update: Update::of(&update).ok_or_else(|| unreadable(2))?,
        rule: row.get(3)?,
        rule_version: row.get(4)?,
        owner: row.get(5)?,
        is_listed: row.get(6)?,
        created_at: Timestamp(row.get(7)?),
        guard: row.get::<_, Option<u32>>(8)?.map(Guard),
    })
}

fn version_of(row: &Row) -> rusqlite::Result<CrowdVersion> {
    let state: String = row.get(7)?;
    let uses: String = row.get(10)?;
    let uses: BTreeMap<String, u32> = serde_json::from_str(&uses).map_err(|_| unreadable(10))?;
    Ok(CrowdVersion {
        no: row.get(0)?,
        as_of: Timestamp(row.get(1)?),
        made_at: Timestamp(row.get(2)?),
        rule_version: row.get(3)?,
        size: row.get::<_, i64>(4)? as u64,
        duration_ms: row.get::<_, i64>(5)? as u64,
        data_version: row.get::<_, i64>(6)? as u64,
        state: State::of(&state).ok_or_else(|| unreadable(7))?,
        file: row.get(8)?,
        cause: row.get(9)?,
        uses,
        checksum: row.get(11)?,
    })
}

fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "a crowd's row".to_string(), rusqlite::types::Type::Text)
}
