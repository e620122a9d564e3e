//! The engine on a made-up world, with channels that misbehave on purpose.

mod channel;
mod chaos;
mod clock;
mod facts;
mod fires;
mod kills;
mod ledger;
mod pages;
mod receipts;
mod replays;
mod rows;
mod schedules;
pub(crate) mod world;
