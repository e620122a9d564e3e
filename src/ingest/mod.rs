//! Is this row good? Files and streams become checked Arrow batches; bad rows go aside with a reason.
//!
//! The flow of [`open`]: `files` finds what the paths mean, `content` opens and unpacks it, `survey`
//! looks at names and types (over the whole of a text file: `infer` weighs the evidence), `plan`
//! settles one schema for all files or tells every problem at once. Then a thread reads ahead:
//! `read` makes arrow columns of a file (`csv` and `json` split text, `columnar` opens Parquet and
//! Arrow, whose lengths `frames` has checked), `convert` gives each column its type, `check` keeps the good rows and `rejects` writes
//! down the others. The user meets it all as [`Source`], an iterator of [`Checked`]. What is no table of rows is read whole (`whole`).
//! Events that triggers look at as they come are read by [`live`].
//! What the formats and typing rules are: `docs/ingest.md`. Read on in `store`, which takes only
//! [`Checked`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::{Type, Zone};

mod check;
mod checked;
mod columnar;
mod content;
mod convert;
mod csv;
mod files;
mod frames;
mod infer;
mod instant;
mod json;
mod lines;
pub mod live;
#[cfg(test)]
mod made;
mod plan;
mod read;
mod rejects;
mod source;
mod survey;
#[cfg(test)]
mod tests;
mod text;
mod whole;

pub use checked::Checked;
pub use rejects::{Refusal, Reject, Rejects};
pub use source::{Source, open};
pub use whole::{Whole, whole};

/// Rows in one batch at most; also the users of one chunk.
pub const BATCH_ROWS: usize = 65_536;

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
    Users {
        key: String,
    },
    Events {
        user: String,
        event: String,
        time: String,
        id: Option<String>,
    },
    Detail {
        user: String,
        key: String,
        time: Option<String>,
    },
    Members {
        user: String,
    },
    /// Events as they happen, read by [`live`]; the columns have our names.
    Live,
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
    /// Was the event id's column named by the user? Then its absence is a problem; the default
    /// name may be absent and means that there are no ids.
    pub is_id_asked: bool,
    /// Zone of instants written without one.
    pub zone: Zone,
    /// Types already settled, by `catalog.toml` or by earlier data.
    pub types: BTreeMap<String, Settled>,
    /// The file for rejected rows; it and its folder are made when the first row is rejected.
    /// If the name is taken, `name-2.ndjson` and so on is used. Spooled input (`-`) lies unnamed
    /// in the nearest folder above it that exists.
    pub rejects: PathBuf,
}

/// A type that is already settled for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    pub type_of: Type,
    /// By `catalog.toml`: never widened. By earlier data: an integer may widen to a float.
    pub is_fixed: bool,
}

/// Rows so far; `read = accepted + rejected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    pub read: u64,
    pub accepted: u64,
    pub rejected: u64,
}
