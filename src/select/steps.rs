//! The rows of a sequence's steps, read once before the chunks are walked.
//!
//! Every step reads only its own event, on the days that its window touches, and only the columns
//! that its filter and `same` name. A step without a filter shares the decoded columns of its day;
//! otherwise the rows that pass are compacted. Equal values of `same` get equal codes over all steps
//! and days.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use rayon::prelude::*;

use super::bound::BoundStep;
use super::column;
use super::filter::{Filtered, Named, passing};
use super::mask::Begins;
use super::plan::{SequencePlan, TimeSpan};
use super::sequence::{ABSENT, ANY_VALUE, WITHOUT};
use crate::base::{CHUNK_USERS, Day, Interval, Outcome, Timestamp, Zone, ahead};
use crate::store::{Rows, Snapshot};

/// A gap of months from an earlier instant can end later than one from a later instant (30 and 31
/// January): by less than this.
const MONTH_SLACK_MS: i64 = 2 * 86_400_000;

/// Rows of one (day, event) that pass one step; shape: users ascending, all columns of one length.
#[derive(Debug)]
pub struct StepPart {
    /// The number of the step, or one of the roles in `sequence`.
    pub role: u32,
    /// Equal for rows of the same event.
    pub event: u32,
    pub users: ScalarBuffer<u32>,
    /// Epoch milliseconds, ascending for one user.
    pub times: ScalarBuffer<i64>,
    /// Where the rows stand among all of their day and event; `None`: they are all of them.
    places: Option<Vec<u32>>,
    /// The code of the values of `same`; `None` where nothing is asked.
    same: Option<Vec<u32>>,
}

impl StepPart {
    /// The positions of the rows of one chunk.
    pub fn range(&self, chunk: u32) -> Range<usize> {
        let first = chunk as u64 * CHUNK_USERS as u64;
        let at = |user: u64| self.users.partition_point(|u| (*u as u64) < user);
        at(first)..at(first + CHUNK_USERS as u64)
    }

    /// The place of a row among all of its day and event.
    pub fn place(&self, row: usize) -> u32 {
        self.places.as_ref().map_or(row as u32, |places| places[row])
    }

    /// The code of its values of `same`.
    pub fn same(&self, row: usize) -> u32 {
        self.same.as_ref().map_or(ANY_VALUE, |codes| codes[row])
    }
}

/// The rows of all steps of a plan, ascending by day within a step.
/// Errors: a file that cannot be read.
pub fn read(plan: &SequencePlan, snapshot: &Snapshot) -> Outcome<Vec<StepPart>> {
    let readers = readers(plan, snapshot)?;
    let mut places = vec![];
    for reader in &readers {
        for day in snapshot.days().iter().filter(|day| reader.touches(**day)) {
            match &reader.step.event {
                Some(event) => places.push((reader, *day, event.as_str())),
                None => places.extend(snapshot.events_on(*day).map(|event| (reader, *day, event))),
            }
        }
    }
    let read: Vec<Option<Raw>> = places
        .par_iter()
        .map(|(reader, day, event)| reader.read_day(snapshot, *day, event))
        .collect::<Outcome<_>>()?;
    let raws = read.into_iter().flatten().collect();
    Ok(coded(raws, plan.same.len()))
}

/// One reader for each step, the absent one, and the one that must not come between.
fn readers<'a>(plan: &'a SequencePlan, snapshot: &'a Snapshot) -> Outcome<Vec<Reader<'a>>> {
    let zone = snapshot.zone();
    let steps = window_of(&plan.span, plan.as_of);
    // What may follow the last step in its gap may lie behind the window, but not behind as-of.
    let end = ahead(steps.to, plan.gap.0, plan.gap.1, &zone).plus(MONTH_SLACK_MS).min(plan.as_of.plus(1));
    let later = Interval { to: end.max(steps.to), ..steps };
    let between = if plan.absent.is_some() { later } else { steps };
    let mut readers = vec![];
    for (role, step) in plan.steps.iter().enumerate() {
        readers.push(Reader::new(role as u32, step, &plan.same, steps, snapshot)?);
    }
    if let Some(step) = &plan.absent {
        readers.push(Reader::new(ABSENT, step, &plan.same, later, snapshot)?);
    }
    if let Some(step) = &plan.without {
        readers.push(Reader::new(WITHOUT, step, &[], between, snapshot)?);
    }
    Ok(readers)
}

