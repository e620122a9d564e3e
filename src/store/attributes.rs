//! The attributes of 65,536 users: one mapped table, and one container per value beside it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::datatypes::DataType;

use crate::base::Outcome;
use crate::ingest::Column;

use super::columns::arrow_type;
use super::container::{Container, container_of, count_of};
use super::disk::damaged;
use super::manifest::ChunkParts;
use super::mapped::ArrowFile;
use super::narrow::wide;

/// Schema metadata of a table: JSON list of the columns that have one container per value.
pub(super) const INDEXED: &str = "indexed";

/// Attributes of the users of one chunk; row i is user `chunk * 65,536 + i`.
/// Columns may be shorter than the chunk: users beyond have no values.
pub struct Attributes {
    chunk: u16,
    columns: Vec<Slot>,
    table: ArrowFile,
    bitmaps_path: PathBuf,
    bitmaps: ArrowFile,
    values: OnceLock<Values>,
}

/// One column: read (without copying) and widened when first asked for.
struct Slot {
    name: String,
    as_type: DataType,
    is_indexed: bool,
    /// Integers then, floats now.
    is_widened: bool,
    stored: OnceLock<ArrayRef>,
    array: OnceLock<ArrayRef>,
}

/// The containers, sorted by attribute and value.
struct Values {
    attributes: StringArray,
    values: StringArray,
    bitmaps: BinaryArray,
}

impl Attributes {
    pub(super) fn open(root: &Path, chunk: u32, parts: &ChunkParts, known: &[Column]) -> Outcome<Attributes> {
        let table = ArrowFile::open(root, &parts.table)?;
        let listed = table.schema().metadata().get(INDEXED).cloned().unwrap_or_default();
        let indexed: Vec<String> = serde_json::from_str(&listed).unwrap_or_default();
        let slot =
            |field: &arrow::datatypes::FieldRef| Slot::new(field.name(), field.data_type(), &indexed, known);
        let columns = table.schema().fields().iter().map(slot).collect();
        let bitmaps = ArrowFile::open(root, &parts.bitmaps)?;
        let bitmaps_path = root.join(&parts.bitmaps.name);
        Ok(Attributes { chunk: chunk as u16, columns, table, bitmaps_path, bitmaps, values: OnceLock::new() })
    }

    /// The values of an attribute, `None` when nobody in the chunk has one.
    /// Types: Int64, Float64, Boolean, Date32, Timestamp(ms, UTC), List(Utf8); text is
    /// Dictionary(UInt8 or UInt16, Utf8) with sorted values, or Utf8 when they are many.
    /// Errors: STO-002 when the file is damaged.
    pub fn column(&self, name: &str) -> Outcome<Option<&ArrayRef>> {
        let Some(at) = self.columns.iter().position(|slot| slot.name == name) else { return Ok(None) };
        let slot = &self.columns[at];
        if let Some(array) = slot.array.get() {
            return Ok(Some(array));
        }
        let array = wide(self.stored(at)?, &slot.as_type).map_err(|error| self.table.damage(error))?;
        Ok(Some(slot.array.get_or_init(|| array)))
    }

    /// The values in the form in which they are stored, read in place: integers of 1 to 8 bytes,
    /// `Decimal32(9, 2)` or floats, dictionaries with keys of 1 or 2 bytes or plain texts.
    /// Errors: STO-002 when the file is damaged.
    pub fn narrow(&self, name: &str) -> Outcome<Option<&ArrayRef>> {
        match self.columns.iter().position(|slot| slot.name == name) {
            // What has widened since it was written is compared in its new type.
            Some(at) if self.columns[at].is_widened => self.column(name),
            Some(at) => self.stored(at).map(Some),
            None => Ok(None),
        }
    }

    fn stored(&self, at: usize) -> Outcome<&ArrayRef> {
        let cell = &self.columns[at].stored;
        if let Some(array) = cell.get() {
            return Ok(array);
        }
        let array = self.table.column(0, at)?;
        Ok(cell.get_or_init(|| array))
    }

