//! Detail rows: each key has one row, the newest; a newer version may belong to another user.
//!
//! Rows are sorted by key first, so that the last row of each key wins; the key index tells in
//! which other chunks an older version may lie. Then they are sorted by chunk, and each chunk
//! that has some is merged.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt8Array, UInt32Array, new_null_array,
};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Field, SchemaRef, UInt32Type};
use hashbrown::HashMap;
use rayon::prelude::*;

use crate::base::{CHUNK_USERS, Outcome, Pace, Problem, UserNo};
use crate::ingest::{Checked, Column};

use super::bits::Bits;
use super::columns::{
    KEY, TIME, USER, aligned, arrow_type, folder_of, instant_type, joined, schema_of, settled, stored_name,
};
use super::detail_chunk::{ACTION_AT, Action, Merged, Plan};
use super::index::{Index, add_run, key_hash};
use super::load::Load;
use super::manifest::TableParts;
use super::mapped::{batch_of, bug};
use super::spill::Spill;
use super::writer::{Limits, Loaded, Writer};

/// Parts by which rows are sorted first, by the hash of their key.
const KEY_PARTS: u64 = 64;

impl Writer {
    /// Loads rows of a detail table; a newer version of a key replaces the older, also another
    /// user's, and a row marked deleted removes it. Users not known yet become known.
    /// Errors: those of `batches`, STO-004 when a column changes its type, STO-005 when key or
    /// time are not the columns that the table has for them, OUT-001.
    #[expect(clippy::too_many_arguments, reason = "the three names of a table are all different words")]
    pub fn detail(
        &mut self,
        table: &str,
        key: &str,
        time: Option<&str>,
        batches: &mut dyn Iterator<Item = Outcome<Checked>>,
        columns: &[Column],
        limits: &Limits,
        pace: &dyn Pace,
    ) -> Outcome<Loaded> {
        DetailLoad::new(self.load(), table, (key, time), columns, limits)?.run(self, batches, pace)
    }
}

struct DetailLoad {
    load: Load,
    name: String,
    /// The table as it will be.
    table: TableParts,
    columns: Vec<Column>,
    spill: Spill,
    limits: Limits,
    named: Bits,
    row_count: u64,
}

/// Rows by chunk, after the last row of each key has been found.
struct Sorted {
    by_chunk: Spill,
    pairs: Vec<(u64, UserNo)>,
    duplicates: u64,
}

impl DetailLoad {
    fn new(
        load: Load,
        name: &str,
        (key, time): (&str, Option<&str>),
        columns: &[Column],
        limits: &Limits,
    ) -> Outcome<DetailLoad> {
        let mut table = match load.draft.manifest.tables.get(name) {
            Some(table) => checked(table, name, key, time)?.clone(),
            None => {
                TableParts { key: key.to_string(), time: time.map(String::from), ..TableParts::default() }
            }
        };
        table.columns = joined(&table.columns, columns, "column")?;
        let columns = settled(columns, &table.columns);
        let spill = Spill::new(load.spill_folder(), schema(&columns), limits.memory_bytes / 4);
        Ok(DetailLoad {
            load,
            name: name.to_string(),
            table,
            columns,
            spill,
            limits: *limits,
            named: Bits::default(),
            row_count: 0,
        })
    }

    fn run(
        mut self,
        writer: &mut Writer,
        batches: &mut dyn Iterator<Item = Outcome<Checked>>,
        pace: &dyn Pace,
    ) -> Outcome<Loaded> {
        for batch in batches {
            let batch = batch?;
            self.take(&batch)?;
            pace.more(batch.len() as u64);
        }
        let sorted = self.sort()?;
        let merged = self.merge(&sorted.by_chunk, pace)?;
        let (rows, duplicates, named) = (self.row_count, sorted.duplicates, self.named.to_bitmap());
        let replaced = merged.iter().map(|(_, chunk)| chunk.replaced).sum();
        let deleted = merged.iter().map(|(_, chunk)| chunk.deleted).sum();
        let generation = self.load.generation();
        self.table.index =
            add_run(&self.load.disk, &folder_of(&self.name), generation, &self.table.index, sorted.pairs)?;
        for (chunk, merged) in merged {
            match merged.part {
                Some(part) => drop(self.table.chunks.insert(chunk, part)),
                None => drop(self.table.chunks.remove(&chunk)),
            }
        }
        let loaded = self.load.finish(writer, |draft| {
            draft.sets.named |= named;
            draft.manifest.tables.insert(self.name, self.table);
        })?;
        Ok(Loaded { rows, duplicates, replaced, deleted, ..loaded })
    }

    fn take(&mut self, batch: &Checked) -> Outcome<()> {
        let keys = batch.keys().ok_or_else(|| Problem::bug("detail rows came without keys"))?;
        let users = self.load.resolve(batch.users(), batch.deleted(), false)?;
        let is_deleted =
            |at: usize| batch.deleted().is_some_and(|deleted| deleted.is_valid(at) && deleted.value(at));
        let actions: Vec<u8> = (0..batch.len()).map(|at| Action::of(is_deleted(at)) as u8).collect();
        for (user, action) in users.iter().zip(&actions) {
            if let Some(user) = user.filter(|_| *action == Action::Row as u8) {
                self.named.set(user);
            }
        }
        let secret = self.load.draft.manifest.secret;
        let parts: Vec<u64> =
            (0..keys.len()).map(|at| key_hash(secret, keys.value(at)) % KEY_PARTS).collect();
        let times = match batch.times() {
            Some(times) => cast(times, &instant_type()).map_err(bug)?,
            None => new_null_array(&instant_type(), batch.len()),
        };
        let users = UInt32Array::from_iter_values(users.into_iter().map(Option::unwrap_or_default));
        self.row_count += batch.len() as u64;
        let mut arrays: Vec<ArrayRef> =
            vec![Arc::new(users), Arc::new(keys.clone()), times, Arc::new(UInt8Array::from(actions))];
        arrays.extend(aligned(batch, &self.columns)?);
        self.spill.push(batch_of(self.spill.schema(), arrays, batch.len())?, &parts)
    }

