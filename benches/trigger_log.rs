//! How fast do facts become durable in the trigger engine's log, and how fast are they read again?
//!
//! Data model: facts of 24 bytes (user u32, time u32, event u64, mask u64), pseudo-random; handed over
//! one by one and in batches of columns, committed in groups of a given size, each with one sync.
//! Segments of 64 MiB in a temporary folder (`TMPDIR` chooses the disk). A plain harness: what counts
//! is the disk, and the time of one commit has a long tail that a mean would hide.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quanke::base::{Outcome, Timestamp};
use quanke::trigger::log::{Disk, Log, RealDisk, Settings};

const FACT_BYTES: usize = 24;
const TOTAL_BYTES: usize = 128 << 20;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, group_bytes, record_bytes) in [
        ("64 KiB groups, batches", 64 << 10, 64 << 10),
        ("1 MiB groups, batches", 1 << 20, 64 << 10),
        ("1 MiB groups, one by one", 1 << 20, FACT_BYTES),
        ("4 MiB groups, batches", 4 << 20, 64 << 10),
        ("8 MiB groups, batches", 8 << 20, 64 << 10),
    ] {
        let disk = RealDisk::open(&folder.path().join(name)).expect("a folder");
        let disk: Arc<dyn Disk> = Arc::new(disk);
        let mut commits = write(&disk, group_bytes, record_bytes).expect("the disk works");
        let read = read(&disk).expect("it was written");
        commits.sort_unstable();
        let seconds = commits.iter().sum::<Duration>().as_secs_f64();
        println!(
            "{name:26} {:6.1} MB/s durable  commit median {:5.2} ms, p99 {:6.2} ms, worst {:6.2} ms  start and replay {:6.0} MB/s",
            TOTAL_BYTES as f64 / seconds / 1e6,
            at(&commits, 50),
            at(&commits, 99),
            at(&commits, 100),
            TOTAL_BYTES as f64 / read.as_secs_f64() / 1e6,
        );
    }
    println!("{:26} {:6.1} MB/s", "append in memory, 24 B", in_memory());
}

/// The time of each group, from its first append to its durability.
fn write(disk: &Arc<dyn Disk>, group_bytes: usize, record_bytes: usize) -> Outcome<Vec<Duration>> {
    let facts = facts(record_bytes);
    let (mut log, _) = Log::open(disk.clone(), &Settings::of("bench"))?;
    let mut commits = Vec::new();
    let mut written = 0;
    while written < TOTAL_BYTES {
        let begun = Instant::now();
        while log.waiting_bytes() < group_bytes {
            log.append(1, &facts, Timestamp(0))?;
            written += facts.len();
        }
        log.commit()?;
        commits.push(begun.elapsed());
    }
    Ok(commits)
}

/// A start after a kill, and the replay of everything.
fn read(disk: &Arc<dyn Disk>) -> Outcome<Duration> {
    let begun = Instant::now();
    let (log, _) = Log::open(disk.clone(), &Settings::of("bench"))?;
    let mut reader = log.read(0)?;
    let mut bytes = 0;
    while let Some(group) = reader.next_group()? {
        bytes += group.records().map(|record| record.bytes.len()).sum::<usize>();
    }
    assert!(bytes >= TOTAL_BYTES);
    Ok(begun.elapsed())
}

/// Without a disk: what the processor has to do for a record.
fn in_memory() -> f64 {
    let disk: Arc<dyn Disk> = Arc::new(quanke::trigger::log::SimulatedDisk::new(1));
    let (mut log, _) = Log::open(disk, &Settings::of("bench")).expect("nothing fails here");
    let facts = facts(FACT_BYTES);
    let begun = Instant::now();
    for _ in 0..1_000_000 {
        log.append(1, &facts, Timestamp(0)).expect("it fits");
    }
    1e6 * FACT_BYTES as f64 / begun.elapsed().as_secs_f64() / 1e6
}

fn facts(bytes: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut facts = vec![0; bytes];
    rng.fill(&mut facts);
    facts
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len().saturating_sub(1)) * percent / 100;
    sorted.get(index).map_or(0.0, |d| d.as_secs_f64() * 1e3)
}
