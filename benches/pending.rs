//! What do many windows of 30 days cost while they wait: in memory, on disk, at a snapshot, at a start?
//!
//! Data model: one task "kind 0, then no kind 1 within 30 days, each"; its A's come evenly over 30 days of event
//! time from random users (`QUANKE_BENCH_USERS`, default a tenth of the windows), every fifth fact is a B.
//! Batches of facts (`QUANKE_BENCH_ROWS`, default 4,096) go through log and engine as they do in `run` and `serve`: taken, synced, time passed,
//! a snapshot taken when it is due. Shown: bytes a window in memory of our own (RssAnon; what is mapped the
//! system takes back when it needs it) and on disk, the longest step of the deciding thread (taking facts, moving
//! the watermark, `snapshot_if_due`; the sync of a commit apart), with and without a snapshot under way, the time
//! of snapshots, the time of a start on what is there, and how fast the first tenth of the windows is decided
//! after that, minute by minute. `QUANKE_BENCH_WINDOWS` (default 1,000,000) says how many windows;
//! `TMPDIR` chooses the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use quanke::base::Timestamp;
use quanke::trigger::log::RealDisk;
use quanke::trigger::{Columns, Entry, IdCode, Opened, Place, SourceNo, Triggers, Version};

#[path = "../tests/triggers/stream.rs"]
// The rule of the stream, not the stream.
#[allow(dead_code)]
mod stream;

use stream::{A_NOT_B, mix, one_rule};

/// The folder of a process that only starts on what is there.
const STARTED: &str = "QUANKE_BENCH_STARTED";
const MINUTE: i64 = 60_000;
const MONTH: i64 = 30 * 86_400_000;
const BEGIN: i64 = 1_700_000_000_000 / MINUTE * MINUTE;
const LATE_MS: i64 = MINUTE;

fn main() {
    let windows = number("QUANKE_BENCH_WINDOWS", 1_000_000);
    if let Ok(folder) = std::env::var(STARTED) {
        return start(Path::new(&folder), windows);
    }
    let users = number("QUANKE_BENCH_USERS", (windows / 10).max(1));
    let folder = tempfile::tempdir().expect("a folder");
    let before = memory("RssAnon");
    let mut run = Run::open(folder.path());
    run.install();
    println!("{windows} windows of {users} users");
    let begun = Instant::now();
    run.fill(windows, users);
    println!("filled in {:.1} s", begun.elapsed().as_secs_f64());
    run.say(windows, before, folder.path());
    run.one_snapshot();
    drop(run);
    // A process of its own: what this one has given back to the allocator says nothing.
    let own = std::env::current_exe().expect("this program");
    let ended = std::process::Command::new(own).env(STARTED, folder.path()).status().expect("it starts");
    assert!(ended.success());
}

