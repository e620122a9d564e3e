//! One cell of a column as a value.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMillisecondType};

use crate::base::{Day, Timestamp, Value, Zone};

/// The value at `row`; nothing where it is missing, and for an empty list.
pub fn value(column: &ArrayRef, row: usize) -> Option<Value> {
    if row >= column.len() || column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Int64 => Some(Value::Integer(column.as_primitive::<Int64Type>().value(row))),
        DataType::Float64 => Some(Value::Float(column.as_primitive::<Float64Type>().value(row))),
        DataType::Boolean => Some(Value::Bool(column.as_boolean().value(row))),
        DataType::Date32 => Some(Value::Date(Day(column.as_primitive::<Date32Type>().value(row)))),
        DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, _) => {
            Some(Value::Instant(Timestamp(column.as_primitive::<TimestampMillisecondType>().value(row))))
        }
        DataType::List(_) => list(&column.as_list::<i32>().value(row)),
        _ => text(&column.slice(row, 1)).map(Value::Text),
    }
}

/// The instant of a date (its local midnight) or an instant.
pub fn instant(value: &Value, zone: &Zone) -> Option<Timestamp> {
    match value {
        Value::Date(day) => Some(zone.start_of(*day)),
        Value::Instant(at) => Some(*at),
        _ => None,
    }
}

/// A number, a day or an instant as the float that metrics are compared by.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        Value::Date(day) => Some(day.0 as f64),
        Value::Instant(at) => Some(at.0 as f64),
        _ => None,
    }
}

fn list(items: &ArrayRef) -> Option<Value> {
    let words = items.as_string_opt::<i32>()?;
    let words: Vec<String> = words.iter().flatten().map(String::from).collect();
    (!items.is_empty()).then_some(Value::List(words))
}

/// Plain or coded text of one cell.
fn text(cell: &ArrayRef) -> Option<String> {
    let plain = cast(cell, &DataType::Utf8).ok()?;
    let words = plain.as_string_opt::<i32>()?;
    words.iter().next().flatten().map(String::from)
}
