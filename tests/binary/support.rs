//! Runs `quanke` and reads what it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A home of its own for one test.
pub struct Place {
    folder: TempDir,
}

/// What one command left behind.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub talk: String,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Writes a file beside the home and gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quanke"));
        command.args(words).arg("--home").arg(self.home());
        command.env_remove("QUANKE_HOME").env_remove("QUANKE_DIE_AT").stdin(std::process::Stdio::null());
        command
    }

    /// Runs a command, whatever comes of it.
    pub fn try_run(&self, words: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: status.code().unwrap_or(-1), out: text(stdout), talk: text(stderr) }
    }

    /// Runs a command that must succeed; gives its stdout.
    pub fn run(&self, words: &[&str]) -> String {
        let said = self.try_run(words);
        assert_eq!(said.code, 0, "{words:?}\n{}\n{}", said.out, said.talk);
        said.out
    }

    /// Runs a command with `--json`.
    pub fn json(&self, words: &[&str]) -> Value {
        let out = self.run(&[words, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}\n{out}"))
    }

    /// The exact count of a selection.
    pub fn count(&self, selection: &str, as_of: &str) -> u64 {
        self.json(&["estimate", selection, "--as-of", as_of])["count"].as_u64().unwrap()
    }

    /// The lines of an outbox.
    pub fn outbox(&self, task: &str) -> Vec<Value> {
        let path = self.home().join(format!("outbox/{task}.ndjson"));
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A file of this repository.
pub fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

/// Creates, submits and approves a task; gives its id.
pub fn approved(place: &Place, file: &str, now: &str) -> String {
    let created = place.json(&["task", "create", file, "--now", now]);
    assert_eq!(created["state"], "draft");
    let id = created["id"].as_str().unwrap().to_string();
    place.run(&["task", "submit", &id, "--now", now]);
    place.run(&["task", "approve", &id, "--now", now]);
    id
}

/// Adds up a book as semantics 6.6 says.
pub fn assert_balanced(book: &Value) {
    let n = |name: &str| book[name].as_u64().unwrap_or_else(|| panic!("{name} in {book}"));
    assert_eq!(n("due"), n("withheld") + n("suppressed") + n("held") + n("handed"), "{book}");
    assert_eq!(n("handed"), n("delivered") + n("refused") + n("unknown") + n("awaiting"), "{book}");
}
