//! What happened, of what a trigger asks for? Stored events that filters take, one local day at a time.
//!
//! The same filters as for live events ([`Predicate`]), over the store's rows: for the same events they
//! take the same ones. A day is read event by event and put in the order of time, so that memory holds
//! one day.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};

use crate::base::{Day, Outcome, Problem, Timestamp, UserNo};
use crate::select::alike;
use crate::select::live::{AsOf, LiveRows, Predicate};
use crate::store::{Rows, Snapshot};

use super::live::UserTags;

/// Filters to be asked of what is stored; at most 64.
pub struct Past {
    filters: Vec<Predicate>,
    same: Option<String>,
    has_ids: bool,
}

/// One stored event that some filter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happened {
    pub user: UserNo,
    pub at: Timestamp,
    /// Bit `n` is set if the `n`-th filter takes it.
    pub mask: u64,
    /// The hash of the correlation property; 0 where there is none.
    pub same: u128,
    place: (u32, u32),
}

/// The events of a day, in the order of time.
#[derive(Debug, Default)]
pub struct PastDay {
    pub events: Vec<Happened>,
    ids: Vec<Option<StringArray>>,
}

impl PastDay {
    /// The event's id, where ids were asked for and it has one.
    pub fn id(&self, event: &Happened) -> Option<&str> {
        let (block, row) = event.place;
        let ids = self.ids.get(block as usize)?.as_ref()?;
        ids.is_valid(row as usize).then(|| ids.value(row as usize))
    }
}

impl Past {
    /// Asks these filters. Event ids are not read.
    pub fn new(filters: Vec<Predicate>) -> Past {
        Past { filters, same: None, has_ids: false }
    }

    /// Reads event ids too, and the property in which events may be alike.
    pub fn with_ids(self, same: Option<String>) -> Past {
        Past { same, has_ids: true, ..self }
    }

    /// The local days of the store that events in `[from, to)` lie on, ascending.
    pub fn days(&self, from: Timestamp, to: Timestamp, snapshot: &Snapshot) -> Vec<Day> {
        if from >= to {
            return Vec::new();
        }
        let zone = snapshot.zone();
        let meets = |day: &Day| from < zone.start_of(day.plus(1)) && zone.start_of(*day) < to;
        snapshot.days().iter().copied().filter(meets).collect()
    }

    /// The events of a day with time in `[from, to)`, of users who are known; ordered by time, then by user.
    /// Errors: STO-002 when a file is damaged.
    pub fn on(
        &mut self,
        day: Day,
        (from, to): (Timestamp, Timestamp),
        snapshot: &Snapshot,
    ) -> Outcome<PastDay> {
        let mut found = PastDay::default();
        for event in self.events_on(day, snapshot) {
            let outside =
                snapshot.span_on(day, &event).is_none_or(|(first, last)| last < from || to <= first);
            if !outside {
                self.add(&mut found, (day, &event), (from, to), snapshot)?;
            }
        }
        found.events.sort_unstable_by_key(|event| (event.at, event.user, event.place));
        Ok(found)
    }

    /// The events of a day that some filter may take.
    fn events_on(&self, day: Day, snapshot: &Snapshot) -> BTreeSet<String> {
        let is_any = self.filters.iter().any(|filter| filter.event().is_none());
        let is_named = |event: &str| self.filters.iter().any(|filter| filter.event() == Some(event));
        snapshot.events_on(day).filter(|event| is_any || is_named(event)).map(str::to_string).collect()
    }

    fn add(
        &mut self,
        found: &mut PastDay,
        (day, event): (Day, &str),
        (from, to): (Timestamp, Timestamp),
        snapshot: &Snapshot,
    ) -> Outcome<()> {
        let names = self.columns();
        let asked: Vec<&str> = names.iter().map(String::as_str).collect();
        let Some(rows) = snapshot.rows(day, event, &asked)? else { return Ok(()) };
        let Some(times) = rows.times.as_ref() else { return Ok(()) };
        let masks = self.masks(event, &names, &rows, snapshot)?;
        let same = self.alike(&names, &rows)?;
        let ids = if self.has_ids { snapshot.event_ids(day, event)? } else { None };
        let ids = ids.map(|ids| plain(&ids)).transpose()?;
        let block = found.ids.len() as u32;
        found.ids.push(ids.and_then(|ids| ids.as_string_opt::<i32>().cloned()));
        for (row, mask) in masks.into_iter().enumerate().filter(|(_, mask)| *mask != 0) {
            let (user, at) = (rows.users.value(row), Timestamp(times.value(row)));
            if from <= at && at < to && snapshot.universe().contains(user) {
                let same = same.get(row).copied().unwrap_or(0);
                found.events.push(Happened { user, at, mask, same, place: (block, row as u32) });
            }
        }
        Ok(())
    }

    /// The properties that filters and correlation read.
    fn columns(&self) -> Vec<String> {
        let filters = self.filters.iter().flat_map(Predicate::properties);
        let names: BTreeSet<String> = filters.chain(&self.same).cloned().collect();
        names.into_iter().collect()
    }

    /// Which filters take each row.
    fn masks(
        &mut self,
        event: &str,
        names: &[String],
        rows: &Rows,
        snapshot: &Snapshot,
    ) -> Outcome<Vec<u64>> {
        let Some(times) = rows.times.as_ref() else { return Ok(Vec::new()) };
        let columns = batch(names, rows)?;
        let tags = UserTags::of_users(&self.filters, rows.users.values(), snapshot)?;
        let tag = |name: &str, row: usize| tags.of(name, row);
        let count = rows.users.len();
        let asked = LiveRows::of_one(event, count, &columns, AsOf::Own(times), &tag, snapshot.zone());
        let mut masks = vec![0; count];
        for (bit, filter) in self.filters.iter_mut().enumerate().take(u64::BITS as usize) {
            filter.test(&asked)?.set_indices().for_each(|row| masks[row] |= 1u64 << bit);
        }
        Ok(masks)
    }

    /// The hash of every row's correlation property; empty where nobody asks, or no event has it.
    fn alike(&self, names: &[String], rows: &Rows) -> Outcome<Vec<u128>> {
        let place = self.same.as_ref().and_then(|same| names.iter().position(|name| name == same));
        let column = place.and_then(|place| rows.columns.get(place)?.as_ref());
        let Some(column) = column else { return Ok(Vec::new()) };
        let hashes = alike(&plain(column)?);
        Ok(hashes.into_iter().map(|hash| hash.map_or(0, |hash| hash.get())).collect())
    }
}

/// The columns that the rows have, under the properties' own names.
fn batch(names: &[String], rows: &Rows) -> Outcome<RecordBatch> {
    let there = names.iter().zip(&rows.columns).filter_map(|(name, column)| Some((name, column.as_ref()?)));
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = there
        .map(|(name, column)| (Field::new(name, column.data_type().clone(), true), column.clone()))
        .unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.users.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(broken)
}

/// Texts that are kept as codes, as texts.
fn plain(column: &ArrayRef) -> Outcome<ArrayRef> {
    match column.data_type() {
        DataType::Dictionary(..) => cast(column, &DataType::Utf8).map_err(broken),
        _ => Ok(column.clone()),
    }
}

fn broken(error: arrow::error::ArrowError) -> Problem {
    Problem::bug(format!("stored rows cannot be asked: {error}"))
}
