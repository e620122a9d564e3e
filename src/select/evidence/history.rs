//! The rows of one user: found by binary search in the sorted rows of days and chunks.

use std::ops::Range;

use super::person::Person;
use super::{Row, value};
use crate::base::{CHUNK_USERS, Day, Outcome, Timestamp, Type, UserNo};
use crate::store::{Column, Rows, TableFacts};

/// The name under which rows of events give their id.
const EVENT_ID: &str = "event_id";

/// The user's rows of one event (or of any) with `columns`, later than as-of or not; sorted by
/// time, equal times as they are stored.
/// Errors: a file that cannot be read.
pub fn events(person: &Person, event: Option<&str>, columns: &[String]) -> Outcome<Vec<Row>> {
    let snapshot = person.asked.snapshot;
    let mut found = vec![];
    for day in snapshot.days() {
        match event {
            Some(event) => add_day(person, *day, event, columns, &mut found)?,
            None => {
                for event in snapshot.events_on(*day) {
                    add_day(person, *day, event, columns, &mut found)?;
                }
            }
        }
    }
    // Days and events are in order already; the sort is stable.
    found.sort_by_key(|row| row.at);
    Ok(found)
}

/// The user's rows of a detail table with `columns`; `on` is the column whose instants windows look
/// at. Sorted by that instant, rows without one first.
/// Errors: a file that cannot be read.
pub fn details(
    person: &Person,
    table: &str,
    facts: &TableFacts,
    on: Option<&str>,
    columns: &[String],
) -> Outcome<Vec<Row>> {
    let mut asked: Vec<&str> = columns.iter().map(String::as_str).collect();
    asked.push(&facts.key);
    asked.extend(on);
    let chunk = person.user / CHUNK_USERS;
    let Some(rows) = person.asked.snapshot.detail(table, chunk, &asked)? else { return Ok(vec![]) };
    let is_own_time = on == facts.time.as_deref();
    let at = |row: usize| match (&rows.times, on) {
        (Some(times), Some(_)) if is_own_time => milliseconds(times, row),
        (_, Some(_)) => cell(&rows, columns.len() + 1, row).and_then(|v| value::instant(&v, &person.zone)),
        (_, None) => None,
    };
    let one = |row: usize| Row {
        name: table.to_string(),
        id: text(cell(&rows, columns.len(), row)),
        at: at(row),
        values: values(&rows, columns, row),
    };
    let mut found: Vec<Row> = place(&rows, person.user).map(one).collect();
    found.sort_by_key(|row| row.at);
    Ok(found)
}

/// The columns of a table, its key among them.
pub fn columns_of(facts: &TableFacts) -> Vec<Column> {
    let mut columns = facts.columns.clone();
    if !columns.iter().any(|column| column.name == facts.key) {
        columns.push(Column { name: facts.key.clone(), type_of: Type::Text });
    }
    columns
}

fn add_day(person: &Person, day: Day, event: &str, columns: &[String], found: &mut Vec<Row>) -> Outcome<()> {
    let snapshot = person.asked.snapshot;
    // The roll-up is small and mapped; rows are decoded only where the user has some.
    let Some(rollup) = snapshot.rollup(day, Some(event))? else { return Ok(()) };
    let (places, _) = rollup.of_chunk(person.user / CHUNK_USERS);
    if places.binary_search(&((person.user % CHUNK_USERS) as u16)).is_err() {
        return Ok(());
    }
    let mut asked: Vec<&str> = columns.iter().map(String::as_str).collect();
    asked.push(EVENT_ID);
    let Some(rows) = snapshot.rows(day, event, &asked)? else { return Ok(()) };
    // A property of this name would stand in the place of the id.
    let has_id = snapshot.catalog().property(EVENT_ID).is_none();
    found.extend(place(&rows, person.user).map(|row| Row {
        name: event.to_string(),
        id: text(cell(&rows, columns.len(), row)).filter(|_| has_id),
        at: rows.times.as_ref().and_then(|times| milliseconds(times, row)),
        values: values(&rows, columns, row),
    }));
    Ok(())
}

/// The rows of a user among rows sorted by user.
fn place(rows: &Rows, user: UserNo) -> Range<usize> {
    let users = rows.users.values();
    users.partition_point(|one| *one < user)..users.partition_point(|one| *one <= user)
}

fn milliseconds(times: &arrow::array::Int64Array, row: usize) -> Option<Timestamp> {
    use arrow::array::Array;
    (row < times.len() && times.is_valid(row)).then(|| Timestamp(times.value(row)))
}

fn values(rows: &Rows, columns: &[String], row: usize) -> Vec<(String, Option<crate::base::Value>)> {
    columns.iter().enumerate().map(|(at, name)| (name.clone(), cell(rows, at, row))).collect()
}

fn cell(rows: &Rows, column: usize, row: usize) -> Option<crate::base::Value> {
    rows.columns.get(column)?.as_ref().and_then(|column| value::value(column, row))
}

fn text(value: Option<crate::base::Value>) -> Option<String> {
    match value {
        Some(crate::base::Value::Text(text)) => Some(text),
        _ => None,
    }
}
