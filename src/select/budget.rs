//! An answer in time: exact if the time is enough, else an interval from a sample of the users.
//!
//! Chunks of 65,536 users are looked at in an order that has nothing to do with when users came.
//! When the time is up, what was seen stands for the rest: a count is estimated by the ratio of the
//! users seen (cluster sampling without replacement), with an interval of 95 % by Student's t.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::plan::Plan;
use super::run::Counted;
use crate::base::Outcome;
use crate::store::Snapshot;

/// Chunks that are looked at in any case: fewer give no interval worth stating.
const CHUNKS_MIN: usize = 8;

/// A count at every node, exact or from a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Budgeted {
    /// Exact, or what the sample makes likely.
    pub tree: Counted,
    /// `None`: exact.
    pub sample: Option<Sample>,
}

/// What an estimate rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Users looked at.
    pub users: u64,
    /// The root's count lies in `low..=high` with a probability of 95 %.
    pub low: u64,
    pub high: u64,
}

/// Counts of one chunk: users of the universe, then every node.
type Seen = (u64, Vec<u64>);

impl Plan {
    /// The count of every node within `seconds` by `clock`, or an interval for the root. At least
    /// eight chunks are looked at; reading the rows of a window comes before the first one.
    /// Errors: a file of the snapshot that cannot be read.
    pub fn count_within(
        &self,
        seconds: f64,
        clock: &(dyn Fn() -> f64 + Sync),
        snapshot: &Snapshot,
    ) -> Outcome<Budgeted> {
        let end = clock() + seconds;
        let order = spread(snapshot.chunk_count());
        let done = AtomicUsize::new(0);
        let is_time = || clock() < end || done.load(Ordering::Relaxed) < CHUNKS_MIN;
        let seen: Vec<Option<Seen>> = self.counts_of(&order, snapshot, |count| {
            is_time().then(|| {
                let seen = count()?;
                done.fetch_add(1, Ordering::Relaxed);
                Ok(seen)
            })
        })?;
        let seen: Vec<Seen> = seen.into_iter().flatten().collect();
        let everyone = snapshot.universe().len();
        if seen.len() == order.len() {
            return Ok(Budgeted { tree: self.tree_of(seen.iter().map(|(_, counts)| counts)), sample: None });
        }
        let looked_at = seen.iter().map(|(users, _)| users).sum();
        let mut tree = self.tree_of(seen.iter().map(|(_, counts)| counts));
        let root: Vec<(u64, u64)> =
            seen.iter().map(|(users, counts)| (*users, counts.first().copied().unwrap_or(0))).collect();
        let (low, high) = interval(&root, order.len(), everyone);
        scale(&mut tree, looked_at, everyone);
        Ok(Budgeted { tree, sample: Some(Sample { users: looked_at, low, high }) })
    }
}

/// All chunks in an order that jumps about: multiples of a number without a common divisor, near
/// the golden section of them.
fn spread(chunks: u32) -> Vec<u32> {
    let step =
        (1..=chunks).rev().find(|step| *step as f64 <= 0.618 * chunks as f64 && gcd(*step, chunks) == 1);
    let step = step.unwrap_or(1) as u64;
    (0..chunks as u64).map(|n| (n * step % chunks.max(1) as u64) as u32).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// 95 % for the whole, from (users, count) of the chunks seen, of `chunks` in all.
fn interval(seen: &[(u64, u64)], chunks: usize, everyone: u64) -> (u64, u64) {
    let (users, count) = seen.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let sure = (count, everyone - (users - count).min(everyone));
    if seen.len() < 2 || users == 0 {
        return sure;
    }
    let (n, share) = (seen.len() as f64, count as f64 / users as f64);
    let squares: f64 =
        seen.iter().map(|(users, count)| (*count as f64 - share * *users as f64).powi(2)).sum();
    let of_chunk = squares / (n - 1.0) * (1.0 - n / chunks as f64) / n;
    // A chunk's error, for as many chunks' worth of users as there are.
    let half = student(n - 1.0) * of_chunk.sqrt() * everyone as f64 / (users as f64 / n);
    let likely = share * everyone as f64;
    let within = |value: f64| (value as u64).clamp(sure.0, sure.1);
    (within((likely - half).floor().max(0.0)), within((likely + half).ceil()))
}

/// The 97.5 % point of Student's t with `freedom` degrees of freedom, by its expansion around the
/// normal one; within 0.1 % from 7 on.
fn student(freedom: f64) -> f64 {
    let z: f64 = 1.959_963_985;
    let first = (z.powi(3) + z) / (4.0 * freedom);
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom);
    let third =
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * freedom.powi(3));
    z + first + second + third
}

fn scale(tree: &mut Counted, seen: u64, everyone: u64) {
    tree.count = (tree.count as u128 * everyone as u128 / seen.max(1) as u128) as u64;
    tree.children.iter_mut().for_each(|child| scale(child, seen, everyone));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_chunk_has_its_turn_once(chunks in 0u32..3_000) {
            let mut order = spread(chunks);
            order.sort_unstable();
            prop_assert_eq!(order, (0..chunks).collect::<Vec<_>>());
        }

        #[test]
        fn an_interval_holds_what_was_seen(seen in prop::collection::vec((1u64..70_000, 0.0f64..1.0), 2..40), more in 1usize..100) {
            let seen: Vec<(u64, u64)> = seen.into_iter().map(|(users, share)| (users, (users as f64 * share) as u64)).collect();
            let users: u64 = seen.iter().map(|one| one.0).sum();
            let count: u64 = seen.iter().map(|one| one.1).sum();
            let everyone = users + 50_000 * more as u64;
            let (low, high) = interval(&seen, seen.len() + more, everyone);
            prop_assert!(count <= low && low <= high && high <= everyone - (users - count));
        }
    }

    #[test]
    fn student_agrees_with_its_table() {
        for (freedom, value) in [(7.0, 2.3646), (10.0, 2.2281), (30.0, 2.0423), (1e6, 1.9600)] {
            assert!((student(freedom) - value).abs() < 0.003, "{freedom}: {}", student(freedom));
        }
    }

    /// Of many samples of chunks that vary by chance, about 95 % have the truth in their interval.
    #[test]
    fn the_truth_lies_in_nearly_all_intervals() {
        let mut random = fastrand::Rng::with_seed(7);
        let hits = (0..1_000)
            .filter(|_| {
                let all: Vec<(u64, u64)> = (0..200).map(|_| (65_536, random.u64(10_000..30_000))).collect();
                let truth: u64 = all.iter().map(|one| one.1).sum();
                let (low, high) = interval(&all[..12], 200, 200 * 65_536);
                (low..=high).contains(&truth)
            })
            .count();
        assert!((925..=975).contains(&hits), "{hits}");
    }
}
