//! How do new events meet the stored events of their local day?
//!
//! Event by event: stored rows and new rows are sorted together and written anew, with a roll-up
//! of who did it how often. A row with an event id that was there before is dropped.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array,
    new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Int32Type, Int64Type, SchemaRef, TimestampMillisecondType, UInt32Type, UInt64Type,
};
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::base::{Day, Outcome, Timestamp};
use crate::ingest::Column;

use super::columns::{EVENT, EVENT_ID, TIME, USER, arrow_type, fields, instant_type, schema_of, stored_name};
use super::disk::{Disk, Part};
use super::manifest::{DayParts, EventPart};
use super::mapped::{batch_of, bug, schema_with, write_arrow};
use super::parquet_file::{Place, RowWriter, SortColumns, sort};
use super::rollup;
use super::rows::RowFile;
use super::spill::Spill;

/// Schema metadata of a roll-up: JSON list of the events of its batches; one more is any event.
const EVENTS: &str = "events";

/// Columns of a batch of new rows before the properties.
pub(super) const USER_AT: usize = 0;
pub(super) const TIME_AT: usize = 1;
pub(super) const ID_AT: usize = 2;
pub(super) const ARRIVAL_AT: usize = 3;
pub(super) const HEAD: usize = 4;

/// Bytes of user number and time before the id, when an identity is hashed.
const HASH_HEAD: usize = 12;

/// What is the same for all days of a load.
pub(super) struct Plan<'a> {
    pub disk: &'a Disk,
    pub generation: u64,
    pub secret: u64,
    /// All event names; parts and manifest name them by position.
    pub events: &'a [String],
    /// All properties after the load.
    pub known: &'a [Column],
    /// Those that the load has, in the order of its batches.
    pub loaded: &'a [Column],
    pub has_ids: bool,
    pub spill: &'a Spill,
}

/// A day after the load.
pub(super) struct Merged {
    pub parts: DayParts,
    /// Rows that were delivered before.
    pub duplicates: u64,
}

/// First arrivals by identity; 0 stands for a stored row.
type Firsts = HashMap<u128, u64>;

/// The part of the spill that holds the rows of an event on a day.
pub(super) fn part_of(day: Day, event: u32) -> u64 {
    ((day.0 as i64 - i32::MIN as i64) as u64) << 32 | event as u64
}

/// Day and event of a part.
pub(super) fn of_part(part: u64) -> (Day, u32) {
    (Day(((part >> 32) as i64 + i32::MIN as i64) as i32), part as u32)
}

