//! What does a Parquet or Arrow file hold? Columns by path, and batches of them.
//!
//! Structs are flattened: each leaf is a column of its own, null where a struct around it is null.

use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, make_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic;
use parquet::schema::types::SchemaDescriptor;

use super::content::{Counted, Input};
use super::{BATCH_ROWS, Format, frames};
use crate::base::{Outcome, Type};

/// One column that is no struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// Names from the top, joined by dots.
    pub path: String,
    pub data_type: DataType,
    /// The column of the file's schema that it is, or lies in.
    top: String,
    root: usize,
    /// Field numbers below that.
    steps: Vec<usize>,
    /// Parquet's INT96 holds UTC and cannot say so.
    is_utc: bool,
}

/// Batches as the file has them.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// The columns of a file. Errors: ING-006 when its schema cannot be read.
pub fn leaves(input: &Input) -> Outcome<Vec<Leaf>> {
    guarded(input, || match input.format {
        Format::Parquet => {
            let builder = parquet_of(input)?;
            Ok(leaves_of(builder.schema(), &utc_paths(builder.parquet_schema())))
        }
        _ => Ok(leaves_of(&arrow_of(input, Arc::default())?.0, &HashSet::new())),
    })
}

/// The next batch. Errors: ING-006 where the file breaks off.
pub fn next(input: &Input, batches: &mut Batches) -> Outcome<Option<RecordBatch>> {
    guarded(input, || batches.next().transpose().map_err(|error| input.broken(&error.to_string())))
}

/// Damaged files make the format libraries panic here and there: that is a damaged file too.
fn guarded<T>(input: &Input, read: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    read.unwrap_or_else(|_| Err(input.broken("the reader of its format gave up")))
}

/// The batches of a file, only with the top-level columns that `leaves` need, and its number of
/// rows where it is known. What is taken from disk is added to `taken`, but for Parquet.
pub fn batches(input: &Input, leaves: &[&Leaf], taken: Arc<AtomicU64>) -> Outcome<(Batches, Option<u64>)> {
    if input.format != Format::Parquet {
        return Ok((arrow_of(input, taken)?.1, None));
    }
    let builder = parquet_of(input)?;
    let rows = builder.metadata().file_metadata().num_rows().max(0) as u64;
    let roots = leaves.iter().map(|leaf| leaf.root);
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let reader = builder.with_batch_size(BATCH_ROWS).with_projection(mask).build();
    let reader = reader.map_err(|error| input.broken(&error.to_string()))?;
    Ok((Box::new(reader), Some(rows)))
}

fn parquet_of(input: &Input) -> Outcome<ParquetRecordBatchReaderBuilder<std::fs::File>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(input.file()?);
    builder.map_err(|error| input.broken(&error.to_string()))
}

/// The schema and batches of an Arrow file or stream, told by its first bytes.
fn arrow_of(input: &Input, taken: Arc<AtomicU64>) -> Outcome<(Arc<Schema>, Batches)> {
    let mut head = Vec::new();
    input.file()?.take(6).read_to_end(&mut head)?;
    let is_file = head == b"ARROW1";
    frames::check(BufReader::new(input.file()?), is_file).map_err(|why| input.broken(&why))?;
    let file = BufReader::new(Counted { inner: input.file()?, taken });
    let broken = |error: ArrowError| input.broken(&error.to_string());
    if is_file {
        let reader = FileReader::try_new(file, None).map_err(broken)?;
        return Ok((reader.schema(), Box::new(reader)));
    }
    let reader = StreamReader::try_new(file, None).map_err(broken)?;
    Ok((reader.schema(), Box::new(reader)))
}

fn utc_paths(schema: &SchemaDescriptor) -> HashSet<String> {
    let columns = schema.columns().iter();
    columns
        .filter(|column| column.physical_type() == basic::Type::INT96)
        .map(|column| column.path().string())
        .collect()
}

fn leaves_of(schema: &Schema, utc: &HashSet<String>) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for (root, field) in schema.fields().iter().enumerate() {
        let top = field.name().clone();
        let leaf = Leaf {
            path: top.clone(),
            data_type: field.data_type().clone(),
            top,
            root,
            steps: vec![],
            is_utc: false,
        };
        add_leaves(leaf, &mut leaves);
    }
    leaves.iter_mut().for_each(|leaf| leaf.is_utc = utc.contains(&leaf.path));
    leaves
}

/// `leaf`, or the leaves below it if it is a struct.
fn add_leaves(leaf: Leaf, leaves: &mut Vec<Leaf>) {
    let DataType::Struct(fields) = &leaf.data_type else { return leaves.push(leaf) };
    for (number, field) in fields.iter().enumerate() {
        let path = format!("{}.{}", leaf.path, field.name());
        let steps = [leaf.steps.as_slice(), &[number]].concat();
        let below = Leaf { path, data_type: field.data_type().clone(), steps, ..leaf.clone() };
        add_leaves(below, leaves);
    }
}

/// The type of values of a data type; `None` for columns that are only null.
pub fn type_of(data_type: &DataType) -> Option<Type> {
    Some(match data_type {
        DataType::Null => return None,
        DataType::Boolean => Type::Bool,
        DataType::Date32 | DataType::Date64 => Type::Date,
        DataType::Timestamp(..) => Type::Instant,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::Float,
        DataType::Dictionary(_, values) => return type_of(values),
        DataType::RunEndEncoded(_, values) => return type_of(values.data_type()),
        number if number.is_integer() => Type::Integer,
        number if number.is_floating() => Type::Float,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if !item.data_type().is_nested() =>
        {
            Type::List
        }
        _ => Type::Text,
    })
}

/// The column of a leaf, if the batch has it.
pub fn column(batch: &RecordBatch, leaf: &Leaf) -> Option<ArrayRef> {
    let mut array = batch.column_by_name(&leaf.top)?.clone();
    for &step in &leaf.steps {
        let parent = array.as_struct_opt()?.clone();
        array = under(parent.columns().get(step)?, parent.nulls());
    }
    Some(if leaf.is_utc { utc_labelled(&array) } else { array })
}

/// `array` with nulls where the struct around it has some.
fn under(array: &ArrayRef, nulls: Option<&NullBuffer>) -> ArrayRef {
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return array.clone() };
    let both = NullBuffer::union(Some(nulls), array.logical_nulls().as_ref());
    let data = array.to_data().into_builder().nulls(both).build();
    data.map_or_else(|_| array.clone(), make_array)
}

/// The numbers of instants are UTC whatever their zone, and this label for it can be read without
/// a table of zones. Other arrays stay as they are.
pub fn utc_labelled(array: &ArrayRef) -> ArrayRef {
    let DataType::Timestamp(unit, _) = array.data_type() else { return array.clone() };
    let labelled = DataType::Timestamp(*unit, Some("+00:00".into()));
    let data = array.to_data().into_builder().data_type(labelled).build();
    data.map_or_else(|_| array.clone(), make_array)
}
