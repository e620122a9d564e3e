//! Where does each touch of a run stand? One byte a question, 4,096 seats a page.
//!
//! A run of ten million touches is 2,500 rows of `pages` instead of ten million: what a wave of batches changes
//! lies together, and most pages say the same of all their seats, so they are small. [`Pages`] is how touches
//! are read and moved inside a commit; whoever moves one through it has moved the counts of the run as well,
//! and what caps count.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, params};
use zstd::bulk::Compressor;

use crate::base::{Outcome, Problem};
use crate::task::disk_trouble;

use super::ledger::{Ledger, Run, Seat, shift, whole};
use super::spent::{self, Standing};
use super::state::{Reason, TouchState};

/// Seats of one page; a page is their `seat / PAGE_SEATS`.
const PAGE_SEATS: usize = 4_096;
/// Bytes of one seat: state, reason, and the number of its batch in four.
const SEAT_BYTES: usize = 6;
/// Pages that are kept open before they are written out.
const OPEN_MAX: usize = 64;
/// In the byte of the state: the channel's words on it are in `notes`.
const NOTED: u8 = 0x80;

/// Touches by pages, and the words of channels on some of them.
pub(super) const PAGES: &str = "
    create table pages (
        run integer not null references runs(no), no integer not null, waiting integer not null, seats blob not null,
        primary key (run, no)) without rowid;
    create index waiting_pages on pages (run, no) where waiting > 0;
    create table notes (
        run integer not null references runs(no), seat integer not null, note text not null,
        primary key (run, seat)) without rowid;";

/// Where one touch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub state: TouchState,
    pub reason: Option<Reason>,
    /// The batch in which it went, or waits to go again.
    pub batch: Option<u64>,
}

/// The touches of one run inside a commit. What was changed is written by [`Pages::close`].
pub(super) struct Pages<'c> {
    db: &'c Connection,
    run: i64,
    open: BTreeMap<u32, Page>,
    tally: BTreeMap<(TouchState, Option<Reason>), i64>,
    /// Those whose touch counts otherwise for caps than before.
    standings: BTreeMap<(Standing, Standing), RoaringBitmap>,
}

/// The seats of one page, question by question.
struct Page {
    states: Vec<u8>,
    reasons: Vec<u8>,
    batches: Vec<u32>,
    is_changed: bool,
}

impl Cell {
    /// A touch of which no batch was cut.
    pub(super) fn new(state: TouchState, reason: Option<Reason>) -> Cell {
        Cell { state, reason, batch: None }
    }

    /// Does it wait for a batch?
    pub fn is_waiting(&self) -> bool {
        self.state == TouchState::Due && self.batch.is_none()
    }
}

