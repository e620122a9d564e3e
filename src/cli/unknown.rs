//! Ids of an upload that no user has: counted, and kept aside in a file.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::words::grouped;
use crate::base::{Outcome, Problem};

/// Takes unknown ids; the file (and its folder) is made for the first one.
pub struct Unknown {
    path: PathBuf,
    header: &'static [&'static str],
    writer: Option<csv::Writer<BufWriter<File>>>,
    count: u64,
    /// The first thing that went wrong; told at the end, since ids come from inside a load.
    failure: Option<Problem>,
}

/// What was kept aside.
pub struct Kept {
    pub count: u64,
    pub file: Option<String>,
}

impl Unknown {
    /// Will write to `path`, or with a number behind its name if that is taken.
    pub fn new(path: PathBuf) -> Unknown {
        Unknown::with(path, &["user_id"])
    }

    /// The same with columns of these names.
    pub fn with(path: PathBuf, header: &'static [&'static str]) -> Unknown {
        Unknown { path, header, writer: None, count: 0, failure: None }
    }

    /// One more id.
    pub fn add(&mut self, id: &str) {
        self.add_row(&[id]);
    }

    /// One more row.
    pub fn add_row(&mut self, row: &[&str]) {
        self.count += 1;
        if self.failure.is_none() {
            self.failure = self.write(row).err();
        }
    }

    /// Rows so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    fn write(&mut self, row: &[&str]) -> Outcome<()> {
        if self.writer.is_none() {
            let (path, file) = create(&self.path)?;
            self.path = path;
            let mut writer = csv::Writer::from_writer(BufWriter::new(file));
            writer.write_record(self.header).map_err(failed)?;
            self.writer = Some(writer);
        }
        match &mut self.writer {
            Some(writer) => writer.write_record(row).map_err(failed),
            None => Ok(()),
        }
    }

    /// Syncs the file.
    /// Errors: OUT-001 when not all ids could be written.
    pub fn close(self) -> Outcome<Kept> {
        if let Some(failure) = self.failure {
            return Err(failure.at(self.path.display().to_string()));
        }
        let Some(writer) = self.writer else { return Ok(Kept { count: 0, file: None }) };
        let mut buffer = writer.into_inner().map_err(|e| Problem::outside("OUT-001", e.to_string()))?;
        buffer.flush()?;
        buffer.get_ref().sync_all()?;
        Ok(Kept { count: self.count, file: Some(self.path.display().to_string()) })
    }
}

impl Kept {
    /// For the end of a summary line; `shared` are numbers that several users have.
    pub fn text(&self, shared: u64) -> String {
        let Some(file) = &self.file else { return String::new() };
        let counts = [("unknown ids", self.count), ("shared numbers", shared)];
        let told = counts.iter().filter(|(_, count)| *count > 0);
        let told: String = told.map(|(word, count)| format!(" · {word} {}", grouped(*count))).collect();
        format!("{told} ({file})")
    }
}

/// Makes a file of this name, or the first free one of `name-2`, `name-3` ….
fn create(path: &Path) -> Outcome<(PathBuf, File)> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut number = 1;
    loop {
        let name = numbered(path, number);
        match File::create_new(&name) {
            Ok(file) => return Ok((name, file)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Problem::from(error).at(name.display().to_string())),
        }
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    match (number, path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|e| e.to_str())) {
        (2.., Some(stem), Some(extension)) => path.with_file_name(format!("{stem}-{number}.{extension}")),
        _ => path.to_path_buf(),
    }
}

fn failed(error: csv::Error) -> Problem {
    Problem::from(std::io::Error::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_aside_under_a_free_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects/unknown.csv");
        for expected in ["unknown.csv", "unknown-2.csv"] {
            let mut unknown = Unknown::new(path.clone());
            unknown.add("00001");
            unknown.add("二,号");
            let kept = unknown.close().unwrap();
            assert_eq!(kept.count, 2);
            assert!(kept.file.unwrap().ends_with(expected));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "user_id\n00001\n\"二,号\"\n");
    }

    #[test]
    fn nothing_unknown_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Unknown::new(folder.path().join("rejects/unknown.csv")).close().unwrap();
        assert_eq!((kept.count, kept.file), (0, None));
        assert!(!folder.path().join("rejects").exists());
    }
}
