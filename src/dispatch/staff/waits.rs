//! Which touches wait because their member has no room today?
//!
//! A run's touches that wait do so until the next local day; then they pass the gates again and are dealt again
//! ([`Engine::deal_again`]). A run of which nothing but these is left stands in nobody's way: it is done, and goes
//! on when they have room.

use std::collections::HashMap;

use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use tokio::runtime::Runtime;

use crate::base::{Outcome, Problem, Timestamp, UserNo};
use crate::dispatch::agenda::is_too_late;
use crate::dispatch::engine::{Engine, Said};
use crate::dispatch::gates::Gates;
use crate::dispatch::ledger::{Ledger, Run, Seat, commit};
use crate::dispatch::pages::{Cell, Pages};
use crate::dispatch::state::{Reason, RunState, TouchState};
use crate::task::{State, Task, WhenFull, disk_trouble};

use super::Team;
use super::book::{Occasion, Why};
use super::wiring::{deal_in_turns, ordered};

/// The table of what waits, one row a run; `let_in` are those who had room at `let_in_at`.
pub const TABLES: &str = "
    create table staff_waits (
        run integer primary key references runs(no), until integer, seats blob not null,
        let_in blob not null, let_in_at integer);
    create index staff_waits_until on staff_waits (until) where until is not null;";

/// A touch, whose it is, and what the gates say of it now.
type Asked = (Seat, UserNo, TouchState, Option<Reason>);

impl Team {
    /// What becomes of a touch for which there is no room.
    pub fn beyond(&self) -> (TouchState, Option<Reason>) {
        match self.limits.when_full {
            WhenFull::Suppress => (TouchState::Suppressed, Some(Reason::Quota)),
            WhenFull::Wait | WhenFull::Next => (TouchState::Held, Some(Reason::Quota)),
        }
    }
}

/// Seats of a run wait until the next day of its team. Errors: OUT-030.
pub fn wait(tx: &Transaction, run: i64, team: &Team, seats: &RoaringBitmap) -> Outcome<()> {
    if seats.is_empty() || team.limits.when_full == WhenFull::Suppress {
        return Ok(());
    }
    let before = waiting(tx, run)?;
    let sql = "insert into staff_waits (run, until, seats, let_in) values (?1, ?2, ?3, ?4)
               on conflict (run) do update set until = excluded.until, seats = excluded.seats";
    let (seats, nobody) = (bytes_of(&(before | seats))?, bytes_of(&RoaringBitmap::new())?);
    tx.execute(sql, params![run, team.until.0, seats, nobody]).map(|_| ()).map_err(disk_trouble)
}

/// Those of a run who had room again since an instant: the grace of a touch counts from there. Errors: OUT-030.
pub fn let_in_since(db: &Connection, run: i64, since: Timestamp) -> Outcome<RoaringBitmap> {
    let sql = "select let_in from staff_waits where run = ?1 and let_in_at >= ?2";
    bitmap(db.query_row(sql, params![run, since.0], |row| row.get(0)).optional().map_err(disk_trouble)?)
}

fn waiting(db: &Connection, run: i64) -> Outcome<RoaringBitmap> {
    let sql = "select seats from staff_waits where run = ?1";
    bitmap(db.query_row(sql, [run], |row| row.get(0)).optional().map_err(disk_trouble)?)
}

impl Ledger {
    /// When touches of a task that wait for room are dealt again next. Errors: OUT-030.
    pub fn room_at(&self, task: &str) -> Outcome<Option<Timestamp>> {
        let sql = "select min(w.until) from staff_waits w join runs r on r.no = w.run where r.task = ?1";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let found = query.query_row([task], |row| row.get::<_, Option<i64>>(0)).map_err(disk_trouble)?;
        Ok(found.map(Timestamp))
    }

