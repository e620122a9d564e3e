//! Event and detail rows: Parquet in columns, decoded when first asked for, then kept.
//!
//! What is kept is keyed by the file's sum, the row group and the column, so it outlives the
//! snapshot it was read for and never goes stale.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Int64Type, UInt32Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::base::Outcome;

use super::columns::{EVENT_ID, KEY, TIME, USER};
use super::disk::{Part, damaged, open_part};
use super::mapped::guarded;
use super::rollup::DidBits;
use super::spans;
use super::strip::Piece;

/// Parquet footers kept; each is some tens of KiB.
const FOOTERS_KEPT: usize = 2_048;

/// Rows of one (day, event) or of one chunk of a detail table, as columns of equal length.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Ascending user numbers; never null.
    pub users: UInt32Array,
    /// Epoch milliseconds; ascending for one user, nulls (details only) first.
    /// `None` for a detail table without a time.
    pub times: Option<Int64Array>,
    /// As asked; `None` where the file has no such column: all values are missing.
    pub columns: Vec<Option<ArrayRef>>,
}

/// Decoded columns, pieces of strips and parsed footers.
pub(super) struct RowCache {
    columns: Cache<(u64, u32, u32), ArrayRef, ColumnBytes>,
    /// By the file's sum, the first row group and the column.
    pieces: Cache<(u64, u32, u32), Piece, ColumnBytes>,
    footers: Cache<u64, ArrowReaderMetadata>,
}

#[derive(Debug, Clone)]
struct ColumnBytes;

impl Weighter<(u64, u32, u32), ArrayRef> for ColumnBytes {
    fn weight(&self, _: &(u64, u32, u32), column: &ArrayRef) -> u64 {
        column.get_array_memory_size() as u64
    }
}

impl Weighter<(u64, u32, u32), Piece> for ColumnBytes {
    fn weight(&self, _: &(u64, u32, u32), piece: &Piece) -> u64 {
        piece.bytes()
    }
}

impl RowCache {
    /// Keeps up to `bytes` of decoded columns.
    pub fn new(bytes: u64) -> RowCache {
        // Columns of a row group are large: about 256 KiB each is what they are expected to be.
        let items = (bytes / (256 * 1024)).clamp(64, 65_536) as usize;
        RowCache {
            columns: Cache::with_weighter(items, bytes / 4, ColumnBytes),
            pieces: Cache::with_weighter(items * 4, bytes - bytes / 4, ColumnBytes),
            footers: Cache::new(FOOTERS_KEPT),
        }
    }
}

impl RowCache {
    /// The bits of the roll-up `index` in the file with this sum.
    pub fn did_bits(&self, sum: u64, index: u32, make: impl Fn() -> DidBits) -> Arc<DidBits> {
        let kept = self.pieces.get_or_insert_with(&(sum, index, 0), || {
            Ok::<_, std::convert::Infallible>(Piece::Did(Arc::new(make())))
        });
        match kept {
            Ok(Piece::Did(bits)) => bits,
            _ => Arc::new(make()),
        }
    }
}

impl RowCache {
    /// The spans of the day whose roll-ups have this sum.
    pub fn spans(&self, sum: u64, make: impl FnOnce() -> Outcome<spans::Kept>) -> Outcome<spans::Kept> {
        match self.pieces.get_or_insert_with(&(sum, u32::MAX, 1), || make().map(Piece::Spans))? {
            Piece::Spans(spans) => Ok(spans),
            _ => Ok(None),
        }
    }
}

/// A Parquet file of the store, and the row groups of it that are meant.
pub(super) struct RowFile<'a> {
    pub root: &'a Path,
    pub part: &'a Part,
    pub groups: std::ops::Range<u32>,
    pub cache: Option<&'a RowCache>,
}

/// Texts as codes into a dictionary, where 16 bits are enough for the different ones: a filter then
/// looks at each text once, and a row takes two bytes.
fn coded(column: ArrayRef) -> ArrayRef {
    if column.data_type() != &DataType::Utf8 {
        return column;
    }
    let dictionary = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    cast(&column, &dictionary).unwrap_or(column)
}

