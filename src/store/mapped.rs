//! Arrow IPC files: written once, then mapped into memory and read without copying.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::writer::FileWriter;
use arrow::ipc::{Block, MetadataVersion, root_as_footer};
use bytes::Bytes;
use memmap2::Mmap;

use crate::base::{Outcome, Problem};

use super::disk::{Disk, Part, damaged, not_written, open_part, trouble};

/// Bytes at the end of an IPC file after the footer: its length and the magic word.
const TRAILER_BYTES: usize = 10;

/// A mapped Arrow IPC file. Arrays taken from it point into the mapping and keep it alive.
pub(super) struct ArrowFile {
    path: PathBuf,
    buffer: Buffer,
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    batches: Vec<Block>,
}

impl ArrowFile {
    /// Maps a part of the store and reads its footer; nothing else is touched.
    pub fn open(root: &Path, part: &Part) -> Outcome<ArrowFile> {
        let file = open_part(root, part)?;
        ArrowFile::of_file(root.join(&part.name), &file)
    }

    /// Maps an open file that nobody changes any more.
    pub fn of_file(path: PathBuf, file: &std::fs::File) -> Outcome<ArrowFile> {
        // Sound as long as nobody changes the file; the store never writes to a finished one.
        let map = unsafe { Mmap::map(file) }.map_err(|error| trouble(&path, error))?;
        let buffer = Buffer::from(Bytes::from_owner(map));
        let read = guarded(&path, || footer_of(&buffer))?;
        let (schema, version, dictionaries, batches) = read;
        Ok(ArrowFile { path, buffer, schema, version, dictionaries, batches })
    }

    /// Names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many record batches there are.
    pub fn batch_count(&self) -> usize {
        self.batches.len()
    }

    /// A problem with this file.
    pub fn damage(&self, what: impl std::fmt::Display) -> Problem {
        damaged(&self.path, what)
    }

    /// All columns of batch `index`.
    pub fn batch(&self, index: usize) -> Outcome<RecordBatch> {
        guarded(&self.path, || self.decode(index, None))
    }

    /// One column of batch `index`.
    pub fn column(&self, index: usize, column: usize) -> Outcome<ArrayRef> {
        guarded(&self.path, || self.decode(index, Some(column)).map(|batch| batch.column(0).clone()))
    }

    fn decode(&self, index: usize, column: Option<usize>) -> Result<RecordBatch, ArrowError> {
        let mut decoder = FileDecoder::new(self.schema.clone(), self.version);
        for block in self.dictionaries_for(column) {
            decoder.read_dictionary(block, &self.slice(block)?)?;
        }
        if let Some(column) = column {
            decoder = decoder.with_projection(vec![column]);
        }
        let block = self.batches.get(index).ok_or_else(|| no_such("batch"))?;
        decoder.read_record_batch(block, &self.slice(block)?)?.ok_or_else(|| no_such("batch"))
    }

    /// The dictionaries that a column needs. Files of one batch hold one per dictionary column,
    /// in the order of the columns; otherwise all are read.
    fn dictionaries_for(&self, column: Option<usize>) -> &[Block] {
        let Some(column) = column else { return &self.dictionaries };
        let is_dictionary =
            |index: usize| matches!(self.schema.field(index).data_type(), DataType::Dictionary(..));
        let count = (0..self.schema.fields().len()).filter(|i| is_dictionary(*i)).count();
        if count != self.dictionaries.len() {
            return &self.dictionaries;
        }
        let before = (0..column).filter(|i| is_dictionary(*i)).count();
        if is_dictionary(column) { &self.dictionaries[before..before + 1] } else { &[] }
    }

    fn slice(&self, block: &Block) -> Result<Buffer, ArrowError> {
        let from = usize::try_from(block.offset()).ok();
        let bytes =
            usize::try_from(block.bodyLength()).ok().zip(usize::try_from(block.metaDataLength()).ok());
        let bytes = bytes.and_then(|(body, head)| body.checked_add(head));
        let fits = from
            .zip(bytes)
            .filter(|(from, bytes)| from.checked_add(*bytes).is_some_and(|to| to <= self.buffer.len()));
        fits.map(|(from, bytes)| self.buffer.slice_with_length(from, bytes)).ok_or_else(|| no_such("block"))
    }
}

type Footer = (SchemaRef, MetadataVersion, Vec<Block>, Vec<Block>);

fn footer_of(buffer: &Buffer) -> Result<Footer, ArrowError> {
    let trailer_at = buffer.len().checked_sub(TRAILER_BYTES).ok_or_else(|| no_such("footer"))?;
    let trailer = buffer[trailer_at..].try_into().map_err(|_| no_such("footer"))?;
    let footer_at = trailer_at.checked_sub(read_footer_length(trailer)?).ok_or_else(|| no_such("footer"))?;
    let footer = root_as_footer(&buffer[footer_at..trailer_at])
        .map_err(|error| ArrowError::ParseError(error.to_string()))?;
    let schema = fb_to_schema(footer.schema().ok_or_else(|| no_such("schema"))?);
    let dictionaries = footer.dictionaries().iter().flatten().copied().collect();
    let batches = footer.recordBatches().iter().flatten().copied().collect();
    Ok((schema.into(), footer.version(), dictionaries, batches))
}

fn no_such(thing: &str) -> ArrowError {
    ArrowError::ParseError(format!("there is no {thing} where one should be"))
}

/// Runs a decoder over stored bytes. The libraries check most things but not all; a file whose
/// damage makes one of them panic is still only a damaged file.
pub(super) fn guarded<T, E: std::fmt::Display>(
    path: &Path,
    read: impl FnOnce() -> Result<T, E>,
) -> Outcome<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(done) => done.map_err(|error| damaged(path, error)),
        Err(_) => Err(damaged(path, "it cannot be decoded")),
    }
}

/// Writes batches of one schema as an Arrow IPC file, uncompressed so that it can be mapped.
pub(super) fn write_arrow(
    disk: &Disk,
    name: &str,
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = Outcome<RecordBatch>>,
) -> Outcome<Part> {
    let sink = disk.create(name)?;
    let path = sink.path().to_path_buf();
    let failed = |error| not_written(&path, error);
    let mut writer = FileWriter::try_new(sink, schema).map_err(failed)?;
    for batch in batches {
        writer.write(&batch?).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    writer.into_inner().map_err(failed)?.finish()
}

/// A batch of columns that fit the schema; anything else is our mistake.
pub(super) fn batch_of(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Outcome<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(bug)
}

/// A failure of Arrow in memory: the shapes did not fit, which we should have made impossible.
pub(super) fn bug(error: ArrowError) -> Problem {
    Problem::bug(format!("arrow: {error}"))
}

/// Bytes that the arrays of a batch hold, roughly.
pub(super) fn bytes_of(batch: &RecordBatch) -> u64 {
    let bytes = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default() as u64;
    batch.columns().iter().map(bytes).sum()
}

/// A schema of fields with one pair of metadata.
pub(super) fn schema_with(fields: Vec<Field>, key: &str, value: String) -> SchemaRef {
    Schema::new(fields).with_metadata(HashMap::from([(key.to_string(), value)])).into()
}
