//! How fast does the decide core go? One core, batches of 65,536 rows in memory.
//!
//! Data model: the stream of `tests/triggers/stream.rs`, 1 M users over 6 hours of event time, 20 kinds, one
//! source that is at most a minute late. Task 0 is "kind 0, then no kind 1 within 20 minutes, each"; task
//! `i` takes r = mix(i): A = r mod 20, B = (A + 1 + (r >> 8) mod 19) mod 20, a gap of 1 + (r >> 16) mod 120 minutes
//! and A's with an amount of at least (r >> 32) mod 50,000. Ten of them once more where at most one window of a
//! user waits (`first`). Beside it: the textbook program, a hash map of
//! waiting windows a user and a heap of timers. Making facts out of events is not measured; times are the
//! least of three runs, in seconds of
//! the processor where the system tells them (on a shared machine the wall clock measures others). `QUANKE_BENCH_EVENTS` sets the number of events (default 2,000,000),
//! `QUANKE_BENCH_TASKS` measures that number of tasks only.
//!
//! Then windows of 30 days: how many bytes each takes while it waits, how long a snapshot of them takes, and how long ten million that fall due
//! in one minute take, second by second (`QUANKE_BENCH_WINDOWS`, default 2,000,000).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use quanke::base::Timestamp;
use quanke::task::rule::{Again, Rule};
use quanke::trigger::{Decision, End, Facts, IdCode, Predicate, Record, State, Texts, Version};

#[path = "../tests/triggers/stream.rs"]
mod stream;

use stream::{A_NOT_B, Stream, mix, one_rule};

const ROWS: usize = 65_536;
const LATE_MS: i64 = 60_000;
const MINUTE: i64 = 60_000;

fn main() {
    let events = number("QUANKE_BENCH_EVENTS", 2_000_000);
    let stream = Stream::of(events, 1_000_000, 1);
    let ids: Vec<IdCode> = stream.ids.iter().map(|id| IdCode::number(*id)).collect();
    let only = number("QUANKE_BENCH_TASKS", 0);
    if only == 0 {
        let (fires, textbook) = best(|| by_the_book(&stream));
        println!("textbook, 1 task      {:>7.1} M events/s, {fires} fires", events as f64 / textbook / 1e6);
    }
    let tasks = if only == 0 { vec![1, 10, 100] } else { vec![only] };
    for tasks in tasks {
        let rules: Vec<(Version, u32)> = (0..tasks).map(rule).collect();
        let (rules, masks) = with_bits(rules, &stream);
        let (fires, seconds) = best(|| engine(&stream, &ids, &masks, &rules));
        println!(
            "engine, {tasks:>3} tasks     {:>7.2} M events/s, {fires} fires",
            events as f64 / seconds / 1e6
        );
    }
    if only == 0 {
        tasks_of_first(&stream, &ids);
    }
    windows(number("QUANKE_BENCH_WINDOWS", 2_000_000));
}

