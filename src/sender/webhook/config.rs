//! The settings of a webhook in quanke.toml.

use std::time::Duration;

use toml::{Table, Value};

use crate::base::{Problem, Problems};
use crate::dispatch::duration_ms;
use crate::sender::wrong;

const KEYS: [&str; 9] = [
    "kind",
    "url",
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
/// More side by side than this helps no receiver.
const PARALLEL_MAX: i64 = 16;

/// Where and how a webhook posts.
#[derive(Clone)]
pub struct Config {
    pub name: String,
    pub url: String,
    /// The key of the signature; no signature without one.
    pub secret: Option<String>,
    /// For the whole exchange.
    pub timeout: Duration,
    pub connect_timeout: Duration,
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
        let mut reader = Reader { name, table, problems: Problems::default() };
        reader.unknown_keys();
        let config = Config {
            name: name.to_string(),
            url: reader.url(),
            secret: reader.secret(secret),
            timeout: reader.duration("timeout", TIMEOUT),
            connect_timeout: reader.duration("connect_timeout", CONNECT_TIMEOUT),
            parallel: reader.parallel(),
            is_idempotent: reader.flag("idempotent", true),
            is_delivered_when_taken: reader.text("on_accept").is_some_and(|word| word == "delivered"),
        };
        reader.on_accept();
        reader.problems.or(config)
    }

    /// Without the query, which may hold a key.
    pub fn shown_url(&self) -> &str {
        self.url.split('?').next().unwrap_or("")
    }

    /// Is the road unencrypted?
    pub fn is_plain(&self) -> bool {
        self.url.starts_with("http://")
    }
}

struct Reader<'a> {
    name: &'a str,
    table: &'a Table,
    problems: Problems,
}

impl Reader<'_> {
    fn note(&mut self, what: String, cure: &str) {
        self.problems.push(wrong(self.name, what, cure));
    }

    fn unknown_keys(&mut self) {
        for key in self.table.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let near = KEYS
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)));
            let problem: Problem = wrong(
                self.name,
                format!("a webhook has no key `{key}`; it has {}", KEYS.join(", ")),
                near.map_or(String::new(), |near| format!("write `{near}`, or leave it out")),
            );
            self.problems.push(problem);
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let value = self.table.get(key)?;
        let text = value.as_str().map(str::to_string);
        if text.is_none() {
            self.note(format!("`{key}` must be a text"), "put it in quotes");
        }
        text
    }

    fn url(&mut self) -> String {
        let url = self.text("url").unwrap_or_default();
        let is_url = reqwest::Url::parse(&url)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_url {
            self.note(
                format!("`url` is `{url}`, which is no http or https address"),
                "write url = \"https://…\"",
            );
        }
        url
    }

    fn secret(&mut self, look_up: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let Some(variable) = self.text("secret_env") else { return self.text("secret") };
        let found = look_up(&variable).filter(|secret| !secret.is_empty());
        if found.is_none() {
            self.note(
                format!("the environment has no `{variable}`, named by `secret_env`"),
                "set the variable",
            );
        }
        found
    }

    fn duration(&mut self, key: &str, default: Duration) -> Duration {
        let Some(text) = self.text(key) else { return default };
        let found = duration_ms(&text).filter(|ms| *ms > 0).and_then(|ms| u64::try_from(ms).ok());
        if found.is_none() {
            self.note(
                format!("`{key}` is `{text}`, which is no length of time"),
                "write for example \"30s\"",
            );
        }
        found.map_or(default, Duration::from_millis)
    }

    fn parallel(&mut self) -> usize {
        let value = self.table.get("parallel").map(|value| value.as_integer());
        match value {
            None => 4,
            Some(Some(count @ 1..=PARALLEL_MAX)) => count as usize,
            Some(_) => {
                self.note(
                    format!("`parallel` must be a whole number from 1 to {PARALLEL_MAX}"),
                    "write parallel = 4",
                );
                1
            }
        }
    }

    fn flag(&mut self, key: &str, default: bool) -> bool {
        let value = self.table.get(key);
        if value.is_some_and(|value| !value.is_bool()) {
            self.note(format!("`{key}` must be true or false"), "write it without quotes");
        }
        value.and_then(Value::as_bool).unwrap_or(default)
    }

    fn on_accept(&mut self) {
        let word = self.table.get("on_accept").and_then(Value::as_str).unwrap_or("awaiting").to_string();
        if !matches!(word.as_str(), "awaiting" | "delivered") {
            self.note(
                format!("`on_accept` is `{word}`; it can be awaiting, delivered"),
                "write \"awaiting\"",
            );
        }
    }
}
