//! Users and their attributes: rows are sorted by chunk, and each chunk that has some is merged.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::datatypes::{DataType, Field};
use rayon::prelude::*;

use crate::base::{CHUNK_USERS, Outcome, Pace, UserNo};
use crate::ingest::{Checked, Column};

use super::bits::Bits;
use super::chunk::Plan;
use super::columns::{USER, aligned, arrow_type, joined, schema_of, settled};
use super::load::Load;
use super::manifest::ChunkParts;
use super::mapped::batch_of;
use super::spill::Spill;
use super::writer::{Limits, Loaded, Mode, Writer};

const DELETED: &str = "_deleted";

impl Writer {
    /// Loads users' rows; a row marked deleted deletes its user, whose id is unknown afterwards.
    /// `columns` are the columns of the batches with their types.
    /// Errors: those of `batches`, STO-004 when a column changes its type, OUT-001.
    pub fn users(
        &mut self,
        batches: &mut dyn Iterator<Item = Outcome<Checked>>,
        mode: Mode,
        columns: &[Column],
        limits: &Limits,
        pace: &dyn Pace,
    ) -> Outcome<Loaded> {
        UsersLoad::new(self.load(), mode, columns, limits)?.run(self, batches, pace)
    }
}

struct UsersLoad {
    load: Load,
    mode: Mode,
    /// Columns of the load, in the types of the store.
    columns: Vec<Column>,
    spill: Spill,
    /// Users with a row: after the rows so far.
    rows: Bits,
    /// Users with a row in this load.
    touched: Bits,
    row_count: u64,
    delete_count: u64,
}

impl UsersLoad {
    fn new(mut load: Load, mode: Mode, columns: &[Column], limits: &Limits) -> Outcome<UsersLoad> {
        let columns = if mode == Mode::Delete { &[] } else { columns };
        let manifest = &mut load.draft.manifest;
        let before = if mode == Mode::Replace { &[] } else { manifest.attributes.as_slice() };
        manifest.attributes = joined(before, columns, "attribute")?;
        let columns = settled(columns, &manifest.attributes);
        let mut fields =
            vec![Field::new(USER, DataType::UInt32, false), Field::new(DELETED, DataType::Boolean, false)];
        fields
            .extend(columns.iter().map(|column| Field::new(&column.name, arrow_type(column.type_of), true)));
        let spill = Spill::new(load.spill_folder(), schema_of(fields), limits.memory_bytes / 2);
        let rows = if mode == Mode::Replace { Bits::default() } else { Bits::of(&load.draft.sets.rows) };
        Ok(UsersLoad {
            load,
            mode,
            columns,
            spill,
            rows,
            touched: Bits::default(),
            row_count: 0,
            delete_count: 0,
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
        let chunks = self.merge(pace)?;
        let (rows, touched) = (self.rows.to_bitmap(), self.touched.to_bitmap());
        let replaced = touched.intersection_len(&self.load.draft.sets.rows);
        let duplicates = self.row_count - self.delete_count - touched.len();
        let loaded = self.load.finish(writer, |draft| {
            draft.sets.rows = rows;
            draft.manifest.chunks = chunks;
        })?;
        Ok(Loaded { rows: self.row_count, duplicates, replaced, ..loaded })
    }

    fn take(&mut self, batch: &Checked) -> Outcome<()> {
        let all = (self.mode == Mode::Delete).then(|| BooleanArray::from(vec![true; batch.len()]));
        let deleted = all.as_ref().or(batch.deleted());
        let users = self.load.resolve(batch.users(), deleted, true)?;
        let is_deleted = |at: usize| deleted.is_some_and(|deleted| deleted.is_valid(at) && deleted.value(at));
        let flags: Vec<bool> = (0..batch.len()).map(is_deleted).collect();
        for (user, is_deleted) in users.iter().zip(&flags) {
            self.note(*user, *is_deleted);
        }
        let columns = aligned(batch, &self.columns)?;
        self.push(users, flags, columns)
    }

    fn note(&mut self, user: Option<UserNo>, is_deleted: bool) {
        self.row_count += 1;
        self.delete_count += is_deleted as u64;
        match user {
            Some(user) if is_deleted => self.rows.unset(user),
            Some(user) => {
                self.rows.set(user);
                self.touched.set(user);
            }
            None => {}
        }
    }

    fn push(&mut self, users: Vec<Option<UserNo>>, flags: Vec<bool>, columns: Vec<ArrayRef>) -> Outcome<()> {
        let known = BooleanArray::from(users.iter().map(Option::is_some).collect::<Vec<bool>>());
        let numbers = UInt32Array::from_iter_values(users.iter().map(|user| user.unwrap_or_default()));
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(BooleanArray::from(flags))];
        arrays.extend(columns);
        let batch = batch_of(self.spill.schema(), arrays, users.len())?;
        // Deletions of users whom nobody knows have no chunk.
        let batch = arrow::compute::filter_record_batch(&batch, &known).map_err(super::mapped::bug)?;
        let parts: Vec<u64> = users.iter().flatten().map(|user| (user / CHUNK_USERS) as u64).collect();
        self.spill.push(batch, &parts)
    }

    /// Merges the chunks that have rows, as many at a time as there are cores.
    fn merge(&mut self, pace: &dyn Pace) -> Outcome<BTreeMap<u32, ChunkParts>> {
        let generation = self.load.generation();
        let manifest = &self.load.draft.manifest;
        let mut chunks = if self.mode == Mode::Replace { BTreeMap::new() } else { manifest.chunks.clone() };
        let is_patch = matches!(self.mode, Mode::Patch);
        let plan = Plan {
            disk: &self.load.disk,
            generation,
            known: &manifest.attributes,
            loaded: &self.columns,
            is_patch,
        };
        let parts = self.spill.parts();
        pace.begin("attributes", Some(parts.len() as u64), "chunks");
        let merge = |part: &u64| {
            let merged = plan.merge(*part as u32, chunks.get(&(*part as u32)), &self.spill.read(*part)?);
            pace.more(1);
            merged.map(|merged| (*part as u32, merged))
        };
        let merged = parts.par_iter().map(merge).collect::<Outcome<Vec<_>>>()?;
        pace.end();
        for (chunk, parts) in merged {
            match parts {
                Some(parts) => drop(chunks.insert(chunk, parts)),
                None => drop(chunks.remove(&chunk)),
            }
        }
        Ok(chunks)
    }
}
