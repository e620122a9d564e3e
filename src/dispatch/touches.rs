//! How do touches and batches move in the ledger? Each function here is one commit.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};

use crate::base::{Outcome, Problem, Timestamp, UserNo};
use crate::task::disk_trouble;

use super::batch::{Handle, Touch, packed, unpacked};
use super::ledger::{Ledger, Run, Seat, commit, count_at, shift, whole};
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
    /// Touches in the batch.
    pub size: usize,
    pub attempts: u32,
    pub state: BatchState,
    pub cause: Option<&'a str>,
    /// The new state of each of its touches, with the channel's words.
    pub touches: Vec<(Seat, TouchState, Option<String>)>,
    /// The channel's own names of touches.
    pub handles: Vec<(Handle, Seat)>,
}

impl Ledger {
    /// Writes the touches of one slice of users; those below `next_user` then have their row.
    pub fn write_slice(
        &self,
        run: &Run,
        verdicts: &[Verdict],
        next_user: u64,
        now: Timestamp,
    ) -> Outcome<()> {
        let tx = self.begin()?;
        let sql = "insert into touches (run, seat, state, reason) values (?1, ?2, ?3, ?4)";
        let mut tally = BTreeMap::new();
        {
            let mut insert = tx.prepare_cached(sql).map_err(disk_trouble)?;
            for (user, state, reason) in verdicts {
                insert
                    .execute(params![run.no, user, state.number(), Reason::number(*reason)])
                    .map_err(disk_trouble)?;
                *tally.entry((*state, *reason)).or_insert(0) += 1;
            }
        }
        for ((state, reason), count) in tally {
            shift(&tx, run.no, state, reason, count)?;
        }
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
        let sql = "select seat from touches where run = ?1 and seat >= ?2 and state = ?3 and batch is null
                   order by seat limit ?4";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let values = params![run.no, whole(run.cut_seat), TouchState::Due.number(), whole(limit)];
        let rows = query.query_map(values, |row| row.get(0)).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    /// Cuts batches numbered from `run.batch_count + 1` and marks them as being handed over:
    /// from here on their touches and bytes are fixed. Receipts will find touches by `handles`.
    pub fn cut(
        &self,
        run: &Run,
        batches: &[Vec<Touch>],
        handles: &[(Handle, Seat)],
        now: Timestamp,
    ) -> Outcome<()> {
        let tx = self.begin()?;
        add_handles(&tx, run.no, handles)?;
        let mut total = 0;
        for (touches, no) in batches.iter().zip(run.batch_count + 1..) {
            let sql = "insert into batches (run, no, state, size, attempts, handed_at, payload)
                       values (?1, ?2, ?3, ?4, 1, ?5, ?6)";
            let values = params![
                run.no,
                whole(no),
                BatchState::Handing.word(),
                whole(touches.len()),
                now.0,
                packed(touches)?
            ];
            tx.execute(sql, values).map_err(disk_trouble)?;
            total += assign(&tx, run.no, no, touches)?;
        }
        shift(&tx, run.no, TouchState::Due, None, -total)?;
        shift(&tx, run.no, TouchState::Handed, None, total)?;
        let last = batches.iter().flatten().map(|touch| u64::from(touch.seat()) + 1).max();
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
        let sql = "select exists (select 1 from touches where run = ?1 and seat = ?2 and state = ?3)";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut unknown = Vec::new();
        for touch in touches {
            let values = params![run.no, touch.seat(), TouchState::Unknown.number()];
            if query.query_row(values, |row| row.get::<_, bool>(0)).map_err(disk_trouble)? {
                unknown.push(touch);
            }
        }
        Ok(unknown)
    }

    /// Marks an open batch as being handed over once more, before it is.
    pub fn hand_again(&self, run: &Run, batch: &OpenBatch, now: Timestamp) -> Outcome<()> {
        let tx = self.begin()?;
        for from in [TouchState::Due, TouchState::Unknown] {
            let mut moved = 0;
            for touch in &batch.touches {
                moved += move_touch(&tx, run.no, touch.seat(), from, TouchState::Handed, None)?;
            }
            shift(&tx, run.no, from, None, -moved)?;
            shift(&tx, run.no, TouchState::Handed, None, moved)?;
        }
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
        for batch in settled {
            record_batch(&tx, run.no, batch, now)?;
        }
        tx.execute("update runs set progress_at = ?2 where no = ?1", params![run.no, now.0])
            .map_err(disk_trouble)?;
        commit(tx, run.no)
    }

    /// Suppresses every touch that still waits; gives how many.
    pub fn drop_waiting(&self, run: &Run, reason: Reason, now: Timestamp) -> Outcome<i64> {
        let tx = self.begin()?;
        let dropped = tx
            .execute(
                "update touches set state = ?2, reason = ?3 where run = ?1 and state = ?4",
                params![
                    run.no,
                    TouchState::Suppressed.number(),
                    Reason::number(Some(reason)),
                    TouchState::Due.number()
                ],
            )
            .map_err(disk_trouble)? as i64;
        shift(&tx, run.no, TouchState::Due, None, -dropped)?;
        shift(&tx, run.no, TouchState::Suppressed, Some(reason), dropped)?;
        tx.execute(
            "update batches set state = ?2, payload = null where run = ?1 and state = ?3",
            params![run.no, BatchState::Dropped.word(), BatchState::Waiting.word()],
        )
        .map_err(disk_trouble)?;
        tx.execute("update runs set progress_at = ?2 where no = ?1", params![run.no, now.0])
            .map_err(disk_trouble)?;
        commit(tx, run.no)?;
        Ok(dropped)
    }

    /// Was a batch of this task ever taken by a sender, or may it have been?
    pub fn was_handed(&self, task: &str) -> Outcome<bool> {
        let sql = "select exists (select 1 from batches b join runs r on r.no = b.run
                   where r.task = ?1 and b.state in ('handing', 'answered', 'refused', 'unknown'))";
        self.db.query_row(sql, [task], |row| row.get(0)).map_err(disk_trouble)
    }
}

