//! The rows of one condition, laid ready before the chunks are walked.
//!
//! A whole local day of an unfiltered count is its roll-up (position, count); every other day, and
//! every chunk of a detail table, is a strip of rows with a mask that says which of them pass.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Decimal32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMillisecondType,
};
use rayon::prelude::*;

use super::bound::{BoundMetric, Compare};
use super::check::{Check, range_of};
use super::column;
use super::hundredths;
use super::lane::Lane;
use super::mask::{Begins, Mask, Named};
use super::plan::{RowPlan, Source, TimeSpan};
use crate::base::{CHUNK_USERS, Day, Interval, Outcome, Timestamp, Type, UserNo, Zone};
use crate::store::{DidBits, Rollup, Snapshot, Strip, Times, as_hundredths};

/// Rows that may count: those of one day of an event, or of one chunk of a detail table.
pub struct Part {
    /// The local day of all rows, for behaviours.
    pub day: Option<Day>,
    pub rows: PartRows,
}

impl Part {
    /// The size of what is looked at.
    pub fn bytes(&self) -> u64 {
        match &self.rows {
            PartRows::Counted(rollup) => 3 * rollup.len() as u64,
            PartRows::Did(bits) => bits.bytes(),
            PartRows::Scanned(scanned) => scanned.strip.bytes(),
        }
    }
}

/// Where the rows are.
pub enum PartRows {
    /// A whole day, counted beforehand.
    Counted(Rollup),
    /// A whole day of which only matters who is in it.
    Did(Arc<DidBits>),
    Scanned(Scanned),
}

/// Rows to be scanned.
pub struct Scanned {
    pub strip: Strip,
    /// Left out: all rows pass.
    pub mask: Option<Mask>,
    pub measured: Measured,
    /// Kept only where each user has a window of their own, or days are counted.
    pub times: RowTimes,
}

/// When the rows of a strip happened.
pub enum RowTimes {
    Unknown,
    Own(Arc<Times>),
    /// A date or instant column of a detail table.
    Column(ArrayRef),
}

/// What is measured of each row that passes; every such row has a value.
pub enum Measured {
    Nothing,
    Hundredths(ScalarBuffer<i32>),
    Int8(ScalarBuffer<i8>),
    Int16(ScalarBuffer<i16>),
    Int32(ScalarBuffer<i32>),
    Int64(ScalarBuffer<i64>),
    Float(ScalarBuffer<f64>),
    Flag(BooleanBuffer),
    /// Texts as numbers: the code of a row's text is the same in all parts.
    Coded {
        codes: ScalarBuffer<u32>,
    },
    /// Texts that have no codes yet.
    Texts(ArrayRef),
}

/// Integers up to this size are whole hundredths that a column may also hold as such.
const SMALL_MAX: i64 = 9_999_999;

impl Measured {
    fn of(column: &ArrayRef) -> Measured {
        macro_rules! values {
            ($name:ident, $as_type:ty) => {
                Measured::$name(column.as_primitive::<$as_type>().values().clone())
            };
        }
        match column.data_type() {
            DataType::Decimal32(..) => values!(Hundredths, Decimal32Type),
            DataType::Int8 => values!(Int8, Int8Type),
            DataType::Int16 => values!(Int16, Int16Type),
            DataType::Int32 => values!(Int32, Int32Type),
            DataType::Date32 => values!(Int32, Date32Type),
            DataType::Int64 => values!(Int64, Int64Type),
            DataType::Timestamp(..) => values!(Int64, TimestampMillisecondType),
            DataType::Float64 => values!(Float, Float64Type),
            DataType::Boolean => Measured::Flag(column.as_boolean().values().clone()),
            DataType::Utf8 | DataType::Dictionary(..) => Measured::Texts(column.clone()),
            _ => Measured::Nothing,
        }
    }

