//! `quanke explain --user`: why one user is in or out, as lines or as a document.

mod json;
mod text;

use serde_json::json;

use super::door::{Done, Door};
use crate::base::{Timestamp, Value, Zone};
use crate::select::evidence::Evidence;

/// What is told of one user.
pub struct Why<'a> {
    pub id: &'a str,
    pub as_of: Timestamp,
    pub zone: Zone,
    pub selection: String,
    pub evidence: Evidence,
}

impl Why<'_> {
    /// Tells it: the tree as text, or the document of `--json`.
    pub fn tell(&self, door: &mut Door) -> Done {
        let because: Vec<&str> = self.evidence.because().iter().map(|leaf| leaf.node.as_str()).collect();
        let document = json!({
            "user": self.id,
            "in": self.evidence.holds,
            "as_of": self.zone.text(self.as_of),
            "selection": self.selection,
            "because": because,
            "tree": json::tree(&self.evidence, &self.zone),
        });
        door.answer(document, || text::tree(self))
    }
}

/// A value as people read it: texts in quotes, instants in the zone; `no value` for none.
fn shown(value: Option<&Value>, zone: &Zone) -> String {
    match value {
        None => "no value".into(),
        Some(Value::Text(text)) => format!("'{text}'"),
        Some(Value::Integer(number)) => number.to_string(),
        Some(Value::Float(number)) => number.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Date(day)) => day.to_string(),
        Some(Value::Instant(at)) => zone.text(*at),
        Some(Value::List(list)) => format!("({})", list.join(", ")),
    }
}
