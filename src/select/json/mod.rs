//! What does this JSON ask? The twin of the selection text, with the same meaning.
//!
//! One object for each condition, told apart by its first key: `all any not tag did first last
//! sequence has crowd sample top`. `write` makes it, `read` takes it back with all mistakes at
//! once, each at its path (`$.all[1].where.value`). Shapes: `docs/selection-language.md`.
//!
//! ```
//! use quanke::select::ast::Selection;
//! let asked: Selection = "gender = '女' and not did pay today".parse().unwrap();
//! let twin = serde_json::json!({"all": [
//!     {"tag": "gender", "is": "=", "value": "女"},
//!     {"not": {"did": "pay", "window": "today"}},
//! ]});
//! assert_eq!(asked.to_json(), twin);
//! assert_eq!(Selection::from_json(&twin).unwrap(), asked);
//! ```

mod read;
mod read_leaf;
#[cfg(test)]
mod tests;
mod write;

use serde_json::Value;

use super::ast::Selection;
use crate::base::Problems;

impl Selection {
    /// The JSON twin. Floats of the tree are finite, as text and JSON can only make such.
    pub fn to_json(&self) -> Value {
        write::selection(self)
    }

    /// The selection that a JSON twin asks.
    /// Errors: `SEL-051` unknown key, `SEL-052` wrong shape or value, `SEL-053` missing key,
    /// `SEL-012` too deep; all at once, each with its path in `at`.
    pub fn from_json(value: &Value) -> Result<Selection, Problems> {
        read::selection(value)
    }
}