impl<'c> Pages<'c> {
    /// The touches of run `run`.
    pub fn of(db: &'c Connection, run: i64) -> Pages<'c> {
        Pages { db, run, open: BTreeMap::new(), tally: BTreeMap::new(), standings: BTreeMap::new() }
    }

    /// Where the touch at a seat stands, if there is one.
    pub fn cell(&mut self, seat: Seat) -> Outcome<Option<Cell>> {
        let (page, place) = self.page(seat)?;
        page.cell(place)
    }

    /// A new touch. Errors: a bug when the seat is taken.
    pub fn add(&mut self, seat: Seat, cell: Cell) -> Outcome<()> {
        if self.cell(seat)?.is_some() {
            return Err(Problem::bug(format!("seat {seat} of run {} is written twice", self.run)));
        }
        self.put(seat, cell)?;
        *self.tally.entry((cell.state, cell.reason)).or_insert(0) += 1;
        Ok(())
    }

    /// The touch at a seat stands otherwise now. Errors: a bug when there is none.
    pub fn change(&mut self, seat: Seat, to: Cell) -> Outcome<()> {
        let before = self.cell(seat)?;
        let before =
            before.ok_or_else(|| Problem::bug(format!("run {} has no touch at seat {seat}", self.run)))?;
        self.put(seat, to)?;
        *self.tally.entry((before.state, before.reason)).or_insert(0) -= 1;
        *self.tally.entry((to.state, to.reason)).or_insert(0) += 1;
        let standing = (Standing::of(before.state), Standing::of(to.state));
        if standing.0 != standing.1 {
            self.standings.entry(standing).or_default().insert(seat);
        }
        Ok(())
    }

    /// Moves a touch, with the channel's words, if it stands at `from`; was it so?
    pub fn move_if(
        &mut self,
        seat: Seat,
        from: TouchState,
        to: TouchState,
        note: Option<&str>,
    ) -> Outcome<bool> {
        let Some(cell) = self.cell(seat)?.filter(|cell| cell.state == from) else { return Ok(false) };
        self.change(seat, Cell { state: to, ..cell })?;
        self.note(seat, note)?;
        Ok(true)
    }

    /// Suppresses a touch if it waits, with or without a batch; was it so?
    pub fn suppress_if_due(&mut self, seat: Seat, reason: Reason) -> Outcome<bool> {
        let Some(cell) = self.cell(seat)?.filter(|cell| cell.state == TouchState::Due) else {
            return Ok(false);
        };
        self.change(seat, Cell { state: TouchState::Suppressed, reason: Some(reason), ..cell })?;
        Ok(true)
    }

    /// The seats from `from` on whose touch `is_wanted`, ascending, at most `limit`; `only_waiting` passes over
    /// pages in which nothing waits for a batch.
    pub fn seats(
        &mut self,
        from: u64,
        limit: usize,
        only_waiting: bool,
        is_wanted: impl Fn(&Cell) -> bool,
    ) -> Outcome<Vec<Seat>> {
        let mut found = Vec::new();
        let mut next = from / PAGE_SEATS as u64;
        while found.len() < limit
            && let Some(no) = self.next_page(next, only_waiting)?
        {
            let first = no as usize * PAGE_SEATS;
            let (page, _) = self.page(first as Seat)?;
            for place in 0..PAGE_SEATS {
                let seat = first + place;
                if seat as u64 >= from && page.cell(place)?.is_some_and(|cell| is_wanted(&cell)) {
                    found.push(seat as Seat);
                    if found.len() == limit {
                        break;
                    }
                }
            }
            next = u64::from(no) + 1;
        }
        Ok(found)
    }

    /// Writes what was changed: pages, counts, and what was let out.
    pub fn close(mut self) -> Outcome<()> {
        self.write_out()?;
        for ((from, to), seats) in &self.standings {
            spent::moved(self.db, self.run, seats, *from, *to)?;
        }
        self.tally
            .iter()
            .filter(|(_, by)| **by != 0)
            .try_for_each(|((state, reason), by)| shift(self.db, self.run, *state, *reason, *by))
    }

    /// The number of the next stored page from `from` on.
    fn next_page(&self, from: u64, only_waiting: bool) -> Outcome<Option<u32>> {
        let sql = if only_waiting {
            "select no from pages where run = ?1 and no >= ?2 and waiting > 0 order by no limit 1"
        } else {
            "select no from pages where run = ?1 and no >= ?2 order by no limit 1"
        };
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        query.query_row(params![self.run, from], |row| row.get(0)).optional().map_err(disk_trouble)
    }

    fn note(&mut self, seat: Seat, note: Option<&str>) -> Outcome<()> {
        let run = self.run;
        let db = self.db;
        let (page, place) = self.page(seat)?;
        let Some(state) = page.states.get_mut(place) else { return Ok(()) };
        match note {
            Some(note) => {
                *state |= NOTED;
                let sql = "insert or replace into notes (run, seat, note) values (?1, ?2, ?3)";
                let mut insert = db.prepare_cached(sql).map_err(disk_trouble)?;
                insert.execute(params![run, seat, note]).map_err(disk_trouble)?;
            }
            None if *state & NOTED != 0 => {
                *state &= !NOTED;
                let sql = "delete from notes where run = ?1 and seat = ?2";
                db.execute(sql, params![run, seat]).map_err(disk_trouble)?;
            }
            None => {}
        }
        Ok(())
    }

    fn put(&mut self, seat: Seat, cell: Cell) -> Outcome<()> {
        let (page, place) = self.page(seat)?;
        page.put(place, cell)
    }

    /// The page of a seat, and its place there.
    fn page(&mut self, seat: Seat) -> Outcome<(&mut Page, usize)> {
        let (no, place) = (seat / PAGE_SEATS as u32, seat as usize % PAGE_SEATS);
        if !self.open.contains_key(&no) {
            if self.open.len() >= OPEN_MAX {
                self.write_out()?;
                self.open.clear();
            }
            let page = self.read(no)?;
            self.open.insert(no, page);
        }
        let page = self.open.get_mut(&no).ok_or_else(|| Problem::bug("an open page is not open"))?;
        Ok((page, place))
    }

    fn read(&self, no: u32) -> Outcome<Page> {
        let sql = "select seats from pages where run = ?1 and no = ?2";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let bytes: Option<Vec<u8>> =
            query.query_row(params![self.run, no], |row| row.get(0)).optional().map_err(disk_trouble)?;
        bytes.map_or_else(|| Ok(Page::empty()), |bytes| Page::unpacked(&bytes))
    }

    fn write_out(&mut self) -> Outcome<()> {
        let sql = "insert or replace into pages (run, no, waiting, seats) values (?1, ?2, ?3, ?4)";
        let mut insert = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut packer = Compressor::new(1)?;
        for (no, page) in self.open.iter_mut().filter(|(_, page)| page.is_changed) {
            insert
                .execute(params![self.run, no, whole(page.waiting()), packer.compress(&page.bytes())?])
                .map_err(disk_trouble)?;
            page.is_changed = false;
        }
        Ok(())
    }
}

impl Page {
    fn empty() -> Page {
        Page {
            states: vec![0; PAGE_SEATS],
            reasons: vec![0; PAGE_SEATS],
            batches: vec![0; PAGE_SEATS],
            is_changed: false,
        }
    }

