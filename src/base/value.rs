//! Values of attributes and properties, and their types.

use serde::{Deserialize, Serialize};

use super::{Day, Timestamp};

/// The types a column can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    Text,
    Integer,
    Float,
    Bool,
    /// A calendar day without a zone.
    Date,
    /// Milliseconds UTC.
    Instant,
    /// A list of texts (multi-value tag).
    List,
}

impl Type {
    /// The word for it in help, catalogs and problems.
    pub fn word(self) -> &'static str {
        match self {
            Type::Text => "text",
            Type::Integer => "integer",
            Type::Float => "float",
            Type::Bool => "bool",
            Type::Date => "date",
            Type::Instant => "instant",
            Type::List => "list",
        }
    }

    /// Can it be added up?
    pub fn is_number(self) -> bool {
        matches!(self, Type::Integer | Type::Float)
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// One value of a row; a missing value is `Option::None` around it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Date(Day),
    Instant(Timestamp),
    List(Vec<String>),
}

impl Value {
    /// The type of this value.
    pub fn type_of(&self) -> Type {
        match self {
            Value::Text(_) => Type::Text,
            Value::Integer(_) => Type::Integer,
            Value::Float(_) => Type::Float,
            Value::Bool(_) => Type::Bool,
            Value::Date(_) => Type::Date,
            Value::Instant(_) => Type::Instant,
            Value::List(_) => Type::List,
        }
    }
}
