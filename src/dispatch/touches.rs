//! How do touches and batches move in the ledger? Each function here is one commit.

use rusqlite::{Transaction, params};

use crate::base::{Outcome, Problem, Timestamp, UserNo};
use crate::task::disk_trouble;

use super::batch::{Handle, Touch, packed, unpacked};
use super::caps::Way;
use super::held::Written;
use super::ledger::{Ledger, Run, Seat, commit, count_at, whole};
use super::pages::{Cell, Pages};
use super::sieve::Holds;
use super::staff;
use super::state::{BatchState, Reason, RunState, TouchState};

/// Batches that may be out without an answer at the same time, and so the most that a kill leaves
/// open.
pub const WAVE_BATCHES: usize = 16;

/// What the gates said of one user.
pub type Verdict = (UserNo, TouchState, Option<Reason>);

/// A batch in the ledger that is not settled.
pub struct OpenBatch {
    pub no: u64,
    pub state: String,
    pub attempts: u32,
    pub touches: Vec<Touch>,
}

/// What is recorded of a batch.
pub struct Settled<'a> {
    pub no: u64,
    pub attempts: u32,
    pub state: BatchState,
    pub cause: Option<&'a str>,
    /// The new state of each of its touches, with the channel's words.
    pub touches: Vec<(Seat, TouchState, Option<String>)>,
    /// The channel's own names of touches.
    pub handles: Vec<(Handle, Seat)>,
}

impl Ledger {
    /// Writes the touches of one slice of users, which go a `way` or wait until their hold is over; those below
    /// `next_user` then have their row.
    pub fn write_slice(
        &self,
        run: &Run,
        verdicts: &[Verdict],
        next_user: u64,
        (way, holds): (&Way, &Holds),
        now: Timestamp,
    ) -> Outcome<()> {
        let tx = self.begin()?;
        let written = Written { run: run.no, way, holds, now, is_fired: false };
        written.keep(&tx, verdicts.iter().map(|(user, state, reason)| (*user, *user, *state, *reason)))?;
        let mut pages = Pages::of(&tx, run.no);
        for (user, state, reason) in verdicts {
            pages.add(*user, Cell::new(*state, *reason))?;
        }
        pages.close()?;
        tx.execute(
            "update runs set due = due + ?2, next_user = ?3, progress_at = ?4 where no = ?1",
            params![run.no, whole(verdicts.len()), whole(next_user), now.0],
        )
        .map_err(disk_trouble)?;
        commit(tx, run.no)
    }

    /// Every touch is written; the bitmaps have done their work.
    pub fn begin_sending(&self, run: &Run, now: Timestamp) -> Outcome<()> {
        let sql = "update runs set state = ?2, users = null, blocked = null, progress_at = ?3 where no = ?1";
        self.db
            .execute(sql, params![run.no, RunState::Sending.word(), now.0])
            .map(|_| ())
            .map_err(disk_trouble)
    }

    /// The next seats that wait for a batch, ascending, at most `limit`.
    pub fn waiting_seats(&self, run: &Run, limit: usize) -> Outcome<Vec<Seat>> {
        Pages::of(&self.db, run.no).seats(run.cut_seat, limit, true, Cell::is_waiting)
    }

    /// Cuts batches numbered from `run.batch_count + 1` and marks them as being handed over:
    /// from here on their touches and bytes are fixed. Seats before `left` have had their chance, all up to the
    /// last one cut if there is none. Receipts will find touches by `handles`.
    pub fn cut(
        &self,
        run: &Run,
        batches: &[Vec<Touch>],
        left: Option<Seat>,
        handles: &[(Handle, Seat)],
        now: Timestamp,
    ) -> Outcome<()> {
        let payloads = packed(batches)?;
        let tx = self.begin()?;
        add_handles(&tx, run.no, handles)?;
        let mut pages = Pages::of(&tx, run.no);
        for ((touches, payload), no) in batches.iter().zip(payloads).zip(run.batch_count + 1..) {
            let sql = "insert into batches (run, no, state, size, attempts, handed_at, payload)
                       values (?1, ?2, ?3, ?4, 1, ?5, ?6)";
            let values =
                params![run.no, whole(no), BatchState::Handing.word(), whole(touches.len()), now.0, payload];
            tx.execute(sql, values).map_err(disk_trouble)?;
            assign(&mut pages, no, touches)?;
        }
        pages.close()?;
        let last = batches.iter().flatten().map(|touch| u64::from(touch.seat()) + 1).max();
        let last = left.map(u64::from).or(last);
        tx.execute(
            "update runs set cut_seat = ?2, batch_count = ?3, progress_at = ?4 where no = ?1",
            params![
                run.no,
                whole(last.unwrap_or(run.cut_seat)),
                whole(run.batch_count) + whole(batches.len()),
                now.0
            ],
        )
        .map_err(disk_trouble)?;
        commit(tx, run.no)
    }

    /// The batches that are handed over without an answer, waiting for another try, or unknown.
    pub fn open_batches(&self, run: &Run) -> Outcome<Vec<OpenBatch>> {
        let sql = "select no, state, attempts, payload from batches
                   where run = ?1 and payload is not null and state in ('handing', 'waiting', 'unknown') order by no";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut rows = query.query([run.no]).map_err(disk_trouble)?;
        let mut batches = Vec::new();
        while let Some(row) = rows.next().map_err(disk_trouble)? {
            let payload: Vec<u8> = row.get(3).map_err(disk_trouble)?;
            batches.push(OpenBatch {
                no: count_at(row, 0).map_err(disk_trouble)?,
                state: row.get(1).map_err(disk_trouble)?,
                attempts: row.get(2).map_err(disk_trouble)?,
                touches: unpacked(&payload)?,
            });
        }
        Ok(batches)
    }