    /// States count from 1 here, batches too: 0 is none.
    fn cell(&self, place: usize) -> Outcome<Option<Cell>> {
        let at = (self.states.get(place), self.reasons.get(place), self.batches.get(place));
        let (Some(state), Some(reason), Some(batch)) = at else { return Ok(None) };
        let Some(number) = (state & !NOTED).checked_sub(1) else { return Ok(None) };
        let state = TouchState::of(number.into())
            .ok_or_else(|| Problem::bug(format!("the ledger has a touch state {number}")))?;
        let batch = (*batch > 0).then_some(u64::from(*batch));
        Ok(Some(Cell { state, reason: Reason::of((*reason).into()), batch }))
    }

    fn put(&mut self, place: usize, cell: Cell) -> Outcome<()> {
        let no = u32::try_from(cell.batch.unwrap_or(0))
            .map_err(|_| Problem::bug("a run has more than 2^32 batches"))?;
        let at = (self.states.get_mut(place), self.reasons.get_mut(place), self.batches.get_mut(place));
        if let (Some(state), Some(reason), Some(batch)) = at {
            *state = (*state & NOTED) | (cell.state.number() as u8 + 1);
            *reason = Reason::number(cell.reason) as u8;
            *batch = no;
            self.is_changed = true;
        }
        Ok(())
    }

    /// Touches that wait for a batch.
    fn waiting(&self) -> usize {
        let due = TouchState::Due.number() as u8 + 1;
        let seats = self.states.iter().zip(&self.batches);
        seats.filter(|(state, batch)| **state & !NOTED == due && **batch == 0).count()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PAGE_SEATS * SEAT_BYTES);
        bytes.extend_from_slice(&self.states);
        bytes.extend_from_slice(&self.reasons);
        self.batches.iter().for_each(|batch| bytes.extend_from_slice(&batch.to_le_bytes()));
        bytes
    }

