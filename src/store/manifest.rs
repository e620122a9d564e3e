//! Which files make up one version of the data? The manifest: one JSON text per version.
//!
//! `CURRENT` names the newest one. A version becomes visible when `CURRENT` is renamed into
//! place, and not a moment earlier.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::base::{Day, Outcome, Problem, Timestamp, UserNo, Zone};
use crate::ingest::Column;

use super::disk::{Disk, Part, damaged, hex, trouble};

/// The format that this program writes and reads: a higher one was written by a newer program, a
/// lower one by a build before the first release.
const FORMAT: u32 = 2;
pub(super) const CURRENT: &str = "CURRENT";
pub(super) const FOLDER: &str = "manifest";

/// All files of one version and what must be known before opening them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub format: u32,
    pub version: u64,
    /// The last number given to a set of data files; each load takes the next.
    pub generation: u64,
    pub zone: String,
    /// Seed of the hashes in the indexes, so that ids cannot be chosen to collide.
    #[serde(with = "hex")]
    pub secret: u64,
    /// User numbers given so far are `0..user_end`.
    pub user_end: UserNo,
    pub keys: Vec<KeysPart>,
    pub index: Vec<RunPart>,
    pub sets: Option<SetParts>,
    pub attributes: Vec<Column>,
    pub chunks: BTreeMap<u32, ChunkParts>,
    pub properties: Vec<Column>,
    /// Event names; days refer to them by position.
    pub events: Vec<String>,
    pub days: BTreeMap<Day, DayParts>,
    pub tables: BTreeMap<String, TableParts>,
    /// History before this instant was dropped on purpose.
    pub horizon: Option<Timestamp>,
}

/// External ids of users `start..start + count`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct KeysPart {
    pub start: UserNo,
    pub count: u32,
    pub file: Part,
}

/// One sorted run of (hash, user number).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunPart {
    pub count: u64,
    pub pairs: Part,
    pub directory: Part,
}

/// Portable Roaring files: who has a users row, who was named otherwise, who was deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SetParts {
    pub rows: Part,
    pub named: Part,
    pub dead: Part,
}

/// Attributes of 65,536 users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ChunkParts {
    pub table: Part,
    pub bitmaps: Part,
}

/// Events of one local day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DayParts {
    pub rows: Part,
    pub rollup: Part,
    /// In the order of the row groups and of the batches of the roll-up.
    pub events: Vec<EventPart>,
}

/// Rows of one event on one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct EventPart {
    /// Position in [`Manifest::events`].
    pub event: u32,
    pub rows: u64,
    pub groups: u32,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// One detail table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct TableParts {
    pub key: String,
    pub time: Option<String>,
    /// Without key, time and user.
    pub columns: Vec<Column>,
    pub chunks: BTreeMap<u32, DetailPart>,
    pub index: Vec<RunPart>,
}

/// Detail rows of 65,536 users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DetailPart {
    pub rows: u64,
    pub groups: u32,
    pub file: Part,
}

impl Manifest {
    /// A home in which nothing is known yet.
    pub fn empty(zone: Zone, secret: u64) -> Manifest {
        Manifest {
            format: FORMAT,
            version: 0,
            generation: 0,
            zone: zone.name().to_string(),
            secret,
            user_end: 0,
            keys: Vec::new(),
            index: Vec::new(),
            sets: None,
            attributes: Vec::new(),
            chunks: BTreeMap::new(),
            properties: Vec::new(),
            events: Vec::new(),
            days: BTreeMap::new(),
            tables: BTreeMap::new(),
            horizon: None,
        }
    }

    /// Every data file of this version.
    pub fn parts(&self) -> Vec<&Part> {
        let runs = self.index.iter().chain(self.tables.values().flat_map(|table| &table.index));
        let mut parts: Vec<&Part> = self.keys.iter().map(|keys| &keys.file).collect();
        parts.extend(runs.flat_map(|run| [&run.pairs, &run.directory]));
        parts.extend(self.sets.iter().flat_map(|sets| [&sets.rows, &sets.named, &sets.dead]));
        parts.extend(self.chunks.values().flat_map(|chunk| [&chunk.table, &chunk.bitmaps]));
        parts.extend(self.days.values().flat_map(|day| [&day.rows, &day.rollup]));
        parts.extend(self.tables.values().flat_map(|table| table.chunks.values().map(|chunk| &chunk.file)));
        parts
    }

    /// The zone of local days.
    pub fn zone(&self) -> Zone {
        Zone::named(&self.zone).unwrap_or_default()
    }

    /// Makes this the current version: the manifest first, then the one step that counts.
    pub fn publish(&self, disk: &Disk) -> Outcome<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Problem::bug(error.to_string()))?;
        disk.write(&name_of(self.version), &text)?;
        disk.sync_folder(FOLDER)?;
        let line = format!("{:07} {:016x}\n", self.version, xxh3_64(&text));
        disk.write("CURRENT.tmp", line.as_bytes())?;
        disk.rename("CURRENT.tmp", CURRENT)
    }
}

