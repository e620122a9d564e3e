//! The metric over one chunk's rows, and which users its comparison lets through.

use arrow::buffer::BooleanBuffer;

use super::bits::{Fold, each_set, word};
use super::bound::{BoundMetric, Compare};
use super::hundredths;
use super::pair::Firsts;
use super::ranges::in_range;
use super::source::{Measured, Part, PartRows, Scanned};
use super::spread::spread;
use super::tally;
use crate::base::{CHUNK_USERS, Day, Interval, Timestamp, Zone};
use crate::store::{Register, Rollup};

const USERS: usize = CHUNK_USERS as usize;
/// Below so many rows in a chunk, bits are set one by one instead of over all users.
const FEW_ROWS: usize = 2_048;

/// The windows of a chunk's users, where each has one of their own.
pub type OwnWindows = Vec<Option<Interval>>;

/// Scratch space of one thread: slots for the users of a chunk, and words for the rows of a part.
#[derive(Default)]
pub struct Scratch {
    small: Slots<u8>,
    large: Slots<u32>,
    whole: Slots<i64>,
    sums: Slots<Sum>,
    pairs: Slots<Firsts>,
    words: Vec<u64>,
}

/// One slot per user of a chunk, made when first needed; a position always has its slot.
#[derive(Default)]
pub struct Slots<T>(Vec<T>);

impl Scratch {
    /// Slots for the two instants of [`Firsts`]; to be given back.
    pub fn take_pairs(&mut self) -> Slots<Firsts> {
        std::mem::take(&mut self.pairs)
    }

    /// Keeps slots for the next chunk.
    pub fn give_pairs(&mut self, pairs: Slots<Firsts>) {
        self.pairs = pairs;
    }

    /// Words for bits of rows.
    pub fn words(&mut self) -> &mut Vec<u64> {
        &mut self.words
    }
}

impl<T: Copy + Default> Slots<T> {
    /// The slots, each with nothing in it.
    fn cleared(&mut self) -> &mut [T; USERS] {
        self.filled(T::default())
    }

    /// The slots, each with `value` in it.
    pub fn filled(&mut self, value: T) -> &mut [T; USERS] {
        // On the heap: an array of this size would not fit every thread's stack.
        self.0.clear();
        self.0.resize(USERS, value);
        match self.0.first_chunk_mut() {
            Some(slots) => slots,
            None => unreachable!("as many slots were just made"),
        }
    }
}

/// The sum of a user: whole hundredths exactly, other floats with their rounding error carried
/// along, so that neither the order of rows nor the form of a column shows.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    whole: i64,
    high: f64,
    low: f64,
    count: u32,
}

impl Sum {
    fn add(&mut self, value: Result<i64, f64>) {
        self.count += 1;
        match value {
            Ok(whole) => self.whole += whole,
            Err(value) => {
                let sum = self.high + value;
                let part = sum - self.high;
                self.low += (self.high - (sum - part)) + (value - part);
                self.high = sum;
            }
        }
    }

    fn total(&self) -> f64 {
        hundredths::float(self.whole) + (self.high + self.low)
    }
}

/// One condition's rows in one chunk.
pub struct Rows<'a> {
    pub parts: &'a [Part],
    pub chunk: u32,
    pub own: Option<&'a OwnWindows>,
    pub zone: &'a Zone,
}

