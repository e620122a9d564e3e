//! Where do the users of a version lie? One file of portable Roaring a version.
//!
//! `crowds/<crowd no>/v000001.roaring` below the app's folder; whoever reads Roaring can read it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_64;

use crate::base::{Outcome, Problem};

/// The versions' files of one app.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
}

/// What was written: the name below the app's folder, and a hash of the bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    pub file: String,
    pub checksum: String,
}

impl Files {
    /// The files below the folder of an app.
    pub fn below(app: &Path) -> Files {
        Files { folder: app.join("crowds") }
    }

    /// Writes a version's users and syncs file and folder.
    /// Errors: OUT-001.
    pub fn write(&self, crowd: u32, no: u32, users: &RoaringBitmap) -> Outcome<Written> {
        let path = self.path(crowd, no);
        let mut bytes = Vec::with_capacity(users.serialized_size());
        users.serialize_into(&mut bytes)?;
        let folder = self.folder_of(crowd);
        fs::create_dir_all(&folder)?;
        let mut file = File::create(&path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        File::open(&folder)?.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        Ok(Written { file: name_of(crowd, no), checksum: format!("{:016x}", xxh3_64(&bytes)) })
    }

    /// Reads a version's users.
    /// Errors: CRD-011 when the file is missing or not what was written.
    pub fn read(&self, crowd: u32, no: u32, checksum: &str) -> Outcome<RoaringBitmap> {
        let path = self.path(crowd, no);
        let damaged = |what: String| {
            let cure = "restore the file from a backup, or refresh (upload) the crowd for a new version";
            Problem::outside("CRD-011", what).at(path.display().to_string()).cure(cure)
        };
        let bytes =
            fs::read(&path).map_err(|e| damaged(format!("the users of this version cannot be read: {e}")))?;
        if format!("{:016x}", xxh3_64(&bytes)) != checksum {
            return Err(damaged("the file is not as it was written".to_string()));
        }
        RoaringBitmap::deserialize_from(bytes.as_slice()).map_err(|e| damaged(e.to_string()))
    }

    /// Takes the mark that says "this version is being made"; it goes when its process ends.
    /// Errors: OUT-001.
    pub fn mark(&self, crowd: u32, no: u32) -> Outcome<Mark> {
        fs::create_dir_all(self.folder_of(crowd))?;
        let path = self.mark_path(crowd, no);
        let file = File::create(&path)?;
        file.try_lock()
            .map_err(|e| Problem::outside("OUT-001", e.to_string()).at(path.display().to_string()))?;
        Ok(Mark { path, _file: file })
    }

    /// Is the process that makes this version still there?
    pub fn is_marked(&self, crowd: u32, no: u32) -> bool {
        match File::open(self.mark_path(crowd, no)) {
            Ok(file) => file.try_lock().is_err(),
            Err(_) => false,
        }
    }

    /// Removes a version's file and mark, if they are there.
    pub fn remove(&self, crowd: u32, no: u32) -> Outcome<()> {
        gone(fs::remove_file(self.path(crowd, no)))?;
        gone(fs::remove_file(self.mark_path(crowd, no)))
    }

    /// Removes the files of this crowd that `is_known` does not know: what an interrupted writer
    /// left. Errors: OUT-001.
    pub fn sweep(&self, crowd: u32, is_known: impl Fn(u32) -> bool) -> Outcome<()> {
        let entries = match fs::read_dir(self.folder_of(crowd)) {
            Ok(entries) => entries,
            Err(_) => return Ok(()),
        };
        for entry in entries {
            let name = entry?.file_name();
            if let Some(no) = name.to_str().and_then(no_of).filter(|no| !is_known(*no)) {
                self.remove(crowd, no)?;
            }
        }
        Ok(())
    }

    fn folder_of(&self, crowd: u32) -> PathBuf {
        self.folder.join(crowd.to_string())
    }

    fn path(&self, crowd: u32, no: u32) -> PathBuf {
        self.folder_of(crowd).join(format!("v{no:06}.roaring"))
    }

    fn mark_path(&self, crowd: u32, no: u32) -> PathBuf {
        self.folder_of(crowd).join(format!("v{no:06}.computing"))
    }
}

fn name_of(crowd: u32, no: u32) -> String {
    format!("crowds/{crowd}/v{no:06}.roaring")
}

fn no_of(file: &str) -> Option<u32> {
    file.strip_prefix('v')?.split('.').next()?.parse().ok()
}

fn gone(result: std::io::Result<()>) -> Outcome<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// A lock on a small file, held while a version is made.
#[derive(Debug)]
pub struct Mark {
    path: PathBuf,
    _file: File,
}

impl Drop for Mark {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_back_as_they_were_written() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::below(home.path());
        let users: RoaringBitmap = (0..100_000).step_by(7).collect();
        let written = files.write(3, 1, &users).unwrap();
        assert_eq!(written.file, "crowds/3/v000001.roaring");
        assert_eq!(files.read(3, 1, &written.checksum).unwrap(), users);
    }

    #[test]
    fn a_damaged_or_missing_file_is_a_problem() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::below(home.path());
        let written = files.write(1, 1, &RoaringBitmap::from([5])).unwrap();
        let path = home.path().join(&written.file);
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 1], &[], &[0xff; 40][..]] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(files.read(1, 1, &written.checksum).unwrap_err().code, "CRD-011");
        }
        assert_eq!(files.read(1, 2, "").unwrap_err().code, "CRD-011");
    }

    #[test]
    fn a_mark_lives_as_long_as_its_maker_and_leftovers_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let files = Files::below(home.path());
        let mark = files.mark(1, 2).unwrap();
        assert!(files.is_marked(1, 2));
        drop(mark);
        assert!(!files.is_marked(1, 2));
        files.write(1, 1, &RoaringBitmap::new()).unwrap();
        files.write(1, 2, &RoaringBitmap::new()).unwrap();
        files.sweep(1, |no| no == 1).unwrap();
        assert!(home.path().join("crowds/1/v000001.roaring").exists());
        assert!(!home.path().join("crowds/1/v000002.roaring").exists());
        files.sweep(9, |_| false).unwrap();
    }
}
