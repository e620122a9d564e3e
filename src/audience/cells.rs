//! Rows of Arrow batches as text: CSV with a header, or one JSON object a line.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, Schema, TimestampMillisecondType};
use serde_json::{Map, Value};

use crate::base::{Day, Outcome, Problem, Timestamp, Zone};

/// Writes all rows. Instants are RFC 3339 in `zone`; a missing value is an empty cell or `null`;
/// a list in a CSV cell is a JSON list.
/// Errors: OUT-001 when `out` takes no more.
pub fn write(
    out: &mut dyn Write,
    schema: &Schema,
    batches: impl Iterator<Item = Outcome<RecordBatch>>,
    is_json: bool,
    zone: Zone,
) -> Outcome<()> {
    match is_json {
        true => write_json(out, batches, zone),
        false => write_csv(out, schema, batches, zone),
    }
}

fn write_json(
    out: &mut dyn Write,
    batches: impl Iterator<Item = Outcome<RecordBatch>>,
    zone: Zone,
) -> Outcome<()> {
    for batch in batches {
        let batch = batch?;
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let fields = schema.fields().iter().zip(batch.columns());
            let object: Map<String, Value> =
                fields.map(|(f, c)| (f.name().clone(), cell(c, row, zone))).collect();
            writeln!(out, "{}", Value::Object(object))?;
        }
    }
    Ok(out.flush()?)
}

fn write_csv(
    out: &mut dyn Write,
    schema: &Schema,
    batches: impl Iterator<Item = Outcome<RecordBatch>>,
    zone: Zone,
) -> Outcome<()> {
    let failed = |e: csv::Error| Problem::from(std::io::Error::from(e));
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(schema.fields().iter().map(|field| field.name().as_str())).map_err(failed)?;
    for batch in batches {
        let batch = batch?;
        for row in 0..batch.num_rows() {
            writer.write_record(batch.columns().iter().map(|c| plain(cell(c, row, zone)))).map_err(failed)?;
        }
    }
    Ok(writer.flush()?)
}

/// The value at a row as text; `None` when missing.
pub fn text(column: &ArrayRef, row: usize, zone: Zone) -> Option<String> {
    match cell(column, row, zone) {
        Value::Null => None,
        value => Some(plain(value)),
    }
}

/// A value as the text of a CSV cell.
fn plain(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The value at a row; `Null` when missing.
pub(super) fn cell(column: &ArrayRef, row: usize, zone: Zone) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Date32 => Day(column.as_primitive::<Date32Type>().value(row)).to_string().into(),
        DataType::Timestamp(..) => {
            zone.text(Timestamp(column.as_primitive::<TimestampMillisecondType>().value(row))).into()
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|i| cell(&items, i, zone)).collect::<Vec<_>>().into()
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, StringArray,
        TimestampMillisecondArray,
    };
    use arrow::datatypes::Field;

    use super::*;

    fn batch() -> RecordBatch {
        let mut lists = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
        lists.append_value([Some("a"), Some("b")]);
        lists.append_null();
        let lists: ListArray = lists.finish();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("user_id", Arc::new(StringArray::from(vec!["u1", "二,\"号\""]))),
            ("age", Arc::new(Int64Array::from(vec![Some(7), None]))),
            ("score", Arc::new(Float64Array::from(vec![Some(0.5), None]))),
            ("vip", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("born", Arc::new(Date32Array::from(vec![Some(0), None]))),
            ("seen", Arc::new(TimestampMillisecondArray::from(vec![Some(0), None]).with_timezone("UTC"))),
            ("likes", Arc::new(lists)),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, c)| c).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
    }

    fn written(is_json: bool) -> String {
        let mut out = Vec::new();
        let batch = batch();
        write(&mut out, &batch.schema(), [Ok(batch.clone())].into_iter(), is_json, Zone::default()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_has_a_header_and_empty_cells_for_missing_values() {
        let lines = "user_id,age,score,vip,born,seen,likes\n\
                     u1,7,0.5,true,1970-01-01,1970-01-01T08:00:00.000+08:00,\"[\"\"a\"\",\"\"b\"\"]\"\n\
                     \"二,\"\"号\"\"\",,,,,,\n";
        assert_eq!(written(false), lines);
    }

    #[test]
    fn ndjson_has_one_object_a_row() {
        let text = written(true);
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows[0]["likes"], serde_json::json!(["a", "b"]));
        assert_eq!(rows[0]["seen"], "1970-01-01T08:00:00.000+08:00");
        assert_eq!(rows[1]["user_id"], "二,\"号\"");
        assert!(rows[1]["age"].is_null());
    }
}