    /// Those of these touches that are unknown.
    pub(super) fn unknown_of(&self, run: &Run, touches: Vec<Touch>) -> Outcome<Vec<Touch>> {
        let mut pages = Pages::of(&self.db, run.no);
        let mut unknown = Vec::new();
        for touch in touches {
            if pages.cell(touch.seat())?.is_some_and(|cell| cell.state == TouchState::Unknown) {
                unknown.push(touch);
            }
        }
        Ok(unknown)
    }

    /// Marks an open batch as being handed over once more, before it is.
    pub fn hand_again(&self, run: &Run, batch: &OpenBatch, now: Timestamp) -> Outcome<()> {
        let tx = self.begin()?;
        let mut pages = Pages::of(&tx, run.no);
        for touch in &batch.touches {
            for from in [TouchState::Due, TouchState::Unknown] {
                pages.move_if(touch.seat(), from, TouchState::Handed, None)?;
            }
        }
        pages.close()?;
        tx.execute(
            "update batches set state = ?3, attempts = ?4, handed_at = ?5 where run = ?1 and no = ?2",
            params![run.no, whole(batch.no), BatchState::Handing.word(), batch.attempts + 1, now.0],
        )
        .map_err(disk_trouble)?;
        commit(tx, run.no)
    }

    /// Records what became of batches. Touches that already have the channel's word keep it.
    pub fn record(&self, run: &Run, settled: &[Settled], now: Timestamp) -> Outcome<()> {
        let tx = self.begin()?;
        let mut pages = Pages::of(&tx, run.no);
        for batch in settled {
            let mut moved = Vec::new();
            for (seat, state, note) in &batch.touches {
                if pages.move_if(*seat, TouchState::Handed, *state, note.as_deref())? {
                    moved.push((*seat, *state));
                }
            }
            staff::heard(&tx, run.no, &moved, now)?;
            record_batch(&tx, run.no, batch, now)?;
        }
        pages.close()?;
        tx.execute("update runs set progress_at = ?2 where no = ?1", params![run.no, now.0])
            .map_err(disk_trouble)?;
        commit(tx, run.no)
    }

    /// Suppresses every touch that still waits; gives how many.
    pub fn drop_waiting(&self, run: &Run, reason: Reason, now: Timestamp) -> Outcome<i64> {
        let tx = self.begin()?;
        let mut pages = Pages::of(&tx, run.no);
        let waiting = pages.seats(0, usize::MAX, false, |cell| cell.state == TouchState::Due)?;
        for seat in &waiting {
            pages.suppress_if_due(*seat, reason)?;
        }
        pages.close()?;
        tx.execute(
            "update batches set state = ?2, payload = null where run = ?1 and state = ?3",
            params![run.no, BatchState::Dropped.word(), BatchState::Waiting.word()],
        )
        .map_err(disk_trouble)?;
        tx.execute("update runs set progress_at = ?2 where no = ?1", params![run.no, now.0])
            .map_err(disk_trouble)?;
        commit(tx, run.no)?;
        Ok(whole(waiting.len()))
    }

    /// Was a batch of this task ever taken by a sender, or may it have been?
    pub fn was_handed(&self, task: &str) -> Outcome<bool> {
        let sql = "select exists (select 1 from batches b join runs r on r.no = b.run
                   where r.task = ?1 and b.state in ('handing', 'answered', 'refused', 'unknown'))";
        self.db.query_row(sql, [task], |row| row.get(0)).map_err(disk_trouble)
    }
}

/// Gives touches that wait their batch.
fn assign(pages: &mut Pages, no: u64, touches: &[Touch]) -> Outcome<()> {
    for touch in touches {
        let seat = touch.seat();
        if !pages.cell(seat)?.is_some_and(|cell| cell.is_waiting()) {
            return Err(Problem::bug(format!("seat {seat} goes into batch {no}, but does not wait for one")));
        }
        pages.change(seat, Cell { state: TouchState::Handed, reason: None, batch: Some(no) })?;
    }
    Ok(())
}

fn record_batch(tx: &Transaction, run: i64, batch: &Settled, now: Timestamp) -> Outcome<()> {
    add_handles(tx, run, &batch.handles)?;
    let is_over = !matches!(batch.state, BatchState::Waiting | BatchState::Unknown);
    let sql = "update batches set state = ?3, attempts = ?4, answered_at = ?5, cause = ?6,
               payload = case when ?7 then null else payload end where run = ?1 and no = ?2";
    let values =
        params![run, whole(batch.no), batch.state.word(), batch.attempts, now.0, batch.cause, is_over];
    tx.execute(sql, values).map(|_| ()).map_err(disk_trouble)
}

/// A handle that is known already keeps its touch: the first that was named so.
fn add_handles(tx: &Transaction, run: i64, handles: &[(Handle, Seat)]) -> Outcome<()> {
    let sql = "insert or ignore into handles (handle, run, seat) values (?1, ?2, ?3)";
    let mut insert = tx.prepare_cached(sql).map_err(disk_trouble)?;
    for (handle, seat) in handles {
        insert.execute(params![handle.0, run, seat]).map_err(disk_trouble)?;
    }
    Ok(())
}
