//! Which minutes have come to rest, and where do they lie?
//!
//! Flow: whoever makes a snapshot takes the minutes that have come to rest out of its state
//! ([`State::take_rested`]) and writes them as blocks, once; a start puts them back ([`State::put_back`]); the
//! engine that decides lets go of its own copies ([`State::lay_down`]). None of this changes a decision, nor the
//! digest.

use crate::base::Outcome;

use super::State;
use super::fact::EventNo;
use super::keep::{Bytes, Keep, keep_fields};
use super::kept::Kept;
use super::part::Part;
use super::past::PART_MS;

/// A minute has come to rest when the watermark is so far past its end: later facts are few, and each takes
/// its minute back into memory.
const REST_MS: i64 = 10 * 60_000;

/// Where a minute belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    shard: u32,
    event: EventNo,
    minute: i64,
}

keep_fields!(Spot { shard, event, minute });

impl State {
    /// Takes out every minute that has come to rest, one after the other.
    pub(super) fn take_rested(&mut self, mut take: impl FnMut(Spot, Part) -> Outcome<()>) -> Outcome<()> {
        for (n, shard) in self.shards.iter_mut().enumerate() {
            let rested_to = shard.watermark.map_or(i64::MIN, |at| at.saturating_sub(REST_MS + PART_MS));
            for (event, log) in shard.logs.iter_mut().enumerate() {
                let all = std::mem::take(&mut log.parts);
                for (minute, part) in all {
                    if part.is_sealed() && minute * PART_MS <= rested_to {
                        log.count -= part.len();
                        take(Spot { shard: n as u32, event: event as EventNo, minute }, part)?;
                    } else {
                        log.parts.insert(minute, part);
                    }
                }
            }
        }
        Ok(())
    }

    /// Every minute that lies in a block.
    pub(super) fn in_blocks(&self) -> impl Iterator<Item = &Kept> {
        let logs = self.shards.iter().flat_map(|shard| &shard.logs);
        logs.flat_map(|log| log.parts.values()).filter_map(Part::kept)
    }

    /// Puts back a minute that was taken out; none if its place is not there or not free.
    pub(super) fn put_back(&mut self, spot: Spot, kept: Kept) -> Option<()> {
        let shard = self.shards.get_mut(spot.shard as usize)?;
        shard.logs.get_mut(spot.event as usize)?.put_back(spot.minute, kept)
    }

    /// From now on minutes that change are told apart from those that have not since this turn began.
    pub(super) fn begin_turn(&mut self, turn: u64) {
        let logs = self.shards.iter_mut().flat_map(|shard| &mut shard.logs);
        logs.for_each(|log| log.turn = turn);
    }

    /// Lets go of the copy in memory of a minute that lies in a block now, unless it has changed since the turn
    /// began.
    pub(super) fn lay_down(&mut self, spot: Spot, kept: Kept, turn: u64) {
        let shard = self.shards.get_mut(spot.shard as usize);
        let log = shard.and_then(|shard| shard.logs.get_mut(spot.event as usize));
        log.into_iter().for_each(|log| log.lay_down(spot.minute, kept.clone(), turn));
    }

    /// Every sealed minute lies in a block from now on, here in memory: in half the room. Nothing else changes.
    pub fn compact(&mut self) {
        let logs = self.shards.iter_mut().flat_map(|shard| &mut shard.logs);
        for part in logs.flat_map(|log| log.parts.values_mut()) {
            if part.is_sealed() && part.kept().is_none() {
                let kept = Kept::of(part.own().to_block().into(), None);
                kept.into_iter().for_each(|kept| *part = Part::in_block(kept));
            }
        }
    }
}
