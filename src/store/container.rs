//! Portable Roaring bytes, read in place: 65,536 users at a time, without building a bitmap.
//!
//! The layout is the published one (cookie 12346 without runs, 12347 with): a table of keys and
//! sizes, perhaps a table of offsets, then the containers. Nothing here trusts the bytes: what
//! does not fit gives `None`.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::base::Outcome;

const COOKIE_PLAIN: u32 = 12_346;
const COOKIE_RUNS: u32 = 12_347;
/// Bitmaps with runs and fewer containers than this have no offset table.
const OFFSETS_FROM: usize = 4;
/// Values up to which a container is an array.
const ARRAY_MAX: usize = 4_096;
const BITS_BYTES: usize = 8_192;

/// The users of one chunk, as they lie in portable Roaring bytes; numbers are little-endian.
#[derive(Debug, Clone, Copy)]
pub enum Container<'a> {
    /// Sorted positions, 2 bytes each.
    Array(&'a [u8]),
    /// One bit per position.
    Bits(&'a [u8; BITS_BYTES]),
    /// Pairs of (first position, length less one), 2 bytes each.
    Runs(&'a [u8]),
}

impl Container<'_> {
    /// How many users are in it.
    pub fn count(&self) -> u32 {
        match self {
            Container::Array(bytes) => (bytes.len() / 2) as u32,
            Container::Bits(bytes) => {
                bytes.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b).count_ones()).sum()
            }
            Container::Runs(bytes) => runs(bytes).map(|(from, to)| to as u32 - from as u32 + 1).sum(),
        }
    }

    /// Is the user at `position` of the chunk in it?
    pub fn holds(&self, position: u16) -> bool {
        match self {
            Container::Array(bytes) => {
                bytes.as_chunks::<2>().0.binary_search_by_key(&position, |b| u16::from_le_bytes(*b)).is_ok()
            }
            Container::Bits(bytes) => bytes[position as usize / 8] >> (position % 8) & 1 == 1,
            Container::Runs(bytes) => runs(bytes).any(|(from, to)| from <= position && position <= to),
        }
    }

    /// Calls `each` with every position, ascending.
    pub fn for_each(&self, mut each: impl FnMut(u16)) {
        match self {
            Container::Array(bytes) => positions(bytes).for_each(each),
            Container::Bits(bytes) => bits(bytes).for_each(each),
            Container::Runs(bytes) => runs(bytes).for_each(|(from, to)| (from..=to).for_each(&mut each)),
        }
    }
}

/// The positions of an array container.
pub(super) fn positions(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b))
}

/// The runs of a run container: first and last position, both inside.
pub(super) fn runs(bytes: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    let pairs = bytes.as_chunks::<4>().0.iter();
    pairs.map(|[a, b, c, d]| {
        let from = u16::from_le_bytes([*a, *b]);
        (from, from.saturating_add(u16::from_le_bytes([*c, *d])))
    })
}

fn bits(bytes: &[u8; BITS_BYTES]) -> impl Iterator<Item = u16> {
    (0..=u16::MAX).filter(|at| bytes[*at as usize / 8] >> (at % 8) & 1 == 1)
}

/// The container of chunk `key` in portable Roaring bytes, found in place.
/// `None` if the bitmap has nobody there, or the bytes are no bitmap.
pub fn container_of(bytes: &[u8], key: u16) -> Option<Container<'_>> {
    let header = Header::read(bytes)?;
    let index = header.index_of(key)?;
    header.container(index)
}

/// Users in portable Roaring bytes, read from its table of sizes alone.
pub fn count_of(bytes: &[u8]) -> u64 {
    let sizes = |h: Header| (0..h.count).filter_map(|i| h.size(i)).map(|n| n as u64).sum();
    Header::read(bytes).map_or(0, sizes)
}

