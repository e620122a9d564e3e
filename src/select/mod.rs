//! Which users fit?
pub mod ast;
pub mod json;
pub mod text;
