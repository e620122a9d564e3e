//! The metric over one chunk's rows, and which users its comparison lets through.

use super::bits;
use super::bound::{BoundMetric, Compare};
use super::source::{Part, Weight, first_of};
use crate::base::{CHUNK_USERS, Interval, Timestamp};
use crate::store::Register;

/// The windows of a chunk's users, where each has one of their own.
pub type OwnWindows = Vec<Option<Interval>>;

/// Scratch space of one thread: one slot per user of a chunk.
pub struct Scratch {
    counts: Vec<u32>,
    days: Vec<i32>,
    sums: Vec<Sum>,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch { counts: vec![0; CHUNK_USERS as usize], days: vec![], sums: vec![] }
    }
}

/// A sum of floats with its rounding error carried along, so that the order of rows does not show.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    high: f64,
    low: f64,
    count: u32,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.high + value;
        let part = sum - self.high;
        self.low += (self.high - (sum - part)) + (value - part);
        self.high = sum;
        self.count += 1;
    }

    fn total(&self) -> f64 {
        self.high + self.low
    }
}

/// Users of `chunk` whose metric over their rows satisfies `compare`.
/// Shape: one bit per user of the chunk; users without rows are judged by the metric over nothing.
pub fn users_of(
    metric: &BoundMetric,
    compare: &Compare,
    parts: &[Part],
    chunk: u32,
    own: Option<&OwnWindows>,
    scratch: &mut Scratch,
) -> Register {
    let rows = Rows { parts, chunk, own };
    match metric {
        BoundMetric::Count | BoundMetric::Days if *compare == Compare::AT_LEAST_ONE => rows.did_at_all(),
        BoundMetric::Count => rows.counted(compare, scratch),
        BoundMetric::Days if parts.iter().all(|part| part.day.is_some()) => rows.days(compare, scratch),
        BoundMetric::Days | BoundMetric::Distinct(_) => rows.distinct(compare, scratch),
        BoundMetric::Sum(_) => rows.summed(scratch, |sum| compare.fits(sum.total())),
        BoundMetric::Avg(_) => {
            rows.summed(scratch, |sum| sum.count > 0 && compare.fits(sum.total() / sum.count as f64))
        }
        BoundMetric::Min(_) => rows.extreme(compare, f64::min),
        BoundMetric::Max(_) => rows.extreme(compare, f64::max),
    }
}

struct Rows<'a> {
    parts: &'a [Part],
    chunk: u32,
    own: Option<&'a OwnWindows>,
}

impl Rows<'_> {
    /// Calls `look` with (part, row, user's position in the chunk) for every row in its window.
    fn each(&self, mut look: impl FnMut(&Part, usize, usize)) {
        let first = first_of(self.chunk);
        for part in self.parts {
            for row in part.range(self.chunk) {
                let place = (part.users[row] - first) as usize;
                if self.own.is_none_or(|own| holds(own, place, part, row)) {
                    look(part, row, place);
                }
            }
        }
    }

    fn did_at_all(&self) -> Register {
        let mut register = Register::new();
        self.each(|_, _, place| register.set(place as u16));
        register
    }

    fn counted(&self, compare: &Compare, scratch: &mut Scratch) -> Register {
        let counts = &mut scratch.counts;
        counts.fill(0);
        self.each(|part, row, place| {
            let rows = match &part.weight {
                Weight::Counts(counts) => counts[row],
                _ => 1,
            };
            counts[place] = counts[place].saturating_add(rows);
        });
        pass(counts, |count| compare.fits(count as f64))
    }

    /// Parts come day by day, so a day is new when it differs from the user's last.
    fn days(&self, compare: &Compare, scratch: &mut Scratch) -> Register {
        scratch.counts.fill(0);
        scratch.days.clear();
        scratch.days.resize(CHUNK_USERS as usize, i32::MIN);
        let (counts, last) = (&mut scratch.counts, &mut scratch.days);
        self.each(|part, _, place| {
            let day = part.day.map_or(0, |day| day.0);
            if last[place] != day {
                last[place] = day;
                counts[place] += 1;
            }
        });
        pass(counts, |count| compare.fits(count as f64))
    }

    fn distinct(&self, compare: &Compare, scratch: &mut Scratch) -> Register {
        let mut pairs: Vec<(u16, u64)> = vec![];
        self.each(|part, row, place| {
            if let Some(value) = value(part, row) {
                pairs.push((place as u16, if value == 0.0 { 0 } else { value.to_bits() }));
            }
        });
        pairs.sort_unstable();
        pairs.dedup();
        scratch.counts.fill(0);
        pairs.iter().for_each(|(place, _)| scratch.counts[*place as usize] += 1);
        pass(&scratch.counts, |count| compare.fits(count as f64))
    }

    fn summed(&self, scratch: &mut Scratch, fits: impl Fn(&Sum) -> bool) -> Register {
        scratch.sums.clear();
        scratch.sums.resize(CHUNK_USERS as usize, Sum::default());
        let sums = &mut scratch.sums;
        self.each(|part, row, place| {
            if let Some(value) = value(part, row) {
                sums[place].add(value);
            }
        });
        pass(sums, |sum| fits(&sum))
    }

    fn extreme(&self, compare: &Compare, best: fn(f64, f64) -> f64) -> Register {
        let mut found: Vec<f64> = vec![f64::NAN; CHUNK_USERS as usize];
        self.each(|part, row, place| {
            if let Some(value) = value(part, row) {
                found[place] = best(found[place], value);
            }
        });
        pass(&found, |value| !value.is_nan() && compare.fits(value))
    }
}

fn value(part: &Part, row: usize) -> Option<f64> {
    match &part.weight {
        Weight::Values(values) => values.get(row).copied(),
        _ => None,
    }
}

fn holds(own: &OwnWindows, place: usize, part: &Part, row: usize) -> bool {
    let time = part.times.get(row).copied().unwrap_or(i64::MIN);
    own.get(place).copied().flatten().is_some_and(|window| window.holds(Timestamp(time)))
}

/// One bit per slot that fits.
fn pass<T: Copy>(slots: &[T], fits: impl Fn(T) -> bool) -> Register {
    let mut register = Register::new();
    let (chunks, _) = slots.as_chunks::<64>();
    register.words_mut().iter_mut().zip(chunks).for_each(|(word, slots)| *word = bits::word(slots, &fits));
    register
}
