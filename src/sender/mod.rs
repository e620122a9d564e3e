//! How does this channel say it?
//!
//! Each channel is a folder with one [`Sender`]: `file` appends a line a
//! touch to a file, `blackhole` takes everything and keeps nothing, `webhook` posts signed JSON.
//! [`build`] makes those that quanke.toml sets up; `file` and `blackhole` need no set-up. To add a
//! channel: a folder here, a line in [`build`], and a line in the contract test of `tests.rs`.

pub mod blackhole;
pub mod file;
pub mod line;
pub mod webhook;

use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};

use crate::base::{Problem, Problems, Timestamp};
use crate::dispatch::{Faults, Sender, Senders};

pub use blackhole::Blackhole;
pub use file::FileSender;
pub use webhook::Webhook;

/// What senders get from `main`.
pub struct World<'a> {
    /// The folder `outbox` of the app.
    pub outbox: &'a Path,
    /// The wall clock, for signatures.
    pub clock: fn() -> Timestamp,
    /// The value of an environment variable, for `secret_env`.
    pub secret: &'a dyn Fn(&str) -> Option<String>,
    pub faults: Arc<dyn Faults>,
}

const KINDS: [&str; 3] = ["file", "blackhole", "webhook"];

/// The senders of `[senders.NAME]` in quanke.toml (`settings` is the table `senders`), and `file`
/// and `blackhole`. Errors: SND-001 for every wrong setting at once.
pub fn build(settings: &Table, world: &World) -> Result<Senders, Problems> {
    let mut problems = Problems::default();
    let mut senders = Senders::new();
    senders.insert("file".into(), Arc::new(FileSender::new("file", world.outbox, world.faults.clone())));
    senders.insert("blackhole".into(), Arc::new(Blackhole::new("blackhole")));
    for (name, value) in settings {
        match one(name, value, world) {
            Ok(sender) => drop(senders.insert(name.clone(), sender)),
            Err(found) => problems.0.extend(found.0),
        }
    }
    problems.or(senders)
}

fn one(name: &str, value: &Value, world: &World) -> Result<Arc<dyn Sender>, Problems> {
    let Some(table) = value.as_table() else {
        return Err(wrong(name, "it must be a table", "write [senders.NAME] and its keys below").into());
    };
    match table.get("kind").and_then(Value::as_str) {
        Some("file") => Ok(Arc::new(FileSender::new(name, world.outbox, world.faults.clone()))),
        Some("blackhole") => Ok(Arc::new(Blackhole::new(name))),
        Some("webhook") => {
            let config = webhook::Config::read(name, table, world.secret)?;
            Ok(Arc::new(Webhook::new(config, world.clock)?))
        }
        other => {
            let what = format!("`kind` is {}; it can be {}", other.unwrap_or("missing"), KINDS.join(", "));
            Err(wrong(name, what, "write kind = \"webhook\"").into())
        }
    }
}

/// A setting of a sender that is wrong.
pub(crate) fn wrong(name: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
    Problem::author("SND-001", what).at(format!("quanke.toml [senders.{name}]")).cure(cure)
}

#[cfg(test)]
mod tests;
