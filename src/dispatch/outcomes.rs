//! How do the touches of a task leave, row by row? Batches of columns for whoever writes them.
//!
//! `touch_id, run, batch, user_id, channel, due_at, state, reason, note, staff`: a portion of the ledger at a time, of
//! the runs, states, reasons and the user that were asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::base::{Outcome, Pace, Problem, Timestamp, UserNo};
use crate::task::Task;

use super::batch::TouchNames;
use super::ledger::{Ledger, Run};
use super::rows::{PORTION, Row};
use super::staff::staff_of;
use super::state::{Reason, TouchState};

/// Which touches are asked for; what is left open holds for all.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub states: Vec<TouchState>,
    pub reasons: Vec<Reason>,
    pub user: Option<UserNo>,
}

/// Gives the external id of a user; users who were deleted have theirs.
pub type IdOf<'a> = &'a dyn Fn(UserNo) -> String;

/// The touches of runs of one task, on their way out.
pub struct Outcomes<'a> {
    app: &'a str,
    task: &'a Task,
    ledger: &'a Ledger,
    id_of: IdOf<'a>,
    wanted: Wanted,
    runs: VecDeque<Run>,
    from: u64,
    schema: SchemaRef,
    pace: &'a dyn Pace,
    /// Rows given so far.
    pub count: u64,
}

impl Wanted {
    /// Is this touch asked for?
    pub fn takes(&self, row: &Row) -> bool {
        let has_state = self.states.is_empty() || self.states.contains(&row.state);
        let has_reason = self.reasons.is_empty() || row.reason.is_some_and(|why| self.reasons.contains(&why));
        has_state && has_reason && self.user.is_none_or(|user| user == row.user)
    }
}

impl<'a> Outcomes<'a> {
    /// The touches of `runs`, which are of `task`.
    pub fn new(
        (app, task): (&'a str, &'a Task),
        ledger: &'a Ledger,
        id_of: IdOf<'a>,
        runs: Vec<Run>,
        wanted: Wanted,
        pace: &'a dyn Pace,
    ) -> Outcomes<'a> {
        let total: u64 = runs.iter().map(|run| run.due.unsigned_abs()).sum();
        pace.begin("touches", Some(total), "touches");
        let schema = schema(task);
        Outcomes { app, task, ledger, id_of, wanted, runs: runs.into(), from: 0, schema, pace, count: 0 }
    }

    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next_batch(&mut self) -> Outcome<Option<RecordBatch>> {
        while let Some(run) = self.runs.front().cloned() {
            let rows = self.next_rows(&run)?;
            if rows.is_empty() {
                continue;
            }
            self.count += rows.len() as u64;
            return self.batch(&run, &rows).map(Some);
        }
        self.pace.end();
        Ok(None)
    }

    /// The next portion of a run that has rows asked for; the run goes when it is over.
    fn next_rows(&mut self, run: &Run) -> Outcome<Vec<Row>> {
        let rows = match self.wanted.user {
            Some(user) => self.ledger.rows_of(self.task, run, user)?,
            None => self.ledger.rows_from(self.task, run, self.from, PORTION)?,
        };
        self.pace.more(rows.len() as u64);
        match rows.last().filter(|_| self.wanted.user.is_none()) {
            Some(last) => self.from = u64::from(last.seat) + 1,
            None => {
                self.runs.pop_front();
                self.from = 0;
            }
        }
        Ok(rows.into_iter().filter(|row| self.wanted.takes(row)).collect())
    }

    fn batch(&self, run: &Run, rows: &[Row]) -> Outcome<RecordBatch> {
        let names = |occurrence: &str| {
            TouchNames::of(self.app, &self.task.id, run.epoch, occurrence, &self.task.file.dispatch.channel)
        };
        let of_run = self.task.is_scheduled().then(|| names(&run.occurrence));
        let users: Vec<String> = rows.iter().map(|row| (self.id_of)(row.user)).collect();
        let id = |(row, user): (&Row, &String)| match &of_run {
            Some(names) => names.touch_id(user).to_string(),
            None => names(&row.occurrence).touch_id(user).to_string(),
        };
        let staff = staff_of(&self.ledger.db, &self.task.id, rows.iter().map(|row| row.user))?;
        let (name, channel) = (run.name(), &self.task.file.dispatch.channel);
        let times: TimestampMillisecondArray =
            rows.iter().map(|row| row.due_at.map(|Timestamp(ms)| ms)).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().zip(&users).map(id).map(Some).collect::<StringArray>()),
            texts(rows, |_| Some(name.as_str())),
            Arc::new(rows.iter().map(|row| row.batch.map(|no| no as i64)).collect::<Int64Array>()),
            Arc::new(users.iter().map(|user| Some(user.as_str())).collect::<StringArray>()),
            texts(rows, |_| Some(channel.as_str())),
            Arc::new(times.with_timezone(self.task.zone.name())),
            texts(rows, |row| Some(row.state.word())),
            texts(rows, |row| row.reason.map(|reason| reason.word())),
            texts(rows, |row| row.note.as_deref()),
            texts(rows, |row| staff.get(&row.user).map(String::as_str)),
        ];
        RecordBatch::try_new(self.schema(), columns).map_err(|error| Problem::bug(error.to_string()))
    }
}

impl Iterator for Outcomes<'_> {
    type Item = Outcome<RecordBatch>;

    fn next(&mut self) -> Option<Outcome<RecordBatch>> {
        self.next_batch().transpose()
    }
}

fn texts<'r>(rows: &'r [Row], of: impl Fn(&'r Row) -> Option<&'r str>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

fn schema(task: &Task) -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, Some(task.zone.name().into()));
    let columns = [
        ("touch_id", DataType::Utf8, false),
        ("run", DataType::Utf8, false),
        ("batch", DataType::Int64, true),
        ("user_id", DataType::Utf8, false),
        ("channel", DataType::Utf8, false),
        ("due_at", time, true),
        ("state", DataType::Utf8, false),
        ("reason", DataType::Utf8, true),
        ("note", DataType::Utf8, true),
        ("staff", DataType::Utf8, true),
    ];
    Arc::new(Schema::new(columns.map(|(name, kind, is_open)| Field::new(name, kind, is_open)).to_vec()))
}
