//! What `main` hands in, and the two roads out: data to stdout, talk to stderr.

use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;

use super::table;
use crate::base::{Problem, Problems, Timestamp};

/// The world as `main` found it.
pub struct World<'a> {
    /// The wall clock, read once.
    pub now: Timestamp,
    /// Fresh randomness, drawn once.
    pub seed: u64,
    /// The number of this process, for those who wait for it.
    pub process_no: u32,
    /// `QUANKE_HOME`, if set.
    pub home: Option<PathBuf>,
    /// Reads an environment variable, for credentials that the settings name.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
    /// Seconds since some fixed point.
    pub seconds: &'a (dyn Fn() -> f64 + Sync),
    /// May bars be drawn on stderr?
    pub is_terminal: bool,
    /// What `-` means.
    pub input: Option<Box<dyn Read + Send>>,
    /// Data.
    pub out: &'a mut dyn Write,
    /// Talk.
    pub talk: &'a mut dyn Write,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The command itself is wrong (exit 2).
    Usage(Problem),
    /// Problems of the author, the data or the outside (exit 1 or 3).
    Found(Problems),
    /// Whoever read our output has gone: nothing to say, nobody to say it to (exit 0).
    Closed,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Found(problem.into())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        Failure::Found(problems)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::Found(Problem::from(error).into()),
        }
    }
}

/// What commands give: nothing, or why not.
pub type Done = Result<(), Failure>;

/// The two roads out.
pub struct Door<'a> {
    pub is_json: bool,
    out: &'a mut dyn Write,
    talk: &'a mut dyn Write,
}

impl<'a> Door<'a> {
    /// A door over stdout and stderr.
    pub fn new(is_json: bool, out: &'a mut dyn Write, talk: &'a mut dyn Write) -> Door<'a> {
        Door { is_json, out, talk }
    }

    /// Data: lines of text to stdout.
    pub fn data(&mut self, text: &str) -> Done {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Data: one JSON document to stdout.
    pub fn json(&mut self, document: &serde_json::Value) -> Done {
        let text = serde_json::to_string_pretty(document).map_err(|e| Problem::bug(e.to_string()))?;
        self.data(&text)
    }

    /// Data: the document with `--json`, the text without.
    pub fn answer(&mut self, document: serde_json::Value, text: impl FnOnce() -> String) -> Done {
        if self.is_json { self.json(&document) } else { self.data(text().trim_end_matches('\n')) }
    }

    /// Data: a table with `--json` as a document, else aligned for people.
    pub fn rows(&mut self, document: serde_json::Value, rows: &[Vec<table::Cell>]) -> Done {
        self.answer(document, || table::aligned(rows))
    }

    /// The road for data itself, for streams of rows.
    pub fn stream(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Talk: a line to stderr. Talk that nobody can hear is no failure.
    pub fn say(&mut self, text: &str) {
        let _ = writeln!(self.talk, "{text}");
    }

    /// Warnings, in the form of problems, to stderr.
    pub fn warn(&mut self, warnings: &[Problem]) {
        for warning in warnings {
            let text = warning.to_string().replacen("error ", "warning ", 1);
            self.say(&text);
        }
    }
}
