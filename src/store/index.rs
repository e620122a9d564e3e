//! Which user numbers may a hash belong to? Sorted runs of (hash, user number), mapped.
//!
//! Each load that brings new keys adds a run; runs of like size are merged, so there are few.
//! A bucket directory (one start per bucket of about eight pairs) makes a look-up two reads.
//! The runs only propose: whoever asks compares the stored key.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, SchemaRef, UInt32Type, UInt64Type};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::base::{Outcome, UserNo};

use super::columns::schema_of;
use super::disk::{Disk, Part, damaged};
use super::manifest::RunPart;
use super::mapped::{ArrowFile, batch_of, write_arrow};

/// Pairs that share a bucket, on average.
const BUCKET_PAIRS: u64 = 8;
/// More runs than this are merged even if they differ in size.
const RUNS_MAX: usize = 4;

/// The hash of a key in the indexes of a home.
pub(super) fn key_hash(secret: u64, key: &str) -> u64 {
    xxh3_64_with_seed(key.as_bytes(), secret)
}

/// One mapped run.
#[derive(Debug, Clone)]
struct Run {
    hashes: ScalarBuffer<u64>,
    users: ScalarBuffer<u32>,
    /// Bucket `b` is `starts[b]..starts[b + 1]`; there are 2^bits buckets.
    starts: ScalarBuffer<u32>,
    bits: u32,
}

impl Run {
    fn open(root: &Path, part: &RunPart) -> Outcome<Run> {
        let pairs = ArrowFile::open(root, &part.pairs)?.batch(0)?;
        let directory = ArrowFile::open(root, &part.directory)?.batch(0)?;
        let numbers = |batch: &RecordBatch, at: usize| {
            Some(batch.columns().get(at)?.as_primitive_opt::<UInt32Type>()?.values().clone())
        };
        let hashes =
            pairs.columns().first().and_then(|c| Some(c.as_primitive_opt::<UInt64Type>()?.values().clone()));
        let found = hashes.zip(numbers(&pairs, 1)).zip(numbers(&directory, 0));
        let found = found.filter(|(_, starts)| (starts.len().saturating_sub(1)).is_power_of_two());
        let ((hashes, users), starts) =
            found.ok_or_else(|| damaged(&root.join(&part.pairs.name), "it is no index"))?;
        let bits = (starts.len() - 1).trailing_zeros();
        Ok(Run { hashes, users, starts, bits })
    }

    fn find(&self, hash: u64) -> &[u32] {
        let bucket = bucket_of(hash, self.bits);
        let start = |at: usize| self.starts.get(at).map_or(0, |start| *start as usize);
        let (from, to) = (start(bucket), start(bucket + 1));
        let Some(hashes) = self.hashes.get(from..to) else { return &[] };
        let low = from + hashes.partition_point(|h| *h < hash);
        let high = from + hashes.partition_point(|h| *h <= hash);
        self.users.get(low..high).unwrap_or(&[])
    }
}

fn bucket_of(hash: u64, bits: u32) -> usize {
    hash.checked_shr(64 - bits).unwrap_or(0) as usize
}

/// All runs of one index.
#[derive(Debug, Clone, Default)]
pub(super) struct Index(Arc<Vec<Run>>);

impl Index {
    /// Maps the runs; nothing is read yet.
    pub fn open(root: &Path, parts: &[RunPart]) -> Outcome<Index> {
        let runs = parts.iter().map(|part| Run::open(root, part));
        Ok(Index(Arc::new(runs.collect::<Outcome<_>>()?)))
    }

    /// The user numbers under a hash, newest run first.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = UserNo> + '_ {
        self.0.iter().rev().flat_map(move |run| run.find(hash).iter().copied())
    }
}

/// Adds pairs as a new run, merging runs so that few remain.
/// Merged pairs are sorted by hash and user, each once.
pub(super) fn add_run(
    disk: &Disk,
    folder: &str,
    generation: u64,
    parts: &[RunPart],
    mut pairs: Vec<(u64, UserNo)>,
) -> Outcome<Vec<RunPart>> {
    if pairs.is_empty() {
        return Ok(parts.to_vec());
    }
    pairs.sort_unstable();
    pairs.dedup();
    let mut kept = parts.to_vec();
    while let Some(last) = kept.last().filter(|last| is_due(kept.len(), last.count, pairs.len() as u64)) {
        pairs = merged(&Run::open(&disk.root, last)?, pairs);
        kept.pop();
    }
    kept.push(write_run(disk, folder, generation, &pairs)?);
    Ok(kept)
}

