//! Does every value have its column's type? Arrow arrays of any kind become one of our seven.
//!
//! Whole columns go through arrow's kernels; single values are looked at only where text is
//! parsed or something may not fit. A value that does not fit spoils its row.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Float64Array, GenericListArray, Int64Array,
    ListArray, OffsetSizeTrait, PrimitiveArray, StringArray, StringBuilder, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{
    DataType, Date32Type, Field, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::columnar::utc_labelled;
use super::instant::{Clock, day, of_epoch, of_epoch_float};
use super::json;
use crate::base::{Day, Outcome, Problem, Timestamp, Type};

const DAY_MS: i64 = 86_400_000;

/// Letters of a bad value shown in a reason.
const SHOWN_MAX: usize = 80;

/// The rows of a batch that must go, each with its first reason.
#[derive(Debug, Default)]
pub struct Bad(pub BTreeMap<usize, (&'static str, String)>);

impl Bad {
    /// `row` is bad; the reason is made only if it is the row's first.
    pub fn add(&mut self, row: usize, code: &'static str, reason: impl FnOnce() -> String) {
        self.0.entry(row).or_insert_with(|| (code, reason()));
    }

    fn misfit(&mut self, row: usize, name: &str, to: Type, text: &str) {
        self.add(row, "ING-106", || {
            let shown: String = text.chars().take(SHOWN_MAX).collect();
            let more = if shown.len() < text.len() { "…" } else { "" };
            format!("`{name}`: `{shown}{more}` is no {}", noun(to))
        });
    }
}

fn noun(to: Type) -> &'static str {
    match to {
        Type::Instant => "date and time",
        Type::Bool => "true or false",
        Type::Integer => "whole number of 64 bits",
        Type::Float => "number",
        other => other.word(),
    }
}

/// The arrow type in which values of `type_of` are kept.
pub fn data_type(type_of: Type) -> DataType {
    match type_of {
        Type::Text => DataType::Utf8,
        Type::Integer => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Bool => DataType::Boolean,
        Type::Date => DataType::Date32,
        Type::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Type::List => DataType::List(Arc::new(item_field())),
    }
}

fn item_field() -> Field {
    Field::new_list_field(DataType::Utf8, true)
}

fn failed(error: ArrowError) -> Problem {
    Problem::bug(format!("a column could not be converted: {error}"))
}

/// A column under its name, with the clock that reads its times.
pub struct Converter<'a> {
    pub name: &'a str,
    pub clock: &'a mut Clock,
    pub bad: &'a mut Bad,
}

impl Converter<'_> {
    /// The values as `to`; those that do not fit become null and spoil their row.
    /// Errors: a bug only.
    pub fn values(&mut self, array: &ArrayRef, to: Type) -> Outcome<ArrayRef> {
        if *array.data_type() == DataType::Null {
            return Ok(new_null_array(&data_type(to), array.len()));
        }
        if to == Type::Text {
            return Ok(Arc::new(self.texts(array)?));
        }
        let plain = self.plain(array)?;
        self.coerce(&plain, to)
    }

    /// The values as text, as written: whole numbers as decimal digits, lists as JSON.
    /// Errors: a bug only.
    pub fn texts(&mut self, array: &ArrayRef) -> Outcome<StringArray> {
        let array = &unpacked(array)?;
        match array.data_type() {
            DataType::Utf8 => Ok(array.as_string::<i32>().clone()),
            DataType::Binary => Ok(self.utf8(array)),
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
                self.list_texts(array)
            }
            other if can_cast_types(other, &DataType::Utf8) => {
                Ok(cast(array, &DataType::Utf8).map_err(failed)?.as_string::<i32>().clone())
            }
            _ => shown_texts(array),
        }
    }

    /// Epoch milliseconds. Errors: a bug only.
    pub fn times(&mut self, array: &ArrayRef) -> Outcome<Int64Array> {
        let times = self.values(array, Type::Instant)?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        Ok(Int64Array::new(times.values().clone(), times.nulls().cloned()))
    }

    /// Bytes that are UTF-8.
    fn utf8(&mut self, array: &ArrayRef) -> StringArray {
        let mut texts = StringBuilder::with_capacity(array.len(), 0);
        for (row, value) in array.as_binary::<i32>().iter().enumerate() {
            let text = value.map(std::str::from_utf8);
            if let Some(Err(_)) = text {
                self.bad.add(row, "ING-109", || format!("`{}` is not UTF-8", self.name));
            }
            texts.append_option(text.and_then(Result::ok));
        }
        texts.finish()
    }

    fn list_texts(&mut self, array: &ArrayRef) -> Outcome<StringArray> {
        let lists = self.plain(array)?;
        let Some(lists) = lists.as_list_opt::<i32>() else { return shown_texts(array) };
        let json =
            |items: ArrayRef| serde_json::to_string(&items.as_string::<i32>().iter().collect::<Vec<_>>());
        Ok(lists.iter().map(|items| items.and_then(|items| json(items).ok())).collect())
    }

    /// One of Utf8, Int64, Float64, Boolean, Date32, Timestamp(ms, UTC), List(Utf8).
    fn plain(&mut self, array: &ArrayRef) -> Outcome<ArrayRef> {
        let array = &unpacked(array)?;
        Ok(match array.data_type() {
            DataType::UInt64 => self.unsigned(array)?,
            DataType::Boolean | DataType::Int64 | DataType::Date32 | DataType::Utf8 => array.clone(),
            DataType::Date64 => cast(array, &DataType::Date32).map_err(failed)?,
            DataType::Timestamp(unit, zone) => self.instants(array, *unit, zone.is_some())?,
            DataType::List(item) if !item.data_type().is_nested() => self.lists(array.as_list::<i32>())?,
            DataType::LargeList(item) if !item.data_type().is_nested() => {
                self.lists(array.as_list::<i64>())?
            }
            DataType::FixedSizeList(item, _) if !item.data_type().is_nested() => {
                let lists = cast(array, &DataType::List(item.clone())).map_err(failed)?;
                self.lists(lists.as_list::<i32>())?
            }
            number if number.is_integer() => cast(array, &DataType::Int64).map_err(failed)?,
            number if number.is_numeric() => finite(cast(array, &DataType::Float64).map_err(failed)?),
            _ => Arc::new(self.texts(array)?),
        })
    }

    fn unsigned(&mut self, array: &ArrayRef) -> Outcome<ArrayRef> {
        let numbers = cast(array, &DataType::Int64).map_err(failed)?;
        for row in (0..array.len()).filter(|&row| array.is_valid(row) && numbers.is_null(row)) {
            self.bad.misfit(row, self.name, Type::Integer, "a number above 2^63");
        }
        Ok(numbers)
    }

    fn instants(&mut self, array: &ArrayRef, unit: TimeUnit, is_zoned: bool) -> Outcome<ArrayRef> {
        let raw = cast(array, &DataType::Int64).map_err(failed)?;
        let raw = raw.as_primitive::<Int64Type>();
        let in_ms = move |value: i64| match unit {
            TimeUnit::Second => value.checked_mul(1_000),
            TimeUnit::Millisecond => Some(value),
            TimeUnit::Microsecond => Some(value.div_euclid(1_000)),
            TimeUnit::Nanosecond => Some(value.div_euclid(1_000_000)),
        };
        if is_zoned {
            return Ok(self.each(raw, Type::Instant, |_, value| in_ms(value)));
        }
        Ok(self.each(raw, Type::Instant, |clock, value| clock.instant(in_ms(value)?)))
    }

    /// Lists of texts without nulls inside.
    fn lists<O: OffsetSizeTrait>(&mut self, lists: &GenericListArray<O>) -> Outcome<ArrayRef> {
        let mut spoiled = Bad::default();
        let mut inner = Converter { name: self.name, clock: self.clock, bad: &mut spoiled };
        let items = inner.texts(lists.values())?;
        if spoiled.0.is_empty() && items.null_count() == 0 {
            let offsets: Vec<i32> =
                lists.value_offsets().iter().map(|offset| offset.as_usize() as i32).collect();
            let offsets = OffsetBuffer::new(offsets.into());
            return Ok(Arc::new(ListArray::new(
                Arc::new(item_field()),
                offsets,
                Arc::new(items),
                lists.nulls().cloned(),
            )));
        }
        let offset = |row: usize| lists.value_offsets().get(row).map_or(0, |offset| offset.as_usize());
        let mut texts = StringBuilder::new();
        let mut lengths = Vec::with_capacity(lists.len());
        for row in 0..lists.len() {
            let range = if lists.is_null(row) { 0..0 } else { offset(row)..offset(row + 1) };
            if let Some((_, (code, reason))) = spoiled.0.range(range.clone()).next() {
                self.bad.add(row, code, || reason.clone());
            }
            let known = range.filter(|&item| items.is_valid(item));
            lengths.push(known.map(|item| texts.append_value(items.value(item))).count());
        }
        Ok(list_array(texts, lengths, lists.nulls().cloned()))
    }

    /// Every known value through `to_native`; `None` spoils the row.
    fn each<F: ArrowPrimitiveType>(
        &mut self,
        array: &PrimitiveArray<F>,
        to: Type,
        read: impl Fn(&mut Clock, F::Native) -> Option<i64>,
    ) -> ArrayRef {
        let mut values: Vec<i64> = Vec::with_capacity(array.len());
        let mut nulls: Vec<usize> = Vec::new();
        for row in 0..array.len() {
            let known = array.is_valid(row).then(|| array.value(row));
            let native = known.and_then(|value| read(self.clock, value));
            if native.is_none() && known.is_some() {
                nulls.push(row);
                self.bad.misfit(row, self.name, to, &cell(array, row));
            }
            values.push(native.unwrap_or(0));
        }
        of_numbers(values, without(array.nulls(), array.len(), &nulls), to)
    }

    fn coerce(&mut self, array: &ArrayRef, to: Type) -> Outcome<ArrayRef> {
        Ok(match (array.data_type(), to) {
            (from, to) if *from == data_type(to) => array.clone(),
            (DataType::Int64, Type::Float) => cast(array, &DataType::Float64).map_err(failed)?,
            (DataType::Float64, Type::Integer) => {
                self.each(array.as_primitive::<Float64Type>(), to, |_, value| whole(value))
            }
            (DataType::Int64, Type::Instant) => {
                self.each(array.as_primitive::<Int64Type>(), to, |_, value| Some(of_epoch(value)))
            }
            (DataType::Float64, Type::Instant) => {
                self.each(array.as_primitive::<Float64Type>(), to, |_, value| of_epoch_float(value))
            }
            (DataType::Date32, Type::Instant) => {
                let midnight = |clock: &mut Clock, day: i32| clock.instant(day as i64 * DAY_MS);
                self.each(array.as_primitive::<Date32Type>(), to, midnight)
            }
            (DataType::Timestamp(..), Type::Date) => {
                let local = |clock: &mut Clock, ms: i64| local_day(clock, ms);
                self.each(array.as_primitive::<TimestampMillisecondType>(), to, local)
            }
            (DataType::Utf8, _) => self.parsed(array.as_string::<i32>(), to),
            _ => {
                let texts = self.texts(array)?;
                self.parsed(&texts, to)
            }
        })
    }

    /// Texts read as `to`; an empty text is a missing value.
    fn parsed(&mut self, texts: &StringArray, to: Type) -> ArrayRef {
        match to {
            Type::Text => Arc::new(texts.clone()),
            Type::Integer => self.parse_numbers(texts, to, |_, text| integer(text)),
            Type::Date => self.parse_numbers(texts, to, date),
            Type::Instant => self.parse_numbers(texts, to, |clock, text| clock.parse(text)),
            Type::Float => Arc::new(
                self.parse_each(texts, to, |text| text.parse().ok().filter(|n: &f64| n.is_finite()))
                    .collect::<Float64Array>(),
            ),
            Type::Bool => Arc::new(self.parse_each(texts, to, truth).collect::<BooleanArray>()),
            Type::List => self.parse_lists(texts),
        }
    }

    fn parse_numbers(
        &mut self,
        texts: &StringArray,
        to: Type,
        parse: impl Fn(&mut Clock, &str) -> Option<i64>,
    ) -> ArrayRef {
        let mut values = Vec::with_capacity(texts.len());
        let mut is_known = Vec::with_capacity(texts.len());
        for (row, text) in texts.iter().enumerate() {
            let text = text.map(str::trim).filter(|text| !text.is_empty());
            let value = text.and_then(|text| parse(self.clock, text));
            if let (Some(text), None) = (text, value) {
                self.bad.misfit(row, self.name, to, text);
            }
            is_known.push(value.is_some());
            values.push(value.unwrap_or(0));
        }
        of_numbers(values, Some(NullBuffer::from(is_known)).filter(|nulls| nulls.null_count() > 0), to)
    }

    fn parse_each<T>(
        &mut self,
        texts: &StringArray,
        to: Type,
        parse: impl Fn(&str) -> Option<T>,
    ) -> impl Iterator<Item = Option<T>> {
        texts.iter().enumerate().map(move |(row, text)| {
            let text = text.map(str::trim).filter(|text| !text.is_empty())?;
            let value = parse(text);
            if value.is_none() {
                self.bad.misfit(row, self.name, to, text);
            }
            value
        })
    }

    fn parse_lists(&mut self, texts: &StringArray) -> ArrayRef {
        let lists: Vec<Option<Vec<String>>> = self.parse_each(texts, Type::List, list).collect();
        let mut builder = StringBuilder::new();
        let items =
            |list: &Option<Vec<String>>| list.iter().flatten().map(|item| builder.append_value(item)).count();
        let lengths = lists.iter().map(items).collect();
        let nulls = NullBuffer::from(lists.iter().map(Option::is_some).collect::<Vec<bool>>());
        list_array(builder, lengths, Some(nulls).filter(|nulls| nulls.null_count() > 0))
    }
}

