//! What do we know, and as of when?
//!
//! A [`Home`] is a folder. [`Home::snapshot`] opens its newest data version, which never changes:
//! users as numbers ([`Ids`]), their attributes in chunks of 65,536 ([`Attributes`]), events by
//! local day ([`Rollup`], [`Rows`]), detail tables, and the names of it all ([`Catalog`]).

mod attributes;
mod bits;
mod catalog;
mod catalog_file;
mod chunk;
mod columns;
mod container;
mod day;
mod detail_chunk;
mod details;
mod disk;
mod encode;
mod events;
mod home;
mod ids;
mod index;
mod load;
mod lock;
mod manifest;
mod mapped;
mod meta;
mod new_ids;
mod parquet_file;
mod register;
mod rows;
mod snapshot;
mod spill;
mod sweep;
mod users;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::ingest::Column;
pub use attributes::Attributes;
pub use catalog::{Catalog, EventFacts, TableFacts};
pub use columns::arrow_type;
pub use container::{Bitmap, Container, container_of, count_of};
pub use home::Home;
pub use ids::Ids;
pub use meta::{database, migrate, open as open_database};
pub use register::Register;
pub use rows::Rows;
pub use snapshot::{Rollup, Snapshot, Verified};
pub use writer::{Limits, Loaded, Mode, Writer};