impl Plan<'_> {
    /// The files of a day after the load; `new` are the events that have new rows. With `keep`,
    /// new rows are held in memory between the two looks at them.
    pub fn merge(&self, day: Day, old: Option<&DayParts>, new: &[u32], keep: bool) -> Outcome<Merged> {
        let mut news = News { plan: self, day, keep, held: HashMap::new() };
        let firsts = if self.has_ids { self.firsts(&mut news, old, new)? } else { Firsts::new() };
        let stored = old.iter().flat_map(|old| old.events.iter().map(|part| part.event));
        let mut events: Vec<u32> = stored.chain(new.iter().copied()).collect();
        events.sort_unstable();
        events.dedup();
        let name = format!("events/{day}.g{}.parquet", self.generation);
        let mut output = Output {
            rows: RowWriter::create(self.disk, &name, self.schema())?,
            parts: Vec::new(),
            rollups: Vec::new(),
            any: Vec::new(),
        };
        let mut duplicates = 0;
        for event in events {
            let stored = old.map_or(Ok(None), |old| self.stored_batch(old, event))?;
            let new = new.contains(&event).then(|| news.take(event)).transpose()?;
            duplicates += self.merge_event(event, stored, new, &firsts, &mut output)?;
        }
        let rows = output.rows.finish()?;
        output.rollups.push(of_any(output.any)?);
        let rollup = self.write_rollups(day, &output.parts, output.rollups)?;
        Ok(Merged { parts: DayParts { rows, rollup, events: output.parts }, duplicates })
    }

    /// Writes the rows of one event; gives how many new ones were dropped.
    fn merge_event(
        &self,
        event: u32,
        stored: Option<RecordBatch>,
        new: Option<RecordBatch>,
        firsts: &Firsts,
        output: &mut Output,
    ) -> Outcome<u64> {
        let (mut batches, mut columns, mut places, mut dropped) = (Vec::new(), Vec::new(), Vec::new(), 0);
        if let Some(stored) = stored {
            columns.push(SortColumns::of(&stored, Some(TIME_AT), Some(ID_AT))?);
            places.extend(columns[0].places(0, |_| true));
            batches.push(stored);
        }
        if let Some(new) = new {
            let sorted_by = SortColumns::of(&new, Some(TIME_AT), Some(ID_AT))?;
            let kept = sorted_by.places(batches.len() as u32, self.is_first(&new, firsts));
            dropped = new.num_rows() as u64 - kept.len() as u64;
            columns.push(sorted_by);
            places.extend(kept);
            batches.push(self.new_batch(event, &new)?);
        }
        sort(&mut places, &columns);
        output.write(event, &batches, &places)?;
        Ok(dropped)
    }

    /// Event id and properties as they are asked of stored files.
    fn asked(&self) -> Vec<(String, Option<DataType>)> {
        let properties = self
            .known
            .iter()
            .map(|column| (stored_name(&column.name).into_owned(), Some(arrow_type(column.type_of))));
        std::iter::once((EVENT_ID.to_string(), None)).chain(properties).collect()
    }

    fn schema(&self) -> SchemaRef {
        let names = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let mut all = vec![
            Field::new(USER, DataType::UInt32, false),
            Field::new(TIME, instant_type(), false),
            Field::new(EVENT_ID, DataType::Utf8, true),
            Field::new(EVENT, names, false),
        ];
        all.extend(fields(self.known));
        schema_of(all)
    }

    /// Stored rows of an event as a batch of the new file.
    fn stored_batch(&self, old: &DayParts, event: u32) -> Outcome<Option<RecordBatch>> {
        let Some(file) = self.file_of(old, event) else { return Ok(None) };
        let rows = file.read(&self.asked())?;
        let count = rows.users.len();
        let times = rows
            .times
            .map_or(Ok(new_null_array(&instant_type(), count)), |times| cast(&times, &instant_type()));
        let mut columns = rows.columns.into_iter();
        let ids = columns.next().flatten().unwrap_or_else(|| new_null_array(&DataType::Utf8, count));
        let properties = columns.zip(self.known).map(|(array, column)| or_null(array, column, count));
        self.file_batch(event, [Arc::new(rows.users), times.map_err(bug)?, ids], properties).map(Some)
    }

    fn file_of<'a>(&'a self, old: &'a DayParts, event: u32) -> Option<RowFile<'a>> {
        let at = old.events.iter().position(|part| part.event == event)?;
        let start: u32 = old.events[..at].iter().map(|before| before.groups).sum();
        Some(RowFile {
            root: &self.disk.root,
            part: &old.rows,
            groups: start..start + old.events[at].groups,
            cache: None,
        })
    }

    /// New rows of an event as a batch of the new file.
    fn new_batch(&self, event: u32, new: &RecordBatch) -> Outcome<RecordBatch> {
        let property = |column: &Column| {
            let at = self.loaded.iter().position(|one| one.name == column.name);
            or_null(at.map(|at| new.column(HEAD + at).clone()), column, new.num_rows())
        };
        let head = [USER_AT, TIME_AT, ID_AT].map(|at| new.column(at).clone());
        self.file_batch(event, head, self.known.iter().map(property))
    }

    fn file_batch(
        &self,
        event: u32,
        head: [ArrayRef; 3],
        properties: impl Iterator<Item = ArrayRef>,
    ) -> Outcome<RecordBatch> {
        let rows = head[0].len();
        let name = self.events.get(event as usize).map_or("", String::as_str);
        let names = StringArray::from(vec![name]);
        let names = DictionaryArray::<Int32Type>::try_new(Int32Array::from(vec![0; rows]), Arc::new(names))
            .map_err(bug)?;
        let mut columns = Vec::from(head);
        columns.push(Arc::new(names));
        columns.extend(properties);
        batch_of(&self.schema(), columns, rows)
    }

    /// The first arrival of every identity among the new rows of a day; 0 where the store has it.
    fn firsts(&self, news: &mut News, old: Option<&DayParts>, new: &[u32]) -> Outcome<Firsts> {
        let rows: u64 = new.iter().map(|event| self.spill.rows_of(part_of(news.day, *event))).sum();
        let mut firsts = Firsts::with_capacity(rows as usize);
        for event in new {
            let batch = news.look(*event)?;
            let arrivals = batch.column(ARRIVAL_AT).as_primitive::<UInt64Type>();
            for (row, identity) in self.identities(&batch)? {
                let arrival = arrivals.value(row);
                firsts.entry(identity).and_modify(|first| *first = arrival.min(*first)).or_insert(arrival);
            }
        }
        let old = old.filter(|_| !firsts.is_empty());
        let stored = old.iter().flat_map(|old| old.events.iter().map(move |part| (*old, part.event)));
        for file in stored.filter_map(|(old, event)| self.file_of(old, event)) {
            let rows = file.read(&[(EVENT_ID.to_string(), None)])?;
            let Some(ids) = rows.columns.into_iter().next().flatten() else { continue };
            let times = rows.times.unwrap_or_else(|| Int64Array::from(vec![0; ids.len()]));
            for (_, identity) in identities(self.secret, &rows.users, &times, ids.as_string::<i32>()) {
                firsts.entry(identity).and_modify(|first| *first = 0);
            }
        }
        Ok(firsts)
    }

    fn identities(&self, new: &RecordBatch) -> Outcome<Vec<(usize, u128)>> {
        let users = new.column(USER_AT).as_primitive::<UInt32Type>();
        let times = cast(new.column(TIME_AT), &DataType::Int64).map_err(bug)?;
        let ids = new.column(ID_AT).as_string::<i32>();
        Ok(identities(self.secret, users, times.as_primitive::<Int64Type>(), ids).collect())
    }

    /// Is a new row the first with its identity? Rows without an id always are.
    fn is_first<'a>(&self, new: &'a RecordBatch, firsts: &'a Firsts) -> impl Fn(usize) -> bool + 'a {
        let users = new.column(USER_AT).as_primitive::<UInt32Type>();
        let times = new.column(TIME_AT).as_primitive::<TimestampMillisecondType>();
        let ids = new.column(ID_AT).as_string::<i32>();
        let arrivals = new.column(ARRIVAL_AT).as_primitive::<UInt64Type>();
        let secret = self.secret;
        move |row| {
            if ids.is_null(row) {
                return true;
            }
            let identity = identity(secret, users.value(row), times.value(row), ids.value(row));
            firsts.get(&identity) == Some(&arrivals.value(row))
        }
    }

    fn write_rollups(&self, day: Day, parts: &[EventPart], batches: Vec<RecordBatch>) -> Outcome<Part> {
        let names: Vec<&str> = parts
            .iter()
            .filter_map(|part| self.events.get(part.event as usize))
            .map(String::as_str)
            .collect();
        write_rollups(self.disk, &format!("events/{day}.g{}", self.generation), &names, batches)
    }
}

