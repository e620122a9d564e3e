//! What `main` hands in: the clock's reading, a seed, and where to show how far we are.

use super::Timestamp;

/// What a command may know of the world around it, read once in `main`.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The wall clock, or `--now`.
    pub now: Timestamp,
    /// Fresh randomness for what must differ from home to home (hash secrets).
    pub seed: u64,
    /// Names this process to others that wait for it, such as `pid 4711 (quanke ingest)`.
    pub process: String,
}

/// Where long work says how far it is. Bars on a terminal, nothing in tests.
pub trait Pace: Sync {
    /// A new stage begins; `total` in `unit` if it is known.
    fn begin(&self, stage: &str, total: Option<u64>, unit: &'static str);
    /// So much more is done.
    fn more(&self, done: u64);
    /// The stage is over.
    fn end(&self);
    /// Seconds since some fixed point, for durations in summaries; 0 where nobody looks.
    fn seconds(&self) -> f64 {
        0.0
    }
}

/// Says nothing.
pub struct Quiet;

impl Pace for Quiet {
    fn begin(&self, _: &str, _: Option<u64>, _: &'static str) {}
    fn more(&self, _: u64) {}
    fn end(&self) {}
}
