//! Readers keep what they hold while writers publish and clean up; there is one writer.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::Zone;
use crate::store::{Home, Mode};

use super::dump::dump;
use super::made::{Step, UserRow, environment, home, run, writer};

/// Loads user `number`, so that version v has v users.
fn one(number: u8) -> Step {
    let row = UserRow {
        user: number,
        city: Some(number % 5),
        age: Some(number as i64),
        tags: None,
        is_deleted: false,
    };
    Step::Users { mode: Mode::Upsert, rows: vec![row], with_age: true, floats: false }
}

#[test]
fn a_snapshot_keeps_its_files_until_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    run(&mut writer, &one(0), 1 << 30).unwrap();
    writer.publish().unwrap();
    let held = home(folder.path()).snapshot().unwrap();
    let table = |version: u64| folder.path().join(format!("manifest/{version:07}.json"));
    for number in 1..5 {
        run(&mut writer, &one(number), 1 << 30).unwrap();
        writer.publish().unwrap();
    }
    assert!(table(1).exists() && !table(2).exists() && !table(4).exists() && table(5).exists());
    // Nothing of the old version has been opened before now.
    assert_eq!(dump(&held).unwrap(), ["user 用户00", "value 用户00 age 0.0", "value 用户00 city 城市0"]);
    held.verify().unwrap();
    drop(held);
    run(&mut writer, &one(5), 1 << 30).unwrap();
    writer.publish().unwrap();
    assert!(!table(1).exists());
}

#[test]
fn readers_see_whole_versions_while_a_writer_publishes() {
    let folder = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let read = || {
            while !done.load(Ordering::Relaxed) {
                let snapshot = home(folder.path()).snapshot().unwrap();
                assert_eq!(snapshot.universe().len(), snapshot.version());
                let values =
                    dump(&snapshot).unwrap().into_iter().filter(|line| line.contains("city")).count();
                assert_eq!(values as u64, snapshot.version());
            }
        };
        scope.spawn(read);
        scope.spawn(read);
        let mut writer = writer(folder.path());
        for number in 0..25 {
            run(&mut writer, &one(number), 1 << 30).unwrap();
            writer.publish().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_second_writer_is_told_who_is_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = writer(folder.path());
    let other_app = Home::at(folder.path(), "会员").unwrap();
    for home in [home(folder.path()), other_app] {
        let problem = home.writer(&environment(), Zone::default()).map(|_| ()).unwrap_err();
        assert_eq!(problem.code, "OUT-010");
        assert!(problem.what.contains("pid 4711 (quanke ingest)"), "{problem}");
        assert_eq!(crate::base::Problems::from(problem).exit_code(), 3);
    }
    drop(first);
    writer(folder.path());
}

#[test]
fn apps_never_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let other = Home::at(folder.path(), "other").unwrap();
    let mut writer = other.writer(&environment(), Zone::default()).unwrap();
    run(&mut writer, &one(1), 1 << 30).unwrap();
    writer.publish().unwrap();
    assert_eq!(other.snapshot().unwrap().universe().len(), 1);
    assert_eq!(home(folder.path()).snapshot().unwrap().universe().len(), 0);
}

#[test]
fn a_deleted_user_comes_back_as_somebody_new() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    run(&mut writer, &one(1), 1 << 30).unwrap();
    let first = writer.publish().unwrap().find("用户01").unwrap();
    let row = UserRow { user: 1, city: None, age: None, tags: None, is_deleted: false };
    let delete = Step::Users { mode: Mode::Delete, rows: vec![row], with_age: false, floats: false };
    assert_eq!(run(&mut writer, &delete, 1 << 30).unwrap().deleted, 1);
    let without = writer.publish().unwrap();
    assert_eq!((without.find("用户01"), without.universe().len()), (None, 0));
    run(&mut writer, &one(1), 1 << 30).unwrap();
    let second = writer.publish().unwrap().find("用户01").unwrap();
    assert_ne!(first, second);
}

#[test]
fn a_user_replaced_away_keeps_the_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    run(&mut writer, &one(1), 1 << 30).unwrap();
    let first = writer.publish().unwrap().find("用户01").unwrap();
    let Step::Users { rows, .. } = one(2) else { unreachable!() };
    run(&mut writer, &Step::Users { mode: Mode::Replace, rows, with_age: true, floats: false }, 1 << 30)
        .unwrap();
    let without = writer.publish().unwrap();
    assert_eq!((without.find("用户01"), without.universe().len()), (None, 1));
    let members = Step::Members { users: vec![1], create: false };
    assert_eq!(run(&mut writer, &members, 0).unwrap().new_users, 0);
    run(&mut writer, &one(1), 1 << 30).unwrap();
    assert_eq!(writer.publish().unwrap().find("用户01"), Some(first));
}
