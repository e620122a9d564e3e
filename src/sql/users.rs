//! `users`: one row a user of the universe, with every attribute. A part is a chunk of 65,536 users.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;

use super::content::{Content, Pieces, USER_NO, apart, field, user_fields};
use super::piece::{Piece, Values};
use super::source::Source;
use crate::base::{CHUNK_USERS, Outcome, Problem, UserNo};
use crate::store::Attributes;

/// The table `users`.
pub struct Users {
    source: Source,
    schema: SchemaRef,
    /// The attribute of each column after the first two.
    names: Vec<String>,
}

impl Users {
    /// Columns: `user_id`, `user_no`, then the attributes by their own names.
    pub fn new(source: Source) -> Users {
        let catalog = source.snapshot().catalog();
        let mut fields = Vec::from(user_fields());
        let names = catalog.attributes.iter().map(|column| column.name.clone()).collect();
        for column in &catalog.attributes {
            let name = apart("attribute", &column.name, &fields);
            fields.push(field(&name, column.type_of, source.zone()));
        }
        Users { schema: Arc::new(Schema::new(fields)), names, source }
    }

    fn column(&self, at: usize, users: &UInt32Array, attributes: Option<&Attributes>) -> Outcome<Values> {
        match at {
            0 => Ok(Values::Ids),
            1 => Ok(Values::Numbers),
            at => {
                let stored = self.names.get(at - 2).zip(attributes);
                let stored = stored.map(|(name, attributes)| attributes.column(name)).transpose()?.flatten();
                stored.map_or(Ok(Values::Missing), |stored| of_users(stored, users))
            }
        }
    }
}

impl Content for Users {
    type Part = u32;

    fn source(&self) -> &Source {
        &self.source
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn unit(&self) -> &'static str {
        "chunks"
    }

    fn parts(&self) -> Vec<u32> {
        (0..self.source.snapshot().chunk_count()).filter(|chunk| self.rows(chunk) > 0).collect()
    }

    fn rows(&self, chunk: &u32) -> u64 {
        let (first, last) = users_of(*chunk);
        self.source.snapshot().universe().range_cardinality(first..=last)
    }

    fn bounds(&self, chunk: &u32, column: &str) -> Option<(ScalarValue, ScalarValue)> {
        let (first, last) = users_of(*chunk);
        (column == USER_NO).then(|| (ScalarValue::from(first), ScalarValue::from(last)))
    }

    fn may_have(&self, chunk: &u32, user: UserNo) -> bool {
        user / CHUNK_USERS == *chunk
    }

    fn read(&self, chunk: &u32, columns: &[usize]) -> Outcome<Pieces> {
        let snapshot = self.source.snapshot();
        let (first, last) = users_of(*chunk);
        let users: UInt32Array = snapshot.universe().range(first..=last).collect::<Vec<u32>>().into();
        let attributes = if columns.iter().any(|at| *at > 1) { snapshot.attributes(*chunk)? } else { None };
        let columns = columns.iter().map(|at| self.column(*at, &users, attributes.as_deref()));
        let columns = columns.collect::<Outcome<_>>()?;
        Ok(Box::new(std::iter::once(Ok(Piece { users, kept: None, columns }))))
    }
}

/// The first and the last number of a chunk.
pub fn users_of(chunk: u32) -> (UserNo, UserNo) {
    let first = chunk.saturating_mul(CHUNK_USERS);
    (first, first.saturating_add(CHUNK_USERS - 1))
}

/// The values of these users, who are of one chunk; missing beyond the end of the column.
fn of_users(stored: &ArrayRef, users: &UInt32Array) -> Outcome<Values> {
    let row = |user: &u32| Some(user % CHUNK_USERS).filter(|row| (*row as usize) < stored.len());
    let rows: UInt32Array = users.values().iter().map(row).collect();
    let values = take(stored, &rows, None).map_err(|error| Problem::bug(error.to_string()))?;
    Ok(Values::Array(values))
}
