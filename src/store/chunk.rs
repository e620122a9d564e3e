//! How do new rows of users meet the stored attributes of their chunk?

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::{cast, interleave};
use arrow::datatypes::{DataType, Field, SchemaRef, UInt32Type};

use crate::base::{CHUNK_USERS, Outcome};
use crate::ingest::Column;

use super::attributes::{Attributes, INDEXED};
use super::columns::{arrow_type, schema_of};
use super::disk::{Disk, Part};
use super::encode::{Encoded, encode};
use super::manifest::ChunkParts;
use super::mapped::{batch_of, bug, schema_with, write_arrow};

/// Columns before the attributes in a batch of new rows: user number, is it a deletion.
pub(super) const HEAD: usize = 2;

/// What is the same for all chunks of a load.
pub(super) struct Plan<'a> {
    pub disk: &'a Disk,
    pub generation: u64,
    /// All attributes after the load.
    pub known: &'a [Column],
    /// Those that the load has, in the order of its batches.
    pub loaded: &'a [Column],
    /// Keep the values of columns that are not loaded?
    pub is_patch: bool,
}

/// What happens to a user of the chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Kept,
    /// The row of the batch that counts: the last one.
    Row(u32),
    Deleted,
}

impl Plan<'_> {
    /// The files of a chunk after the load; `None` when nobody in it has a value.
    pub fn merge(
        &self,
        chunk: u32,
        old: Option<&ChunkParts>,
        rows: &RecordBatch,
    ) -> Outcome<Option<ChunkParts>> {
        let old = old.map(|parts| Attributes::open(&self.disk.root, chunk, parts, self.known)).transpose()?;
        let old_len = old.as_ref().map_or(Ok(0), Attributes::len)?;
        let slots = slots_of(rows, old_len);
        let mut columns = Vec::new();
        for column in self.known {
            let array = self.column(column, old.as_ref(), old_len, rows, &slots)?;
            if let Some(array) = array.filter(|array| array.null_count() < array.len()) {
                columns.push((column, encode(array, column.type_of, chunk * CHUNK_USERS)?));
            }
        }
        if columns.is_empty() {
            return Ok(None);
        }
        Ok(Some(ChunkParts {
            table: self.write_table(chunk, &columns)?,
            bitmaps: self.write_bitmaps(chunk, &columns)?,
        }))
    }

    /// One column after the load; `None` when neither side has it.
    fn column(
        &self,
        column: &Column,
        old: Option<&Attributes>,
        old_len: usize,
        rows: &RecordBatch,
        slots: &[Slot],
    ) -> Outcome<Option<ArrayRef>> {
        let as_type = arrow_type(column.type_of);
        let loaded = self.loaded.iter().position(|one| one.name == column.name);
        let new = loaded.map(|at| rows.column(HEAD + at).clone());
        let stored = old.map_or(Ok(None), |old| old.column(&column.name))?;
        if new.is_none() && stored.is_none() {
            return Ok(None);
        }
        let stored = match stored {
            Some(array) => cast(array, &as_type).map_err(bug)?,
            None => new_null_array(&as_type, old_len),
        };
        let keep_old = new.is_none() && self.is_patch;
        let new = new.unwrap_or_else(|| new_null_array(&as_type, rows.num_rows()));
        let missing = new_null_array(&as_type, 1);
        let places: Vec<(usize, usize)> =
            slots.iter().enumerate().map(|(at, slot)| place(at, *slot, old_len, keep_old)).collect();
        interleave(&[&stored, &new, &missing], &places).map(Some).map_err(bug)
    }

    fn write_table(&self, chunk: u32, columns: &[(&Column, Encoded)]) -> Outcome<Part> {
        let field = |(column, encoded): &(&Column, Encoded)| {
            Field::new(&column.name, encoded.array.data_type().clone(), true)
        };
        let indexed: Vec<&str> = columns
            .iter()
            .filter(|(_, e)| e.sets.is_some())
            .map(|(column, _)| column.name.as_str())
            .collect();
        let indexed = serde_json::to_string(&indexed).unwrap_or_default();
        let schema = schema_with(columns.iter().map(field).collect(), INDEXED, indexed);
        let arrays: Vec<ArrayRef> = columns.iter().map(|(_, encoded)| encoded.array.clone()).collect();
        let rows = arrays.first().map_or(0, |array| array.len());
        let name = format!("users/c{chunk:05}.g{}.arrow", self.generation);
        write_arrow(self.disk, &name, &schema, [batch_of(&schema, arrays, rows)])
    }

    fn write_bitmaps(&self, chunk: u32, columns: &[(&Column, Encoded)]) -> Outcome<Part> {
        let sets = |(column, encoded): &'_ (&'_ Column, Encoded)| {
            let sets = encoded.sets.iter().flatten();
            sets.map(|(value, bytes)| (column.name.clone(), value.clone(), bytes.clone())).collect::<Vec<_>>()
        };
        let rows = columns.iter().flat_map(sets).collect();
        write_bitmaps(self.disk, &format!("users/c{chunk:05}.g{}", self.generation), rows)
    }
}

/// Writes attributes, their values and the portable Roaring bytes of who has them to
/// `STEM.bitmaps.arrow`.
pub(super) fn write_bitmaps(
    disk: &Disk,
    stem: &str,
    mut rows: Vec<(String, String, Vec<u8>)>,
) -> Outcome<Part> {
    rows.sort_unstable();
    let attributes = StringArray::from_iter_values(rows.iter().map(|row| &row.0));
    let values = StringArray::from_iter_values(rows.iter().map(|row| &row.1));
    let bitmaps = BinaryArray::from_iter_values(rows.iter().map(|row| &row.2));
    let schema = bitmaps_schema();
    let batch =
        batch_of(&schema, vec![Arc::new(attributes), Arc::new(values), Arc::new(bitmaps)], rows.len());
    write_arrow(disk, &format!("{stem}.bitmaps.arrow"), &schema, [batch])
}

fn bitmaps_schema() -> SchemaRef {
    let field = |name: &str, as_type| Field::new(name, as_type, false);
    schema_of(vec![
        field("attribute", DataType::Utf8),
        field("value", DataType::Utf8),
        field("bitmap", DataType::Binary),
    ])
}

/// What happens to each user, up to the last one who has or gets a row.
fn slots_of(rows: &RecordBatch, old_len: usize) -> Vec<Slot> {
    let users = rows.column(0).as_primitive::<UInt32Type>();
    let deleted = rows.column(1).as_boolean();
    let mut slots = vec![Slot::Kept; old_len];
    for (row, user) in users.values().iter().enumerate() {
        let at = (user % CHUNK_USERS) as usize;
        let is_deleted = deleted.value(row);
        if at >= slots.len() && !is_deleted {
            slots.resize(at + 1, Slot::Kept);
        }
        if let Some(slot) = slots.get_mut(at) {
            *slot = if is_deleted { Slot::Deleted } else { Slot::Row(row as u32) };
        }
    }
    slots
}

/// Where the value of user `at` comes from: 0 stored, 1 loaded, 2 missing.
fn place(at: usize, slot: Slot, old_len: usize, keep_old: bool) -> (usize, usize) {
    match slot {
        Slot::Row(row) if !keep_old => (1, row as usize),
        Slot::Row(_) | Slot::Kept if at < old_len => (0, at),
        _ => (2, 0),
    }
}
