//! What do receipts that come later change?
//!
//! A receipt names a touch by a handle that the ledger has kept since the cut. It settles a touch that is
//! awaited or unknown; nothing else moves, except that "delivered" outweighs "refused": who has the message
//! has it. So receipts may come twice and in any order, and the ledger ends the same.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use crate::base::{Outcome, Timestamp};
use crate::task::disk_trouble;

use super::batch::{Handle, unpacked};
use super::ledger::{Ledger, Seat, check_book, whole};
use super::pages::Pages;
use super::sender::ReceiptState;
use super::staff;
use super::state::{BatchState, TouchState};

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

impl Ledger {
    /// Books receipts in one commit, in the order given; what became of each. Errors: OUT-030, DSP-004.
    pub fn settle(&self, words: &[Word], now: Timestamp) -> Outcome<Vec<Fate>> {
        let tx = self.begin()?;
        let fates = self.settle_in(&tx, words, now)?;
        tx.commit().map_err(disk_trouble)?;
        Ok(fates)
    }

    /// The same inside a commit of more than this.
    pub(super) fn settle_in(&self, tx: &Transaction, words: &[Word], now: Timestamp) -> Outcome<Vec<Fate>> {
        let (mut runs, mut touched, mut heard) = (BTreeMap::new(), BTreeSet::new(), Heard::new());
        let fate = |word| settle_one(tx, word, &mut runs, (&mut touched, &mut heard));
        let fates = words.iter().map(fate).collect::<Outcome<_>>()?;
        runs.into_values().try_for_each(Pages::close)?;
        let runs: BTreeSet<i64> = touched.iter().map(|(run, _)| *run).collect();
        for (run, batch) in touched {
            close(tx, run, batch, now)?;
        }
        for (run, words) in heard {
            staff::heard(tx, run, &words, now)?;
        }
        for run in runs {
            progress(tx, run, now)?;
            check_book(tx, run)?;
        }
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
        let (mut pages, mut settled) = (Pages::of(&tx, run), Vec::new());
        for (seat, state, note) in words.iter().filter(|(_, state, _)| *state != TouchState::Unknown) {
            if pages.move_if(*seat, TouchState::Unknown, *state, note.as_deref())? {
                settled.push((*seat, *state));
            }
        }
        pages.close()?;
        staff::heard(&tx, run, &settled, now)?;
        close(&tx, run, batch, now)?;
        progress(&tx, run, now)?;
        check_book(&tx, run)?;
        tx.commit().map_err(disk_trouble)?;
        Ok(whole(settled.len()))
    }
}

/// What became of touches, by run.
type Heard = BTreeMap<i64, Vec<(Seat, TouchState)>>;

fn settle_one<'c>(
    tx: &'c Transaction,
    word: &Word,
    runs: &mut BTreeMap<i64, Pages<'c>>,
    (touched, heard): (&mut BTreeSet<(i64, u64)>, &mut Heard),
) -> Outcome<Fate> {
    let Some((run, seat)) = place_of(tx, &word.handles)? else { return Ok(Fate::Stranger) };
    let pages = runs.entry(run).or_insert_with(|| Pages::of(tx, run));
    let Some(cell) = pages.cell(seat)? else { return Ok(Fate::Stranger) };
    let (fate, to) = judged(cell.state, word.state);
    let Some(to) = to else { return Ok(fate) };
    pages.move_if(seat, cell.state, to, word.reason.as_deref())?;
    touched.extend(cell.batch.map(|batch| (run, batch)));
    heard.entry(run).or_default().push((seat, to));
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

/// The run and the seat of the first of these names that is known.
fn place_of(tx: &Transaction, handles: &[Handle]) -> Outcome<Option<(i64, Seat)>> {
    let mut query =
        tx.prepare_cached("select run, seat from handles where handle = ?1").map_err(disk_trouble)?;
    for handle in handles {
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
        let found = query.query_row(params![handle.0], read).optional().map_err(disk_trouble)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A batch of which nothing is unknown any more needs no second look: its bytes go.
fn close(tx: &Transaction, run: i64, batch: u64, now: Timestamp) -> Outcome<()> {
    let sql = "select payload from batches where run = ?1 and no = ?2 and state = ?3 and payload is not null";
    let found: Option<Vec<u8>> = tx
        .query_row(sql, params![run, whole(batch), BatchState::Unknown.word()], |row| row.get(0))
        .optional()
        .map_err(disk_trouble)?;
    let Some(payload) = found else { return Ok(()) };
    let mut pages = Pages::of(tx, run);
    for touch in unpacked(&payload)? {
        if pages.cell(touch.seat())?.is_some_and(|cell| cell.state == TouchState::Unknown) {
            return Ok(());
        }
    }
    let sql = "update batches set state = ?3, answered_at = ?4, payload = null where run = ?1 and no = ?2";
    let values = params![run, whole(batch), BatchState::Answered.word(), now.0];
    tx.execute(sql, values).map(|_| ()).map_err(disk_trouble)
}

fn progress(tx: &Transaction, run: i64, now: Timestamp) -> Outcome<()> {
    let sql = "update runs set progress_at = max(progress_at, ?2) where no = ?1";
    tx.execute(sql, params![run, now.0]).map(|_| ()).map_err(disk_trouble)
}
