//! When did an event come in, and was it on time? The clock follows the arrivals.

use arrow::array::{Array, Int64Array};
use arrow::buffer::BooleanBuffer;

use crate::base::Timestamp;

/// A phone's clock may be ahead by so much; an event from further on is clamped to its arrival.
pub const AHEAD_MAX_MS: i64 = 2 * 60_000;
/// An event that comes in later than this is history only.
pub const LATE_MAX_MS: i64 = 2 * 3_600_000;

/// The clock of a source: the latest arrival so far.
pub struct Arrivals {
    clock: i64,
}

/// What became of a batch's times; all of one length.
pub struct Judged {
    pub times: Int64Array,
    pub arrivals: Int64Array,
    pub clamped: BooleanBuffer,
    pub late: BooleanBuffer,
}

impl Arrivals {
    /// A clock that stands at `clock`.
    pub fn new(clock: Timestamp) -> Arrivals {
        Arrivals { clock: clock.0 }
    }

    /// The latest arrival so far.
    pub fn clock(&self) -> Timestamp {
        Timestamp(self.clock)
    }

    /// Judges a batch in its order. Without an arrival of its own, an event comes in at the later
    /// of the clock and its own time. `times` has no nulls; `given` may have some.
    pub fn judge(&mut self, times: &Int64Array, given: Option<&Int64Array>) -> Judged {
        let arrivals = self.follow(times, given);
        let pairs = || times.values().iter().zip(&arrivals);
        let clamped: BooleanBuffer = pairs().map(|(time, arrival)| time - arrival > AHEAD_MAX_MS).collect();
        let late = pairs().map(|(time, arrival)| arrival - time > LATE_MAX_MS).collect();
        let times = match clamped.count_set_bits() {
            0 => times.clone(),
            _ => {
                pairs().zip(&clamped).map(|((time, arrival), is)| if is { *arrival } else { *time }).collect()
            }
        };
        Judged { times, arrivals: arrivals.into(), clamped, late }
    }

    /// The arrival of each event; the clock goes on with them, and never back.
    fn follow(&mut self, times: &Int64Array, given: Option<&Int64Array>) -> Vec<i64> {
        let own = |row: usize| given.filter(|given| given.is_valid(row)).map(|given| given.value(row));
        let mut arrivals = Vec::with_capacity(times.len());
        for (row, time) in times.values().iter().enumerate() {
            let arrival = own(row).unwrap_or(self.clock.max(*time));
            self.clock = self.clock.max(arrival);
            arrivals.push(arrival);
        }
        arrivals
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn early_is_clamped_late_is_history_and_both_bounds_are_inside() {
        let mut arrivals = Arrivals::new(Timestamp(0));
        let given = Int64Array::from(vec![10_000_000; 4]);
        let times = Int64Array::from(vec![10_120_000, 10_120_001, 2_800_000, 2_799_999]);
        let judged = arrivals.judge(&times, Some(&given));
        assert_eq!(judged.times.values()[..], [10_120_000, 10_000_000, 2_800_000, 2_799_999]);
        assert_eq!(judged.clamped.iter().collect::<Vec<_>>(), [false, true, false, false]);
        assert_eq!(judged.late.iter().collect::<Vec<_>>(), [false, false, false, true]);
        assert_eq!(arrivals.clock(), Timestamp(10_000_000));
    }

    proptest! {
        /// The slow twin: event by event, as the contract says it.
        #[test]
        fn the_clock_follows_arrival(
            rows in prop::collection::vec((0i64..20_000_000, prop::option::of(0i64..20_000_000)), 1..40),
            cut in 0usize..40,
        ) {
            let cut = cut.min(rows.len());
            let mut arrivals = Arrivals::new(Timestamp(500));
            let mut found = vec![];
            for part in [&rows[..cut], &rows[cut..]] {
                let times: Int64Array = part.iter().map(|(time, _)| Some(*time)).collect();
                let given: Int64Array = part.iter().map(|(_, given)| *given).collect();
                let judged = arrivals.judge(&times, Some(&given));
                for row in 0..part.len() {
                    found.push((judged.times.value(row), judged.arrivals.value(row), judged.clamped.value(row), judged.late.value(row)));
                }
            }
            let mut clock = 500;
            for ((time, given), found) in rows.iter().zip(found) {
                let arrival = match given { Some(given) => *given, None => clock.max(*time) };
                clock = clock.max(arrival);
                let is_clamped = *time > arrival + 120_000;
                let expected = (if is_clamped { arrival } else { *time }, arrival, is_clamped, arrival > time + 7_200_000);
                prop_assert_eq!(found, expected);
                prop_assert!(given.is_some() || !is_clamped);
            }
            prop_assert_eq!(arrivals.clock(), Timestamp(clock));
        }
    }
}
