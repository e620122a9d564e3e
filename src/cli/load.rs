//! Loading at the door: files to the store, with a summary, and nothing changed when it fails.
//!
//! Flow: the writer takes the home; the source settles one schema for all files; batches go from
//! source to writer past a guard that counts rejects; publishing makes all rows visible at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::args::{self, Files, Ingest, Reading};
use super::door::{Done, Door, Failure};
use super::session::Session;
use super::words::{grouped, took};
use crate::base::{Outcome, Problem};
use crate::ingest::{self, Checked, Column, Counts, Format, Request, Settled, Shape, Source};
use crate::store::{Limits, Loaded, Mode, Snapshot, Writer};

/// The default column of event ids, which may be absent.
const EVENT_ID: &str = "event_id";

/// Bytes that a table's name may have: it becomes a folder's name, three characters a byte at worst.
const TABLE_BYTES_MAX: usize = 80;

fn check_table(name: &str) -> Done {
    let is_odd = name.trim() != name || name.chars().any(char::is_control);
    if name.is_empty() || name.len() > TABLE_BYTES_MAX || is_odd {
        let cure = "a table's name has 1 to 80 bytes (26 Chinese characters), no spaces around it";
        return Err(super::session::usage(format!("detail '{name}'"), "this is no name for a table", cure));
    }
    Ok(())
}

/// Runs one load.
pub fn run(what: &Ingest, session: &mut Session, door: &mut Door) -> Done {
    match what {
        Ingest::Users { files, key, mode, delete } => {
            let shape = Shape::Users { key: key.clone() };
            let mode = mode_of(*mode, *delete);
            load(
                &Job::new("users", shape, files),
                session,
                door,
                |snapshot| snapshot.catalog().settled_attributes(),
                |to, rows| to.users(rows.batches, mode, rows.columns, &rows.limits, rows.pace),
            )
        }
        Ingest::Events { files, user, event, time, id } => {
            let column = id.clone().unwrap_or_else(|| EVENT_ID.to_string());
            let shape = Shape::Events {
                user: user.clone(),
                event: event.clone(),
                time: time.clone(),
                id: Some(column),
            };
            let job = Job { is_id_asked: id.is_some(), ..Job::new("events", shape, files) };
            load(
                &job,
                session,
                door,
                |snapshot| snapshot.catalog().settled_properties(),
                |to, rows| to.events(rows.batches, rows.columns, &rows.limits, rows.pace),
            )
        }
        Ingest::Detail { name, files, user, key, time } => {
            check_table(name)?;
            let shape = Shape::Detail { user: user.clone(), key: key.clone(), time: time.clone() };
            let job = Job::new("detail", shape, files);
            load(
                &job,
                session,
                door,
                |snapshot| snapshot.catalog().settled_details(name),
                |to, rows| {
                    to.detail(name, key, time.as_deref(), rows.batches, rows.columns, &rows.limits, rows.pace)
                },
            )
        }
    }
}

/// What is to be read.
pub(super) struct Job<'a> {
    /// Names the file of rejected rows.
    pub word: &'static str,
    pub shape: Shape,
    pub paths: Vec<String>,
    pub reading: &'a Reading,
    pub memory: Option<u64>,
    pub is_id_asked: bool,
}

impl<'a> Job<'a> {
    fn new(word: &'static str, shape: Shape, files: &'a Files) -> Job<'a> {
        let Files { paths, reading, memory } = files;
        Job { word, shape, paths: paths.clone(), reading, memory: *memory, is_id_asked: false }
    }

    pub fn request(&self, types: BTreeMap<String, Settled>, session: &Session) -> Result<Request, Failure> {
        Ok(Request {
            paths: self.paths.clone(),
            format: self.reading.format.map(format_of),
            shape: self.shape.clone(),
            is_id_asked: self.is_id_asked,
            zone: session.zone(self.reading.zone.as_deref())?,
            types,
            rejects: aside(session, self.word, "ndjson"),
        })
    }

    fn limits(&self, session: &Session) -> Limits {
        Limits { memory_bytes: self.memory.unwrap_or(session.settings.memory) }
    }

    /// The first path, and how many more.
    fn label(&self) -> String {
        match self.paths.as_slice() {
            [] => String::new(),
            [path] => path.clone(),
            [path, more @ ..] => format!("{path} + {} more", more.len()),
        }
    }
}

/// What a writer is given.
struct Rows<'a, 'b> {
    batches: &'a mut dyn Iterator<Item = Outcome<Checked>>,
    columns: &'a [Column],
    limits: Limits,
    pace: &'b dyn crate::base::Pace,
}

