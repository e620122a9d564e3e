//! What is a table made of? Parts that are read one at a time.

use std::fmt::Debug;

use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use datafusion::common::ScalarValue;

use super::piece::Piece;
use super::source::Source;
use crate::base::{Outcome, Timestamp, Type, UserNo, Zone};
use crate::store::arrow_type;

/// Names of columns that are ours in every table; a column of the data that is called so is set apart.
pub const USER_ID: &str = "user_id";
pub const USER_NO: &str = "user_no";

/// Pieces of a part, each made when it is asked for.
pub type Pieces = Box<dyn Iterator<Item = Outcome<Piece>> + Send>;

/// The rows of a table, in parts.
pub trait Content: Send + Sync + 'static {
    /// Names a part.
    type Part: Debug + Clone + Send + Sync + 'static;

    fn source(&self) -> &Source;
    fn schema(&self) -> &SchemaRef;
    /// What a part is called in a plan, such as `days`.
    fn unit(&self) -> &'static str;
    /// All parts that have rows as of the source's instant.
    fn parts(&self) -> Vec<Self::Part>;
    /// Rows of a part; those later than as-of may be among them.
    fn rows(&self, part: &Self::Part) -> u64;
    /// The least and the greatest value that a column may have in a part, where that is known.
    fn bounds(&self, part: &Self::Part, column: &str) -> Option<(ScalarValue, ScalarValue)>;
    /// May a user have rows in a part? When that cannot be told cheaply: yes.
    fn may_have(&self, part: &Self::Part, user: UserNo) -> bool;
    /// Reads a part with the columns at these places of the schema.
    /// Errors: STO-002, CRD-011 when a file is damaged.
    fn read(&self, part: &Self::Part, columns: &[usize]) -> Outcome<Pieces>;
}

/// The first columns of every table.
pub fn user_fields() -> [Field; 2] {
    [Field::new(USER_ID, DataType::Utf8, false), Field::new(USER_NO, DataType::UInt32, false)]
}

/// A field for values of a type. Instants are milliseconds, shown in `zone`.
pub fn field(name: &str, type_of: Type, zone: Zone) -> Field {
    let data_type = match type_of {
        Type::Instant => instant_type(zone),
        type_of => arrow_type(type_of),
    };
    Field::new(name, data_type, true)
}

/// Milliseconds with the zone in which they are shown and in which dates are local.
pub fn instant_type(zone: Zone) -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(zone.name().into()))
}

/// An instant as a value of a column.
pub fn instant(at: Timestamp, zone: Zone) -> ScalarValue {
    ScalarValue::TimestampMillisecond(Some(at.0), Some(zone.name().into()))
}

/// The name of a column of the data: its own, or `KIND.NAME` when a column before it has that.
pub fn apart(kind: &str, name: &str, taken: &[Field]) -> String {
    let is_taken = taken.iter().any(|field| field.name() == name);
    if is_taken { format!("{kind}.{name}") } else { name.to_string() }
}
