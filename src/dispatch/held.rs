//! Which touches wait for the end of quiet hours, or for the next day of a quota?
//!
//! `held` has a row for those of one commit that wait until the same instant: their seats, and in a
//! trigger's run their users. Rows are only taken away from; a touch that is held again gets into a new one.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::base::{Outcome, Problem, Timestamp, UserNo};
use crate::task::disk_trouble;

use super::caps::Way;
use super::ledger::{Ledger, Run, Seat, bitmap_of, bytes_of, commit};
use super::pages::{Cell, Pages};
use super::sieve::Holds;
use super::spent::{reserve_fires, reserve_users};
use super::state::{Reason, RunState, TouchState};
use super::touches::Verdict;

/// The tables. `released` says when touches of triggers were let out of a hold: their grace counts from then.
pub(super) const HELD: &str = "
    create table held (
        no integer primary key, run integer not null references runs(no), task text not null,
        until integer not null, seats blob not null, users blob);
    create index held_task on held (task, until);
    create index held_run on held (run);
    create table released (
        run integer not null, seat integer not null, at integer not null, primary key (run, seat)) without rowid;";

/// Touches of a run that wait until the same instant for the same reason.
pub struct Held {
    no: i64,
    pub until: Timestamp,
    is_fired: bool,
    /// Seats with their users, ascending.
    pub touches: Vec<(Seat, UserNo)>,
}

/// Keeps touches that were just written as held, and reserves those that were let out.
pub(super) struct Written<'a> {
    pub run: i64,
    pub way: &'a Way,
    pub holds: &'a Holds,
    pub now: Timestamp,
    pub is_fired: bool,
}

impl Written<'_> {
    /// `touches` are all that one commit wrote or moved.
    pub fn keep(
        &self,
        tx: &Transaction,
        touches: impl Iterator<Item = (Seat, UserNo, TouchState, Option<Reason>)>,
    ) -> Outcome<()> {
        let mut held: BTreeMap<Reason, Vec<(Seat, UserNo)>> = BTreeMap::new();
        let mut due = Vec::new();
        for (seat, user, state, reason) in touches {
            match (state, reason) {
                (TouchState::Due, _) => due.push((seat, user)),
                (TouchState::Held, Some(reason)) => held.entry(reason).or_default().push((seat, user)),
                _ => {}
            }
        }
        if self.is_fired {
            reserve_fires(tx, self.run, self.way, &due, self.now)?;
        } else {
            let users = due.iter().map(|(seat, _)| *seat).collect();
            reserve_users(tx, self.run, self.way, &users, self.now)?;
        }
        held.into_iter().try_for_each(|(reason, touches)| self.hold(tx, reason, &touches))
    }

    fn hold(&self, tx: &Transaction, reason: Reason, touches: &[(Seat, UserNo)]) -> Outcome<()> {
        let until = self.holds.until(Some(reason));
        let until = until.ok_or_else(|| Problem::bug(format!("{} holds nothing", reason.word())))?;
        let sql = "insert into held (run, task, until, seats, users) values (?1, ?2, ?3, ?4, ?5)";
        let (seats, users) = packed(touches, self.is_fired)?;
        let values = params![self.run, self.way.task, until.0, seats, users];
        tx.execute(sql, values).map(|_| ()).map_err(disk_trouble)
    }
}

/// A bitmap of seats, and of fires their users in the order of the seats.
fn packed(touches: &[(Seat, UserNo)], is_fired: bool) -> Outcome<(Vec<u8>, Option<Vec<u8>>)> {
    let seats: RoaringBitmap = touches.iter().map(|(seat, _)| *seat).collect();
    let users = is_fired.then(|| touches.iter().flat_map(|(_, user)| user.to_le_bytes()).collect());
    Ok((bytes_of(&seats)?, users))
}