impl Rows<'_> {
    /// Writes the users of the chunk whose metric over their rows satisfies `compare`.
    /// Shape: one bit per user; users without rows are judged by the metric over nothing.
    pub fn users(&self, metric: &BoundMetric, compare: &Compare, scratch: &mut Scratch, out: &mut Register) {
        match metric {
            BoundMetric::Count if *compare == Compare::AT_LEAST_ONE => self.did(scratch, out),
            BoundMetric::Count => self.counted(compare, scratch, out),
            BoundMetric::Days if self.has_a_part_per_day() => self.days(compare, scratch, out),
            BoundMetric::Days => self.distinct(compare, scratch, out, |day, part, row| {
                day.map_or_else(|| self.day(part, row), |day| day.0 as u32 as u64)
            }),
            BoundMetric::Distinct(_) => self.distinct(compare, scratch, out, |_, part, row| {
                let value = part.measured.float(row);
                if value == 0.0 { 0 } else { value.to_bits() }
            }),
            BoundMetric::Sum(_) if self.are_whole() => self.summed_whole(compare, scratch, out),
            BoundMetric::Sum(_) => self.summed(scratch, out, |sum| compare.fits(sum.total())),
            BoundMetric::Avg(_) => {
                self.summed(scratch, out, |sum| {
                    sum.count > 0 && compare.fits(sum.total() / sum.count as f64)
                });
            }
            BoundMetric::Min(_) => self.extreme(compare, scratch, out, f64::min),
            BoundMetric::Max(_) => self.extreme(compare, scratch, out, f64::max),
        }
    }

    /// Calls `look` with the user's position and the instant (ms) of every row that passes.
    pub fn each_time(&self, scratch: &mut Scratch, mut look: impl FnMut(u16, i64)) {
        for part in self.scanned() {
            self.each(part, &mut scratch.words, |row, place| look(place, part.times.at(row, self.zone)));
        }
    }

    fn scanned(&self) -> impl Iterator<Item = &Scanned> {
        self.parts.iter().filter_map(|part| match &part.rows {
            PartRows::Scanned(scanned) => Some(scanned),
            _ => None,
        })
    }

    fn counted_before(&self) -> impl Iterator<Item = &Rollup> {
        self.parts.iter().filter_map(|part| match &part.rows {
            PartRows::Counted(rollup) => Some(rollup),
            _ => None,
        })
    }

    fn are_whole(&self) -> bool {
        self.scanned().all(|part| part.measured.is_whole())
    }

    fn has_a_part_per_day(&self) -> bool {
        self.parts.windows(2).all(|pair| pair[0].day != pair[1].day)
            && self.parts.iter().all(|part| part.day.is_some())
            && self.parts.len() <= tally::MOST
    }

    /// The local day of a detail row; rows without a time have been left out.
    fn day(&self, part: &Scanned, row: usize) -> u64 {
        self.zone.day_of(Timestamp(part.times.at(row, self.zone))).0 as u32 as u64
    }

    /// Calls `look` with (row, place) for every row of a part that passes and lies in its window.
    #[inline(always)]
    fn each(&self, part: &Scanned, words: &mut Vec<u64>, mut look: impl FnMut(usize, u16)) {
        match self.own {
            None => self.each_passing(part, words, look),
            Some(own) => self.each_passing(part, words, |row, place| {
                if holds(own, place, part.times.at(row, self.zone)) {
                    look(row, place);
                }
            }),
        }
    }

    #[inline(always)]
    fn each_passing(&self, part: &Scanned, words: &mut Vec<u64>, mut look: impl FnMut(usize, u16)) {
        let range = part.strip.users.range(self.chunk);
        let (first, places) = (range.start, &part.strip.users.places[range.clone()]);
        match &part.mask {
            None => places.iter().enumerate().for_each(|(at, place)| look(first + at, *place)),
            Some(mask) => {
                mask.fill(range, words);
                each_set(words, |at| look(first + at, places[at]));
            }
        }
    }

    /// Everybody who has a row.
    fn did(&self, scratch: &mut Scratch, out: &mut Register) {
        out.clear();
        self.parts.iter().for_each(|part| self.add_users(part, scratch, out));
    }

    /// Adds everybody who has a row in a part.
    fn add_users(&self, part: &Part, scratch: &mut Scratch, out: &mut Register) {
        match &part.rows {
            PartRows::Did(bits) => bits.add_to(self.chunk, out),
            PartRows::Counted(rollup) => {
                rollup.of_chunk(self.chunk).0.iter().for_each(|place| out.set(*place));
            }
            PartRows::Scanned(scanned) => self.add_scanned(scanned, scratch, out),
        }
    }

    fn add_scanned(&self, part: &Scanned, scratch: &mut Scratch, out: &mut Register) {
        let Scratch { small, words, .. } = scratch;
        let users = &part.strip.users;
        let range = users.range(self.chunk);
        if range.len() < FEW_ROWS {
            return self.each(part, words, |_, place| out.set(place));
        }
        if self.own.is_some() {
            let slots = small.cleared();
            self.each(part, words, |_, place| slots[place as usize] = 1);
            return in_range(slots, 1, 1, false, Fold::Or, out.words_mut());
        }
        // One bit is left per user, on the last row.
        let lasts = users.lasts.slice(range.start, range.len());
        match &part.mask {
            Some(mask) => mask.fill(range.clone(), words),
            None => {
                words.clear();
                words.resize(range.len().div_ceil(64), u64::MAX);
            }
        }
        to_last(words, &lasts);
        if users.who(self.chunk).is_some_and(|who| spread(words, &lasts, who, out)) {
            return;
        }
        let slots = small.cleared();
        let places = &users.places[range];
        each_set(words, |at| slots[places[at] as usize] = 1);
        in_range(slots, 1, 1, false, Fold::Or, out.words_mut());
    }

    /// Rows per user, in small slots if the comparison allows.
    fn counted(&self, compare: &Compare, scratch: &mut Scratch, out: &mut Register) {
        let (low, high) = (compare.low.ceil().max(0.0), compare.high.floor());
        let is_small = low <= u8::MAX as f64 && (high < u8::MAX as f64 || high >= u32::MAX as f64);
        if high < 0.0 || low > u32::MAX as f64 {
            return fill(compare.negated, out);
        }
        let Scratch { small, large, words, .. } = scratch;
        if is_small {
            let slots = small.cleared();
            self.add_up(slots, words);
            in_range(slots, low as u8, high as u8, compare.negated, Fold::Set, out.words_mut());
        } else {
            let slots = large.cleared();
            self.add_up(slots, words);
            in_range(slots, low as u32, high as u32, compare.negated, Fold::Set, out.words_mut());
        }
    }

    /// Days per user: the bits of each day are added to counters of one bit per plane.
    fn days(&self, compare: &Compare, scratch: &mut Scratch, out: &mut Register) {
        let mut made: Vec<Box<Register>> = vec![];
        for part in self.parts {
            if self.kept_bits(part).is_none() {
                let mut users = Box::new(Register::new());
                self.add_users(part, scratch, &mut users);
                made.push(users);
            }
        }
        let kept = self.parts.iter().filter_map(|part| self.kept_bits(part));
        let days: Vec<&Register> = kept.chain(made.iter().map(|users| &**users)).collect();
        tally::days(&days, compare, out);
    }

    fn kept_bits<'p>(&self, part: &'p Part) -> Option<&'p Register> {
        match &part.rows {
            PartRows::Did(bits) => bits.of_chunk(self.chunk),
            _ => None,
        }
    }

    fn add_up<T: Slot>(&self, slots: &mut [T; USERS], words: &mut Vec<u64>) {
        for rollup in self.counted_before() {
            let (places, counts) = rollup.of_chunk(self.chunk);
            places.iter().zip(counts).for_each(|(place, n)| slots[*place as usize].add(*n));
        }
        for part in self.scanned() {
            self.each(part, words, |_, place| slots[place as usize].add(1));
        }
    }

    fn distinct(
        &self,
        compare: &Compare,
        scratch: &mut Scratch,
        out: &mut Register,
        value: impl Fn(Option<Day>, &Scanned, usize) -> u64,
    ) {
        let mut pairs: Vec<(u16, u64)> = vec![];
        for part in self.parts {
            match &part.rows {
                PartRows::Scanned(scanned) => self.each(scanned, &mut scratch.words, |row, place| {
                    pairs.push((place, value(part.day, scanned, row)));
                }),
                // Days are asked for: who is in the part has done it on its day.
                _ => {
                    let day = part.day.map_or(0, |day| day.0 as u32 as u64);
                    let mut users = Register::new();
                    self.add_users(part, scratch, &mut users);
                    pairs.extend(users.iter().map(|place| (place, day)));
                }
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let slots = scratch.large.cleared();
        pairs.iter().for_each(|(place, _)| slots[*place as usize] += 1);
        pass(slots, out, |count| compare.fits(count as f64));
    }

    /// Money: every value is whole hundredths, and so is the sum.
    fn summed_whole(&self, compare: &Compare, scratch: &mut Scratch, out: &mut Register) {
        let Scratch { whole, words, .. } = scratch;
        let sums = whole.cleared();
        for part in self.scanned() {
            match &part.measured {
                Measured::Hundredths(values) => {
                    self.each(part, words, |row, place| sums[place as usize] += values[row] as i64);
                }
                // The types that come here are all whole.
                other => self.each(part, words, |row, place| {
                    sums[place as usize] += other.exact(row).unwrap_or(0);
                }),
            }
        }
        let (low, high) = hundredths::range(compare.low, compare.high);
        in_range(sums, low, high, compare.negated, Fold::Set, out.words_mut());
    }

    fn summed(&self, scratch: &mut Scratch, out: &mut Register, fits: impl Fn(&Sum) -> bool) {
        let Scratch { sums, words, .. } = scratch;
        let sums = sums.cleared();
        for part in self.scanned() {
            self.each(part, words, |row, place| sums[place as usize].add(part.measured.exact(row)));
        }
        pass(sums, out, |sum| fits(&sum));
    }

    fn extreme(
        &self,
        compare: &Compare,
        scratch: &mut Scratch,
        out: &mut Register,
        best: fn(f64, f64) -> f64,
    ) {
        let mut found: Vec<f64> = vec![f64::NAN; USERS];
        for part in self.scanned() {
            self.each(part, &mut scratch.words, |row, place| {
                let best_of = &mut found[place as usize];
                *best_of = best(*best_of, part.measured.float(row));
            });
        }
        pass(&found, out, |value| !value.is_nan() && compare.fits(value));
    }
}

/// A counter that stays at its greatest value.
trait Slot: Copy + Default {
    fn add(&mut self, rows: u8);
}

impl Slot for u8 {
    #[inline(always)]
    fn add(&mut self, rows: u8) {
        *self = self.saturating_add(rows);
    }
}

impl Slot for u32 {
    #[inline(always)]
    fn add(&mut self, rows: u8) {
        *self = self.saturating_add(rows as u32);
    }
}

/// Moves the bits of each user's rows to the user's last row. Adding a bit to the ones below the
/// last row carries it there, and no further; what is carried out of a word goes into the next.
fn to_last(words: &mut [u64], lasts: &BooleanBuffer) {
    let mut carry = false;
    for (word, last) in words.iter_mut().zip(lasts.bit_chunks().iter_padded()) {
        let (sum, over) = (*word & !last).overflowing_add(!last);
        let (sum, over_too) = sum.overflowing_add(carry as u64);
        carry = over | over_too;
        *word = (sum | *word) & last;
    }
}

fn fill(everybody: bool, out: &mut Register) {
    out.words_mut().fill(if everybody { u64::MAX } else { 0 });
}

fn holds(own: &OwnWindows, place: u16, time: i64) -> bool {
    own.get(place as usize).copied().flatten().is_some_and(|window| window.holds(Timestamp(time)))
}

/// One bit per slot that fits.
fn pass<T: Copy>(slots: &[T], out: &mut Register, fits: impl Fn(T) -> bool) {
    let (chunks, _) = slots.as_chunks::<64>();
    out.words_mut().iter_mut().zip(chunks).for_each(|(out, slots)| *out = word(slots, &fits));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_move_to_the_last_row_of_their_user(users in prop::collection::vec((1usize..90, any::<u8>()), 0..60)) {
            let lasts: Vec<bool> = users.iter().flat_map(|(rows, _)| (1..=*rows).map(move |row| row == *rows)).collect();
            let passing: Vec<bool> = users.iter().flat_map(|(rows, seed)| (0..*rows).map(move |row| (row * 7 + *seed as usize).is_multiple_of(11))).collect();
            let mut words: Vec<u64> = BooleanBuffer::from(passing.clone()).bit_chunks().iter_padded().collect();
            to_last(&mut words, &BooleanBuffer::from(lasts));
            let mut row = 0;
            for (rows, _) in &users {
                let any = passing[row..row + rows].iter().any(|bit| *bit);
                for at in row..row + rows {
                    prop_assert_eq!(words[at / 64] >> (at % 64) & 1 == 1, any && at == row + rows - 1);
                }
                row += rows;
            }
        }
    }
}
