//! Where users are written: a file by its extension, or rows on stdout.

use std::io::BufWriter;
use std::path::Path;

use roaring::RoaringBitmap;
use serde_json::json;

use super::args::Output;
use super::door::{Door, Failure};
use super::session::usage;
use super::words::grouped;
use crate::audience::{Listing, Target};
use crate::store::Snapshot;

/// Users that are to be written, checked before anything is evaluated.
pub struct Writing<'a> {
    output: &'a Output,
    target: Option<Target>,
}

impl<'a> Writing<'a> {
    /// Checks the extension and what it can hold.
    /// Errors: CLI-001.
    pub fn new(output: &'a Output) -> Result<Writing<'a>, Failure> {
        let target = output.out.as_deref().map(target_of).transpose()?;
        if target == Some(Target::Roaring) && !output.columns.is_empty() {
            let cure = "leave --columns out, or write .csv, .ndjson or .parquet";
            return Err(usage("--columns", "a .roaring file holds user numbers only", cure));
        }
        Ok(Writing { output, target })
    }

    /// Checks that the attributes asked for exist, before anything is evaluated.
    /// Errors: CRD-012 for each unknown one.
    pub fn check(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        Ok(Listing::new(&RoaringBitmap::new(), snapshot, &self.output.columns).map(drop)?)
    }

    /// Writes the users; says so on stderr, or with `--json` answers with count and file.
    /// Errors: CRD-012 for unknown columns, OUT-001.
    pub fn write(&self, users: &RoaringBitmap, snapshot: &Snapshot, door: &mut Door) -> Result<(), Failure> {
        let listing = Listing::new(users, snapshot, &self.output.columns)?;
        match (self.output.out.as_deref(), self.target) {
            (Some(path), Some(target)) => {
                listing.write_file(path, target)?;
                told(path, users.len(), door)
            }
            _ => {
                let is_json = door.is_json;
                Ok(listing.write_text(&mut BufWriter::new(door.stream()), is_json)?)
            }
        }
    }
}

fn told(path: &Path, count: u64, door: &mut Door) -> Result<(), Failure> {
    let file = path.display().to_string();
    match door.is_json {
        true => door.json(&json!({ "count": count, "file": file })),
        false => {
            door.say(&format!("{} users written to {file}", grouped(count)));
            Ok(())
        }
    }
}

/// The form that a file's extension names.
/// Errors: CLI-001.
pub fn target_of(path: &Path) -> Result<Target, Failure> {
    let what = "the extension tells the format, and this one is not known";
    let cure = "write a .csv, .ndjson, .parquet or .roaring file";
    Target::of(path).ok_or_else(|| usage(format!("--out {}", path.display()), what, cure))
}
