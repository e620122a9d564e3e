//! Who is new in this load? Ids seen for the first time get the next numbers, in order of
//! appearance, and are sealed into files at the end (or when they fill their share of memory).

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field};
use hashbrown::HashTable;

use crate::base::{CHUNK_USERS, Outcome, Problem, UserNo};

use super::columns::schema_of;
use super::disk::Disk;
use super::ids::{Ids, Segment};
use super::index::{add_run, is_due};
use super::manifest::{KeysPart, Manifest};
use super::mapped::{batch_of, write_arrow};

/// Where ids and their index lie.
const FOLDER: &str = "ids";
/// Bytes that one new id takes beside its text: hash, end, table entry and slack.
const ENTRY_BYTES: usize = 32;

/// Ids without a file yet.
#[derive(Debug, Default)]
pub(super) struct NewIds {
    start: UserNo,
    /// Positions from `start`, found by hash; ids deleted again are not in it.
    table: HashTable<u32>,
    hashes: Vec<u64>,
    /// Where each id ends in `text`.
    ends: Vec<usize>,
    text: String,
}

impl NewIds {
    /// The first new user gets the number `start`.
    pub fn from(start: UserNo) -> NewIds {
        NewIds { start, ..NewIds::default() }
    }

    /// Numbers given so far end here.
    pub fn end(&self) -> UserNo {
        self.start + self.hashes.len() as u32
    }

    /// Memory in use.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.hashes.len() * ENTRY_BYTES
    }

    pub fn find(&self, hash: u64, id: &str) -> Option<UserNo> {
        let is_same = |at: &u32| self.hashes[*at as usize] == hash && self.id(*at) == id;
        self.table.find(hash, is_same).map(|at| self.start + at)
    }

    /// The number of an id, a new one if it has none.
    /// Errors: STO-012 when all numbers are given.
    pub fn find_or_add(&mut self, hash: u64, id: &str) -> Outcome<UserNo> {
        if let Some(user) = self.find(hash, id) {
            return Ok(user);
        }
        let at = self.hashes.len() as u32;
        let user = self.start.checked_add(at).filter(|user| *user < UserNo::MAX).ok_or_else(full)?;
        self.hashes.push(hash);
        self.text.push_str(id);
        self.ends.push(self.text.len());
        let hashes = &self.hashes;
        self.table.insert_unique(hash, at, |at| hashes[*at as usize]);
        Ok(user)
    }

    /// The id is unknown from now on; the number stays given.
    pub fn forget(&mut self, hash: u64, id: &str) {
        let Some(user) = self.find(hash, id) else { return };
        let at = user - self.start;
        if let Ok(entry) = self.table.find_entry(hash, |found| *found == at) {
            entry.remove();
        }
    }

    fn id(&self, at: u32) -> &str {
        let at = at as usize;
        let from = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[from..self.ends[at]]
    }

    /// Writes keys and index, names them in the manifest, and starts over with no ids.
    pub fn seal(&mut self, disk: &Disk, manifest: &mut Manifest, ids: &Ids) -> Outcome<()> {
        if self.hashes.is_empty() {
            return Ok(());
        }
        manifest.generation += 1;
        let pairs = self.hashes.iter().copied().zip(self.start..).collect();
        manifest.index = add_run(disk, FOLDER, manifest.generation, &manifest.index, pairs)?;
        self.seal_keys(disk, manifest, ids)?;
        manifest.user_end = self.end();
        *self = NewIds::from(self.end());
        Ok(())
    }

    /// Writes the new ids as a key segment, together with older segments that are due.
    fn seal_keys(&self, disk: &Disk, manifest: &mut Manifest, ids: &Ids) -> Outcome<()> {
        let mut count = self.hashes.len() as u64;
        let mut kept = manifest.keys.len();
        while kept > 0 && is_due(kept, manifest.keys[kept - 1].count as u64, count) {
            kept -= 1;
            count += manifest.keys[kept].count as u64;
        }
        let joined: Vec<&Segment> = ids.segments().iter().skip(kept).collect();
        let start = manifest.keys.get(kept).map_or(self.start, |keys| keys.start);
        let schema = schema_of(vec![Field::new("user_id", DataType::Utf8, false)]);
        let name = format!("{FOLDER}/keys.g{}.arrow", manifest.generation);
        let batches = (start..self.end()).step_by(CHUNK_USERS as usize).map(|from| {
            let to = from.saturating_add(CHUNK_USERS).min(self.end());
            let texts = (from..to).map(|user| self.text_of(user, &joined)).collect::<Outcome<Vec<&str>>>()?;
            batch_of(
                &schema,
                vec![Arc::new(StringArray::from_iter_values(texts)) as ArrayRef],
                (to - from) as usize,
            )
        });
        let file = write_arrow(disk, &name, &schema, batches)?;
        manifest.keys.truncate(kept);
        manifest.keys.push(KeysPart { start, count: self.end() - start, file });
        Ok(())
    }

    fn text_of<'a>(&'a self, user: UserNo, older: &[&'a Segment]) -> Outcome<&'a str> {
        match user.checked_sub(self.start) {
            Some(at) => Ok(self.id(at)),
            None => {
                let at = older.partition_point(|segment| segment.start() <= user).saturating_sub(1);
                let segment = older.get(at).ok_or_else(|| Problem::bug("an id is in no segment"))?;
                segment.text(user)
            }
        }
    }
}

fn full() -> Problem {
    let what = "all 4,294,967,295 user numbers of this app are given";
    Problem::data("STO-012", what).cure("split the users over several apps (--app)")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::disk::Fuse;
    use super::super::index::key_hash;
    use super::*;
    use crate::base::Zone;

    #[test]
    fn the_last_number_is_the_last() {
        let mut ids = NewIds::from(UserNo::MAX - 1);
        assert_eq!(ids.find_or_add(1, "a").unwrap(), UserNo::MAX - 1);
        assert_eq!(ids.find_or_add(2, "b").unwrap_err().code, "STO-012");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn ids_agree_with_a_hash_map(loads in proptest::collection::vec(proptest::collection::vec("[a-c]{0,3}|用户[0-9]{1,4}", 0..120), 1..10)) {
            let folder = tempfile::tempdir().unwrap();
            let disk = Disk { root: folder.path().to_path_buf(), fuse: Fuse::default() };
            let mut manifest = Manifest::empty(Zone::default(), 9);
            let mut twin: HashMap<String, UserNo> = HashMap::new();
            for load in loads {
                let ids = Ids::open(&disk.root, &manifest, Default::default()).unwrap();
                let mut new = NewIds::from(manifest.user_end);
                for id in load {
                    let hash = key_hash(9, &id);
                    let found = match ids.find(&id) {
                        Some(user) => user,
                        None => new.find_or_add(hash, &id).unwrap(),
                    };
                    let next = twin.len() as UserNo;
                    prop_assert_eq!(found, *twin.entry(id).or_insert(next));
                }
                new.seal(&disk, &mut manifest, &ids).unwrap();
                prop_assert_eq!(manifest.user_end as usize, twin.len());
                prop_assert!(manifest.keys.len() <= 5 && manifest.index.len() <= 5);
            }
            let ids = Ids::open(&disk.root, &manifest, Default::default()).unwrap();
            ids.ready().unwrap();
            for (id, user) in &twin {
                prop_assert_eq!(ids.find(id), Some(*user));
                prop_assert_eq!(ids.text(*user), id);
            }
            prop_assert_eq!(ids.find("nobody"), None);
            prop_assert_eq!(ids.text(twin.len() as UserNo), "");
        }
    }
}
