//! Values of any type that SQL gives, as JSON and as text.
//!
//! Instants are RFC 3339 in the home's zone, bitmaps and other bytes hexadecimal (so that they can be put
//! back as `x'…'`), lists JSON lists; what JSON has no form for (an interval, a decimal) is text.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType, UInt64Type};
use arrow::util::display::array_value_to_string;
use serde_json::{Map, Value};

use crate::base::{Timestamp, Zone};

/// A row as a JSON object; of two columns with one name the second is called `NAME_2`, and so on.
pub fn json_row(batch: &RecordBatch, row: usize, zone: Zone) -> Value {
    let mut object = Map::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let name = free_name(&object, field.name());
        object.insert(name, value(column, row, zone));
    }
    Value::Object(object)
}

/// A value as the text of a CSV cell; empty when missing.
pub fn csv_cell(column: &ArrayRef, row: usize, zone: Zone) -> String {
    text(column, row, zone).unwrap_or_default()
}

/// A value as text; nothing when missing.
pub fn text(column: &ArrayRef, row: usize, zone: Zone) -> Option<String> {
    match value(column, row, zone) {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn free_name(object: &Map<String, Value>, name: &str) -> String {
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let mut names = std::iter::once(name.to_string()).chain(numbered);
    names.find(|name| !object.contains_key(name)).unwrap_or_default()
}

fn value(column: &ArrayRef, row: usize, zone: Zone) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        number if number.is_integer() => {
            as_type(column, row, &DataType::Int64, |array| array.as_primitive::<Int64Type>().value(0).into())
        }
        number if number.is_floating() => as_type(column, row, &DataType::Float64, |array| {
            array.as_primitive::<Float64Type>().value(0).into()
        }),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            as_type(column, row, &DataType::Utf8, |array| value(array, 0, zone))
        }
        DataType::Binary => hex::encode(column.as_binary::<i32>().value(row)).into(),
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            as_type(column, row, &DataType::Binary, |array| value(array, 0, zone))
        }
        DataType::Timestamp(_, Some(of)) => {
            let millis = DataType::Timestamp(TimeUnit::Millisecond, Some(of.clone()));
            as_type(column, row, &millis, |array| {
                zone.text(Timestamp(array.as_primitive::<TimestampMillisecondType>().value(0))).into()
            })
        }
        DataType::List(_) => list(&column.as_list::<i32>().value(row), zone),
        DataType::LargeList(_) => list(&column.as_list::<i64>().value(row), zone),
        DataType::Struct(fields) => {
            let columns = column.as_struct().columns().iter().zip(fields);
            Value::Object(columns.map(|(column, f)| (f.name().clone(), value(column, row, zone))).collect())
        }
        _ => shown(column, row),
    }
}

fn list(items: &ArrayRef, zone: Zone) -> Value {
    (0..items.len()).map(|item| value(items, item, zone)).collect()
}

/// The value in another type, handed on as an array of one.
fn as_type(column: &ArrayRef, row: usize, wanted: &DataType, to: impl FnOnce(&ArrayRef) -> Value) -> Value {
    match cast(&column.slice(row, 1), wanted) {
        Ok(one) if one.is_valid(0) => to(&one),
        _ => shown(column, row),
    }
}

fn shown(column: &ArrayRef, row: usize) -> Value {
    array_value_to_string(column, row).map_or(Value::Null, Value::String)
}
