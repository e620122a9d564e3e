//! How does what a trigger decided come into the book, exactly once?
//!
//! [`Ledger::release`] writes decisions and the place of the last of them in one commit; what lies at or below
//! that place was taken before and is passed over. A trigger's run is one local day of release; each fire
//! takes the next seat in it.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::base::{Day, Outcome, Timestamp, UserNo};
use crate::task::{Task, disk_trouble};
use crate::trigger::Place;
use roaring::RoaringBitmap;

use super::caps::Way;
use super::held::{Written, suppress_held};
use super::ledger::{Ledger, Run, Seat, check_book, commit, whole};
use super::pages::{Cell, Pages};
use super::sieve::Holds;
use super::staff::{self, Team};
use super::state::{BatchState, Reason, RunState, TouchState};
use super::touches::OpenBatch;

/// Decisions of one task that fell on one local day.
pub struct Release<'t> {
    pub task: &'t Task,
    /// In the task's zone.
    pub day: Day,
    pub fires: Vec<Fire>,
    /// Who is dealt those that are due, where the task has staff.
    pub team: Option<Team>,
    /// Which way its touches go, and until when they wait that are held.
    pub way: Way,
    pub holds: Holds,
}

/// One decision, as the book needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fire {
    pub place: Place,
    pub user: UserNo,
    /// The text of its occurrence, which names the touch.
    pub occurrence: String,
    pub base_at: Timestamp,
    /// The planned reach; `None` if it ended before it was due.
    pub due_at: Option<Timestamp>,
    pub word: Word,
}

/// What the book says of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A new touch in this state.
    Touch(TouchState, Option<Reason>),
    /// A B that would have cancelled it came when the touch was released.
    Contradicted,
}

/// A touch of a trigger that waits for its batch.
pub struct Waiting {
    pub seat: Seat,
    pub user: UserNo,
    pub occurrence: String,
    pub due_at: Timestamp,
}

impl Ledger {
    /// The place of the last decision that is in the book, if there is one.
    pub fn place(&self) -> Outcome<Option<Place>> {
        place_of(&self.db)
    }

    /// Books decisions up to the place `upto`, in one commit. All decisions up to there that belong in the
    /// book must be among `releases`, whatever their task; those at or below [`Ledger::place`] change nothing.
    /// Errors: DSP-004, OUT-030.
    pub fn release(&self, releases: &[Release], upto: Place, now: Timestamp) -> Outcome<()> {
        let tx = self.begin()?;
        let before = place_of(&tx)?;
        if before.is_some_and(|before| upto <= before) {
            return Ok(());
        }
        let mut runs = BTreeSet::new();
        for release in releases {
            let is_new = |fire: &&Fire| before.is_none_or(|before| fire.place > before);
            let fires: Vec<&Fire> = release.fires.iter().filter(is_new).collect();
            runs.extend(book_touches(&tx, release, &fires, now)?);
            runs.extend(book_contradictions(&tx, release.task, &fires, now)?);
        }
        runs.into_iter().try_for_each(|run| check_book(&tx, run))?;
        set_place(&tx, upto)?;
        tx.commit().map_err(disk_trouble)
    }

    /// The next fires of a run that wait for a batch, by their seats, at most `limit`.
    pub(super) fn waiting_fires(&self, run: &Run, limit: usize) -> Outcome<Vec<Waiting>> {
        let mut pages = Pages::of(&self.db, run.no);
        self.fires_at(run, &pages.seats(run.cut_seat, limit, true, Cell::is_waiting)?)
    }