    /// The touches of a run that wait for room until `now` or before, and until when they did.
    fn over(&self, run: &Run, now: Timestamp) -> Outcome<Option<(Timestamp, RoaringBitmap)>> {
        let sql = "select until, seats from staff_waits where run = ?1 and until <= ?2";
        let read = |row: &rusqlite::Row| Ok((Timestamp(row.get(0)?), row.get::<_, Vec<u8>>(1)?));
        let found = self.db.query_row(sql, params![run.no, now.0], read).optional().map_err(disk_trouble)?;
        found.map(|(until, seats)| Ok((until, bitmap(Some(seats))?))).transpose()
    }

    /// Suppresses what waits for room in a run. Errors: OUT-030, DSP-004.
    pub(in crate::dispatch) fn drop_room(&self, run: &Run, reason: Reason) -> Outcome<()> {
        let seats = waiting(&self.db, run.no)?;
        if seats.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        let mut pages = Pages::of(&tx, run.no);
        for seat in seats {
            put(&mut pages, seat, (TouchState::Suppressed, Some(reason)))?;
        }
        pages.close()?;
        clear(&tx, run, &RoaringBitmap::new(), None)?;
        commit(tx, run.no)
    }
}

impl Engine<'_> {
    /// All touches of a task that waited for room until `now`, run by run: the gates are asked again, and who has
    /// room goes out.
    pub(in crate::dispatch) fn deal_again(
        &self,
        runtime: &Runtime,
        task: &Task,
        now: Timestamp,
    ) -> Outcome<Said> {
        let mut last = Said { what: "dealt again", note: String::new() };
        for run in self.ledger.runs_of(&task.id)? {
            let Some((until, seats)) = self.ledger.over(&run, now)? else { continue };
            let own = if task.is_scheduled() { self.tasks.task_at(task, run.version)? } else { task.clone() };
            if let Err(problem) = self.deal_waiting(&own, &run, (until, &seats), now)? {
                return self.fail(task, &run, run.state, &problem, now);
            }
            let run = self.ledger.fresh(&run)?;
            if run.state == RunState::Sending && task.state == State::Running {
                if let Err(problem) = self.hand_over(runtime, &own, &run, now)? {
                    return self.fail(task, &run, RunState::Stalled, &problem, now);
                }
                self.faults.step("done")?;
                self.ledger.set_state(&run, RunState::Done, None, now)?;
            }
            last = Said { what: "dealt again", note: self.outcome(&run)? };
        }
        Ok(last)
    }

    /// One commit. `Ok(Err(…))`: a list cannot be read, and nothing was changed.
    fn deal_waiting(
        &self,
        task: &Task,
        run: &Run,
        (until, seats): (Timestamp, &RoaringBitmap),
        now: Timestamp,
    ) -> Outcome<Outcome<()>> {
        let blocked = match self.blocked(task, now) {
            Ok(blocked) => blocked,
            Err(problem) => return Ok(Err(problem)),
        };
        let gates = Gates::of(task, false, &blocked, self.directory);
        let is_late = is_too_late(task, until, now);
        let users = self.users_at(task, run, seats)?;
        let ask = |(seat, user): (Seat, UserNo)| match gates.ask(user) {
            _ if is_late => (seat, user, TouchState::Suppressed, Some(Reason::Expired)),
            (_, state, reason) => (seat, user, state, reason),
        };
        let asked: Vec<Asked> = users.into_iter().map(ask).collect();
        let team = self.team(task, now)?;
        self.faults.step("deal again")?;
        let tx = self.ledger.begin()?;
        let beyond = match &team {
            Some(team) => self.deal_asked(&tx, team, run, &asked, now)?,
            None => RoaringBitmap::new(),
        };
        let mut pages = Pages::of(&tx, run.no);
        let mut let_in = RoaringBitmap::new();
        for (seat, _, state, reason) in &asked {
            let to = match &team {
                Some(team) if *state == TouchState::Due && beyond.contains(*seat) => team.beyond(),
                _ => (*state, *reason),
            };
            if put(&mut pages, *seat, to)? && to.0 == TouchState::Due {
                let_in.insert(*seat);
            }
        }
        pages.close()?;
        clear(&tx, run, &let_in, Some(now))?;
        if let Some(team) = &team {
            wait(&tx, run.no, team, &beyond)?;
        }
        go_on(&tx, run, &let_in, now)?;
        commit(tx, run.no)?;
        Ok(Ok(()))
    }

    /// Deals the users of touches that pass; gives the seats for which there is no room.
    fn deal_asked(
        &self,
        tx: &Transaction,
        team: &Team,
        run: &Run,
        asked: &[Asked],
        now: Timestamp,
    ) -> Outcome<RoaringBitmap> {
        let passing = asked.iter().filter(|(_, _, state, _)| *state == TouchState::Due);
        let mut of_user: HashMap<UserNo, Vec<Seat>> = HashMap::new();
        for (seat, user, ..) in passing {
            of_user.entry(*user).or_default().push(*seat);
        }
        let users = ordered(self.directory, &team.task, of_user.keys().copied());
        let occasion = Occasion { run: Some(run.no), at: now, why: Why::Waited };
        deal_in_turns(tx, team, &users, &of_user, occasion)
    }

    /// Whose the touches at these seats are: in a run of the calendar the seat is the user's number.
    fn users_at(&self, task: &Task, run: &Run, seats: &RoaringBitmap) -> Outcome<Vec<(Seat, UserNo)>> {
        if task.is_scheduled() {
            return Ok(seats.iter().map(|seat| (seat, seat)).collect());
        }
        let seats: Vec<Seat> = seats.iter().collect();
        Ok(self.ledger.fires_at(run, &seats)?.into_iter().map(|fire| (fire.seat, fire.user)).collect())
    }
}

