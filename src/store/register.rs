//! One bit for each of the 65,536 users of a chunk: the scratch paper of an evaluation.

use multiversion::multiversion;
use roaring::RoaringBitmap;

use crate::base::CHUNK_USERS;

use super::container::{Container, positions, runs};

const WORDS: usize = CHUNK_USERS as usize / 64;

/// The users of one chunk, one bit each; 8 KiB, meant to stay in the nearest cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register([u64; WORDS]);

impl Default for Register {
    fn default() -> Register {
        Register::new()
    }
}

impl Register {
    /// Nobody.
    pub fn new() -> Register {
        Register([0; WORDS])
    }

    /// Everybody.
    pub fn full() -> Register {
        Register([u64::MAX; WORDS])
    }

    /// The users of a container.
    pub fn of(container: Container) -> Register {
        let mut register = Register::new();
        register.fill(container);
        register
    }

    /// The words, bit `i % 64` of word `i / 64` being position `i`.
    pub fn words(&self) -> &[u64; WORDS] {
        &self.0
    }

    /// The words, to be written.
    pub fn words_mut(&mut self) -> &mut [u64; WORDS] {
        &mut self.0
    }

    /// Takes everybody out.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }

    /// Adds the users of a container.
    pub fn fill(&mut self, container: Container) {
        match container {
            Container::Array(bytes) => positions(bytes).for_each(|at| self.set(at)),
            Container::Bits(bytes) => add(&mut self.0, bytes),
            Container::Runs(bytes) => runs(bytes).for_each(|(from, to)| self.set_range(from, to)),
        }
    }

    /// Keeps only the users of a container.
    pub fn keep(&mut self, container: Container) {
        match container {
            Container::Bits(bytes) => keep(&mut self.0, bytes),
            other => {
                let theirs = Register::of(other);
                self.and(&theirs);
            }
        }
    }

    /// Exactly the users of a container who are also in `others`.
    pub fn meet(&mut self, container: Container, others: &Register) {
        match container {
            Container::Bits(bytes) => meet(&mut self.0, bytes, &others.0),
            other => {
                self.clear();
                self.fill(other);
                self.and(others);
            }
        }
    }

    /// Everybody of `universe` who is not in it.
    pub fn complement_in(&mut self, universe: &Register) {
        join(&mut self.0, &universe.0, |mine, theirs| theirs & !mine);
    }

    /// Everybody who is not in it.
    pub fn complement(&mut self) {
        self.0.iter_mut().for_each(|word| *word = !*word);
    }

    /// Adds the user at `position`.
    pub fn set(&mut self, position: u16) {
        self.0[position as usize / 64] |= 1 << (position % 64);
    }

    /// Takes the user at `position` out.
    pub fn unset(&mut self, position: u16) {
        self.0[position as usize / 64] &= !(1 << (position % 64));
    }

    /// Is the user at `position` in it?
    pub fn holds(&self, position: u16) -> bool {
        self.0[position as usize / 64] >> (position % 64) & 1 == 1
    }

    /// Adds all positions `from..=to`.
    pub fn set_range(&mut self, from: u16, to: u16) {
        let (first, last) = (from as usize / 64, to as usize / 64);
        let head = u64::MAX << (from % 64);
        let tail = u64::MAX >> (63 - to % 64);
        if from > to {
            return;
        }
        if first == last {
            self.0[first] |= head & tail;
            return;
        }
        self.0[first] |= head;
        self.0[first + 1..last].fill(u64::MAX);
        self.0[last] |= tail;
    }

    /// Keeps who is also in `other`.
    pub fn and(&mut self, other: &Register) {
        join(&mut self.0, &other.0, |mine, theirs| mine & theirs);
    }

    /// Adds who is in `other`.
    pub fn or(&mut self, other: &Register) {
        join(&mut self.0, &other.0, |mine, theirs| mine | theirs);
    }

    /// Takes out who is in `other`.
    pub fn and_not(&mut self, other: &Register) {
        join(&mut self.0, &other.0, |mine, theirs| mine & !theirs);
    }

    /// How many users are in it.
    pub fn count(&self) -> u32 {
        ones(&self.0)
    }

    /// How many users are in both.
    pub fn count_and(&self, other: &Register) -> u32 {
        common(&self.0, &other.0)
    }

    /// Is nobody in it?
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The positions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(index, word)| Ones(*word).map(move |bit| (index * 64) as u16 + bit))
    }

    /// The users as a bitmap with their absolute numbers in chunk `chunk`.
    pub fn to_bitmap(&self, chunk: u32) -> RoaringBitmap {
        let mut bytes = [0u8; WORDS * 8];
        let cells = bytes.as_chunks_mut::<8>().0;
        cells.iter_mut().zip(&self.0).for_each(|(cell, word)| *cell = word.to_le_bytes());
        RoaringBitmap::from_lsb0_bytes(chunk * CHUNK_USERS, &bytes)
    }
}