/// Should the last of `kept` older pieces be merged with a new one? Pieces of like size are, so
/// that each pair is rewritten only about log n times; and there are never more than four.
pub(super) fn is_due(kept: usize, last: u64, new: u64) -> bool {
    new.saturating_mul(2) >= last || kept >= RUNS_MAX
}

fn merged(old: &Run, new: Vec<(u64, UserNo)>) -> Vec<(u64, UserNo)> {
    let mut all = Vec::with_capacity(old.hashes.len() + new.len());
    let mut new = new.into_iter().peekable();
    for pair in old.hashes.iter().copied().zip(old.users.iter().copied()) {
        while let Some(earlier) = new.next_if(|next| *next <= pair) {
            all.push(earlier);
        }
        all.push(pair);
    }
    all.extend(new);
    all.dedup();
    all
}

fn write_run(disk: &Disk, folder: &str, generation: u64, pairs: &[(u64, UserNo)]) -> Outcome<RunPart> {
    let hashes: ArrayRef = Arc::new(UInt64Array::from_iter_values(pairs.iter().map(|pair| pair.0)));
    let users: ArrayRef = Arc::new(UInt32Array::from_iter_values(pairs.iter().map(|pair| pair.1)));
    let starts: ArrayRef = Arc::new(UInt32Array::from(directory(pairs)));
    let schema = schema_of(vec![
        Field::new("hash", DataType::UInt64, false),
        Field::new("user_no", DataType::UInt32, false),
    ]);
    let pairs_part =
        write_columns(disk, &format!("{folder}/index.g{generation}.arrow"), schema, vec![hashes, users])?;
    let schema = schema_of(vec![Field::new("start", DataType::UInt32, false)]);
    let directory =
        write_columns(disk, &format!("{folder}/directory.g{generation}.arrow"), schema, vec![starts])?;
    Ok(RunPart { count: pairs.len() as u64, pairs: pairs_part, directory })
}

fn write_columns(disk: &Disk, name: &str, schema: SchemaRef, columns: Vec<ArrayRef>) -> Outcome<Part> {
    let rows = columns.first().map_or(0, |column| column.len());
    write_arrow(disk, name, &schema, [batch_of(&schema, columns, rows)])
}

/// The first pair of each bucket, and the end.
fn directory(pairs: &[(u64, UserNo)]) -> Vec<u32> {
    let bits = (pairs.len() as u64 / BUCKET_PAIRS).max(1).next_power_of_two().trailing_zeros();
    let mut starts = vec![0u32; (1 << bits) + 1];
    pairs.iter().for_each(|(hash, _)| starts[bucket_of(*hash, bits) + 1] += 1);
    let mut total = 0;
    starts.iter_mut().for_each(|start| {
        total += *start;
        *start = total;
    });
    starts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::disk::Fuse;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn runs_agree_with_a_set_of_pairs(loads in proptest::collection::vec(proptest::collection::vec((0u64..400, 0u32..5), 0..200), 1..9)) {
            let folder = tempfile::tempdir().unwrap();
            let disk = Disk { root: folder.path().to_path_buf(), fuse: Fuse::default() };
            let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (mut parts, mut twin) = (Vec::new(), BTreeSet::new());
            for (generation, load) in loads.into_iter().enumerate() {
                let pairs: Vec<(u64, u32)> = load.into_iter().map(|(n, user)| (spread(n), user)).collect();
                twin.extend(pairs.iter().copied());
                parts = add_run(&disk, "ids", generation as u64, &parts, pairs).unwrap();
                prop_assert!(parts.len() <= RUNS_MAX + 1);
            }
            let index = Index::open(&disk.root, &parts).unwrap();
            for n in 0..420 {
                let found: BTreeSet<u32> = index.find(spread(n)).collect();
                let expected: BTreeSet<u32> = twin.range((spread(n), 0)..=(spread(n), u32::MAX)).map(|pair| pair.1).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
