//! What was found for one condition is kept, so that editing another condition costs only that one.
//!
//! The key of a leaf is what it asks, with its window resolved, and the data version it was asked
//! of: the same key always has the same users. Tags and crowds are not kept, since reading them
//! anew is as quick.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use xxhash_rust::xxh3::xxh3_128;

use super::plan::PlanLeaf;
use crate::base::Zone;
use crate::store::{Bitmap, Snapshot};

/// Users of conditions, up to a number of bytes; may be shared by many evaluations.
pub struct LeafCache(Cache<u128, Arc<Bitmap>, BitmapBytes>);

#[derive(Debug, Clone)]
struct BitmapBytes;

impl Weighter<u128, Arc<Bitmap>> for BitmapBytes {
    fn weight(&self, _: &u128, users: &Arc<Bitmap>) -> u64 {
        users.bytes().len() as u64 + 64
    }
}

impl LeafCache {
    /// Keeps up to `bytes` of bitmaps.
    pub fn new(bytes: u64) -> LeafCache {
        // A bitmap of a million users takes 100 KiB or so.
        let items = (bytes / (64 * 1024)).clamp(16, 1 << 20) as usize;
        LeafCache(Cache::with_weighter(items, bytes, BitmapBytes))
    }

    pub(super) fn get(&self, key: u128) -> Option<Arc<Bitmap>> {
        self.0.get(&key)
    }

    pub(super) fn put(&self, key: u128, users: Bitmap) {
        self.0.insert(key, Arc::new(users));
    }
}

/// The key of a leaf; `None` for one that is not worth keeping.
pub(super) fn key_of(leaf: &PlanLeaf, zone: &Zone, snapshot: &Snapshot) -> Option<u128> {
    match leaf {
        PlanLeaf::Tag(_) | PlanLeaf::Crowd(_) => None,
        _ => Some(xxh3_128(format!("{:?} {zone:?} {leaf:?}", snapshot.identity()).as_bytes())),
    }
}
