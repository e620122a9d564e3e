//! Which rows pass a filter? Vectorised checks on decoded columns, one bit a row.

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

use super::bound::{Begin, BoundFilter, RowWithin, Tested};
use super::check::Check;
use super::mask::Begins;
use super::{column, source};
use crate::base::{CHUNK_USERS, Interval, Timestamp, Zone, ahead};
use crate::store::Rows;

/// Rows that a filter can be asked of: stored ones, or live ones.
pub trait Filtered {
    fn row_count(&self) -> usize;

    /// A column; `None` where there is none of that name: all its values are missing.
    fn column(&self, name: &str) -> Option<&ArrayRef>;

    /// The instant in a tag of the user who did the row.
    fn tag(&self, name: &str, row: usize, zone: &Zone) -> Option<Timestamp>;

    /// The rows whose value satisfies the check, one bit a row.
    fn test(&self, tested: &Tested, column: &ArrayRef, zone: &Zone) -> BooleanBuffer {
        column::test(&tested.check, column, zone)
    }

    /// The latest instant that counts for a row in `within … of …`.
    fn until(&self, asked: &RowWithin, _row: usize) -> Timestamp {
        asked.until
    }
}

/// Stored rows with the names that their columns were asked for by, and the tags asked for.
pub struct Named<'a> {
    pub rows: &'a Rows,
    pub names: &'a [String],
    pub begins: &'a Begins,
}

impl Filtered for Named<'_> {
    fn row_count(&self) -> usize {
        self.rows.users.len()
    }

    fn column(&self, name: &str) -> Option<&ArrayRef> {
        let at = self.names.iter().position(|one| one == name)?;
        self.rows.columns.get(at)?.as_ref()
    }

    fn tag(&self, name: &str, row: usize, zone: &Zone) -> Option<Timestamp> {
        let user = *self.rows.users.values().get(row)?;
        self.begins.of(name, user / CHUNK_USERS, (user % CHUNK_USERS) as u16, zone)
    }
}

/// Rows that pass; shape: one bit per row of `rows`.
pub fn passing(filter: &BoundFilter, rows: &impl Filtered, zone: &Zone) -> BooleanBuffer {
    let len = rows.row_count();
    let join = |parts: &[BoundFilter], first: BooleanBuffer, and: bool| {
        parts
            .iter()
            .map(|part| passing(part, rows, zone))
            .fold(first, |a, b| if and { &a & &b } else { &a | &b })
    };
    match filter {
        BoundFilter::All(parts) => join(parts, BooleanBuffer::new_set(len), true),
        BoundFilter::Any(parts) => join(parts, BooleanBuffer::new_unset(len), false),
        BoundFilter::Not(part) => !&passing(part, rows, zone),
        BoundFilter::Within(asked) => within(asked, rows, zone),
        BoundFilter::Test(tested) => match rows.column(&tested.column) {
            Some(column) => rows.test(tested, column, zone),
            None => absent(&tested.check, len),
        },
    }
}

/// Rows whose instant lies in `[X, X + gap)` and is not later than the instant of evaluation.
fn within(asked: &RowWithin, rows: &impl Filtered, zone: &Zone) -> BooleanBuffer {
    let fits = |row: usize| {
        let at = source::instant(rows.column(&asked.column)?, row, zone)?;
        let from = match &asked.begin {
            Begin::Tag(tag) => rows.tag(tag, row, zone)?,
            Begin::Column(name) => source::instant(rows.column(name)?, row, zone)?,
        };
        let to = ahead(from, asked.count, asked.unit, zone).min(rows.until(asked, row).plus(1));
        Some(Interval { from, to }.holds(at))
    };
    BooleanBuffer::collect_bool(rows.row_count(), |row| fits(row) == Some(true))
}

/// A column that a file does not have: every value is missing.
fn absent(check: &Check, len: usize) -> BooleanBuffer {
    match check {
        Check::Missing | Check::NoneOf(_) => BooleanBuffer::new_set(len),
        _ => BooleanBuffer::new_unset(len),
    }
}
