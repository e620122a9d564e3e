//! What was known at one data version? Files opened when asked for, held as long as they are used.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::base::{CHUNK_USERS, Day, Outcome, Problems, Timestamp, UserNo, Zone};
use crate::ingest::Column;

use super::attributes::Attributes;
use super::catalog::Catalog;
use super::columns::{EVENT_ID, KEY, TIME, arrow_type, instant_type, stored_name};
use super::container::Bitmap;
use super::disk::{read_part, verify_part};
use super::ids::Ids;
use super::manifest::{DayParts, DetailPart, EventPart, Manifest, SetParts, TableParts};
use super::rollup::{DayRollups, DidBits, Rollup};
use super::rows::{RowFile, Rows, SharedCache};
use super::spans;
use super::strip::Strip;

/// One data version, unchanged for as long as it is held; cloning is cheap.
#[derive(Clone)]
pub struct Snapshot(Arc<View>);

struct View {
    folder: PathBuf,
    manifest: Manifest,
    sets: Sets,
    universe: RoaringBitmap,
    universe_bytes: Bitmap,
    catalog: Catalog,
    ids: Ids,
    chunks: Vec<OnceLock<Arc<Attributes>>>,
    days: Vec<Day>,
    rollups: BTreeMap<Day, OnceLock<DayRollups>>,
    cache: SharedCache,
    /// The manifest with its shared lock: keeps the files from being removed.
    _held: Option<File>,
}

/// Users by what is known of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Sets {
    /// Has a users row.
    pub rows: RoaringBitmap,
    /// Named by an event, a detail row, or a crowd import that makes users.
    pub named: RoaringBitmap,
    /// Deleted; the number is never used again.
    pub dead: Arc<RoaringBitmap>,
}

/// What [`Snapshot::verify`] has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub files: usize,
    pub bytes: u64,
}

impl Snapshot {
    pub(super) fn open(
        folder: PathBuf,
        manifest: Manifest,
        held: Option<File>,
        catalog: Catalog,
        cache: SharedCache,
    ) -> Outcome<Snapshot> {
        let sets = Sets::read(&folder, manifest.sets.as_ref())?;
        let universe = sets.universe();
        let ids = Ids::open(&folder, &manifest, sets.dead.clone())?;
        let days: Vec<Day> = manifest.days.keys().copied().collect();
        Ok(Snapshot(Arc::new(View {
            universe_bytes: Bitmap::of(&universe),
            chunks: (0..chunks_of(manifest.user_end)).map(|_| OnceLock::new()).collect(),
            rollups: days.iter().map(|day| (*day, OnceLock::new())).collect(),
            folder,
            sets,
            universe,
            catalog,
            ids,
            days,
            cache,
            manifest,
            _held: held,
        })))
    }

    /// The data version: 0 for an empty home, then 1, 2, 3 …
    pub fn version(&self) -> u64 {
        self.0.manifest.version
    }

    /// Which data version of which app this is: equal only for the same data.
    pub fn identity(&self) -> (u64, u64) {
        (self.0.manifest.secret, self.version())
    }

    /// The zone of local days; fixed when the first events came.
    pub fn zone(&self) -> Zone {
        self.0.manifest.zone()
    }

    /// Numbers given so far are `0..user_end`.
    pub fn user_end(&self) -> UserNo {
        self.0.manifest.user_end
    }

    /// Chunks that these numbers fill.
    pub fn chunk_count(&self) -> u32 {
        chunks_of(self.user_end())
    }

    /// Users known and not deleted.
    pub fn universe(&self) -> &RoaringBitmap {
        &self.0.universe
    }

    /// The same users, to be read chunk by chunk.
    pub fn universe_bitmap(&self) -> &Bitmap {
        &self.0.universe_bytes
    }

    /// Names and types.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// External ids; `find` may give users outside the universe.
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// The number of a user in the universe.
    pub fn find(&self, id: &str) -> Option<UserNo> {
        self.ids().find(id).filter(|user| self.universe().contains(*user))
    }

    /// Attributes of the users of a chunk; `None` when none of them has any.
    /// Errors: STO-002 when a file is damaged.
    pub fn attributes(&self, chunk: u32) -> Outcome<Option<Arc<Attributes>>> {
        let view = &*self.0;
        let Some((cell, parts)) = view.chunks.get(chunk as usize).zip(view.manifest.chunks.get(&chunk))
        else {
            return Ok(None);
        };
        if let Some(ready) = cell.get() {
            return Ok(Some(ready.clone()));
        }
        let opened = Arc::new(Attributes::open(&view.folder, chunk, parts, &view.manifest.attributes)?);
        Ok(Some(cell.get_or_init(|| opened).clone()))
    }

    /// Local days that have events, ascending.
    pub fn days(&self) -> &[Day] {
        &self.0.days
    }

    /// Events present on a day.
    pub fn events_on(&self, day: Day) -> impl Iterator<Item = &str> {
        let parts = self.0.manifest.days.get(&day).map_or(&[][..], |day| &day.events);
        parts.iter().filter_map(|part| self.name_of(part))
    }