    /// Rows of the columns: users beyond have no values.
    pub(super) fn len(&self) -> Outcome<usize> {
        let first = self.columns.first().map_or(Ok(None), |slot| self.column(&slot.name))?;
        Ok(first.map_or(0, |array| array.len()))
    }

    /// The attributes that have values in this chunk.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|slot| slot.name.as_str())
    }

    /// Is there one container per value? Then a value without a container belongs to nobody.
    pub fn is_indexed(&self, name: &str) -> bool {
        self.columns.iter().any(|slot| slot.name == name && slot.is_indexed)
    }

    /// The users whose attribute is, or whose list has, `value` (integers in decimal, bools as
    /// `true` and `false`). `None`: nobody, if the attribute is indexed.
    /// Errors: STO-002 when the file is damaged.
    pub fn container(&self, name: &str, value: &str) -> Outcome<Option<Container<'_>>> {
        let all = self.values()?;
        let found = all.rows_of(name).and_then(|rows| all.find(rows, value));
        let Some(row) = found else { return Ok(None) };
        match container_of(all.bitmaps.value(row), self.chunk) {
            Some(container) => Ok(Some(container)),
            None => Err(damaged(&self.bitmaps_path, "a bitmap cannot be read")),
        }
    }

    /// The values of an indexed attribute with their users, sorted by value; `None` if it is not
    /// indexed here.
    pub fn values_of(&self, name: &str) -> Outcome<Option<Vec<(&str, u64)>>> {
        if !self.is_indexed(name) {
            return Ok(None);
        }
        let all = self.values()?;
        let rows = all.rows_of(name).unwrap_or(0..0);
        Ok(Some(rows.map(|row| (all.values.value(row), count_of(all.bitmaps.value(row)))).collect()))
    }

    fn values(&self) -> Outcome<&Values> {
        if let Some(values) = self.values.get() {
            return Ok(values);
        }
        let values = Values::read(&self.bitmaps)?;
        Ok(self.values.get_or_init(|| values))
    }
}

impl Slot {
    fn new(name: &str, stored: &DataType, indexed: &[String], known: &[Column]) -> Slot {
        let wanted = known.iter().find(|column| column.name == name).map(|column| arrow_type(column.type_of));
        // A column that has widened since is read in its new type, in which its values have other
        // names: its containers are of no use any more.
        let is_widened = stored.is_signed_integer() && wanted == Some(DataType::Float64);
        let is_indexed = !is_widened && indexed.iter().any(|one| one == name);
        Slot {
            name: name.to_string(),
            as_type: wanted.unwrap_or(stored.clone()),
            is_indexed,
            is_widened,
            stored: OnceLock::new(),
            array: OnceLock::new(),
        }
    }
}

impl Values {
    fn read(file: &ArrowFile) -> Outcome<Values> {
        let batch = file.batch(0)?;
        let text =
            |at: usize| batch.columns().get(at).and_then(|column| column.as_string_opt::<i32>()).cloned();
        let bitmaps = batch.columns().get(2).and_then(|column| column.as_binary_opt::<i32>()).cloned();
        let found = text(0).zip(text(1)).zip(bitmaps);
        let ((attributes, values), bitmaps) = found.ok_or_else(|| file.damage("it has no bitmaps"))?;
        Ok(Values { attributes, values, bitmaps })
    }

    fn rows_of(&self, name: &str) -> Option<std::ops::Range<usize>> {
        let from = first(0..self.attributes.len(), |row| self.attributes.value(row) >= name);
        let to = first(from..self.attributes.len(), |row| self.attributes.value(row) > name);
        (from < to).then_some(from..to)
    }

    fn find(&self, rows: std::ops::Range<usize>, value: &str) -> Option<usize> {
        let row = first(rows.clone(), |row| self.values.value(row) >= value);
        (row < rows.end && self.values.value(row) == value).then_some(row)
    }
}

/// The first row of a sorted range for which `holds`, or its end.
fn first(rows: std::ops::Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (rows.start, rows.end);
    while low < high {
        let middle = (low + high) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}
