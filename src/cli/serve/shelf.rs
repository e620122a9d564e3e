//! When do events become history? A write of the store rewrites its days, so events wait for each other.
//!
//! The pause after a write is ten times as long as the write took: the store takes a tenth of the time at most,
//! and a small day is behind by less than a second. What lies here is in the spool, so a crash costs nothing.

use std::collections::BTreeMap;

use crate::base::{Outcome, Pace};
use crate::ingest::live::Batch;
use crate::ingest::{Column, Settled};
use crate::store::{Limits, Loaded, Writer};

/// The pause after a write, in times of the write.
const PAUSE_FACTOR: f64 = 10.0;
/// The pause in seconds, at least and at most.
const PAUSE_MIN: f64 = 0.2;
const PAUSE_MAX: f64 = 10.0;
/// Rows that are written whatever the time.
const ROWS_MAX: usize = 500_000;

/// Events that the triggers have and the store not yet.
pub struct Shelf {
    batches: Vec<Batch>,
    rows: usize,
    /// Bytes of their lines.
    pub bytes: u64,
    /// Events up to this place are here or in the store.
    reaches: u64,
    /// Events up to this place are in the store.
    pub stored_to: u64,
    /// When the next write is due, in seconds.
    due_at: f64,
    memory: u64,
}

impl Shelf {
    /// An empty shelf; a write may use so many bytes of memory.
    pub fn new(memory: u64) -> Shelf {
        Shelf { batches: Vec::new(), rows: 0, bytes: 0, reaches: 0, stored_to: 0, due_at: 0.0, memory }
    }

    /// Puts events up to a place behind the others; their lines have so many bytes.
    pub fn put(&mut self, batches: Vec<Batch>, bytes: u64, reaches: u64) {
        for batch in batches {
            self.rows += batch.events.len();
            self.batches.push(batch);
        }
        self.bytes += bytes;
        self.reaches = reaches;
        if self.batches.is_empty() {
            (self.bytes, self.stored_to) = (0, reaches);
        }
    }

    /// Is nothing here?
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Is it time to write? `seconds` is now.
    pub fn is_due(&self, seconds: f64) -> bool {
        !self.is_empty() && (seconds >= self.due_at || self.rows >= ROWS_MAX)
    }

    /// Puts everything into the writer's draft. Errors: STO-004, OUT-001; then everything is still here.
    pub fn store(
        &self,
        writer: &mut Writer,
        types: &BTreeMap<String, Settled>,
        pace: &dyn Pace,
    ) -> Outcome<Loaded> {
        let column =
            |(name, settled): (&String, &Settled)| Column { name: name.clone(), type_of: settled.type_of };
        let columns: Vec<Column> = types.iter().map(column).collect();
        let limits = Limits { memory_bytes: self.memory };
        writer.events(&mut self.batches.iter().map(|batch| Ok(batch.events.clone())), &columns, &limits, pace)
    }

    /// Everything is in the store; the write took from `began` to `ended`, in seconds.
    pub fn stored(&mut self, began: f64, ended: f64) {
        self.batches.clear();
        (self.rows, self.bytes) = (0, 0);
        self.stored_to = self.reaches;
        self.due_at = ended + ((ended - began) * PAUSE_FACTOR).clamp(PAUSE_MIN, PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_follows_the_length_of_the_write() {
        let mut shelf = Shelf::new(1);
        let mut pause = |took: f64| {
            shelf.stored(100.0, 100.0 + took);
            shelf.due_at - 100.0 - took
        };
        assert!((pause(0.001) - 0.2).abs() < 1e-9);
        assert!((pause(0.05) - 0.5).abs() < 1e-9);
        assert!((pause(30.0) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn an_empty_shelf_is_never_due_and_reaches_what_it_is_told() {
        let mut shelf = Shelf::new(1);
        shelf.put(vec![], 3, 7);
        assert!(shelf.is_empty() && !shelf.is_due(1e9));
        assert_eq!((shelf.bytes, shelf.stored_to), (0, 7));
    }
}
