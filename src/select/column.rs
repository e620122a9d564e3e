//! One check on one Arrow column: a bit per row.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{
    ArrowDictionaryKeyType, DataType, Date32Type, Decimal32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMillisecondType, UInt8Type, UInt16Type, UInt32Type,
};
use chrono::Datelike;

use super::bits::bits;
use super::check::{Check, day_key};
use super::hundredths;
use crate::base::{Day, Timestamp, Zone};

/// Which rows of `column` satisfy `check`; shape: one bit per row, clear where the value is missing
/// (but for `Missing` and `NoneOf`). A column of another type than the check's satisfies nothing.
pub fn test(check: &Check, column: &ArrayRef, zone: &Zone) -> BooleanBuffer {
    match check {
        Check::Missing => !&known(column),
        Check::Known => known(column),
        Check::NoneOf(values) => !&test(&Check::AnyOf(values.clone()), column, zone),
        _ => match column.data_type() {
            DataType::Int8 => {
                whole(check, column, column.as_primitive::<Int8Type>().values(), |v| v as i64, zone)
            }
            DataType::Int16 => {
                whole(check, column, column.as_primitive::<Int16Type>().values(), |v| v as i64, zone)
            }
            DataType::Int32 => {
                whole(check, column, column.as_primitive::<Int32Type>().values(), |v| v as i64, zone)
            }
            DataType::Int64 => whole(check, column, column.as_primitive::<Int64Type>().values(), |v| v, zone),
            DataType::Date32 => {
                whole(check, column, column.as_primitive::<Date32Type>().values(), |v| v as i64, zone)
            }
            DataType::Timestamp(..) => {
                whole(check, column, column.as_primitive::<TimestampMillisecondType>().values(), |v| v, zone)
            }
            DataType::Float64 => real(check, column, column.as_primitive::<Float64Type>().values(), |v| v),
            DataType::Decimal32(..) => {
                let values = column.as_primitive::<Decimal32Type>().values();
                real(check, column, values, |v| hundredths::float(v as i64))
            }
            DataType::Boolean => flag(check, column.as_boolean()),
            DataType::Utf8 => and_known(texts(check, column.as_string()), column),
            DataType::Dictionary(key, _) if **key == DataType::UInt8 => coded::<UInt8Type>(check, column),
            DataType::Dictionary(key, _) if **key == DataType::UInt16 => coded::<UInt16Type>(check, column),
            DataType::Dictionary(key, _) if **key == DataType::UInt32 => coded::<UInt32Type>(check, column),
            DataType::List(_) => list(check, column.as_list()),
            _ => BooleanBuffer::new_unset(column.len()),
        },
    }
}

/// Rows with a value; an empty list is none.
pub fn known(column: &ArrayRef) -> BooleanBuffer {
    let set = match column.nulls() {
        Some(nulls) => nulls.inner().clone(),
        None => BooleanBuffer::new_set(column.len()),
    };
    match column.as_list_opt::<i32>() {
        Some(list) => &set & &BooleanBuffer::collect_bool(list.len(), |row| list.value_length(row) > 0),
        None => set,
    }
}

fn and_known(bits: BooleanBuffer, column: &ArrayRef) -> BooleanBuffer {
    match column.nulls() {
        Some(nulls) => &bits & nulls.inner(),
        None => bits,
    }
}

fn whole<T: Copy>(
    check: &Check,
    column: &ArrayRef,
    values: &[T],
    number: impl Fn(T) -> i64,
    zone: &Zone,
) -> BooleanBuffer {
    let bits = match check {
        Check::Whole { ranges, negated } => in_ranges(values, number, ranges, *negated),
        Check::DayOfYear(days) => {
            let is_date = column.data_type() == &DataType::Date32;
            bits(values, |value| {
                let value = number(value);
                let day = if is_date { Day(value as i32) } else { zone.day_of(Timestamp(value)) };
                days.contains(&day_key(day.date().month(), day.date().day()))
            })
        }
        _ => BooleanBuffer::new_unset(values.len()),
    };
    and_known(bits, column)
}

fn real<T: Copy>(check: &Check, column: &ArrayRef, values: &[T], number: impl Fn(T) -> f64) -> BooleanBuffer {
    let bits = match check {
        Check::Real { ranges, negated } => in_ranges(values, number, ranges, *negated),
        _ => BooleanBuffer::new_unset(values.len()),
    };
    and_known(bits, column)
}

/// Values inside one of the closed ranges, or outside all of them.
fn in_ranges<T: Copy, N: PartialOrd + Copy>(
    values: &[T],
    number: impl Fn(T) -> N,
    ranges: &[(N, N)],
    negated: bool,
) -> BooleanBuffer {
    let inside = |value: N, low: N, high: N| (low <= value) & (value <= high);
    match ranges {
        [(low, high)] => {
            let (low, high) = (*low, *high);
            bits(values, |value| inside(number(value), low, high) != negated)
        }
        ranges => bits(values, |value| {
            ranges.iter().any(|(low, high)| inside(number(value), *low, *high)) != negated
        }),
    }
}

fn flag(check: &Check, column: &BooleanArray) -> BooleanBuffer {
    let bits = match check {
        Check::Flag(true) => column.values().clone(),
        Check::Flag(false) => !column.values(),
        _ => BooleanBuffer::new_unset(column.len()),
    };
    match column.nulls() {
        Some(nulls) => &bits & nulls.inner(),
        None => bits,
    }
}

/// Bits over texts, missing ones not yet cleared.
fn texts(check: &Check, column: &StringArray) -> BooleanBuffer {
    BooleanBuffer::collect_bool(column.len(), |row| fits(check, column.value(row)))
}

/// Does one text satisfy a text check?
pub fn fits(check: &Check, text: &str) -> bool {
    match check {
        Check::Text { values, negated } => values.iter().any(|value| value == text) != *negated,
        Check::Pattern(pattern) => pattern.fits(text),
        _ => false,
    }
}

/// A dictionary column: each distinct text is looked at once.
fn coded<K: ArrowDictionaryKeyType>(check: &Check, column: &ArrayRef) -> BooleanBuffer
where
    K::Native: Into<u64>,
{
    let dictionary = column.as_dictionary::<K>();
    let Some(words) = dictionary.values().as_string_opt::<i32>() else {
        return BooleanBuffer::new_unset(column.len());
    };
    let passes = texts(check, words);
    let keys = dictionary.keys().values();
    let bits = BooleanBuffer::collect_bool(column.len(), |row| {
        let key: u64 = keys[row].into();
        (key as usize) < passes.len() && passes.value(key as usize)
    });
    and_known(bits, column)
}

fn list(check: &Check, column: &ListArray) -> BooleanBuffer {
    let Some(words) = column.values().as_string_opt::<i32>() else {
        return BooleanBuffer::new_unset(column.len());
    };
    let offsets = column.value_offsets();
    let has = |row: usize, value: &str| {
        (offsets[row]..offsets[row + 1])
            .any(|at| words.is_valid(at as usize) && words.value(at as usize) == value)
    };
    BooleanBuffer::collect_bool(column.len(), |row| {
        column.is_valid(row)
            && match check {
                Check::AnyOf(values) => values.iter().any(|value| has(row, value)),
                Check::AllOf(values) => values.iter().all(|value| has(row, value)),
                _ => false,
            }
    })
}
