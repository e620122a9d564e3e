//! The settings of a webhook in quanke.toml.

use std::time::Duration;

use toml::Table;

use crate::base::Problems;
use crate::sender::http::{Times, shown};
use crate::sender::reader::Reader;

const KEYS: [&str; 9] = [
    "url",
    "reconcile_url",
    "secret",
    "secret_env",
    "timeout",
    "connect_timeout",
    "parallel",
    "idempotent",
    "on_accept",
];
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PARALLEL: usize = 4;

/// Where and how a webhook posts.
#[derive(Clone)]
pub struct Config {
    pub name: String,
    pub url: String,
    /// Where it is asked what became of touches.
    pub reconcile_url: Option<String>,
    /// The key of the signature; no signature without one.
    pub secret: Option<String>,
    pub times: Times,
    /// Batches side by side.
    pub parallel: usize,
    /// Does the receiver take a second post with the same key for the first?
    pub is_idempotent: bool,
    /// Does 2xx without receipts mean delivered (else: awaiting)?
    pub is_delivered_when_taken: bool,
}

impl Config {
    /// Reads `[senders.NAME]`; `secret` looks an environment variable up.
    /// Errors: SND-001 for every wrong key at once.
    pub fn read(
        name: &str,
        table: &Table,
        secret: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Problems> {
        let mut reader = Reader::new(name, table, &KEYS);
        let url = reader.url("url");
        if url.is_none() && !table.contains_key("url") {
            reader.note("`url` is missing", "write url = \"https://…\"");
        }
        let config = Config {
            name: name.to_string(),
            url: url.unwrap_or_default(),
            reconcile_url: reader.url("reconcile_url"),
            secret: reader.secret("secret", secret),
            times: Times {
                whole: reader.duration("timeout", TIMEOUT),
                connect: reader.duration("connect_timeout", CONNECT_TIMEOUT),
            },
            parallel: reader.parallel(PARALLEL),
            is_idempotent: reader.flag("idempotent", true),
            is_delivered_when_taken: reader.on_accept(),
        };
        reader.finish(config)
    }

    /// Where the sender stands, for problems: its name and its URL without the query.
    pub fn place(&self) -> String {
        format!("sender {} {}", self.name, shown(&self.url))
    }
}
