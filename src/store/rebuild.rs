//! How is a derived file made again? From the file that it was made of, by the code that made it.
//!
//! ```text
//! events/DAY.parquet → DAY.rollup.arrow     ids/keys → ids/index, directory
//! users/cN.arrow → cN.bitmaps.arrow         details/TABLE/cN.parquet → its index, directory
//! ```

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, UInt32Type};
use rayon::prelude::*;

use crate::base::{CHUNK_USERS, Day, Outcome, Pace, Type, UserNo};

use super::attributes::INDEXED;
use super::chunk::write_bitmaps;
use super::columns::{KEY, USER, arrow_type, folder_of};
use super::compact::Damage;
use super::day::{of_any, write_rollups};
use super::disk::{Disk, Part};
use super::encode::encode;
use super::ids::Ids;
use super::index::{add_run, key_hash};
use super::manifest::{ChunkParts, DayParts, DetailPart, Manifest, RunPart, TableParts};
use super::mapped::ArrowFile;
use super::rollup;
use super::rows::RowFile;

/// A version in the making that has every derived file.
pub(super) struct Rebuild<'a> {
    pub disk: &'a Disk,
    /// The manifest, as it will be.
    pub new: Manifest,
    pub damage: &'a Damage,
    /// Runs of indexes that became one with others.
    pub joined_runs: usize,
    pub pace: &'a dyn Pace,
}

/// One value of an attribute and the portable Roaring bytes of its users.
type ValueSet = (String, String, Vec<u8>);

