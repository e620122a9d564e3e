//! What became of the touches of each variant? Who had which is found again by its hash.

use std::collections::HashMap;

use serde::Serialize;

use crate::base::{Outcome, UserNo};
use crate::task::{Task, disk_trouble, variant_of};

use super::book::{Book, Counts};
use super::ledger::{Ledger, Run, Seat};
use super::outside::Directory;
use super::pages::Cell;

/// The book of one variant, over all runs of the task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantReport {
    pub variant: String,
    #[serde(flatten)]
    pub book: Book,
}

/// The books of the variants that the task has now; users who are not known any more come last, as `-`.
/// Nothing for a task without variants. Errors: OUT-030, DSP-004.
pub fn by_variant(task: &Task, ledger: &Ledger, directory: &dyn Directory) -> Outcome<Vec<VariantReport>> {
    let variants = &task.file.dispatch.variants;
    if variants.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = variants.iter().map(|variant| variant.name.as_str()).chain(["-"]).collect();
    let mut counts: Vec<Counts> = names.iter().map(|_| Counts::new()).collect();
    for run in ledger.runs_of(&task.id)? {
        let whose = ledger.users_of(&run)?;
        ledger.each_touch(&run, |seat, Cell { state, reason, .. }| {
            let user = whose.get(&seat).copied().unwrap_or(seat);
            let own = directory.user_id(user).and_then(|id| variant_of(variants, &task.id, id));
            let place = own.and_then(|own| variants.iter().position(|variant| std::ptr::eq(variant, own)));
            if let Some(counts) = counts.get_mut(place.unwrap_or(variants.len())) {
                *counts.entry((state, reason)).or_insert(0) += 1;
            }
            Ok(())
        })?;
    }
    let report = |(name, counts): (&str, Counts)| {
        let book = Book::of(counts.values().sum(), &counts);
        book.check()?;
        Ok(VariantReport { variant: name.to_string(), book })
    };
    let named = names.into_iter().zip(counts).filter(|(name, counts)| *name != "-" || !counts.is_empty());
    named.map(report).collect()
}

impl Ledger {
    /// Whose the seats of a trigger's run are; nothing for a run of the calendar.
    fn users_of(&self, run: &Run) -> Outcome<HashMap<Seat, UserNo>> {
        let sql = "select seat, user from fires where run = ?1";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let rows = query.query_map([run.no], |row| Ok((row.get(0)?, row.get(1)?))).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }
}