/// Writes the roll-ups of a day, one per event in the order of `names` and one of any event, to
/// `STEM.rollup.arrow`.
pub(super) fn write_rollups(
    disk: &Disk,
    stem: &str,
    names: &[&str],
    batches: Vec<RecordBatch>,
) -> Outcome<Part> {
    let schema =
        schema_with(fields_of(&rollup::schema()), EVENTS, serde_json::to_string(names).unwrap_or_default());
    let batches = batches.into_iter().map(|batch| batch.with_schema(schema.clone()).map_err(bug));
    write_arrow(disk, &format!("{stem}.rollup.arrow"), &schema, batches)
}

/// The files of a day being written.
struct Output {
    rows: RowWriter,
    parts: Vec<EventPart>,
    rollups: Vec<RecordBatch>,
    /// Users with their rows, one event after the other.
    any: Vec<(u32, u32)>,
}

impl Output {
    fn write(&mut self, event: u32, batches: &[RecordBatch], places: &[Place]) -> Outcome<()> {
        let times = || places.iter().map(|place| place.time);
        let Some((first, last)) = times().min().zip(times().max()) else { return Ok(()) };
        let groups = self.rows.write(&batches.iter().collect::<Vec<_>>(), places)?;
        let rows = places.len() as u64;
        self.parts.push(EventPart {
            event,
            rows,
            groups,
            first_at: Timestamp(first),
            last_at: Timestamp(last),
        });
        self.rollups.push(rollup::batch(counted(places))?);
        self.any.extend(counted(places));
        Ok(())
    }
}

