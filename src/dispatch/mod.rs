//! May it go out now, and did it?
//!
//! [`Engine::run_until`] moves the clock; what falls due on the way is done in order. A run is
//! planned, its audience is frozen in the [`Ledger`], each user passes the gates and gets one row,
//! rows are cut into batches, batches are handed to a [`Sender`], answers are recorded. Every step
//! is durable before the next begins, so a kill anywhere leaves a ledger from which the same run
//! goes on: a retry carries the same touch ids and the same bytes. The [`Book`] adds up before
//! every commit. Channels live in `sender`; this room knows only the trait.

mod agenda;
pub mod backtest;
mod batch;
mod book;
mod bucket;
mod calendar;
mod caps;
mod cut;
mod engine;
mod fill;
mod fires;
mod forms;
mod gates;
mod goals;
mod hand;
mod held;
mod history;
mod hits;
mod ledger;
mod lift;
mod lists;
mod live;
mod outcomes;
mod outside;
mod overview;
mod pages;
mod preflight;
mod purse;
mod reconcile;
mod release;
mod report;
mod rows;
mod run;
mod sender;
mod settle;
mod sieve;
mod spent;
pub mod staff;
mod state;
mod steer;
mod suspend;
mod touches;
mod triggered;
mod unhold;
mod variants;

pub use agenda::{AtHand, Due, Step, due};
pub use batch::{Batch, Handle, Touch, TouchId, TouchNames};
pub use book::Book;
pub use bucket::{Bucket, Rate};
pub use caps::{Full, Way, at_least};
pub use engine::{Engine, Happened, Summary};
pub use fires::{Fire, Release, Word};
pub use gates::{Calm, Gates, Lists};
pub use goals::{Arm, Comparison, GoalReport, GoalRun};
pub use hand::Policy;
pub use history::{EachA, stored};
pub use hits::hit_between;
pub use ledger::{Ledger, Run, Seat};
pub use lift::{Lift, Limits, Part, Verdict};
pub use live::{Feed, LATENESS_MS, Live, Meanings, Portion, SILENCE, source_of};
pub use outcomes::{IdOf, Outcomes, Wanted};
pub use outside::{Audiences, Directory, Faults, NoFaults, Patience, RealPatience, Resolved};
pub use pages::Cell;
pub use preflight::{Preflight, Stopped};
pub use reconcile::Reconciled;
pub use release::Decided;
pub use report::{CrowdNote, Report, RunReport};
pub use rows::{PORTION, Row};
pub use sender::{Outcome, Receipt, ReceiptState, Sender, Senders};
pub use settle::{Fate, Word as ReceiptWord};
pub use sieve::{Holds, Sieve};
pub use state::{Reason, RunState, TouchState};
pub use steer::{cancel, edit, stop};
pub use suspend::Suspension;
pub use touches::WAVE_BATCHES;
pub use triggered::{FiredReport, Triggered};
pub use variants::{VariantReport, by_variant};

/// Limits and words of channels are dated data; channels read their own there.
pub use crate::task::Policies;
/// Channels read lengths of time as task files do; a channel sees only this room.
pub use crate::task::duration_ms;
/// Settings of senders say how much they may be given.
pub use crate::task::{Beyond, Period, Quota, THEN, calendar};

#[cfg(test)]
pub(crate) mod tests;
