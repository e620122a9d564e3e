//! What the next room may read of checked rows.

use arrow::array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray};

use super::Checked;

impl Checked {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Are there no rows?
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// External user ids; never null, never empty.
    pub fn users(&self) -> &StringArray {
        &self.users
    }

    /// Epoch milliseconds; null only in detail rows without a time.
    pub fn times(&self) -> Option<&Int64Array> {
        self.times.as_ref()
    }

    /// Event names; never null.
    pub fn events(&self) -> Option<&StringArray> {
        self.events.as_ref()
    }

    /// Event ids; null where a row has none.
    pub fn ids(&self) -> Option<&StringArray> {
        self.ids.as_ref()
    }

    /// Detail keys; never null.
    pub fn keys(&self) -> Option<&StringArray> {
        self.keys.as_ref()
    }

    /// Rows that say "delete this".
    pub fn deleted(&self) -> Option<&BooleanArray> {
        self.deleted.as_ref()
    }

    /// The columns that play no part, one array each, with the types that were settled.
    pub fn columns(&self) -> &RecordBatch {
        &self.columns
    }
}
