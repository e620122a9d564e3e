//! Which records does the engine stand on, and are they safe? An ordered log of bytes in files.
//!
//! Flow: [`Log::open`] finds what is whole ([`Recovered`]) → the caller loads the snapshot and replays
//! [`Log::read`] → [`Log::append`] and [`Log::commit`] ([`Appended`] is not yet [`Durable`]) → now and
//! then [`Log::snapshot`] and [`Log::publish`], after which old segments go. The log does not look into
//! records. [`survey`] says what is whole without changing anything.
//!
//! **Contract for decisions.** A position is given to one record for ever, and replay gives the same
//! records at the same positions. Number decisions by (position, index) and let them leave when
//! `position < Durable::until`; whoever takes them stores the last number taken together with its own
//! rows, and passes that position as [`Settings::known`] at the next start.
//!
//! The format on disk is in `docs/trigger-log.md`; [`SimulatedDisk`] is what the tests crash.

mod beside;
mod blocks;
mod disk;
mod frame;
mod group;
mod names;
mod open;
mod problems;
mod publish;
mod reader;
mod scan;
mod simulated;
mod snapshot;
mod survey;
#[cfg(test)]
mod tests;
mod writer;

pub use beside::Beside;
pub use blocks::{Block, Blocks, BlocksWriter};
pub use disk::{Disk, DiskFile, RealDisk};
pub use group::{Group, Record};
pub use open::{Recovered, Settings};
pub use publish::{Shown, Unneeded, Written};
pub use reader::Reader;
pub use scan::Cut;
pub use simulated::{Fault, SimulatedDisk};
pub use snapshot::{Piece, SnapshotReader, SnapshotWriter};
pub use survey::{Survey, survey};
pub use writer::{Appended, Durable, Limits, Log};
