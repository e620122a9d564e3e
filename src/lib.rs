//! quanke 圈客: the engine under private-domain marketing.
//!
//! The rooms in reading order; each imports `base` and rooms on its left only.

pub mod audience;
pub mod base;
pub mod cli;
pub mod dispatch;
pub mod ingest;
pub mod select;
pub mod sender;
pub mod store;
pub mod task;
pub mod trigger;
