//! Events: rows are sorted by local day and event, and each day that has some is merged.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, UInt32Array, UInt64Array, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef};
use hashbrown::HashMap;
use rayon::prelude::*;

use crate::base::{Day, Outcome, Pace, Problem, Timestamp, UserNo, Zone};
use crate::ingest::{Checked, Column};

use super::bits::Bits;
use super::columns::{
    EVENT_ID, TIME, USER, aligned, arrow_type, instant_type, joined, schema_of, settled, stored_name,
};
use super::day::{Merged, Plan, of_part, part_of};
use super::load::Load;
use super::manifest::DayParts;
use super::mapped::{batch_of, bug};
use super::spill::Spill;
use super::writer::{Limits, Loaded, Writer};

/// Instants beyond these (about the year 255,000) lie on the outermost day.
const TIME_MAX: i64 = 8_000_000_000_000_000;
/// How many times its size in memory a day takes while it is merged: read, sorted, written.
const MERGE_FACTOR: u64 = 4;

impl Writer {
    /// Loads events. The same (user, time, event id) counts once: the stored row, else the first
    /// to arrive; rows without an id always count. Users not known yet become known.
    /// Errors: those of `batches`, STO-004 when a property changes its type, OUT-001.
    pub fn events(
        &mut self,
        batches: &mut dyn Iterator<Item = Outcome<Checked>>,
        columns: &[Column],
        limits: &Limits,
        pace: &dyn Pace,
    ) -> Outcome<Loaded> {
        EventsLoad::new(self.load(), columns, limits)?.run(self, batches, pace)
    }
}

struct EventsLoad {
    load: Load,
    columns: Vec<Column>,
    spill: Spill,
    limits: Limits,
    names: HashMap<String, u32>,
    days: Days,
    named: Bits,
    row_count: u64,
    has_ids: bool,
}

impl EventsLoad {
    fn new(mut load: Load, columns: &[Column], limits: &Limits) -> Outcome<EventsLoad> {
        let manifest = &mut load.draft.manifest;
        manifest.properties = joined(&manifest.properties, columns, "property")?;
        let columns = settled(columns, &manifest.properties);
        let spill = Spill::new(load.spill_folder(), schema(&columns), limits.memory_bytes / 2);
        let manifest = &load.draft.manifest;
        let names = manifest.events.iter().cloned().zip(0..).collect();
        let days = Days { zone: manifest.zone(), last: None, spans: BTreeMap::new() };
        Ok(EventsLoad {
            columns,
            spill,
            limits: *limits,
            names,
            days,
            named: Bits::default(),
            row_count: 0,
            has_ids: false,
            load,
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
        let merged = self.merge(pace)?;
        let duplicates = merged.iter().map(|(_, day)| day.duplicates).sum();
        let (rows, named) = (self.row_count, self.named.to_bitmap());
        let loaded = self.load.finish(writer, |draft| {
            draft.sets.named |= named;
            draft.manifest.days.extend(merged.into_iter().map(|(day, merged)| (day, merged.parts)));
        })?;
        Ok(Loaded { rows, duplicates, ..loaded })
    }

    fn take(&mut self, batch: &Checked) -> Outcome<()> {
        let (Some(times), Some(events)) = (batch.times(), batch.events()) else {
            return Err(Problem::bug("event rows came without times or events"));
        };
        let users: Vec<UserNo> = self.load.numbers(batch.users())?.into_iter().flatten().collect();
        users.iter().for_each(|user| self.named.set(*user));
        let numbers = self.numbers_of(events);
        let days = times.values().iter().map(|time| self.days.day_of(*time));
        let parts: Vec<u64> = days.zip(numbers).map(|(day, event)| part_of(day, event)).collect();
        self.has_ids |= batch.ids().is_some_and(|ids| ids.null_count() < ids.len());
        let ids = batch.ids().map(|ids| Arc::new(ids.clone()) as ArrayRef);
        let ids = ids.unwrap_or_else(|| new_null_array(&DataType::Utf8, batch.len()));
        let times = cast(times, &instant_type()).map_err(bug)?;
        // Counted from 1: 0 is before all that arrive.
        let arrivals = UInt64Array::from_iter_values((self.row_count + 1..).take(batch.len()));
        self.row_count += batch.len() as u64;
        let mut arrays: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from(users)), times, ids, Arc::new(arrivals)];
        arrays.extend(aligned(batch, &self.columns)?);
        self.spill.push(batch_of(self.spill.schema(), arrays, batch.len())?, &parts)
    }

    /// The numbers of event names; new names get new numbers.
    fn numbers_of(&mut self, events: &StringArray) -> Vec<u32> {
        let names = &mut self.names;
        let all = &mut self.load.draft.manifest.events;
        let mut number = |name: &str| match names.get(name) {
            Some(number) => *number,
            None => {
                all.push(name.to_string());
                names.insert(name.to_string(), all.len() as u32 - 1);
                all.len() as u32 - 1
            }
        };
        (0..events.len()).map(|at| number(events.value(at))).collect()
    }

