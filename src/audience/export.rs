//! How do users leave? As CSV, NDJSON, Parquet, XLSX (with attributes, if asked) or a bitmap of numbers.
//!
//! Users are written in the order of their numbers, one chunk of 65,536 at a time, so memory does
//! not grow with the audience. A file appears whole or not at all.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use roaring::RoaringBitmap;

use super::cells;
use super::package::{Package, widened};
use super::xlsx;
use crate::base::{CHUNK_USERS, Outcome, Problem, Problems, Type, UserNo, Zone};
use crate::store::{Snapshot, arrow_type};

/// The forms that users are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Csv,
    Ndjson,
    Parquet,
    /// A workbook for a spreadsheet program.
    Xlsx,
    /// A bitmap of numbers.
    Bitmap(Package),
}

impl Target {
    /// The form that a path's extension names.
    pub fn of(path: &Path) -> Option<Target> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Target::Csv),
            "ndjson" | "jsonl" => Some(Target::Ndjson),
            "parquet" => Some(Target::Parquet),
            "xlsx" => Some(Target::Xlsx),
            _ => Package::of(path).map(Target::Bitmap),
        }
    }
}

/// Users to write, with some of their attributes.
pub struct Listing<'a> {
    users: &'a RoaringBitmap,
    snapshot: &'a Snapshot,
    columns: Vec<Chosen>,
}

impl<'a> Listing<'a> {
    /// The users and attributes to write, by their names or aliases.
    /// Errors: CRD-012 for each attribute that is not known.
    pub fn new(
        users: &'a RoaringBitmap,
        snapshot: &'a Snapshot,
        names: &[String],
    ) -> Result<Listing<'a>, Problems> {
        // A damaged id file is a problem, never an export of empty ids.
        snapshot.ids().ready()?;
        let mut problems = Problems::default();
        let mut columns = Vec::new();
        for name in names {
            match attribute(snapshot, name) {
                Some(column) => columns.push(column),
                None => problems.push(unknown(snapshot, name)),
            }
        }
        problems.or(Listing { users, snapshot, columns })
    }

    /// Writes the file `path`, whole or not at all.
    /// Errors: OUT-001.
    pub fn write_file(&self, path: &Path, target: Target) -> Outcome<()> {
        match target {
            Target::Bitmap(package) => {
                write_atomically(path, |file| package.write_file(&widened(self.users.clone()), file))
            }
            _ => write_batches(path, target, &self.schema(), self.batches(), self.snapshot.zone()),
        }
    }

    /// Writes CSV with a header, or NDJSON, to a stream.
    /// Errors: OUT-001.
    pub fn write_text(&self, out: &mut dyn Write, is_json: bool) -> Outcome<()> {
        cells::write(out, &self.schema(), self.batches(), is_json, self.snapshot.zone())
    }

    fn schema(&self) -> SchemaRef {
        let id = Field::new("user_id", DataType::Utf8, false);
        let columns = self.columns.iter().map(|c| Field::new(&c.name, arrow_type(c.type_of), true));
        Arc::new(Schema::new([id].into_iter().chain(columns).collect::<Vec<_>>()))
    }

    fn batches(&self) -> impl Iterator<Item = Outcome<RecordBatch>> + '_ {
        (0..self.snapshot.chunk_count()).filter_map(|chunk| {
            let from = chunk * CHUNK_USERS;
            let users: Vec<UserNo> = self.users.range(from..=from + (CHUNK_USERS - 1)).collect();
            (!users.is_empty()).then(|| self.batch(chunk, &users))
        })
    }

    fn batch(&self, chunk: u32, users: &[UserNo]) -> Outcome<RecordBatch> {
        let ids = self.snapshot.ids();
        let ids: StringArray = users.iter().map(|user| Some(ids.text(*user))).collect();
        let attributes = if self.columns.is_empty() { None } else { self.snapshot.attributes(chunk)? };
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(ids)];
        for column in &self.columns {
            let stored = attributes.as_ref().map(|a| a.column(&column.name)).transpose()?.flatten();
            arrays.push(values(stored, users, column.type_of).map_err(broken)?);
        }
        RecordBatch::try_new(self.schema(), arrays).map_err(broken)
    }
}

/// Values of attributes as text, a row for each user and in it an entry for each name; `None` is
/// missing or no attribute. Instants are RFC 3339 in the project's zone, lists are JSON.
/// Errors: STO-002 when a file is damaged.
pub fn fields(snapshot: &Snapshot, users: &[UserNo], names: &[String]) -> Outcome<Vec<Vec<Option<String>>>> {
    let columns: Vec<Option<Chosen>> = names.iter().map(|name| attribute(snapshot, name)).collect();
    let mut rows = Vec::with_capacity(users.len());
    for part in users.chunk_by(|a, b| a / CHUNK_USERS == b / CHUNK_USERS) {
        let arrays = part
            .first()
            .map(|user| chunk_values(snapshot, user / CHUNK_USERS, part, &columns))
            .transpose()?;
        let arrays = arrays.unwrap_or_default();
        let text = |row: usize, array: &Option<ArrayRef>| {
            array.as_ref().and_then(|a| cells::text(a, row, snapshot.zone()))
        };
        rows.extend((0..part.len()).map(|row| arrays.iter().map(|array| text(row, array)).collect()));
    }
    Ok(rows)
}