    /// The value of a row as a float; of a text, its code.
    #[inline]
    pub fn float(&self, row: usize) -> f64 {
        match self {
            Measured::Nothing | Measured::Texts(_) => 0.0,
            Measured::Hundredths(values) => hundredths::float(values[row] as i64),
            Measured::Int8(values) => values[row] as f64,
            Measured::Int16(values) => values[row] as f64,
            Measured::Int32(values) => values[row] as f64,
            Measured::Int64(values) => values[row] as f64,
            Measured::Float(values) => values[row],
            Measured::Flag(values) => values.value(row) as u8 as f64,
            Measured::Coded { codes } => codes[row] as f64,
        }
    }

    /// The value of a row as whole hundredths, or as the float that it is if those do not hold it.
    #[inline]
    pub fn exact(&self, row: usize) -> Result<i64, f64> {
        let small = |value: i64| match value.abs() <= SMALL_MAX {
            true => Ok(value * 100),
            false => Err(value as f64),
        };
        match self {
            Measured::Hundredths(values) => Ok(values[row] as i64),
            Measured::Int8(values) => Ok(values[row] as i64 * 100),
            Measured::Int16(values) => Ok(values[row] as i64 * 100),
            Measured::Int32(values) => small(values[row] as i64),
            Measured::Int64(values) if values[row] != i64::MIN => small(values[row]),
            other => as_hundredths(other.float(row)).map(i64::from).ok_or(other.float(row)),
        }
    }

    /// Is every value whole hundredths, known from the type alone?
    pub fn is_whole(&self) -> bool {
        matches!(self, Measured::Hundredths(_) | Measured::Int8(_) | Measured::Int16(_))
    }
}

impl RowTimes {
    /// The instant of a row in ms; `i64::MIN` where it has none.
    pub fn at(&self, row: usize, zone: &Zone) -> i64 {
        match self {
            RowTimes::Unknown => i64::MIN,
            RowTimes::Own(times) => times.at(row),
            RowTimes::Column(column) => instant(column, row, zone).map_or(i64::MIN, |at| at.0),
        }
    }
}

/// All parts of a behaviour, ascending by day. Errors: a file that cannot be read.
pub fn event_parts(plan: &RowPlan, snapshot: &Snapshot) -> Outcome<Vec<Part>> {
    parts(plan, snapshot, false)
}

/// The same, every part with rows that have their times. Errors: a file that cannot be read.
pub fn timed_parts(plan: &RowPlan, snapshot: &Snapshot) -> Outcome<Vec<Part>> {
    parts(plan, snapshot, true)
}

fn parts(plan: &RowPlan, snapshot: &Snapshot, timed: bool) -> Outcome<Vec<Part>> {
    let Source::Events(event) = &plan.source else { return Ok(vec![]) };
    let reader = Reader { timed, ..Reader::new(plan, snapshot, None, 0..snapshot.chunk_count())? };
    let mut places: Vec<(Day, Option<&str>, Cover)> = vec![];
    for day in snapshot.days() {
        match (cover(&plan.span, *day, &reader.zone), event) {
            (Cover::Nothing, _) => {}
            (cover, Some(event)) => places.push((*day, Some(event), cover)),
            (Cover::Whole, None) if reader.counts_rows() => places.push((*day, None, Cover::Whole)),
            (cover, None) => {
                places.extend(snapshot.events_on(*day).map(|event| (*day, Some(event), cover)));
            }
        }
    }
    let read: Vec<Option<Part>> = places
        .par_iter()
        .map(|(day, event, cover)| reader.read_day(*day, *event, *cover))
        .collect::<Outcome<_>>()?;
    let mut parts: Vec<Part> = read.into_iter().flatten().collect();
    code(&mut parts);
    Ok(parts)
}

/// The rows of a detail table in one chunk.
pub fn detail_parts(plan: &RowPlan, snapshot: &Snapshot, chunk: u32) -> Outcome<Vec<Part>> {
    let Source::Detail { table, on } = &plan.source else { return Ok(vec![]) };
    let own_time = snapshot.catalog().tables.get(table).and_then(|facts| facts.time.as_deref());
    let other_time = on.as_deref().filter(|on| own_time != Some(*on));
    let reader = Reader::new(plan, snapshot, other_time, chunk..chunk + 1)?;
    let timed = on.is_some() && other_time.is_none();
    let Some(strip) = snapshot.detail_strip(table, chunk, &reader.names(), timed)? else {
        return Ok(vec![]);
    };
    let times = match other_time {
        Some(name) => {
            reader.named(&strip).column(name).map_or(RowTimes::Unknown, |c| RowTimes::Column(c.clone()))
        }
        None => strip.times.clone().map_or(RowTimes::Unknown, RowTimes::Own),
    };
    let mut parts = vec![Part { day: None, rows: PartRows::Scanned(reader.scanned(strip, times, true)) }];
    code(&mut parts);
    Ok(parts)
}

