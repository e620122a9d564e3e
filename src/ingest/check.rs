//! Which rows of a frame are good? Parts that must be there, times that can be, values that fit.
//!
//! All is done by column; a row that fails is noted with its first reason, and only then are the
//! good rows filtered out.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    new_null_array,
};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use super::Checked;
use super::convert::{Bad, Converter, data_type};
use super::instant::{Clock, is_plausible};
use super::plan::Plan;
use super::read::Frame;
use crate::base::{Outcome, Problem, Type, Zone};

/// Bytes of an id, a key or an event name: more is a value in the wrong column.
const ID_BYTES_MAX: usize = 512;

/// Bytes of one value.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// Checks frames against a plan.
pub struct Checker<'a> {
    plan: &'a Plan,
    clock: Clock,
    schema: SchemaRef,
}

impl<'a> Checker<'a> {
    /// A checker that reads local times in `zone`.
    pub fn new(plan: &'a Plan, zone: Zone) -> Checker<'a> {
        let field = |column: &super::Column| Field::new(&column.name, data_type(column.type_of), true);
        let fields: Vec<Field> = plan.columns.iter().map(field).collect();
        Checker { plan, clock: Clock::new(zone), schema: Arc::new(Schema::new(fields)) }
    }

    /// The good rows, and the bad ones by their number in the frame. Errors: a bug only.
    pub fn check(&mut self, frame: &Frame) -> Outcome<(Checked, Bad)> {
        let mut bad = Bad::default();
        let all = self.arrays(frame, &mut bad)?;
        if bad.0.is_empty() {
            return Ok((all, bad));
        }
        let is_good: BooleanArray = (0..frame.row_count).map(|row| Some(!bad.0.contains_key(&row))).collect();
        Ok((filtered(&all, &is_good).map_err(failed)?, bad))
    }

    fn arrays(&mut self, frame: &Frame, bad: &mut Bad) -> Outcome<Checked> {
        let plan = self.plan;
        let users = self.required(frame, plan.user, "ING-101", "user", bad)?;
        let events = plan.event.map(|n| self.required(frame, n, "ING-103", "event", bad)).transpose()?;
        let times = plan.time.map(|n| self.times(frame, n, plan.is_time_required, bad)).transpose()?;
        let arrivals = plan.arrival.map(|n| self.times(frame, n, false, bad)).transpose()?;
        let keys = plan.key.map(|n| self.required(frame, n, "ING-105", "key", bad)).transpose()?;
        let ids = plan.id.map(|n| self.ids(frame, n, bad)).transpose()?;
        let deleted = plan.deleted.map(|n| self.deleted(frame, n, bad)).transpose()?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(plan.values.len());
        for (&number, column) in plan.values.iter().zip(&plan.columns) {
            columns.push(self.values(frame, number, column.type_of, bad)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(frame.row_count));
        let columns =
            RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(failed)?;
        Ok(Checked { users, times, arrivals, events, ids, keys, deleted, columns })
    }

    fn values(&mut self, frame: &Frame, number: usize, to: Type, bad: &mut Bad) -> Outcome<ArrayRef> {
        let name = self.plan.names.get(number).map_or("", String::as_str);
        let Some(array) = frame.columns.get(number).and_then(Option::as_ref) else {
            return Ok(new_null_array(&data_type(to), frame.row_count));
        };
        let values = Converter { name, clock: &mut self.clock, bad }.values(array, to)?;
        check_sizes(&values, name, bad);
        Ok(values)
    }

    fn texts(&mut self, frame: &Frame, number: usize, bad: &mut Bad) -> Outcome<StringArray> {
        let name = self.plan.names.get(number).map_or("", String::as_str);
        match frame.columns.get(number).and_then(Option::as_ref) {
            Some(array) if *array.data_type() != DataType::Null => {
                Converter { name, clock: &mut self.clock, bad }.texts(array)
            }
            _ => Ok(StringArray::new_null(frame.row_count)),
        }
    }

    /// Texts that every row must have.
    fn required(
        &mut self,
        frame: &Frame,
        number: usize,
        code: &'static str,
        what: &str,
        bad: &mut Bad,
    ) -> Outcome<StringArray> {
        let texts = self.texts(frame, number, bad)?;
        for (row, text) in texts.iter().enumerate() {
            match text.map_or(Some("is missing"), fault_of) {
                None => {}
                Some(fault) => bad.add(row, code, || format!("the {what} {fault}")),
            }
        }
        Ok(texts)
    }

    /// Event ids; an empty one is none.
    fn ids(&mut self, frame: &Frame, number: usize, bad: &mut Bad) -> Outcome<StringArray> {
        let texts = self.texts(frame, number, bad)?;
        let mut has_empty = false;
        for (row, text) in texts.iter().enumerate() {
            let Some(text) = text else { continue };
            has_empty |= text.is_empty();
            if let (false, Some(fault)) = (text.is_empty(), fault_of(text)) {
                bad.add(row, "ING-102", || format!("the event id {fault}"));
            }
        }
        let known =
            |texts: &StringArray| texts.iter().map(|text| text.filter(|text| !text.is_empty())).collect();
        Ok(if has_empty { known(&texts) } else { texts })
    }

    fn times(
        &mut self,
        frame: &Frame,
        number: usize,
        is_required: bool,
        bad: &mut Bad,
    ) -> Outcome<Int64Array> {
        let name = self.plan.names.get(number).map_or("", String::as_str);
        let Some(array) = frame.columns.get(number).and_then(Option::as_ref) else {
            (0..frame.row_count).filter(|_| is_required).for_each(|row| no_time(row, bad));
            return Ok(Int64Array::new_null(frame.row_count));
        };
        let mut unreadable = Bad::default();
        let times = Converter { name, clock: &mut self.clock, bad: &mut unreadable }.times(array)?;
        for (row, (code, reason)) in unreadable.0 {
            bad.add(row, if code == "ING-106" { "ING-104" } else { code }, || reason);
        }
        if is_required && times.null_count() > 0 {
            (0..times.len()).filter(|&row| times.is_null(row)).for_each(|row| no_time(row, bad));
        }
        for row in (0..times.len()).filter(|&row| times.is_valid(row) && !is_plausible(times.value(row))) {
            bad.add(row, "ING-104", || format!("`{name}`: the time lies outside the years 1970 to 2199"));
        }
        Ok(times)
    }

    /// Rows marked as deleted; no mark is false.
    fn deleted(&mut self, frame: &Frame, number: usize, bad: &mut Bad) -> Outcome<BooleanArray> {
        let marks = self.values(frame, number, Type::Bool, bad)?;
        let marks = marks.as_boolean();
        Ok(if marks.null_count() == 0 {
            marks.clone()
        } else {
            marks.iter().map(|mark| Some(mark == Some(true))).collect()
        })
    }
}

fn no_time(row: usize, bad: &mut Bad) {
    bad.add(row, "ING-104", || "the time is missing".into());
}

/// What is wrong with an id, a key or an event name.
fn fault_of(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    if bytes.first().is_none_or(u8::is_ascii_whitespace) && text.trim().is_empty() {
        return Some("is empty");
    }
    if bytes.len() > ID_BYTES_MAX {
        return Some("has more than 512 bytes");
    }
    bytes.contains(&0).then_some("has a NUL byte in it")
}

/// No value may be larger than 1 MiB.
fn check_sizes(values: &ArrayRef, name: &str, bad: &mut Bad) {
    let too_large = || format!("`{name}`: the value is larger than 1 MiB");
    if let Some(texts) =
        values.as_string_opt::<i32>().filter(|texts| texts.value_data().len() > VALUE_BYTES_MAX)
    {
        let lengths = texts.offsets().lengths().enumerate();
        lengths
            .filter(|(_, bytes)| *bytes > VALUE_BYTES_MAX)
            .for_each(|(row, _)| bad.add(row, "ING-108", too_large));
    }
    let Some(lists) = values.as_list_opt::<i32>() else { return };
    let items = lists.values().as_string::<i32>();
    if items.value_data().len() <= VALUE_BYTES_MAX {
        return;
    }
    let start = |item: i32| items.value_offsets().get(item as usize).copied().unwrap_or(0);
    for (row, ends) in lists.value_offsets().windows(2).enumerate() {
        if let [from, to] = *ends
            && (start(to) - start(from)) as usize > VALUE_BYTES_MAX
        {
            bad.add(row, "ING-108", too_large);
        }
    }
}

impl Checked {
    /// The rows whose bit is set; one bit per row. Errors: a bug only.
    pub(super) fn only(&self, is_good: &BooleanArray) -> Outcome<Checked> {
        filtered(self, is_good).map_err(failed)
    }
}

fn filtered(all: &Checked, is_good: &BooleanArray) -> Result<Checked, ArrowError> {
    let texts = |array: &StringArray| filter(array, is_good).map(|array| array.as_string::<i32>().clone());
    let times = |array: &Int64Array| filter(array, is_good).map(|array| array.as_primitive().clone());
    let marks = |array: &BooleanArray| filter(array, is_good).map(|array| array.as_boolean().clone());
    Ok(Checked {
        users: texts(&all.users)?,
        times: all.times.as_ref().map(times).transpose()?,
        arrivals: all.arrivals.as_ref().map(times).transpose()?,
        events: all.events.as_ref().map(texts).transpose()?,
        ids: all.ids.as_ref().map(texts).transpose()?,
        keys: all.keys.as_ref().map(texts).transpose()?,
        deleted: all.deleted.as_ref().map(marks).transpose()?,
        columns: filter_record_batch(&all.columns, is_good)?,
    })
}

fn failed(error: ArrowError) -> Problem {
    Problem::bug(format!("checked rows could not be put together: {error}"))
}
