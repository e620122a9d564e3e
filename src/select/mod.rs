//! Which users fit?
pub mod ast;
pub mod bind;
pub mod bound;
pub mod check;
pub mod column;
pub mod explain;
pub mod fold;
pub mod guess;
pub mod plan;
pub mod rules;
pub mod run;
pub mod source;