    /// The fires at these seats, which ascend.
    pub(super) fn fires_at(&self, run: &Run, seats: &[Seat]) -> Outcome<Vec<Waiting>> {
        let sql = "select seat, user, occurrence, coalesce(due_at, base_at) from fires
                   where run = ?1 and seat between ?2 and ?3 order by seat";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let (Some(first), Some(last)) = (seats.first(), seats.last()) else { return Ok(Vec::new()) };
        let read = |row: &rusqlite::Row| {
            Ok(Waiting {
                seat: row.get(0)?,
                user: row.get(1)?,
                occurrence: row.get(2)?,
                due_at: Timestamp(row.get(3)?),
            })
        };
        let rows = query.query_map(params![run.no, first, last], read).map_err(disk_trouble)?;
        let fires: Vec<Waiting> = rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)?;
        Ok(fires.into_iter().filter(|fire| seats.binary_search(&fire.seat).is_ok()).collect())
    }

    /// Suppresses what still waits and was planned before `limit`. A batch that was cut goes out whole or not
    /// at all, so with one such touch all of a waiting batch go.
    pub(super) fn expire(&self, run: &Run, limit: Timestamp, now: Timestamp) -> Outcome<()> {
        let mut seats = self.not_released_since(run, self.stale_seats(run, limit)?, limit)?;
        let mut batches = Vec::new();
        for batch in self.open_batches(run)? {
            if batch.state == BatchState::Waiting.word() && self.is_stale(run, &batch, limit)? {
                seats.extend(batch.touches.iter().map(|touch| touch.seat()));
                batches.push(batch.no);
            }
        }
        if seats.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        for no in batches {
            let sql = "update batches set state = ?3, payload = null where run = ?1 and no = ?2";
            tx.execute(sql, params![run.no, whole(no), BatchState::Dropped.word()]).map_err(disk_trouble)?;
        }
        suppress(&tx, run.no, &seats, Reason::Expired, now)?;
        commit(tx, run.no)
    }

    /// Suppresses touches that wait.
    pub(super) fn suppress(&self, run: &Run, seats: &[Seat], reason: Reason, now: Timestamp) -> Outcome<()> {
        let tx = self.begin()?;
        suppress(&tx, run.no, seats, reason, now)?;
        commit(tx, run.no)
    }

    /// The contradicted touches of a run, counted anew.
    pub(super) fn recount_contradicted(&self, run: &Run) -> Outcome<i64> {
        let sql = "select count(*) from fires where run = ?1 and contradicted_at is not null";
        self.db.query_row(sql, [run.no], |row| row.get(0)).map_err(disk_trouble)
    }

    /// Seats without a batch whose plan lies before `limit`.
    fn stale_seats(&self, run: &Run, limit: Timestamp) -> Outcome<Vec<Seat>> {
        let waiting = self.waiting_fires(run, usize::MAX)?;
        Ok(waiting.iter().filter(|fire| fire.due_at < limit).map(|fire| fire.seat).collect())
    }

    fn is_stale(&self, run: &Run, batch: &OpenBatch, limit: Timestamp) -> Outcome<bool> {
        let sql = "select due_at < ?3 from fires where run = ?1 and seat = ?2";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        for touch in &batch.touches {
            let found =
                query.query_row(params![run.no, touch.seat(), limit.0], |row| row.get::<_, Option<bool>>(0));
            let is_stale = found.optional().map_err(disk_trouble)?.flatten() == Some(true);
            if is_stale && !self.not_released_since(run, vec![touch.seat()], limit)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Writes the new touches into the run of the day, which is made if it is not there; gives the run.
fn book_touches(
    tx: &Transaction,
    release: &Release,
    fires: &[&Fire],
    now: Timestamp,
) -> Outcome<Option<i64>> {
    if !fires.iter().any(|fire| matches!(fire.word, Word::Touch(..))) {
        return Ok(None);
    }
    let (run, first) = run_of(tx, release, now)?;
    let (mut seat, mut waits) = (first, false);
    let touches = || fires.iter().filter(|fire| matches!(fire.word, Word::Touch(..)));
    let is_due = |(_, fire): &(Seat, &&Fire)| fire.word == Word::Touch(TouchState::Due, None);
    let due: Vec<(Seat, UserNo)> =
        (first..).zip(touches()).filter(is_due).map(|(seat, fire)| (seat, fire.user)).collect();
    let full = match &release.team {
        Some(team) if !due.is_empty() => staff::deal_fires(tx, run, team, &due, now)?,
        _ => RoaringBitmap::new(),
    };
    let (mut pages, mut written) = (Pages::of(tx, run), Vec::new());
    for fire in fires {
        let Word::Touch(state, reason) = fire.word else { continue };
        let (state, reason) = match &release.team {
            Some(team) if full.contains(seat) => team.beyond(),
            _ => (state, reason),
        };
        pages.add(seat, Cell::new(state, reason))?;
        written.push((seat, fire.user, state, reason));
        add_fire(tx, run, seat, fire)?;
        waits |= state == TouchState::Due;
        seat += 1;
    }
    pages.close()?;
    let kept = Written { run, way: &release.way, holds: &release.holds, now, is_fired: true };
    kept.keep(tx, written.into_iter())?;
    let sql = "update runs set due = due + ?2, size = size + ?2, progress_at = ?3,
               state = case when ?4 and state = ?5 then ?6 else state end where no = ?1";
    let (done, sending) = (RunState::Done.word(), RunState::Sending.word());
    tx.execute(sql, params![run, seat - first, now.0, waits, done, sending]).map_err(disk_trouble)?;
    Ok(Some(run))
}

/// The run of a day and its next free seat. A run in which nothing waits is done.
fn run_of(tx: &Transaction, release: &Release, now: Timestamp) -> Outcome<(i64, Seat)> {
    let Release { task, day, .. } = release;
    let (occurrence, planned_at) = (day.to_string(), task.zone.start_of(*day));
    let sql = "insert or ignore into runs (task, epoch, occurrence, version, planned_at, state, progress_at)
               values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values =
        params![task.id, task.epoch, occurrence, task.version, planned_at.0, RunState::Done.word(), now.0];
    tx.execute(sql, values).map_err(disk_trouble)?;
    let sql = "select no, due from runs where task = ?1 and epoch = ?2 and occurrence = ?3";
    let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
    tx.query_row(sql, params![task.id, task.epoch, occurrence], read).map_err(disk_trouble)
}

fn add_fire(tx: &Transaction, run: i64, seat: Seat, fire: &Fire) -> Outcome<()> {
    let sql =
        "insert into fires (run, seat, user, occurrence, base_at, due_at) values (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = tx.prepare_cached(sql).map_err(disk_trouble)?;
    let due_at = fire.due_at.map(|at| at.0);
    insert
        .execute(params![run, seat, fire.user, fire.occurrence, fire.base_at.0, due_at])
        .map(|_| ())
        .map_err(disk_trouble)
}

/// Books the B's that came late; gives the runs that they changed.
fn book_contradictions(tx: &Transaction, task: &Task, fires: &[&Fire], now: Timestamp) -> Outcome<Vec<i64>> {
    let late = fires.iter().filter(|fire| fire.word == Word::Contradicted);
    let runs = late.map(|fire| contradict(tx, task, fire, now)).collect::<Outcome<Vec<_>>>()?;
    Ok(runs.into_iter().flatten().collect())
}

/// A touch that waits for its batch is cancelled (semantics 5.6); one that is out, or whose batch is fixed, is
/// marked once. One that nobody got is left as it is.
fn contradict(tx: &Transaction, task: &Task, fire: &Fire, now: Timestamp) -> Outcome<Option<i64>> {
    let sql = "select f.run, f.seat from fires f join runs r on r.no = f.run
               where f.user = ?1 and f.occurrence = ?2 and r.task = ?3 and f.contradicted_at is null
               order by f.run desc limit 1";
    let read = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, row.get::<_, Seat>(1)?));
    let found = tx.query_row(sql, params![fire.user, fire.occurrence, task.id], read).optional();
    let Some((run, seat)) = found.map_err(disk_trouble)? else { return Ok(None) };
    match Pages::of(tx, run).cell(seat)? {
        Some(Cell { state: TouchState::Held, .. }) => suppress_held(tx, run, seat, Reason::LateB)?,
        Some(cell) if cell.is_waiting() => suppress(tx, run, &[seat], Reason::LateB, now)?,
        Some(Cell {
            state: TouchState::Due | TouchState::Handed | TouchState::Delivered | TouchState::Unknown,
            ..
        }) => mark(tx, run, seat, now)?,
        _ => {}
    }
    Ok(Some(run))
}

