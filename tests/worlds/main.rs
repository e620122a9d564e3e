//! Whole worlds through the real house: files → sync jobs → store → selection → bitmap, beside the
//! slow twin that asks user by user.

mod evidence;
mod examples;
mod incremental;
mod laws;
mod lint;
mod live;
mod oracle;
mod order;
mod profile;
mod random;
mod sel;
#[cfg(feature = "sql")]
mod sql;
mod world;
