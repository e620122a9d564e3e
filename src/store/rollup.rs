//! Who did an event on a day, and how often? Three bytes per user: a position and a count.
//!
//! Per day there is one Arrow file with a batch per event and a last one for any event. A row of a
//! batch is a chunk of users: its number, a list of ascending positions, a list of counts. A user
//! with more than 255 rows stands there several times, so that counts add up.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, AsArray, ListArray, RecordBatch, UInt8Array, UInt16Array, UInt32Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, SchemaRef, UInt8Type, UInt16Type, UInt32Type};

use crate::base::{CHUNK_USERS, Outcome};

use super::columns::schema_of;
use super::disk::Part;
use super::mapped::{ArrowFile, batch_of};
use super::register::Register;

/// Who did an event on a day, and how often; zero-copy, cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Rollup {
    chunks: ScalarBuffer<u32>,
    offsets: OffsetBuffer<i32>,
    places: ScalarBuffer<u16>,
    counts: ScalarBuffer<u8>,
}

impl Rollup {
    /// Entries in all: users, and one more for every 255 rows of the same user.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Is nobody in it?
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The entries of a chunk: ascending positions and, at the same place, rows (1 to 255).
    /// A position is repeated where the count is above 255.
    pub fn of_chunk(&self, chunk: u32) -> (&[u16], &[u8]) {
        let Ok(row) = self.chunks.binary_search(&chunk) else { return (&[], &[]) };
        let range = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        (&self.places[range.clone()], &self.counts[range])
    }

    /// The chunks that have entries, ascending.
    pub fn chunks(&self) -> &[u32] {
        &self.chunks
    }

    fn of(batch: &RecordBatch) -> Option<Rollup> {
        let chunks = batch.columns().first()?.as_primitive_opt::<UInt32Type>()?.values().clone();
        let list = |at: usize| batch.columns().get(at).and_then(|column| column.as_list_opt::<i32>());
        let (places, counts) = (list(1)?, list(2)?);
        let fits = places.offsets() == counts.offsets() && chunks.len() == places.len();
        let offsets = places.offsets().clone();
        let places = places.values().as_primitive_opt::<UInt16Type>()?.values().clone();
        let counts = counts.values().as_primitive_opt::<UInt8Type>()?.values().clone();
        (fits && places.len() == counts.len()).then_some(Rollup { chunks, offsets, places, counts })
    }
}

/// Who did an event on a day, one bit per user: made from a roll-up when first asked for, then kept.
#[derive(Debug)]
pub struct DidBits {
    /// By chunk; chunks with few users have none, their positions are quicker.
    chunks: Vec<Option<Box<Register>>>,
    rollup: Rollup,
}

/// Users of a chunk from which bits are kept: fewer are added one by one in less time.
const BITS_FROM: usize = 256;

impl DidBits {
    pub(super) fn of(rollup: &Rollup) -> DidBits {
        let end = rollup.chunks.last().map_or(0, |last| last + 1);
        let bits = |chunk: u32| {
            let (places, _) = rollup.of_chunk(chunk);
            (places.len() >= BITS_FROM).then(|| {
                let mut users = Box::new(Register::new());
                places.iter().for_each(|place| users.set(*place));
                users
            })
        };
        DidBits { chunks: (0..end).map(bits).collect(), rollup: rollup.clone() }
    }

    /// Adds the users of a chunk.
    pub fn add_to(&self, chunk: u32, users: &mut Register) {
        match self.chunks.get(chunk as usize).and_then(Option::as_ref) {
            Some(bits) => users.or(bits),
            None => self.rollup.of_chunk(chunk).0.iter().for_each(|place| users.set(*place)),
        }
    }

    /// The users of a chunk, where they are kept as bits.
    pub fn of_chunk(&self, chunk: u32) -> Option<&Register> {
        self.chunks.get(chunk as usize).and_then(Option::as_deref)
    }

    /// What the bits take in memory.
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|bits| 8 + bits.as_ref().map_or(0, |_| size_of::<Register>() as u64)).sum()
    }
}