impl RowFile<'_> {
    /// The rows with the columns asked for by their names in the file; a column whose type is
    /// narrower than asked is widened.
    pub fn read(&self, columns: &[(String, Option<DataType>)]) -> Outcome<Rows> {
        let footer = self.footer()?;
        let users = self.column(&footer, USER)?.ok_or_else(|| damaged(&self.path(), "it has no users"))?;
        let users = users.as_primitive_opt::<UInt32Type>().cloned();
        let users = users.ok_or_else(|| damaged(&self.path(), "its users are no numbers"))?;
        let times = self.column(&footer, TIME)?.map(|times| self.times(&times)).transpose()?;
        let asked = columns.iter().map(|(name, as_type)| self.typed(&footer, name, as_type.as_ref()));
        Ok(Rows { users, times, columns: asked.collect::<Outcome<_>>()? })
    }

    /// A piece of the strip, kept under the name of its column; `make` reads it from the file.
    pub fn piece(&self, name: &str, make: impl FnOnce(&Self) -> Outcome<Piece>) -> Outcome<Piece> {
        let Some(cache) = self.cache else { return make(self) };
        let index = self.footer()?.schema().index_of(name).map_or(u32::MAX, |index| index as u32);
        let key = (self.part.sum, self.groups.start, index);
        cache.pieces.get_or_insert_with(&key, || make(self))
    }

    /// The column over all row groups meant, decoded anew.
    pub fn plain(&self, name: &str) -> Outcome<Option<ArrayRef>> {
        let footer = self.footer()?;
        RowFile { cache: None, groups: self.groups.clone(), ..*self }.column(&footer, name)
    }

    pub fn path(&self) -> PathBuf {
        self.root.join(&self.part.name)
    }

    fn times(&self, times: &ArrayRef) -> Outcome<Int64Array> {
        let plain = cast(times, &DataType::Int64).map_err(|error| damaged(&self.path(), error))?;
        Ok(plain.as_primitive::<Int64Type>().clone())
    }

    fn typed(
        &self,
        footer: &ArrowReaderMetadata,
        name: &str,
        as_type: Option<&DataType>,
    ) -> Outcome<Option<ArrayRef>> {
        let Some(column) = self.column(footer, name)? else { return Ok(None) };
        match as_type {
            Some(DataType::Utf8) if matches!(column.data_type(), DataType::Dictionary(..)) => {
                Ok(Some(column))
            }
            Some(wanted) if wanted != column.data_type() => {
                cast(&column, wanted).map(Some).map_err(|error| damaged(&self.path(), error))
            }
            _ => Ok(Some(column)),
        }
    }

    /// The column over all row groups meant, or `None` if the file has no such column.
    fn column(&self, footer: &ArrowReaderMetadata, name: &str) -> Outcome<Option<ArrayRef>> {
        let Ok(index) = footer.schema().index_of(name) else { return Ok(None) };
        let groups = self.groups.clone().map(|group| self.group_column(footer, group, index as u32));
        let pieces = groups.collect::<Outcome<Vec<ArrayRef>>>()?;
        if let [piece] = pieces.as_slice() {
            return Ok(Some(piece.clone()));
        }
        let together = |pieces: &[ArrayRef]| concat(&pieces.iter().map(AsRef::as_ref).collect::<Vec<_>>());
        // Several dictionaries may have too many texts together: then the column is plain.
        let joined = together(&pieces).or_else(|_| {
            let plain =
                pieces.iter().map(|piece| cast(piece, &DataType::Utf8)).collect::<Result<Vec<_>, _>>()?;
            together(&plain)
        });
        joined.map(Some).map_err(|error| damaged(&self.path(), error))
    }

    fn group_column(&self, footer: &ArrowReaderMetadata, group: u32, index: u32) -> Outcome<ArrayRef> {
        let decode = || self.decode(footer, group, index);
        match self.cache {
            Some(cache) => {
                let is_id = [EVENT_ID, KEY].contains(&footer.schema().field(index as usize).name().as_str());
                let kept = || decode().map(|column| if is_id { column } else { coded(column) });
                cache.columns.get_or_insert_with(&(self.part.sum, group, index), kept)
            }
            None => decode(),
        }
    }

    fn decode(&self, footer: &ArrowReaderMetadata, group: u32, index: u32) -> Outcome<ArrayRef> {
        let path = self.path();
        let file = open_part(self.root, self.part)?;
        let group = group as usize;
        if group >= footer.metadata().num_row_groups() {
            return Err(damaged(&path, "it has too few row groups"));
        }
        let rows = footer.metadata().row_group(group).num_rows().max(1) as usize;
        let mask = ProjectionMask::roots(footer.parquet_schema(), [index as usize]);
        guarded(&path, || {
            let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer.clone());
            let reader =
                reader.with_row_groups(vec![group]).with_projection(mask).with_batch_size(rows).build()?;
            let pieces = reader
                .map(|batch| batch.map(|batch| batch.column(0).clone()))
                .collect::<Result<Vec<_>, _>>()?;
            let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
            concat(&pieces)
        })
    }

    fn footer(&self) -> Outcome<ArrowReaderMetadata> {
        let load = || {
            let file = open_part(self.root, self.part)?;
            guarded(&self.path(), || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()))
        };
        match self.cache {
            Some(cache) => cache.footers.get_or_insert_with(&self.part.sum, load),
            None => load(),
        }
    }
}

/// A shared cache is what a home hands out.
pub(super) type SharedCache = Arc<RowCache>;

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn texts_are_coded_while_16_bits_are_enough() {
        let texts = |n: usize| -> ArrayRef {
            Arc::new(StringArray::from_iter_values((0..n).map(|k| format!("值{k}"))))
        };
        assert_eq!(coded(texts(70_000)).data_type(), &DataType::Utf8);
        let few = coded(texts(300));
        assert!(matches!(few.data_type(), DataType::Dictionary(..)));
        assert_eq!(&cast(&few, &DataType::Utf8).unwrap(), &texts(300));
    }
}
