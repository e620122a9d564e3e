//! The room as a whole: files in, checked rows, counts and rejects out.

mod bad_input;
mod names;
mod same_rows;
mod typing;

use std::io::Write;
use std::path::PathBuf;

use arrow::array::Array;
use serde_json::Value;

use super::convert::cell;
use super::*;
use crate::base::{Outcome, Problems, Quiet};

/// A folder with files to load.
struct Files(tempfile::TempDir);

/// What a load gave.
#[derive(Debug, Default)]
struct Loaded {
    columns: Vec<String>,
    rows: Vec<String>,
    counts: Counts,
    rejects: Vec<Value>,
    sizes: Vec<usize>,
}

impl Loaded {
    /// `row code` of every reject.
    fn reasons(&self) -> Vec<String> {
        let text = |reject: &Value| format!("{} {}", reject["row"], reject["code"].as_str().unwrap());
        self.rejects.iter().map(text).collect()
    }
}

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("in").join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Files {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    fn request(&self, names: &[&str], shape: Shape) -> Request {
        let paths =
            names.iter().map(|name| if *name == "-" { name.to_string() } else { self.text(name) }).collect();
        let rejects = self.0.path().join("rejects/load.ndjson");
        let (format, zone, types) = Default::default();
        Request { paths, format, shape, is_id_asked: false, zone, types, rejects }
    }

    /// Loads and checks what must hold for every load.
    fn load(&self, request: &Request) -> Result<Loaded, Problems> {
        load(open(request, None, &Quiet)?)
    }

    fn users(&self, name: &str) -> Result<Loaded, Problems> {
        self.load(&self.request(&[name], users()))
    }

    fn events(&self, name: &str) -> Result<Loaded, Problems> {
        self.load(&self.request(&[name], events()))
    }
}

fn load(mut source: Source) -> Result<Loaded, Problems> {
    let columns =
        source.columns().iter().map(|column| format!("{} {}", column.name, column.type_of)).collect();
    let mut loaded = Loaded { columns, ..Loaded::default() };
    for batch in source.by_ref() {
        let batch = batch?;
        loaded.sizes.push(batch.len());
        loaded.rows.extend((0..batch.len()).map(|row| shown(&batch, row)));
    }
    loaded.counts = source.counts();
    if let Some(path) = source.rejects_file() {
        let text = std::fs::read_to_string(path).unwrap();
        loaded.rejects = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    }
    let Counts { read, accepted, rejected } = loaded.counts;
    assert_eq!((read, rejected), (accepted + rejected, loaded.rejects.len() as u64));
    assert_eq!(accepted, loaded.rows.len() as u64);
    assert!(loaded.sizes.iter().all(|size| (1..=BATCH_ROWS).contains(size)));
    Ok(loaded)
}

/// One row as text, its parts with spaces between them, `-` for a missing value.
fn shown(batch: &Checked, row: usize) -> String {
    let mut parts = vec![batch.users().value(row).to_string()];
    let mut add = |array: &dyn Array| {
        assert_eq!(array.len(), batch.len());
        parts.push(if array.is_null(row) || array.data_type() == &arrow::datatypes::DataType::Null {
            "-".into()
        } else {
            cell(array, row)
        });
    };
    batch.events().into_iter().for_each(|array| add(array));
    batch.times().into_iter().for_each(|array| add(array));
    batch.ids().into_iter().for_each(|array| add(array));
    batch.keys().into_iter().for_each(|array| add(array));
    batch.deleted().into_iter().for_each(|array| add(array));
    batch.columns().columns().iter().for_each(|array| add(array));
    parts.join(" ")
}

fn users() -> Shape {
    Shape::Users { key: "user_id".into() }
}

fn events() -> Shape {
    let id = Some("event_id".into());
    Shape::Events { user: "user_id".into(), event: "event".into(), time: "ts".into(), id }
}

fn detail() -> Shape {
    Shape::Detail { user: "user_id".into(), key: "order_id".into(), time: Some("ts".into()) }
}

fn members() -> Shape {
    Shape::Members { user: "user_id".into() }
}

fn codes(loaded: Result<Loaded, Problems>) -> Vec<&'static str> {
    loaded.unwrap_err().0.iter().map(|problem| problem.code).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn parquet_of(batch: &arrow::array::RecordBatch) -> Vec<u8> {
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_file_of(batch: &arrow::array::RecordBatch) -> Vec<u8> {
    let mut writer = arrow::ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream_of(batch: &arrow::array::RecordBatch) -> Vec<u8> {
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}
