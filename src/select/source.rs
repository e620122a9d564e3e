//! The rows of one condition, read once before the chunks are walked.
//!
//! A whole local day of an unfiltered count is read from its roll-up (user, count); every other row
//! comes from the decoded columns of its day, filtered by vectorised checks and compacted to
//! (user, value).

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use rayon::prelude::*;

use super::bits::bits;
use super::bound::BoundMetric;
use super::column;
use super::filter::{Begins, Named, passing};
use super::plan::{RowPlan, Source, TimeSpan};
use crate::base::{CHUNK_USERS, Day, Interval, Outcome, Timestamp, UserNo, Zone};
use crate::store::{Rows, Snapshot};

/// Rows that passed the filter; shape: users ascending, the other vectors of the same length.
#[derive(Debug, Default)]
pub struct Part {
    pub users: Users,
    pub weight: Weight,
    /// Milliseconds, kept only where each user has a window of their own.
    pub times: Vec<i64>,
    /// The local day of all rows, for behaviours.
    pub day: Option<Day>,
}

/// User numbers, mapped from a roll-up or made by a filter.
#[derive(Debug)]
pub enum Users {
    Mapped(ScalarBuffer<u32>),
    Made(Vec<u32>),
}

impl Default for Users {
    fn default() -> Users {
        Users::Made(vec![])
    }
}

impl std::ops::Deref for Users {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        match self {
            Users::Mapped(users) => users,
            Users::Made(users) => users,
        }
    }
}

/// What each row adds.
#[derive(Debug, Default)]
pub enum Weight {
    /// One row each.
    #[default]
    One,
    /// So many rows each.
    Counts(ScalarBuffer<u32>),
    /// The measured property, or the code of its value.
    Values(Vec<f64>),
}

impl Part {
    /// The positions of the rows of one chunk.
    pub fn range(&self, chunk: u32) -> std::ops::Range<usize> {
        let first = chunk as u64 * CHUNK_USERS as u64;
        let at = |user: u64| self.users.partition_point(|u| (*u as u64) < user);
        at(first)..at(first + CHUNK_USERS as u64)
    }
}

/// All parts of a behaviour, ascending by day. Errors: a file that cannot be read.
pub fn event_parts(plan: &RowPlan, snapshot: &Snapshot) -> Outcome<Vec<Part>> {
    let Source::Events(event) = &plan.source else { return Ok(vec![]) };
    let mut places = vec![];
    for day in snapshot.days() {
        let cover = cover(&plan.span, *day, &snapshot.zone());
        if cover != Cover::Nothing {
            match event {
                Some(event) => places.push((*day, event.as_str(), cover)),
                None => places.extend(snapshot.events_on(*day).map(|event| (*day, event, cover))),
            }
        }
    }
    let begins = Begins::read(plan.filter.as_ref(), snapshot, 0..snapshot.chunk_count())?;
    let reader = Reader::new(plan, snapshot.zone(), plan_time(plan), begins);
    let read: Vec<Option<Raw>> = places
        .par_iter()
        .map(|(day, event, cover)| reader.read_day(snapshot, *day, event, *cover))
        .collect::<Outcome<_>>()?;
    Ok(code(read.into_iter().flatten().collect()))
}

/// The rows of a detail table in one chunk.
pub fn detail_parts(plan: &RowPlan, snapshot: &Snapshot, chunk: u32) -> Outcome<Vec<Part>> {
    let Source::Detail { table, on } = &plan.source else { return Ok(vec![]) };
    let begins = Begins::read(plan.filter.as_ref(), snapshot, chunk..chunk + 1)?;
    let reader = Reader::new(plan, snapshot.zone(), on.clone(), begins);
    let Some(rows) = snapshot.detail(table, chunk, &reader.names())? else { return Ok(vec![]) };
    let own_time = snapshot.catalog().tables.get(table).and_then(|facts| facts.time.clone());
    let times = reader.times(&rows, own_time.as_deref() == on.as_deref());
    Ok(code(vec![reader.compact(&rows, times, None, true)]))
}

fn plan_time(plan: &RowPlan) -> Option<String> {
    match plan.source {
        Source::Events(_) => None,
        Source::Detail { ref on, .. } => on.clone(),
    }
}

/// How a window covers one day.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cover {
    Nothing,
    Edge,
    Whole,
}

