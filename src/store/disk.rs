//! How do bytes get onto the disk so that a crash at any point is harmless?
//!
//! Data files are written once, summed as they are written, synced, and never changed. Every
//! operation passes a [`Fuse`], so that a test can make the n-th one (and all after it) fail.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::base::{Outcome, Problem};

/// Bytes gathered before they are handed to the system: few calls, little memory.
const PENDING_BYTES: usize = 256 * 1024;

/// A finished data file, as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Path inside the app's folder, with `/`.
    pub name: String,
    pub bytes: u64,
    /// XXH3 of the content.
    #[serde(with = "hex")]
    pub sum: u64,
}

/// 64-bit numbers as 16 hex digits: JSON numbers lose the low bits in some readers.
pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(number: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{number:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

/// Lets `n` file operations pass and fails all later ones, as if the process had been killed.
#[derive(Debug, Clone, Default)]
pub(super) struct Fuse(Option<Arc<AtomicI64>>);

impl Fuse {
    #[cfg(test)]
    pub fn after(operations: i64) -> Fuse {
        Fuse(Some(Arc::new(AtomicI64::new(operations))))
    }

    #[cfg(test)]
    pub fn left(&self) -> i64 {
        self.0.as_ref().map_or(i64::MAX, |left| left.load(Ordering::Relaxed))
    }

    fn burn(&self) -> io::Result<()> {
        let left = self.0.as_ref().map_or(1, |left| left.fetch_sub(1, Ordering::Relaxed));
        if left > 0 { Ok(()) } else { Err(io::Error::other("the fuse of a test has blown")) }
    }
}

/// The app's folder as the writer sees it.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub root: PathBuf,
    pub fuse: Fuse,
}

impl Disk {
    /// Where a part lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Starts a new data file; its folder is made.
    pub fn create(&self, name: &str) -> Outcome<Sink> {
        let path = self.path(name);
        self.make_folder_of(&path)?;
        let made = self.fuse.burn().and_then(|()| File::create(&path));
        let file = made.map_err(|error| trouble(&path, error))?;
        let pending = Vec::with_capacity(PENDING_BYTES);
        Ok(Sink {
            file,
            path,
            name: name.to_string(),
            pending,
            sum: Xxh3::new(),
            bytes: 0,
            fuse: self.fuse.clone(),
        })
    }

    /// A whole small file at once.
    pub fn write(&self, name: &str, content: &[u8]) -> Outcome<Part> {
        let mut sink = self.create(name)?;
        sink.write_all(content).map_err(|error| trouble(&sink.path, error))?;
        sink.finish()
    }

    /// Moves a file over another in one step, then makes the step durable.
    pub fn rename(&self, from: &str, to: &str) -> Outcome<()> {
        let (from, to) = (self.path(from), self.path(to));
        self.fuse.burn().and_then(|()| fs::rename(&from, &to)).map_err(|error| trouble(&to, error))?;
        self.sync_folder("")
    }

    /// Removes a file; one that is gone already is no problem.
    pub fn remove(&self, path: &Path) -> Outcome<()> {
        match self.fuse.burn().and_then(|()| fs::remove_file(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(trouble(path, error)),
            _ => Ok(()),
        }
    }

    /// Makes the names in a folder durable.
    pub fn sync_folder(&self, name: &str) -> Outcome<()> {
        let path = self.path(name);
        let synced = self.fuse.burn().and_then(|()| sync_dir(&path));
        synced.map_err(|error| trouble(&path, error))
    }

    fn make_folder_of(&self, path: &Path) -> Outcome<()> {
        let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) else { return Ok(()) };
        let made = self.fuse.burn().and_then(|()| fs::create_dir_all(folder));
        made.map_err(|error| trouble(folder, error))?;
        let above = folder.parent().unwrap_or(folder);
        sync_dir(above).map_err(|error| trouble(above, error))
    }
}

/// Windows cannot open a folder to sync it, and does not need to.
fn sync_dir(path: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(path)?.sync_all() }
}

/// A data file being written: sums and counts what passes.
pub(super) struct Sink {
    file: File,
    path: PathBuf,
    name: String,
    pending: Vec<u8>,
    sum: Xxh3,
    bytes: u64,
    fuse: Fuse,
}

