//! What is derived comes back bit for bit; what is not is told; a kill leaves before or after.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::base::{Problems, Quiet};
use crate::store::disk::{Fuse, Part, is_derived};
use crate::store::manifest::{self, Manifest};
use crate::store::{Compacted, Mode};

use super::crash::{copy, files};
use super::dump::dump;
use super::made::{DetailRow, EventRow, Step, UserRow, environment, home, run, steps, writer};

const MEMORY: u64 = 1 << 30;

fn load(folder: &Path, steps: &[Step]) {
    let mut writer = writer(folder);
    steps.iter().for_each(|step| assert!(run(&mut writer, step, MEMORY).is_ok()));
    writer.publish().unwrap();
}

fn user(user: u8) -> UserRow {
    UserRow {
        user,
        city: Some(user % 3),
        age: Some(20),
        tags: Some(vec![user % 4, 1]),
        is_deleted: user == 3,
    }
}

fn event(user: u8) -> EventRow {
    EventRow { user, event: user % 2, hour: user as i64 * 7, id: Some(1), amount: Some(user as i64) }
}

fn detail(user: u8) -> DetailRow {
    DetailRow { user, key: user, hour: Some(2), amount: None, is_deleted: false }
}

/// Users, events of several days, details, and new ids in later loads, so that indexes have runs.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let events =
        |users: std::ops::Range<u8>| Step::Events { rows: users.map(event).collect(), floats: false };
    let users =
        Step::Users { mode: Mode::Upsert, rows: (0..9).map(user).collect(), with_age: true, floats: false };
    let details = Step::Detail { rows: (0..9).map(detail).collect() };
    load(folder.path(), &[users, events(0..9), details]);
    load(folder.path(), &[events(9..12)]);
    folder
}

fn manifest_of(folder: &Path) -> Manifest {
    manifest::current(folder).unwrap().unwrap().0
}

fn derived(manifest: &Manifest) -> Vec<Part> {
    let parts = manifest.parts().into_iter();
    parts.filter(|part| is_derived(Path::new(&part.name))).cloned().collect()
}

fn compact(folder: &Path) -> Result<Compacted, Problems> {
    home(folder).compact(&environment(), &Quiet)
}

fn seen(folder: &Path) -> Vec<String> {
    dump(&home(folder).snapshot().unwrap()).unwrap()
}

/// Sums of the derived files, without the index runs, which become one.
fn sums(manifest: &Manifest) -> Vec<u64> {
    let days = manifest.days.values().map(|day| day.rollup.sum);
    days.chain(manifest.chunks.values().map(|chunk| chunk.bitmaps.sum)).collect()
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 0x08;
    std::fs::write(path, bytes).unwrap();
}

// proves: S2.16
#[test]
fn all_derived_files_come_back_bit_for_bit() {
    let world = world();
    let (folder, before) = (world.path(), seen(world.path()));
    let old = manifest_of(folder);
    let lost = derived(&old);
    assert!(lost.len() > 8, "{lost:?}");
    for (at, part) in lost.iter().enumerate() {
        let path = folder.join(&part.name);
        if at % 2 == 0 { std::fs::remove_file(path).unwrap() } else { flip(&path) }
    }
    assert_eq!(home(folder).check(&Quiet).unwrap_err().0.len(), lost.len());
    let done = compact(folder).unwrap();
    let new = manifest_of(folder);
    assert_eq!((done.rebuilt.len(), done.version), (lost.len(), old.version + 1));
    assert!(done.bytes_before < done.bytes_after);
    assert_eq!(sums(&old), sums(&new));
    assert_eq!((new.index.len(), new.tables["订单/明细"].index.len()), (1, 1));
    assert_eq!(seen(folder), before);
    assert_eq!(files(folder).len(), new.parts().len() + ["CURRENT", "lock", "manifest"].len());
    // A second time there is nothing to do.
    let again = compact(folder).unwrap();
    assert_eq!((again.rebuilt.len(), again.joined_runs, again.version), (0, 0, new.version));
}

