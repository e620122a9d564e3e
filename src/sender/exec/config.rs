//! The settings of a program in quanke.toml.

use std::time::Duration;

use toml::Table;

use crate::base::Problems;
use crate::sender::reader::Reader;

const KEYS: [&str; 6] = ["command", "reconcile", "timeout", "parallel", "idempotent", "on_accept"];
const TIMEOUT: Duration = Duration::from_secs(60);

/// Which program, and what it promises.
#[derive(Debug, Clone)]
pub struct Config {
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The program that tells what became of touches, with its arguments; empty if there is none.
    pub reconcile: Vec<String>,
    /// For a whole batch; then the program is ended.
    pub timeout: Duration,
    pub parallel: usize,
    /// Does it take a second batch with the same key for the first?
    pub is_idempotent: bool,
    /// Does exit code 0 mean delivered for touches without a receipt (else: awaiting)?
    pub is_delivered_when_taken: bool,
}

impl Config {
    /// Reads `[senders.NAME]`. Errors: SND-001 for every wrong key at once.
    pub fn read(name: &str, table: &Table) -> Result<Config, Problems> {
        let mut reader = Reader::new(name, table, &KEYS);
        let config = Config {
            name: name.to_string(),
            command: reader.texts("command"),
            reconcile: reader.texts("reconcile"),
            timeout: reader.duration("timeout", TIMEOUT),
            parallel: reader.parallel(1),
            is_idempotent: reader.flag("idempotent", false),
            is_delivered_when_taken: reader.on_accept(),
        };
        if config.command.first().is_none_or(String::is_empty) {
            reader.note(
                "`command` is missing or empty",
                "write command = [\"/usr/local/bin/send\", \"--now\"]",
            );
        }
        reader.finish(config)
    }
}
