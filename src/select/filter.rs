//! Which rows pass a filter? Vectorised checks on decoded columns, one bit a row.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

use super::bound::{Begin, BoundFilter, RowWithin};
use super::check::Check;
use super::mask::Begins;
use super::{column, source};
use crate::base::{CHUNK_USERS, Interval, Zone, ahead};
use crate::store::Rows;

/// Rows with the names that their columns were asked for by.
pub struct Named<'a> {
    pub rows: &'a Rows,
    pub names: &'a [String],
}

impl<'a> Named<'a> {
    /// A column; `None` where the file has no such column: all its values are missing.
    pub fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        let at = self.names.iter().position(|one| one == name)?;
        self.rows.columns.get(at)?.as_ref()
    }
}

/// Rows that pass; shape: one bit per row of `rows`.
pub fn passing(filter: &BoundFilter, rows: &Named, begins: &Begins, zone: &Zone) -> BooleanBuffer {
    let len = rows.rows.users.len();
    let join = |parts: &[BoundFilter], first: BooleanBuffer, and: bool| {
        parts
            .iter()
            .map(|part| passing(part, rows, begins, zone))
            .fold(first, |a, b| if and { &a & &b } else { &a | &b })
    };
    match filter {
        BoundFilter::All(parts) => join(parts, BooleanBuffer::new_set(len), true),
        BoundFilter::Any(parts) => join(parts, BooleanBuffer::new_unset(len), false),
        BoundFilter::Not(part) => !&passing(part, rows, begins, zone),
        BoundFilter::Within(asked) => within(asked, rows, begins, zone),
        BoundFilter::Test(tested) => match rows.column(&tested.column) {
            Some(column) => column::test(&tested.check, column, zone),
            None => absent(&tested.check, len),
        },
    }
}

/// Rows whose instant lies in `[X, X + gap)` and is not later than the plan's instant.
fn within(asked: &RowWithin, rows: &Named, begins: &Begins, zone: &Zone) -> BooleanBuffer {
    let users = rows.rows.users.values();
    let fits = |row: usize| {
        let at = source::instant(rows.column(&asked.column)?, row, zone)?;
        let from = match &asked.begin {
            Begin::Tag(tag) => {
                begins.of(tag, users[row] / CHUNK_USERS, (users[row] % CHUNK_USERS) as u16, zone)?
            }
            Begin::Column(name) => source::instant(rows.column(name)?, row, zone)?,
        };
        let to = ahead(from, asked.count, asked.unit, zone).min(asked.until.plus(1));
        Some(Interval { from, to }.holds(at))
    };
    BooleanBuffer::collect_bool(users.len(), |row| fits(row) == Some(true))
}

/// A column that a file does not have: every value is missing.
fn absent(check: &Check, len: usize) -> BooleanBuffer {
    match check {
        Check::Missing | Check::NoneOf(_) => BooleanBuffer::new_set(len),
        _ => BooleanBuffer::new_unset(len),
    }
}