/// Reads, stores and publishes; a failure on the way drops the writer, which leaves the home as
/// it was.
fn load(
    job: &Job,
    session: &mut Session,
    door: &mut Door,
    types: impl FnOnce(&Snapshot) -> BTreeMap<String, Settled>,
    store: impl FnOnce(&mut Writer, Rows) -> Outcome<Loaded>,
) -> Done {
    let began = session.pace.seconds();
    let mut writer = session.home.writer(&session.environment, session.settings.zone)?;
    let request = job.request(types(&writer.snapshot()), session)?;
    let mut source = ingest::open(&request, session.input.take(), session.pace)?;
    let columns = source.columns().to_vec();
    let mut guard = Guard { source: &mut source, rejects_max: job.reading.max_rejects };
    let rows =
        Rows { batches: &mut guard, columns: &columns, limits: job.limits(session), pace: session.pace };
    let loaded = store(&mut writer, rows)?;
    let snapshot = writer.publish()?;
    let seconds = session.pace.seconds() - began;
    let summary = Summary::new(&source, &loaded, snapshot.version(), seconds);
    match door.is_json {
        true => door.json(&Value::Object(summary.document())),
        false => {
            door.say(&summary.text(&job.label()));
            Ok(())
        }
    }
}

/// Lets batches through until too many rows were rejected.
pub(super) struct Guard<'a, 's> {
    pub source: &'a mut Source<'s>,
    pub rejects_max: Option<u64>,
}

impl Iterator for Guard<'_, '_> {
    type Item = Outcome<Checked>;

    fn next(&mut self) -> Option<Outcome<Checked>> {
        let batch = self.source.next();
        let rejected = self.source.counts().rejected;
        match self.rejects_max {
            Some(max) if rejected > max => Some(Err(too_many(rejected, max, self.source.rejects_file()))),
            _ => batch,
        }
    }
}

pub(super) fn too_many(rejected: u64, max: u64, file: Option<&Path>) -> Problem {
    let at = file.map(|file| file.display().to_string()).unwrap_or_default();
    Problem::data(
        "CLI-004",
        format!(
            "{} rows were rejected, more than --max-rejects {max}; nothing was changed",
            grouped(rejected)
        ),
    )
    .at(at)
    .cure("read the reasons in that file, mend the rows and load again, or allow more")
}

/// What a load did.
pub(super) struct Summary {
    pub counts: Counts,
    pub loaded: Loaded,
    pub rejects_file: Option<PathBuf>,
    pub data_version: u64,
    pub seconds: f64,
}

impl Summary {
    fn new(source: &Source, loaded: &Loaded, data_version: u64, seconds: f64) -> Summary {
        let rejects_file = source.rejects_file().map(Path::to_path_buf);
        Summary { counts: source.counts(), loaded: *loaded, rejects_file, data_version, seconds }
    }

    pub fn document(&self) -> Map<String, Value> {
        let document = json!({
            "read": self.counts.read,
            "accepted": self.counts.accepted,
            "rejected": self.counts.rejected,
            "new_users": self.loaded.new_users,
            "duplicates": self.loaded.duplicates,
            "replaced": self.loaded.replaced,
            "deleted": self.loaded.deleted,
            "rejects_file": self.rejects_file.as_ref().map(|file| file.display().to_string()),
            "data_version": self.data_version,
            "elapsed_ms": (self.seconds * 1e6).round() / 1e3,
        });
        match document {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    pub fn text(&self, label: &str) -> String {
        let Counts { read, accepted, rejected } = self.counts;
        let file =
            self.rejects_file.as_ref().map(|file| format!(" ({})", file.display())).unwrap_or_default();
        let mut parts = vec![
            format!("read {}", grouped(read)),
            format!("accepted {}", grouped(accepted)),
            format!("rejected {}{file}", grouped(rejected)),
            format!("new users {}", grouped(self.loaded.new_users)),
        ];
        let Loaded { duplicates, replaced, deleted, .. } = self.loaded;
        let more = [("duplicates", duplicates), ("replaced", replaced), ("deleted", deleted)];
        parts.extend(more.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{word} {}", grouped(*n))));
        let speed = if self.seconds > 0.0 { (read as f64 / self.seconds) as u64 } else { 0 };
        parts.push(format!("{} ({} rows/s)", took(self.seconds), grouped(speed)));
        format!("{label}: {}", parts.join(" · "))
    }
}

/// A file for rows put aside, named by what they are and by the clock: `rejects/users-….ndjson`.
pub(super) fn aside(session: &Session, word: &str, extension: &str) -> PathBuf {
    let local = session.settings.zone.local(session.environment.now);
    let name = format!("{word}-{}.{extension}", local.format("%Y%m%dT%H%M%S%3f"));
    session.home.dir().join("rejects").join(name)
}

fn mode_of(mode: args::Mode, is_delete: bool) -> Mode {
    match mode {
        _ if is_delete => Mode::Delete,
        args::Mode::Upsert => Mode::Upsert,
        args::Mode::Replace => Mode::Replace,
        args::Mode::Patch => Mode::Patch,
    }
}

pub(super) fn format_of(format: args::Format) -> Format {
    match format {
        args::Format::Parquet => Format::Parquet,
        args::Format::Csv => Format::Csv,
        args::Format::Ndjson => Format::Ndjson,
        args::Format::Arrow => Format::Arrow,
    }
}
