//! Which names exist, and of which type? What the data says, with what `catalog.toml` adds.

use std::collections::BTreeMap;

use crate::base::{Timestamp, Type};
use crate::ingest::{Column, Settled};

use super::catalog_file::CatalogFile;
use super::manifest::{Manifest, TableParts};

/// Names, types and facts of one data version.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub attributes: Vec<Column>,
    pub properties: Vec<Column>,
    pub events: BTreeMap<String, EventFacts>,
    pub tables: BTreeMap<String, TableFacts>,
    /// Alias → name, from `catalog.toml`.
    pub aliases: BTreeMap<String, String>,
    /// Tags closed in `catalog.toml`, with the values that they may have.
    pub closed: BTreeMap<String, Vec<String>>,
    /// Types fixed in `catalog.toml`, under `attributes.NAME`, `properties.NAME` or
    /// `details.TABLE.COLUMN`.
    pub fixed: BTreeMap<String, Type>,
    /// History before it was dropped on purpose.
    pub horizon: Option<Timestamp>,
}

/// What is stored of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventFacts {
    pub rows: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// What is stored of one detail table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// The time column, if there is one, and all others; key and user are not among them.
    pub columns: Vec<Column>,
    pub key: String,
    pub time: Option<String>,
    pub rows: u64,
}

impl Catalog {
    pub(super) fn of(manifest: &Manifest, file: &CatalogFile) -> Catalog {
        let tables = manifest.tables.iter().map(|(name, parts)| (name.clone(), table_facts(parts)));
        Catalog {
            attributes: manifest.attributes.clone(),
            properties: manifest.properties.clone(),
            events: event_facts(manifest),
            tables: tables.collect(),
            aliases: file.aliases.clone(),
            closed: file.closed.clone(),
            fixed: file.fixed.clone(),
            horizon: manifest.horizon,
        }
    }

    /// The name meant by a name or an alias.
    pub fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, String::as_str)
    }

    /// The type of an attribute.
    pub fn attribute(&self, name: &str) -> Option<Type> {
        type_in(&self.attributes, name)
    }

    /// The type of an event property.
    pub fn property(&self, name: &str) -> Option<Type> {
        type_in(&self.properties, name)
    }

    /// Types settled for a users load.
    pub fn settled_attributes(&self) -> BTreeMap<String, Settled> {
        self.settled("attributes.", &self.attributes)
    }

    /// Types settled for an events load.
    pub fn settled_properties(&self) -> BTreeMap<String, Settled> {
        self.settled("properties.", &self.properties)
    }

    /// Types settled for a load of a detail table.
    pub fn settled_details(&self, table: &str) -> BTreeMap<String, Settled> {
        let known = self.tables.get(table).map_or(&[][..], |facts| &facts.columns);
        self.settled(&format!("details.{table}."), known)
    }

    fn settled(&self, prefix: &str, known: &[Column]) -> BTreeMap<String, Settled> {
        let known = known
            .iter()
            .map(|column| (column.name.clone(), Settled { type_of: column.type_of, is_fixed: false }));
        let fixed = self.fixed.iter().filter_map(|(name, type_of)| {
            Some((name.strip_prefix(prefix)?.to_string(), Settled { type_of: *type_of, is_fixed: true }))
        });
        known.chain(fixed).collect()
    }
}

fn type_in(columns: &[Column], name: &str) -> Option<Type> {
    columns.iter().find(|column| column.name == name).map(|column| column.type_of)
}

fn table_facts(parts: &TableParts) -> TableFacts {
    let time = parts.time.iter().map(|name| Column { name: name.clone(), type_of: Type::Instant });
    TableFacts {
        columns: time.chain(parts.columns.iter().cloned()).collect(),
        key: parts.key.clone(),
        time: parts.time.clone(),
        rows: parts.chunks.values().map(|chunk| chunk.rows).sum(),
    }
}

fn event_facts(manifest: &Manifest) -> BTreeMap<String, EventFacts> {
    let mut facts: Vec<Option<EventFacts>> = vec![None; manifest.events.len()];
    for part in manifest.days.values().flat_map(|day| &day.events) {
        let Some(slot) = facts.get_mut(part.event as usize) else { continue };
        let new = EventFacts { rows: part.rows, first_at: part.first_at, last_at: part.last_at };
        *slot = Some(slot.map_or(new, |old| EventFacts {
            rows: old.rows + new.rows,
            first_at: old.first_at.min(new.first_at),
            last_at: old.last_at.max(new.last_at),
        }));
    }
    let named = manifest.events.iter().cloned().zip(facts);
    named.filter_map(|(name, facts)| Some((name, facts?))).collect()
}
