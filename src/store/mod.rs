//! What do we know, and as of when?
//!
//! A [`Home`] is a folder. [`Home::snapshot`] opens its newest data version, which never changes:
//! users as numbers ([`Ids`]), their attributes in chunks of 65,536 ([`Attributes`]), events by
//! local day ([`Rollup`], [`Rows`]), detail tables, and the names of it all ([`Catalog`]).
//! [`Home::writer`] gives the one [`Writer`], which takes checked rows only:
//!
//! ```text
//! Checked → Load (ids become numbers) → Spill (rows by chunk or day) → merge with what is stored
//!         → new files → publish: manifest, then CURRENT, in one step → sweep what nobody reads
//! ```
//!
//! Every file is written once and never changed, so readers map files without copying and
//! never wait for the writer. On the disk, inside the app's folder:
//!
//! ```text
//! CURRENT                            number and sum of the newest manifest
//! manifest/0000012.json              every file of a version, with length and sum
//! ids/keys.g7.arrow                  external ids in the order of user numbers
//! ids/index.g7.arrow, directory.…    (hash, user number), sorted
//! sets/{rows,named,dead}.g12.roaring who has a row, was named otherwise, was deleted
//! users/c00003.g12.arrow             attributes of users 196,608 … 262,143; .bitmaps.arrow beside it
//! events/2025-03-31.g12.parquet      rows of a local day, one row group per event; .rollup.arrow
//! details/orders/c00003.g9.parquet   detail rows of the users of a chunk, and an index of keys
//! ```
//!
//! Read next: `snapshot.rs` for what can be asked, `writer.rs` for how it changes.

mod attributes;
mod bits;
mod catalog;
mod catalog_file;
mod chunk;
mod columns;
mod compact;
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
mod narrow;
mod new_ids;
mod parquet_file;
mod rebuild;
mod register;
mod rollup;
mod rows;
mod snapshot;
mod spans;
mod spill;
mod strip;
mod sweep;
mod users;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::ingest::Column;
pub use attributes::Attributes;
pub use catalog::{Catalog, EventFacts, TableFacts};
pub use columns::arrow_type;
pub use compact::{Compacted, Rebuilt};
pub use container::{Bitmap, Container, container_of, count_of};
pub use home::Home;
pub use ids::Ids;
pub use lock::CrowdLock;
pub use meta::{database, migrate, open as open_database};
pub use narrow::{HUNDREDTHS, as_hundredths};
pub use register::Register;
pub use rollup::{DidBits, Rollup};
pub use rows::Rows;
pub use snapshot::{Snapshot, Verified};
pub use spans::{Spans, Told};
pub use strip::{Strip, Times, Users};
pub use writer::{Limits, Loaded, Mode, Writer};
