//! How are event and detail rows written? Sorted, in row groups, one Parquet file at a time.

use std::path::PathBuf;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, interleave_record_batch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, UInt32Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rayon::slice::ParallelSliceMut;

use crate::base::{Outcome, Problem};

use super::columns::{EVENT_ID, KEY, TIME, USER};
use super::disk::{Disk, Part, Sink, not_written};
use super::mapped::bug;

/// Rows after which a row group is closed.
pub(super) const GROUP_ROWS: usize = 1 << 20;
/// Rows gathered at a time while writing.
const ROWS_AT_ONCE: usize = 65_536;

/// A Parquet file being written.
pub(super) struct RowWriter {
    writer: ArrowWriter<Sink>,
    path: PathBuf,
}

impl RowWriter {
    pub fn create(disk: &Disk, name: &str, schema: SchemaRef) -> Outcome<RowWriter> {
        let sink = disk.create(name)?;
        let path = sink.path().to_path_buf();
        let writer = ArrowWriter::try_new(sink, schema, Some(properties()?));
        Ok(RowWriter { writer: writer.map_err(|error| not_written(&path, error))?, path })
    }

    /// Writes rows of several batches in the order given, and closes the row group.
    /// Gives the number of row groups they make.
    pub fn write(&mut self, batches: &[&RecordBatch], order: &[Place]) -> Outcome<u32> {
        let before = self.writer.flushed_row_groups().len();
        for some in order.chunks(ROWS_AT_ONCE) {
            let places: Vec<(usize, usize)> =
                some.iter().map(|place| (place.batch as usize, place.row as usize)).collect();
            let batch = interleave_record_batch(batches, &places).map_err(bug)?;
            self.writer.write(&batch).map_err(|error| not_written(&self.path, error))?;
        }
        self.writer.flush().map_err(|error| not_written(&self.path, error))?;
        Ok((self.writer.flushed_row_groups().len() - before) as u32)
    }

    pub fn finish(self) -> Outcome<Part> {
        self.writer.into_inner().map_err(|error| not_written(&self.path, error))?.finish()
    }
}

/// Numbers that ascend are stored as differences; ids and keys are too many for a dictionary.
fn properties() -> Outcome<WriterProperties> {
    let level = ZstdLevel::try_new(1).map_err(|error| Problem::bug(error.to_string()))?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    for name in [USER, TIME] {
        let column = ColumnPath::from(name);
        properties = properties.set_column_dictionary_enabled(column.clone(), false);
        properties = properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    for name in [EVENT_ID, KEY] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    Ok(properties.build())
}

/// One row of one of several batches, with what it is sorted by first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub user: u32,
    /// Milliseconds; a missing time comes first.
    pub time: i64,
    pub batch: u32,
    pub row: u32,
}

/// The columns by which the rows of a batch are sorted.
pub(super) struct SortColumns {
    users: UInt32Array,
    times: Option<Int64Array>,
    texts: Option<StringArray>,
}

impl SortColumns {
    /// Columns by position: user, time, and the text that decides among equal times.
    pub fn of(batch: &RecordBatch, time: Option<usize>, text: Option<usize>) -> Outcome<SortColumns> {
        let times = time.map(|at| cast(batch.column(at), &DataType::Int64)).transpose().map_err(bug)?;
        Ok(SortColumns {
            users: batch.column(0).as_primitive::<UInt32Type>().clone(),
            times: times.map(|times| times.as_primitive::<Int64Type>().clone()),
            texts: text.map(|at| batch.column(at).as_string::<i32>().clone()),
        })
    }

    /// The rows for which `keep` holds, as rows of batch `batch`.
    pub fn places(&self, batch: u32, keep: impl Fn(usize) -> bool) -> Vec<Place> {
        let time = |row: usize| {
            self.times.as_ref().filter(|times| times.is_valid(row)).map_or(i64::MIN, |times| times.value(row))
        };
        let place =
            |row: usize| Place { user: self.users.value(row), time: time(row), batch, row: row as u32 };
        (0..self.users.len()).filter(|row| keep(*row)).map(place).collect()
    }

    fn text(&self, row: u32) -> Option<&str> {
        let row = row as usize;
        self.texts.as_ref().filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row))
    }
}

/// Sorts by (user, time, text, arrival): batches in their order, rows of a batch in theirs.
pub(super) fn sort(places: &mut [Place], columns: &[SortColumns]) {
    let text = |place: &Place| columns.get(place.batch as usize).and_then(|batch| batch.text(place.row));
    places.par_sort_unstable_by(|a, b| {
        let quick = (a.user, a.time).cmp(&(b.user, b.time));
        quick.then_with(|| text(a).cmp(&text(b))).then((a.batch, a.row).cmp(&(b.batch, b.row)))
    });
}
