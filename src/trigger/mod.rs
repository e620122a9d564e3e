//! What does this event, or this minute, change? The decide core of trigger rules (semantics 5).
//!
//! Flow: whoever runs the engine numbers users, events and predicates, evaluates filters, writes every
//! [`Record`] to the log and hands it to [`State::step`]; out come [`Decision`]s. A completed A (完成A) is
//! decided on arrival. An A-not-B (完成A未完成B) is decided when the watermark has passed its deadline,
//! from what happened: A's lie in a log ordered by event time, of B's the last one is known for every user.
//! There are no timers and nothing to cancel. A touch that fired waits here until its reach instant.
//!
//! Read [`Record`] and [`Version`] (what comes in), [`End`] (what comes out), `decide.rs` (the order of the
//! questions), then `track.rs` and `past.rs` (what is remembered).

mod arrive;
mod batch;
mod book;
mod decide;
mod decision;
mod engine;
mod entry;
mod fact;
mod history;
mod id;
mod interest;
mod keep;
mod kept;
mod loading;
pub mod log;
mod look;
mod making;
mod names;
mod newest;
mod outs;
mod pages;
mod part;
mod past;
mod reach;
mod read;
mod rest;
mod seen;
mod shard;
mod snapshot;
mod sorting;
mod state;
mod task;
mod together;
mod track;
mod tracks;
mod waiting;

pub use book::Counts;
pub use decision::{Decision, End, Occurrence, Reason, TaskNo};
pub use engine::{Numbered, Opened, Place, Triggers};
pub use entry::{Columns, Entry};
pub use fact::{AHEAD_MAX_MS, Command, EventNo, Facts, LATE_MAX_MS, Predicate, Record, SourceNo, Version};
pub use history::{Counted, period, period_start};
pub use id::{EventId, IdCode, Texts};
pub use look::{Looked, Traced, look, trace};
pub use names::{Names, Source};
pub use shard::Oddities;
pub use state::State;
