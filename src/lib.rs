//! quanke 圈客: the engine under private-domain marketing.
//!
//! The rooms in reading order; each imports `base` and rooms on its left only.

pub mod base;
pub mod ingest;
pub mod store;
pub mod select;
pub mod audience;
pub mod task;
pub mod dispatch;
pub mod sender;
pub mod cli;
