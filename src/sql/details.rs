//! A detail table: one row a business fact of a user. A part is the rows of a chunk of users.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;

use super::content::{Content, Pieces, USER_NO, apart, field, user_fields};
use super::piece::{Piece, Values, kept};
use super::source::Source;
use super::users::users_of;
use crate::base::{CHUNK_USERS, Outcome, UserNo};
use crate::store::TableFacts;

/// A detail table under its own name.
pub struct Details {
    source: Source,
    table: String,
    schema: SchemaRef,
    /// What to ask the store for, for each column after the first two.
    asked: Vec<String>,
    rows: u64,
    chunks: u32,
}

impl Details {
    /// Columns: `user_id`, `user_no`, the key, the time if there is one, then all others.
    pub fn new(source: Source, table: &str, facts: &TableFacts) -> Details {
        let mut fields = Vec::from(user_fields());
        fields.push(Field::new(apart("column", &facts.key, &fields), DataType::Utf8, false));
        let mut asked = vec![facts.key.clone()];
        for column in facts.columns.iter().filter(|column| column.name != facts.key) {
            let name = apart("column", &column.name, &fields);
            fields.push(field(&name, column.type_of, source.zone()));
            asked.push(column.name.clone());
        }
        let chunks = source.snapshot().chunk_count();
        let schema = Arc::new(Schema::new(fields));
        Details { table: table.to_string(), schema, asked, rows: facts.rows, chunks, source }
    }
}

impl Content for Details {
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
        (0..self.chunks).collect()
    }

    /// An even share: the store tells the rows of the whole table only.
    fn rows(&self, _: &u32) -> u64 {
        self.rows.div_ceil(u64::from(self.chunks.max(1)))
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
        let name = |at: &usize| self.asked.get(at.checked_sub(2)?).map(String::as_str);
        let asked: Vec<&str> = columns.iter().filter_map(name).collect();
        let Some(rows) = snapshot.detail(&self.table, *chunk, &asked)? else {
            return Ok(Box::new(std::iter::empty()));
        };
        let mut stored = rows.columns.into_iter();
        let mut column = |at: &usize| match at {
            0 => Values::Ids,
            1 => Values::Numbers,
            _ => stored.next().flatten().map_or(Values::Missing, Values::Array),
        };
        let columns = columns.iter().map(&mut column).collect();
        let kept = kept(&rows.users, rows.times.as_ref(), snapshot.universe(), self.source.as_of());
        Ok(Box::new(std::iter::once(Ok(Piece { users: rows.users, kept, columns }))))
    }
}