    /// Merges the days that have rows: as many at once as memory and cores allow.
    fn merge(&mut self, pace: &dyn Pace) -> Outcome<Vec<(Day, Merged)>> {
        let generation = self.load.generation();
        let manifest = &self.load.draft.manifest;
        let plan = Plan {
            disk: &self.load.disk,
            generation,
            secret: manifest.secret,
            events: &manifest.events,
            known: &manifest.properties,
            loaded: &self.columns,
            has_ids: self.has_ids,
            spill: &self.spill,
        };
        let mut days: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
        self.spill
            .parts()
            .into_iter()
            .map(of_part)
            .for_each(|(day, event)| days.entry(day).or_default().push(event));
        pace.begin("events", Some(days.len() as u64), "days");
        let mut merged = Vec::with_capacity(days.len());
        let work: Vec<Work> =
            days.into_iter().map(|(day, events)| self.work(day, events, &manifest.days)).collect();
        for wave in waves(&work, self.limits.memory_bytes / 2) {
            let one = |work: &Work| {
                let done = plan.merge(
                    work.day,
                    manifest.days.get(&work.day),
                    &work.events,
                    work.bytes <= self.limits.memory_bytes / 2,
                );
                pace.more(1);
                done.map(|done| (work.day, done))
            };
            merged.extend(wave.par_iter().map(one).collect::<Outcome<Vec<_>>>()?);
        }
        pace.end();
        Ok(merged)
    }

    fn work(&self, day: Day, events: Vec<u32>, stored: &BTreeMap<Day, DayParts>) -> Work {
        let new: u64 = events.iter().map(|event| self.spill.rows_of(part_of(day, *event))).sum();
        let old = stored.get(&day).map_or(0, |parts| parts.events.iter().map(|part| part.rows).sum());
        Work { day, events, bytes: (new + old) * self.spill.row_bytes() * MERGE_FACTOR }
    }
}

/// One day to be merged.
struct Work {
    day: Day,
    events: Vec<u32>,
    /// About how much memory that takes.
    bytes: u64,
}

/// Days that are merged at the same time: together below the limit, but at least one.
fn waves(work: &[Work], limit: u64) -> Vec<&[Work]> {
    let (mut waves, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (at, one) in work.iter().enumerate() {
        if at > from && bytes + one.bytes > limit {
            waves.push(&work[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += one.bytes;
    }
    waves.push(&work[from..]);
    waves
}

fn schema(columns: &[Column]) -> SchemaRef {
    let mut fields = vec![
        Field::new(USER, DataType::UInt32, false),
        Field::new(TIME, instant_type(), false),
        Field::new(EVENT_ID, DataType::Utf8, true),
        Field::new("arrival", DataType::UInt64, false),
    ];
    fields.extend(
        columns.iter().map(|column| Field::new(stored_name(&column.name), arrow_type(column.type_of), true)),
    );
    schema_of(fields)
}

/// Local days of instants: each day is looked up in the calendar once.
struct Days {
    zone: Zone,
    last: Option<(i64, i64, Day)>,
    /// First instant of a day → the first after it, and the day.
    spans: BTreeMap<i64, (i64, Day)>,
}

impl Days {
    /// The day whose first instant is the last one not after `time`.
    fn day_of(&mut self, time: i64) -> Day {
        if let Some((_, _, day)) = self.last.filter(|(from, to, _)| (*from..*to).contains(&time)) {
            return day;
        }
        let known = self.spans.range(..=time).next_back().map(|(from, (to, day))| (*from, *to, *day));
        let found = known.filter(|(_, to, _)| time < *to).unwrap_or_else(|| self.look_up(time));
        self.last = Some(found);
        found.2
    }

    fn look_up(&mut self, time: i64) -> (i64, i64, Day) {
        let time = time.clamp(-TIME_MAX, TIME_MAX);
        let start = |day: Day| self.zone.start_of(day).0;
        let mut day = self.zone.day_of(Timestamp(time));
        // Where clocks go back over midnight, the calendar shows a day twice.
        if time < start(day) {
            day = day.plus(-1);
        } else if time >= start(day.plus(1)) {
            day = day.plus(1);
        }
        let (from, to) = (start(day), start(day.plus(1)));
        self.spans.insert(from, (to, day));
        (from, to, day)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_day_holds_its_instants(times in proptest::collection::vec(-5_000_000_000_000i64..5_000_000_000_000, 1..40), zone in 0usize..3) {
            let zone = Zone::named(["Asia/Shanghai", "America/New_York", "America/Sao_Paulo"][zone]).unwrap();
            let mut days = Days { zone, last: None, spans: BTreeMap::new() };
            for time in times {
                let day = days.day_of(time);
                prop_assert!(zone.start_of(day).0 <= time && time < zone.start_of(day.plus(1)).0);
            }
        }

        #[test]
        fn waves_cover_all_days_and_keep_the_limit(bytes in proptest::collection::vec(0u64..50, 1..20), limit in 1u64..100) {
            let work: Vec<Work> = bytes.iter().map(|bytes| Work { day: Day(0), events: Vec::new(), bytes: *bytes }).collect();
            let waves = waves(&work, limit);
            prop_assert_eq!(waves.iter().map(|wave| wave.len()).sum::<usize>(), work.len());
            for wave in waves {
                prop_assert!(wave.len() <= 1 || wave.iter().map(|one| one.bytes).sum::<u64>() <= limit);
            }
        }
    }
}
