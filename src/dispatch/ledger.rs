//! What was decided, durably, before anything leaves?
//!
//! `ledger.db` of an app: `runs`, their touches in `pages` of 4,096 [`Seat`]s, `notes` (words of channels),
//! `batches` (with their bytes until they are settled), `counts` (touches by state and reason, kept in the
//! same commits), `handles` (by which names receipts call touches) and the `clock`. In a trigger's run `fires` says whose a seat is, and `place` how far
//! the trigger's decisions are in the book. Every commit is on disk when it returns.

use std::path::Path;

use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::base::{Outcome, Problem, Timestamp};
use crate::store::migrate;
use crate::task::{Scheduled, disk_trouble};

use super::book::{Book, Counts};
use super::held::HELD;
use super::lists::LISTS;
use super::outside::Resolved;
use super::pages::{self, PAGES};
use super::spent::SPENT;
use super::state::{Reason, RunState, TouchState};
use super::suspend::SUSPENDED;

/// The place of a touch in its run. In a run of the calendar, where a user has one touch, it is the user's
/// number; in a trigger's run it is the how-manieth fire of the run, from 0.
pub type Seat = u32;

/// The ledger of one app; one process at a time writes it (the home's lock sees to that).
pub struct Ledger {
    pub(super) db: Connection,
}

/// One run of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub(super) no: i64,
    pub task: String,
    pub epoch: u32,
    /// The planned local time; the local day of release in a trigger's run.
    pub occurrence: String,
    /// The version of the task that runs.
    pub version: u32,
    pub planned_at: Timestamp,
    pub state: RunState,
    /// Why it was missed, skipped, stalled or stopped.
    pub cause: Option<String>,
    pub as_of: Option<Timestamp>,
    pub data_version: Option<u64>,
    pub crowd_version: Option<String>,
    /// Users in its audience.
    pub size: u64,
    /// Touches written so far.
    pub due: i64,
    /// Users below have their row.
    pub(super) next_user: u64,
    /// Seats below had their chance of a batch.
    pub(super) cut_seat: u64,
    /// Batches cut so far.
    pub batch_count: u64,
    /// When the ledger last got something new about it.
    pub progress_at: Timestamp,
    /// It fell due while the task was paused: every touch is suppressed.
    pub is_paused: bool,
    /// Touches of a trigger that were out when the B came that would have cancelled them.
    pub contradicted: i64,
}

/// As the first version had them.
pub(super) const TABLES: &str = "
    create table if not exists clock (id integer primary key check (id = 0), at integer not null);
    create table if not exists runs (
        no integer primary key, task text not null, epoch integer not null, occurrence text not null,
        version integer not null, planned_at integer not null, state text not null, cause text,
        as_of integer, data_version integer, crowd_version text, size integer not null default 0,
        due integer not null default 0, users blob, blocked blob, next_user integer not null default 0,
        cut_user integer not null default 0, batch_count integer not null default 0,
        progress_at integer not null, is_paused integer not null default 0, unique (task, epoch, occurrence));
    create table if not exists counts (
        run integer not null references runs(no), state integer not null, reason integer not null,
        count integer not null, primary key (run, state, reason)) without rowid;
    create table if not exists batches (
        run integer not null references runs(no), no integer not null, state text not null, size integer not null,
        attempts integer not null, handed_at integer, answered_at integer, cause text, payload blob,
        primary key (run, no)) without rowid;
    create table if not exists touches (
        run integer not null references runs(no), user integer not null, state integer not null,
        reason integer not null, batch integer, note text, primary key (run, user)) without rowid;";

/// A touch goes by its seat, and triggers fire.
const FIRES: &str = "
    alter table touches rename column user to seat;
    alter table runs rename column cut_user to cut_seat;
    alter table runs add column contradicted integer not null default 0;
    create table fires (
        run integer not null references runs(no), seat integer not null, user integer not null,
        occurrence text not null, base_at integer not null, due_at integer, contradicted_at integer,
        primary key (run, seat)) without rowid;
    create index fires_of_user on fires (user, occurrence);
    create index open_batches on batches (run) where payload is not null;
    create table place (
        id integer primary key check (id = 0), position integer not null, part integer not null);";

/// By which names receipts call touches.
const HANDLES: &str = "
    create table handles (
        handle blob primary key, run integer not null references runs(no), seat integer not null) without rowid;";

const RUN: &str =
    "select no, task, epoch, occurrence, version, planned_at, state, cause, as_of, data_version,
    crowd_version, size, due, next_user, cut_seat, batch_count, progress_at, is_paused, contradicted from runs";