/// New rows of a day: looked at twice, first for their identities, then to be written.
struct News<'a> {
    plan: &'a Plan<'a>,
    day: Day,
    keep: bool,
    held: HashMap<u32, RecordBatch>,
}

impl News<'_> {
    fn look(&mut self, event: u32) -> Outcome<RecordBatch> {
        let batch = self.plan.spill.read(part_of(self.day, event))?;
        if self.keep {
            self.held.insert(event, batch.clone());
        }
        Ok(batch)
    }

    fn take(&mut self, event: u32) -> Outcome<RecordBatch> {
        self.held.remove(&event).map_or_else(|| self.plan.spill.read(part_of(self.day, event)), Ok)
    }
}

fn or_null(array: Option<ArrayRef>, column: &Column, rows: usize) -> ArrayRef {
    array.unwrap_or_else(|| new_null_array(&arrow_type(column.type_of), rows))
}

/// Rows that have an id, with (user, time, id) as 128 bits: two of the same are taken for one
/// event; the seed is secret, so that nobody can make two that are not.
fn identities<'a>(
    secret: u64,
    users: &'a UInt32Array,
    times: &'a Int64Array,
    ids: &'a StringArray,
) -> impl Iterator<Item = (usize, u128)> + 'a {
    let rows = (0..ids.len()).filter(|row| ids.is_valid(*row));
    rows.map(move |row| (row, identity(secret, users.value(row), times.value(row), ids.value(row))))
}

fn identity(secret: u64, user: u32, time: i64, id: &str) -> u128 {
    let (head, id) = (HASH_HEAD, id.as_bytes());
    // Most ids fit a buffer that costs nothing to make.
    let mut short = [0; 80];
    let mut long = Vec::new();
    let words = if id.len() <= short.len() - head {
        &mut short[..head + id.len()]
    } else {
        long.resize(head + id.len(), 0);
        &mut long[..]
    };
    words[..4].copy_from_slice(&user.to_le_bytes());
    words[4..head].copy_from_slice(&time.to_le_bytes());
    words[head..].copy_from_slice(id);
    xxh3_128_with_seed(words, secret)
}

/// The roll-up of any event, from those of each event.
pub(super) fn of_any(mut users: Vec<(u32, u32)>) -> Outcome<RecordBatch> {
    users.sort_unstable();
    let runs = users.chunk_by(|a, b| a.0 == b.0);
    rollup::batch(runs.map(|run| (run[0].0, run.iter().map(|(_, rows)| rows).sum())))
}

fn fields_of(schema: &SchemaRef) -> Vec<Field> {
    schema.fields().iter().map(|field| field.as_ref().clone()).collect()
}

/// (user, rows) of sorted rows.
fn counted(places: &[Place]) -> impl Iterator<Item = (u32, u32)> + '_ {
    places.chunk_by(|a, b| a.user == b.user).map(|run| (run[0].user, run.len() as u32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_names_its_day_and_event(day: i32, event: u32) {
            prop_assert_eq!(of_part(part_of(Day(day), event)), (Day(day), event));
        }

        #[test]
        fn identities_tell_rows_apart(user in 0u32..3, time in 0i64..3, id in "[ab]{0,3}|x{66,70}", other in (0u32..3, 0i64..3, "[ab]{0,3}|x{66,70}")) {
            let same = (user, time, id.as_str()) == (other.0, other.1, other.2.as_str());
            prop_assert_eq!(identity(1, user, time, &id) == identity(1, other.0, other.1, &other.2), same);
        }
    }
}