/// Dictionaries and runs spread out, views and large forms made small.
fn unpacked(array: &ArrayRef) -> Outcome<ArrayRef> {
    let to = match array.data_type() {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        DataType::RunEndEncoded(_, values) => values.data_type().clone(),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Timestamp(_, Some(_)) => return Ok(utc_labelled(array)),
        _ => return Ok(array.clone()),
    };
    let plain = cast(array, &to).map_err(failed)?;
    if *plain.data_type() == *array.data_type() { Ok(plain) } else { unpacked(&plain) }
}

/// What arrow shows of kinds that have no better text.
fn shown_texts(array: &ArrayRef) -> Outcome<StringArray> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(array, &options).map_err(failed)?;
    let text =
        |row: usize| array.is_valid(row).then(|| formatter.value(row).try_to_string().unwrap_or_default());
    Ok((0..array.len()).map(text).collect())
}

/// One value as arrow shows it.
pub fn cell(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default();
    let one = array.slice(row, 1);
    let one =
        if matches!(array.data_type(), DataType::Timestamp(_, Some(_))) { utc_labelled(&one) } else { one };
    let formatter = ArrayFormatter::try_new(&one, &options).ok();
    formatter.and_then(|formatter| formatter.value(0).try_to_string().ok()).unwrap_or_default()
}

