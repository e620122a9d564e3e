//! How does a snapshot come to be seen, and what goes then? On any thread, beside the log.
//!
//! Flow: [`Written::show`] gives the snapshot its name → [`Log::note`](super::Log::note) tells the log, which
//! says what nobody needs from now on → [`Unneeded::take_away`].

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::Outcome;

use super::disk::Disk;
use super::names;
use super::problems::{self, Told};
use super::snapshot::{self, part_name};
use super::survey::Files;

/// A snapshot whose bytes are durable; it waits for its name.
#[must_use = "a snapshot is found only when it has been published"]
pub struct Written {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) epoch: u64,
    pub(super) position: u64,
}

/// A snapshot that can be seen; the log does not know of it yet.
#[derive(Debug)]
#[must_use = "old files go only when the log has noted the snapshot"]
pub struct Shown {
    pub(super) position: u64,
}

/// What neither a kept snapshot nor a reader needs any more.
#[must_use = "the files stay until they are taken away"]
pub struct Unneeded {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) app: u64,
    /// Positions of the snapshots that stay.
    pub(super) snapshots: Vec<u64>,
    /// The first record of the segments that stay.
    pub(super) oldest: u64,
}

impl Written {
    /// Gives the snapshot its name, durably. All records before it must be durable.
    /// Errors: LOG-001 when the disk refused (the snapshot may be tried again); LOG-002 when it is not known
    /// whether the name is durable, LOG-007 when another writer has taken over: the log has to stop.
    pub fn show(self) -> Outcome<Shown> {
        let newest = Files::list(self.disk.as_ref())?.newest_epoch();
        if newest > self.epoch {
            return Err(problems::fenced(&self.disk.place(""), self.epoch, newest));
        }
        let name = names::snapshot(self.position);
        self.disk.rename(&part_name(self.position), &name).told(self.disk.as_ref(), &name)?;
        let synced = self.disk.sync_folder();
        synced.map_err(|error| problems::not_synced(&self.disk.place(""), &error, self.position))?;
        Ok(Shown { position: self.position })
    }
}

impl Unneeded {
    /// Takes the files away. What cannot be taken away now, the next clean-up takes.
    pub fn take_away(self) {
        let Ok(files) = Files::list(self.disk.as_ref()) else { return };
        for segment in files.segments.iter().filter(|segment| segment.first < self.oldest) {
            let _ = self.disk.remove(&segment.name());
        }
        for position in files.snapshots.iter().filter(|position| !self.snapshots.contains(position)) {
            let _ = self.disk.remove(&names::snapshot(*position));
        }
        // As long as it is not known what a kept snapshot needs, all blocks stay.
        let Ok(needed) = self.needed_blocks(&files) else { return };
        for position in files.blocks.iter().filter(|position| !needed.contains(position)) {
            let _ = self.disk.remove(&names::blocks(*position));
        }
    }

    fn needed_blocks(&self, files: &Files) -> Outcome<BTreeSet<u64>> {
        let mut needed = BTreeSet::new();
        for position in self.snapshots.iter().filter(|_| !files.blocks.is_empty()) {
            let blocks = snapshot::blocks_of(&self.disk, self.app, *position)?;
            needed.extend(blocks.iter().map(|block| block.file));
        }
        Ok(needed)
    }
}
