//! A snapshot as sorted lines of text, read through every door that it has.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

use crate::base::{CHUNK_USERS, Day, Outcome, UserNo};
use crate::store::{Register, Rollup, Snapshot};

/// All that is known, as the twin tells it; fillers (`f…`) are left out.
pub fn dump(snapshot: &Snapshot) -> Outcome<Vec<String>> {
    let mut lines = Vec::new();
    snapshot.ids().ready()?;
    for user in snapshot.universe().iter().filter(|user| !name(snapshot, *user).starts_with('f')) {
        assert_eq!(snapshot.find(name(snapshot, user)), Some(user));
        lines.push(format!("user {}", name(snapshot, user)));
    }
    for chunk in 0..snapshot.chunk_count() {
        values(snapshot, chunk, &mut lines)?;
        details(snapshot, chunk, &mut lines)?;
    }
    for day in snapshot.days() {
        let events: Vec<&str> = snapshot.events_on(*day).collect();
        for event in events {
            events_on(snapshot, *day, event, &mut lines)?;
        }
    }
    lines.sort();
    Ok(lines)
}

fn name(snapshot: &Snapshot, user: UserNo) -> &str {
    snapshot.ids().text(user)
}

fn is_live(snapshot: &Snapshot, user: UserNo) -> bool {
    snapshot.universe().contains(user)
}

/// The values of a column as text; lists are joined, numbers are shown as floats.
fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    match array.data_type() {
        DataType::Dictionary(..) => texts(&cast(array, &DataType::Utf8).unwrap()),
        DataType::Int64 => texts(&cast(array, &DataType::Float64).unwrap()),
        DataType::Float64 => {
            array.as_primitive::<Float64Type>().iter().map(|v| v.map(|v| format!("{v:?}"))).collect()
        }
        DataType::List(_) => {
            let joined =
                |list: ArrayRef| list.as_string::<i32>().iter().flatten().collect::<Vec<_>>().join(",");
            array.as_list::<i32>().iter().map(|list| list.map(joined)).collect()
        }
        _ => array.as_string::<i32>().iter().map(|text| text.map(String::from)).collect(),
    }
}

fn values(snapshot: &Snapshot, chunk: u32, lines: &mut Vec<String>) -> Outcome<()> {
    let Some(attributes) = snapshot.attributes(chunk)? else { return Ok(()) };
    let names: Vec<String> = attributes.names().map(String::from).collect();
    for column in &names {
        let texts = texts(attributes.column(column)?.unwrap());
        for (user, text) in (chunk * CHUNK_USERS..).zip(&texts) {
            if let Some(text) = text {
                assert!(is_live(snapshot, user), "a value of somebody unknown");
                lines.push(format!("value {} {column} {text}", name(snapshot, user)));
            }
        }
        if !attributes.is_indexed(column) {
            continue;
        }
        // Every container holds exactly the users who have its value.
        let is_list = column == "tags";
        for (value, count) in attributes.values_of(column)?.unwrap() {
            let found = Register::of(attributes.container(column, value)?.unwrap()).to_bitmap(chunk);
            let has = |text: &str| {
                if is_list {
                    text.split(',').any(|one| one == value)
                } else {
                    text == value || text == format!("{value}.0")
                }
            };
            let users =
                (chunk * CHUNK_USERS..).zip(&texts).filter(|(_, text)| text.as_deref().is_some_and(has));
            assert_eq!(found, users.map(|(user, _)| user).collect::<RoaringBitmap>(), "{column} {value}");
            assert_eq!(found.len(), count);
        }
        assert!(attributes.container(column, "nobody has this")?.is_none());
    }
    Ok(())
}

/// Rows per user.
fn counts_of(rollup: &Rollup) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    for chunk in rollup.chunks() {
        let (places, rows) = rollup.of_chunk(*chunk);
        for (place, rows) in places.iter().zip(rows) {
            *counts.entry(chunk * CHUNK_USERS + *place as u32).or_default() += *rows as u32;
        }
    }
    counts
}

fn events_on(snapshot: &Snapshot, day: Day, event: &str, lines: &mut Vec<String>) -> Outcome<()> {
    let rows = snapshot.rows(day, event, &["event_id", "amount", "nothing"])?.unwrap();
    let rollup = counts_of(snapshot.rollup(day, Some(event))?.unwrap());
    assert_eq!(rows.users.len() as u64, snapshot.rows_on(day, event));
    assert!(rows.users.values().windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(rows.columns[2].is_none());
    assert_eq!(rollup.values().sum::<u32>() as usize, rows.users.len());
    for (user, count) in rollup.iter().filter(|(user, _)| is_live(snapshot, **user)) {
        lines.push(format!("count {day} {event} {} {count}", name(snapshot, *user)));
    }
    let times = rows.times.unwrap();
    let ids = rows.columns[0].clone().unwrap();
    let amounts = cast(rows.columns[1].as_ref().unwrap(), &DataType::Float64).unwrap();
    let amounts = amounts.as_primitive::<Float64Type>();
    let mut at = 0;
    for row in 0..rows.users.len() {
        let user = rows.users.value(row);
        at = if row > 0 && rows.users.value(row - 1) == user { at + 1 } else { 0 };
        if is_live(snapshot, user) {
            let id = ids.is_valid(row).then(|| ids.as_string::<i32>().value(row));
            let amount = amounts.is_valid(row).then(|| amounts.value(row));
            lines.push(format!(
                "event {day} {event} {} #{at} {} {id:?} {amount:?}",
                name(snapshot, user),
                times.value(row)
            ));
        }
    }
    Ok(())
}

fn details(snapshot: &Snapshot, chunk: u32, lines: &mut Vec<String>) -> Outcome<()> {
    let Some(rows) = snapshot.detail("订单/明细", chunk, &["order_id", "key", "paid_at"])? else {
        return Ok(());
    };
    let times = rows.times.unwrap();
    assert_eq!(
        &cast(rows.columns[2].as_ref().unwrap(), &DataType::Int64)
            .unwrap()
            .as_primitive::<Int64Type>()
            .clone(),
        &times
    );
    let keys = rows.columns[0].as_ref().unwrap().as_string::<i32>();
    let amounts = rows.columns[1].as_ref().unwrap().as_primitive::<Int64Type>();
    let mut at = 0;
    for row in 0..rows.users.len() {
        let user = rows.users.value(row);
        at = if row > 0 && rows.users.value(row - 1) == user { at + 1 } else { 0 };
        if is_live(snapshot, user) {
            let time = times.is_valid(row).then(|| times.value(row));
            let amount = amounts.is_valid(row).then(|| amounts.value(row));
            lines.push(format!(
                "detail {} #{at} {} {time:?} {amount:?}",
                name(snapshot, user),
                keys.value(row)
            ));
        }
    }
    Ok(())
}