/// Not a number and the infinities are missing values.
fn finite(array: ArrayRef) -> ArrayRef {
    let floats = array.as_primitive::<Float64Type>();
    if floats.values().iter().all(|value| value.is_finite()) {
        return array;
    }
    Arc::new(floats.iter().map(|value| value.filter(|value| value.is_finite())).collect::<Float64Array>())
}

/// `nulls` with some more rows.
fn without(nulls: Option<&NullBuffer>, rows: usize, more: &[usize]) -> Option<NullBuffer> {
    if more.is_empty() {
        return nulls.cloned();
    }
    let mut is_known: Vec<bool> =
        (0..rows).map(|row| nulls.is_none_or(|nulls| nulls.is_valid(row))).collect();
    more.iter().for_each(|&row| is_known[row] = false);
    Some(NullBuffer::from(is_known))
}

fn of_numbers(values: Vec<i64>, nulls: Option<NullBuffer>, to: Type) -> ArrayRef {
    match to {
        Type::Date => {
            let days: Vec<i32> = values.into_iter().map(|day| day as i32).collect();
            Arc::new(PrimitiveArray::<Date32Type>::new(days.into(), nulls))
        }
        Type::Instant => Arc::new(
            PrimitiveArray::<TimestampMillisecondType>::new(values.into(), nulls)
                .with_data_type(data_type(to)),
        ),
        _ => Arc::new(Int64Array::new(values.into(), nulls)),
    }
}