/// Marks a folder as a home that holds nothing yet, so that data without `CURRENT` is never taken
/// for an empty home.
pub(super) fn begin(disk: &Disk) -> Outcome<()> {
    if pointer_text(&disk.root)?.is_some() {
        return Ok(());
    }
    disk.write("CURRENT.tmp", format!("{NOTHING_YET:07} {NOTHING_YET:016x}\n").as_bytes())?;
    disk.rename("CURRENT.tmp", CURRENT)
}

/// The version that `CURRENT` names in a home without data.
const NOTHING_YET: u64 = 0;

/// Where the manifest of a version lies inside the app's folder.
pub(super) fn name_of(version: u64) -> String {
    format!("{FOLDER}/{version:07}.json")
}

/// The newest manifest, held: as long as the file given back is open, no file that the manifest
/// names is removed. `None` when the home is empty.
pub(super) fn current(root: &Path) -> Outcome<Option<(Manifest, File)>> {
    loop {
        let Some((version, sum)) = pointer(root)? else { return Ok(None) };
        let path = root.join(name_of(version));
        let held = File::open(&path).and_then(|file| file.lock_shared().map(|()| file));
        // A writer may publish between our two looks at CURRENT, and clean up; then look again.
        if pointer(root)? != Some((version, sum)) {
            continue;
        }
        let mut file = held.map_err(|error| damaged(&path, error))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(|error| trouble(&path, error))?;
        if xxh3_64(&text) != sum {
            return Err(damaged(&path, "its content has changed since it was written"));
        }
        return Ok(Some((parse(&path, &text)?, file)));
    }
}

/// Reads the text of a manifest.
pub(super) fn parse(path: &Path, text: &[u8]) -> Outcome<Manifest> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = serde_json::from_slice(text).map_err(|error| damaged(path, error))?;
    if head.format != FORMAT {
        let what = format!("the home was written in format {}; this program reads {FORMAT}", head.format);
        let cure = match head.format > FORMAT {
            true => "use the newer quanke that wrote it",
            false => "it is older than the first release: load the files into a new home",
        };
        return Err(Problem::outside("STO-003", what).at(path.display().to_string()).cure(cure));
    }
    serde_json::from_slice(text).map_err(|error| damaged(path, error))
}

const LOST: &str = "it is missing, though the home has had data; nothing is read or cleaned up without it";

/// What `CURRENT` says; `None` where there is no such file.
fn pointer_text(root: &Path) -> Outcome<Option<String>> {
    let path = root.join(CURRENT);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(trouble(&path, error)),
    }
}

/// Is there a manifest? A home has `CURRENT` before it has its first one ([`begin`]), so a manifest
/// without `CURRENT` means that the file was lost.
fn was_published(root: &Path) -> bool {
    let entries = std::fs::read_dir(root.join(FOLDER)).into_iter().flatten().flatten();
    let numbers =
        entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse::<u64>().ok());
    numbers.max().is_some_and(|number| number > 0)
}

/// Version and sum that `CURRENT` names.
fn pointer(root: &Path) -> Outcome<Option<(u64, u64)>> {
    let path = root.join(CURRENT);
    let Some(text) = pointer_text(root)? else {
        return if was_published(root) { Err(damaged(&path, LOST)) } else { Ok(None) };
    };
    let mut words = text.split_whitespace();
    let version = words.next().and_then(|word| word.parse().ok());
    let sum = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
    match version.zip(sum) {
        Some((NOTHING_YET, _)) => Ok(None),
        Some(found) => Ok(Some(found)),
        None => Err(damaged(&path, format!("it says {text:?} where a version and a sum were written"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::Fuse;
    use super::*;

    fn home() -> (tempfile::TempDir, Disk) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk { root: folder.path().to_path_buf(), fuse: Fuse::default() };
        (folder, disk)
    }

    #[test]
    fn a_published_manifest_reads_back() {
        let (_folder, disk) = home();
        assert!(current(&disk.root).unwrap().is_none());
        let mut manifest = Manifest::empty(Zone::default(), u64::MAX - 1);
        manifest.version = 3;
        let part = Part { name: "x".into(), bytes: 1, sum: u64::MAX };
        let events =
            vec![EventPart { event: 0, rows: 1, groups: 1, first_at: Timestamp(-5), last_at: Timestamp(7) }];
        manifest.days.insert(Day(-3), DayParts { rows: part.clone(), rollup: part, events });
        manifest.publish(&disk).unwrap();
        assert_eq!(current(&disk.root).unwrap().unwrap().0, manifest);
    }

    #[test]
    fn a_changed_manifest_or_pointer_is_a_problem() {
        let (_folder, disk) = home();
        let mut manifest = Manifest::empty(Zone::default(), 1);
        manifest.version = 1;
        manifest.publish(&disk).unwrap();
        let path = disk.path(&name_of(1));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("Shanghai", "Tokyo")).unwrap();
        assert_eq!(current(&disk.root).unwrap_err().code, "STO-002");
        std::fs::write(disk.path(CURRENT), "seven").unwrap();
        assert!(current(&disk.root).unwrap_err().what.contains("seven"));
    }

    #[test]
    fn a_newer_format_is_not_guessed_at() {
        let text = br#"{"format": 99}"#;
        assert_eq!(parse(Path::new("m"), text).unwrap_err().code, "STO-003");
    }
}