fn unpacked(seats: Vec<u8>, users: Option<Vec<u8>>) -> Outcome<Vec<(Seat, UserNo)>> {
    let seats = bitmap_of(Some(seats))?;
    let Some(users) = users else { return Ok(seats.iter().map(|seat| (seat, seat)).collect()) };
    let users =
        users.chunks_exact(4).map(|bytes| bytes.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte)));
    Ok(seats.iter().zip(users).collect())
}

/// Suppresses a touch that is held.
pub(super) fn suppress_held(tx: &Transaction, run: i64, seat: Seat, reason: Reason) -> Outcome<()> {
    for held in rows(tx, "where run = ?1", run)? {
        let left: Vec<_> = held.touches.iter().copied().filter(|(other, _)| *other != seat).collect();
        if left.len() < held.touches.len() {
            replace(tx, &held, &left)?;
        }
    }
    leave(tx, run, [(seat, TouchState::Suppressed, Some(reason))].into_iter())
}

/// What is left of a row; without anything it goes.
fn replace(tx: &Transaction, held: &Held, left: &[(Seat, UserNo)]) -> Outcome<()> {
    if left.is_empty() {
        return tx.execute("delete from held where no = ?1", [held.no]).map(|_| ()).map_err(disk_trouble);
    }
    let (seats, users) = packed(left, held.is_fired)?;
    let sql = "update held set seats = ?2, users = ?3 where no = ?1";
    tx.execute(sql, params![held.no, seats, users]).map(|_| ()).map_err(disk_trouble)
}

fn rows(db: &Connection, condition: &str, run: i64) -> Outcome<Vec<Held>> {
    let sql = format!("select no, until, seats, users from held {condition} order by until, no");
    let mut query = db.prepare_cached(&sql).map_err(disk_trouble)?;
    let mut rows = query.query([run]).map_err(disk_trouble)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(disk_trouble)? {
        let users: Option<Vec<u8>> = row.get(3).map_err(disk_trouble)?;
        found.push(Held {
            no: row.get(0).map_err(disk_trouble)?,
            until: Timestamp(row.get(1).map_err(disk_trouble)?),
            is_fired: users.is_some(),
            touches: unpacked(row.get(2).map_err(disk_trouble)?, users)?,
        });
    }
    Ok(found)
}

/// A touch that leaves its hold, and where it goes.
pub(super) type Leaving = (Seat, TouchState, Option<Reason>);

/// Moves held touches on.
pub(super) fn leave(db: &Connection, run: i64, all: impl Iterator<Item = Leaving>) -> Outcome<()> {
    let mut pages = Pages::of(db, run);
    for (seat, state, reason) in all {
        pages.change(seat, Cell::new(state, reason))?;
    }
    pages.close()
}

fn progress(tx: &Transaction, run: &Run, now: Timestamp) -> Outcome<()> {
    let sql = "update runs set progress_at = ?2 where no = ?1";
    tx.execute(sql, params![run.no, now.0]).map(|_| ()).map_err(disk_trouble)
}

/// Touches of a trigger are let out of a hold; touches of the run wait for a batch again.
fn let_out(tx: &Transaction, run: &Run, due: &[Seat], is_fired: bool, now: Timestamp) -> Outcome<()> {
    let Some(first) = due.iter().min() else { return Ok(()) };
    let sql = "update runs set cut_seat = min(cut_seat, ?2),
               state = case when state = ?3 then ?4 else state end where no = ?1";
    let (done, sending) = (RunState::Done.word(), RunState::Sending.word());
    tx.execute(sql, params![run.no, first, done, sending]).map_err(disk_trouble)?;
    let sql = "insert or replace into released (run, seat, at) values (?1, ?2, ?3)";
    let mut insert = tx.prepare_cached(sql).map_err(disk_trouble)?;
    for seat in due.iter().filter(|_| is_fired) {
        insert.execute(params![run.no, seat, now.0]).map_err(disk_trouble)?;
    }
    Ok(())
}