fn chunk_values(
    snapshot: &Snapshot,
    chunk: u32,
    users: &[UserNo],
    columns: &[Option<Chosen>],
) -> Outcome<Vec<Option<ArrayRef>>> {
    let attributes = snapshot.attributes(chunk)?;
    let one = |column: &Option<Chosen>| {
        let Some(column) = column else { return Ok(None) };
        let stored = attributes.as_ref().map(|a| a.column(&column.name)).transpose()?.flatten();
        values(stored, users, column.type_of).map(Some).map_err(broken)
    };
    columns.iter().map(one).collect()
}

/// Writes batches as a file of text, Parquet or XLSX, whole or not at all.
/// Errors: OUT-001 with the path; what the batches find.
pub fn write_batches(
    path: &Path,
    target: Target,
    schema: &SchemaRef,
    batches: impl Iterator<Item = Outcome<RecordBatch>>,
    zone: Zone,
) -> Outcome<()> {
    write_atomically(path, |file| match target {
        Target::Parquet => parquet(file, schema.clone(), batches),
        Target::Xlsx => xlsx::write(file, folder_of(path), schema, batches, zone),
        _ => cells::write(&mut BufWriter::new(file), schema, batches, target == Target::Ndjson, zone),
    })
}

/// Writes a file beside its place, syncs it and moves it there: it appears whole or not at all.
/// Errors: OUT-001 with the path; what `write` finds.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut File) -> Outcome<()>) -> Outcome<()> {
    let folder = folder_of(path);
    let placed = |problem: Problem| problem.at(path.display().to_string());
    let at_path = |error: std::io::Error| placed(Problem::from(error));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(at_path)?;
    write(file.as_file_mut()).map_err(placed)?;
    file.as_file().sync_all().map_err(at_path)?;
    file.persist(path).map_err(|e| at_path(e.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at_path)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn parquet(
    file: &mut File,
    schema: SchemaRef,
    batches: impl Iterator<Item = Outcome<RecordBatch>>,
) -> Outcome<()> {
    let failed = |e: parquet::errors::ParquetError| Problem::outside("OUT-001", e.to_string());
    let mut writer = ArrowWriter::try_new(file, schema, None).map_err(failed)?;
    for batch in batches {
        writer.write(&batch?).map_err(failed)?;
    }
    writer.close().map(drop).map_err(failed)
}

/// The values of `users`, who are of one chunk; missing where the chunk has none.
fn values(stored: Option<&ArrayRef>, users: &[UserNo], type_of: Type) -> Result<ArrayRef, ArrowError> {
    let wanted = arrow_type(type_of);
    let Some(stored) = stored else { return Ok(new_null_array(&wanted, users.len())) };
    let row = |user: &UserNo| Some(user % CHUNK_USERS).filter(|row| (*row as usize) < stored.len());
    let rows: UInt32Array = users.iter().map(row).collect();
    cast(&take(stored, &rows, None)?, &wanted)
}

/// An attribute that was asked for: its own name and type.
pub(super) struct Chosen {
    pub name: String,
    pub type_of: Type,
}

/// The attribute meant by a name or an alias.
pub(super) fn attribute(snapshot: &Snapshot, name: &str) -> Option<Chosen> {
    let catalog = snapshot.catalog();
    let known = [name, catalog.resolve(name)].into_iter().find(|name| catalog.attribute(name).is_some())?;
    Some(Chosen { name: known.to_string(), type_of: catalog.attribute(known)? })
}

/// CRD-012: there is no such attribute.
pub(super) fn unknown(snapshot: &Snapshot, name: &str) -> Problem {
    let mut near: Vec<(usize, &str)> = snapshot
        .catalog()
        .attributes
        .iter()
        .map(|c| (strsim::damerau_levenshtein(&c.name, name), c.name.as_str()))
        .collect();
    near.sort_unstable();
    let names: Vec<String> = near.into_iter().take(5).map(|(_, name)| format!("`{name}`")).collect();
    let known = if names.is_empty() {
        "no attributes are loaded".to_string()
    } else {
        format!("there is {}", names.join(", "))
    };
    Problem::author("CRD-012", format!("no attribute `{name}`; {known}"))
        .at(format!("--columns {name}"))
        .cure("name attributes that the users have")
}

pub(super) fn broken(error: ArrowError) -> Problem {
    Problem::bug(error.to_string())
}
