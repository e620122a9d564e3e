//! What does the server say of itself? Counters and readings, as Prometheus text and as JSON.
//!
//! Doors and porter count as they go; the keeper writes its [`Readings`] after every step. docs/serve.md says
//! what each number means and which alarm to put on it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::audience::Standing;

/// The doors, by their numbers in the spool.
pub const DOORS: [&str; 3] = ["http", "lines", "stdin"];
/// Metrics begin with this.
const PREFIX: &str = "quanke";

/// A counter for each door.
#[derive(Debug, Default)]
pub struct ByDoor([AtomicU64; DOORS.len()]);

impl ByDoor {
    /// So many more came by this door.
    pub fn add(&self, door: u8, count: u64) {
        if let Some(counter) = self.0.get(usize::from(door)) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// The sum over the doors.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Numbers {
    pub accepted: ByDoor,
    pub rejected: ByDoor,
    pub late: ByDoor,
    pub clamped: ByDoor,
    /// Requests and groups that were turned away as a whole: no room, or the spool could not be written.
    pub refused: ByDoor,
    pub commits: AtomicU64,
    readings: Mutex<Readings>,
}

/// What the keeper reads off after a step. Times are epoch milliseconds, lengths of time milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// Events that the store had already.
    pub duplicates: u64,
    pub new_users: u64,
    pub store_writes: u64,
    /// How long the last write of the store took.
    pub store_ms: f64,
    /// How long the last step took.
    pub step_ms: f64,
    pub steps: u64,
    pub errors: u64,
    pub last_error: Option<(i64, String)>,
    /// The server's clock, and the instant up to which everything has happened.
    pub now: i64,
    pub clock: i64,
    pub watermark: Option<i64>,
    /// Silence is proved up to here.
    pub silent_to: i64,
    /// By how much the machine's clock is apart from what is believed.
    pub apart_ms: i64,
    pub queue_events: u64,
    pub queue_bytes: u64,
    /// Bytes of events that are not in the store yet.
    pub spool_bytes: u64,
    /// Facts that rules name and that came when the watermark had passed them.
    pub breaches: u64,
    pub pending: u64,
    pub waiting: u64,
    pub decisions: BTreeMap<String, u64>,
    pub touches: Vec<(&'static str, i64)>,
    /// How the crowds stand.
    pub crowds: Standing,
    /// Crowds that could not be made anew.
    pub crowd_failures: u64,
}

/// A metric: its name without prefix, its kind, its help, its values by label.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    values: Vec<(Option<(&'static str, String)>, f64)>,
}

impl Numbers {
    /// The keeper's readings, to be looked at or changed.
    pub fn readings(&self) -> MutexGuard<'_, Readings> {
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text that Prometheus reads (version 0.0.4).
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        for metric in self.metrics() {
            let name = format!("{PREFIX}_{}", metric.name);
            let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {}", metric.help, metric.kind);
            for (label, value) in metric.values {
                let label = label.map_or(String::new(), |(key, word)| format!("{{{key}=\"{word}\"}}"));
                let _ = writeln!(text, "{name}{label} {value}");
            }
        }
        text
    }

    /// The same numbers as one JSON document.
    pub fn document(&self) -> Value {
        let mut all = Map::new();
        for metric in self.metrics() {
            let values =
                metric.values.into_iter().map(|(label, value)| (label.map(|(_, word)| word), json!(value)));
            let values: Vec<(Option<String>, Value)> = values.collect();
            let value = match values.as_slice() {
                [(None, value)] => value.clone(),
                _ => values.into_iter().map(|(word, value)| (word.unwrap_or_default(), value)).collect(),
            };
            all.insert(metric.name.to_string(), value);
        }
        if let Some((_, error)) = &self.readings().last_error {
            all.insert("last_error".to_string(), error.clone().into());
        }
        Value::Object(all)
    }

    fn metrics(&self) -> Vec<Metric> {
        let mut all = self.of_doors();
        all.extend(of_time(&self.readings()));
        all.extend(of_work(&self.readings()));
        all
    }

    fn of_doors(&self) -> Vec<Metric> {
        let by_door = |name, help, counters: &ByDoor| Metric {
            name,
            kind: "counter",
            help,
            values: DOORS
                .iter()
                .zip(&counters.0)
                .map(|(door, counter)| {
                    (Some(("door", door.to_string())), counter.load(Ordering::Relaxed) as f64)
                })
                .collect(),
        };
        vec![
            by_door("events_accepted_total", "Events accepted and safe on the disk.", &self.accepted),
            by_door("events_rejected_total", "Lines that are no good event.", &self.rejected),
            by_door(
                "events_late_total",
                "Events over two hours behind their arrival: history only.",
                &self.late,
            ),
            by_door("events_clamped_total", "Events over two minutes ahead of their arrival.", &self.clamped),
            by_door(
                "requests_refused_total",
                "Requests turned away: no room, or a failing disk.",
                &self.refused,
            ),
            one(
                "group_commits_total",
                "counter",
                "Syncs of the spool.",
                self.commits.load(Ordering::Relaxed) as f64,
            ),
        ]
    }
}

