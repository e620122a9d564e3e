//! What did an edit change? Key by key, as a person would read two task files side by side.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Value;

/// One key that differs; a key that is absent on one side has no value there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// With its tables: `trigger.times`.
    pub key: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// The keys in which two task files differ, in the order of the alphabet. Comments, order and spelling of the
/// same value are no difference. A text that is no TOML has no keys.
pub fn difference(before: &str, after: &str) -> Vec<Difference> {
    let (old, new) = (keys(before), keys(after));
    let mut all: Vec<&String> = old.keys().chain(new.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let changed = all.into_iter().filter(|key| old.get(*key) != new.get(*key));
    changed
        .map(|key| Difference {
            key: key.clone(),
            before: old.get(key).cloned(),
            after: new.get(key).cloned(),
        })
        .collect()
}

fn keys(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        collect("", &Value::Table(table), &mut all);
    }
    all
}

fn collect(path: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(&path, value, all);
            }
        }
        Value::String(text) => drop(all.insert(path.to_string(), text.clone())),
        other => drop(all.insert(path.to_string(), other.to_string())),
    }
}