#[test]
fn a_home_goes_on_loading_after_it() {
    let (ours, other) = (world(), world());
    for part in derived(&manifest_of(ours.path())) {
        std::fs::remove_file(ours.path().join(part.name)).unwrap();
    }
    compact(ours.path()).unwrap();
    let moved = DetailRow { key: 2, ..detail(8) };
    let more = [
        Step::Detail { rows: vec![moved, detail(10)] },
        Step::Events { rows: vec![event(5), event(20)], floats: true },
    ];
    load(ours.path(), &more);
    load(other.path(), &more);
    assert_eq!(seen(ours.path()), seen(other.path()));
}

#[test]
fn damaged_rows_are_all_named_and_nothing_is_changed() {
    let world = world();
    let folder = world.path();
    let old = manifest_of(folder);
    let (day, parts) = old.days.first_key_value().unwrap();
    let table = folder.join(&old.chunks[&0].table.name);
    flip(&folder.join(&parts.rows.name));
    flip(&table);
    std::fs::remove_file(folder.join(&parts.rollup.name)).unwrap();
    let problems = compact(folder).unwrap_err().0;
    let told: Vec<(&str, PathBuf)> = problems.iter().map(|p| (p.code, PathBuf::from(&p.at))).collect();
    assert_eq!(told, [("STO-013", folder.join(&parts.rows.name)), ("STO-013", table)], "{day}");
    assert!(
        problems[0].what.contains("has changed since it was written; nothing was changed"),
        "{problems:?}"
    );
    assert_eq!(manifest_of(folder), old);
}

#[test]
fn the_cure_of_a_derived_file_is_to_compact() {
    let world = world();
    let old = manifest_of(world.path());
    for part in old.parts() {
        let path = world.path().join(&part.name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let problem = home(world.path()).check(&Quiet).unwrap_err().0.remove(0);
        assert_eq!((problem.code, &problem.at), ("STO-002", &path.display().to_string()));
        assert_eq!(problem.cure.contains("quanke compact"), is_derived(Path::new(&part.name)), "{problem}");
        std::fs::write(&path, whole).unwrap();
    }
    assert_eq!(home(world.path()).check(&Quiet).unwrap().files, old.parts().len());
}

#[test]
fn an_empty_home_has_nothing_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(home(folder.path()).check(&Quiet).unwrap().files, 0);
    assert_eq!(compact(folder.path()).unwrap().version, 0);
}

#[test]
fn killed_at_any_file_operation_it_is_before_or_after() {
    let world = world();
    let before = seen(world.path());
    let old = manifest_of(world.path());
    for part in derived(&old) {
        std::fs::remove_file(world.path().join(part.name)).unwrap();
    }
    let attempt = |operations| {
        let folder = tempfile::tempdir().unwrap();
        copy(world.path(), folder.path());
        let fuse = Fuse::after(operations);
        let done = home(folder.path()).compact_on(&environment(), &Quiet, fuse.clone());
        (folder, done.is_ok(), fuse.left())
    };
    let (_, is_whole, left) = attempt(i64::MAX);
    assert!(is_whole && i64::MAX - left > 20);
    for operations in 0..i64::MAX - left {
        let (folder, ..) = attempt(operations);
        let found = manifest_of(folder.path());
        if found.version == old.version {
            assert_eq!(found, old, "at operation {operations}");
            compact(folder.path()).unwrap();
        }
        assert_eq!(manifest_of(folder.path()).version, old.version + 1);
        assert_eq!(seen(folder.path()), before, "at operation {operations}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever was loaded, and whatever derived file is lost.
    #[test]
    fn any_home_answers_the_same_after_it(steps in steps(), lost in proptest::collection::vec(any::<prop::sample::Index>(), 1..5)) {
        let world = tempfile::tempdir().unwrap();
        load(world.path(), &steps);
        let before = seen(world.path());
        if let Some((old, _held)) = manifest::current(world.path()).unwrap() {
            let derived = derived(&old);
            for part in lost.iter().filter(|_| !derived.is_empty()).map(|at| at.get(&derived)) {
                let _ = std::fs::remove_file(world.path().join(&part.name));
            }
            compact(world.path()).unwrap();
            prop_assert_eq!(sums(&manifest_of(world.path())), sums(&old));
        }
        prop_assert_eq!(seen(world.path()), before);
    }
}