/// The instants that any user's window can hold.
fn window_of(span: &TimeSpan, as_of: Timestamp) -> Interval {
    match span {
        TimeSpan::Fixed(window) => *window,
        _ => Interval { to: as_of.plus(1), ..Interval::ALWAYS },
    }
}

/// Reads the rows of one step.
struct Reader<'a> {
    role: u32,
    step: &'a BoundStep,
    same: &'a [String],
    window: Interval,
    /// The columns to read, each once: of the filter, then of `same`.
    names: Vec<String>,
    begins: Begins,
    events: BTreeMap<&'a str, u32>,
    zone: Zone,
}

/// A part whose values of `same` have no codes yet.
struct Raw {
    part: StepPart,
    same: Vec<ArrayRef>,
}

impl<'a> Reader<'a> {
    fn new(
        role: u32,
        step: &'a BoundStep,
        same: &'a [String],
        window: Interval,
        snapshot: &'a Snapshot,
    ) -> Outcome<Reader<'a>> {
        let mut names: Vec<String> = vec![];
        let mut add = |name: &str| {
            if !names.iter().any(|one| one == name) {
                names.push(name.to_string());
            }
        };
        if let Some(filter) = &step.filter {
            filter.columns(&mut add);
        }
        same.iter().for_each(|name| add(name));
        let begins = Begins::read(step.filter.as_ref(), snapshot, 0..snapshot.chunk_count())?;
        let events = snapshot.catalog().events.keys().zip(0..).map(|(name, n)| (name.as_str(), n)).collect();
        Ok(Reader { role, step, same, window, names, begins, events, zone: snapshot.zone() })
    }

    fn touches(&self, day: Day) -> bool {
        !self.window.and(self.of_day(day)).is_empty()
    }

    fn of_day(&self, day: Day) -> Interval {
        Interval { from: self.zone.start_of(day), to: self.zone.start_of(day.plus(1)) }
    }

    fn read_day(&self, snapshot: &Snapshot, day: Day, event: &str) -> Outcome<Option<Raw>> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let Some(rows) = snapshot.rows(day, event, &names)? else { return Ok(None) };
        let Some(times) = rows.times.as_ref().map(|times| times.values().clone()) else { return Ok(None) };
        let named = Named { rows: &rows, names: &self.names, begins: &self.begins };
        let kept = self.kept(&named, &times, self.window.and(self.of_day(day)) != self.of_day(day));
        let same = self.same.iter().filter_map(|name| named.column(name).cloned()).collect();
        let event = self.events.get(event).copied().unwrap_or(u32::MAX);
        Ok(Some(match kept {
            Some(kept) => self.compacted(&rows, &times, event, &kept, same),
            None => {
                let users = rows.users.values().clone();
                Raw {
                    part: StepPart { role: self.role, event, users, times, places: None, same: None },
                    same,
                }
            }
        }))
    }

    /// The rows that pass; `None`: all of them.
    fn kept(&self, rows: &Named, times: &[i64], is_edge: bool) -> Option<Vec<u32>> {
        if self.step.filter.is_none() && self.same.is_empty() && !is_edge {
            return None;
        }
        let mut keep = match &self.step.filter {
            Some(filter) => passing(filter, rows, &self.zone),
            None => BooleanBuffer::new_set(times.len()),
        };
        if is_edge {
            keep = &keep
                & &BooleanBuffer::collect_bool(times.len(), |row| self.window.holds(Timestamp(times[row])));
        }
        for name in self.same {
            keep = match rows.column(name) {
                Some(column) => &keep & &column::known(column),
                None => BooleanBuffer::new_unset(times.len()),
            };
        }
        Some(keep.set_indices().map(|row| row as u32).collect())
    }

    fn compacted(&self, rows: &Rows, times: &[i64], event: u32, kept: &[u32], same: Vec<ArrayRef>) -> Raw {
        let users = rows.users.values();
        let at = UInt32Array::from(kept.to_vec());
        let part = StepPart {
            role: self.role,
            event,
            users: kept.iter().map(|row| users[*row as usize]).collect(),
            times: kept.iter().map(|row| times[*row as usize]).collect(),
            places: Some(kept.to_vec()),
            same: None,
        };
        // Rows are taken by places within the column, so this cannot fail; the codes check the length.
        Raw { part, same: same.iter().filter_map(|column| take(column, &at, None).ok()).collect() }
    }
}

