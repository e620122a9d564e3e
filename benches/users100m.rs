//! Is a selection of tags over one hundred million users as fast as memory?
//!
//! Data model: 100,000,000 users (1,526 chunks) and crowds of half of them at random, 12.5 MB each: in every
//! chunk one container of 65,536 bits, the form that a tag's value has too. `a and (b or c) and not d` reads
//! four of them once, 50 MB, and nothing else but the universe (runs, some bytes a chunk). Beside it the
//! probe: the same 50 MB read and added up by the same threads. Goal: at most twice the probe's time.
//!
//! Six different sets of four, 300 MB, are asked in turn, so that caches do not answer. The users are made up
//! without ids: a home of one user is loaded as ever, then its set of users is widened on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastrand::Rng;
use quanke::base::{Environment, Quiet, Timestamp, Zone};
use quanke::ingest::{self, Request, Shape};
use quanke::select::{Plan, Scope, Selection};
use quanke::store::{Home, Limits, Mode, Snapshot};
use rayon::prelude::*;
use roaring::RoaringBitmap;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

const USERS: u32 = 100_000_000;
const CROWDS: usize = 4;
const SETS: usize = 6;
const AS_OF: Timestamp = Timestamp(1_743_436_800_000);
const SEED: u64 = 42;
const ASKED: &str = "crowd 'a' and (crowd 'b' or crowd 'c') and not crowd 'd'";

/// A set of four crowds: the plan that reads them, and their bits for the probe.
struct Asked {
    plan: Plan,
    bits: Vec<Vec<u64>>,
}

fn tags_beside_bandwidth(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = wide(folder.path());
    let mut random = Rng::with_seed(SEED);
    let sets: Vec<Asked> = (0..SETS).map(|_| asked(&snapshot, &mut random)).collect();
    for set in &sets {
        assert_eq!(set.plan.count(&snapshot).unwrap().count, expected(&set.bits));
    }
    let mut turn = sets.iter().cycle();
    let mut next = || turn.next().unwrap();
    let mut group = criterion.benchmark_group("users_100m");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(u64::from(USERS) / 8 * CROWDS as u64));
    group.bench_function("probe_reads_the_bytes", |bench| bench.iter(|| added_up(&next().bits)));
    group.bench_function("count_at_every_node", |bench| {
        bench.iter(|| next().plan.count(&snapshot).unwrap().count)
    });
    group.bench_function("users_as_a_bitmap", |bench| {
        bench.iter(|| next().plan.users(&snapshot).unwrap().len())
    });
    group.finish();
}

/// Four random crowds under the selection.
fn asked(snapshot: &Snapshot, random: &mut Rng) -> Asked {
    let words = USERS as usize / 64;
    let bits: Vec<Vec<u64>> = (0..CROWDS).map(|_| (0..words).map(|_| random.u64(..)).collect()).collect();
    let names = ["a", "b", "c", "d"].map(String::from);
    let crowds: BTreeMap<_, _> =
        names.iter().cloned().zip(bits.iter().map(|bits| Arc::new(bitmap(bits)))).collect();
    let selection: Selection = ASKED.parse().unwrap();
    let bound = selection.bind(&Scope { snapshot, crowds: &names }).unwrap();
    Asked { plan: bound.plan(snapshot, &crowds, AS_OF).unwrap(), bits }
}

fn bitmap(bits: &[u64]) -> RoaringBitmap {
    let bytes: Vec<u8> = bits.iter().flat_map(|word| word.to_le_bytes()).collect();
    RoaringBitmap::from_lsb0_bytes(0, &bytes)
}

/// The answer, from a plain loop over the bits.
fn expected(bits: &[Vec<u64>]) -> u64 {
    let word = |n: usize| bits[0][n] & (bits[1][n] | bits[2][n]) & !bits[3][n];
    (0..bits[0].len()).map(|n| u64::from(word(n).count_ones())).sum()
}

/// What any reader of these bytes has to do at least; as many bytes at a time as a container has.
fn added_up(bits: &[Vec<u64>]) -> u64 {
    let sum = |words: &[u64]| words.iter().fold(0, |sum: u64, word| sum.wrapping_add(*word));
    let of_crowd = |bits: &Vec<u64>| bits.par_chunks(1024).map(sum).reduce(|| 0, u64::wrapping_add);
    bits.iter().map(of_crowd).fold(0, u64::wrapping_add)
}

/// A snapshot in which the users `0..USERS` are known.
fn wide(folder: &Path) -> Snapshot {
    let home = Home::at(folder, "default").unwrap();
    load_one(&home, folder);
    widen(home.dir());
    home.snapshot().unwrap()
}

fn load_one(home: &Home, folder: &Path) {
    let file = folder.join("users.csv");
    fs::write(&file, "user_id\nu0\n").unwrap();
    let request = Request {
        paths: vec![file.display().to_string()],
        format: None,
        shape: Shape::Users { key: "user_id".into() },
        zone: Zone::default(),
        types: BTreeMap::new(),
        rejects: folder.join("rejects"),
        is_id_asked: false,
    };
    let mut source = ingest::open(&request, None, &Quiet).unwrap();
    let columns = source.columns().to_vec();
    let environment = Environment { now: AS_OF, seed: SEED, process: "a bench".into() };
    let mut writer = home.writer(&environment, Zone::default()).unwrap();
    writer.users(&mut source, Mode::Upsert, &columns, &Limits::default(), &Quiet).unwrap();
    writer.publish().unwrap();
}

/// Puts more users into the set of those who have a row; manifest and pointer follow.
fn widen(dir: &Path) {
    let pointer = dir.join("CURRENT");
    let version = fs::read_to_string(&pointer).unwrap()[..7].to_string();
    let path = dir.join(format!("manifest/{version}.json"));
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut everyone = RoaringBitmap::new();
    everyone.insert_range(0..USERS);
    everyone.optimize();
    let mut bytes = Vec::new();
    everyone.serialize_into(&mut bytes).unwrap();
    let rows = &mut manifest["sets"]["rows"];
    fs::write(dir.join(rows["name"].as_str().unwrap()), &bytes).unwrap();
    rows["bytes"] = json!(bytes.len());
    rows["sum"] = json!(format!("{:016x}", xxh3_64(&bytes)));
    manifest["user_end"] = json!(USERS);
    let text = serde_json::to_vec_pretty(&manifest).unwrap();
    fs::write(&path, &text).unwrap();
    fs::write(&pointer, format!("{version} {:016x}\n", xxh3_64(&text))).unwrap();
}

criterion_group!(benches, tags_beside_bandwidth);
criterion_main!(benches);
