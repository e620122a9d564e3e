//! What does a gateway's code mean? A table in a file, since gateways change their codes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::config::Shape;

/// What a code means for the numbers of its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    Taken,
    Later,
    Refused,
    Author,
    Stop,
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Vendor {
    source: String,
    as_of: String,
    codes: BTreeMap<String, Meaning>,
}

static TABLE: LazyLock<BTreeMap<String, Vendor>> =
    LazyLock::new(|| toml::from_str(include_str!("../../../limits/sms-codes.toml")).unwrap_or_default());

/// The meaning of a code; one that is not known counts as refused.
pub fn meaning(shape: Shape, code: &str) -> Meaning {
    let Some(vendor) = TABLE.get(shape.word()) else { return Meaning::Refused };
    let exact = vendor.codes.get(code);
    let starts =
        |(name, _): &(&String, &Meaning)| name.strip_suffix('*').is_some_and(|start| code.starts_with(start));
    let found = exact.or_else(|| vendor.codes.iter().find(starts).map(|(_, meaning)| meaning));
    found.copied().unwrap_or(Meaning::Refused)
}

/// Where and when the codes of a gateway were found.
pub fn source(shape: Shape) -> String {
    TABLE.get(shape.word()).map_or(String::new(), |v| format!("{}, {}", v.source, v.as_of))
}
