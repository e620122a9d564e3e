//! What is a checked row? Arrays of one length, one for each part that a row plays.

use arrow::array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray};

/// Rows that were looked at: every row has a user, and where the shape asks for them an event,
/// a readable time and a key; every value has its column's type. Only this room makes one.
#[derive(Debug, Clone)]
pub struct Checked {
    /// External user ids; never null, never empty.
    pub(super) users: StringArray,
    /// Epoch milliseconds; events and timed detail rows. Null only in detail rows without a time.
    pub(super) times: Option<Int64Array>,
    /// When live events came in, epoch milliseconds; null where a row does not say.
    pub(super) arrivals: Option<Int64Array>,
    /// Event names; never null.
    pub(super) events: Option<StringArray>,
    /// Event ids; null where a row has none.
    pub(super) ids: Option<StringArray>,
    /// Detail keys; never null.
    pub(super) keys: Option<StringArray>,
    /// Rows that say "delete this".
    pub(super) deleted: Option<BooleanArray>,
    /// The other columns: Utf8, Int64, Float64, Boolean, Date32, Timestamp(ms, UTC), List(Utf8).
    pub(super) columns: RecordBatch,
}

impl Checked {
    /// External user ids: one per row, never null, never empty, at most 512 bytes.
    pub fn users(&self) -> &StringArray {
        &self.users
    }

    /// Epoch milliseconds; present for events and for detail tables with a time column.
    /// Null only in detail rows whose time is missing.
    pub fn times(&self) -> Option<&Int64Array> {
        self.times.as_ref()
    }

    /// Event names, never null; present for events.
    pub fn events(&self) -> Option<&StringArray> {
        self.events.as_ref()
    }

    /// Event ids, null where a row has none; absent when no file has the column.
    pub fn ids(&self) -> Option<&StringArray> {
        self.ids.as_ref()
    }

    /// Detail keys, never null; present for detail tables.
    pub fn keys(&self) -> Option<&StringArray> {
        self.keys.as_ref()
    }

    /// Rows marked by a true `_deleted`, never null; absent when no file has that column.
    pub fn deleted(&self) -> Option<&BooleanArray> {
        self.deleted.as_ref()
    }

    /// The other columns, named and typed as `Source::columns` says; as many rows as `len`.
    pub fn columns(&self) -> &RecordBatch {
        &self.columns
    }

    /// Rows in the batch, at most 65,536.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Has it no row?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
