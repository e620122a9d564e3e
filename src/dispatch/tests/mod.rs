//! The engine on a made-up world, with channels that misbehave on purpose.

mod caps;
mod channel;
mod chaos;
mod clock;
pub mod facts;
mod fires;
mod gates;
mod kills;
mod ledger;
mod pages;
mod receipts;
mod replays;
mod rows;
mod schedules;
pub(crate) mod world;
