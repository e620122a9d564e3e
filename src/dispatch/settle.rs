//! What do receipts that come later change?
//!
//! A receipt names a touch by a handle that the ledger has kept since the cut. It settles a touch that is
//! awaited or unknown; nothing else moves, except that "delivered" outweighs "refused": who has the message
//! has it. So receipts may come twice and in any order, and the ledger ends the same.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use crate::base::{Outcome, Problem, Timestamp};
use crate::task::disk_trouble;

use super::batch::{Handle, unpacked};
use super::ledger::{Ledger, Seat, check_book, shift, whole};
use super::sender::ReceiptState;
use super::state::{BatchState, TouchState};
use super::touches::move_touch;

/// What a receipt says, and by which names it may mean a touch.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// The first that is known counts.
    pub handles: Vec<Handle>,
    pub state: ReceiptState,
    pub reason: Option<String>,
}

/// What became of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It settled its touch.
    Settled,
    /// It says what is known, or nothing that settles.
    Repeated,
    /// It says another thing than an earlier one. Delivered stays, refused gives way.
    Contradictory,
    /// Its touch was not handed over, as far as we know.
    Early,
    /// No touch has such a name.
    Stranger,
}

/// Where a touch stands.
struct Standing {
    run: i64,
    seat: Seat,
    state: TouchState,
    batch: Option<i64>,
}

impl Ledger {
    /// Books receipts in one commit, in the order given; what became of each. Errors: OUT-030, DSP-004.
    pub fn settle(&self, words: &[Word], now: Timestamp) -> Outcome<Vec<Fate>> {
        let tx = self.begin()?;
        let mut touched = BTreeSet::new();
        let fates = words.iter().map(|word| settle_one(&tx, word, &mut touched)).collect::<Outcome<_>>()?;
        let runs: BTreeSet<i64> = touched.iter().map(|(run, _)| *run).collect();
        for (run, batch) in touched {
            close(&tx, run, batch, now)?;
        }
        for run in runs {
            progress(&tx, run, now)?;
            check_book(&tx, run)?;
        }
        tx.commit().map_err(disk_trouble)?;
        Ok(fates)
    }

    /// Books what the channel said when it was asked about the unknown touches of a batch; gives how many
    /// it settled. Errors: OUT-030, DSP-004.
    pub(super) fn book_answers(
        &self,
        (run, batch): (i64, u64),
        words: &[(Seat, TouchState, Option<String>)],
        now: Timestamp,
    ) -> Outcome<i64> {
        let tx = self.begin()?;
        let mut tally = BTreeMap::new();
        for (seat, state, note) in words.iter().filter(|(_, state, _)| *state != TouchState::Unknown) {
            *tally.entry(*state).or_insert(0) +=
                move_touch(&tx, run, *seat, TouchState::Unknown, *state, note.as_deref())?;
        }
        for (state, moved) in &tally {
            shift(&tx, run, TouchState::Unknown, None, -moved)?;
            shift(&tx, run, *state, None, *moved)?;
        }
        close(&tx, run, whole(batch), now)?;
        progress(&tx, run, now)?;
        check_book(&tx, run)?;
        tx.commit().map_err(disk_trouble)?;
        Ok(tally.values().sum())
    }
}

fn settle_one(tx: &Transaction, word: &Word, touched: &mut BTreeSet<(i64, i64)>) -> Outcome<Fate> {
    let Some(found) = standing(tx, &word.handles)? else { return Ok(Fate::Stranger) };
    let (fate, to) = judged(found.state, word.state);
    let Some(to) = to else { return Ok(fate) };
    let reason = word.reason.as_deref();
    let moved = move_touch(tx, found.run, found.seat, found.state, to, reason)?;
    shift(tx, found.run, found.state, None, -moved)?;
    shift(tx, found.run, to, None, moved)?;
    touched.extend(found.batch.map(|batch| (found.run, batch)));
    Ok(fate)
}

/// What a receipt is worth beside what is known, and the state to which it moves its touch.
fn judged(known: TouchState, said: ReceiptState) -> (Fate, Option<TouchState>) {
    let said = match said {
        ReceiptState::Delivered => TouchState::Delivered,
        ReceiptState::Refused => TouchState::Refused,
        ReceiptState::Unknown | ReceiptState::Awaiting => return (Fate::Repeated, None),
    };
    match (known, said) {
        (TouchState::Handed | TouchState::Unknown, said) => (Fate::Settled, Some(said)),
        (TouchState::Refused, TouchState::Delivered) => (Fate::Contradictory, Some(said)),
        (TouchState::Delivered, TouchState::Refused) => (Fate::Contradictory, None),
        (TouchState::Delivered | TouchState::Refused, _) => (Fate::Repeated, None),
        _ => (Fate::Early, None),
    }
}

fn standing(tx: &Transaction, handles: &[Handle]) -> Outcome<Option<Standing>> {
    let sql = "select t.run, t.seat, t.state, t.batch from handles h
               join touches t on t.run = h.run and t.seat = h.seat where h.handle = ?1";
    let mut query = tx.prepare_cached(sql).map_err(disk_trouble)?;
    for handle in handles {
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get(3)?));
        let found = query.query_row(params![handle.0], read).optional().map_err(disk_trouble)?;
        let Some((run, seat, state, batch)) = found else { continue };
        let state = TouchState::of(state)
            .ok_or_else(|| Problem::bug(format!("the ledger has a touch state {state}")))?;
        return Ok(Some(Standing { run, seat, state, batch }));
    }
    Ok(None)
}

/// A batch of which nothing is unknown any more needs no second look: its bytes go.
fn close(tx: &Transaction, run: i64, batch: i64, now: Timestamp) -> Outcome<()> {
    let sql = "select payload from batches where run = ?1 and no = ?2 and state = ?3 and payload is not null";
    let found: Option<Vec<u8>> = tx
        .query_row(sql, params![run, batch, BatchState::Unknown.word()], |row| row.get(0))
        .optional()
        .map_err(disk_trouble)?;
    let Some(payload) = found else { return Ok(()) };
    let sql = "select exists (select 1 from touches where run = ?1 and seat = ?2 and state = ?3)";
    let mut is_unknown = tx.prepare_cached(sql).map_err(disk_trouble)?;
    for touch in unpacked(&payload)? {
        let values = params![run, touch.seat(), TouchState::Unknown.number()];
        if is_unknown.query_row(values, |row| row.get::<_, bool>(0)).map_err(disk_trouble)? {
            return Ok(());
        }
    }
    let sql = "update batches set state = ?3, answered_at = ?4, payload = null where run = ?1 and no = ?2";
    let values = params![run, batch, BatchState::Answered.word(), now.0];
    tx.execute(sql, values).map(|_| ()).map_err(disk_trouble)
}

fn progress(tx: &Transaction, run: i64, now: Timestamp) -> Outcome<()> {
    let sql = "update runs set progress_at = max(progress_at, ?2) where no = ?1";
    tx.execute(sql, params![run, now.0]).map(|_| ()).map_err(disk_trouble)
}
