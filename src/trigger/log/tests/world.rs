//! A run of a log and its slow twin.

use std::collections::BTreeSet;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::super::*;
use crate::base::{Outcome, Problem, Timestamp};

/// One thing that a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A record of so many bytes.
    Append(usize),
    Commit,
    /// A snapshot of all that is durable.
    Snapshot,
    /// The log is closed in good order and opened again.
    Reopen,
    /// A reader needs all from here on.
    Mark,
}

/// What was promised: the slow, obvious twin.
#[derive(Debug, Default)]
pub struct Twin {
    /// Every record that has a position; those from `durable` on may be lost.
    pub records: Vec<Vec<u8>>,
    pub durable: u64,
    /// Where a group may end that was written and not acknowledged.
    ends: BTreeSet<u64>,
    /// The newest snapshot that was acknowledged, and those that may be there.
    pub snapshot: u64,
    snapshots: BTreeSet<u64>,
    written: u64,
}

/// A disk, the twin of its log, and how often it was started.
pub struct World {
    pub disk: SimulatedDisk,
    pub twin: Twin,
}

pub fn settings() -> Settings {
    let limits = Limits { segment_bytes: 400, group_bytes: 200, wait_ms: 5 };
    Settings { limits, ..Settings::of("圈客") }
}

pub fn shared(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Sections of the state that follows from some records.
pub fn sections(records: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let all: Vec<u8> = records.iter().flatten().copied().collect();
    vec![
        ("用户".to_string(), xxh3_64(&all).to_le_bytes().to_vec()),
        ("empty".to_string(), Vec::new()),
        ("all".to_string(), all),
    ]
}

pub fn records_of(mut reader: Reader) -> Outcome<Vec<(u64, Vec<u8>)>> {
    let mut all = Vec::new();
    while let Some(group) = reader.next_group()? {
        all.extend(group.records().map(|record| (record.position, record.bytes.to_vec())));
    }
    Ok(all)
}

impl World {
    pub fn new(seed: u64) -> World {
        World { disk: SimulatedDisk::new(seed), twin: Twin::default() }
    }

    /// Opens the log and compares what it holds with the twin, which then forgets what was lost.
    pub fn open(&mut self) -> Outcome<Log> {
        let known = Settings { known: self.twin.durable, ..settings() };
        let (log, found) = Log::open(shared(&self.disk), &known)?;
        let twin = &mut self.twin;
        let fits = found.end == twin.durable || twin.ends.contains(&found.end);
        assert!(found.end >= twin.durable && fits, "{found:?} {twin:?}");
        let is_known = twin.snapshots.contains(&found.start) || found.start == 0;
        assert!(found.start >= twin.snapshot && is_known, "{found:?} {twin:?}");
        assert!(found.notes.iter().all(|note| note.code == "LOG-010"), "{found:?}");
        twin.records.truncate(found.end as usize);
        (twin.durable, twin.snapshot) = (found.end, found.start);
        twin.ends.clear();
        check_records(&log, twin, found.start)?;
        if let Some(position) = found.snapshot {
            let before = &twin.records[..position as usize];
            assert_eq!(log.open_snapshot(position)?.sections()?, sections(before));
        }
        Ok(log)
    }

    /// Does the acts in order until one fails, on a log that is open already.
    pub fn run_on(&mut self, mut log: Log, acts: &mut impl Iterator<Item = Act>) -> Outcome<Log> {
        let mut mark = None;
        for act in acts {
            let done = match act {
                Act::Reopen => {
                    self.twin.ends.insert(self.twin.records.len() as u64);
                    let durable = log.close()?;
                    self.acknowledge(durable);
                    log = self.open()?;
                    mark = None;
                    Ok(())
                }
                Act::Mark => {
                    log.keep("history", self.twin.durable);
                    mark.get_or_insert(self.twin.durable);
                    log.keep("history", mark.unwrap_or(0));
                    Ok(())
                }
                _ => self.act(&mut log, act),
            };
            match done {
                // The disk is full: the records wait, life goes on.
                Err(problem) if problem.code == "LOG-001" && !self.disk.is_down() => {}
                other => other?,
            }
            assert_eq!(log.durable().until, self.twin.durable);
            assert_eq!(log.end(), self.twin.records.len() as u64);
        }
        if let Some(mark) = mark {
            check_records(&log, &self.twin, mark)?;
        }
        Ok(log)
    }

    /// Opens, acts, and opens again until all acts are done; faults come as they are planned.
    pub fn live(&mut self, acts: &[Act]) {
        let mut acts = acts.iter().copied();
        for _ in 0..1_000 {
            let run = self.open().and_then(|log| self.run_on(log, &mut acts));
            match run.and_then(|mut log| log.commit().map(|durable| self.acknowledge(durable))) {
                Ok(()) => return,
                Err(problem) => self.expect_fault(&problem),
            }
            if self.disk.is_down() {
                self.disk.restart();
            }
        }
        panic!("no end of faults");
    }

    fn expect_fault(&mut self, problem: &Problem) {
        assert!(["LOG-001", "LOG-002"].contains(&problem.code), "{problem}");
        // A commit at the end of a life may have been the one that failed.
        self.twin.ends.insert(self.twin.records.len() as u64);
    }

    fn act(&mut self, log: &mut Log, act: Act) -> Outcome<()> {
        match act {
            Act::Append(size) => {
                self.twin.written += 1;
                let bytes = content(self.twin.written, size);
                let appended = log.append(7, &bytes, Timestamp(0))?;
                assert_eq!(appended.position, self.twin.records.len() as u64);
                self.twin.records.push(bytes);
            }
            Act::Commit => {
                self.twin.ends.insert(self.twin.records.len() as u64);
                let durable = log.commit()?;
                self.acknowledge(durable);
            }
            Act::Snapshot => self.take_snapshot(log)?,
            Act::Reopen | Act::Mark => {}
        }
        Ok(())
    }

    fn acknowledge(&mut self, durable: Durable) {
        assert_eq!(durable.until, self.twin.records.len() as u64);
        self.twin.durable = durable.until;
    }

    fn take_snapshot(&mut self, log: &mut Log) -> Outcome<()> {
        let position = self.twin.durable;
        let mut writer = log.snapshot(position)?;
        for (name, bytes) in sections(&self.twin.records[..position as usize]) {
            writer.section(&name, &bytes)?;
        }
        let written = writer.finish()?;
        self.twin.snapshots.insert(position);
        log.publish(written)?;
        self.twin.snapshot = position;
        Ok(())
    }
}

/// All durable records from `from` on are there, in order, none twice, none altered.
pub fn check_records(log: &Log, twin: &Twin, from: u64) -> Outcome<()> {
    let found = records_of(log.read(from)?)?;
    let expected = twin.records.iter().cloned().enumerate().map(|(at, bytes)| (at as u64, bytes));
    let durable = from as usize..twin.durable as usize;
    let expected: Vec<_> = expected.filter(|(at, _)| durable.contains(&(*at as usize))).collect();
    assert_eq!(found, expected);
    Ok(())
}

fn content(number: u64, size: usize) -> Vec<u8> {
    fastrand::Rng::with_seed(number).choose_multiple(0..=255u8, size)
}
