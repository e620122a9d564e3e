//! How fast does a stream in a file become decisions that are safe? One core; file, log and outbox on one disk.
//!
//! Data model: the stream of `tests/triggers/stream.rs` as records of 32 bytes (time, user, event id, amount,
//! kind), users as scattered 64-bit numbers, 1 M of them. For every 4 MiB of the file: users get their dense
//! numbers (a hash map; only users whose event some rule names), filters are asked (amounts), facts go to the
//! trigger log and are decided, the log is synced, then each released touch is written to the outbox with its
//! id (128 bits over task, user and occurrence), and the outbox is synced. Tasks as in `benches/triggers.rs`.
//! `QUANKE_BENCH_EVENTS` sets the number of events (default 2,000,000); `TMPDIR` chooses the disk. Shown: the
//! wall clock, which the syncs are part of, and the seconds of the processor; the least of three runs.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use quanke::base::Timestamp;
use quanke::trigger::log::RealDisk;
use quanke::trigger::{Columns, Decision, End, Entry, IdCode, Occurrence, Predicate, Triggers, Version};
use xxhash_rust::xxh3::xxh3_128;

#[path = "../tests/triggers/stream.rs"]
mod stream;

use stream::{A_NOT_B, Stream, mix, one_rule};

const RECORD: usize = 32;
const READ_BYTES: usize = 4 << 20;
const LATE_MS: i64 = 60_000;
const MINUTE: i64 = 60_000;

fn main() {
    let events = std::env::var("QUANKE_BENCH_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000_000);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("events.bin");
    write_records(&path, &Stream::of(events, 1_000_000, 1));
    for tasks in [1, 10] {
        let (versions, leasts) = rules(tasks);
        let runs = (0..3).map(|n| {
            let own = folder.path().join(format!("{tasks}-{n}"));
            let (begun, busy) = (Instant::now(), busy_seconds());
            let (fires, bytes) = play(&path, &own, &versions, &leasts);
            (busy_seconds() - busy, begun.elapsed().as_secs_f64(), fires, bytes)
        });
        let (busy, wall, fires, bytes) = runs.min_by(|a, b| a.0.total_cmp(&b.0)).expect("three runs");
        let millions = events as f64 / 1e6;
        println!(
            "{tasks:>3} tasks  {:>6.2} M events/s by the clock, {:>6.2} M per second of the processor, \
             {fires} fires, log {:.1} bytes an event",
            millions / wall,
            millions / busy,
            bytes as f64 / events as f64
        );
    }
}

fn write_records(path: &Path, stream: &Stream) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    for row in 0..stream.times.len() {
        let mut record = [0; RECORD];
        record[..8].copy_from_slice(&stream.times[row].to_le_bytes());
        record[8..16].copy_from_slice(&mix(u64::from(stream.users[row]) + 1).to_le_bytes());
        record[16..24].copy_from_slice(&stream.ids[row].to_le_bytes());
        record[24..28].copy_from_slice(&stream.amounts[row].to_le_bytes());
        record[28..30].copy_from_slice(&stream.kinds[row].to_le_bytes());
        file.write_all(&record).expect("the disk works");
    }
    file.flush().expect("the disk works");
}

/// The rules, and for every kind the bits with the least amount of each.
fn rules(tasks: u64) -> (Vec<Version>, Vec<Vec<(u64, u32)>>) {
    let mut leasts: Vec<Vec<(u64, u32)>> = vec![Vec::new(); 20];
    let mut bit = |kind: u16, least: u32| {
        let known = &mut leasts[kind as usize];
        let place = known.iter().position(|(_, l)| *l == least).unwrap_or_else(|| {
            known.push((1 << known.len(), least));
            known.len() - 1
        });
        Predicate { event: kind, bit: place as u8 }
    };
    let versions = (0..tasks).map(|n| {
        let r = mix(n);
        let a = r % 20;
        let b = (a + 1 + (r >> 8) % 19) % 20;
        let rest = (a as u16, b as u16, 1 + ((r >> 16) % 120) as i64);
        let (what, least) = if n == 0 { (A_NOT_B, 0) } else { (rest, ((r >> 32) % 50_000) as u32) };
        let grace_ms = 2 * 86_400_000;
        Version { did: bit(what.0, least), not_done: Some(bit(what.1, 0)), grace_ms, ..one_rule(what) }
    });
    (versions.collect(), leasts)
}

