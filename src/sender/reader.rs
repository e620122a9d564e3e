//! How are the settings of a sender read, so that every mistake is told at once?

use std::time::Duration;

use toml::{Table, Value};

use super::{http, wrong};
use crate::base::{Problem, Problems};
use crate::dispatch::duration_ms;

/// Keys that every kind has: the loop and [`super::build`] read them.
pub const COMMON: [&str; 3] = ["kind", "rate", "quota"];
/// More side by side than this helps no receiver.
const PARALLEL_MAX: i64 = 16;

/// One `[senders.NAME]` table and what was found wrong in it. A getter that finds a mistake notes it and
/// gives something harmless; [`Reader::finish`] then refuses all.
pub struct Reader<'a> {
    name: &'a str,
    table: &'a Table,
    problems: Problems,
}

impl<'a> Reader<'a> {
    /// A reader of the table of the sender `name`, which may have these `keys` and the common ones.
    pub fn new(name: &'a str, table: &'a Table, keys: &[&str]) -> Reader<'a> {
        let mut reader = Reader { name, table, problems: Problems::default() };
        reader.known_keys(keys);
        reader
    }

    /// The settings, or SND-001 for every mistake.
    pub fn finish<T>(self, config: T) -> Result<T, Problems> {
        self.problems.or(config)
    }

    /// Notes a mistake.
    pub fn note(&mut self, what: impl Into<String>, cure: &str) {
        self.problems.push(wrong(self.name, what, cure));
    }

    /// Is the key there?
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text, if the key is there.
    pub fn text(&mut self, key: &str) -> Option<String> {
        let value = self.table.get(key)?;
        let text = value.as_str().map(str::to_string);
        if text.is_none() {
            self.note(format!("`{key}` must be a text"), "put it in quotes");
        }
        text
    }

    /// A text that must be there and have something in it.
    pub fn required(&mut self, key: &str) -> String {
        let is_there = self.table.contains_key(key);
        let text = self.text(key).unwrap_or_default();
        if text.is_empty() && (!is_there || self.table.get(key).is_some_and(Value::is_str)) {
            self.note(format!("`{key}` is missing or empty"), &format!("write {key} = \"…\""));
        }
        text
    }

    /// A list of texts; a text alone is a list of one.
    pub fn texts(&mut self, key: &str) -> Vec<String> {
        let texts = match self.table.get(key) {
            None => return Vec::new(),
            Some(Value::String(text)) => Some(vec![text.clone()]),
            Some(Value::Array(items)) => items.iter().map(|i| i.as_str().map(str::to_string)).collect(),
            Some(_) => None,
        };
        if texts.is_none() {
            self.note(format!("`{key}` must be a list of texts"), &format!("write {key} = [\"…\"]"));
        }
        texts.unwrap_or_default()
    }

    /// An http or https address, if the key is there.
    pub fn url(&mut self, key: &str) -> Option<String> {
        let url = self.text(key)?;
        if !http::is_address(&url) {
            let what = format!("`{key}` is `{url}`, which is no http or https address");
            self.note(what, &format!("write {key} = \"https://…\""));
        }
        Some(url)
    }

    /// The text of `key`, or of the environment variable that `key`_env names.
    pub fn secret(&mut self, key: &str, look_up: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let named = format!("{key}_env");
        let Some(variable) = self.text(&named) else { return self.text(key) };
        let found = look_up(&variable).filter(|secret| !secret.is_empty());
        if found.is_none() {
            let what = format!("the environment has no `{variable}`, named by `{named}`");
            self.note(what, "set the variable");
        }
        found
    }

    /// A length of time above zero.
    pub fn duration(&mut self, key: &str, default: Duration) -> Duration {
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

    /// How many batches side by side: 1 to 16.
    pub fn parallel(&mut self, default: usize) -> usize {
        match self.table.get("parallel").map(Value::as_integer) {
            None => default,
            Some(Some(count @ 1..=PARALLEL_MAX)) => count as usize,
            Some(_) => {
                let what = format!("`parallel` must be a whole number from 1 to {PARALLEL_MAX}");
                self.note(what, "write parallel = 4");
                1
            }
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        let value = self.table.get(key);
        if value.is_some_and(|value| !value.is_bool()) {
            self.note(format!("`{key}` must be true or false"), "write it without quotes");
        }
        value.and_then(Value::as_bool).unwrap_or(default)
    }

    /// `on_accept`: does being taken mean delivered (else: a receipt is awaited)?
    pub fn on_accept(&mut self) -> bool {
        let word = self.text("on_accept").unwrap_or_else(|| "awaiting".into());
        if !matches!(word.as_str(), "awaiting" | "delivered") {
            let what = format!("`on_accept` is `{word}`; it can be awaiting, delivered");
            self.note(what, "write \"awaiting\"");
        }
        word == "delivered"
    }

    fn known_keys(&mut self, keys: &[&str]) {
        let known: Vec<&str> = COMMON.iter().chain(keys).copied().collect();
        for key in self.table.keys().filter(|key| !known.contains(&key.as_str())) {
            let near = known
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)));
            let kind = self.table.get("kind").and_then(Value::as_str).unwrap_or("sender");
            let what = format!("a sender of kind {kind} has no key `{key}`; it has {}", known.join(", "));
            let cure = near.map_or(String::new(), |near| format!("write `{near}`, or leave it out"));
            let problem: Problem = wrong(self.name, what, cure);
            self.problems.push(problem);
        }
    }
}
