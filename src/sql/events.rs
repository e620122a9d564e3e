//! `events`: one row an event. A part is an event on a local day; filters on `event`, `time` and the
//! user leave parts out.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;

use super::content::{Content, Pieces, apart, field, instant, instant_type, user_fields};
use super::piece::{Piece, Values, kept};
use super::source::Source;
use crate::base::{CHUNK_USERS, Day, Outcome, Timestamp, UserNo};

const EVENT: &str = "event";
const TIME: &str = "time";
const EVENT_ID: &str = "event_id";
/// Columns before the properties.
const HEAD: usize = 5;

/// The table `events`.
pub struct Events {
    source: Source,
    schema: SchemaRef,
    properties: Vec<String>,
}

/// An event on a local day.
#[derive(Debug, Clone)]
pub struct EventDay {
    day: Day,
    event: Arc<str>,
}

impl Events {
    /// Columns: `user_id`, `user_no`, `event`, `time`, `event_id`, then the properties by their own names.
    pub fn new(source: Source) -> Events {
        let catalog = source.snapshot().catalog();
        let mut fields = Vec::from(user_fields());
        fields.push(Field::new(EVENT, DataType::Utf8, false));
        fields.push(Field::new(TIME, instant_type(source.zone()), false));
        fields.push(Field::new(EVENT_ID, DataType::Utf8, true));
        for column in &catalog.properties {
            let name = apart("property", &column.name, &fields);
            fields.push(field(&name, column.type_of, source.zone()));
        }
        let properties = catalog.properties.iter().map(|column| column.name.clone()).collect();
        Events { schema: Arc::new(Schema::new(fields)), properties, source }
    }

    /// What to ask the store for; nothing for the id when a property has taken its name.
    fn asked(&self, at: usize) -> Option<&str> {
        let is_taken = || self.properties.iter().any(|name| name == EVENT_ID);
        match at {
            4 => (!is_taken()).then_some(EVENT_ID),
            at => self.properties.get(at.checked_sub(HEAD)?).map(String::as_str),
        }
    }

    /// The first and the last instant of a day that count.
    fn day_bounds(&self, day: Day) -> (Timestamp, Timestamp) {
        let zone = self.source.zone();
        let last = zone.start_of(day.plus(1)).plus(-1);
        (zone.start_of(day), last.min(self.source.as_of()))
    }
}

impl Content for Events {
    type Part = EventDay;

    fn source(&self) -> &Source {
        &self.source
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn unit(&self) -> &'static str {
        "event days"
    }

    fn parts(&self) -> Vec<EventDay> {
        let snapshot = self.source.snapshot();
        let days = snapshot.days().iter().filter(|day| self.day_bounds(**day).0 <= self.source.as_of());
        let of_day = |day: &Day| {
            let day = *day;
            snapshot.events_on(day).map(move |event| EventDay { day, event: event.into() })
        };
        days.flat_map(of_day).collect()
    }

    fn rows(&self, part: &EventDay) -> u64 {
        self.source.snapshot().rows_on(part.day, &part.event)
    }

    fn bounds(&self, part: &EventDay, column: &str) -> Option<(ScalarValue, ScalarValue)> {
        let zone = self.source.zone();
        match column {
            EVENT => Some((ScalarValue::from(&*part.event), ScalarValue::from(&*part.event))),
            TIME => {
                let (first, last) = self.day_bounds(part.day);
                Some((instant(first, zone), instant(last, zone)))
            }
            _ => None,
        }
    }

    fn may_have(&self, part: &EventDay, user: UserNo) -> bool {
        let (chunk, place) = (user / CHUNK_USERS, (user % CHUNK_USERS) as u16);
        // A file that cannot be read is told when its rows are.
        match self.source.snapshot().rollup(part.day, Some(&*part.event)) {
            Ok(Some(rollup)) => rollup.of_chunk(chunk).0.binary_search(&place).is_ok(),
            _ => true,
        }
    }

    fn read(&self, part: &EventDay, columns: &[usize]) -> Outcome<Pieces> {
        let snapshot = self.source.snapshot();
        let asked: Vec<&str> = columns.iter().filter_map(|at| self.asked(*at)).collect();
        let Some(rows) = snapshot.rows(part.day, &part.event, &asked)? else {
            return Ok(Box::new(std::iter::empty()));
        };
        let mut stored = rows.columns.into_iter();
        let times = rows.times.as_ref();
        let mut column = |at: &usize| match at {
            0 => Values::Ids,
            1 => Values::Numbers,
            2 => Values::Same(ScalarValue::from(&*part.event)),
            3 => times.cloned().map_or(Values::Missing, Values::Times),
            at if self.asked(*at).is_some() => stored.next().flatten().map_or(Values::Missing, Values::Array),
            _ => Values::Missing,
        };
        let columns = columns.iter().map(&mut column).collect();
        let kept = kept(&rows.users, times, snapshot.universe(), self.source.as_of());
        Ok(Box::new(std::iter::once(Ok(Piece { users: rows.users, kept, columns }))))
    }
}
