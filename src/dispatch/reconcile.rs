//! What of the touches of which nobody knows whether they were taken?
//!
//! A sender that can tell is asked; one that takes a second hand-over for the first gets the same batch
//! again; any other is left alone until a receipt or a person speaks.

use serde::Serialize;
use tokio::runtime::Runtime;

use crate::base::{Outcome, Timestamp};
use crate::task::Task;

use super::batch::Touch;
use super::engine::Engine;
use super::hand::{Trouble, Words, batch_of, words_of};
use super::ledger::Run;
use super::sender::Sender;
use super::state::BatchState;
use super::touches::OpenBatch;

/// What became of the unknown touches of a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reconciled {
    /// Unknown before.
    pub before: i64,
    /// Unknown still.
    pub unknown: i64,
    /// Can the sender tell, or be given the same batch again?
    pub can_ask: bool,
}

impl Engine<'_> {
    /// Asks the channel about the unknown touches of a task, or hands their batches over once more with
    /// the same names and bytes, where the sender takes a second hand-over for the first.
    /// Errors: TSK-010, DSP-001, DSP-005 when it is silent still, OUT-030.
    pub fn reconcile(&self, task: &str, now: Timestamp) -> Outcome<Reconciled> {
        let task = self.tasks.task(task)?;
        let sender = self.sender(&task)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let before = self.unknown(&task)?;
        let mut trouble = Trouble::default();
        for run in self.ledger.runs_of(&task.id)? {
            self.hand_open(&runtime, (&task, &run), &sender, &mut trouble, now)?;
        }
        trouble.stalled.map_or(Ok(()), Err)?;
        let can_ask = sender.is_idempotent() || sender.can_reconcile();
        Ok(Reconciled { before, unknown: self.unknown(&task)?, can_ask })
    }

    /// Asks about the batches that are unknown, one after the other. Errors: OUT-030.
    pub(super) fn ask_about(
        &self,
        runtime: &Runtime,
        (task, run): (&Task, &Run),
        sender: &dyn Sender,
        now: Timestamp,
    ) -> Outcome<()> {
        for open in self.ledger.open_batches(run)? {
            if open.state == BatchState::Unknown.word() {
                self.ask_about_one(runtime, (task, run), sender, open, now)?;
            }
        }
        Ok(())
    }

    fn ask_about_one(
        &self,
        runtime: &Runtime,
        (task, run): (&Task, &Run),
        sender: &dyn Sender,
        open: OpenBatch,
        now: Timestamp,
    ) -> Outcome<()> {
        let touches: Vec<Touch> = self.ledger.unknown_of(run, open.touches)?;
        let batch = batch_of(task, run, open.no, open.attempts, touches);
        let Some(receipts) = runtime.block_on(sender.reconcile(&batch)) else { return Ok(()) };
        let words: Words = words_of(&batch, &receipts);
        self.faults.step("book answers")?;
        self.ledger.book_answers((run.no, batch.no), &words, now).map(|_| ())
    }

    fn unknown(&self, task: &Task) -> Outcome<i64> {
        let runs = self.ledger.runs_of(&task.id)?;
        let of = |run: &Run| {
            let counts = self.ledger.counts(run)?;
            let of_state = |((state, _), count): (&(super::TouchState, _), &i64)| {
                if *state == super::TouchState::Unknown { *count } else { 0 }
            };
            Ok(counts.iter().map(of_state).sum::<i64>())
        };
        runs.iter().map(of).sum()
    }
}