impl Ledger {
    /// Opens or makes the ledger at `path`; an older one is brought up to date.
    /// Errors: OUT-011, OUT-030, STO-011 when a newer program wrote it.
    pub fn open(path: &Path) -> Outcome<Ledger> {
        let mut db = Connection::open(path).map_err(disk_trouble)?;
        let mode: String = db
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
            .map_err(disk_trouble)?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(Problem::outside(
                "OUT-030",
                format!("ledger.db cannot use a write-ahead log, only `{mode}`"),
            ));
        }
        db.execute_batch("pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 5000;")
            .map_err(disk_trouble)?;
        let [staff, todos] = super::staff::TABLES;
        let steps = [TABLES, FIRES, HANDLES, PAGES, SPENT, HELD, SUSPENDED, LISTS, staff, todos];
        migrate(&mut db, "ledger", &steps).map_err(|problem| problem.at("ledger.db"))?;
        pages::from_rows(&db)?;
        Ok(Ledger { db })
    }

    /// The last instant that `run_until` reached, if it ever ran.
    pub fn clock(&self) -> Outcome<Option<Timestamp>> {
        let found = self.db.query_row("select at from clock", [], |row| row.get(0)).optional();
        Ok(found.map_err(disk_trouble)?.map(Timestamp))
    }

    /// The clock reached `at`; it never goes back.
    pub fn set_clock(&self, at: Timestamp) -> Outcome<()> {
        let sql = "insert into clock (id, at) values (0, ?1) on conflict (id) do update set at = max(at, excluded.at)";
        self.db.execute(sql, [at.0]).map(|_| ()).map_err(disk_trouble)
    }

    /// The run of a task at its planned time, which is made if it is not there.
    pub fn plan(&self, task: Scheduled, now: Timestamp) -> Outcome<Run> {
        let (slot, occurrence) = (task.slot, task.slot.occurrence());
        self.db
            .execute(
                "insert or ignore into runs (task, epoch, occurrence, version, planned_at, state, progress_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![task.id, task.epoch, occurrence, task.version, slot.at.0, RunState::Planned.word(), now.0],
            )
            .map_err(disk_trouble)?;
        self.run(task)?.ok_or_else(|| Problem::bug("a planned run is not in the ledger"))
    }

    /// The run of a task at its planned time, if it is known.
    pub fn run(&self, task: Scheduled) -> Outcome<Option<Run>> {
        let sql = format!("{RUN} where task = ?1 and epoch = ?2 and occurrence = ?3");
        let key = params![task.id, task.epoch, task.slot.occurrence()];
        let found = self.db.query_row(&sql, key, read_run).optional().map_err(disk_trouble)?;
        Ok(found)
    }

    /// A run as it stands now.
    pub(super) fn fresh(&self, run: &Run) -> Outcome<Run> {
        self.db.query_row(&format!("{RUN} where no = ?1"), [run.no], read_run).map_err(disk_trouble)
    }

    /// The earliest run of a task that has begun and not come to its end.
    pub(super) fn open_run(&self, task: &str) -> Outcome<Option<Run>> {
        let sql = format!(
            "{RUN} where task = ?1 and state in ('writing', 'sending', 'stalled') order by planned_at, no limit 1"
        );
        self.db.query_row(&sql, [task], read_run).optional().map_err(disk_trouble)
    }

    /// All runs of a task, the earliest first.
    pub fn runs_of(&self, task: &str) -> Outcome<Vec<Run>> {
        let mut query = self
            .db
            .prepare_cached(&format!("{RUN} where task = ?1 order by planned_at, no"))
            .map_err(disk_trouble)?;
        let rows = query.query_map([task], read_run).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    /// A new state of a run, and why.
    pub fn set_state(&self, run: &Run, state: RunState, cause: Option<&str>, now: Timestamp) -> Outcome<()> {
        let sql = "update runs set state = ?2, cause = ?3, progress_at = ?4 where no = ?1";
        self.db.execute(sql, params![run.no, state.word(), cause, now.0]).map(|_| ()).map_err(disk_trouble)
    }

    /// Fixes the users of a run for ever: what comes later in the data does not change it.
    pub fn freeze(&self, run: &Run, found: &Resolved, now: Timestamp) -> Outcome<()> {
        self.db
            .execute(
                "update runs set users = ?2, as_of = ?3, data_version = ?4, crowd_version = ?5, size = ?6,
                 state = ?7, progress_at = ?8 where no = ?1",
                params![
                    run.no,
                    bytes_of(&found.users)?,
                    found.as_of.map(|at| at.0),
                    whole(found.data_version),
                    found.crowd_version,
                    whole(found.users.len()),
                    RunState::Refreshed.word(),
                    now.0
                ],
            )
            .map(|_| ())
            .map_err(disk_trouble)
    }

    /// Fixes who is blocked, and lets the writing of touches begin; `is_paused` blocks everyone.
    pub fn begin_writing(
        &self,
        run: &Run,
        blocked: &RoaringBitmap,
        is_paused: bool,
        now: Timestamp,
    ) -> Outcome<()> {
        let cause = is_paused.then_some("fell due while the task was paused");
        let sql = "update runs set blocked = ?2, state = ?3, is_paused = ?4, cause = ?5, progress_at = ?6 where no = ?1";
        let values = params![run.no, bytes_of(blocked)?, RunState::Writing.word(), is_paused, cause, now.0];
        self.db.execute(sql, values).map(|_| ()).map_err(disk_trouble)
    }

    /// The users of a run and those who are blocked.
    pub fn frozen(&self, run: &Run) -> Outcome<(RoaringBitmap, RoaringBitmap)> {
        let sql = "select users, blocked from runs where no = ?1";
        let read = |row: &Row| Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?));
        let (users, blocked) = self.db.query_row(sql, [run.no], read).map_err(disk_trouble)?;
        Ok((bitmap_of(users)?, bitmap_of(blocked)?))
    }

    /// Touches of a run by state and reason, as counted commit by commit.
    pub fn counts(&self, run: &Run) -> Outcome<Counts> {
        counts_of(&self.db, run.no)
    }

    /// The same numbers, counted anew from the touches.
    pub fn recount(&self, run: &Run) -> Outcome<Counts> {
        let mut counts = Counts::new();
        self.each_touch(run, |_, cell| {
            *counts.entry((cell.state, cell.reason)).or_insert(0) += 1;
            Ok(())
        })?;
        Ok(counts)
    }

    pub(super) fn begin(&self) -> Outcome<Transaction<'_>> {
        Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate).map_err(disk_trouble)
    }
}

