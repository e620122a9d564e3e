//! Which rows pass a filter? Vectorised checks on decoded columns, one bit a row.
//!
//! A filter may ask for an instant of the user who did the row (`paid_at within 7 days of joined`):
//! [`Begins`] lays the columns of those tags ready, chunk by chunk, before rows are looked at.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

use super::bound::{Begin, BoundFilter, RowWithin};
use super::check::Check;
use super::{column, source};
use crate::base::{CHUNK_USERS, Interval, Outcome, Timestamp, UserNo, Zone, ahead};
use crate::store::{Rows, Snapshot};

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

/// The tags that a filter reads of the users who did the rows: tag → chunk → its column.
#[derive(Default)]
pub struct Begins(BTreeMap<String, BTreeMap<u32, ArrayRef>>);

impl Begins {
    /// The tags of `filter` for the users of `chunks`; nothing is read for a filter without any.
    /// Errors: STO-002 when a file of attributes is damaged.
    pub fn read(filter: Option<&BoundFilter>, snapshot: &Snapshot, chunks: Range<u32>) -> Outcome<Begins> {
        let mut tags = BTreeMap::new();
        if let Some(filter) = filter {
            filter.tags(&mut |tag| drop(tags.insert(tag.to_string(), BTreeMap::new())));
        }
        for (tag, columns) in &mut tags {
            for chunk in chunks.clone() {
                let Some(attributes) = snapshot.attributes(chunk)? else { continue };
                if let Some(column) = attributes.column(tag)? {
                    columns.insert(chunk, column.clone());
                }
            }
        }
        Ok(Begins(tags))
    }

    fn of(&self, tag: &str, user: UserNo, zone: &Zone) -> Option<Timestamp> {
        let column = self.0.get(tag)?.get(&(user / CHUNK_USERS))?;
        source::instant(column, (user % CHUNK_USERS) as usize, zone)
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
            Begin::Tag(tag) => begins.of(tag, users[row], zone)?,
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
