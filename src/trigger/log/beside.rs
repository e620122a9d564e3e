//! How is a snapshot made while the log goes on? From the one before and the records behind it, on another
//! thread.

use std::sync::Arc;

use crate::base::Outcome;

use super::blocks::{Blocks, BlocksWriter};
use super::disk::Disk;
use super::reader::Reader;
use super::scan::Segment;
use super::snapshot::{SnapshotReader, SnapshotWriter};

/// The log as it was at one moment; what it needs stays until a snapshot is noted.
pub struct Beside {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) app: u64,
    pub(super) epoch: u64,
    pub(super) segments: Vec<Segment>,
    /// The newest snapshot then.
    pub(super) snapshot: Option<u64>,
    pub(super) position: u64,
}

impl Beside {
    /// All records before this were durable.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The newest snapshot.
    /// Errors: LOG-001, LOG-006, LOG-011.
    pub fn open_snapshot(&self) -> Outcome<Option<SnapshotReader>> {
        let open = |position| SnapshotReader::open(&self.disk, self.app, position);
        self.snapshot.map(open).transpose()
    }

    /// The records behind the newest snapshot.
    /// Errors: as those of a [`Reader`].
    pub fn read(&self) -> Outcome<Reader> {
        Reader::open(&self.disk, self.app, &self.segments, self.snapshot.unwrap_or(0), self.position)
    }

    /// A file of blocks.
    /// Errors: LOG-001, LOG-006, LOG-020.
    pub fn open_blocks(&self, file: u64) -> Outcome<Blocks> {
        Blocks::open(&self.disk, self.app, file)
    }

    /// Begins the blocks that the next snapshot needs beside those that are there.
    /// Errors: LOG-001.
    pub fn write_blocks(&self) -> Outcome<BlocksWriter> {
        BlocksWriter::begin(&self.disk, self.app, self.epoch, self.position)
    }

    /// Begins the next snapshot.
    /// Errors: LOG-001.
    pub fn write_snapshot(&self) -> Outcome<SnapshotWriter> {
        SnapshotWriter::begin(&self.disk, self.app, self.epoch, self.position)
    }
}