    /// Rows of an event on a day; 0 when there are none.
    pub fn rows_on(&self, day: Day, event: &str) -> u64 {
        self.event_on(day, event).map_or(0, |(_, _, part)| part.rows)
    }

    /// Who did an event (`None`: any event) on a day, and how often. Deleted users may be among them.
    /// Errors: STO-002 when a file is damaged.
    pub fn rollup(&self, day: Day, event: Option<&str>) -> Outcome<Option<&Rollup>> {
        let Some(parts) = self.0.manifest.days.get(&day) else { return Ok(None) };
        let index = match event {
            Some(event) => self.event_on(day, event).map(|(_, index, _)| index),
            None => Some(parts.events.len()),
        };
        index.map(|index| self.day_rollups(day, parts)?.get(index)).transpose()
    }

    /// Who did an event (`None`: any event) on a day, one bit per user; made once, then kept.
    /// Errors: STO-002 when a file is damaged.
    pub fn did_bits(&self, day: Day, event: Option<&str>) -> Outcome<Option<Arc<DidBits>>> {
        let Some(rollup) = self.rollup(day, event)? else { return Ok(None) };
        let Some(parts) = self.0.manifest.days.get(&day) else { return Ok(None) };
        let index =
            event.and_then(|event| self.event_on(day, event)).map_or(u32::MAX, |(_, index, _)| index as u32);
        let bits = self.0.cache.did_bits(parts.rollup.sum, index, || DidBits::of(rollup));
        Ok(Some(bits))
    }

    /// The rows of an event on a day, sorted by (user, time, event id, arrival); decoded once,
    /// then kept. `columns` are properties; `event_id` is the id, unless a property has that
    /// name. Deleted users may be among them.
    /// Errors: STO-002 when a file is damaged.
    pub fn rows(&self, day: Day, event: &str, columns: &[&str]) -> Outcome<Option<Rows>> {
        let Some((parts, index, part)) = self.event_on(day, event) else { return Ok(None) };
        let file = self.file(&parts.rows, groups_of(parts, index, part));
        file.read(&self.event_columns(columns)).map(Some)
    }

    /// The same rows laid out for scanning, with times if `timed`; made once, then kept.
    /// Errors: STO-002 when a file is damaged.
    pub fn strip(&self, day: Day, event: &str, columns: &[&str], timed: bool) -> Outcome<Option<Strip>> {
        let Some((parts, index, part)) = self.event_on(day, event) else { return Ok(None) };
        let file = self.file(&parts.rows, groups_of(parts, index, part));
        file.strip(&self.event_columns(columns), timed).map(Some)
    }

    /// The first and the last instant of an event on a day.
    pub fn span_on(&self, day: Day, event: &str) -> Option<(Timestamp, Timestamp)> {
        self.event_on(day, event).map(|(_, _, part)| (part.first_at, part.last_at))
    }

    /// The event ids of the same rows; `None` where the event came without ids.
    /// Errors: STO-002 when a file is damaged.
    pub fn event_ids(&self, day: Day, event: &str) -> Outcome<Option<ArrayRef>> {
        let Some((parts, index, part)) = self.event_on(day, event) else { return Ok(None) };
        let file = self.file(&parts.rows, groups_of(parts, index, part));
        let rows = file.read(&[(EVENT_ID.to_string(), Some(DataType::Utf8))])?;
        Ok(rows.columns.into_iter().next().flatten())
    }

    pub(super) fn kept_spans(
        &self,
        day: Day,
        make: impl FnOnce() -> Outcome<spans::Kept>,
    ) -> Outcome<spans::Kept> {
        match self.0.manifest.days.get(&day) {
            Some(parts) => self.0.cache.spans(parts.rollup.sum, make),
            None => Ok(None),
        }
    }

    fn event_columns(&self, columns: &[&str]) -> Vec<(String, Option<DataType>)> {
        let properties = &self.0.manifest.properties;
        let asked = |name: &&str| match (*name, properties.iter().any(|column| column.name == *name)) {
            (EVENT_ID, false) => (EVENT_ID.to_string(), None),
            _ => asked(name, properties),
        };
        columns.iter().map(asked).collect()
    }

    /// The rows of a detail table for the users of a chunk, sorted by (user, time, key); decoded
    /// once, then kept. The table's own names of key and time column may be asked for too.
    /// Errors: STO-002 when a file is damaged.
    pub fn detail(&self, table: &str, chunk: u32, columns: &[&str]) -> Outcome<Option<Rows>> {
        let Some((table, part)) = self.table_chunk(table, chunk) else { return Ok(None) };
        let file = self.file(&part.file, 0..part.groups);
        let rows = file.read(&detail_columns(table, columns))?;
        let times = rows.times.filter(|_| table.time.is_some());
        Ok(Some(Rows { times, ..rows }))
    }