impl Sink {
    /// Where it lies, for problems.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is pending and waits until the disk has it all.
    pub fn finish(mut self) -> Outcome<Part> {
        let done = self.pass_on().and_then(|()| self.fuse.burn()).and_then(|()| self.file.sync_all());
        done.map_err(|error| trouble(&self.path, error))?;
        Ok(Part { name: self.name, bytes: self.bytes, sum: self.sum.digest() })
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if let Err(error) = self.fuse.burn() {
            // A process that is killed leaves half of what it was writing.
            self.file.write_all(&self.pending[..self.pending.len() / 2])?;
            return Err(error);
        }
        self.file.write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PENDING_BYTES {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A failure of the disk at a path.
pub(super) fn trouble(path: &Path, error: io::Error) -> Problem {
    Problem::from(error).at(path.display().to_string())
}

/// A failure of Arrow or Parquet while writing: the disk, in the end.
pub(super) fn not_written(path: &Path, error: impl std::fmt::Display) -> Problem {
    Problem::outside("OUT-001", error.to_string()).at(path.display().to_string())
}

/// A stored file whose content is not what was written.
pub(super) fn damaged(path: &Path, what: impl std::fmt::Display) -> Problem {
    Problem::outside("STO-002", format!("the file is damaged: {what}")).at(path.display().to_string()).cure(
        if is_derived(path) {
            "run `quanke compact`: it makes this file again from the rows"
        } else {
            "restore the home from a copy, or ingest again into a new home"
        },
    )
}

/// Does a file only repeat what others say, so that it can be made again? Roll-ups, bitmaps of values
/// and indexes do.
pub(super) fn is_derived(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ends = [".rollup.arrow", ".bitmaps.arrow"];
    let begins = ["index.g", "directory.g"];
    ends.iter().any(|end| name.ends_with(end)) || begins.iter().any(|begin| name.starts_with(begin))
}

/// Opens a part after checking that it has its full length.
pub(super) fn open_part(root: &Path, part: &Part) -> Outcome<File> {
    let path = root.join(&part.name);
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => damaged(&path, "it is missing"),
        _ => trouble(&path, error),
    })?;
    let bytes = file.metadata().map_err(|error| trouble(&path, error))?.len();
    if bytes == part.bytes {
        return Ok(file);
    }
    Err(damaged(&path, format!("it has {bytes} bytes where {} were written", part.bytes)))
}

/// Reads a part whole and compares its sum.
pub(super) fn verify_part(root: &Path, part: &Part) -> Outcome<()> {
    let mut file = open_part(root, part)?;
    let path = root.join(&part.name);
    let mut sum = Xxh3::new();
    let mut piece = vec![0; PENDING_BYTES];
    loop {
        match file.read(&mut piece).map_err(|error| trouble(&path, error))? {
            0 => break,
            bytes => sum.update(&piece[..bytes]),
        }
    }
    if sum.digest() == part.sum {
        Ok(())
    } else {
        Err(damaged(&path, "its content has changed since it was written"))
    }
}

/// Reads a small part whole, and checks its sum.
pub(super) fn read_part(root: &Path, part: &Part) -> Outcome<Vec<u8>> {
    let mut file = open_part(root, part)?;
    let mut content = Vec::with_capacity(part.bytes as usize);
    file.read_to_end(&mut content).map_err(|error| trouble(&root.join(&part.name), error))?;
    match xxhash_rust::xxh3::xxh3_64(&content) == part.sum {
        true => Ok(content),
        false => Err(damaged(&root.join(&part.name), "its content has changed since it was written")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_knows_its_length_and_its_sum() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk { root: folder.path().to_path_buf(), fuse: Fuse::default() };
        let part = disk.write("a/b.bin", b"content").unwrap();
        assert_eq!(part.bytes, 7);
        verify_part(&disk.root, &part).unwrap();
        fs::write(disk.path("a/b.bin"), b"c0ntent").unwrap();
        assert_eq!(verify_part(&disk.root, &part).unwrap_err().code, "STO-002");
        fs::write(disk.path("a/b.bin"), b"cont").unwrap();
        assert!(open_part(&disk.root, &part).unwrap_err().what.contains("4 bytes where 7"));
        fs::remove_file(disk.path("a/b.bin")).unwrap();
        assert!(open_part(&disk.root, &part).unwrap_err().what.contains("missing"));
    }
}
