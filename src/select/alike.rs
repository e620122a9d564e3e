//! Which rows are alike in a property? Equal values have equal hashes, whatever type holds them.

use std::num::NonZeroU128;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use xxhash_rust::xxh3::xxh3_128;

use crate::base::Day;

/// Floats up to here that are whole are written as the integers they equal.
const WHOLE_MAX: f64 = 9.0e15;

/// A hash of every row's value; `None` where the value is missing or a list.
/// Shape: one per row. The hash is xxh3-128 of the value as text, so that 1, 1.0 and '1' are alike:
/// an id may be a number in one batch of events and a text in the next.
pub fn alike(column: &ArrayRef) -> Vec<Option<NonZeroU128>> {
    let mut text = String::new();
    let hash = |row: usize| {
        text.clear();
        write(column, row, &mut text)?;
        hash_of(text.as_bytes())
    };
    match column.as_string_opt::<i32>() {
        Some(texts) => texts.iter().map(|text| hash_of(text?.as_bytes())).collect(),
        None => (0..column.len()).map(hash).collect(),
    }
}

fn hash_of(bytes: &[u8]) -> Option<NonZeroU128> {
    NonZeroU128::new(xxh3_128(bytes)).or(NonZeroU128::new(1))
}

/// The canonical text of one value; `None` if there is none.
fn write(column: &ArrayRef, row: usize, text: &mut String) -> Option<()> {
    use std::fmt::Write;
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Int64 => write!(text, "{}", column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => match column.as_primitive::<Float64Type>().value(row) {
            value if value.fract() == 0.0 && value.abs() <= WHOLE_MAX => write!(text, "{}", value as i64),
            value => write!(text, "{value}"),
        },
        DataType::Boolean => write!(text, "{}", column.as_boolean().value(row)),
        DataType::Date32 => write!(text, "{}", Day(column.as_primitive::<Date32Type>().value(row)).date()),
        DataType::Timestamp(..) => {
            write!(text, "{}", column.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::Utf8 => write!(text, "{}", column.as_string::<i32>().value(row)),
        _ => return None,
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Float64Array, Int64Array, ListArray, StringArray};
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn values_are_alike_whatever_type_holds_them() {
        let of = |column: ArrayRef| alike(&column);
        let whole = of(Arc::new(Int64Array::from(vec![Some(1), Some(-7), None, Some(0)])));
        assert_eq!(whole, of(Arc::new(Float64Array::from(vec![Some(1.0), Some(-7.0), None, Some(-0.0)]))));
        assert_eq!(whole, of(Arc::new(StringArray::from(vec![Some("1"), Some("-7"), None, Some("0")]))));
        assert!(whole[0] != whole[1] && whole[2].is_none());
        let halves = of(Arc::new(Float64Array::from(vec![0.5, 1e300])));
        assert_eq!(halves[0], of(Arc::new(StringArray::from(vec!["0.5"])))[0]);
        let day = of(Arc::new(Date32Array::from(vec![20_454])));
        assert_eq!(day, of(Arc::new(StringArray::from(vec!["2026-01-01"]))));
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
        assert_eq!(of(Arc::new(list)), [None]);
    }
}