fn one(name: &'static str, kind: &'static str, help: &'static str, value: f64) -> Metric {
    Metric { name, kind, help, values: vec![(None, value)] }
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Metric {
    one(name, "gauge", help, value)
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

fn of_time(now: &Readings) -> Vec<Metric> {
    let age = now.watermark.map_or(0, |watermark| now.now - watermark);
    vec![
        gauge(
            "clock_lag_seconds",
            "How far what has happened is behind the clock.",
            seconds(now.now - now.clock),
        ),
        gauge("watermark_age_seconds", "How far the watermark is behind the clock.", seconds(age)),
        gauge("time_held_seconds", "For how long silence is not proved.", seconds(now.now - now.silent_to)),
        gauge("clock_apart_seconds", "By how much the machine's clock was set.", seconds(now.apart_ms)),
        gauge("queue_events", "Events that wait for the triggers.", now.queue_events as f64),
        gauge("queue_bytes", "Bytes that wait for the triggers.", now.queue_bytes as f64),
        gauge("spool_bytes", "Bytes of events that are not in the store yet.", now.spool_bytes as f64),
        gauge("step_seconds", "How long the last step took.", now.step_ms / 1e3),
        gauge("store_write_seconds", "How long the last write of the store took.", now.store_ms / 1e3),
    ]
}

fn of_work(now: &Readings) -> Vec<Metric> {
    let counter = |name, help, value: u64| one(name, "counter", help, value as f64);
    let decisions = now.decisions.iter().map(|(end, n)| (Some(("end", end.clone())), *n as f64)).collect();
    let touches =
        now.touches.iter().map(|(state, n)| (Some(("state", state.to_string())), *n as f64)).collect();
    vec![
        counter("events_duplicate_total", "Events that the store had already.", now.duplicates),
        counter(
            "lateness_breaches_total",
            "Facts that rules name and that came when the watermark had passed them.",
            now.breaches,
        ),
        counter("users_new_total", "Users first seen in an event.", now.new_users),
        counter("store_writes_total", "Writes of the store.", now.store_writes),
        counter("steps_total", "Steps of the clock.", now.steps),
        counter("errors_total", "Steps that failed and were done again.", now.errors),
        gauge(
            "last_error_timestamp_seconds",
            "When a step failed last.",
            seconds(now.last_error.as_ref().map_or(0, |(at, _)| *at)),
        ),
        gauge("windows_pending", "A's that are kept for their deadline.", now.pending as f64),
        gauge("touches_waiting", "Touches that fired and wait for their reach.", now.waiting as f64),
        Metric {
            name: "decisions",
            kind: "gauge",
            help: "Windows and fires of all tasks by their end.",
            values: decisions,
        },
        of_crowds(&now.crowds),
        gauge("crowds_queued", "Crowds that are due to be made anew.", now.crowds.queued as f64),
        counter("crowd_failures_total", "Crowds that could not be made anew.", now.crowd_failures),
        Metric { name: "touches", kind: "gauge", help: "Touches in the ledger by state.", values: touches },
    ]
}

fn of_crowds(now: &Standing) -> Metric {
    let states = [("fresh", now.fresh), ("stale", now.stale), ("held", now.held)];
    Metric {
        name: "crowds",
        kind: "gauge",
        help: "Crowds that are as they should be, stale, or held for a person.",
        values: states.iter().map(|(state, n)| (Some(("state", state.to_string())), *n as f64)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let numbers = Numbers::default();
        numbers.accepted.add(0, 3);
        numbers.accepted.add(9, 1);
        numbers.readings().touches = vec![("handed", 2)];
        numbers.readings().crowds = Standing { stale: 2, ..Standing::default() };
        (numbers.readings().now, numbers.readings().clock) = (2_500, 1_000);
        numbers.readings().breaches = 4;
        let text = numbers.prometheus();
        let has = |line: &str| assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        has("# TYPE quanke_events_accepted_total counter");
        has("quanke_events_accepted_total{door=\"http\"} 3");
        has("quanke_clock_lag_seconds 1.5");
        has("quanke_touches{state=\"handed\"} 2");
        has("quanke_crowds{state=\"stale\"} 2");
        has("quanke_lateness_breaches_total 4");
        assert_eq!(numbers.accepted.sum(), 3);
        let document = numbers.document();
        assert_eq!(document["events_accepted_total"], json!({"http": 3.0, "lines": 0.0, "stdin": 0.0}));
        assert_eq!(document["clock_lag_seconds"], 1.5);
    }
}
