//! How do new detail rows meet the stored rows of a chunk?

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef, UInt8Type};
use hashbrown::HashMap;

use crate::base::Outcome;
use crate::ingest::Column;

use super::columns::{KEY, TIME, USER, arrow_type, fields, instant_type, schema_of, stored_name};
use super::disk::Disk;
use super::manifest::DetailPart;
use super::mapped::{batch_of, bug};
use super::parquet_file::{RowWriter, SortColumns, sort};
use super::rows::RowFile;

/// Columns of a batch of new rows before those of the table.
const USER_AT: usize = 0;
const KEY_AT: usize = 1;
const TIME_AT: usize = 2;
pub(super) const ACTION_AT: usize = 3;
const HEAD: usize = 4;

/// What a new row does in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Action {
    /// Takes its place, and that of the key's older version.
    Row = 0,
    /// The key lives in another chunk now: an older version goes.
    Moved = 1,
    /// The key is deleted: an older version goes.
    Deleted = 2,
}

impl Action {
    pub fn of(is_deleted: bool) -> Action {
        if is_deleted { Action::Deleted } else { Action::Row }
    }
}

/// What is the same for all chunks of a load.
pub(super) struct Plan<'a> {
    pub disk: &'a Disk,
    pub folder: &'a str,
    pub generation: u64,
    /// All columns of the table after the load, without key and time.
    pub known: &'a [Column],
    /// Those that the load has, in the order of its batches.
    pub loaded: &'a [Column],
}

/// A chunk after the load; no part when no row is left.
pub(super) struct Merged {
    pub part: Option<DetailPart>,
    pub replaced: u64,
    pub deleted: u64,
}

impl Plan<'_> {
    /// The rows of a chunk after the load; `new` has each key once.
    pub fn merge(&self, chunk: u32, old: Option<&DetailPart>, new: &RecordBatch) -> Outcome<Merged> {
        let actions = new.column(ACTION_AT).as_primitive::<UInt8Type>();
        let keys: &StringArray = new.column(KEY_AT).as_string::<i32>();
        let by_key: HashMap<&str, u8> =
            (0..new.num_rows()).map(|row| (keys.value(row), actions.value(row))).collect();
        let (mut batches, mut columns, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let (mut replaced, mut deleted) = (0, 0);
        if let Some(old) = old {
            let batch = self.stored_batch(old)?;
            let stored: &StringArray = batch.column(KEY_AT).as_string::<i32>();
            let fate = |row: usize| by_key.get(stored.value(row)).copied();
            deleted = (0..batch.num_rows()).filter(|row| fate(*row) == Some(Action::Deleted as u8)).count();
            replaced = (0..batch.num_rows()).filter(|row| fate(*row).is_some()).count() - deleted;
            let sorted_by = SortColumns::of(&batch, Some(TIME_AT), Some(KEY_AT))?;
            places.extend(sorted_by.places(0, |row| fate(row).is_none()));
            columns.push(sorted_by);
            batches.push(batch.clone());
        }
        let sorted_by = SortColumns::of(new, Some(TIME_AT), Some(KEY_AT))?;
        places.extend(sorted_by.places(batches.len() as u32, |row| actions.value(row) == Action::Row as u8));
        columns.push(sorted_by);
        batches.push(self.new_batch(new)?);
        sort(&mut places, &columns);
        let part = if places.is_empty() { None } else { Some(self.write(chunk, &batches, &places)?) };
        Ok(Merged { part, replaced: replaced as u64, deleted: deleted as u64 })
    }

    fn write(
        &self,
        chunk: u32,
        batches: &[RecordBatch],
        places: &[super::parquet_file::Place],
    ) -> Outcome<DetailPart> {
        let name = format!("{}/c{chunk:05}.g{}.parquet", self.folder, self.generation);
        let mut writer = RowWriter::create(self.disk, &name, self.schema())?;
        let groups = writer.write(&batches.iter().collect::<Vec<_>>(), places)?;
        Ok(DetailPart { rows: places.len() as u64, groups, file: writer.finish()? })
    }

    fn schema(&self) -> SchemaRef {
        let mut all = vec![
            Field::new(USER, DataType::UInt32, false),
            Field::new(KEY, DataType::Utf8, false),
            Field::new(TIME, instant_type(), true),
        ];
        all.extend(fields(self.known));
        schema_of(all)
    }

    fn stored_batch(&self, old: &DetailPart) -> Outcome<RecordBatch> {
        let typed = self
            .known
            .iter()
            .map(|column| (stored_name(&column.name).into_owned(), Some(arrow_type(column.type_of))));
        let asked: Vec<_> = std::iter::once((KEY.to_string(), Some(DataType::Utf8))).chain(typed).collect();
        let file = RowFile { root: &self.disk.root, part: &old.file, groups: 0..old.groups, cache: None };
        let rows = file.read(&asked)?;
        let count = rows.users.len();
        let times = rows
            .times
            .map_or(Ok(new_null_array(&instant_type(), count)), |times| cast(&times, &instant_type()));
        let mut columns = rows.columns.into_iter();
        let keys = columns
            .next()
            .flatten()
            .ok_or_else(|| super::disk::damaged(&self.disk.path(&old.file.name), "it has no keys"))?;
        let others = columns.zip(self.known).map(|(array, column)| or_null(array, column, count));
        self.batch([Arc::new(rows.users), keys, times.map_err(bug)?], others)
    }

    fn new_batch(&self, new: &RecordBatch) -> Outcome<RecordBatch> {
        let other = |column: &Column| {
            let at = self.loaded.iter().position(|one| one.name == column.name);
            or_null(at.map(|at| new.column(HEAD + at).clone()), column, new.num_rows())
        };
        let head = [USER_AT, KEY_AT, TIME_AT].map(|at| new.column(at).clone());
        self.batch(head, self.known.iter().map(other))
    }

    fn batch(&self, head: [ArrayRef; 3], others: impl Iterator<Item = ArrayRef>) -> Outcome<RecordBatch> {
        let rows = head[0].len();
        batch_of(&self.schema(), head.into_iter().chain(others).collect(), rows)
    }
}

fn or_null(array: Option<ArrayRef>, column: &Column, rows: usize) -> ArrayRef {
    array.unwrap_or_else(|| new_null_array(&arrow_type(column.type_of), rows))
}