/// Moves a touch that waits for room; did it?
fn put(pages: &mut Pages, seat: Seat, (state, reason): (TouchState, Option<Reason>)) -> Outcome<bool> {
    match pages.cell(seat)? {
        Some(cell) if cell.state == TouchState::Held && cell.reason == Some(Reason::Quota) => {
            pages.change(seat, Cell { state, reason, ..cell })?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Nothing of a run waits any more; `let_in` had room.
fn clear(tx: &Transaction, run: &Run, let_in: &RoaringBitmap, at: Option<Timestamp>) -> Outcome<()> {
    let sql = "update staff_waits set until = null, seats = ?2, let_in = ?3, let_in_at = ?4 where run = ?1";
    let nobody = bytes_of(&RoaringBitmap::new())?;
    let values = params![run.no, nobody, bytes_of(let_in)?, at.map(|at| at.0)];
    tx.execute(sql, values).map(|_| ()).map_err(disk_trouble)
}

/// The run goes on with those who were let in; time in which they waited is no lateness.
fn go_on(tx: &Transaction, run: &Run, let_in: &RoaringBitmap, now: Timestamp) -> Outcome<()> {
    let Some(first) = let_in.min() else { return Ok(()) };
    let sql = "update runs set cut_seat = min(cut_seat, ?2), progress_at = ?5,
               state = case when state = ?3 then ?4 else state end where no = ?1";
    let (done, sending) = (RunState::Done.word(), RunState::Sending.word());
    tx.execute(sql, params![run.no, first, done, sending, now.0]).map(|_| ()).map_err(disk_trouble)
}

fn bytes_of(seats: &RoaringBitmap) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::with_capacity(seats.serialized_size());
    seats.serialize_into(&mut bytes)?;
    Ok(bytes)
}

fn bitmap(bytes: Option<Vec<u8>>) -> Outcome<RoaringBitmap> {
    let Some(bytes) = bytes else { return Ok(RoaringBitmap::new()) };
    RoaringBitmap::deserialize_from(bytes.as_slice())
        .map_err(|e| Problem::bug(format!("what waits for room cannot be read: {e}")))
}