// Each of these is compiled for several generations of processors; the right one is chosen when the
// program runs.

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vpopcntdq+popcnt+bmi2",
    "x86_64+avx2+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+sse4.2+popcnt",
))]
fn ones(words: &[u64; WORDS]) -> u32 {
    words.iter().map(|word| word.count_ones()).sum()
}

#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl+avx512vpopcntdq+popcnt+bmi2",
    "x86_64+avx2+bmi1+bmi2+popcnt+lzcnt",
    "x86_64+sse4.2+popcnt",
))]
fn common(a: &[u64; WORDS], b: &[u64; WORDS]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn join(mine: &mut [u64; WORDS], theirs: &[u64; WORDS], with: impl Fn(u64, u64) -> u64) {
    mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine = with(*mine, *theirs));
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn add(mine: &mut [u64; WORDS], bytes: &[u8; WORDS * 8]) {
    let words = bytes.as_chunks::<8>().0;
    mine.iter_mut().zip(words).for_each(|(word, bytes)| *word |= u64::from_le_bytes(*bytes));
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn keep(mine: &mut [u64; WORDS], bytes: &[u8; WORDS * 8]) {
    let words = bytes.as_chunks::<8>().0;
    mine.iter_mut().zip(words).for_each(|(word, bytes)| *word &= u64::from_le_bytes(*bytes));
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn meet(mine: &mut [u64; WORDS], bytes: &[u8; WORDS * 8], others: &[u64; WORDS]) {
    let words = bytes.as_chunks::<8>().0.iter().zip(others);
    mine.iter_mut().zip(words).for_each(|(word, (bytes, other))| *word = u64::from_le_bytes(*bytes) & other);
}

/// The set bits of a word, ascending.
struct Ones(u64);

impl Iterator for Ones {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let bit = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (bit < 64).then_some(bit as u16)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::container::Bitmap;
    use super::super::container::tests::sets;
    use super::*;

    fn register_of(set: &Bitmap, chunk: u32) -> Register {
        set.container(chunk).map(Register::of).unwrap_or_default()
    }

    proptest! {
        #[test]
        fn registers_keep_the_laws_of_sets(a in sets(), b in sets()) {
            let (left, right) = (Bitmap::of(&a), Bitmap::of(&b));
            type Join = fn(&mut Register, &Register);
            let joins: [(Join, RoaringBitmap); 3] = [(Register::and, &a & &b), (Register::or, &a | &b), (Register::and_not, &a - &b)];
            for (join, expected) in joins {
                let mut found = RoaringBitmap::new();
                for chunk in 0..7 {
                    let mut register = register_of(&left, chunk);
                    join(&mut register, &register_of(&right, chunk));
                    prop_assert_eq!(register.count() as usize, register.iter().count());
                    prop_assert_eq!(register.is_empty(), register.count() == 0);
                    let both = register_of(&left, chunk).count_and(&register_of(&right, chunk)) as u64;
                    let range = chunk * CHUNK_USERS..(chunk + 1) * CHUNK_USERS;
                    prop_assert_eq!(both, (&a & &b).range(range).count() as u64);
                    found |= register.to_bitmap(chunk);
                }
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn keeping_a_container_is_meeting_its_users(a in sets(), b in sets()) {
            let (left, right) = (Bitmap::of(&a), Bitmap::of(&b));
            for chunk in 0..7 {
                let (mut kept, mut met) = (register_of(&left, chunk), register_of(&left, chunk));
                right.container(chunk).into_iter().for_each(|container| kept.keep(container));
                let others = right.container(chunk).map_or(Register::full(), Register::of);
                met.and(&others);
                prop_assert_eq!(&kept, &met);
                let mut again = Register::full();
                right.container(chunk).into_iter().for_each(|c| again.meet(c, &register_of(&left, chunk)));
                if right.container(chunk).is_some() {
                    prop_assert_eq!(&again, &met);
                }
                again.clone_from(&met);
                again.complement_in(&register_of(&left, chunk));
                prop_assert_eq!(again.count() + met.count(), register_of(&left, chunk).count());
                kept.complement();
                prop_assert_eq!(kept.count() + met.count(), CHUNK_USERS);
            }
        }

        #[test]
        fn a_range_is_every_position_in_it(from: u16, to: u16) {
            let mut register = Register::new();
            register.set_range(from, to);
            prop_assert_eq!(register.iter().collect::<Vec<_>>(), (from..=to).collect::<Vec<_>>());
            if from <= to {
                register.unset(from);
                prop_assert!(!register.holds(from));
            }
        }
    }
}
