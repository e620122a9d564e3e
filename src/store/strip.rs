//! Rows laid out for scanning: two bytes of position per row, narrow values, four bytes of time.
//!
//! A strip holds the rows of one (day, event), or of one chunk of a detail table, in the order of
//! the file: by user, then by time. Each piece is made from the Parquet file when it is first
//! asked for and kept for all snapshots that have the file.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, UInt32Type};

use crate::base::{CHUNK_USERS, Interval, Outcome};

use super::columns::{TIME, USER};
use super::disk::damaged;
use super::narrow::narrow;
use super::register::Register;
use super::rollup::DidBits;
use super::rows::RowFile;
use super::spans;

/// Rows ready to be scanned; cheap to clone.
#[derive(Debug, Clone)]
pub struct Strip {
    /// Whose rows they are.
    pub users: Arc<Users>,
    /// When they happened, if it was asked for and the rows have times.
    pub times: Option<Arc<Times>>,
    /// As asked, in narrow form: integers of 1 to 8 bytes, `Decimal32(9, 2)` or floats, dictionaries
    /// with keys of 1 or 2 bytes or plain texts, other types as they are.
    /// `None` where the file has no such column: all values are missing.
    pub columns: Vec<Option<ArrayRef>>,
}

/// The users of rows: where each chunk begins, and the position of every row's user in its chunk.
#[derive(Debug)]
pub struct Users {
    first_chunk: u32,
    /// One more than chunks: rows `starts[i]..starts[i + 1]` belong to chunk `first_chunk + i`.
    starts: Vec<u32>,
    /// Ascending inside a chunk.
    pub places: Vec<u16>,
    /// One bit per row: is it the last one of its user?
    pub lasts: BooleanBuffer,
    /// For each chunk, who has rows; only where there are many.
    who: Vec<Option<Box<Register>>>,
}

/// From so many rows of a chunk on, 8 KiB for its users are a small part of what the rows take.
const MANY_ROWS: usize = 16_384;

/// Instants of rows, epoch milliseconds.
#[derive(Debug)]
pub enum Times {
    /// Milliseconds after `base`, the first instant; the last one is known too.
    After { base: i64, last: i64, after: Vec<u32> },
    /// As they are; `i64::MIN` where missing.
    Plain(Vec<i64>),
}

/// A piece of a strip, as it is kept.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Users(Arc<Users>),
    Times(Option<Arc<Times>>),
    Column(Option<ArrayRef>),
    Did(Arc<DidBits>),
    Spans(spans::Kept),
}

impl Strip {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.users.places.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What its rows take in memory.
    pub fn bytes(&self) -> u64 {
        let columns = self.columns.iter().flatten().map(|column| column.get_array_memory_size());
        let times = self.times.as_ref().map_or(0, |times| times.bytes());
        (self.users.bytes() + times + columns.sum::<usize>()) as u64
    }
}

impl Users {
    pub(super) fn of(users: &UInt32Array) -> Users {
        let users = users.values();
        let first_chunk = users.first().map_or(0, |user| user / CHUNK_USERS);
        let last_chunk = users.last().map_or(0, |user| user / CHUNK_USERS);
        let begins = |chunk: u32| users.partition_point(|user| user / CHUNK_USERS < chunk) as u32;
        let mut starts: Vec<u32> = (first_chunk..=last_chunk).map(begins).collect();
        starts.push(users.len() as u32);
        let places: Vec<u16> = users.iter().map(|user| (user % CHUNK_USERS) as u16).collect();
        let who = starts.windows(2).map(|pair| who(&places[pair[0] as usize..pair[1] as usize])).collect();
        let lasts = BooleanBuffer::collect_bool(users.len(), |row| users.get(row + 1) != Some(&users[row]));
        Users { first_chunk, starts, places, lasts, who }
    }

    /// Who has rows in a chunk; not known where there are few.
    pub fn who(&self, chunk: u32) -> Option<&Register> {
        self.who.get(chunk.checked_sub(self.first_chunk)? as usize)?.as_deref()
    }

    /// The rows of a chunk.
    pub fn range(&self, chunk: u32) -> Range<usize> {
        let at = chunk.checked_sub(self.first_chunk).map(|at| at as usize);
        match at.and_then(|at| self.starts.get(at..at + 2)) {
            Some(pair) => pair[0] as usize..pair[1] as usize,
            None => 0..0,
        }
    }

    /// The chunks from the first to the last that have rows.
    pub fn chunks(&self) -> Range<u32> {
        self.first_chunk..self.first_chunk + self.starts.len() as u32 - 1
    }

    fn bytes(&self) -> usize {
        let who = self.who.iter().flatten().count() * size_of::<Register>();
        self.places.len() * 2 + self.places.len() / 8 + self.starts.len() * 4 + who
    }
}

fn who(places: &[u16]) -> Option<Box<Register>> {
    let mut who = Box::new(Register::new());
    (places.len() >= MANY_ROWS).then(|| places.iter().for_each(|place| who.set(*place)))?;
    Some(who)
}

