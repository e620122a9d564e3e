//! Staff by its rules: dealing against its twin, and timelines that an operator can read.

mod deal;
mod engine;
mod history;
mod timelines;