impl Rebuild<'_> {
    /// Writes what is lost and joins runs; is there anything new to publish?
    /// Errors: STO-002 when a file that is whole says other than the manifest, OUT-001.
    pub fn run(&mut self) -> Outcome<bool> {
        self.new.generation += 1;
        let is_changed = [self.rollups()?, self.bitmaps()?, self.id_index()?, self.detail_indexes()?];
        let is_changed = is_changed.contains(&true);
        self.new.version += is_changed as u64;
        Ok(is_changed)
    }

    fn rollups(&mut self) -> Outcome<bool> {
        let days = self.new.days.iter().filter(|(_, parts)| self.is_lost(&parts.rollup));
        let days: Vec<(Day, &DayParts)> = days.map(|(day, parts)| (*day, parts)).collect();
        self.pace.begin("roll-ups", Some(days.len() as u64), "days");
        let one = |(day, parts): &(Day, &DayParts)| {
            let made = self.rollup(*day, parts);
            self.pace.more(1);
            made.map(|made| (*day, made))
        };
        let made = days.par_iter().map(one).collect::<Outcome<Vec<(Day, Part)>>>();
        self.pace.end();
        let made = made?;
        let is_changed = !made.is_empty();
        for (day, rollup) in made {
            self.new.days.entry(day).and_modify(|parts| parts.rollup = rollup);
        }
        Ok(is_changed)
    }

    /// Events of a day in the order of its row groups, and all of them together.
    fn rollup(&self, day: Day, parts: &DayParts) -> Outcome<Part> {
        let (mut batches, mut any, mut from) = (Vec::new(), Vec::new(), 0);
        for part in &parts.events {
            let groups = from..from + part.groups;
            from += part.groups;
            let users = self.users_of(&parts.rows, groups, part.rows)?;
            let counted = || users.values().chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32));
            batches.push(rollup::batch(counted())?);
            any.extend(counted());
        }
        batches.push(of_any(any)?);
        let names = parts.events.iter().filter_map(|part| self.new.events.get(part.event as usize));
        let names: Vec<&str> = names.map(String::as_str).collect();
        write_rollups(self.disk, &format!("events/{day}.g{}", self.new.generation), &names, batches)
    }

    fn users_of(&self, part: &Part, groups: std::ops::Range<u32>, rows: u64) -> Outcome<UInt32Array> {
        let file = self.file(part, groups);
        let damage =
            || super::disk::damaged(&file.path(), "its rows are not those that the manifest tells of");
        let users = file.plain(USER)?.ok_or_else(damage)?;
        let users = users.as_primitive_opt::<UInt32Type>().cloned();
        users.filter(|users| users.len() as u64 == rows).ok_or_else(damage)
    }

    fn bitmaps(&mut self) -> Outcome<bool> {
        let chunks = self.new.chunks.iter().filter(|(_, parts)| self.is_lost(&parts.bitmaps));
        let chunks: Vec<(u32, &ChunkParts)> = chunks.map(|(chunk, parts)| (*chunk, parts)).collect();
        self.pace.begin("bitmaps of values", Some(chunks.len() as u64), "chunks");
        let one = |(chunk, parts): &(u32, &ChunkParts)| {
            let made = self.bitmaps_of(*chunk, &parts.table);
            self.pace.more(1);
            made.map(|made| (*chunk, made))
        };
        let made = chunks.par_iter().map(one).collect::<Outcome<Vec<(u32, Part)>>>();
        self.pace.end();
        let made = made?;
        let is_changed = !made.is_empty();
        for (chunk, bitmaps) in made {
            self.new.chunks.entry(chunk).and_modify(|parts| parts.bitmaps = bitmaps);
        }
        Ok(is_changed)
    }

    fn bitmaps_of(&self, chunk: u32, table: &Part) -> Outcome<Part> {
        let table = ArrowFile::open(&self.disk.root, table)?;
        let listed = table.schema().metadata().get(INDEXED).map_or("[]", String::as_str);
        let indexed: Vec<String> = serde_json::from_str(listed).map_err(|error| table.damage(error))?;
        let mut sets = Vec::new();
        for name in indexed {
            let at = table.schema().index_of(&name).map_err(|error| table.damage(error))?;
            sets.extend(sets_of(&table, &name, table.column(0, at)?, chunk)?);
        }
        write_bitmaps(self.disk, &format!("users/c{chunk:05}.g{}", self.new.generation), sets)
    }

    fn id_index(&mut self) -> Outcome<bool> {
        if !self.is_due(&self.new.index) {
            return Ok(false);
        }
        // The texts are found by number, so the index is not needed to read them.
        let without = Manifest { index: Vec::new(), ..self.new.clone() };
        let ids = Ids::open(&self.disk.root, &without, Default::default())?;
        ids.ready()?;
        let users = (0..self.new.user_end).into_par_iter();
        let pairs: Vec<(u64, UserNo)> = users.map(|user| (ids.hash(ids.text(user)), user)).collect();
        let runs = add_run(self.disk, "ids", self.new.generation, &[], pairs)?;
        self.joined_runs += joined(&self.new.index);
        self.new.index = runs;
        Ok(true)
    }

    fn detail_indexes(&mut self) -> Outcome<bool> {
        let due = self.new.tables.iter().filter(|(_, table)| self.is_due(&table.index));
        let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
        self.pace.begin("indexes of keys", Some(due.len() as u64), "tables");
        for name in &due {
            let Some(table) = self.new.tables.get(name) else { continue };
            let pairs = self.keys_of(table)?;
            // Some disks take `Orders` and `orders` for one folder; numbers keep their files apart.
            self.new.generation += 1;
            let runs = add_run(self.disk, &folder_of(name), self.new.generation, &[], pairs)?;
            self.joined_runs += joined(&table.index);
            self.new.tables.entry(name.clone()).and_modify(|table| table.index = runs);
            self.pace.more(1);
        }
        self.pace.end();
        Ok(!due.is_empty())
    }

    /// Where each key of a table lies now; where it lay before nobody asks.
    fn keys_of(&self, table: &TableParts) -> Outcome<Vec<(u64, UserNo)>> {
        let chunks: Vec<&DetailPart> = table.chunks.values().collect();
        let pairs = chunks.par_iter().map(|part| self.keys_in(part)).collect::<Outcome<Vec<_>>>()?;
        Ok(pairs.into_iter().flatten().collect())
    }

    fn keys_in(&self, part: &DetailPart) -> Outcome<Vec<(u64, UserNo)>> {
        let file = self.file(&part.file, 0..part.groups);
        let damage = || super::disk::damaged(&file.path(), "it has no keys");
        let users = self.users_of(&part.file, 0..part.groups, part.rows)?;
        let keys = file.plain(KEY)?.ok_or_else(damage)?;
        let keys = keys.as_string_opt::<i32>().filter(|keys| keys.len() == users.len()).ok_or_else(damage)?;
        let hashes = keys.iter().map(|key| key_hash(self.new.secret, key.unwrap_or_default()));
        Ok(hashes.zip(users.values().iter().copied()).collect())
    }

    fn file<'a>(&'a self, part: &'a Part, groups: std::ops::Range<u32>) -> RowFile<'a> {
        RowFile { root: &self.disk.root, part, groups, cache: None }
    }

    fn is_lost(&self, part: &Part) -> bool {
        self.damage.contains_key(&part.name)
    }

    fn is_due(&self, runs: &[RunPart]) -> bool {
        runs.len() > 1 || runs.iter().any(|run| self.is_lost(&run.pairs) || self.is_lost(&run.directory))
    }
}

/// Runs that become one with others.
fn joined(runs: &[RunPart]) -> usize {
    if runs.len() > 1 { runs.len() } else { 0 }
}

/// The sets of one column, whose type is the one it was stored with.
fn sets_of(table: &ArrowFile, name: &str, stored: ArrayRef, chunk: u32) -> Outcome<Vec<ValueSet>> {
    let type_of =
        type_of(stored.data_type()).ok_or_else(|| table.damage("a column has no values to index"))?;
    let plain = cast(&stored, &arrow_type(type_of)).map_err(|error| table.damage(error))?;
    let sets = encode(plain, type_of, chunk * CHUNK_USERS)?.sets;
    let sets = sets.ok_or_else(|| table.damage("a column has too many values to index"))?;
    Ok(sets.into_iter().map(|(value, users)| (name.to_string(), value, users)).collect())
}

/// The type of a column with one set per value, from the form in which it is stored.
fn type_of(stored: &DataType) -> Option<Type> {
    match stored {
        DataType::Dictionary(..) | DataType::Utf8 => Some(Type::Text),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Type::Integer),
        DataType::Boolean => Some(Type::Bool),
        DataType::List(_) => Some(Type::List),
        _ => None,
    }
}
