//! The same rows in every format, plain and packed, give the same checked rows.

use std::sync::Arc;

use arrow::array::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// One user as it is made up; `None` is a missing value.
#[derive(Debug, Clone)]
struct Row {
    user: String,
    age: Option<i64>,
    balance: Option<f64>,
    city: Option<String>,
    is_vip: Option<bool>,
    born: Option<i32>,
    at: Option<i64>,
    tags: Option<Vec<String>>,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    use proptest::option::of;
    let city = "[a-z上海\",\n ;|]{0,6}".prop_map(|text| format!("c{text}"));
    let tags = proptest::collection::vec("[a-z\"上,]{0,3}", 0..3);
    let instant = -2_000_000_000_000i64..4_000_000_000_000;
    let row = (
        "[0-9a-z上\"]{1,6}",
        of(any::<i64>()),
        of(-1e6..1e6f64),
        of(city),
        of(any::<bool>()),
        of(-20_000..40_000i32),
        of(instant),
        of(tags),
    );
    let row = row.prop_map(|(user, age, balance, city, is_vip, born, at, tags)| {
        let balance = balance.map(|value| if value.fract() == 0.0 { value + 0.5 } else { value });
        Row { user, age, balance, city, is_vip, born, at, tags }
    });
    proptest::collection::vec(row, 1..12)
}

fn date(day: i32) -> String {
    crate::base::Day(day).to_string()
}

fn instant(ms: i64) -> String {
    Zone::default().text(crate::base::Timestamp(ms))
}

fn csv_of(rows: &[Row]) -> Vec<u8> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(["user_id", "age", "balance", "city", "is_vip", "born", "at", "tags"]).unwrap();
    for row in rows {
        let text = |value: Option<String>| value.unwrap_or_default();
        writer
            .write_record([
                row.user.clone(),
                text(row.age.map(|n| n.to_string())),
                text(row.balance.map(|n| n.to_string())),
                text(row.city.clone()),
                text(row.is_vip.map(|n| n.to_string())),
                text(row.born.map(date)),
                text(row.at.map(instant)),
                text(row.tags.as_ref().map(|tags| json!(tags).to_string())),
            ])
            .unwrap();
    }
    writer.into_inner().unwrap()
}

fn ndjson_of(rows: &[Row]) -> Vec<u8> {
    let object = |row: &Row| {
        let mut fields = Map::new();
        let mut add = |name: &str, value: Value| {
            if !value.is_null() || row.user.len().is_multiple_of(2) {
                fields.insert(name.into(), value);
            }
        };
        add("user_id", json!(row.user));
        add("age", json!(row.age));
        add("balance", json!(row.balance));
        add("city", json!(row.city));
        add("is_vip", json!(row.is_vip));
        add("born", json!(row.born.map(date)));
        add("at", json!(row.at.map(instant)));
        add("tags", json!(row.tags));
        Value::Object(fields).to_string() + "\n"
    };
    rows.iter().map(object).collect::<String>().into_bytes()
}

fn batch_of(rows: &[Row]) -> RecordBatch {
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in rows {
        tags.append_option(row.tags.as_ref().map(|tags| tags.iter().map(Some)));
    }
    let at: TimestampMillisecondArray = rows.iter().map(|row| row.at).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(rows.iter().map(|row| Some(&row.user)).collect::<StringArray>())),
        ("age", Arc::new(rows.iter().map(|row| row.age).collect::<Int64Array>())),
        ("balance", Arc::new(rows.iter().map(|row| row.balance).collect::<Float64Array>())),
        ("city", Arc::new(rows.iter().map(|row| row.city.as_ref()).collect::<StringArray>())),
        ("is_vip", Arc::new(rows.iter().map(|row| row.is_vip).collect::<BooleanArray>())),
        ("born", Arc::new(rows.iter().map(|row| row.born).collect::<Date32Array>())),
        ("at", Arc::new(at.with_timezone("UTC"))),
        ("tags", Arc::new(tags.finish())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

/// Columns of files with the same rows; text leaves out columns without a value, and in JSON the
/// columns come in the order in which they first appear.
fn by_name(files: &Files, name: &str) -> Vec<Vec<String>> {
    let request = files.request(&[name], users());
    let source = open(&request, None, &Quiet).unwrap();
    let mut names: Vec<(String, usize)> =
        source.columns().iter().map(|c| format!("{} {}", c.name, c.type_of)).zip(0..).collect();
    names.sort();
    let mut rows = Vec::new();
    for batch in source {
        let batch = batch.unwrap();
        for row in 0..batch.len() {
            let mut parts = vec![batch.users().value(row).to_string()];
            for (name, column) in &names {
                let array = batch.columns().column(*column);
                if array.is_valid(row) {
                    parts.push(format!("{name}={}", cell(array, row)));
                }
            }
            rows.push(parts);
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_format_gives_the_same_rows(rows in rows()) {
        let files = Files::new();
        let batch = batch_of(&rows);
        let all = [
            ("a.parquet", parquet_of(&batch)),
            ("a.csv", csv_of(&rows)),
            ("a.ndjson", ndjson_of(&rows)),
            ("a.arrow", arrow_file_of(&batch)),
            ("a.arrows", arrow_stream_of(&batch)),
        ];
        let expected = by_name(files.write("a.parquet", &all[0].1), "a.parquet");
        prop_assert_eq!(expected.len(), rows.len());
        for (name, bytes) in &all {
            files.write(name, bytes).write(&format!("{name}.gz"), gzip(bytes)).write(&format!("{name}.zst"), zst(bytes));
            for name in [name.to_string(), format!("{name}.gz"), format!("{name}.zst")] {
                prop_assert_eq!(&by_name(&files, &name), &expected, "{}", name);
            }
        }
    }
}

/// `Feather` files of other tools are packed inside.
#[test]
fn packed_arrow_files_are_read() {
    let files = Files::new();
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u1"; 500]));
    let batch = RecordBatch::try_from_iter([("user_id", users)]).unwrap();
    for (name, packing) in [
        ("a.feather", arrow::ipc::CompressionType::LZ4_FRAME),
        ("b.feather", arrow::ipc::CompressionType::ZSTD),
    ] {
        let options =
            arrow::ipc::writer::IpcWriteOptions::default().try_with_compression(Some(packing)).unwrap();
        let mut writer =
            arrow::ipc::writer::FileWriter::try_new_with_options(Vec::new(), &batch.schema(), options)
                .unwrap();
        writer.write(&batch).unwrap();
        let bytes = writer.into_inner().unwrap();
        assert_eq!(files.write(name, bytes).users(name).unwrap().counts.accepted, 500);
    }
}