fn list_array(mut items: StringBuilder, lengths: Vec<usize>, nulls: Option<NullBuffer>) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(ListArray::new(Arc::new(item_field()), offsets, Arc::new(items.finish()), nulls))
}

/// A float without a fraction that an integer holds exactly.
fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}

fn integer(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ => text.eq_ignore_ascii_case("false").then_some(false),
    }
}

/// A date; of a date with a time its local day.
fn date(clock: &mut Clock, text: &str) -> Option<i64> {
    if let Some(day) = day(text.as_bytes()) {
        return Some(day as i64);
    }
    let is_dated = text.contains('-') && !text.starts_with('-');
    is_dated.then(|| clock.parse(text)).flatten().and_then(|ms| local_day(clock, ms))
}

fn local_day(clock: &Clock, ms: i64) -> Option<i64> {
    let is_near = Timestamp(ms).is_in_calendar() && ms.unsigned_abs() < 8_000_000_000_000_000;
    is_near.then(|| {
        let Day(day) = clock.zone().day_of(Timestamp(ms));
        day as i64
    })
}

/// A JSON array, or texts with `|` between them.
fn list(text: &str) -> Option<Vec<String>> {
    if text.starts_with('[') {
        return json::items(text);
    }
    Some(text.split('|').map(str::trim).filter(|item| !item.is_empty()).map(String::from).collect())
}
