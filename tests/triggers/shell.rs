//! The command line in a folder of its own.

use std::ffi::OsString;
use std::sync::Arc;

use quanke::base::{Timestamp, Zone};
use quanke::cli::{Outside, World, run};
use quanke::dispatch::NoFaults;
use serde_json::Value;
use tempfile::TempDir;

pub struct Shell(TempDir);

impl Shell {
    pub fn new() -> Shell {
        Shell(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.path().join(name), text).unwrap();
        self.path(name)
    }

    /// The lines of an NDJSON file; none if it is not there.
    pub fn lines(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.0.path().join(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The document that `quanke ARGUMENTS --json` answers with, at `now`.
    pub fn ask(&self, now: &str, arguments: &[&str]) -> Value {
        let (mut out, mut talk) = (Vec::new(), Vec::new());
        let outside = Outside {
            now: Timestamp::parse(now, &Zone::default()).unwrap(),
            seed: 7,
            process_no: 4711,
            home: Some(self.0.path().join("home")),
            input: None,
            clock: || Timestamp(0),
            faults: Arc::new(NoFaults),
            variable: &|_| None,
        };
        let world = World { outside, seconds: &|| 0.0, is_terminal: false, out: &mut out, talk: &mut talk };
        let all = ["quanke"].iter().chain(arguments).chain(&["--json"]).map(OsString::from);
        let code = run(all.collect::<Vec<_>>(), world);
        let (out, talk) = (String::from_utf8(out).unwrap(), String::from_utf8(talk).unwrap());
        assert_eq!(code, 0, "{arguments:?}\n{out}\n{talk}");
        serde_json::from_str(&out).unwrap()
    }
}
