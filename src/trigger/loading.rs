//! What does a snapshot hold, and how does it become a state again?

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Outcome;

use super::engine::unreadable;
use super::keep::{Bytes, Keep};
use super::kept::Kept;
use super::log::{Block, Blocks, SnapshotReader};
use super::rest::Spot;
use super::{Names, State};

/// The sections of a snapshot. The minutes that have come to rest lie in blocks; one section says where each
/// belongs.
pub(super) const SPOTS: &str = "minutes";
pub(super) const STATE: &str = "state";
pub(super) const NAMES: &str = "names";

/// What a snapshot holds.
pub(super) struct Loaded {
    pub state: State,
    pub names: Names,
}

impl Loaded {
    /// What there is before the first snapshot.
    pub fn nothing(shards: usize) -> Loaded {
        Loaded { state: State::new(shards), names: Names::default() }
    }

    /// Reads the snapshot before a record; its minutes stay where they lie.
    /// Errors: LOG-001, LOG-006, LOG-011, LOG-012, LOG-020.
    pub fn read(mut reader: SnapshotReader, position: u64) -> Outcome<Loaded> {
        let blocks = reader.blocks()?;
        let numbers: BTreeSet<u64> = blocks.iter().map(|block| block.file).collect();
        let open = |number| Ok((number, reader.open_blocks(number)?));
        let files: BTreeMap<u64, Blocks> = numbers.into_iter().map(open).collect::<Outcome<_>>()?;
        let sections = reader.sections()?;
        let (mut loaded, spots) = parts(&sections).ok_or_else(|| unreadable(position))?;
        if spots.len() != blocks.len() {
            return Err(unreadable(position));
        }
        for (spot, block) in spots.into_iter().zip(blocks) {
            loaded.put_back(spot, block, &files)?.ok_or_else(|| unreadable(position))?;
        }
        Ok(loaded)
    }

    fn put_back(&mut self, spot: Spot, block: Block, files: &BTreeMap<u64, Blocks>) -> Outcome<Option<()>> {
        let Some(file) = files.get(&block.file) else { return Ok(None) };
        let kept = Kept::of(file.get(&block)?, Some(block));
        Ok(kept.and_then(|kept| self.state.put_back(spot, kept)))
    }
}

fn parts(sections: &[(String, Vec<u8>)]) -> Option<(Loaded, Vec<Spot>)> {
    let section =
        |name: &str| sections.iter().find(|(one, _)| one == name).map(|(_, bytes)| bytes.as_slice());
    let state = State::restore(section(STATE)?)?;
    let names = Names::of(section(NAMES)?)?;
    // Snapshots of an earlier form have all minutes in the state.
    let spots = section(SPOTS).map_or(Some(Vec::new()), |bytes| Keep::take(&mut Bytes(bytes)))?;
    Some((Loaded { state, names }, spots))
}
