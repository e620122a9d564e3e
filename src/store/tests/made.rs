//! Loads made by hand: rows as plain values, and the checked batches they become.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListBuilder, RecordBatch, RecordBatchOptions,
    StringArray, StringBuilder,
};
use arrow::datatypes::{Field, Schema};
use proptest::prelude::*;

use crate::base::{Environment, Outcome, Quiet, Timestamp, Type, Zone};
use crate::ingest::{Checked, Column};
use crate::store::disk::Fuse;
use crate::store::{Home, Limits, Loaded, Mode, Writer, arrow_type};

/// Rows of a batch: small, so that a load has several.
const BATCH_ROWS: usize = 4;

/// One load, or the publication of those before.
#[derive(Debug, Clone)]
pub enum Step {
    Users { mode: Mode, rows: Vec<UserRow>, with_age: bool, floats: bool },
    Events { rows: Vec<EventRow>, floats: bool },
    Detail { rows: Vec<DetailRow> },
    Members { users: Vec<u8>, create: bool },
    Publish,
}

#[derive(Debug, Clone)]
pub struct UserRow {
    pub user: u8,
    pub city: Option<u8>,
    pub age: Option<i64>,
    pub tags: Option<Vec<u8>>,
    pub is_deleted: bool,
}

#[derive(Debug, Clone)]
pub struct EventRow {
    pub user: u8,
    pub event: u8,
    /// Hours since some midnight.
    pub hour: i64,
    pub id: Option<u8>,
    pub amount: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct DetailRow {
    pub user: u8,
    pub key: u8,
    pub hour: Option<i64>,
    pub amount: Option<i64>,
    pub is_deleted: bool,
}

pub fn id(user: u8) -> String {
    format!("用户{user:02}")
}

pub fn city(city: u8) -> String {
    format!("城市{city}")
}

pub fn tag(tag: u8) -> String {
    format!("t{tag}")
}

pub fn event(event: u8) -> String {
    format!("事件{event}")
}

pub fn event_id(id: u8) -> String {
    format!("e{id}")
}

pub fn key(key: u8) -> String {
    format!("订单{key}")
}

pub fn time(hour: i64) -> i64 {
    1_772_294_400_000 + hour * 3_600_000
}

pub fn environment() -> Environment {
    Environment { now: Timestamp(0), seed: 7, process: "pid 4711 (quanke ingest)".into() }
}

pub fn home(folder: &Path) -> Home {
    Home::at(folder, "default").unwrap()
}

pub fn writer(folder: &Path) -> Writer {
    home(folder).writer(&environment(), Zone::default()).unwrap()
}

pub fn fused(folder: &Path, fuse: Fuse) -> Outcome<Writer> {
    home(folder).writer_on(&environment(), Zone::default(), fuse)
}

pub fn number_type(floats: bool) -> Type {
    if floats { Type::Float } else { Type::Integer }
}

fn column(name: &str, type_of: Type) -> Column {
    Column { name: name.into(), type_of }
}

fn batch(columns: &[Column], arrays: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|c| Field::new(&c.name, arrow_type(c.type_of), true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}

fn numbers(values: impl Iterator<Item = Option<i64>>, floats: bool) -> ArrayRef {
    match floats {
        true => Arc::new(values.map(|v| v.map(|v| v as f64)).collect::<Float64Array>()),
        false => Arc::new(values.collect::<Int64Array>()),
    }
}

fn lists<'a>(values: impl Iterator<Item = &'a Option<Vec<u8>>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for value in values {
        value.iter().flatten().for_each(|one| builder.values().append_value(tag(*one)));
        builder.append(value.is_some());
    }
    Arc::new(builder.finish())
}

fn ids(users: impl Iterator<Item = u8>) -> StringArray {
    StringArray::from_iter_values(users.map(id))
}

/// Runs one load; a tiny limit sends it through temporary files.
pub fn run(writer: &mut Writer, step: &Step, memory_bytes: u64) -> Outcome<Loaded> {
    let limits = Limits { memory_bytes };
    match step {
        Step::Users { mode, rows, with_age, floats } => {
            run_users(writer, *mode, rows, (*with_age, *floats), &limits)
        }
        Step::Events { rows, floats } => run_events(writer, rows, *floats, &limits),
        Step::Detail { rows } => run_detail(writer, rows, &limits),
        Step::Members { users, create } => {
            let mut batches = users.chunks(BATCH_ROWS).map(|some| {
                let users = ids(some.iter().copied());
                Ok(Checked::of_parts(users, batch(&[], Vec::new(), some.len())))
            });
            writer.members(&mut batches, *create, &mut |_| (), &Quiet).map(|found| found.1)
        }
        Step::Publish => writer.publish().map(|_| Loaded::default()),
    }
}

fn run_users(
    writer: &mut Writer,
    mode: Mode,
    rows: &[UserRow],
    (with_age, floats): (bool, bool),
    limits: &Limits,
) -> Outcome<Loaded> {
    let mut columns = vec![column("city", Type::Text), column("tags", Type::List)];
    if with_age {
        columns.push(column("age", number_type(floats)));
    }
    let mut batches = rows.chunks(BATCH_ROWS).map(|some| {
        let cities: StringArray = some.iter().map(|row| row.city.map(city)).collect();
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(cities), lists(some.iter().map(|row| &row.tags))];
        if with_age {
            arrays.push(numbers(some.iter().map(|row| row.age), floats));
        }
        let deleted = BooleanArray::from(some.iter().map(|row| row.is_deleted).collect::<Vec<_>>());
        Ok(Checked::of_parts(ids(some.iter().map(|row| row.user)), batch(&columns, arrays, some.len()))
            .with_deleted(deleted))
    });
    writer.users(&mut batches, mode, &columns, limits, &Quiet)
}