/// The mapped roll-ups of one day, each read when first asked for.
pub(super) struct DayRollups {
    file: ArrowFile,
    ready: Vec<OnceLock<Rollup>>,
}

impl DayRollups {
    pub fn open(root: &Path, part: &Part) -> Outcome<DayRollups> {
        let file = ArrowFile::open(root, part)?;
        let ready = (0..file.batch_count()).map(|_| OnceLock::new()).collect();
        Ok(DayRollups { file, ready })
    }

    /// The roll-up of the event with this place in the day; the place after the last is any event.
    /// Errors: STO-002 when the file is damaged.
    pub fn get(&self, index: usize) -> Outcome<&Rollup> {
        let damage = || self.file.damage("it is no roll-up");
        let cell = self.ready.get(index).ok_or_else(damage)?;
        if let Some(ready) = cell.get() {
            return Ok(ready);
        }
        let read = Rollup::of(&self.file.batch(index)?).ok_or_else(damage)?;
        Ok(cell.get_or_init(|| read))
    }
}

/// The columns of a roll-up.
pub(super) fn schema() -> SchemaRef {
    let list = |name: &str, item: DataType| {
        Field::new(name, DataType::List(Arc::new(Field::new_list_field(item, false))), false)
    };
    schema_of(vec![
        Field::new("chunk", DataType::UInt32, false),
        list("places", DataType::UInt16),
        list("counts", DataType::UInt8),
    ])
}

/// The roll-up of ascending users, each with its number of rows (at least one).
pub(super) fn batch(users: impl Iterator<Item = (u32, u32)>) -> Outcome<RecordBatch> {
    let (mut chunks, mut lengths) = (Vec::new(), Vec::new());
    let (mut places, mut counts) = (Vec::new(), Vec::new());
    for (user, mut rows) in users {
        if chunks.last() != Some(&(user / CHUNK_USERS)) {
            chunks.push(user / CHUNK_USERS);
            lengths.push(0);
        }
        while rows > 0 {
            let some = rows.min(u8::MAX as u32);
            places.push((user % CHUNK_USERS) as u16);
            counts.push(some as u8);
            rows -= some;
            lengths.iter_mut().last().into_iter().for_each(|length| *length += 1);
        }
    }
    let rows = chunks.len();
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    let list = |item: DataType, values| {
        ListArray::new(Arc::new(Field::new_list_field(item, false)), offsets.clone(), values, None)
    };
    let places = list(DataType::UInt16, Arc::new(UInt16Array::from(places)));
    let counts = list(DataType::UInt8, Arc::new(UInt8Array::from(counts)));
    batch_of(&schema(), vec![Arc::new(UInt32Array::from(chunks)), Arc::new(places), Arc::new(counts)], rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rollup_gives_back_what_it_was_made_of(users in prop_oneof![proptest::collection::btree_map(0u32..400_000, 1u32..900, 0..60), proptest::collection::btree_map(0u32..70_000, 1u32..3, 250..600)]) {
            let rollup = Rollup::of(&batch(users.iter().map(|(u, n)| (*u, *n))).unwrap()).unwrap();
            let mut found: BTreeMap<u32, u32> = BTreeMap::new();
            for chunk in 0..8 {
                let (places, counts) = rollup.of_chunk(chunk);
                prop_assert!(places.windows(2).all(|pair| pair[0] <= pair[1]));
                for (place, count) in places.iter().zip(counts) {
                    *found.entry(chunk * CHUNK_USERS + *place as u32).or_default() += *count as u32;
                }
            }
            let did = DidBits::of(&rollup);
            for chunk in 0..8 {
                let mut bits = Register::new();
                did.add_to(chunk, &mut bits);
                let expected: Vec<u16> = users.keys().filter(|u| *u / CHUNK_USERS == chunk).map(|u| *u as u16).collect();
                prop_assert_eq!(bits.iter().collect::<Vec<_>>(), expected);
                prop_assert!(did.of_chunk(chunk).is_none_or(|kept| *kept == bits));
            }
            prop_assert_eq!(found, users);
        }
    }
}