fn start(folder: &Path, windows: u64) {
    let before = memory("RssAnon");
    let (begun, busy) = (Instant::now(), busy_ms());
    let mut run = Run::open(folder);
    let (seconds, busy) = (begun.elapsed().as_secs_f64(), (busy_ms() - busy) / 1e3);
    println!(
        "start: {seconds:.2} s ({busy:.2} s of the processor), {} A's kept, {:.0} MB of our own, {:.0} MB mapped",
        run.triggers.state().pending(),
        (memory("RssAnon") - before) / 1e6,
        memory("RssFile") / 1e6
    );
    run.decide(windows);
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Run {
    triggers: Triggers,
    source: SourceNo,
    /// The last decision, as the ledger would have it.
    taken: Option<Place>,
    steps: Steps,
}

/// The longest steps in milliseconds, by the clock and of the processor, and the most memory.
#[derive(Default)]
struct Steps {
    quiet: (f64, f64),
    beside: (f64, f64),
    commit: f64,
    memory: f64,
    count: u64,
    slow: u64,
    /// Seconds during which snapshots were under way without a break.
    snapshots: Vec<f64>,
    since: Option<Instant>,
}

impl Run {
    fn open(folder: &Path) -> Run {
        let disk = Arc::new(RealDisk::open(&folder.join("log")).expect("a folder"));
        let Opened { mut triggers, notes, .. } =
            Triggers::open(disk, "bench", None, 1).expect("a log that is whole");
        assert!(notes.is_empty(), "{notes:?}");
        let source = match triggers.names().sources().is_empty() {
            true => triggers.source("bench", Timestamp(BEGIN)).expect("the disk works"),
            false => 0,
        };
        Run { triggers, source, taken: None, steps: Steps::default() }
    }

    fn install(&mut self) {
        let mut version = one_rule(A_NOT_B);
        version.rule.absence.iter_mut().for_each(|absence| absence.gap_ms = MONTH);
        let version = Box::new(Version { grace_ms: MINUTE, ..version });
        let now = Timestamp(BEGIN);
        for entry in [Entry::Install { task: 0, version }, Entry::Audience { task: 0, users: None }] {
            self.triggers.take(entry, now).expect("the disk works");
        }
    }

    fn fill(&mut self, windows: u64, users: u64) {
        let (facts, rows) = (windows + windows / 4, number("QUANKE_BENCH_ROWS", 4_096));
        for from in (0..facts).step_by(rows as usize) {
            let rows = from..(from + rows).min(facts);
            let columns = columns(rows, facts, users);
            let now = Timestamp(columns.times.last().copied().unwrap_or(BEGIN));
            let entry = Entry::Facts { source: self.source, read_to: from, columns: Box::new(columns) };
            self.step(Some(entry), now);
        }
        // What is under way is finished before anything is measured.
        while self.triggers.is_taking_snapshot() {
            std::thread::yield_now();
            self.triggers.snapshot_if_due(self.taken).expect("the disk works");
        }
        self.steps.note(false);
    }

    /// One turn of the deciding thread; gives the number of decisions.
    fn step(&mut self, entry: Option<Entry>, now: Timestamp) -> usize {
        let is_beside = self.triggers.is_taking_snapshot();
        let (begun, busy) = (Instant::now(), busy_ms());
        entry.into_iter().for_each(|entry| self.triggers.take(entry, now).expect("the disk works"));
        self.triggers.pass(self.source, now, LATE_MS).expect("the disk works");
        let (decided, busy) = (begun.elapsed(), busy_ms() - busy);
        let synced = Instant::now();
        let numbered = self.triggers.commit().expect("the disk works");
        self.taken = numbered.last().map(|one| one.place).or(self.taken);
        self.steps.commit = self.steps.commit.max(ms(synced.elapsed()));
        let (begun, before) = (Instant::now(), busy_ms());
        self.triggers.snapshot_if_due(self.taken).expect("the disk works");
        let (longest, busy) = (ms(decided + begun.elapsed()), busy + busy_ms() - before);
        let is_after = self.triggers.is_taking_snapshot();
        let most = if is_beside || is_after { &mut self.steps.beside } else { &mut self.steps.quiet };
        *most = (most.0.max(longest), most.1.max(busy));
        self.steps.slow += u64::from(longest > 5.0);
        self.steps.note(is_after);
        numbered.len()
    }

    /// A snapshot of everything after one more record: what it costs when nothing has to be replayed.
    fn one_snapshot(&mut self) {
        let now = Timestamp(BEGIN + MONTH + MINUTE);
        self.triggers.pass(self.source, now, LATE_MS).expect("the disk works");
        self.triggers.commit().expect("the disk works");
        let begun = Instant::now();
        self.triggers.begin_snapshot(self.taken).expect("the disk works");
        let here = ms(begun.elapsed());
        self.triggers.finish_snapshot().expect("the disk works");
        let seconds = begun.elapsed().as_secs_f64();
        println!("one snapshot more: {seconds:.2} s, {here:.2} ms of it on the deciding thread");
    }

    fn say(&self, windows: u64, before: f64, folder: &Path) {
        let Steps { quiet, beside, commit, memory: most, count, slow, snapshots, .. } = &self.steps;
        let (own, files) = (memory("RssAnon") - before, on_disk(folder));
        println!(
            "{} A's kept: {:.0} MB of our own ({:.1} bytes each; {:.0} MB at most), {:.0} MB on disk ({:.1} bytes each)",
            self.triggers.state().pending(),
            own / 1e6,
            own / windows as f64,
            (most - before) / 1e6,
            files.iter().map(|(_, bytes)| bytes).sum::<f64>() / 1e6,
            files.iter().map(|(_, bytes)| bytes).sum::<f64>() / windows as f64,
        );
        for (kind, bytes) in files {
            println!("  .{kind}: {:.0} MB", bytes / 1e6);
        }
        println!("snapshots were under way for {:.1} s", snapshots.iter().sum::<f64>());
        println!(
            "longest step (of the processor): {:.2} ({:.2}) ms, beside a snapshot {:.2} ({:.2}) ms; {slow} of {count} steps over 5 ms; \
             a commit {commit:.1} ms",
            quiet.0, quiet.1, beside.0, beside.1
        );
    }

    /// The first tenth of the windows falls due.
    fn decide(&mut self, windows: u64) {
        let (begun, before, mut decided) = (Instant::now(), busy_ms(), 0);
        for minute in 0..43_200 / 10 {
            decided += self.step(None, Timestamp(BEGIN + MONTH + LATE_MS + minute * MINUTE + 1));
        }
        let (seconds, busy) = (begun.elapsed().as_secs_f64(), busy_ms() - before);
        println!(
            "the first tenth: {decided} decisions in {seconds:.2} s with syncs, {:.2} s of the processor, {:.1} M windows/s of it",
            busy / 1e3,
            windows as f64 / 10.0 / busy / 1e3
        );
    }
}

impl Steps {
    fn note(&mut self, is_taking: bool) {
        self.count += 1;
        self.memory = self.memory.max(memory("RssAnon"));
        match (self.since, is_taking) {
            (None, true) => self.since = Some(Instant::now()),
            (Some(since), false) => {
                self.snapshots.push(since.elapsed().as_secs_f64());
                self.since = None;
            }
            _ => {}
        }
    }
}

fn columns(rows: std::ops::Range<u64>, facts: u64, users: u64) -> Columns {
    let mut columns = Columns::default();
    for n in rows {
        let at = BEGIN + (n as i128 * MONTH as i128 / facts as i128) as i64;
        columns.users.push((mix(n) % users) as u32);
        columns.times.push(at);
        columns.arrivals.push(at);
        columns.events.push(u16::from(n % 5 == 4));
        columns.masks.push(1);
        columns.ids.push(IdCode::number(n));
    }
    columns
}

fn ms(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Milliseconds that this thread was on a processor; 0 where the system does not tell.
fn busy_ms() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse::<f64>().ok()).map_or(0.0, |ns| ns / 1e6)
}

/// A line of the process's status, in bytes.
fn memory(what: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) * 1_024.0
}

/// Bytes by the ending of the files.
fn on_disk(folder: &Path) -> Vec<(String, f64)> {
    let mut all = std::collections::BTreeMap::new();
    for file in std::fs::read_dir(folder.join("log")).expect("a folder").flatten() {
        let name = file.file_name().to_string_lossy().to_string();
        let kind = name.rsplit('.').next().unwrap_or("").to_string();
        *all.entry(kind).or_insert(0.0) += file.metadata().map_or(0, |data| data.len()) as f64;
    }
    all.into_iter().collect()
}
