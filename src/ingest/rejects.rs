//! Where do bad rows go? One JSON line each, with place, reason, code and the row as it was read.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use serde_json::{Map, Value, json};

use super::convert::{Bad, cell};
use super::plan::Plan;
use super::read::Frame;
use crate::base::{Outcome, Problem};

/// Names tried when the file is there already.
const NAMES_MAX: u32 = 10_000;

/// A row that cannot be taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// Counted from 1 over the file's data rows.
    pub row: u64,
    /// Counted from 1; text files only.
    pub line: Option<u64>,
    pub code: &'static str,
    pub reason: String,
    /// The row's values by column, or its text under `raw`.
    pub data: Map<String, Value>,
}

/// The file of rejected rows, made when the first is written.
pub struct Rejects {
    asked: PathBuf,
    open: Option<(PathBuf, BufWriter<File>)>,
    /// What was written since somebody listens.
    heard: Option<Vec<Refusal>>,
}

/// A line that was refused, for whoever sent it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    /// Counted from 1.
    pub line: u64,
    pub code: &'static str,
    pub reason: String,
}

impl Rejects {
    /// Rejects that will go to `asked`, or to `asked-2`, `asked-3` … if that is taken.
    pub fn new(asked: PathBuf) -> Rejects {
        Rejects { asked, open: None, heard: None }
    }

    /// The same; what is written can be heard as well.
    pub fn heard(self) -> Rejects {
        Rejects { heard: Some(Vec::new()), ..self }
    }

    /// What was written since this was last asked; nothing if nobody listens.
    pub fn take_heard(&mut self) -> Vec<Refusal> {
        self.heard.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The file, if a row was rejected.
    pub fn path(&self) -> Option<&Path> {
        self.open.as_ref().map(|(path, _)| path.as_path())
    }

    /// Writes one row of the file named `file`. Errors: OUT-001.
    pub fn write(&mut self, file: &str, reject: Reject) -> Outcome<()> {
        if let Some(heard) = &mut self.heard {
            let line = reject.line.unwrap_or(reject.row);
            heard.push(Refusal { line, code: reject.code, reason: reject.reason.clone() });
        }
        let mut line = Map::new();
        line.insert("file".into(), json!(file));
        line.insert("row".into(), json!(reject.row));
        reject.line.map(|number| line.insert("line".into(), json!(number)));
        line.insert("reason".into(), json!(reject.reason));
        line.insert("code".into(), json!(reject.code));
        line.insert("data".into(), Value::Object(reject.data));
        let (path, file) = self.opened()?;
        writeln!(file, "{}", Value::Object(line)).map_err(|error| failed(error, path))
    }

    /// Writes out what is still in memory. Errors: OUT-001.
    pub fn flush(&mut self) -> Outcome<()> {
        match &mut self.open {
            Some((path, file)) => file.flush().map_err(|error| failed(error, path)),
            None => Ok(()),
        }
    }

    fn opened(&mut self) -> Outcome<&mut (PathBuf, BufWriter<File>)> {
        let opened = match self.open.take() {
            Some(opened) => opened,
            None => create(&self.asked)?,
        };
        Ok(self.open.insert(opened))
    }
}

/// Writes a frame's bad rows in their order: those that could not be read, and those in `bad`.
/// Errors: OUT-001.
pub fn write_rejects(rejects: &mut Rejects, file: &str, frame: &Frame, bad: Bad, plan: &Plan) -> Outcome<()> {
    let spoiled = frame.spoiled.iter().map(|spoiled| Reject {
        row: spoiled.row,
        line: spoiled.line,
        code: spoiled.code,
        reason: spoiled.reason.clone(),
        data: Map::from_iter([("raw".to_string(), Value::from(spoiled.raw.as_str()))]),
    });
    let misfit = bad.0.into_iter().map(|(n, (code, reason))| {
        let (row, line) = frame.numbers.of(n);
        Reject { row, line, code, reason, data: data_of(frame, n, plan) }
    });
    let mut found: Vec<Reject> = spoiled.chain(misfit).collect();
    found.sort_by_key(|reject| reject.row);
    found.into_iter().try_for_each(|reject| rejects.write(file, reject))
}

/// A row's known values by column, as they were read.
fn data_of(frame: &Frame, row: usize, plan: &Plan) -> Map<String, Value> {
    let columns = plan.names.iter().zip(&frame.columns);
    columns.filter_map(|(name, array)| Some((name.clone(), shown(array.as_ref()?, row)?))).collect()
}

fn shown(array: &dyn Array, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    if let Some(marks) = array.as_boolean_opt() {
        return Some(Value::from(marks.value(row)));
    }
    let text = cell(array, row);
    let number = array
        .data_type()
        .is_numeric()
        .then(|| serde_json::from_str::<serde_json::Number>(&text).ok())
        .flatten();
    Some(number.map_or(Value::from(text), Value::from))
}

fn create(asked: &Path) -> Outcome<(PathBuf, BufWriter<File>)> {
    if let Some(folder) = asked.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(error, folder))?;
    }
    for number in 1..NAMES_MAX {
        let path = if number == 1 { asked.to_path_buf() } else { numbered(asked, number) };
        match File::create_new(&path) {
            Ok(file) => return Ok((path, BufWriter::new(file))),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error, &path)),
        }
    }
    Err(failed(std::io::ErrorKind::AlreadyExists.into(), asked))
}

fn numbered(asked: &Path, number: u32) -> PathBuf {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let ending = asked.extension().map(|ending| format!(".{}", part(Some(ending)))).unwrap_or_default();
    asked.with_file_name(format!("{}-{number}{ending}", part(asked.file_stem())))
}

fn failed(error: std::io::Error, path: &Path) -> Problem {
    Problem::from(error).at(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let asked = home.path().join("rejects/a.ndjson");
        let reject = Reject { row: 1, line: None, code: "ING-101", reason: "x".into(), data: Map::new() };
        for name in ["a.ndjson", "a-2.ndjson", "a-3.ndjson"] {
            let mut rejects = Rejects::new(asked.clone());
            assert_eq!(rejects.path(), None);
            rejects.write("f", reject.clone()).unwrap();
            rejects.flush().unwrap();
            assert_eq!(rejects.path().unwrap(), home.path().join("rejects").join(name));
        }
        let text = std::fs::read_to_string(&asked).unwrap();
        assert_eq!(text, "{\"file\":\"f\",\"row\":1,\"reason\":\"x\",\"code\":\"ING-101\",\"data\":{}}\n");
    }
}
