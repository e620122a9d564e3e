//! What became of each touch? One row a touch, read a portion at a time.
//!
//! A touch lies in the pages of its run by its seat; whose it is, and when it was due, says the run where the
//! calendar ran, and the fire where a trigger did. So ten million of them take no more memory than a portion.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use crate::base::{Outcome, Problem, Timestamp, UserNo};
use crate::task::{Task, disk_trouble};

use super::ledger::{Ledger, Run, Seat};
use super::pages::Pages;
use super::state::{Reason, TouchState};

/// One touch and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub seat: Seat,
    pub user: UserNo,
    /// What names it within its task.
    pub occurrence: String,
    /// The planned reach; `None` for a fire that ended before it was due.
    pub due_at: Option<Timestamp>,
    pub state: TouchState,
    pub reason: Option<Reason>,
    /// The batch in which it went.
    pub batch: Option<u64>,
    /// The channel's words.
    pub note: Option<String>,
}

/// Whose touch it is, and when it was due.
struct Whose {
    user: UserNo,
    occurrence: String,
    due_at: Option<Timestamp>,
}

impl Ledger {
    /// The touches of a run of `task` from seat `from` on, ascending, at most `limit`. Errors: OUT-030.
    pub fn rows_from(&self, task: &Task, run: &Run, from: u64, limit: usize) -> Outcome<Vec<Row>> {
        let mut pages = Pages::of(&self.db, run.no);
        let seats = pages.seats(from, limit, false, |_| true)?;
        self.rows_at(task, run, &seats)
    }

    /// The touches of one user in a run of `task`: at most one where the calendar ran. Errors: OUT-030.
    pub fn rows_of(&self, task: &Task, run: &Run, user: UserNo) -> Outcome<Vec<Row>> {
        if task.rule().is_none() {
            return self.rows_at(task, run, &[user]);
        }
        let sql = "select seat from fires where user = ?1 and run = ?2 order by seat";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let rows = query.query_map(params![user, run.no], |row| row.get(0)).map_err(disk_trouble)?;
        let seats: Vec<Seat> = rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)?;
        self.rows_at(task, run, &seats)
    }

    /// Visits every touch of a run of `task` by ascending seats. Errors: OUT-030, and those of `visit`.
    pub fn each_row(&self, task: &Task, run: &Run, mut visit: impl FnMut(Row) -> Outcome<()>) -> Outcome<()> {
        let mut from = 0;
        loop {
            let rows = self.rows_from(task, run, from, PORTION)?;
            let Some(last) = rows.last() else { return Ok(()) };
            from = u64::from(last.seat) + 1;
            rows.into_iter().try_for_each(&mut visit)?;
        }
    }

    /// The tasks that have runs, those that were deleted among them. Errors: OUT-030.
    pub fn tasks_with_runs(&self) -> Outcome<Vec<String>> {
        let mut query = self.db.prepare_cached("select distinct task from runs").map_err(disk_trouble)?;
        let rows = query.query_map([], |row| row.get(0)).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    /// The run of this name. Errors: DSP-070 with the runs that there are.
    pub fn run_named(&self, task: &Task, name: &str) -> Outcome<Run> {
        let runs = self.runs_of(&task.id)?;
        let is_it = |run: &&Run| run.name() == name || run.occurrence == name;
        if let Some(run) = runs.iter().find(is_it) {
            return Ok(run.clone());
        }
        let names: Vec<String> = runs.iter().rev().take(RUNS_SHOWN).map(Run::name).collect();
        let known = if names.is_empty() {
            "it has none yet".to_string()
        } else {
            format!("it has {}", names.join(", "))
        };
        Err(Problem::author("DSP-070", format!("task {} has no run `{name}`; {known}", task.id))
            .at(format!("run {name}"))
            .cure(format!("see all runs with `quanke task report {}`", task.id)))
    }

    /// The touches at these seats, which ascend; a seat without a touch has no row.
    fn rows_at(&self, task: &Task, run: &Run, seats: &[Seat]) -> Outcome<Vec<Row>> {
        let (Some(first), Some(last)) = (seats.first(), seats.last()) else { return Ok(Vec::new()) };
        let mut notes = self.notes_between(run, *first, *last)?;
        let mut fires =
            if task.rule().is_some() { self.fires_between(run, *first, *last)? } else { HashMap::new() };
        let mut pages = Pages::of(&self.db, run.no);
        let mut rows = Vec::with_capacity(seats.len());
        for seat in seats {
            let Some(cell) = pages.cell(*seat)? else { continue };
            let whose = match task.rule() {
                Some(_) => fires.remove(seat).ok_or_else(|| nobodys(run, *seat))?,
                None => {
                    Whose { user: *seat, occurrence: run.occurrence.clone(), due_at: Some(run.planned_at) }
                }
            };
            let Whose { user, occurrence, due_at } = whose;
            let (state, reason, batch) = (cell.state, cell.reason, cell.batch);
            rows.push(Row {
                seat: *seat,
                user,
                occurrence,
                due_at,
                state,
                reason,
                batch,
                note: notes.remove(seat),
            });
        }
        Ok(rows)
    }

    fn notes_between(&self, run: &Run, first: Seat, last: Seat) -> Outcome<HashMap<Seat, String>> {
        let sql = "select seat, note from notes where run = ?1 and seat between ?2 and ?3";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
        let rows = query.query_map(params![run.no, first, last], read).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    fn fires_between(&self, run: &Run, first: Seat, last: Seat) -> Outcome<HashMap<Seat, Whose>> {
        let sql =
            "select seat, user, occurrence, due_at from fires where run = ?1 and seat between ?2 and ?3";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let read = |row: &rusqlite::Row| {
            let due_at = row.get::<_, Option<i64>>(3)?.map(Timestamp);
            Ok((row.get(0)?, Whose { user: row.get(1)?, occurrence: row.get(2)?, due_at }))
        };
        let rows = query.query_map(params![run.no, first, last], read).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    /// The least and the greatest planned reach of the fires of a run, if any was due. Errors: OUT-030.
    pub(super) fn fires_span(&self, run: &Run) -> Outcome<Option<(Timestamp, Timestamp)>> {
        let sql = "select min(due_at), max(due_at) from fires where run = ?1 and due_at is not null";
        let read = |row: &rusqlite::Row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
        let found = self.db.query_row(sql, [run.no], read).optional().map_err(disk_trouble)?;
        Ok(found.and_then(|(first, last)| Some((Timestamp(first?), Timestamp(last?)))))
    }
}

/// Touches that are read at a time.
pub const PORTION: usize = 65_536;
/// Runs that are named when one is not there.
const RUNS_SHOWN: usize = 5;

fn nobodys(run: &Run, seat: Seat) -> Problem {
    Problem::bug(format!("seat {seat} of run {} has a touch and no fire", run.name()))
}
