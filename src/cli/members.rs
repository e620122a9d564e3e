//! Uploads at the door: a list of ids, or a bitmap of numbers, becomes a crowd's new version.

use std::collections::BTreeMap;
use std::path::Path;

use roaring::{RoaringBitmap, RoaringTreemap};
use serde_json::{Map, Value, json};

use super::args::{Import, Reading};
use super::crowd;
use super::door::{Done, Door, Failure};
use super::load::{Guard, Job, Summary, aside};
use super::packages::Content;
use super::session::{Session, usage};
use super::unknown::{Kept, Unknown};
use super::words::grouped;
use crate::audience::package::{Given, Package, number};
use crate::audience::{Named, Numbering};
use crate::base::{Outcome, Problem};
use crate::ingest::{self, Counts, Shape, Source};
use crate::store::{Loaded, Snapshot};

/// Numbers that are kept aside at most: a bitmap of a kilobyte can hold all there are.
const KEPT_MAX: usize = 1_000_000;

/// `quanke crowd import`: users to a crowd's new version.
pub fn run(import: &Import, session: &mut Session, door: &mut Door) -> Done {
    let content = import.bitmap.content(Some(Path::new(&import.path)))?;
    let by_number = matches!(content, Content::Bitmap(..) | Content::Rows(_, Some(_)));
    if by_number && import.create {
        let cure = "load the users first with `quanke ingest users`, or upload their ids as text";
        return Err(usage("--create", "a number is no user id, so no user is made of one", cure));
    }
    session.audiences()?.uploadable(&import.name)?;
    match content {
        Content::Bitmap(package, numbering) => bitmap(import, package, &numbering, session, door),
        Content::Rows(format, None) => ids(&Upload::new(import, format), session, door),
        Content::Rows(format, Some(numbering)) => {
            numbers(&Upload::new(import, format), &numbering, session, door)
        }
    }
}

/// Rows of ids or of numbers.
struct Upload<'a> {
    import: &'a Import,
    reading: Reading,
}

impl<'a> Upload<'a> {
    fn new(import: &'a Import, format: Option<super::args::Format>) -> Upload<'a> {
        let (zone, max_rejects) = (import.zone.clone(), import.max_rejects);
        Upload { import, reading: Reading { format, zone, max_rejects } }
    }

    fn job(&self) -> Job<'_> {
        let shape = Shape::Members { user: self.import.key.clone() };
        let paths = vec![self.import.path.clone()];
        Job { word: "members", shape, paths, reading: &self.reading, memory: None, is_id_asked: false }
    }

    fn source<'s>(&self, session: &mut Session<'s>) -> Result<Source<'s>, Failure> {
        let request = self.job().request(BTreeMap::new(), session)?;
        Ok(ingest::open(&request, session.input.take(), session.pace)?)
    }
}

/// Ids as text. The home's lock is held, since new ids become users with `--create`.
fn ids(upload: &Upload, session: &mut Session, door: &mut Door) -> Done {
    let began = session.pace.seconds();
    let import = upload.import;
    let mut writer = session.home.writer(&session.environment, session.settings.zone)?;
    let _lock = session.crowd_lock()?;
    let mut source = upload.source(session)?;
    let mut unknown = Unknown::new(aside(session, "unknown", "csv"));
    let mut guard = Guard { source: &mut source, rejects_max: upload.reading.max_rejects };
    let (users, mut loaded) =
        writer.members(&mut guard, import.create, &mut |id| unknown.add(id), session.pace)?;
    let snapshot = writer.publish()?;
    let unknown = unknown.close()?;
    let counts = source.counts();
    loaded.duplicates = counts.accepted.saturating_sub(unknown.count + users.len());
    let rejects_file = source.rejects_file().map(Path::to_path_buf);
    let seconds = session.pace.seconds() - began;
    let summary = Summary { counts, loaded, rejects_file, data_version: snapshot.version(), seconds };
    let uploaded = Uploaded { users, unknown, shared: 0, summary };
    uploaded.publish(import, &snapshot, session, door)
}

/// Numbers as rows.
fn numbers(upload: &Upload, numbering: &Numbering, session: &mut Session, door: &mut Door) -> Done {
    let began = session.pace.seconds();
    let _lock = session.crowd_lock()?;
    let snapshot = session.snapshot()?;
    numbering.check(&snapshot)?;
    let mut source = upload.source(session)?;
    let mut aside = Aside::new(session);
    let mut guard = Guard { source: &mut source, rejects_max: upload.reading.max_rejects };
    let given = given(&mut guard, &mut aside)?;
    let (counts, rejects_file) = (source.counts(), source.rejects_file().map(Path::to_path_buf));
    let named = numbering.users(&given.numbers, &snapshot)?;
    let loaded = Loaded { duplicates: given.read - given.numbers.len(), ..Loaded::default() };
    let seconds = session.pace.seconds() - began;
    let summary = Summary { counts, loaded, rejects_file, data_version: snapshot.version(), seconds };
    aside.close(named, summary)?.publish(upload.import, &snapshot, session, door)
}