/// Ten tasks where at most one window of a user waits.
fn tasks_of_first(stream: &Stream, ids: &[IdCode]) {
    let (first, masks) =
        with_bits((0..10).map(rule).map(|(rule, least)| (as_first(rule), least)).collect(), stream);
    let (fires, seconds) = best(|| engine(stream, ids, &masks, &first));
    println!(
        "engine,  10 tasks (first) {:>3.2} M events/s, {fires} fires",
        masks.len() as f64 / seconds / 1e6
    );
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn best<T>(mut run: impl FnMut() -> T) -> (T, f64) {
    let mut timed = || {
        let (from, begin) = (Instant::now(), busy_seconds());
        let found = run();
        (found, seconds_since(from, begin))
    };
    let all = [timed(), timed(), timed()];
    all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

/// A rule and the least amount of its A's.
fn rule(n: u64) -> (Version, u32) {
    if n == 0 {
        return (one_rule(A_NOT_B), 0);
    }
    let r = mix(n);
    let a = r % 20;
    let b = (a + 1 + (r >> 8) % 19) % 20;
    (one_rule((a as u16, b as u16, 1 + ((r >> 16) % 120) as i64)), ((r >> 32) % 50_000) as u32)
}

/// At most one window of a user waits.
fn as_first(mut version: Version) -> Version {
    version.rule.absence.iter_mut().for_each(|absence| absence.again = Again::First);
    version
}

/// Bit 0 of every kind is "the event"; every filter gets a bit of its own. The masks of all events.
fn with_bits(rules: Vec<(Version, u32)>, stream: &Stream) -> (Vec<Version>, Vec<u64>) {
    let mut filters: Vec<Vec<u32>> = vec![vec![0]; 20];
    let versions = rules.into_iter().map(|(version, least)| {
        let known = &mut filters[version.did.event as usize];
        let bit = known.iter().position(|l| *l == least).unwrap_or_else(|| {
            known.push(least);
            known.len() - 1
        });
        Version { did: Predicate { bit: bit as u8, ..version.did }, ..version }
    });
    let versions = versions.collect();
    let mask = |(kind, amount): (&u16, &u32)| {
        let all = filters[*kind as usize].iter().enumerate();
        all.filter(|(_, least)| amount >= least).map(|(bit, _)| 1 << bit).sum()
    };
    (versions, stream.kinds.iter().zip(&stream.amounts).map(mask).collect())
}

fn engine(stream: &Stream, ids: &[IdCode], masks: &[u64], rules: &[Version]) -> usize {
    let mut state = State::new(1);
    let (mut out, mut fires, mut newest) = (Vec::new(), 0, 0);
    start(&mut state, rules, &mut out);
    let texts = Texts::default();
    for from in (0..masks.len()).step_by(ROWS) {
        let rows = from..(from + ROWS).min(masks.len());
        let facts = Facts {
            users: &stream.users[rows.clone()],
            times: &stream.times[rows.clone()],
            arrivals: &stream.arrivals[rows.clone()],
            events: &stream.kinds[rows.clone()],
            masks: &masks[rows.clone()],
            ids: &ids[rows.clone()],
            texts: &texts,
            same: &[],
        };
        state.step(Record::Facts { source: 0, facts }, &mut out);
        newest = stream.times[rows].iter().max().copied().unwrap_or(0).max(newest);
        state.step(Record::Tick { now: Timestamp(newest) }, &mut out);
        state.step(Record::Watermark { source: 0, to: Timestamp(newest - LATE_MS) }, &mut out);
        fires += count(&mut out);
    }
    // Every window falls due as time passes; the grace is longer than a day, so none expires.
    for _ in 0..200 {
        newest += MINUTE;
        state.step(Record::Tick { now: Timestamp(newest) }, &mut out);
        state.step(Record::Watermark { source: 0, to: Timestamp(newest) }, &mut out);
        fires += count(&mut out);
    }
    fires
}

fn start(state: &mut State, rules: &[Version], out: &mut Vec<Decision>) {
    for (task, version) in rules.iter().enumerate() {
        let version = Version { grace_ms: 2 * 86_400_000, ..version.clone() };
        state.step(Record::Install { task: task as u32, version: Box::new(version) }, out);
        state.step(Record::Audience { task: task as u32, users: None }, out);
    }
}

fn count(out: &mut Vec<Decision>) -> usize {
    out.drain(..).filter(|decision| matches!(decision.end, End::Fired { .. })).count()
}

/// What one writes first: every A puts a window into the user's list and a timer on the heap, every B empties
/// the list, timers that find their window fire. B's that overtake their A are remembered.
fn by_the_book(stream: &Stream) -> usize {
    let mut users = Users::new();
    let mut timers: BinaryHeap<Reverse<(i64, u32, u64)>> = BinaryHeap::new();
    let (mut fires, mut newest) = (0, 0);
    let gap = 20 * MINUTE;
    for row in 0..stream.times.len() {
        let (at, user) = (stream.times[row], stream.users[row]);
        newest = newest.max(at);
        if stream.kinds[row] == 0 {
            let (windows, bs) = users.entry(user).or_default();
            if !bs.iter().any(|b| *b >= at && *b <= at + gap) {
                windows.push((at, stream.ids[row]));
                timers.push(Reverse((at + gap, user, stream.ids[row])));
            }
        } else if stream.kinds[row] == 1 {
            let (windows, bs) = users.entry(user).or_default();
            windows.retain(|(a, _)| !(at >= *a && at <= a + gap));
            bs.retain(|b| *b > newest - 2 * LATE_MS);
            bs.push(at);
        }
        while timers.peek().is_some_and(|Reverse((due, ..))| *due < newest - LATE_MS) {
            fires += fire(&mut timers, &mut users);
        }
    }
    while !timers.is_empty() {
        fires += fire(&mut timers, &mut users);
    }
    fires
}

/// Waiting windows (time and id of A) and the times of late B's, by user.
type Users = HashMap<u32, (Vec<(i64, u64)>, Vec<i64>)>;

fn fire(timers: &mut BinaryHeap<Reverse<(i64, u32, u64)>>, users: &mut Users) -> usize {
    let Some(Reverse((_, user, id))) = timers.pop() else { return 0 };
    let Some((windows, _)) = users.get_mut(&user) else { return 0 };
    let before = windows.len();
    windows.retain(|(_, known)| *known != id);
    before - windows.len()
}

/// Windows of 30 days that wait, then all fall due in one minute.
fn windows(count_of: u64) {
    let mut version = one_rule(A_NOT_B);
    let Rule { absence, .. } = &mut version.rule;
    absence.iter_mut().for_each(|absence| absence.gap_ms = 30 * 86_400_000);
    let (mut state, mut out) = (State::new(1), Vec::new());
    start(&mut state, &[version], &mut out);
    let begin = 1_700_000_000_000 / MINUTE * MINUTE;
    let before = resident_bytes();
    let texts = Texts::default();
    for from in (0..count_of).step_by(ROWS) {
        let rows: Vec<u64> = (from..(from + ROWS as u64).min(count_of)).collect();
        let ids: Vec<IdCode> = rows.iter().map(|n| IdCode::number(*n)).collect();
        let users: Vec<u32> = rows.iter().map(|n| (mix(*n) % 1_000_000) as u32).collect();
        let times: Vec<i64> = rows.iter().map(|n| begin + (*n as i64 * MINUTE) / count_of as i64).collect();
        let (events, masks) = (vec![0; rows.len()], vec![1; rows.len()]);
        let facts = Facts {
            users: &users,
            times: &times,
            arrivals: &times,
            events: &events,
            masks: &masks,
            ids: &ids,
            texts: &texts,
            same: &[],
        };
        state.step(Record::Facts { source: 0, facts }, &mut out);
    }
    state.step(Record::Watermark { source: 0, to: Timestamp(begin + 2 * MINUTE) }, &mut out);
    let each = (resident_bytes() - before) as f64 / count_of as f64;
    println!("{count_of} windows wait: {} kept, {each:.1} bytes each (resident)", state.pending());
    let (from, busy) = (Instant::now(), busy_seconds());
    let bytes = state.snapshot();
    let written = seconds_since(from, busy);
    let (from, busy) = (Instant::now(), busy_seconds());
    let restored = State::restore(&bytes).map(|state| state.pending());
    let read = seconds_since(from, busy);
    println!("snapshot: {} bytes in {written:.3} s, restored {restored:?} in {read:.3} s", bytes.len());
    drop(bytes);
    let (from, busy) = (Instant::now(), busy_seconds());
    let mut fires = 0;
    for second in 0..=60 {
        let to = Timestamp(begin + 30 * 86_400_000 + second * 1_000 + 1);
        state.step(Record::Tick { now: to }, &mut out);
        state.step(Record::Watermark { source: 0, to }, &mut out);
        fires += count(&mut out);
    }
    let seconds = seconds_since(from, busy);
    println!("due in one minute: {:.1} M windows/s, {fires} fires", count_of as f64 / seconds / 1e6);
}

/// Seconds that this thread was on a processor, where the system tells it.
fn busy_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns / 1e9)
}

fn seconds_since(from: Instant, busy: Option<f64>) -> f64 {
    let busy = busy.and_then(|before| Some(busy_seconds()? - before));
    busy.unwrap_or_else(|| from.elapsed().as_secs_f64())
}

/// Memory of this process, where the system tells it.
fn resident_bytes() -> i64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<i64>().ok()).unwrap_or(0) * 4_096
}
