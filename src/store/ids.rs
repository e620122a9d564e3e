//! Who is `u10086`, and what is user 42 called outside? Both directions, from mapped files.
//!
//! Ids lie in append-only key segments in the order of user numbers; an index of hashes proposes
//! numbers, and the stored id decides. Opening maps files and reads nothing else.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, AsArray, StringArray};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::base::{CHUNK_USERS, Outcome, UserNo};

use super::index::{Index, key_hash};
use super::manifest::{KeysPart, Manifest};
use super::mapped::ArrowFile;

/// External ids and user numbers of one data version.
#[derive(Clone)]
pub struct Ids {
    segments: Arc<Vec<Segment>>,
    index: Index,
    secret: u64,
    dead: Arc<RoaringBitmap>,
}

/// Ids of consecutive users, decoded 65,536 at a time when first needed.
pub(super) struct Segment {
    start: UserNo,
    count: u32,
    file: ArrowFile,
    batches: Vec<OnceLock<StringArray>>,
}

impl Ids {
    /// Maps the files of a manifest; `dead` are users who are not found any more.
    pub(super) fn open(root: &Path, manifest: &Manifest, dead: Arc<RoaringBitmap>) -> Outcome<Ids> {
        let segments = manifest.keys.iter().map(|part| Segment::open(root, part));
        let segments = Arc::new(segments.collect::<Outcome<_>>()?);
        Ok(Ids { segments, index: Index::open(root, &manifest.index)?, secret: manifest.secret, dead })
    }

    /// The number of the user with this external id, deleted users aside.
    /// A user may have a number and be outside the universe: one whose row was replaced away.
    pub fn find(&self, id: &str) -> Option<UserNo> {
        self.find_hashed(key_hash(self.secret, id), id)
    }

    /// Did a user of this id exist and was deleted, with nobody of this id since?
    pub fn is_deleted(&self, id: &str) -> bool {
        let hash = self.hash(id);
        let was = |user: UserNo| self.dead.contains(user) && self.stored(user) == Some(id);
        self.find_hashed(hash, id).is_none() && self.index.find(hash).any(was)
    }

    /// As [`find`](Ids::find) for many, on all cores; `None` for null.
    pub fn find_all(&self, ids: &StringArray) -> Vec<Option<UserNo>> {
        let one = |at: usize| if ids.is_null(at) { None } else { self.find(ids.value(at)) };
        (0..ids.len()).into_par_iter().with_min_len(2_048).map(one).collect()
    }

    /// The external id of a user, deleted or not; empty for a number never given, or when the
    /// file is damaged ([`ready`](Ids::ready) tells which).
    pub fn text(&self, user: UserNo) -> &str {
        self.stored(user).unwrap_or("")
    }

    /// Reads and checks all ids now, so that `text` cannot fail later.
    /// Errors: STO-002 when a file is damaged.
    pub fn ready(&self) -> Outcome<()> {
        let batches = self.segments.iter().flat_map(|s| (0..s.batches.len()).map(move |b| (s, b)));
        let batches: Vec<(&Segment, usize)> = batches.collect();
        batches.into_par_iter().try_for_each(|(segment, batch)| segment.batch(batch).map(|_| ()))
    }

    pub(super) fn hash(&self, id: &str) -> u64 {
        key_hash(self.secret, id)
    }

    pub(super) fn find_hashed(&self, hash: u64, id: &str) -> Option<UserNo> {
        self.index.find(hash).find(|user| !self.dead.contains(*user) && self.stored(*user) == Some(id))
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn stored(&self, user: UserNo) -> Option<&str> {
        let at = self.segments.partition_point(|segment| segment.start <= user).checked_sub(1)?;
        self.segments[at].text(user).ok()
    }
}

impl Segment {
    fn open(root: &Path, part: &KeysPart) -> Outcome<Segment> {
        let file = ArrowFile::open(root, &part.file)?;
        let batches = (0..file.batch_count()).map(|_| OnceLock::new()).collect();
        Ok(Segment { start: part.start, count: part.count, file, batches })
    }

    /// The first user in it.
    pub fn start(&self) -> UserNo {
        self.start
    }

    /// The id of a user in it.
    pub fn text(&self, user: UserNo) -> Outcome<&str> {
        let inside = user.saturating_sub(self.start);
        let batch = self.batch((inside / CHUNK_USERS) as usize)?;
        let row = (inside % CHUNK_USERS) as usize;
        let is_there = inside < self.count && row < batch.len();
        if is_there { Ok(batch.value(row)) } else { Err(self.file.damage("it has too few ids")) }
    }

    fn batch(&self, index: usize) -> Outcome<&StringArray> {
        let Some(cell) = self.batches.get(index) else { return Err(self.file.damage("it has too few ids")) };
        if let Some(ready) = cell.get() {
            return Ok(ready);
        }
        let column = self.file.column(index, 0)?;
        let ids = column.as_string_opt::<i32>().ok_or_else(|| self.file.damage("its ids are no text"))?;
        Ok(cell.get_or_init(|| ids.clone()))
    }
}
