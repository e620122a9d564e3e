//! The filter of a condition on the rows of one strip, ready to be asked for any range of rows.
//!
//! A filter may ask for an instant of the user who did the row (`paid_at within 7 days of joined`):
//! [`Begins`] lays the columns of those tags ready, chunk by chunk, before rows are looked at.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

use super::bits::Fold;
use super::bound::{Begin, BoundFilter, RowWithin};
use super::lane::Lane;
use super::ranges::in_range;
use super::source;
use crate::base::{Interval, Outcome, Timestamp, Zone, ahead};
use crate::store::{Snapshot, Strip, Times};

/// A strip with the names that its columns were asked for by.
pub struct Named<'a> {
    pub strip: &'a Strip,
    pub names: &'a [String],
}

impl<'a> Named<'a> {
    /// A column; `None` where the file has no such column: all its values are missing.
    pub fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        let at = self.names.iter().position(|one| one == name)?;
        self.strip.columns.get(at)?.as_ref()
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

    /// The instant in `tag` of the user at a position of a chunk.
    pub fn of(&self, tag: &str, chunk: u32, place: u16, zone: &Zone) -> Option<Timestamp> {
        source::instant(self.0.get(tag)?.get(&chunk)?, place as usize, zone)
    }
}

/// Which rows pass.
pub enum Mask {
    All(Vec<Mask>),
    Any(Vec<Mask>),
    Not(Box<Mask>),
    Lane(Lane),
    /// Rows with a time in `[from, to)`; rows without one do not pass.
    Window {
        times: Arc<Times>,
        from: i64,
        to: i64,
    },
}

impl Mask {
    /// `filter` on the rows of a strip; `begins` are the tags that it asks of the users.
    pub fn of(filter: &BoundFilter, rows: &Named, begins: &Begins, zone: &Zone) -> Mask {
        let several = |parts: &[BoundFilter]| {
            parts.iter().map(|part| Mask::of(part, rows, begins, zone)).collect::<Vec<_>>()
        };
        match filter {
            BoundFilter::All(parts) => Mask::All(several(parts)),
            BoundFilter::Any(parts) => Mask::Any(several(parts)),
            BoundFilter::Not(part) => Mask::Not(Box::new(Mask::of(part, rows, begins, zone))),
            BoundFilter::Within(asked) => Mask::Lane(Lane::bits(own_within(asked, rows, begins, zone))),
            BoundFilter::Test(tested) => {
                let column = rows.column(&tested.column);
                Mask::Lane(Lane::new(&tested.check, column, rows.strip.len(), zone))
            }
        }
    }

    /// One bit per row of `range`, in a word per 64 rows; bits beyond the range are clear.
    pub fn fill(&self, range: Range<usize>, out: &mut Vec<u64>) {
        out.clear();
        out.resize(range.len().div_ceil(64), 0);
        self.write(range, out);
    }

    fn write(&self, range: Range<usize>, out: &mut [u64]) {
        match self {
            Mask::All(parts) => join(parts, range, out, true),
            Mask::Any(parts) => join(parts, range, out, false),
            Mask::Not(part) => {
                part.write(range.clone(), out);
                out.iter_mut().for_each(|word| *word = !*word);
                trim(range.len(), out);
            }
            Mask::Lane(lane) => lane.fill(range, out),
            Mask::Window { times, from, to } => within(times, range, *from, *to, out),
        }
    }
}

/// Rows whose instant lies in `[X, X + gap)` and is not later than the plan's instant.
fn own_within(asked: &RowWithin, rows: &Named, begins: &Begins, zone: &Zone) -> BooleanBuffer {
    let users = &rows.strip.users;
    let fits = |chunk: u32, row: usize| {
        let at = source::instant(rows.column(&asked.column)?, row, zone)?;
        let from = match &asked.begin {
            Begin::Tag(tag) => begins.of(tag, chunk, users.places[row], zone)?,
            Begin::Column(name) => source::instant(rows.column(name)?, row, zone)?,
        };
        let to = ahead(from, asked.count, asked.unit, zone).min(asked.until.plus(1));
        Some(Interval { from, to }.holds(at))
    };
    let rows = users.chunks().flat_map(|chunk| users.range(chunk).map(move |row| (chunk, row)));
    rows.map(|(chunk, row)| fits(chunk, row) == Some(true)).collect()
}

fn join(parts: &[Mask], range: Range<usize>, out: &mut [u64], is_all: bool) {
    let Some((first, rest)) = parts.split_first() else {
        out.fill(if is_all { u64::MAX } else { 0 });
        trim(range.len(), out);
        return;
    };
    first.write(range.clone(), out);
    if rest.is_empty() {
        return;
    }
    let mut next = vec![0; out.len()];
    for part in rest {
        part.write(range.clone(), &mut next);
        let words = out.iter_mut().zip(&next);
        words.for_each(|(word, next)| if is_all { *word &= next } else { *word |= next });
    }
}

/// Clears the bits beyond `len`.
fn trim(len: usize, out: &mut [u64]) {
    if let (Some(last), true) = (out.last_mut(), !len.is_multiple_of(64)) {
        *last &= (1 << (len % 64)) - 1;
    }
}

fn within(times: &Times, range: Range<usize>, from: i64, to: i64, out: &mut [u64]) {
    let last = to.saturating_sub(1);
    match times {
        Times::After { base, after, .. } => {
            // Beyond the ends of what is stored, an end of the window says nothing more.
            let near = |time: i64| time.saturating_sub(*base).clamp(-1, u32::MAX as i64 + 1);
            let (low, high) = (near(from).max(0), near(last).min(u32::MAX as i64));
            match low <= high && low <= u32::MAX as i64 {
                true => in_range(&after[range], low as u32, high as u32, false, Fold::Set, out),
                false => out.fill(0),
            }
        }
        Times::Plain(times) => {
            in_range(&times[range], from.max(i64::MIN + 1), last, false, Fold::Set, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_window_holds_the_times_inside(
            times in prop::collection::vec(-500i64..500, 1..100), far in prop::option::of(any::<i64>()),
            from in prop_oneof![-600i64..600, any::<i64>()], to in prop_oneof![-600i64..600, any::<i64>()], skip in 0usize..100,
        ) {
            let all: Vec<i64> = times.into_iter().chain(far).collect();
            let skip = skip.min(all.len());
            let kept = if far.is_some() {
                Times::Plain(all.clone())
            } else {
                let base = all.iter().min().copied().unwrap_or(0);
                let last = all.iter().max().copied().unwrap_or(0);
                Times::After { base, last, after: all.iter().map(|time| (time - base) as u32).collect() }
            };
            let mask = Mask::Window { times: Arc::new(kept), from, to };
            let mut words = vec![];
            mask.fill(skip..all.len(), &mut words);
            for (at, time) in all[skip..].iter().enumerate() {
                let expected = *time != i64::MIN && from <= *time && *time < to;
                prop_assert_eq!(words[at / 64] >> (at % 64) & 1 == 1, expected, "{}", time);
            }
        }
    }
}
