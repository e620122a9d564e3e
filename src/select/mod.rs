//! Which users fit? From text to one bitmap, in forms that each have their own type.
//!
//! ```text
//! text ──parse──▶ Selection ──bind──▶ Bound ──plan──▶ Plan ──run──▶ Answer (one Roaring bitmap)
//!                 what was asked      names, types    instant,      counts at every node
//!                                     all mistakes    crowds, guess
//! ```
//!
//! Read on in [`ast`] (the value), [`text`] and [`json`] (its spellings), [`bind`], [`plan`] with
//! [`rules`], and [`run`], where 65,536 users at a time are looked at.

mod alike;
pub mod ast;
pub mod bind;
mod bind_forms;
mod bits;
mod bound;
mod budget;
mod cache;
mod check;
mod column;
mod edge;
pub mod evidence;
mod explain;
mod filter;
mod fold;
mod guess;
mod hundredths;
pub mod json;
mod lane;
pub mod lint;
pub mod live;
mod mask;
mod pair;
pub mod plan;
pub mod profile;
mod ranges;
pub mod rules;
pub mod run;
mod sequence;
mod share;
mod source;
mod spread;
mod steps;
mod tag;
mod tally;
pub mod text;
pub mod trace;
mod unseen;

pub use alike::alike;
pub use ast::Selection;
pub use bind::Scope;
pub use bound::Bound;
pub use budget::{Budgeted, Sample};
pub use cache::LeafCache;
pub use explain::Line;
pub use guess::Guess;
pub use plan::Plan;
pub use run::{Answer, Counted};
pub use source::instant;