    /// Sorts the last row of each key by chunk.
    fn sort(&mut self) -> Outcome<Sorted> {
        let index = Index::open(&self.load.disk.root, &self.table.index)?;
        let by_chunk =
            Spill::new(self.load.spill_folder(), self.spill.schema().clone(), self.limits.memory_bytes / 4);
        let mut sorted = Sorted { by_chunk, pairs: Vec::new(), duplicates: 0 };
        for part in self.spill.parts() {
            let batch = self.spill.read(part)?;
            let last = last_rows(&batch);
            sorted.duplicates += (batch.num_rows() - last.len()) as u64;
            sorted.take(&batch, &last, &index, self.load.draft.manifest.secret)?;
        }
        Ok(sorted)
    }

    fn merge(&mut self, by_chunk: &Spill, pace: &dyn Pace) -> Outcome<Vec<(u32, Merged)>> {
        let generation = self.load.generation();
        let folder = folder_of(&self.name);
        let plan = Plan {
            disk: &self.load.disk,
            folder: &folder,
            generation,
            known: &self.table.columns,
            loaded: &self.columns,
        };
        let parts = by_chunk.parts();
        pace.begin("detail rows", Some(parts.len() as u64), "chunks");
        let merge = |part: &u64| {
            let chunk = *part as u32;
            let merged = plan.merge(chunk, self.table.chunks.get(&chunk), &by_chunk.read(*part)?);
            pace.more(1);
            merged.map(|merged| (chunk, merged))
        };
        let merged = parts.par_iter().map(merge).collect();
        pace.end();
        merged
    }
}

impl Sorted {
    /// Sends each row to its user's chunk, and word of it to the chunks where an older version
    /// of its key may lie.
    fn take(&mut self, batch: &RecordBatch, rows: &[u32], index: &Index, secret: u64) -> Outcome<()> {
        let users = batch.column(0).as_primitive::<UInt32Type>();
        let keys = batch.column(1).as_string::<i32>();
        let actions = batch.column(ACTION_AT).as_primitive::<arrow::datatypes::UInt8Type>();
        let (mut taken, mut new_actions, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows.iter().map(|row| *row as usize) {
            let hash = key_hash(secret, keys.value(row));
            let mut send = |chunk: u32, action: u8| {
                taken.push(row as u32);
                new_actions.push(action);
                parts.push(chunk as u64);
            };
            let before: Vec<UserNo> = index.find(hash).collect();
            let mut elsewhere: BTreeMap<u32, ()> =
                before.iter().map(|user| (user / CHUNK_USERS, ())).collect();
            let is_row = actions.value(row) == Action::Row as u8;
            if is_row {
                let user = users.value(row);
                elsewhere.remove(&(user / CHUNK_USERS));
                send(user / CHUNK_USERS, Action::Row as u8);
                if !before.contains(&user) {
                    self.pairs.push((hash, user));
                }
            }
            let word = if is_row { Action::Moved } else { Action::Deleted };
            elsewhere.keys().for_each(|chunk| send(*chunk, word as u8));
        }
        let mut sent = take_record_batch(batch, &UInt32Array::from(taken)).map_err(bug)?;
        let mut columns = sent.columns().to_vec();
        columns[ACTION_AT] = Arc::new(UInt8Array::from(new_actions));
        sent = batch_of(&sent.schema(), columns, parts.len())?;
        self.by_chunk.push(sent, &parts)
    }
}

/// The last row of each key, in the order of arrival.
fn last_rows(batch: &RecordBatch) -> Vec<u32> {
    let keys: &StringArray = batch.column(1).as_string::<i32>();
    let mut last: HashMap<&str, u32> = HashMap::with_capacity(keys.len());
    for row in 0..keys.len() {
        last.insert(keys.value(row), row as u32);
    }
    let mut rows: Vec<u32> = last.into_values().collect();
    rows.sort_unstable();
    rows
}

/// The table, if key and time are its own.
fn checked<'a>(table: &'a TableParts, name: &str, key: &str, time: Option<&str>) -> Outcome<&'a TableParts> {
    if table.key == key && table.time.as_deref() == time {
        return Ok(table);
    }
    let shown = |key: &str, time: Option<&str>| match time {
        Some(time) => format!("--key {key} --time {time}"),
        None => format!("--key {key} and no --time"),
    };
    let (has, given) = (shown(&table.key, table.time.as_deref()), shown(key, time));
    let what = format!("table `{name}` was made with {has}; this load says {given}");
    Err(Problem::data("STO-005", what)
        .at(name)
        .cure(format!("use {has}, or load into a table of another name")))
}

fn schema(columns: &[Column]) -> SchemaRef {
    let mut fields = vec![
        Field::new(USER, DataType::UInt32, false),
        Field::new(KEY, DataType::Utf8, false),
        Field::new(TIME, instant_type(), true),
        Field::new("action", DataType::UInt8, false),
    ];
    fields.extend(
        columns.iter().map(|column| Field::new(stored_name(&column.name), arrow_type(column.type_of), true)),
    );
    schema_of(fields)
}
