//! Whole worlds through the real house: files → sync jobs → store → selection → bitmap, beside the
//! slow twin that asks user by user.

mod laws;
mod oracle;
mod random;
mod sel;
#[cfg(feature = "sql")]
mod sql;
mod world;