/// Fires, and the bytes of the log.
fn play(path: &Path, folder: &Path, versions: &[Version], leasts: &[Vec<(u64, u32)>]) -> (usize, u64) {
    let disk = Arc::new(RealDisk::open(&folder.join("log")).expect("a folder"));
    let mut triggers = Triggers::open(disk, "bench", None, 1).expect("a new log").triggers;
    let begin = Timestamp(1_600_000_000_000);
    for (no, version) in versions.iter().enumerate() {
        let entry = Entry::Install { task: no as u32, version: Box::new(version.clone()) };
        triggers.take(entry, begin).expect("the disk works");
        triggers.take(Entry::Audience { task: no as u32, users: None }, begin).expect("the disk works");
    }
    let source = triggers.source("events.bin", begin).expect("the disk works");
    let mut outbox = Outbox { file: File::create(folder.join("outbox")).expect("a file"), fires: 0 };
    let (mut users, mut file) = (HashMap::new(), File::open(path).expect("a file"));
    let (mut bytes, mut read_to, mut newest) = (vec![0; READ_BYTES], 0, 0);
    loop {
        let count = fill(&mut file, &mut bytes);
        if count == 0 {
            break;
        }
        let columns = facts(&bytes[..count], leasts, &mut users, &mut newest);
        read_to += (count / RECORD) as u64;
        let entry = Entry::Facts { source, read_to, columns: Box::new(columns) };
        triggers.take(entry, Timestamp(newest)).expect("the disk works");
        triggers.pass(source, Timestamp(newest), LATE_MS).expect("the disk works");
        outbox.take(&mut triggers);
    }
    triggers.pass(source, Timestamp(newest + 200 * MINUTE), 0).expect("the disk works");
    outbox.take(&mut triggers);
    drop(triggers);
    let files = std::fs::read_dir(folder.join("log")).expect("a folder");
    let sizes = files.map(|file| file.and_then(|file| file.metadata()).map_or(0, |data| data.len()));
    (outbox.fires, sizes.sum())
}

fn fill(file: &mut File, bytes: &mut [u8]) -> usize {
    let mut count = 0;
    while count < bytes.len() {
        match file.read(&mut bytes[count..]).expect("the disk works") {
            0 => break,
            more => count += more,
        }
    }
    count
}

fn facts(
    bytes: &[u8],
    leasts: &[Vec<(u64, u32)>],
    users: &mut HashMap<u64, u32>,
    newest: &mut i64,
) -> Columns {
    let mut facts = Columns::default();
    for record in bytes.chunks_exact(RECORD) {
        let word = |place: usize| u64::from_le_bytes(record[place..place + 8].try_into().expect("8 bytes"));
        let (time, user, id, last) = (word(0) as i64, word(8), word(16), word(24));
        *newest = time.max(*newest);
        let (amount, kind) = (last as u32, (last >> 32) as u16);
        let wanted = leasts[kind as usize].iter().filter(|(_, least)| amount >= *least);
        let mask = wanted.fold(0, |mask, (bit, _)| mask | bit);
        if mask == 0 {
            continue;
        }
        let next = users.len() as u32;
        facts.users.push(*users.entry(user).or_insert(next));
        facts.times.push(time);
        facts.arrivals.push(time);
        facts.events.push(kind);
        facts.masks.push(mask);
        facts.ids.push(IdCode::number(id));
    }
    facts
}

struct Outbox {
    file: File,
    fires: usize,
}

impl Outbox {
    /// The log is synced, then what was released is written and synced.
    fn take(&mut self, triggers: &mut Triggers) {
        let decided = triggers.commit().expect("the disk works");
        let mut bytes = Vec::with_capacity(decided.len() * 36);
        for numbered in &decided {
            let Decision { task, user, occurrence, end: End::Released { reach }, .. } = &numbered.decision
            else {
                continue;
            };
            let Occurrence::A { at, id } = occurrence else { continue };
            let name = format!("{task} {user} {} {id}", at.0);
            bytes.extend_from_slice(&xxh3_128(name.as_bytes()).to_le_bytes());
            bytes.extend_from_slice(&task.to_le_bytes());
            bytes.extend_from_slice(&user.to_le_bytes());
            bytes.extend_from_slice(&reach.0.to_le_bytes());
            self.fires += 1;
        }
        self.file.write_all(&bytes).expect("the disk works");
        self.file.sync_data().expect("the disk works");
    }
}

/// Seconds of the processor of this process; the wall clock where the system does not tell.
fn busy_seconds() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