impl Ledger {
    /// When a touch of the task is let out of its hold next. Errors: OUT-030.
    pub fn next_release(&self, task: &str) -> Outcome<Option<Timestamp>> {
        let sql = "select min(until) from held where task = ?1";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let found = query.query_row([task], |row| row.get::<_, Option<i64>>(0)).map_err(disk_trouble)?;
        Ok(found.map(Timestamp))
    }

    /// The next touches of a run whose hold is over by `now`, at most one row of them.
    pub(super) fn released(&self, run: &Run, now: Timestamp) -> Outcome<Option<Held>> {
        let sql = "select no from held where run = ?1 and until <= ?2 order by until, no limit 1";
        let found = self.db.query_row(sql, params![run.no, now.0], |row| row.get(0)).optional();
        let Some(no) = found.map_err(disk_trouble)? else { return Ok(None) };
        Ok(rows(&self.db, "where no = ?1", no)?.into_iter().next())
    }

    /// Moves all touches of a row to where the gates say, in one commit.
    pub(super) fn let_go(
        &self,
        run: &Run,
        held: &Held,
        verdicts: &[Verdict],
        (way, holds): (&Way, &Holds),
        now: Timestamp,
    ) -> Outcome<()> {
        let tx = self.begin()?;
        replace(&tx, held, &[])?;
        let touches = || held.touches.iter().zip(verdicts);
        let to = |((seat, _), (_, state, reason)): (&(Seat, UserNo), &Verdict)| (*seat, *state, *reason);
        leave(&tx, run.no, touches().map(to))?;
        let due = touches().filter(|(_, (_, state, _))| *state == TouchState::Due);
        let due: Vec<Seat> = due.map(|((seat, _), _)| *seat).collect();
        let_out(&tx, run, &due, held.is_fired, now)?;
        let written = Written { run: run.no, way, holds, now, is_fired: held.is_fired };
        written
            .keep(&tx, touches().map(|((seat, user), (_, state, reason))| (*seat, *user, *state, *reason)))?;
        progress(&tx, run, now)?;
        commit(tx, run.no)
    }

    /// Holds touches that waited for a batch.
    pub(super) fn hold_waiting(
        &self,
        run: &Run,
        touches: &[(Seat, UserNo)],
        (written, reason): (&Written, Reason),
    ) -> Outcome<()> {
        let tx = self.begin()?;
        let to = |(seat, user): &(Seat, UserNo)| (*seat, *user, TouchState::Held, Some(reason));
        leave(&tx, run.no, touches.iter().map(to).map(|(seat, _, state, reason)| (seat, state, reason)))?;
        written.keep(&tx, touches.iter().map(to))?;
        progress(&tx, run, written.now)?;
        commit(tx, run.no)
    }

    /// Suppresses all that a run holds.
    pub(super) fn drop_held(&self, run: &Run, reason: Reason, now: Timestamp) -> Outcome<()> {
        let tx = self.begin()?;
        let all = rows(&tx, "where run = ?1", run.no)?;
        if all.is_empty() {
            return Ok(());
        }
        for held in &all {
            let to = |(seat, _): &(Seat, UserNo)| (*seat, TouchState::Suppressed, Some(reason));
            leave(&tx, run.no, held.touches.iter().map(to))?;
            replace(&tx, held, &[])?;
        }
        progress(&tx, run, now)?;
        commit(tx, run.no)
    }

    /// Those of these seats that were not let out of a hold since `limit`.
    pub(super) fn not_released_since(
        &self,
        run: &Run,
        seats: Vec<Seat>,
        limit: Timestamp,
    ) -> Outcome<Vec<Seat>> {
        let sql = "select seat from released where run = ?1 and at >= ?2";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let rows =
            query.query_map(params![run.no, limit.0], |row| row.get::<_, Seat>(0)).map_err(disk_trouble)?;
        let fresh: RoaringBitmap = rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)?;
        Ok(seats.into_iter().filter(|seat| !fresh.contains(*seat)).collect())
    }
}