impl Run {
    /// Its name: `<task>@<planned local time>`, and `#<epoch>` after a deliberate "run again".
    pub fn name(&self) -> String {
        let again = if self.epoch == 0 { String::new() } else { format!("#{}", self.epoch) };
        format!("{}@{}{again}", self.task, self.occurrence)
    }
}

/// Commits, unless the book of the run would not balance.
pub(super) fn commit(tx: Transaction, run: i64) -> Outcome<()> {
    check_book(&tx, run)?;
    tx.commit().map_err(disk_trouble)
}

/// Does the book of the run balance? Errors: DSP-004.
pub(super) fn check_book(tx: &Transaction, run: i64) -> Outcome<()> {
    let due: i64 =
        tx.query_row("select due from runs where no = ?1", [run], |row| row.get(0)).map_err(disk_trouble)?;
    Book::of(due, &counts_of(tx, run)?).check()
}

/// Adds to the count of touches in a state.
pub(super) fn shift(
    tx: &Connection,
    run: i64,
    state: TouchState,
    reason: Option<Reason>,
    by: i64,
) -> Outcome<()> {
    let sql = "insert into counts (run, state, reason, count) values (?1, ?2, ?3, ?4)
               on conflict (run, state, reason) do update set count = count + excluded.count";
    let values = params![run, state.number(), Reason::number(reason), by];
    tx.prepare_cached(sql).and_then(|mut insert| insert.execute(values)).map(|_| ()).map_err(disk_trouble)
}

fn counts_of(db: &Connection, run: i64) -> Outcome<Counts> {
    let sql = "select state, reason, count from counts where run = ?1";
    let mut query = db.prepare_cached(sql).map_err(disk_trouble)?;
    let mut rows = query.query([run]).map_err(disk_trouble)?;
    let mut counts = Counts::new();
    while let Some(row) = rows.next().map_err(disk_trouble)? {
        let read = || Ok::<(i64, i64, i64), rusqlite::Error>((row.get(0)?, row.get(1)?, row.get(2)?));
        let (state, reason, count) = read().map_err(disk_trouble)?;
        let state = TouchState::of(state)
            .ok_or_else(|| Problem::bug(format!("the ledger has a touch state {state}")))?;
        if count != 0 {
            counts.insert((state, Reason::of(reason)), count);
        }
    }
    Ok(counts)
}

fn read_run(row: &Row) -> rusqlite::Result<Run> {
    let state: String = row.get(6)?;
    Ok(Run {
        no: row.get(0)?,
        task: row.get(1)?,
        epoch: row.get(2)?,
        occurrence: row.get(3)?,
        version: row.get(4)?,
        planned_at: Timestamp(row.get(5)?),
        state: RunState::of(&state).ok_or(rusqlite::Error::InvalidColumnName(state))?,
        cause: row.get(7)?,
        as_of: row.get::<_, Option<i64>>(8)?.map(Timestamp),
        data_version: row.get::<_, Option<i64>>(9)?.map(i64::unsigned_abs),
        crowd_version: row.get(10)?,
        size: count_at(row, 11)?,
        due: row.get(12)?,
        next_user: count_at(row, 13)?,
        cut_seat: count_at(row, 14)?,
        batch_count: count_at(row, 15)?,
        progress_at: Timestamp(row.get(16)?),
        is_paused: row.get(17)?,
        contradicted: row.get(18)?,
    })
}

pub(super) fn bytes_of(users: &RoaringBitmap) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::with_capacity(users.serialized_size());
    users.serialize_into(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn bitmap_of(bytes: Option<Vec<u8>>) -> Outcome<RoaringBitmap> {
    let Some(bytes) = bytes else { return Ok(RoaringBitmap::new()) };
    RoaringBitmap::deserialize_from(bytes.as_slice())
        .map_err(|e| Problem::bug(format!("a bitmap in the ledger cannot be read: {e}")))
}

/// A count as SQLite keeps it; counts beyond 63 bits do not occur.
pub(super) fn whole(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// A count out of a row.
pub(super) fn count_at(row: &Row, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
