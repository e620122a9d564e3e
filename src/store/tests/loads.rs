//! Any loads in any order give what the twin says.

use arrow::array::{RecordBatch, StringArray};
use proptest::prelude::*;

use crate::base::{Quiet, Type, Zone};
use crate::ingest::{Checked, Column};
use crate::store::{Limits, Mode, Writer};

use super::dump::dump;
use super::made::{Step, home, run, steps, writer};
use super::twin::Twin;

/// Users before those of the world, so that it lies across the first border of chunks.
const FILLERS: usize = 65_532;

fn fill(writer: &mut Writer, count: usize) {
    let users = StringArray::from_iter_values((0..count).map(|n| format!("f{n}")));
    let checked = Checked::of_parts(users, RecordBatch::new_empty(arrow::datatypes::Schema::empty().into()));
    writer.members(&mut std::iter::once(Ok(checked)), true, &mut |_| (), &Quiet).unwrap();
}

fn agree(steps: &[Step], fillers: usize, memory_bytes: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    let mut twin = Twin::default();
    fill(&mut writer, fillers);
    for step in steps.iter().chain([&Step::Publish]) {
        let before = home(folder.path()).snapshot().unwrap();
        let loaded = run(&mut writer, step, memory_bytes);
        // A type that changes is refused, and changes nothing.
        let is_refused = loaded.as_ref().is_err_and(|problem| problem.code == "STO-004");
        if !is_refused {
            loaded.unwrap();
            twin.run(step);
        }
        match step {
            Step::Publish => {
                let snapshot = home(folder.path()).snapshot().unwrap();
                assert_eq!(dump(&snapshot).unwrap(), twin.lines(&Zone::default()));
                snapshot.verify().unwrap();
            }
            _ => assert_eq!(home(folder.path()).snapshot().unwrap().version(), before.version()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 400, ..ProptestConfig::default() })]
    #[test]
    fn loads_agree_with_the_twin(steps in steps(), is_tight: bool) {
        agree(&steps, 0, if is_tight { 600 } else { 1 << 30 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 30, ..ProptestConfig::default() })]
    #[test]
    fn loads_across_chunks_agree_with_the_twin(steps in steps()) {
        agree(&steps, FILLERS, 1 << 30);
    }
}

#[test]
fn a_load_says_what_it_has_done() {
    use super::made::{DetailRow, EventRow, UserRow};
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    let user = |user, is_deleted| UserRow { user, city: Some(1), age: None, tags: None, is_deleted };
    let load = |rows| Step::Users { mode: Mode::Upsert, rows, with_age: false, floats: false };
    let done =
        run(&mut writer, &load(vec![user(1, false), user(2, false), user(1, false)]), 1 << 30).unwrap();
    assert_eq!((done.rows, done.new_users, done.duplicates, done.replaced, done.deleted), (3, 2, 1, 0, 0));
    let done = run(&mut writer, &load(vec![user(1, false), user(2, true), user(3, true)]), 1 << 30).unwrap();
    assert_eq!((done.rows, done.new_users, done.duplicates, done.replaced, done.deleted), (3, 0, 0, 1, 1));
    let event = |id| EventRow { user: 4, event: 1, hour: 3, id, amount: None };
    let rows = vec![event(Some(1)), event(Some(1)), event(None), event(None)];
    let done = run(&mut writer, &Step::Events { rows, floats: false }, 1 << 30).unwrap();
    assert_eq!((done.rows, done.new_users, done.duplicates), (4, 1, 1));
    let detail = |key, is_deleted| DetailRow { user: 1, key, hour: None, amount: None, is_deleted };
    run(&mut writer, &Step::Detail { rows: vec![detail(1, false), detail(2, false)] }, 1 << 30).unwrap();
    let done = run(
        &mut writer,
        &Step::Detail { rows: vec![detail(1, false), detail(1, false), detail(2, true)] },
        1 << 30,
    )
    .unwrap();
    assert_eq!((done.rows, done.duplicates, done.replaced, done.deleted), (3, 1, 1, 1));
}

#[test]
fn a_type_that_changes_is_refused_and_an_integer_widens() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    let mut load = |type_of, array: arrow::array::ArrayRef| {
        let schema = arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new(
            "n",
            array.data_type().clone(),
            true,
        )]);
        let batch = RecordBatch::try_new(schema.into(), vec![array]).unwrap();
        let checked = Checked::of_parts(StringArray::from(vec!["u"]), batch);
        let columns = [Column { name: "n".into(), type_of }];
        writer.users(&mut std::iter::once(Ok(checked)), Mode::Upsert, &columns, &Limits::default(), &Quiet)
    };
    use std::sync::Arc;
    load(Type::Integer, Arc::new(arrow::array::Int64Array::from(vec![1]))).unwrap();
    load(Type::Float, Arc::new(arrow::array::Float64Array::from(vec![1.5]))).unwrap();
    load(Type::Integer, Arc::new(arrow::array::Int64Array::from(vec![2]))).unwrap();
    let problem = load(Type::Text, Arc::new(StringArray::from(vec!["x"]))).unwrap_err();
    assert_eq!(problem.code, "STO-004");
    let snapshot = writer.publish().unwrap();
    assert_eq!(snapshot.catalog().attribute("n"), Some(Type::Float));
}

#[test]
fn a_table_keeps_its_key_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    let mut load = |key, time| {
        writer.detail("orders", key, time, &mut std::iter::empty(), &[], &Limits::default(), &Quiet)
    };
    load("id", Some("at")).unwrap();
    assert_eq!(load("id", None).unwrap_err().code, "STO-005");
    assert!(load("no", Some("at")).unwrap_err().cure.contains("--key id --time at"));
}

#[test]
fn the_zone_of_a_home_with_events_is_fixed() {
    use super::made::{EventRow, environment};
    let folder = tempfile::tempdir().unwrap();
    let rows = vec![EventRow { user: 1, event: 1, hour: 0, id: None, amount: None }];
    let mut first = writer(folder.path());
    run(&mut first, &Step::Events { rows, floats: false }, 1 << 30).unwrap();
    first.publish().unwrap();
    drop(first);
    let tokyo = Zone::named("Asia/Tokyo").unwrap();
    let problem = home(folder.path()).writer(&environment(), tokyo).map(|_| ()).unwrap_err();
    assert_eq!(problem.code, "STO-001");
    assert!(problem.cure.contains("Asia/Shanghai"));
}