fn mark(tx: &Transaction, run: i64, seat: Seat, now: Timestamp) -> Outcome<()> {
    let sql = "update fires set contradicted_at = ?3 where run = ?1 and seat = ?2";
    tx.execute(sql, params![run, seat, now.0]).map_err(disk_trouble)?;
    let sql = "update runs set contradicted = contradicted + 1, progress_at = ?2 where no = ?1";
    tx.execute(sql, params![run, now.0]).map(|_| ()).map_err(disk_trouble)
}

fn suppress(tx: &Transaction, run: i64, seats: &[Seat], reason: Reason, now: Timestamp) -> Outcome<()> {
    let mut pages = Pages::of(tx, run);
    for seat in seats {
        pages.suppress_if_due(*seat, reason)?;
    }
    pages.close()?;
    let sql = "update runs set progress_at = ?2 where no = ?1";
    tx.execute(sql, params![run, now.0]).map(|_| ()).map_err(disk_trouble)
}

fn place_of(db: &Connection) -> Outcome<Option<Place>> {
    let read = |row: &rusqlite::Row| {
        Ok(Place { position: row.get::<_, i64>(0)?.unsigned_abs(), index: row.get(1)? })
    };
    db.query_row("select position, part from place", [], read).optional().map_err(disk_trouble)
}

fn set_place(tx: &Transaction, place: Place) -> Outcome<()> {
    let sql = "insert or replace into place (id, position, part) values (0, ?1, ?2)";
    tx.execute(sql, params![whole(place.position), place.index]).map(|_| ()).map_err(disk_trouble)
}