impl Times {
    pub(super) fn of(times: &Int64Array) -> Times {
        let base = times.iter().flatten().min().unwrap_or(0);
        let after = |time: i64| u32::try_from(time.checked_sub(base)?).ok();
        let short: Option<Vec<u32>> = times.iter().map(|time| after(time?)).collect();
        match short {
            Some(after) => {
                let last = base + after.iter().max().map_or(0, |after| *after as i64);
                Times::After { base, last, after }
            }
            None => Times::Plain(times.iter().map(|time| time.unwrap_or(i64::MIN)).collect()),
        }
    }

    /// The instant of a row; `i64::MIN` where it is missing.
    pub fn at(&self, row: usize) -> i64 {
        match self {
            Times::After { base, after, .. } => base + after[row] as i64,
            Times::Plain(times) => times[row],
        }
    }

    /// Is it known at once that all rows have a time, and that it lies inside `window`?
    pub fn are_all_in(&self, window: Interval) -> bool {
        matches!(self, Times::After { base, last, .. } if window.from.0 <= *base && *last < window.to.0)
    }

    fn bytes(&self) -> usize {
        match self {
            Times::After { after, .. } => after.len() * 4,
            Times::Plain(times) => times.len() * 8,
        }
    }
}

impl Piece {
    /// What it takes in memory.
    pub fn bytes(&self) -> u64 {
        let bytes = match self {
            Piece::Users(users) => users.bytes(),
            Piece::Times(times) => times.as_ref().map_or(0, |times| times.bytes()),
            Piece::Spans(spans) => return spans.as_ref().map_or(0, |spans| spans.bytes()) + 64,
            Piece::Did(bits) => return bits.bytes() + 64,
            Piece::Column(column) => column.as_ref().map_or(0, |column| column.get_array_memory_size()),
        };
        bytes as u64 + 64
    }
}

impl RowFile<'_> {
    /// The rows, with times if `timed`, and the columns asked for by their names in the file; a
    /// column whose type is narrower than asked is widened first.
    pub fn strip(&self, columns: &[(String, Option<DataType>)], timed: bool) -> Outcome<Strip> {
        let Piece::Users(users) = self.piece(USER, |file| Ok(Piece::Users(Arc::new(file.users()?))))? else {
            return Err(damaged(&self.path(), "it has no users"));
        };
        let times =
            match timed.then(|| self.piece(TIME, |file| file.instants().map(Piece::Times))).transpose()? {
                Some(Piece::Times(times)) => times,
                _ => None,
            };
        let column = |(name, as_type): &(String, Option<DataType>)| match self
            .piece(name, |file| file.narrowed(name, as_type.as_ref()).map(Piece::Column))?
        {
            Piece::Column(column) => Ok(column),
            _ => Ok(None),
        };
        Ok(Strip { users, times, columns: columns.iter().map(column).collect::<Outcome<_>>()? })
    }

    fn users(&self) -> Outcome<Users> {
        let rows = self.plain(USER)?.ok_or_else(|| damaged(&self.path(), "it has no users"))?;
        let users = rows.as_primitive_opt::<UInt32Type>();
        users.map(Users::of).ok_or_else(|| damaged(&self.path(), "its users are no numbers"))
    }

    fn instants(&self) -> Outcome<Option<Arc<Times>>> {
        let Some(times) = self.plain(TIME)? else { return Ok(None) };
        let times = cast(&times, &DataType::Int64).map_err(|error| damaged(&self.path(), error))?;
        Ok(Some(Arc::new(Times::of(times.as_primitive::<Int64Type>()))))
    }

    fn narrowed(&self, name: &str, as_type: Option<&DataType>) -> Outcome<Option<ArrayRef>> {
        let Some(column) = self.plain(name)? else { return Ok(None) };
        let column = match as_type {
            Some(wanted) if wanted != column.data_type() => {
                cast(&column, wanted).map_err(|error| damaged(&self.path(), error))?
            }
            _ => column,
        };
        Ok(Some(narrow(column)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_chunk_has_its_rows(mut users in proptest::collection::vec(0u32..400_000, 0..60)) {
            users.sort_unstable();
            let strip = Users::of(&UInt32Array::from(users.clone()));
            let found: Vec<u32> = (0..9)
                .flat_map(|chunk| strip.range(chunk).map(move |row| (chunk, row)))
                .map(|(chunk, row)| chunk * CHUNK_USERS + strip.places[row] as u32)
                .collect();
            prop_assert_eq!(found, users);
        }

        #[test]
        fn times_are_kept_near_and_far(times in proptest::collection::vec(proptest::option::weighted(0.9, -5i64..5_000), 0..20), far in any::<i64>()) {
            for times in [times.clone(), times.into_iter().chain([Some(far.max(i64::MIN + 1))]).collect()] {
                let kept = Times::of(&times.iter().copied().collect());
                for (row, time) in times.iter().enumerate() {
                    prop_assert_eq!(kept.at(row), time.unwrap_or(i64::MIN));
                }
            }
        }
    }
}