/// The tables at the start of the bytes.
struct Header<'a> {
    bytes: &'a [u8],
    count: usize,
    /// One bit per container: is it made of runs?
    run_flags: &'a [u8],
    keys_at: usize,
    /// Where the offset table is, if there is one.
    offsets_at: Option<usize>,
    data_at: usize,
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Option<Header<'a>> {
        let cookie = u32_at(bytes, 0)?;
        if cookie == COOKIE_PLAIN {
            let count = u32_at(bytes, 4)? as usize;
            let offsets_at = 8 + 4 * count;
            let header = Header {
                bytes,
                count,
                run_flags: &[],
                keys_at: 8,
                offsets_at: Some(offsets_at),
                data_at: offsets_at + 4 * count,
            };
            return (count <= 65_536).then_some(header);
        }
        if cookie & 0xffff != COOKIE_RUNS {
            return None;
        }
        let count = (cookie >> 16) as usize + 1;
        let run_flags = bytes.get(4..4 + count.div_ceil(8))?;
        let keys_at = 4 + run_flags.len();
        let tables_end = keys_at + 4 * count;
        let offsets_at = (count >= OFFSETS_FROM).then_some(tables_end);
        let data_at = tables_end + offsets_at.map_or(0, |_| 4 * count);
        Some(Header { bytes, count, run_flags, keys_at, offsets_at, data_at })
    }

    fn key(&self, index: usize) -> Option<u16> {
        u16_at(self.bytes, self.keys_at + 4 * index)
    }

    /// Users in a container.
    fn size(&self, index: usize) -> Option<usize> {
        Some(u16_at(self.bytes, self.keys_at + 4 * index + 2)? as usize + 1)
    }

    /// Binary search in the sorted keys.
    fn index_of(&self, key: u16) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = (low + high) / 2;
            match self.key(middle)?.cmp(&key) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn has_runs(&self, index: usize) -> bool {
        self.run_flags.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    fn start(&self, index: usize) -> Option<usize> {
        match self.offsets_at {
            Some(at) => u32_at(self.bytes, at + 4 * index).map(|start| start as usize),
            None => (0..index).try_fold(self.data_at, |at, before| Some(at + self.bytes_of(before, at)?)),
        }
    }

    /// Bytes that container `index` takes when it starts at `at`.
    fn bytes_of(&self, index: usize, at: usize) -> Option<usize> {
        if self.has_runs(index) {
            return Some(2 + 4 * u16_at(self.bytes, at)? as usize);
        }
        let size = self.size(index)?;
        Some(if size <= ARRAY_MAX { 2 * size } else { BITS_BYTES })
    }

    fn container(&self, index: usize) -> Option<Container<'a>> {
        let at = self.start(index)?;
        let content = self.bytes.get(at..at.checked_add(self.bytes_of(index, at)?)?)?;
        if self.has_runs(index) {
            return Some(Container::Runs(content.get(2..)?));
        }
        if self.size(index)? <= ARRAY_MAX {
            return Some(Container::Array(content));
        }
        content.try_into().ok().map(Container::Bits)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// Portable Roaring bytes that are owned: a set of users that gives its chunks as containers.
#[derive(Debug, Clone)]
pub struct Bitmap(Arc<Vec<u8>>);

impl Bitmap {
    /// The same users, ready to be read chunk by chunk.
    pub fn of(users: &RoaringBitmap) -> Bitmap {
        Bitmap(Arc::new(portable(users)))
    }

    /// The portable bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The users of one chunk; `None` when there are none.
    pub fn container(&self, chunk: u32) -> Option<Container<'_>> {
        container_of(&self.0, u16::try_from(chunk).ok()?)
    }

    /// How many users there are in all.
    pub fn count(&self) -> u64 {
        count_of(&self.0)
    }
}

/// The portable bytes of a set.
pub(super) fn portable(users: &RoaringBitmap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(users.serialized_size());
    // Writing to memory does not fail.
    users.serialize_into(&mut bytes).unwrap_or_default();
    bytes
}

/// The set that portable bytes hold; STO-002 when they hold none.
pub(super) fn set_of(bytes: &[u8], at: &std::path::Path) -> Outcome<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes).map_err(|error| super::disk::damaged(at, error))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sets with every form of container in several chunks.
    pub fn sets() -> impl Strategy<Value = RoaringBitmap> {
        let spans = proptest::collection::vec((0u32..6 * 65_536, 1u32..9_000, 1u32..4), 0..8);
        let singles = proptest::collection::vec(0u32..6 * 65_536, 0..50);
        (spans, singles, any::<bool>()).prop_map(|(spans, singles, optimised)| {
            let stepped = spans.into_iter().flat_map(|(from, n, step)| (0..n).map(move |i| from + i * step));
            let mut set: RoaringBitmap = stepped.chain(singles).collect();
            if optimised {
                set.optimize();
            }
            set
        })
    }

    proptest! {
        #[test]
        fn containers_in_place_agree_with_the_bitmap(set in sets()) {
            let bitmap = Bitmap::of(&set);
            prop_assert_eq!(bitmap.count(), set.len());
            for chunk in 0..7u32 {
                let expected: Vec<u16> = set.range(chunk * 65_536..(chunk + 1) * 65_536).map(|u| u as u16).collect();
                let mut found = Vec::new();
                if let Some(container) = bitmap.container(chunk) {
                    container.for_each(|at| found.push(at));
                    prop_assert_eq!(container.count() as usize, found.len());
                    prop_assert!(found.iter().all(|at| container.holds(*at)));
                    let miss = (0..=u16::MAX).find(|at| expected.binary_search(at).is_err());
                    prop_assert!(miss.is_none_or(|at| !container.holds(at)));
                }
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn damaged_bytes_never_panic(set in sets(), cut in 0usize..40_000, flip in 0usize..200, with: u8) {
            let mut bytes = portable(&set);
            if let Some(byte) = bytes.get_mut(flip) {
                *byte ^= with;
            }
            bytes.truncate(cut);
            for key in 0..8 {
                if let Some(container) = container_of(&bytes, key) {
                    container.count();
                    container.for_each(|_| ());
                }
            }
            count_of(&bytes);
        }
    }
}