/// Gives the waiting seats from the first to the last of a batch their batch. Those are its own:
/// they were read in order, and nobody else writes.
fn assign(tx: &Transaction, run: i64, no: u64, touches: &[Touch]) -> Outcome<i64> {
    let sql = "update touches set state = ?4, batch = ?5
               where run = ?1 and seat between ?2 and ?3 and state = ?6 and batch is null";
    let mut update = tx.prepare_cached(sql).map_err(disk_trouble)?;
    let (first, last) = ends(touches.iter().map(Touch::seat));
    let values = params![run, first, last, TouchState::Handed.number(), whole(no), TouchState::Due.number()];
    match update.execute(values).map_err(disk_trouble)? {
        count if count == touches.len() => Ok(whole(count)),
        count => Err(Problem::bug(format!("batch {no} has {} touches, but {count} waited", touches.len()))),
    }
}

/// Moves all touches of a batch that had one answer in common, in one statement.
fn move_whole(
    tx: &Transaction,
    run: i64,
    batch: &Settled,
    to: TouchState,
    note: Option<&str>,
) -> Outcome<i64> {
    let sql = "update touches set state = ?5, note = ?6
               where run = ?1 and seat between ?2 and ?3 and state = ?7 and batch = ?4";
    let mut update = tx.prepare_cached(sql).map_err(disk_trouble)?;
    let (first, last) = ends(batch.touches.iter().map(|(seat, ..)| *seat));
    let values = params![run, first, last, whole(batch.no), to.number(), note, TouchState::Handed.number()];
    update.execute(values).map(whole).map_err(disk_trouble)
}

/// The least and the greatest; `(1, 0)`, which holds nobody, when there are none.
fn ends(seats: impl Iterator<Item = Seat>) -> (Seat, Seat) {
    seats
        .fold(None, |ends, seat| match ends {
            None => Some((seat, seat)),
            Some((least, most)) => Some((seat.min(least), seat.max(most))),
        })
        .unwrap_or((1, 0))
}

fn record_batch(tx: &Transaction, run: i64, batch: &Settled, now: Timestamp) -> Outcome<()> {
    add_handles(tx, run, &batch.handles)?;
    for (state, moved) in move_batch(tx, run, batch)? {
        shift(tx, run, TouchState::Handed, None, -moved)?;
        shift(tx, run, state, None, moved)?;
    }
    let is_over = !matches!(batch.state, BatchState::Waiting | BatchState::Unknown);
    let sql = "update batches set state = ?3, attempts = ?4, answered_at = ?5, cause = ?6,
               payload = case when ?7 then null else payload end where run = ?1 and no = ?2";
    let values =
        params![run, whole(batch.no), batch.state.word(), batch.attempts, now.0, batch.cause, is_over];
    tx.execute(sql, values).map(|_| ()).map_err(disk_trouble)
}

/// How many touches went to which state. A batch with one answer for all takes the short way; it
/// agrees with moving touch by touch.
fn move_batch(tx: &Transaction, run: i64, batch: &Settled) -> Outcome<BTreeMap<TouchState, i64>> {
    let mut tally = BTreeMap::new();
    let common = batch.touches.first().filter(|(_, state, note)| {
        batch.touches.len() == batch.size && batch.touches.iter().all(|(_, s, n)| s == state && n == note)
    });
    if let Some((_, state, note)) = common {
        tally.insert(*state, move_whole(tx, run, batch, *state, note.as_deref())?);
        return Ok(tally);
    }
    for (seat, state, note) in &batch.touches {
        *tally.entry(*state).or_insert(0) +=
            move_touch(tx, run, *seat, TouchState::Handed, *state, note.as_deref())?;
    }
    Ok(tally)
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

pub(super) fn move_touch(
    tx: &Transaction,
    run: i64,
    seat: Seat,
    from: TouchState,
    to: TouchState,
    note: Option<&str>,
) -> Outcome<i64> {
    let sql = "update touches set state = ?3, note = ?4 where run = ?1 and seat = ?2 and state = ?5";
    let mut update = tx.prepare_cached(sql).map_err(disk_trouble)?;
    let values = params![run, seat, to.number(), note, from.number()];
    Ok(update.execute(values).map_err(disk_trouble)? as i64)
}
