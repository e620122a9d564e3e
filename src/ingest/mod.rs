//! Is this row good? Files and streams become checked Arrow batches; bad rows go aside with a reason.

mod checked;
#[cfg(test)]
mod made;

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::array::{BooleanArray, Int64Array, RecordBatch, StringArray};

use crate::base::{Outcome, Pace, Type, Zone};

/// A column's name and type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub type_of: Type,
}

/// What the rows are, and which columns play which part.
#[derive(Debug, Clone)]
pub enum Shape {
    Users { key: String },
    Events { user: String, event: String, time: String, id: Option<String> },
    Detail { user: String, key: String, time: Option<String> },
    Members { user: String },
}

/// A file format, when the extension does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Parquet,
    Csv,
    Ndjson,
    Arrow,
}

/// What to read and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Files, folders (Hive partitions included), globs, or `-`.
    pub paths: Vec<String>,
    pub format: Option<Format>,
    pub shape: Shape,
    /// Zone of instants written without one.
    pub zone: Zone,
    /// Types already settled, by `catalog.toml` or by earlier data.
    pub types: BTreeMap<String, Settled>,
    /// Where rejected rows are written; the folder is made when the first row is rejected.
    pub rejects: PathBuf,
}

/// A type that is already settled for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    pub type_of: Type,
    /// By `catalog.toml`: never widened. By earlier data: an integer may widen to a float.
    pub is_fixed: bool,
}

/// Rows that were looked at: every row has a user, and where the shape asks for them an event,
/// a readable time and a key; every value has its column's type. Only this room makes one.
#[derive(Debug, Clone)]
pub struct Checked {
    /// External user ids; never null, never empty.
    users: StringArray,
    /// Epoch milliseconds; events and timed detail rows. Null only in detail rows without a time.
    times: Option<Int64Array>,
    /// Event names; never null.
    events: Option<StringArray>,
    /// Event ids; null where a row has none.
    ids: Option<StringArray>,
    /// Detail keys; never null.
    keys: Option<StringArray>,
    /// Rows that say "delete this".
    deleted: Option<BooleanArray>,
    /// The other columns: Utf8, Int64, Float64, Boolean, Date32, Timestamp(ms, UTC), List(Utf8).
    columns: RecordBatch,
}
