//! How do text rows become columns? Bytes and ends, one column at a time, missing values apart.

use arrow::array::{ArrayRef, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use std::sync::Arc;

use crate::base::{Outcome, Problem};

/// A column of texts that grows by rows; rows that are passed over are missing values.
#[derive(Debug, Default)]
pub struct TextColumn {
    bytes: Vec<u8>,
    ends: Vec<i32>,
    is_known: Vec<bool>,
}

impl TextColumn {
    /// The text of `row`, which is the newest row or a later one. A second text for the newest
    /// row replaces the first.
    pub fn set(&mut self, row: usize, text: &str) {
        if self.ends.len() > row {
            self.ends.truncate(row);
            self.is_known.truncate(row);
            self.bytes.truncate(self.end());
        }
        self.fill(row);
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len() as i32);
        self.is_known.push(true);
    }

    /// `row` has no value, whatever was said before.
    pub fn clear(&mut self, row: usize) {
        if self.ends.len() > row {
            self.set(row, "");
            self.is_known.truncate(row);
            self.is_known.push(false);
        }
    }

    fn end(&self) -> usize {
        self.ends.last().copied().unwrap_or(0) as usize
    }

    fn fill(&mut self, rows: usize) {
        let end = self.end() as i32;
        self.ends.resize(rows.max(self.ends.len()), end);
        self.is_known.resize(self.ends.len(), false);
    }

    /// The column of `rows` rows; what is left is empty.
    /// Errors: a bug if the text is not UTF-8, which the readers have checked.
    pub fn take(&mut self, rows: usize) -> Outcome<ArrayRef> {
        self.fill(rows);
        let TextColumn { bytes, ends, is_known } = std::mem::take(self);
        let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let nulls = Some(NullBuffer::from(is_known)).filter(|nulls| nulls.null_count() > 0);
        let array = StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls);
        array.map(|array| Arc::new(array) as ArrayRef).map_err(|error| Problem::bug(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray};

    #[test]
    fn rows_may_be_passed_over_replaced_and_cleared() {
        let mut column = TextColumn::default();
        column.set(1, "a");
        column.set(1, "bc");
        column.set(3, "d");
        column.set(4, "e");
        column.clear(4);
        column.clear(5);
        let array = column.take(6).unwrap();
        let texts: Vec<Option<&str>> = array.as_string::<i32>().iter().collect();
        assert_eq!(texts, [None, Some("bc"), None, Some("d"), None, None]);
        assert_eq!(column.take(0).unwrap().len(), 0);
    }
}
