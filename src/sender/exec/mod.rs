//! Gives a batch to a program, one JSON line a touch on its stdin, and reads receipts from its stdout.
//!
//! One process for each batch. The lines are those of the `file` sender; the receipts are lines
//! `{"touch_id", "state", "reason"?}` in any order. `QUANKE_KEY` (the batch's idempotency key) and
//! `QUANKE_ATTEMPT` (1 at the first try) stand in its environment.

mod config;
mod process;

use std::time::Duration;

use async_trait::async_trait;

use super::line::Line;
use super::word::{self, Word};
use crate::base::Problem;
use crate::dispatch::{Batch, Outcome, Receipt, ReceiptState, Sender};

pub use config::Config;
use process::{End, Ended};

/// The exit code that says "nothing was taken, try again" (EX_TEMPFAIL of sysexits.h).
const TRY_LATER: i32 = 75;
/// The exit codes that say "this will never be taken" (EX_DATAERR, EX_CONFIG).
const REFUSED: [i32; 2] = [65, 78];
const CURE: &str = "look at what the program did; `quanke task reconcile` asks it, receipts settle the rest";

/// The sender `exec`.
pub struct Exec {
    config: Config,
}

impl Exec {
    /// A sender that runs the program of `config`.
    pub fn new(config: Config) -> Exec {
        Exec { config }
    }

    async fn run(&self, command: &[String], batch: &Batch) -> Ended {
        let key = batch.key();
        let environment = [("QUANKE_KEY", key.as_str()), ("QUANKE_ATTEMPT", &batch.attempt.to_string())];
        process::run(command, &environment, lines(batch), self.config.timeout).await
    }

    /// What an end means. Whoever has a receipt has it, whatever came after.
    fn outcome(&self, batch: &Batch, ended: Ended) -> Outcome {
        let receipts = words(batch, &ended.output);
        let has_said = !receipts.is_empty();
        match ended.end {
            End::NotStarted(why) => {
                let problem = self.problem("SND-007", format!("the program cannot be started: {why}"));
                Outcome::TryLater {
                    after: Duration::ZERO,
                    why: problem.cure("mend `command` in quanke.toml"),
                }
            }
            End::Code(0) => Outcome::Answered(word::for_all(batch, receipts, self.unnamed())),
            End::Code(TRY_LATER) if !has_said => Outcome::TryLater {
                after: Duration::ZERO,
                why: self.problem("SND-005", format!("the program ended with {TRY_LATER}: try again")),
            },
            End::Code(code) if REFUSED.contains(&code) && !has_said => {
                let what = format!("the program ended with {code}: it refuses the batch");
                Outcome::Refused(self.problem("SND-004", what).cure("mend the content, or the program"))
            }
            other if !has_said => Outcome::Unknown(self.problem("SND-006", other.text()).cure(CURE)),
            _ => Outcome::Answered(word::for_all(batch, receipts, ReceiptState::Unknown)),
        }
    }

    fn unnamed(&self) -> ReceiptState {
        if self.config.is_delivered_when_taken { ReceiptState::Delivered } else { ReceiptState::Awaiting }
    }

    fn problem(&self, code: &'static str, what: String) -> Problem {
        Problem::outside(code, what).at(format!(
            "sender {} {}",
            self.config.name,
            self.config.command.join(" ")
        ))
    }
}

#[async_trait]
impl Sender for Exec {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn check(&self) -> Result<(), Problem> {
        let program = self.config.command.first().map_or("", String::as_str);
        let is_path = program.contains(std::path::MAIN_SEPARATOR);
        if is_path && !std::path::Path::new(program).is_file() {
            let problem = self.problem("SND-007", format!("there is no program at {program}"));
            return Err(problem.cure("mend `command` in quanke.toml"));
        }
        Ok(())
    }

    fn is_idempotent(&self) -> bool {
        self.config.is_idempotent
    }

    fn parallel(&self) -> usize {
        self.config.parallel
    }

    fn has_receipts(&self) -> bool {
        true
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        if batch.touches.is_empty() {
            return Outcome::Answered(Vec::new());
        }
        let ended = self.run(&self.config.command, batch).await;
        self.outcome(batch, ended)
    }

    fn can_reconcile(&self) -> bool {
        !self.config.reconcile.is_empty()
    }

    async fn reconcile(&self, batch: &Batch) -> Option<Vec<Receipt>> {
        if self.config.reconcile.is_empty() || batch.touches.is_empty() {
            return None;
        }
        let ended = self.run(&self.config.reconcile, batch).await;
        matches!(ended.end, End::Code(0)).then(|| words(batch, &ended.output))
    }
}

/// One line a touch.
fn lines(batch: &Batch) -> Vec<u8> {
    let mut text = Vec::new();
    for touch in &batch.touches {
        text.extend(serde_json::to_vec(&Line::of(batch, touch)).unwrap_or_default());
        text.push(b'\n');
    }
    text
}

/// The receipts in what the program wrote; a torn last line, and lines that are none, say nothing.
fn words(batch: &Batch, output: &[u8]) -> Vec<Receipt> {
    let lines = output.split(|byte| *byte == b'\n');
    let words: Vec<Word> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    word::of_batch(batch, words)
}

#[cfg(test)]
pub(super) mod tests;
