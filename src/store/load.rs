//! What every load does alike: ids become numbers, and a complete load becomes the draft.

use arrow::array::{Array, BooleanArray, StringArray};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::base::{Outcome, UserNo};

use super::bits::Bits;
use super::disk::Disk;
use super::ids::Ids;
use super::new_ids::NewIds;
use super::writer::{Draft, Loaded, Writer};

/// New ids are sealed when they fill more than this; they can be found in files as well.
const NEW_IDS_BYTES: usize = 256 << 20;
/// Ids looked up by one core at a time.
const IDS_AT_ONCE: usize = 2_048;

/// A load under way: its own draft, and the ids it has met.
pub(super) struct Load {
    pub disk: Disk,
    pub draft: Draft,
    new: NewIds,
    /// Users deleted by this load.
    gone: Bits,
    gone_count: u64,
    universe: RoaringBitmap,
    start: UserNo,
}

impl Load {
    pub fn new(disk: Disk, draft: Draft) -> Load {
        let start = draft.manifest.user_end;
        let universe = draft.sets.universe();
        Load { disk, draft, new: NewIds::from(start), gone: Bits::default(), gone_count: 0, universe, start }
    }

    /// Takes the next number for a set of data files.
    pub fn generation(&mut self) -> u64 {
        self.draft.manifest.generation += 1;
        self.draft.manifest.generation
    }

    /// Where temporary files go.
    pub fn spill_folder(&self) -> std::path::PathBuf {
        self.disk.path("spill")
    }

    /// The numbers of users who are in the universe.
    pub fn known(&self, ids: &StringArray) -> Vec<Option<UserNo>> {
        let found = self.draft.ids.find_all(ids).into_iter();
        found.map(|user| user.filter(|user| self.universe.contains(*user))).collect()
    }

    /// The numbers of users; unknown ones get new numbers.
    pub fn numbers(&mut self, ids: &StringArray) -> Outcome<Vec<Option<UserNo>>> {
        self.resolve(ids, None, false)
    }

    /// The number of the user of each row, after the deletions of the rows before it. A row
    /// marked in `skip` makes nobody new: `None` if its user is unknown. With `delete`, it
    /// deletes its user.
    pub fn resolve(
        &mut self,
        ids: &StringArray,
        skip: Option<&BooleanArray>,
        delete: bool,
    ) -> Outcome<Vec<Option<UserNo>>> {
        self.seal_when_full()?;
        let stored = looked_up(&self.draft.ids, ids);
        let mut users = Vec::with_capacity(ids.len());
        for (at, (hash, user)) in stored.into_iter().enumerate() {
            let is_skipped = skip.is_some_and(|skip| skip.is_valid(at) && skip.value(at));
            users.push(self.resolve_one((hash, ids.value(at)), user, is_skipped, delete)?);
        }
        Ok(users)
    }

    fn resolve_one(
        &mut self,
        (hash, id): (u64, &str),
        stored: Option<UserNo>,
        is_skipped: bool,
        delete: bool,
    ) -> Outcome<Option<UserNo>> {
        let stored = stored.filter(|user| !self.gone.holds(*user));
        if !is_skipped {
            return stored.map_or_else(|| self.new.find_or_add(hash, id), Ok).map(Some);
        }
        let user = stored.or_else(|| self.new.find(hash, id));
        if let Some(user) = user.filter(|_| delete) {
            self.gone_count += (user >= self.start || self.universe.contains(user)) as u64;
            self.gone.set(user);
            self.new.forget(hash, id);
        }
        Ok(user)
    }

    /// Sealed ids are found through the index; what was deleted meanwhile stays in `gone`.
    fn seal_when_full(&mut self) -> Outcome<()> {
        if self.new.bytes() < NEW_IDS_BYTES {
            return Ok(());
        }
        self.seal()?;
        self.draft.ids = Ids::open(&self.disk.root, &self.draft.manifest, self.draft.sets.dead.clone())?;
        Ok(())
    }

    fn seal(&mut self) -> Outcome<()> {
        self.new.seal(&self.disk, &mut self.draft.manifest, &self.draft.ids)
    }

    /// The load is complete: `apply` makes the last changes, then its draft becomes the writer's.
    pub fn finish(mut self, writer: &mut Writer, apply: impl FnOnce(&mut Draft)) -> Outcome<Loaded> {
        self.seal()?;
        let deleted = self.gone_count;
        self.draft.bury(&self.gone.to_bitmap());
        apply(&mut self.draft);
        self.draft.ids = Ids::open(&self.disk.root, &self.draft.manifest, self.draft.sets.dead.clone())?;
        self.draft.is_changed = true;
        let new_users = self.draft.sets.universe().difference_len(&self.universe);
        writer.draft = self.draft;
        Ok(Loaded { new_users, deleted, ..Loaded::default() })
    }
}

/// Hash and stored number of each id, on all cores.
fn looked_up(known: &Ids, ids: &StringArray) -> Vec<(u64, Option<UserNo>)> {
    let one = |at: usize| {
        let id = ids.value(at);
        let hash = known.hash(id);
        (hash, known.find_hashed(hash, id))
    };
    (0..ids.len()).into_par_iter().with_min_len(IDS_AT_ONCE).map(one).collect()
}
