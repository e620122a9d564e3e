//! Which users fit?
pub mod ast;