fn cover(span: &TimeSpan, day: Day, zone: &Zone) -> Cover {
    let of_day = Interval { from: zone.start_of(day), to: zone.start_of(day.plus(1)) };
    match span {
        TimeSpan::Untimed => Cover::Whole,
        TimeSpan::Own { until, .. } if of_day.from > *until => Cover::Nothing,
        TimeSpan::Own { .. } => Cover::Edge,
        TimeSpan::Until(until) if of_day.from > *until => Cover::Nothing,
        TimeSpan::Until(until) if of_day.to > until.plus(1) => Cover::Edge,
        TimeSpan::Until(_) => Cover::Whole,
        TimeSpan::Fixed(window) if window.and(of_day) == of_day => Cover::Whole,
        TimeSpan::Fixed(window) if window.and(of_day).is_empty() => Cover::Nothing,
        TimeSpan::Fixed(_) => Cover::Edge,
    }
}

/// A part whose values may still be texts that need codes.
struct Raw {
    part: Part,
    texts: Option<ArrayRef>,
}

struct Reader<'a> {
    plan: &'a RowPlan,
    zone: Zone,
    /// The columns to read, each once: of the filter, then the measured one, then the time.
    columns: Vec<String>,
    time_column: Option<String>,
    begins: Begins,
}

impl<'a> Reader<'a> {
    fn new(plan: &'a RowPlan, zone: Zone, time_column: Option<String>, begins: Begins) -> Reader<'a> {
        let mut columns: Vec<String> = vec![];
        let mut add = |name: &str| {
            if !columns.iter().any(|c| c == name) {
                columns.push(name.to_string());
            }
        };
        if let Some(filter) = &plan.filter {
            filter.columns(&mut add);
        }
        plan.metric.property().into_iter().chain(time_column.as_deref()).for_each(&mut add);
        Reader { plan, zone, columns, time_column, begins }
    }

    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(String::as_str).collect()
    }

    fn read_day(&self, snapshot: &Snapshot, day: Day, event: &str, cover: Cover) -> Outcome<Option<Raw>> {
        let counts_rows = matches!(self.plan.metric, BoundMetric::Count | BoundMetric::Days);
        if cover == Cover::Whole && self.plan.filter.is_none() && counts_rows {
            let rollup = snapshot.rollup(day, event)?;
            return Ok(rollup.map(|rollup| Raw {
                part: Part {
                    users: Users::Mapped(rollup.users),
                    weight: Weight::Counts(rollup.counts),
                    times: vec![],
                    day: Some(day),
                },
                texts: None,
            }));
        }
        let rows = snapshot.rows(day, event, &self.names())?;
        Ok(rows.map(|rows| {
            let times = rows.times.as_ref().map(|times| times.values().to_vec());
            self.compact(&rows, times, Some(day), cover == Cover::Edge)
        }))
    }

    /// The instant of each detail row in ms; `i64::MIN` for rows without one.
    fn times(&self, rows: &Rows, is_own_time: bool) -> Option<Vec<i64>> {
        let name = self.time_column.as_deref()?;
        if let (true, Some(times)) = (is_own_time, &rows.times) {
            return Some(
                (0..times.len())
                    .map(|row| if times.is_valid(row) { times.value(row) } else { i64::MIN })
                    .collect(),
            );
        }
        let column = self.column(rows, name)?;
        Some(
            (0..column.len())
                .map(|row| instant(column, row, &self.zone).map_or(i64::MIN, |at| at.0))
                .collect(),
        )
    }

    fn column<'r>(&self, rows: &'r Rows, name: &str) -> Option<&'r ArrayRef> {
        let at = self.columns.iter().position(|column| column == name)?;
        rows.columns.get(at)?.as_ref()
    }

    /// The rows that pass the filter and the window, with what they add.
    fn compact(&self, rows: &Rows, times: Option<Vec<i64>>, day: Option<Day>, is_edge: bool) -> Raw {
        let all = rows.users.values();
        let mut keep = match &self.plan.filter {
            Some(filter) => passing(filter, &Named { rows, names: &self.columns }, &self.begins, &self.zone),
            None => BooleanBuffer::new_set(all.len()),
        };
        if let (true, Some(times)) = (is_edge, &times) {
            keep = &keep & &in_time(&self.plan.span, times);
        }
        let measured = self.plan.metric.property().map(|name| self.column(rows, name));
        match measured {
            Some(Some(column)) => keep = &keep & &column::known(column),
            Some(None) => keep = BooleanBuffer::new_unset(all.len()),
            None => {}
        }
        if let (BoundMetric::Days, Some(times)) = (&self.plan.metric, &times) {
            keep = &keep & &BooleanBuffer::collect_bool(times.len(), |row| times[row] != i64::MIN);
        }
        let kept: Vec<usize> = keep.set_indices().collect();
        let is_own = matches!(self.plan.span, TimeSpan::Own { .. });
        let weight = match (&self.plan.metric, measured.flatten(), &times) {
            (BoundMetric::Days, _, Some(times)) if day.is_none() => Weight::Values(
                kept.iter().map(|row| self.zone.day_of(Timestamp(times[*row])).0 as f64).collect(),
            ),
            (_, Some(column), _) => numbers(column, &kept),
            _ => Weight::One,
        };
        let texts = measured.flatten().filter(|column| is_text(column)).map(|column| taken(column, &kept));
        let part = Part {
            users: Users::Made(kept.iter().map(|row| all[*row]).collect()),
            weight,
            times: if is_own {
                times.map_or(vec![], |times| kept.iter().map(|row| times[*row]).collect())
            } else {
                vec![]
            },
            day,
        };
        Raw { part, texts }
    }
}

