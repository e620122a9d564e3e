//! How much do crowds have in common? Every pair of them, and how many crowds each user is in.
//!
//! Pairs are counted without making the intersection. How many crowds a user is in is added up for
//! 64 users at a time: bit planes hold a binary number for each user, and a crowd is added to all
//! of them with a few word-wise operations.

use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::version::CrowdVersion;
use crate::base::{CHUNK_USERS, Outcome, Problem};

/// Crowds that can be compared at once: a matrix that a person may still read, and eight planes.
const CROWDS_MAX: usize = 200;
/// Binary digits for a count up to [`CROWDS_MAX`].
const PLANES: usize = 8;
const WORDS: usize = CHUNK_USERS as usize / 64;

/// A crowd that is compared, in one version; or other users with a name.
#[derive(Debug, Clone)]
pub struct Member {
    pub name: String,
    /// None for what is no crowd.
    pub version: Option<CrowdVersion>,
    /// Its users who are still known.
    pub users: RoaringBitmap,
}

/// Crowds compared with each other.
#[derive(Debug, Clone)]
pub struct Overlap {
    pub crowds: Vec<Member>,
    /// Users in both, for each pair (a, b) with a < b: row a, then b.
    both: Vec<u64>,
    /// Place k: users who are in exactly k + 1 of the crowds; as long as there are crowds.
    pub depth: Vec<u64>,
}

impl Overlap {
    /// Compares every crowd with every other, in parallel.
    pub fn new(crowds: Vec<Member>) -> Overlap {
        let pairs: Vec<(usize, usize)> =
            (0..crowds.len()).flat_map(|a| (a + 1..crowds.len()).map(move |b| (a, b))).collect();
        let count = |(a, b): (usize, usize)| crowds[a].users.intersection_len(&crowds[b].users);
        let both = pairs.into_par_iter().map(count).collect();
        let depth = depth(&crowds);
        Overlap { crowds, both, depth }
    }

    /// Refuses more crowds than can be compared (CRD-013).
    pub fn refuse(count: usize) -> Outcome<()> {
        if count <= CROWDS_MAX {
            return Ok(());
        }
        let what =
            format!("{count} crowds are too many to compare with each other; at most {CROWDS_MAX} can be");
        Err(Problem::author("CRD-013", what).at("crowd overlap").cure("name the crowds that matter"))
    }

    /// Users in both crowds, by their places; with itself: the crowd's size.
    pub fn both(&self, a: usize, b: usize) -> u64 {
        let (low, high) = (a.min(b), a.max(b));
        if low == high {
            return self.crowds.get(a).map_or(0, |crowd| crowd.users.len());
        }
        // Rows before `low` have n − 1, n − 2 … entries.
        let before = low * (2 * self.crowds.len()).saturating_sub(low + 1) / 2;
        self.both.get(before + high - low - 1).copied().unwrap_or(0)
    }

    /// Users in at least one of the two.
    pub fn either(&self, a: usize, b: usize) -> u64 {
        self.both(a, a) + self.both(b, b) - self.both(a, b)
    }

    /// Users in both as a share of users in either (Jaccard), 0 to 1; nothing for two empty crowds.
    pub fn likeness(&self, a: usize, b: usize) -> Option<f64> {
        Some(self.both(a, b) as f64 / self.either(a, b) as f64).filter(|share| share.is_finite())
    }