fn run_events(writer: &mut Writer, rows: &[EventRow], floats: bool, limits: &Limits) -> Outcome<Loaded> {
    let columns = [column("amount", number_type(floats))];
    let mut batches = rows.chunks(BATCH_ROWS).map(|some| {
        let arrays = vec![numbers(some.iter().map(|row| row.amount), floats)];
        let checked =
            Checked::of_parts(ids(some.iter().map(|row| row.user)), batch(&columns, arrays, some.len()));
        Ok(checked
            .with_events(StringArray::from_iter_values(some.iter().map(|row| event(row.event))))
            .with_times(some.iter().map(|row| Some(time(row.hour))).collect())
            .with_ids(some.iter().map(|row| row.id.map(event_id)).collect()))
    });
    writer.events(&mut batches, &columns, limits, &Quiet)
}

fn run_detail(writer: &mut Writer, rows: &[DetailRow], limits: &Limits) -> Outcome<Loaded> {
    // A column of the name that the store itself uses for the key.
    let columns = [column("key", Type::Integer)];
    let mut batches = rows.chunks(BATCH_ROWS).map(|some| {
        let arrays = vec![numbers(some.iter().map(|row| row.amount), false)];
        let checked =
            Checked::of_parts(ids(some.iter().map(|row| row.user)), batch(&columns, arrays, some.len()));
        Ok(checked
            .with_keys(StringArray::from_iter_values(some.iter().map(|row| key(row.key))))
            .with_times(some.iter().map(|row| row.hour.map(time)).collect())
            .with_deleted(BooleanArray::from(some.iter().map(|row| row.is_deleted).collect::<Vec<_>>())))
    });
    writer.detail("订单/明细", "order_id", Some("paid_at"), &mut batches, &columns, limits, &Quiet)
}

/// Users whom a world is about.
pub const USERS: u8 = 9;

fn user_row() -> impl Strategy<Value = UserRow> {
    let tags = proptest::option::of(proptest::collection::vec(0u8..4, 0..4));
    let values = (
        0..USERS,
        proptest::option::of(0u8..4),
        proptest::option::of(18i64..22),
        tags,
        proptest::bool::weighted(0.1),
    );
    values.prop_map(|(user, city, age, tags, is_deleted)| UserRow { user, city, age, tags, is_deleted })
}

fn event_row() -> impl Strategy<Value = EventRow> {
    let values = (0..USERS, 0u8..3, -30i64..60, proptest::option::of(0u8..3), proptest::option::of(0i64..9));
    values.prop_map(|(user, event, hour, id, amount)| EventRow {
        user,
        event,
        hour: hour / 6 * 6,
        id,
        amount,
    })
}

fn detail_row() -> impl Strategy<Value = DetailRow> {
    let values = (
        0..USERS,
        0u8..8,
        proptest::option::of(-9i64..9),
        proptest::option::of(0i64..9),
        proptest::bool::weighted(0.2),
    );
    values.prop_map(|(user, key, hour, amount, is_deleted)| DetailRow { user, key, hour, amount, is_deleted })
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![3 => Just(Mode::Upsert), 3 => Just(Mode::Patch), 1 => Just(Mode::Replace), 1 => Just(Mode::Delete)]
}

/// Loads of every kind in any order.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = 0..14usize;
    let users = (
        mode(),
        proptest::collection::vec(user_row(), rows.clone()),
        any::<bool>(),
        proptest::bool::weighted(0.2),
    );
    let users = users.prop_map(|(mode, rows, with_age, floats)| {
        let rows = if mode == Mode::Delete { rows.into_iter().take(2).collect() } else { rows };
        Step::Users { mode, rows, with_age, floats }
    });
    let events = (proptest::collection::vec(event_row(), rows.clone()), proptest::bool::weighted(0.2));
    let events = events.prop_map(|(rows, floats)| Step::Events { rows, floats });
    let detail = proptest::collection::vec(detail_row(), rows).prop_map(|rows| Step::Detail { rows });
    let members = (proptest::collection::vec(0..USERS, 0..4), any::<bool>());
    let members = members.prop_map(|(users, create)| Step::Members { users, create });
    let step = prop_oneof![4 => users, 4 => events, 4 => detail, 1 => members, 2 => Just(Step::Publish)];
    proptest::collection::vec(step, 1..9)
}
