//! How fast may a channel be used? A bucket that fills with time; the time comes in.
//!
//! Touches are taken at once and paid for afterwards: the next ones wait until the last are paid. So
//! from the first touch on, never more than `rate × time` and one batch have gone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::Timestamp;

/// So many touches in a length of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub count: u32,
    pub per: Duration,
}

/// The bucket of one channel, shared by all that send through it.
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    clock: fn() -> Timestamp,
    /// When the last touches are paid for, in nanoseconds since 1970.
    paid_at: Mutex<i128>,
}

impl Rate {
    /// Reads `100/s`, `600/m`, `3000/h`, `10000/d`.
    pub fn parse(text: &str) -> Option<Rate> {
        let (count, unit) = text.trim().split_once('/')?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let count = count.trim().parse().ok().filter(|count| *count > 0)?;
        Some(Rate { count, per: Duration::from_secs(seconds) })
    }

    /// What `touches` cost in time.
    fn cost(self, touches: usize) -> i128 {
        self.per.as_nanos() as i128 * touches as i128 / i128::from(self.count)
    }
}

impl Bucket {
    /// A full bucket that fills as `clock` goes on.
    pub fn new(rate: Rate, clock: fn() -> Timestamp) -> Bucket {
        Bucket { rate, clock, paid_at: Mutex::new(i128::MIN) }
    }

    /// The most touches in a batch: those of one period, so that a small rate does not come in bursts.
    pub fn burst(&self) -> usize {
        self.rate.count as usize
    }

    /// Takes `touches` now, and says how long to wait before they go. A clock that steps back only
    /// lengthens the wait.
    pub fn take(&self, touches: usize) -> Duration {
        self.take_at(touches, (self.clock)())
    }

    fn take_at(&self, touches: usize, now: Timestamp) -> Duration {
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = i128::from(now.0) * 1_000_000;
        let goes_at = now.max(*paid_at);
        *paid_at = goes_at + self.rate.cost(touches);
        Duration::from_nanos(u64::try_from(goes_at - now).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_read() {
        let read = |text| Rate::parse(text).map(|rate| (rate.count, rate.per.as_secs()));
        assert_eq!(read("100/s"), Some((100, 1)));
        assert_eq!(read(" 600 / min "), Some((600, 60)));
        assert_eq!((read("5/h"), read("7/d")), (Some((5, 3_600)), Some((7, 86_400))));
        assert!(
            ["", "100", "0/s", "-1/s", "1/week", "x/s", "99999999999/s"].iter().all(|t| read(t).is_none())
        );
    }

    proptest! {
        /// The slow twin looks at every pair of batches: between two starts there were never more touches
        /// than the rate allows and the first of them; and nobody waits longer than what went before costs.
        #[test]
        fn no_stretch_of_time_has_too_many(
            count in 1u32..500,
            batches in prop::collection::vec((0i64..3_000, 1usize..200), 1..30),
        ) {
            let bucket = Bucket::new(Rate { count, per: Duration::from_secs(1) }, || Timestamp(0));
            let (mut now, mut starts, mut cost) = (0i64, Vec::new(), 0.0);
            for (step, touches) in batches {
                now += step;
                let wait = bucket.take_at(touches, Timestamp(now)).as_nanos() as f64 / 1e9;
                prop_assert!(wait <= cost + 1e-6);
                starts.push((now as f64 / 1e3 + wait, touches));
                cost += touches as f64 / f64::from(count);
            }
            for (n, (from, _)) in starts.iter().enumerate() {
                let mut sum = 0.0;
                for (to, touches) in &starts[n..] {
                    let allowed = (to - from) * f64::from(count);
                    prop_assert!(sum <= allowed + 1e-3, "{sum} in {} s", to - from);
                    sum += *touches as f64;
                }
            }
        }
    }
}
