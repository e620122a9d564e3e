//! Who of the staff gets which user, and what do they do about it?
//!
//! [`deal`] is the rule, a pure function; `book` keeps whose users are; `team` says who is dealt to and how much
//! each may still do today; `passes` what became of touches, for the breaker; `todo` what is to be done by hand. `wiring` joins them to the engine.

mod book;
pub mod deal;
mod passes;
mod team;
#[cfg(test)]
mod tests;
mod todo;
mod wiring;

pub(super) use book::staff_of;
pub use team::Team;
pub use todo::{Asked, Proof, Todo, TodoState};
pub use wiring::{HandedOn, Standing, UserWord, resume, shares, standings, words_on};

pub(super) use wiring::{Room, deal_fires, heard, room_at};

/// The tables of this part of the ledger.
pub(super) const TABLES: [&str; 2] = [book::TABLES, todo::TABLES];