/// Gives equal values of `same` equal codes over all parts.
fn coded(raws: Vec<Raw>, same_count: usize) -> Vec<StepPart> {
    let mut coder =
        Coder { columns: (0..same_count).map(|_| Codes::default()).collect(), pairs: HashMap::new() };
    let parts = raws.into_iter().map(|Raw { mut part, same }| {
        let has_keys = !same.is_empty() && part.role != WITHOUT;
        part.same = has_keys.then(|| coder.codes(&same, part.users.len()));
        part
    });
    parts.collect()
}

/// Codes of values, column by column, then of several columns together.
struct Coder {
    columns: Vec<Codes>,
    pairs: HashMap<(u32, u32), u32>,
}

#[derive(Default)]
struct Codes {
    texts: HashMap<String, u32>,
    numbers: HashMap<i64, u32>,
}

impl Coder {
    fn codes(&mut self, same: &[ArrayRef], len: usize) -> Vec<u32> {
        let Coder { columns, pairs } = self;
        let each = same.iter().zip(columns).map(|(column, codes)| codes.of(column));
        let together = each.reduce(|left, right| {
            let both = left.into_iter().zip(right);
            both.map(|pair| next_code(pairs, pair)).collect()
        });
        let mut codes = together.unwrap_or_default();
        codes.resize(len, ANY_VALUE);
        codes
    }
}

fn next_code<K: std::hash::Hash + Eq>(codes: &mut HashMap<K, u32>, key: K) -> u32 {
    let next = codes.len() as u32;
    *codes.entry(key).or_insert(next)
}

impl Codes {
    /// The codes of a column without missing values.
    fn of(&mut self, column: &ArrayRef) -> Vec<u32> {
        if let Some(dictionary) = column.as_any_dictionary_opt() {
            if column.is_empty() {
                return vec![];
            }
            let words = self.of(dictionary.values());
            return dictionary.normalized_keys().into_iter().map(|key| words[key]).collect();
        }
        if let Some(words) = column.as_string_opt::<i32>() {
            return words.iter().map(|word| self.text(word.unwrap_or_default())).collect();
        }
        (0..column.len()).map(|row| next_code(&mut self.numbers, number(column, row))).collect()
    }

    fn text(&mut self, word: &str) -> u32 {
        match self.texts.get(word) {
            Some(code) => *code,
            None => next_code(&mut self.texts, word.to_string()),
        }
    }
}

/// A value as a number that is equal where the value is; the two zeros are one.
fn number(column: &ArrayRef, row: usize) -> i64 {
    match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row),
        DataType::Float64 => (column.as_primitive::<Float64Type>().value(row) + 0.0).to_bits() as i64,
        DataType::Date32 => column.as_primitive::<Date32Type>().value(row) as i64,
        DataType::Timestamp(..) => column.as_primitive::<TimestampMillisecondType>().value(row),
        DataType::Boolean => column.as_boolean().value(row) as i64,
        _ => 0,
    }
}
