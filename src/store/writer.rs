//! How does a new version come about? Loads stage files; `publish` shows them all in one step.
//!
//! A writer holds the home's lock. Each load works on a draft of its own and replaces the
//! writer's draft only when it is complete, so a load that fails leaves nothing behind. Dropping
//! the writer leaves the home as it was.

use std::fs::File;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::base::{Environment, Outcome, Pace, Problem, Zone};
use crate::ingest::Checked;

use super::container::portable;
use super::disk::{Disk, Fuse};
use super::home::Home;
use super::ids::Ids;
use super::load::Load;
use super::lock;
use super::manifest::{self, Manifest, SetParts};
use super::snapshot::{Sets, Snapshot};
use super::sweep::{FOLDERS, sweep};

/// How the rows of a users load meet the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A row replaces the user's whole row; columns that are not loaded become missing.
    Upsert,
    /// The load is the whole truth: users without a row in it lose theirs.
    Replace,
    /// Only the columns that are loaded change; a null makes a value missing.
    Patch,
    /// Every user named is deleted.
    Delete,
}

/// What a load may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// About how much memory a load may fill before it goes through temporary files.
    pub memory_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory_bytes: 2 << 30 }
    }
}

/// What a load has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Users who joined the universe.
    pub new_users: u64,
    /// Rows read.
    pub rows: u64,
    /// Rows that say nothing new: events delivered before, users and details overtaken by a
    /// later row of the same load.
    pub duplicates: u64,
    /// Stored rows whose place was taken.
    pub replaced: u64,
    /// Users or detail rows removed on demand.
    pub deleted: u64,
}

/// The one process that may change a home's data.
pub struct Writer {
    home: Home,
    disk: Disk,
    base: Snapshot,
    pub(super) draft: Draft,
    _lock: File,
}

/// The version in the making.
#[derive(Clone)]
pub(super) struct Draft {
    pub manifest: Manifest,
    pub sets: Sets,
    pub ids: Ids,
    pub is_changed: bool,
}

impl Home {
    /// Takes the lock of the home, removes what an interrupted load may have left, and gives the
    /// one writer. `zone` is kept from the first events on.
    /// Errors: OUT-010 when another process has the lock, STO-001 when the home has events under
    /// another zone, and what [`snapshot`](Home::snapshot) says.
    pub fn writer(&self, env: &Environment, zone: Zone) -> Outcome<Writer> {
        self.writer_on(env, zone, Fuse::default())
    }

    pub(super) fn writer_on(&self, env: &Environment, zone: Zone, fuse: Fuse) -> Outcome<Writer> {
        let held = lock::take(self.root(), &env.process)?;
        std::fs::create_dir_all(self.dir()).map_err(|error| super::disk::trouble(self.dir(), error))?;
        let disk = Disk { root: self.dir().to_path_buf(), fuse };
        let base = self.snapshot()?;
        let mut manifest = base.manifest().clone();
        if manifest.version == 0 {
            manifest = Manifest::empty(zone, env.seed);
            manifest::begin(&disk)?;
        }
        sweep(&disk, &manifest)?;
        settle_zone(&mut manifest, zone)?;
        let ids = Ids::open(self.dir(), &manifest, base.sets().dead.clone())?;
        let draft = Draft { manifest, sets: base.sets().clone(), ids, is_changed: false };
        Ok(Writer { home: self.clone(), disk, base, draft, _lock: held })
    }
}

fn settle_zone(manifest: &mut Manifest, zone: Zone) -> Outcome<()> {
    if manifest.zone() == zone || manifest.days.is_empty() {
        manifest.zone = zone.name().to_string();
        return Ok(());
    }
    let what = format!(
        "the events of this home lie in local days of {}; the zone given is {}",
        manifest.zone,
        zone.name()
    );
    let cure =
        format!("set `zone = \"{}\"` in quanke.toml, or ingest the events into a new home", manifest.zone);
    Err(Problem::data("STO-001", what).at("zone").cure(cure))
}

impl Writer {
    /// The version that the writer started from, or published last.
    pub fn snapshot(&self) -> Snapshot {
        self.base.clone()
    }

    /// Users by their external ids: those known, as a set. Unknown ids become users if `create`
    /// says so, else each is passed to `unknown`.
    /// Errors: those of `batches`; OUT-001.
    pub fn members(
        &mut self,
        batches: &mut dyn Iterator<Item = Outcome<Checked>>,
        create: bool,
        unknown: &mut dyn FnMut(&str),
        pace: &dyn Pace,
    ) -> Outcome<(RoaringBitmap, Loaded)> {
        let mut load = self.load();
        let (mut members, mut rows) = (super::bits::Bits::default(), 0);
        for batch in batches {
            let batch = batch?;
            rows += batch.len() as u64;
            let found = if create { load.numbers(batch.users())? } else { load.known(batch.users()) };
            for (at, user) in found.into_iter().enumerate() {
                match user {
                    Some(user) => members.set(user),
                    None => unknown(batch.users().value(at)),
                }
            }
            pace.more(batch.len() as u64);
        }
        let members = members.to_bitmap();
        let done =
            if create { load.finish(self, |draft| draft.sets.named |= &members)? } else { Loaded::default() };
        Ok((members, Loaded { rows, ..done }))
    }

    /// Makes all staged loads visible at once and durable, and gives the new version. Without a
    /// change there is no new version.
    /// Errors: OUT-001; the old version is then still the current one.
    pub fn publish(&mut self) -> Outcome<Snapshot> {
        if !self.draft.is_changed {
            return Ok(self.snapshot());
        }
        let mut manifest = self.draft.manifest.clone();
        manifest.version += 1;
        manifest.generation += 1;
        manifest.sets = Some(self.write_sets(manifest.generation)?);
        sync_folders(&self.disk, &manifest)?;
        manifest.publish(&self.disk)?;
        self.draft.manifest = manifest;
        self.draft.is_changed = false;
        self.base = self.home.snapshot()?;
        // The version is out. What cannot be removed now, the next writer removes.
        let _ = sweep(&self.disk, &self.draft.manifest);
        Ok(self.snapshot())
    }

    pub(super) fn load(&self) -> Load {
        Load::new(self.disk.clone(), self.draft.clone())
    }

    fn write_sets(&self, generation: u64) -> Outcome<SetParts> {
        let write = |name: &str, users: &RoaringBitmap| {
            self.disk.write(&format!("sets/{name}.g{generation}.roaring"), &portable(users))
        };
        let sets = &self.draft.sets;
        Ok(SetParts {
            rows: write("rows", &sets.rows)?,
            named: write("named", &sets.named)?,
            dead: write("dead", &sets.dead)?,
        })
    }
}

/// Makes the names of all data files durable, before a manifest names them.
pub(super) fn sync_folders(disk: &Disk, manifest: &Manifest) -> Outcome<()> {
    let tables = manifest.tables.keys().map(|table| super::columns::folder_of(table));
    let mut folders = FOLDERS.iter().map(|folder| folder.to_string()).chain(tables);
    folders
        .try_for_each(|folder| if disk.path(&folder).is_dir() { disk.sync_folder(&folder) } else { Ok(()) })
}

impl Draft {
    /// Counts more users as deleted.
    pub fn bury(&mut self, gone: &RoaringBitmap) {
        if !gone.is_empty() {
            self.sets.dead = Arc::new(&*self.sets.dead | gone);
            self.sets.rows -= gone;
        }
    }
}