    /// Users in at least so many of the crowds.
    pub fn in_at_least(&self, count: usize) -> RoaringBitmap {
        let chunks = (0..chunk_count(&self.crowds)).into_par_iter().map(|chunk| {
            let counts = counts_of_chunk(&self.crowds, chunk);
            let users = (chunk * CHUNK_USERS..).zip(counts);
            users
                .filter(|(_, known)| *known > 0 && *known >= count)
                .map(|(user, _)| user)
                .collect::<Vec<u32>>()
        });
        chunks.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Users in at least one of all crowds.
    pub fn users(&self) -> u64 {
        self.depth.iter().sum()
    }
}

/// Chunks up to the last user of all.
fn chunk_count(crowds: &[Member]) -> u32 {
    crowds.iter().filter_map(|crowd| crowd.users.max()).max().map_or(0, |max| max / CHUNK_USERS + 1)
}

fn depth(crowds: &[Member]) -> Vec<u64> {
    let nobody = || vec![0; crowds.len()];
    let chunks = (0..chunk_count(crowds)).into_par_iter().map(|chunk| depth_of_chunk(crowds, chunk));
    chunks.reduce(nobody, |left, right| left.iter().zip(right).map(|(a, b)| a + b).collect())
}

/// Users of one chunk by the number of crowds that they are in.
fn depth_of_chunk(crowds: &[Member], chunk: u32) -> Vec<u64> {
    let mut depth = vec![0; crowds.len()];
    for count in counts_of_chunk(crowds, chunk) {
        if let Some(slot) = count.checked_sub(1).and_then(|count| depth.get_mut(count)) {
            *slot += 1;
        }
    }
    depth
}

/// How many crowds each user of one chunk is in.
fn counts_of_chunk(crowds: &[Member], chunk: u32) -> impl Iterator<Item = usize> + use<> {
    let first = chunk * CHUNK_USERS;
    let mut planes = vec![[0u64; WORDS]; PLANES];
    for crowd in crowds {
        let mut word = (0, 0);
        for user in crowd.users.range(first..=first + (CHUNK_USERS - 1)) {
            let at = ((user - first) / 64) as usize;
            if at != word.0 {
                add(&mut planes, word);
                word = (at, 0);
            }
            word.1 |= 1 << (user % 64);
        }
        add(&mut planes, word);
    }
    (0..CHUNK_USERS as usize).map(move |at| {
        planes.iter().rev().fold(0, |count, plane| count << 1 | (plane[at / 64] >> (at % 64) & 1) as usize)
    })
}

/// Adds one to the number of every user whose bit is set in word `at`.
fn add(planes: &mut [[u64; WORDS]], (at, mut carry): (usize, u64)) {
    for plane in planes {
        if carry == 0 {
            return;
        }
        let sum = plane[at] ^ carry;
        carry &= plane[at];
        plane[at] = sum;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::version::State;
    use super::super::version::tests::version;
    use super::*;

    fn member(n: usize, users: RoaringBitmap) -> Member {
        Member { name: format!("c{n}"), version: Some(version(1, 0, State::Complete)), users }
    }

    fn sets() -> impl Strategy<Value = Vec<Vec<u32>>> {
        let spans = prop::collection::vec((0u32..3 * 65_536, 1u32..400, 1u32..3), 0..4);
        let users = spans.prop_map(|spans| {
            spans
                .into_iter()
                .flat_map(|(from, n, step)| (0..n).map(move |i| from + i * step))
                .collect::<Vec<u32>>()
        });
        prop::collection::vec(users, 0..12)
    }

    proptest! {
        /// The slow twin: ask every user of every pair.
        #[test]
        fn overlaps_agree_with_asking_each_user(sets in sets()) {
            let sets: Vec<RoaringBitmap> = sets.into_iter().map(|users| users.into_iter().collect()).collect();
            let overlap = Overlap::new(sets.iter().cloned().enumerate().map(|(n, users)| member(n, users)).collect());
            for (a, left) in sets.iter().enumerate() {
                for (b, right) in sets.iter().enumerate() {
                    let both = left.iter().filter(|user| right.contains(*user)).count() as u64;
                    prop_assert_eq!(overlap.both(a, b), both);
                    prop_assert_eq!(overlap.either(a, b), (left | right).len());
                    let likeness = overlap.likeness(a, b);
                    prop_assert_eq!(likeness.is_none(), left.is_empty() && right.is_empty());
                    prop_assert!(likeness.is_none_or(|share| (0.0..=1.0).contains(&share)));
                }
            }
            let mut depth = vec![0u64; sets.len()];
            let everyone = sets.iter().fold(RoaringBitmap::new(), |all, set| all | set);
            for user in &everyone {
                depth[sets.iter().filter(|set| set.contains(user)).count() - 1] += 1;
            }
            prop_assert_eq!(&overlap.depth, &depth);
            prop_assert_eq!(overlap.users(), everyone.len());
            let slow: RoaringBitmap =
                everyone.iter().filter(|user| sets.iter().filter(|set| set.contains(*user)).count() >= 2).collect();
            prop_assert_eq!(overlap.in_at_least(2), slow);
        }
    }

    #[test]
    fn as_many_crowds_as_allowed_are_counted_for_one_user() {
        let crowds =
            (0..CROWDS_MAX).map(|n| member(n, RoaringBitmap::from([5, 66_000 + n as u32]))).collect();
        let overlap = Overlap::new(crowds);
        assert_eq!((overlap.depth[CROWDS_MAX - 1], overlap.depth[0]), (1, CROWDS_MAX as u64));
        assert_eq!(overlap.both(7, 199), 1);
        assert_eq!(Overlap::refuse(CROWDS_MAX), Ok(()));
        assert_eq!(Overlap::refuse(CROWDS_MAX + 1).unwrap_err().code, "CRD-013");
    }
}