    fn unpacked(bytes: &[u8]) -> Outcome<Page> {
        let bytes = zstd::bulk::decompress(bytes, PAGE_SEATS * SEAT_BYTES)?;
        if bytes.len() != PAGE_SEATS * SEAT_BYTES {
            return Err(Problem::bug(format!("a page of the ledger has {} bytes", bytes.len())));
        }
        let (states, rest) = bytes.split_at(PAGE_SEATS);
        let (reasons, batches) = rest.split_at(PAGE_SEATS);
        let (numbers, _) = batches.as_chunks::<4>();
        let batches = numbers.iter().map(|number| u32::from_le_bytes(*number)).collect();
        Ok(Page { states: states.to_vec(), reasons: reasons.to_vec(), batches, is_changed: false })
    }
}

impl Ledger {
    /// Visits the touches of a run by ascending seats. Errors: OUT-030, and those of `visit`.
    pub fn each_touch(&self, run: &Run, mut visit: impl FnMut(Seat, Cell) -> Outcome<()>) -> Outcome<()> {
        let sql = "select no, seats from pages where run = ?1 order by no";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut rows = query.query([run.no]).map_err(disk_trouble)?;
        while let Some(row) = rows.next().map_err(disk_trouble)? {
            let (no, bytes): (u32, Vec<u8>) =
                row.get(0).and_then(|no| Ok((no, row.get(1)?))).map_err(disk_trouble)?;
            let page = Page::unpacked(&bytes)?;
            for place in 0..PAGE_SEATS {
                if let Some(cell) = page.cell(place)? {
                    visit((no as usize * PAGE_SEATS + place) as Seat, cell)?;
                }
            }
        }
        Ok(())
    }

    /// The channel's words on a touch. Errors: OUT-030.
    pub fn note(&self, run: &Run, seat: Seat) -> Outcome<Option<String>> {
        let sql = "select note from notes where run = ?1 and seat = ?2";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        query.query_row(params![run.no, seat], |row| row.get(0)).optional().map_err(disk_trouble)
    }
}

/// Touches of an older ledger, one row each, become pages. The counts are right already.
pub(super) fn from_rows(db: &Connection) -> Outcome<()> {
    let sql = "select count(*) from sqlite_master where type = 'table' and name = 'touches'";
    let is_older: bool = db.query_row(sql, [], |row| row.get(0)).map_err(disk_trouble)?;
    if !is_older {
        return Ok(());
    }
    let tx = db.unchecked_transaction().map_err(disk_trouble)?;
    {
        let sql = "select run, seat, state, reason, batch, note from touches order by run, seat";
        let mut query = tx.prepare(sql).map_err(disk_trouble)?;
        let mut rows = query.query([]).map_err(disk_trouble)?;
        let mut pages: Option<Pages> = None;
        while let Some(row) = rows.next().map_err(disk_trouble)? {
            let run = row.get(0).map_err(disk_trouble)?;
            if pages.as_ref().is_none_or(|pages| pages.run != run)
                && let Some(mut full) = pages.replace(Pages::of(&tx, run))
            {
                full.write_out()?;
            }
            if let Some(pages) = &mut pages {
                pages.take(row)?;
            }
        }
        pages.map_or(Ok(()), |mut pages| pages.write_out())?;
    }
    tx.execute_batch("drop table touches").map_err(disk_trouble)?;
    tx.commit().map_err(disk_trouble)
}

impl Pages<'_> {
    /// A touch from a row of an older ledger.
    fn take(&mut self, row: &rusqlite::Row) -> Outcome<()> {
        let read =
            || Ok((row.get(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, row.get(4)?, row.get(5)?));
        let (seat, state, reason, batch, note): (Seat, _, _, Option<i64>, Option<String>) =
            read().map_err(|e: rusqlite::Error| disk_trouble(e))?;
        let state = TouchState::of(state)
            .ok_or_else(|| Problem::bug(format!("the ledger has a touch state {state}")))?;
        let batch = batch.map(i64::unsigned_abs);
        self.put(seat, Cell { state, reason: Reason::of(reason), batch })?;
        self.note(seat, note.as_deref())
    }
}