/// How a window covers one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cover {
    Nothing,
    Edge,
    Whole,
}

/// How `span` covers the local day `day`.
pub fn cover(span: &TimeSpan, day: Day, zone: &Zone) -> Cover {
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

struct Reader<'a> {
    plan: &'a RowPlan,
    snapshot: &'a Snapshot,
    zone: Zone,
    /// The columns to read, each once: of the filter, then the measured one, then the time.
    columns: Vec<String>,
    begins: Begins,
    /// Are rows with times wanted, whatever is counted?
    timed: bool,
}

impl<'a> Reader<'a> {
    fn new(
        plan: &'a RowPlan,
        snapshot: &'a Snapshot,
        time_column: Option<&str>,
        chunks: Range<u32>,
    ) -> Outcome<Reader<'a>> {
        let mut columns: Vec<String> = vec![];
        let mut add = |name: &str| {
            if !columns.iter().any(|c| c == name) {
                columns.push(name.to_string());
            }
        };
        if let Some(filter) = &plan.filter {
            filter.columns(&mut add);
        }
        plan.metric.property().into_iter().chain(time_column).for_each(&mut add);
        let begins = Begins::read(plan.filter.as_ref(), snapshot, chunks)?;
        Ok(Reader { plan, snapshot, zone: snapshot.zone(), columns, begins, timed: false })
    }

    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(String::as_str).collect()
    }

    /// Are rows or days counted, and all rows of the window count?
    fn counts_rows(&self) -> bool {
        !self.timed
            && self.plan.filter.is_none()
            && matches!(self.plan.metric, BoundMetric::Count | BoundMetric::Days)
    }

    /// Does it not matter how often somebody did it on a day?
    fn counts_users(&self) -> bool {
        self.plan.metric == BoundMetric::Days || self.plan.compare == Compare::AT_LEAST_ONE
    }

    fn read_day(&self, day: Day, event: Option<&str>, cover: Cover) -> Outcome<Option<Part>> {
        if cover == Cover::Whole && self.counts_rows() {
            let rows = match self.counts_users() {
                true => self.snapshot.did_bits(day, event)?.map(PartRows::Did),
                false => self.snapshot.rollup(day, event)?.map(|rollup| PartRows::Counted(rollup.clone())),
            };
            return Ok(rows.map(|rows| Part { day: Some(day), rows }));
        }
        let Some(event) = event else { return Ok(None) };
        let is_edge = cover == Cover::Edge;
        let strip = self.snapshot.strip(day, event, &self.names(), is_edge || self.timed)?;
        Ok(strip.map(|strip| {
            let times = strip.times.clone().map_or(RowTimes::Unknown, RowTimes::Own);
            Part { day: Some(day), rows: PartRows::Scanned(self.scanned(strip, times, is_edge)) }
        }))
    }

    fn named<'s>(&'s self, strip: &'s Strip) -> Named<'s> {
        Named { strip, names: &self.columns }
    }

    /// The strip with what must hold of its rows: the filter, the window, a value to measure.
    fn scanned(&self, strip: Strip, times: RowTimes, is_edge: bool) -> Scanned {
        let mut musts = vec![];
        if is_edge {
            musts.extend(self.in_window(&times, strip.len()));
        }
        if let Some(filter) = &self.plan.filter {
            musts.push(Mask::of(filter, &self.named(&strip), &self.begins, &self.zone));
        }
        let mut measured = Measured::Nothing;
        if let Some(name) = self.plan.metric.property() {
            let column = self.named(&strip).column(name);
            let known = column.map_or_else(|| BooleanBuffer::new_unset(strip.len()), column::known);
            measured = column.map_or(Measured::Nothing, Measured::of);
            if known.count_set_bits() < strip.len() {
                musts.push(Mask::Lane(Lane::bits(known)));
            }
        }
        let mask = match musts.len() {
            0 => None,
            1 => musts.pop(),
            _ => Some(Mask::All(musts)),
        };
        Scanned { strip, mask, measured, times }
    }

    /// What the window asks of rows that are not all inside it; windows of the user's own are left.
    fn in_window(&self, times: &RowTimes, len: usize) -> Option<Mask> {
        let counts_days = self.plan.metric == BoundMetric::Days;
        let mask = match (&self.plan.span, times) {
            (TimeSpan::Fixed(window), RowTimes::Own(own)) if own.are_all_in(*window) => return None,
            (TimeSpan::Fixed(window), _) => self.between(times, *window, len),
            // Rows without a time count where no window asks for one; on no day, though.
            (TimeSpan::Until(until), RowTimes::Own(own)) => {
                let window = Interval { from: Timestamp(i64::MIN), to: until.plus(1) };
                match own.are_all_in(window) {
                    true => return None,
                    false if counts_days => self.between(times, window, len),
                    false => self.not_after(times, *until, len),
                }
            }
            (TimeSpan::Until(until), _) if counts_days => {
                self.between(times, Interval { from: Timestamp(i64::MIN), to: until.plus(1) }, len)
            }
            (TimeSpan::Until(until), _) => self.not_after(times, *until, len),
            (TimeSpan::Own { .. } | TimeSpan::Untimed, _) => return None,
        };
        Some(mask)
    }

    fn not_after(&self, times: &RowTimes, until: Timestamp, len: usize) -> Mask {
        let after = Interval { from: until.plus(1), to: Timestamp(i64::MAX) };
        Mask::Not(Box::new(self.between(times, after, len)))
    }

    fn between(&self, times: &RowTimes, window: Interval, len: usize) -> Mask {
        match times {
            RowTimes::Own(times) => {
                Mask::Window { times: times.clone(), from: window.from.0, to: window.to.0 }
            }
            RowTimes::Column(column) => {
                let type_of = match column.data_type() {
                    DataType::Date32 => Type::Date,
                    _ => Type::Instant,
                };
                let ranges = vec![range_of(window, type_of, &self.zone)];
                let check = Check::Whole { ranges, negated: false };
                Mask::Lane(Lane::new(&check, Some(column), column.len(), &self.zone))
            }
            RowTimes::Unknown => Mask::Lane(Lane::bits(BooleanBuffer::new_unset(len))),
        }
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

/// Gives equal texts equal codes over all parts, for `distinct`.
fn code(parts: &mut [Part]) {
    let mut codes: HashMap<String, u32> = HashMap::new();
    for part in parts {
        if let PartRows::Scanned(Scanned { measured, .. }) = &mut part.rows
            && let Measured::Texts(texts) = measured
        {
            *measured = Measured::Coded { codes: coded(texts, &mut codes).into() };
        }
    }
}

/// The code of every row's text; 0 where it is missing.
fn coded(texts: &ArrayRef, codes: &mut HashMap<String, u32>) -> Vec<u32> {
    let mut number = |word: &str| match codes.get(word) {
        Some(code) => *code,
        None => {
            let next = codes.len() as u32;
            codes.insert(word.to_string(), next);
            next
        }
    };
    if let Some(all) = texts.as_any_dictionary_opt() {
        if all.values().is_empty() {
            // Every row's text is missing.
            return vec![0; texts.len()];
        }
        let words = all.values().as_string_opt::<i32>();
        let of_word: Vec<u32> =
            words.iter().flat_map(|words| words.iter()).map(|w| number(w.unwrap_or(""))).collect();
        return all.normalized_keys().iter().map(|key| of_word.get(*key).copied().unwrap_or(0)).collect();
    }
    let words = texts.as_string_opt::<i32>();
    words.iter().flat_map(|words| words.iter()).map(|word| word.map_or(0, &mut number)).collect()
}

/// The first user number of a chunk.
pub fn first_of(chunk: u32) -> UserNo {
    chunk * CHUNK_USERS
}
