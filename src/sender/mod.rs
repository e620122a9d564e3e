//! How does this channel say it?
//!
//! Each channel is a folder with one [`Sender`]: `file` appends a line a touch to a file, `blackhole` takes
//! everything and keeps nothing, `webhook` posts signed JSON, `exec` feeds a program, `sms` calls a gateway,
//! `staff` writes to-dos. [`build`] makes those that quanke.toml sets up; `file` and `blackhole` need no
//! set-up. [`receipts`] reads what channels say later. To add a channel: a folder here, a line in [`build`],
//! and a line in the contract test of `tests.rs`; from outside, `examples/sender.rs`.

pub mod blackhole;
pub mod exec;
pub mod file;
mod http;
pub mod line;
mod paced;
mod quota;
mod reader;
pub mod receipts;
pub mod sms;
pub mod staff;
pub mod webhook;
mod word;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use toml::{Table, Value};

use crate::base::{Problem, Problems, Timestamp};
use crate::dispatch::{Bucket, Faults, Policies, Rate, Sender, Senders};

pub use blackhole::Blackhole;
pub use exec::Exec;
pub use file::FileSender;
pub use paced::Paced;
pub use quota::quotas;
pub use sms::Sms;
pub use staff::Staff;
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
    /// What channels allow.
    pub policies: &'a Policies,
}

const KINDS: [&str; 6] = ["file", "blackhole", "webhook", "exec", "sms", "staff"];

/// Makes a sender of a kind from its table in quanke.toml. Errors: all that is wrong in the table.
pub type Maker = fn(&str, &Table, &World) -> Result<Arc<dyn Sender>, Problems>;

/// Kinds that a program around this library added.
static MORE_KINDS: Mutex<BTreeMap<String, Maker>> = Mutex::new(BTreeMap::new());

/// Adds a kind of sender: `kind = "…"` in quanke.toml then makes one. Once, before the command line runs;
/// kinds of our own keep their meaning. `examples/sender.rs` shows it.
pub fn add_kind(kind: &str, maker: Maker) {
    MORE_KINDS.lock().unwrap_or_else(PoisonError::into_inner).insert(kind.to_string(), maker);
}

/// A mistake in the settings of a sender, for makers. The code is SND-001.
pub fn mistake(name: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
    wrong(name, what, cure)
}

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
    let sender = of_kind(name, table, world)?;
    let Some(rate) = rate(name, table)? else { return Ok(sender) };
    Ok(Arc::new(Paced::new(sender, Bucket::new(rate, world.clock))))
}

fn of_kind(name: &str, table: &Table, world: &World) -> Result<Arc<dyn Sender>, Problems> {
    match table.get("kind").and_then(Value::as_str) {
        Some("file") => Ok(Arc::new(FileSender::new(name, world.outbox, world.faults.clone()))),
        Some("blackhole") => Ok(Arc::new(Blackhole::new(name))),
        Some("webhook") => {
            let config = webhook::Config::read(name, table, world.secret)?;
            Ok(Arc::new(Webhook::new(config, world.clock)?))
        }
        Some("exec") => Ok(Arc::new(Exec::new(exec::Config::read(name, table)?))),
        Some("sms") => {
            let config = sms::Config::read(name, table, world.secret)?;
            Ok(Arc::new(Sms::new(config, world.clock, world.policies)?))
        }
        Some("staff") => Ok(Arc::new(Staff::read(name, table, world.outbox, world.faults.clone())?)),
        other => match added(other) {
            Some(maker) => maker(name, table, world),
            None => Err(unknown_kind(name, other).into()),
        },
    }
}

fn added(kind: Option<&str>) -> Option<Maker> {
    MORE_KINDS.lock().unwrap_or_else(PoisonError::into_inner).get(kind?).copied()
}

fn unknown_kind(name: &str, kind: Option<&str>) -> Problem {
    let what = format!("`kind` is {}; it can be {}", kind.unwrap_or("missing"), KINDS.join(", "));
    wrong(name, what, "write kind = \"webhook\"")
}

/// The key `rate`, which every kind has.
fn rate(name: &str, table: &Table) -> Result<Option<Rate>, Problem> {
    let Some(value) = table.get("rate") else { return Ok(None) };
    match value.as_str().and_then(Rate::parse) {
        Some(rate) => Ok(Some(rate)),
        None => Err(wrong(
            name,
            format!("`rate` is {value}, which is no rate"),
            "write for example rate = \"100/s\"",
        )),
    }
}

/// A setting of a sender that is wrong.
pub(crate) fn wrong(name: &str, what: impl Into<String>, cure: impl Into<String>) -> Problem {
    Problem::author("SND-001", what).at(format!("quanke.toml [senders.{name}]")).cure(cure)
}

#[cfg(test)]
mod tests;
