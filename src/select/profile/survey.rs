//! Is a column counted by its values or in bins, and over which range do the bins lie?

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use rayon::prelude::*;

use super::bins::Bins;
use crate::base::{Outcome, Type};
use crate::store::{Column, Snapshot};

/// Integers with more values than this are amounts or ages, and fall into bins; the others are codes.
/// At most as many as the store indexes in a chunk.
const INTEGERS_MAX: usize = 32;
/// Bins of numbers, and of times, when nobody says how many.
const NUMBER_BINS: u32 = 10;
const TIME_BINS: u32 = 12;
/// Values that are looked at for the range of the bins; evenly spread over the users.
const SAMPLE: usize = 100_000;
/// Fewer than this and every value is looked at.
const SAMPLE_MIN: usize = 1_000;
/// The bins span the values without this share at either end: one rich user must not push all
/// others into one bin.
const OUTSIDE: f64 = 0.005;

/// The bins of a column; `None` when it is counted by its values.
/// Errors: a file that cannot be read.
pub fn bins_of(column: &Column, asked: Option<u32>, snapshot: &Snapshot) -> Outcome<Option<Bins>> {
    let default = match column.type_of {
        Type::Text | Type::Bool | Type::List => return Ok(None),
        Type::Integer if asked.is_none() && has_few_values(&column.name, snapshot)? => return Ok(None),
        Type::Integer | Type::Float => NUMBER_BINS,
        Type::Date | Type::Instant => TIME_BINS,
    };
    let (low, high) = range(&column.name, snapshot)?;
    Ok(Some(Bins::new(column.type_of, low, high, asked.unwrap_or(default), &snapshot.zone())))
}

/// A chunk whose integers are few has them indexed.
fn has_few_values(name: &str, snapshot: &Snapshot) -> Outcome<bool> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for chunk in 0..snapshot.chunk_count() {
        let Some(attributes) = snapshot.attributes(chunk)? else { continue };
        if attributes.column(name)?.is_none() {
            continue;
        }
        let Some(values) = attributes.values_of(name)? else { return Ok(false) };
        seen.extend(values.into_iter().map(|(value, _)| value.to_string()));
        if seen.len() > INTEGERS_MAX {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where most values lie; 0 to 0 when there are none.
fn range(name: &str, snapshot: &Snapshot) -> Outcome<(f64, f64)> {
    let every = (snapshot.user_end() as usize / SAMPLE).max(1);
    let mut values = sample(name, every, snapshot)?;
    if values.len() < SAMPLE_MIN && every > 1 {
        values = sample(name, 1, snapshot)?;
    }
    let Some(last) = values.len().checked_sub(1) else { return Ok((0.0, 0.0)) };
    let mut at = |place: f64| *values.select_nth_unstable_by(place as usize, f64::total_cmp).1;
    Ok((at((last as f64 * OUTSIDE).floor()), at((last as f64 * (1.0 - OUTSIDE)).ceil())))
}

/// Known, finite values of every n-th user.
fn sample(name: &str, every: usize, snapshot: &Snapshot) -> Outcome<Vec<f64>> {
    let of_chunk = |chunk: u32| -> Outcome<Vec<f64>> {
        let Some(attributes) = snapshot.attributes(chunk)? else { return Ok(vec![]) };
        Ok(attributes.column(name)?.map_or(vec![], |column| picked(column, every)))
    };
    let chunks = (0..snapshot.chunk_count()).into_par_iter().map(of_chunk);
    Ok(chunks.collect::<Outcome<Vec<_>>>()?.concat())
}

fn picked(column: &ArrayRef, every: usize) -> Vec<f64> {
    let rows = (0..column.len()).step_by(every).filter(|row| column.is_valid(*row));
    match column.data_type() {
        DataType::Int64 => rows.map(|row| column.as_primitive::<Int64Type>().value(row) as f64).collect(),
        DataType::Float64 => {
            let values = rows.map(|row| column.as_primitive::<Float64Type>().value(row));
            values.filter(|value| value.is_finite()).collect()
        }
        DataType::Date32 => rows.map(|row| column.as_primitive::<Date32Type>().value(row) as f64).collect(),
        DataType::Timestamp(..) => {
            rows.map(|row| column.as_primitive::<TimestampMillisecondType>().value(row) as f64).collect()
        }
        _ => vec![],
    }
}
