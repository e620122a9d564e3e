//! Killed at any file operation, a home is as before or as after, and the next start cleans up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::store::Mode;
use crate::store::disk::Fuse;

use super::dump::dump;
use super::made::{DetailRow, EventRow, Step, UserRow, fused, home, run, writer};

const MEMORY: u64 = 1 << 30;

fn users(from: u8) -> Step {
    let row = |user| UserRow {
        user,
        city: Some(user % 3),
        age: Some(20),
        tags: Some(vec![user % 4]),
        is_deleted: user == from + 3,
    };
    Step::Users {
        mode: Mode::Upsert,
        rows: (from..from + 5).map(row).collect(),
        with_age: true,
        floats: false,
    }
}

fn events(from: u8) -> Step {
    let row = |user: u8| EventRow {
        user,
        event: user % 2,
        hour: user as i64 * 7,
        id: Some(1),
        amount: Some(user as i64),
    };
    Step::Events { rows: (from..from + 5).map(row).collect(), floats: false }
}

fn detail(from: u8) -> Step {
    let row = |user: u8| DetailRow {
        user,
        key: user % 4,
        hour: Some(user as i64),
        amount: Some(1),
        is_deleted: false,
    };
    Step::Detail { rows: (from..from + 5).map(row).collect() }
}

pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(super) fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        found.append(&mut if entry.is_dir() { files(&entry) } else { BTreeSet::from([entry]) });
    }
    found
}

fn seen(folder: &Path) -> (u64, Vec<String>) {
    let snapshot = home(folder).snapshot().unwrap();
    snapshot.verify().unwrap();
    (snapshot.version(), dump(&snapshot).unwrap())
}

/// Loads and publishes on a copy of `base` with room for `operations`; gives what was left.
fn attempt(base: &Path, step: &Step, operations: i64) -> (tempfile::TempDir, i64) {
    let folder = tempfile::tempdir().unwrap();
    copy(base, folder.path());
    let fuse = Fuse::after(operations);
    let _ = fused(folder.path(), fuse.clone()).and_then(|mut writer| {
        run(&mut writer, step, MEMORY)?;
        writer.publish()
    });
    (folder, fuse.left())
}

fn survives(base: &Path, step: &Step) {
    let before = seen(base);
    let (whole, left) = attempt(base, step, i64::MAX);
    let after = seen(whole.path());
    assert_ne!(before, after);
    let operations = i64::MAX - left;
    assert!(operations > 20, "{operations}");
    for n in 0..operations {
        let (folder, _) = attempt(base, step, n);
        let found = seen(folder.path());
        assert!(found == before || found == after, "neither before nor after at operation {n}");
        // The next writer removes every file that is not needed, and can do it all again.
        let mut next = writer(folder.path());
        let manifest = next.snapshot().manifest().clone();
        let needed = manifest.parts().len() + ["CURRENT", "lock", "manifest"].len();
        let is_empty = manifest.version == 0;
        assert_eq!(
            files(folder.path()).len(),
            if is_empty { ["CURRENT", "lock"].len() } else { needed },
            "at operation {n}: {:?}",
            files(folder.path())
        );
        run(&mut next, step, MEMORY).unwrap();
        next.publish().unwrap();
        assert_eq!(seen(folder.path()).1, after.1, "again after operation {n}");
    }
}

fn base() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path());
    for step in [users(0), events(0), detail(0), Step::Publish] {
        run(&mut writer, &step, MEMORY).unwrap();
    }
    folder
}

#[test]
fn the_first_load_of_a_home_is_all_or_nothing() {
    let empty = tempfile::tempdir().unwrap();
    survives(empty.path(), &events(0));
}

#[test]
fn a_users_load_is_all_or_nothing() {
    survives(base().path(), &users(3));
}

#[test]
fn an_events_load_is_all_or_nothing() {
    survives(base().path(), &events(3));
}

#[test]
fn a_detail_load_is_all_or_nothing() {
    survives(base().path(), &detail(3));
}

#[test]
fn a_load_that_fails_leaves_the_writer_as_it_was() {
    let folder = base();
    let before = seen(folder.path());
    let mut writer = writer(folder.path());
    let problem = crate::base::Problem::data("ING-001", "a file ends early");
    let mut batches = std::iter::once(Err(problem));
    let failed = writer.users(&mut batches, Mode::Upsert, &[], &Default::default(), &crate::base::Quiet);
    assert_eq!(failed.unwrap_err().code, "ING-001");
    writer.publish().unwrap();
    assert_eq!(seen(folder.path()), before);
    run(&mut writer, &users(5), MEMORY).unwrap();
    drop(writer);
    assert_eq!(seen(folder.path()), before);
}
