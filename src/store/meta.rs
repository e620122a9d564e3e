//! The small SQLite files of an app: opened one way, and brought up to date by numbered steps.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::base::{MAKE_WRITABLE, Outcome, Problem};

/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(5);

/// Opens (or makes) a database: WAL, every commit synced, foreign keys checked.
/// Errors: OUT-011 when SQLite cannot.
pub fn open(path: &Path) -> Outcome<Connection> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| super::disk::trouble(folder, error))?;
    }
    let opened = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        Ok(connection)
    });
    let opened = match opened {
        Err(_) if path.is_file() && !is_writable(path) => read_only(path),
        other => other,
    };
    opened.map_err(|error| database(error).at(path.display().to_string()))
}

fn is_writable(path: &Path) -> bool {
    std::fs::OpenOptions::new().append(true).open(path).is_ok()
        && path.parent().is_some_and(|folder| tempfile::tempfile_in(folder).is_ok())
}

/// A database in a place that nobody writes to, such as a mounted copy: what is there is read.
fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let escaped = path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
}

/// Brings the tables of `name` up to date: runs the steps that were not run yet, each once, all
/// in one transaction. Steps are only ever added at the end.
/// Errors: STO-011 when the database has had more steps than there are; OUT-011.
pub fn migrate(connection: &mut Connection, name: &str, steps: &[&str]) -> Outcome<()> {
    if done(connection, name).is_ok_and(|done| done == steps.len()) {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(database)?;
    let table =
        "create table if not exists migrations (name text primary key, steps integer not null) strict";
    transaction.execute_batch(table).map_err(database)?;
    let done = done(&transaction, name).map_err(database)?;
    let Some(new) = steps.get(done..) else { return Err(too_new(name, done, steps.len())) };
    let run = || {
        new.iter().try_for_each(|step| transaction.execute_batch(step))?;
        let count = i64::try_from(steps.len()).unwrap_or(i64::MAX);
        transaction.execute("insert or replace into migrations values (?1, ?2)", (name, count))
    };
    run().map_err(database)?;
    transaction.commit().map_err(database)
}

/// A failure of SQLite: the disk, or another process that holds the database.
pub fn database(error: rusqlite::Error) -> Problem {
    let cure = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ReadOnly) => MAKE_WRITABLE,
        _ => {
            "see that the disk has room and that no other process holds the home, then run the command again"
        }
    };
    Problem::outside("OUT-011", format!("the database says: {error}")).cure(cure)
}

fn done(connection: &Connection, name: &str) -> rusqlite::Result<usize> {
    let steps = connection
        .query_row("select steps from migrations where name = ?1", [name], |row| row.get::<_, i64>(0));
    Ok(steps.optional()?.and_then(|steps| usize::try_from(steps).ok()).unwrap_or(0))
}

fn too_new(name: &str, done: usize, known: usize) -> Problem {
    let what = format!("the tables of `{name}` are at step {done}; this program knows {known}");
    Problem::outside("STO-011", what).at("meta.db").cure("use the newer quanke that wrote it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_run_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/meta.db");
        let first = ["create table t (n integer) strict"];
        let both = [first[0], "insert into t values (7)"];
        migrate(&mut open(&path).unwrap(), "crowds", &first).unwrap();
        for _ in 0..2 {
            migrate(&mut open(&path).unwrap(), "crowds", &both).unwrap();
        }
        let connection = open(&path).unwrap();
        let rows: i64 = connection.query_row("select count(*) from t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
        let mode: String = connection.query_row("pragma journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }

    /// A mounted copy: crowds are read, and a write says that it is read-only and what to do.
    #[test]
    fn a_read_only_database_is_read_and_says_so_when_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("100% 圈客?#/meta.db");
        let steps = ["create table t (n integer) strict", "insert into t values (7)"];
        migrate(&mut open(&path).unwrap(), "crowds", &steps).unwrap();
        let mut connection = read_only(&path).unwrap();
        migrate(&mut connection, "crowds", &steps).unwrap();
        let rows: i64 = connection.query_row("select n from t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 7);
        let problem = connection.execute("delete from t", []).map_err(database).unwrap_err();
        assert_eq!(problem.code, "OUT-011");
        assert!(problem.what.contains("readonly") && problem.cure.contains("copy"), "{problem}");
    }

    #[test]
    fn a_failing_step_changes_nothing_and_a_newer_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder.path().join("meta.db")).unwrap();
        let bad = ["create table t (n integer) strict", "nonsense"];
        assert_eq!(migrate(&mut connection, "crowds", &bad).unwrap_err().code, "OUT-011");
        migrate(&mut connection, "crowds", &[bad[0], "create table u (n integer) strict"]).unwrap();
        assert_eq!(migrate(&mut connection, "crowds", &bad[..1]).unwrap_err().code, "STO-011");
    }
}