/// Rows inside a window that is the same for everybody; `i64::MIN` is a row without a time.
fn in_time(span: &TimeSpan, times: &[i64]) -> BooleanBuffer {
    match span {
        TimeSpan::Fixed(window) => {
            let window = Interval { from: window.from.max(Timestamp(i64::MIN + 1)), ..*window };
            bits(times, |at| window.holds(Timestamp(at)))
        }
        TimeSpan::Until(until) => bits(times, |at| at <= until.0),
        TimeSpan::Own { .. } | TimeSpan::Untimed => BooleanBuffer::new_set(times.len()),
    }
}

/// The instant in a date or instant column; a date is its local midnight.
pub fn instant(column: &ArrayRef, row: usize, zone: &Zone) -> Option<Timestamp> {
    if row >= column.len() || column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Date32 => Some(zone.start_of(Day(column.as_primitive::<Date32Type>().value(row)))),
        DataType::Timestamp(..) => {
            Some(Timestamp(column.as_primitive::<TimestampMillisecondType>().value(row)))
        }
        _ => None,
    }
}

fn is_text(column: &ArrayRef) -> bool {
    matches!(column.data_type(), DataType::Utf8 | DataType::Dictionary(..))
}

/// The values of the kept rows as floats; texts get their codes later.
fn numbers(column: &ArrayRef, kept: &[usize]) -> Weight {
    let values = match column.data_type() {
        DataType::Float64 => picked(column.as_primitive::<Float64Type>().values(), kept, |v| v),
        DataType::Int64 => picked(column.as_primitive::<Int64Type>().values(), kept, |v| v as f64),
        DataType::Date32 => picked(column.as_primitive::<Date32Type>().values(), kept, |v| v as f64),
        DataType::Timestamp(..) => {
            picked(column.as_primitive::<TimestampMillisecondType>().values(), kept, |v| v as f64)
        }
        DataType::Boolean => kept.iter().map(|row| column.as_boolean().value(*row) as u8 as f64).collect(),
        _ => vec![],
    };
    Weight::Values(values)
}

fn picked<T: Copy>(values: &[T], kept: &[usize], number: impl Fn(T) -> f64) -> Vec<f64> {
    kept.iter().map(|row| number(values[*row])).collect()
}

fn taken(column: &ArrayRef, kept: &[usize]) -> ArrayRef {
    let rows = arrow::array::UInt32Array::from_iter_values(kept.iter().map(|row| *row as u32));
    let plain = arrow::compute::take(column, &rows, None)
        .and_then(|some| arrow::compute::cast(&some, &DataType::Utf8));
    plain.unwrap_or_else(|_| arrow::array::new_null_array(&DataType::Utf8, kept.len()))
}

/// Gives equal texts equal codes over all parts, for `distinct`.
fn code(raws: Vec<Raw>) -> Vec<Part> {
    let mut codes: HashMap<String, f64> = HashMap::new();
    let mut parts = vec![];
    for Raw { mut part, texts } in raws {
        if let Some(words) = texts.as_ref().and_then(|texts| texts.as_string_opt::<i32>()) {
            let mut coded = Vec::with_capacity(words.len());
            for word in words.iter().map(Option::unwrap_or_default) {
                let next = codes.len() as f64;
                coded.push(match codes.get(word) {
                    Some(code) => *code,
                    None => *codes.entry(word.to_string()).or_insert(next),
                });
            }
            part.weight = Weight::Values(coded);
        }
        parts.push(part);
    }
    parts
}

/// The first user number of a chunk.
pub fn first_of(chunk: u32) -> UserNo {
    chunk * CHUNK_USERS
}
