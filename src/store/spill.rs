//! How are more rows sorted into parts than memory holds?
//!
//! Rows are held as they come, with a note of the part each belongs to. When they fill their
//! share of memory they are written, part by part, to a temporary file without a name; the
//! system removes it when we end, however we end. Reading a part gathers its pieces in the order
//! of arrival.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, interleave_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::FileWriter;
use hashbrown::HashMap;
use rayon::prelude::*;

use crate::base::{Outcome, Problem};

use super::disk::trouble;
use super::mapped::{ArrowFile, bug, bytes_of};

/// Notes of one row: batch and row, with the slack of a growing list.
const NOTE_BYTES: u64 = 16;
/// Parts gathered at a time while writing: enough for all cores, little memory.
const PARTS_AT_ONCE: usize = 32;

/// Rows by part.
pub(super) struct Spill {
    folder: PathBuf,
    schema: SchemaRef,
    limit: u64,
    held: Vec<RecordBatch>,
    held_bytes: u64,
    notes: HashMap<u64, Vec<(u32, u32)>>,
    written: Vec<Written>,
    rows: HashMap<u64, u64>,
    row_count: u64,
    byte_count: u64,
}

/// One temporary file and the batch of each part in it.
struct Written {
    file: ArrowFile,
    batches: BTreeMap<u64, usize>,
}

impl Spill {
    /// Holds up to `limit` bytes of rows in memory; `folder` takes the files beyond.
    pub fn new(folder: PathBuf, schema: SchemaRef, limit: u64) -> Spill {
        Spill {
            folder,
            schema,
            limit,
            held: Vec::new(),
            held_bytes: 0,
            notes: HashMap::new(),
            written: Vec::new(),
            rows: HashMap::new(),
            row_count: 0,
            byte_count: 0,
        }
    }

    /// The columns of its rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes a batch; row i belongs to part `parts[i]`.
    pub fn push(&mut self, batch: RecordBatch, parts: &[u64]) -> Outcome<()> {
        let index = self.held.len() as u32;
        for (row, part) in (0u32..).zip(parts) {
            self.notes.entry(*part).or_default().push((index, row));
        }
        let bytes = bytes_of(&batch) + NOTE_BYTES * parts.len() as u64;
        self.held_bytes += bytes;
        self.byte_count += bytes;
        self.row_count += parts.len() as u64;
        self.held.push(batch);
        if self.held_bytes > self.limit { self.write_out() } else { Ok(()) }
    }

    /// The parts that have rows, ascending.
    pub fn parts(&self) -> Vec<u64> {
        let all: BTreeSet<u64> = self.rows.keys().chain(self.notes.keys()).copied().collect();
        all.into_iter().collect()
    }

    /// Rows of a part.
    pub fn rows_of(&self, part: u64) -> u64 {
        self.rows.get(&part).copied().unwrap_or(0)
            + self.notes.get(&part).map_or(0, |notes| notes.len() as u64)
    }

    /// About how many bytes one row takes.
    pub fn row_bytes(&self) -> u64 {
        self.byte_count / self.row_count.max(1) + 1
    }

    /// The rows of a part in the order of arrival.
    pub fn read(&self, part: u64) -> Outcome<RecordBatch> {
        let written = self.written.iter().filter_map(|run| Some(run.file.batch(*run.batches.get(&part)?)));
        let mut pieces = written.collect::<Outcome<Vec<_>>>()?;
        if let Some(notes) = self.notes.get(&part) {
            pieces.push(self.gather(notes)?);
        }
        match pieces.len() {
            1 => pieces.pop().ok_or_else(|| Problem::bug("a piece is gone")),
            _ => concat_batches(&self.schema, &pieces).map_err(bug),
        }
    }

    fn gather(&self, notes: &[(u32, u32)]) -> Outcome<RecordBatch> {
        let held: Vec<&RecordBatch> = self.held.iter().collect();
        let places: Vec<(usize, usize)> =
            notes.iter().map(|(batch, row)| (*batch as usize, *row as usize)).collect();
        if held.is_empty() {
            return Ok(RecordBatch::new_empty(self.schema.clone()));
        }
        interleave_record_batch(&held, &places).map_err(bug)
    }

    fn write_out(&mut self) -> Outcome<()> {
        let file = std::fs::create_dir_all(&self.folder).and_then(|()| tempfile::tempfile_in(&self.folder));
        let file = file.map_err(|error| trouble(&self.folder, error))?;
        let mut notes: Vec<(u64, Vec<(u32, u32)>)> = self.notes.drain().collect();
        notes.sort_unstable_by_key(|(part, _)| *part);
        self.write_parts(&file, &notes)?;
        let batches = notes.iter().enumerate().map(|(at, (part, _))| (*part, at)).collect();
        for (part, notes) in &notes {
            *self.rows.entry(*part).or_default() += notes.len() as u64;
        }
        let file = ArrowFile::of_file(self.folder.join("temporary file"), &file)?;
        self.written.push(Written { file, batches });
        self.held.clear();
        self.held_bytes = 0;
        Ok(())
    }

    fn write_parts(&self, file: &std::fs::File, notes: &[(u64, Vec<(u32, u32)>)]) -> Outcome<()> {
        let failed = |error: arrow::error::ArrowError| super::disk::not_written(&self.folder, error);
        let mut writer = FileWriter::try_new_buffered(file, &self.schema).map_err(failed)?;
        for some in notes.chunks(PARTS_AT_ONCE) {
            let gathered =
                some.par_iter().map(|(_, notes)| self.gather(notes)).collect::<Outcome<Vec<_>>>()?;
            gathered.iter().try_for_each(|batch| writer.write(batch)).map_err(failed)?;
        }
        writer.finish().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn parts_come_back_in_the_order_of_arrival(batches in proptest::collection::vec(proptest::collection::vec(0u64..6, 0..40), 0..8), limit in 0u64..6_000) {
            let folder = tempfile::tempdir().unwrap();
            let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("t", DataType::Utf8, true)]));
            let mut spill = Spill::new(folder.path().join("spill"), schema.clone(), limit);
            let (mut twin, mut next) = (BTreeMap::<u64, Vec<i64>>::new(), 0);
            for parts in batches {
                let numbers: Vec<i64> = (next..).take(parts.len()).collect();
                next += parts.len() as i64;
                let texts: StringArray = numbers.iter().map(|n| (n % 3 > 0).then(|| format!("第{n}"))).collect();
                let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(numbers.clone())), Arc::new(texts)]).unwrap();
                parts.iter().zip(&numbers).for_each(|(part, n)| twin.entry(*part).or_default().push(*n));
                spill.push(batch, &parts).unwrap();
            }
            prop_assert_eq!(spill.parts(), twin.keys().copied().collect::<Vec<_>>());
            for (part, numbers) in &twin {
                let batch = spill.read(*part).unwrap();
                prop_assert_eq!(batch.column(0).as_primitive::<Int64Type>().values().to_vec(), numbers.clone());
                prop_assert_eq!(spill.rows_of(*part), numbers.len() as u64);
                let texts = batch.column(1).as_string::<i32>();
                for (text, n) in texts.iter().zip(numbers) {
                    prop_assert_eq!(text.map(String::from), (n % 3 > 0).then(|| format!("第{n}")));
                }
            }
            prop_assert_eq!(spill.read(99).unwrap().num_rows(), 0);
        }
    }
}