/// The numbers of the rows; what is none goes aside.
fn given(rows: &mut Guard, aside: &mut Aside) -> Outcome<Given> {
    let mut given = Given::default();
    for batch in rows {
        for id in batch?.users().iter().flatten() {
            match number(id.as_bytes()) {
                Some(number) => {
                    given.read += 1;
                    given.numbers.insert(number);
                }
                None => aside.add(id, "no number"),
            }
        }
    }
    Ok(given)
}

/// A bitmap of numbers, or several.
fn bitmap(
    import: &Import,
    package: Package,
    numbering: &Numbering,
    session: &mut Session,
    door: &mut Door,
) -> Done {
    let began = session.pace.seconds();
    let _lock = session.crowd_lock()?;
    let snapshot = session.snapshot()?;
    numbering.check(&snapshot)?;
    let given = packages(import, package, session)?;
    let named = numbering.users(&given.numbers, &snapshot)?;
    let counts = Counts { read: given.read, accepted: given.read, rejected: 0 };
    let loaded = Loaded { duplicates: given.read - given.numbers.len(), ..Loaded::default() };
    let seconds = session.pace.seconds() - began;
    let summary = Summary { counts, loaded, rejects_file: None, data_version: snapshot.version(), seconds };
    Aside::new(session).close(named, summary)?.publish(import, &snapshot, session, door)
}

/// All numbers of all files that the path means.
fn packages(import: &Import, package: Package, session: &mut Session) -> Result<Given, Failure> {
    let near = aside(session, "unknown", "csv");
    let files = ingest::whole(std::slice::from_ref(&import.path), session.input.take(), &near)?;
    let mut given = Given::default();
    for file in files {
        let bytes = file.bytes(session.pace)?;
        given.add(package.read(&bytes).map_err(|problem| problem.at(file.name()))?);
    }
    Ok(given)
}

/// Numbers that name nobody, on their way to a file.
struct Aside {
    rows: Unknown,
}

impl Aside {
    fn new(session: &Session) -> Aside {
        Aside { rows: Unknown::with(aside(session, "unknown", "csv"), &["number", "reason"]) }
    }

    fn add(&mut self, number: &str, reason: &str) {
        self.rows.add_row(&[number, reason]);
    }

    /// Writes down the numbers that name nobody; what is left is ready to be published.
    fn close(mut self, named: Named, summary: Summary) -> Outcome<Uploaded> {
        let Named { users, unknown, shared } = named;
        let odd = self.rows.count();
        let all: [(&RoaringTreemap, &str); 2] = [(&unknown, "unknown"), (&shared, "shared")];
        let rows = all.iter().flat_map(|(numbers, reason)| numbers.iter().map(move |n| (n, *reason)));
        rows.take(KEPT_MAX).for_each(|(number, reason)| self.add(&number.to_string(), reason));
        let kept = self.rows.close()?;
        let count = odd + unknown.len();
        Ok(Uploaded { users, unknown: Kept { count, ..kept }, shared: shared.len(), summary })
    }
}

/// Users who are to be a version, and what is told of them.
struct Uploaded {
    users: RoaringBitmap,
    unknown: Kept,
    /// Numbers that several users have.
    shared: u64,
    summary: Summary,
}

impl Uploaded {
    fn publish(self, import: &Import, snapshot: &Snapshot, session: &Session, door: &mut Door) -> Done {
        let known = self.users.len();
        let job = session.job(snapshot);
        let made = session.audiences()?.import(&import.name, self.users, import.append, job)?;
        if known == 0 {
            door.warn(&[nobody(import)]);
        }
        if !door.is_json {
            let (head, kept) = (self.summary.text(&import.path), self.unknown.text(self.shared));
            door.say(&format!("{head} · known {}{kept}", grouped(known)));
            return crowd::told(&made, session, door);
        }
        let mut document: Map<String, Value> = self.summary.document();
        let more = json!({
            "known": known,
            "unknown": self.unknown.count,
            "shared": self.shared,
            "unknown_file": self.unknown.file,
        });
        for part in [more, crowd::document(&made, session.settings.zone)] {
            if let Value::Object(part) = part {
                document.extend(part);
            }
        }
        door.json(&Value::Object(document))
    }
}

/// An upload of which nobody is known: more often a mistake than an empty crowd.
fn nobody(import: &Import) -> Problem {
    let what = match import.append {
        true => format!("nobody in the file is known, so crowd '{}' stays as it was", import.name),
        false => {
            format!("nobody in the file is known, so the newest version of crowd '{}' is empty", import.name)
        }
    };
    let cure =
        "if that was not meant, look at the file and at the column of ids or numbers, and import it again";
    Problem::data("CRD-015", what).at(import.path.clone()).cure(cure)
}
