//! And what else do they want to know? Everything that SQL can ask of one data version at one instant.
//!
//! [`Source`] holds what is asked: a snapshot, the crowds beside it, and an as-of. [`register`] makes it
//! known to a DataFusion context; [`session`] makes a context of our own, as `quanke sql` uses it, and
//! [`ask`] runs one question in it:
//!
//! ```text
//! Source → register: tables users, events, crowds, each detail table · functions in_selection, bitmap_…
//! text → ask → DataFusion's plan → Scan (parts that may fit, read one at a time) → batches of the answer
//! ```
//!
//! A table is a list of parts (a chunk of users, an event on a day, a version of a crowd): see
//! `content` and `scan`. A part is read when its turn comes and left out when the filters
//! cannot be true in it, so memory does not grow with a table. Selections are never turned into SQL:
//! `in_selection` has them evaluated by `select`, once, exactly.
//!
//! **Invariant**: nothing here writes, and no function tells the clock or chance: the same question
//! over the same data version and as-of has the same rows.

mod answer;
mod bitmaps;
mod cells;
mod clock;
mod content;
mod crowds;
mod details;
mod events;
mod mistakes;
mod piece;
mod prune;
mod scan;
mod selected;
mod session;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod users;

pub use answer::{Answer, TEXT_BYTES_MAX, ask};
pub use cells::{csv_cell, json_row, text};
pub use session::{register, session};
pub use source::Source;
