//! Where users are written: a file by its extension or `--format`, or stdout.

use std::io::{BufWriter, Write};
use std::path::Path;

use roaring::RoaringBitmap;
use serde_json::{Value, json};

use super::args::{self, Output};
use super::door::{Done, Door, Failure};
use super::load::aside;
use super::packages::Content;
use super::session::{Session, usage};
use super::unknown::{Kept, Unknown};
use super::words::grouped;
use crate::audience::package::Package;
use crate::audience::{Listing, Numbered, Numbering, Target, write_atomically};
use crate::base::Outcome;
use crate::store::Snapshot;

/// Users that are to be written, checked before anything is evaluated.
pub struct Writing<'a> {
    output: &'a Output,
    content: Content,
    target: Option<Target>,
}

impl<'a> Writing<'a> {
    /// Checks the format and what it can hold.
    /// Errors: CLI-001.
    pub fn new(output: &'a Output) -> Result<Writing<'a>, Failure> {
        let path = output.out.as_deref();
        let content = output.bitmap.content(path)?;
        let target = match &content {
            Content::Bitmap(package, _) => Some(bitmap(*package, output)?),
            Content::Rows(format, numbering) => rows(*format, numbering.as_ref(), path)?,
        };
        Ok(Writing { output, content, target })
    }

    /// Checks that the attributes asked for exist, before anything is evaluated.
    /// Errors: CRD-012 for each unknown one, CRD-031 if numbers would come from what has none.
    pub fn check(&self, snapshot: &Snapshot) -> Result<(), Failure> {
        if let Content::Bitmap(_, numbering) = &self.content {
            numbering.check(snapshot)?;
        }
        Ok(Listing::new(&RoaringBitmap::new(), snapshot, &self.output.columns).map(drop)?)
    }

    /// Writes the users; says so on stderr, or with `--json` answers with count and file.
    /// Errors: CRD-012 for unknown columns, CRD-032 for numbers that do not fit, OUT-001.
    pub fn write(
        &self,
        users: &RoaringBitmap,
        snapshot: &Snapshot,
        session: &Session,
        door: &mut Door,
    ) -> Done {
        if let Content::Bitmap(package, numbering) = &self.content {
            let numbered = numbering.numbers(users, snapshot)?;
            return self.write_numbers(*package, &numbered, snapshot, session, door);
        }
        let listing = Listing::new(users, snapshot, &self.output.columns)?;
        match (self.output.out.as_deref(), self.target) {
            (Some(path), Some(target)) => {
                listing.write_file(path, target)?;
                told(path, users.len(), None, door)
            }
            (_, target) => {
                let is_json = target == Some(Target::Ndjson) || (target.is_none() && door.is_json);
                Ok(listing.write_text(&mut BufWriter::new(door.stream()), is_json)?)
            }
        }
    }

    fn write_numbers(
        &self,
        package: Package,
        numbered: &Numbered,
        snapshot: &Snapshot,
        session: &Session,
        door: &mut Door,
    ) -> Done {
        let numbers = &numbered.numbers;
        match self.output.out.as_deref() {
            Some(path) => {
                write_atomically(path, |file| package.write_file(numbers, file)).map_err(|problem| {
                    let is_ours = problem.code == "CRD-032";
                    if is_ours { problem.at(format!("--format {}", package.form.word())) } else { problem }
                })?;
                let kept = nameless(numbered, snapshot, session)?;
                say_nameless(numbered, &kept, door);
                told(path, numbers.len(), Some((numbered, kept)), door)
            }
            None if door.is_json => {
                Err(usage("--json", "the bytes of a bitmap are no JSON", "name a file with --out"))
            }
            None => {
                let mut out = BufWriter::new(door.stream());
                package.write(numbers, &mut out)?;
                out.flush()?;
                drop(out);
                let kept = nameless(numbered, snapshot, session)?;
                say_nameless(numbered, &kept, door);
                Ok(())
            }
        }
    }
}

/// Users without a number go to a file of their own.
fn nameless(numbered: &Numbered, snapshot: &Snapshot, session: &Session) -> Outcome<Kept> {
    let mut rows = Unknown::new(aside(session, "unnumbered", "csv"));
    numbered.without.iter().for_each(|user| rows.add(snapshot.ids().text(user)));
    rows.close()
}

fn say_nameless(numbered: &Numbered, kept: &Kept, door: &mut Door) {
    if let Some(file) = &kept.file {
        door.say(&format!("{} users have no number and are not written ({file})", grouped(kept.count)));
    }
    if !numbered.shared.is_empty() {
        let count = grouped(numbered.shared.len());
        door.say(&format!("numbers that several of the users have: {count}; each is written once"));
    }
}

fn told(path: &Path, count: u64, numbered: Option<(&Numbered, Kept)>, door: &mut Door) -> Done {
    let file = path.display().to_string();
    if !door.is_json {
        let word = if numbered.is_some() { "numbers" } else { "users" };
        door.say(&format!("{} {word} written to {file}", grouped(count)));
        return Ok(());
    }
    let mut document = json!({ "count": count, "file": file });
    if let (Value::Object(all), Some((numbered, kept))) = (&mut document, numbered) {
        all.insert("without_number".to_string(), kept.count.into());
        all.insert("without_number_file".to_string(), kept.file.into());
        all.insert("shared".to_string(), numbered.shared.len().into());
    }
    door.json(&document)
}

fn bitmap(package: Package, output: &Output) -> Result<Target, Failure> {
    if !output.columns.is_empty() {
        let cure = "leave --columns out, or write .csv, .ndjson or .parquet";
        return Err(usage("--columns", "a bitmap holds numbers only", cure));
    }
    if output.out.as_deref().and_then(Path::extension).is_some_and(|ending| ending == "gz" || ending == "zst")
    {
        let cure = "leave the ending out, and pack the file afterwards";
        return Err(usage("--out", "files are not packed as they are written", cure));
    }
    Ok(Target::Bitmap(package))
}

fn rows(
    format: Option<args::Format>,
    numbering: Option<&Numbering>,
    path: Option<&Path>,
) -> Result<Option<Target>, Failure> {
    if numbering.is_some() {
        let cure = "name a bitmap's format, or write the numbers beside the ids with --columns";
        return Err(usage("--ids, --number-column", "only a bitmap holds numbers in place of ids", cure));
    }
    match (format, path) {
        (Some(args::Format::Csv), _) => Ok(Some(Target::Csv)),
        (Some(args::Format::Ndjson), _) => Ok(Some(Target::Ndjson)),
        (Some(args::Format::Parquet), Some(_)) => Ok(Some(Target::Parquet)),
        (Some(args::Format::Parquet), None) => {
            Err(usage("--format parquet", "Parquet needs a file", "name it with --out"))
        }
        (Some(args::Format::Arrow), _) => {
            Err(usage("--format arrow", "Arrow is read, not written", "write parquet"))
        }
        (None, path) => path.map(target_of).transpose(),
    }
}

/// The form that a file's extension names.
/// Errors: CLI-001.
pub fn target_of(path: &Path) -> Result<Target, Failure> {
    let what = "the extension tells the format, and this one is not known";
    let cure = "write a .csv, .ndjson, .parquet, .xlsx or .roaring file, or say --format";
    Target::of(path).ok_or_else(|| usage(format!("--out {}", path.display()), what, cure))
}