    /// The same rows laid out for scanning, with times if `timed`; made once, then kept.
    /// Errors: STO-002 when a file is damaged.
    pub fn detail_strip(
        &self,
        table: &str,
        chunk: u32,
        columns: &[&str],
        timed: bool,
    ) -> Outcome<Option<Strip>> {
        let Some((table, part)) = self.table_chunk(table, chunk) else { return Ok(None) };
        let file = self.file(&part.file, 0..part.groups);
        file.strip(&detail_columns(table, columns), timed && table.time.is_some()).map(Some)
    }

    fn table_chunk(&self, table: &str, chunk: u32) -> Option<(&TableParts, &DetailPart)> {
        let table = self.0.manifest.tables.get(table)?;
        Some((table, table.chunks.get(&chunk)?))
    }

    /// The values of an attribute with their user counts, sorted by value; `None` when they are
    /// too many to be indexed, or the type is not.
    /// Errors: STO-002 when a file is damaged.
    pub fn values_of(&self, attribute: &str) -> Outcome<Option<Vec<(String, u64)>>> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for chunk in self.0.manifest.chunks.keys() {
            let Some(attributes) = self.attributes(*chunk)? else { continue };
            if !attributes.names().any(|name| name == attribute) {
                continue;
            }
            let Some(values) = attributes.values_of(attribute)? else { return Ok(None) };
            values
                .into_iter()
                .for_each(|(value, count)| *counts.entry(value.to_string()).or_default() += count);
        }
        Ok(Some(counts.into_iter().collect()))
    }

    /// Reads every file whole and compares it with the sum it was written with.
    /// Errors: one STO-002 for each file that differs.
    pub fn verify(&self) -> Result<Verified, Problems> {
        let parts = self.0.manifest.parts();
        let bytes = parts.iter().map(|part| part.bytes).sum();
        let looked = parts.par_iter().filter_map(|part| verify_part(&self.0.folder, part).err());
        Problems(looked.collect()).or(Verified { files: parts.len(), bytes })
    }

    pub(super) fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    pub(super) fn sets(&self) -> &Sets {
        &self.0.sets
    }

    fn name_of(&self, part: &EventPart) -> Option<&str> {
        self.0.manifest.events.get(part.event as usize).map(String::as_str)
    }

    /// The day's files, the event's place in them, and its facts.
    fn event_on(&self, day: Day, event: &str) -> Option<(&DayParts, usize, &EventPart)> {
        let parts = self.0.manifest.days.get(&day)?;
        let index = parts.events.iter().position(|part| self.name_of(part) == Some(event))?;
        Some((parts, index, &parts.events[index]))
    }

    fn day_rollups(&self, day: Day, parts: &DayParts) -> Outcome<&DayRollups> {
        // Every day of the manifest has its cell.
        let cell = &self.0.rollups[&day];
        if let Some(ready) = cell.get() {
            return Ok(ready);
        }
        let opened = DayRollups::open(&self.0.folder, &parts.rollup)?;
        Ok(cell.get_or_init(|| opened))
    }

    fn file<'a>(&'a self, part: &'a super::disk::Part, groups: std::ops::Range<u32>) -> RowFile<'a> {
        RowFile { root: &self.0.folder, part, groups, cache: Some(&self.0.cache) }
    }
}

fn groups_of(parts: &DayParts, index: usize, part: &EventPart) -> std::ops::Range<u32> {
    let start: u32 = parts.events[..index].iter().map(|before| before.groups).sum();
    start..start + part.groups
}

fn detail_columns(table: &TableParts, columns: &[&str]) -> Vec<(String, Option<DataType>)> {
    let asked = |name: &&str| match *name {
        name if table.columns.iter().any(|column| column.name == name) => asked(name, &table.columns),
        name if table.time.as_deref() == Some(name) => (TIME.to_string(), Some(instant_type())),
        name if table.key == name => (KEY.to_string(), None),
        name => asked(name, &table.columns),
    };
    columns.iter().map(asked).collect()
}

/// A column asked for, with the type that it has now: an older file may have a narrower one.
fn asked(name: &str, known: &[Column]) -> (String, Option<DataType>) {
    let as_type = known.iter().find(|column| column.name == name).map(|column| arrow_type(column.type_of));
    (stored_name(name).into_owned(), as_type)
}

fn chunks_of(user_end: UserNo) -> u32 {
    user_end.div_ceil(CHUNK_USERS)
}

impl Sets {
    fn read(folder: &std::path::Path, parts: Option<&SetParts>) -> Outcome<Sets> {
        let Some(parts) = parts else { return Ok(Sets::default()) };
        let set = |part| super::container::set_of(&read_part(folder, part)?, &folder.join(&part.name));
        Ok(Sets { rows: set(&parts.rows)?, named: set(&parts.named)?, dead: Arc::new(set(&parts.dead)?) })
    }

    /// Users known and not deleted.
    pub fn universe(&self) -> RoaringBitmap {
        (&self.rows | &self.named) - &*self.dead
    }
}
