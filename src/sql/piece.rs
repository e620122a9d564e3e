//! Some rows of a table as they lie in the store, and how a batch is cut out of them.
//!
//! User ids and texts are made for the rows of a batch only: a piece may hold a whole day of an event.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
    new_null_array,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use roaring::RoaringBitmap;

use crate::base::{Outcome, Problem, Timestamp};
use crate::store::Ids;

/// Rows, each of one user.
pub struct Piece {
    pub users: UInt32Array,
    /// Rows that count; left out: all of them.
    pub kept: Option<BooleanArray>,
    pub columns: Vec<Values>,
}

/// A column of a piece.
pub enum Values {
    /// External ids of the users.
    Ids,
    /// Their numbers.
    Numbers,
    /// As many as users; cast to the column's type.
    Array(ArrayRef),
    /// Epoch milliseconds, as many as users.
    Times(Int64Array),
    /// The same in every row.
    Same(ScalarValue),
    /// The rows have no such value.
    Missing,
}

impl Piece {
    /// Rows before any is left out.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// The rows `from .. from + len` that count, as a batch of `schema`.
    pub fn batch(
        &self,
        from: usize,
        len: usize,
        schema: &SchemaRef,
        ids: Option<&Ids>,
    ) -> Outcome<RecordBatch> {
        let users = self.users.slice(from, len);
        let fields = schema.fields().iter().zip(&self.columns);
        let columns = fields.map(|(field, values)| values.cut(from, &users, field.data_type(), ids));
        let columns = columns.collect::<Result<Vec<ArrayRef>, ArrowError>>().map_err(bug)?;
        let options = RecordBatchOptions::new().with_row_count(Some(len));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(bug)?;
        match &self.kept {
            Some(kept) => filter_record_batch(&batch, &kept.slice(from, len)).map_err(bug),
            None => Ok(batch),
        }
    }
}

impl Values {
    fn cut(
        &self,
        from: usize,
        users: &UInt32Array,
        wanted: &DataType,
        ids: Option<&Ids>,
    ) -> Result<ArrayRef, ArrowError> {
        let len = users.len();
        match self {
            Values::Ids => Ok(Arc::new(texts(users, ids))),
            Values::Numbers => Ok(Arc::new(users.clone())),
            Values::Array(array) => cast(&array.slice(from, len), wanted),
            Values::Times(times) => cast(&times.slice(from, len), wanted),
            Values::Same(value) => Ok(value.to_array_of_size(len)?),
            Values::Missing => Ok(new_null_array(wanted, len)),
        }
    }
}

fn texts(users: &UInt32Array, ids: Option<&Ids>) -> StringArray {
    let text = |user: &u32| Some(ids.map_or("", |ids| ids.text(*user)));
    users.values().iter().map(text).collect()
}

/// Which rows count: their users are in the universe, and they are not later than as-of; nothing when
/// all of them do. A row without a time is at no instant, so it is not later.
pub fn kept(
    users: &UInt32Array,
    times: Option<&Int64Array>,
    universe: &RoaringBitmap,
    as_of: Timestamp,
) -> Option<BooleanArray> {
    let is_known = known(users, universe);
    let is_early = |row: usize| times.is_none_or(|times| times.is_null(row) || times.value(row) <= as_of.0);
    let all: Vec<bool> = (0..users.len()).map(|row| is_known[row] && is_early(row)).collect();
    all.contains(&false).then(|| all.into())
}

/// Users come in runs, so the bitmap is asked once for each.
fn known(users: &UInt32Array, universe: &RoaringBitmap) -> Vec<bool> {
    let runs = users.values().chunk_by(|a, b| a == b);
    runs.flat_map(|run| std::iter::repeat_n(run.first().is_some_and(|u| universe.contains(*u)), run.len()))
        .collect()
}

fn bug(error: ArrowError) -> Problem {
    Problem::bug(format!("rows of a table: {error}"))
}
