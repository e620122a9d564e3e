//! A damaged file is a problem that names it, never a panic, never a wrong answer from `verify`.

use std::path::Path;

use crate::base::{Outcome, Problem};
use crate::store::Mode;

use super::dump::dump;
use super::made::{DetailRow, EventRow, Step, UserRow, home, run, writer};

fn world(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut writer = writer(folder);
    let user = |user| UserRow {
        user,
        city: Some(user % 3),
        age: Some(7),
        tags: Some(vec![1, 2]),
        is_deleted: false,
    };
    let event = |user| EventRow { user, event: 0, hour: 1, id: Some(1), amount: Some(3) };
    let detail = |user| DetailRow { user, key: user, hour: Some(2), amount: None, is_deleted: false };
    let steps = [
        Step::Users { mode: Mode::Upsert, rows: (0..6).map(user).collect(), with_age: true, floats: false },
        Step::Events { rows: (0..6).map(event).collect(), floats: false },
        Step::Detail { rows: (0..6).map(detail).collect() },
        Step::Publish,
    ];
    steps.iter().for_each(|step| assert!(run(&mut writer, step, 1 << 30).is_ok()));
    let manifest = writer.snapshot().manifest().clone();
    manifest.parts().into_iter().map(|part| folder.join(&part.name)).collect()
}

/// Opens the home and reads everything, and what only a load reads.
fn read(folder: &Path) -> Outcome<Vec<String>> {
    let snapshot = home(folder).snapshot()?;
    let orders = &snapshot.manifest().tables["订单/明细"];
    crate::store::index::Index::open(folder, &orders.index)?;
    dump(&snapshot)
}

/// Data without `CURRENT` is a damaged home, never an empty one that a load may sweep.
#[test]
fn a_lost_current_is_told_and_nothing_is_swept() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    world(folder);
    std::fs::remove_file(folder.join("CURRENT")).unwrap();
    let before = super::crash::files(folder).len();
    let home = home(folder);
    assert_eq!(home.snapshot().err().map(|p| p.code), Some("STO-002"));
    let environment =
        crate::base::Environment { now: crate::base::Timestamp(0), seed: 1, process: "x".into() };
    assert_eq!(
        home.writer(&environment, crate::base::Zone::default()).err().map(|p| p.code),
        Some("STO-002")
    );
    assert_eq!(super::crash::files(folder).len(), before);
}

#[test]
fn a_file_cut_short_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in world(folder.path()) {
        let whole = std::fs::read(&path).unwrap();
        for bytes in [0, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..bytes]).unwrap();
            let problem: Problem = read(folder.path()).unwrap_err();
            assert_eq!(problem.code, "STO-002", "{problem}");
            assert_eq!(problem.at, path.display().to_string());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(read(folder.path()).unwrap_err().what.contains("missing"));
        std::fs::write(&path, whole).unwrap();
    }
    read(folder.path()).unwrap();
}

/// The sets of users are read whole, so their sums are checked whenever a home is opened: another user
/// in one of them, in bytes that can be read, is no user of the universe.
#[test]
fn a_changed_set_of_users_is_told_when_the_home_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let paths = world(folder.path());
    let sets: Vec<_> =
        paths.iter().filter(|path| path.extension().is_some_and(|end| end == "roaring")).collect();
    assert_eq!(sets.len(), 3);
    for path in sets {
        let whole = std::fs::read(path).unwrap();
        let mut bytes = whole.clone();
        let users = roaring::RoaringBitmap::deserialize_from(&bytes[..]).unwrap();
        match users.is_empty() {
            true => bytes[0] ^= 1,
            false => bytes[whole.len() - 2] ^= 8,
        }
        std::fs::write(path, &bytes).unwrap();
        let problem = home(folder.path()).snapshot().err().unwrap();
        assert_eq!((problem.code, problem.at), ("STO-002", path.display().to_string()));
        std::fs::write(path, whole).unwrap();
    }
    read(folder.path()).unwrap();
}

#[test]
fn a_changed_byte_is_found_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let paths = world(folder.path());
    let snapshot = home(folder.path()).snapshot().unwrap();
    assert_eq!(snapshot.verify().unwrap().files, paths.len());
    drop(snapshot);
    for path in paths {
        let whole = std::fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        bytes[whole.len() / 3] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(snapshot) = home(folder.path()).snapshot() {
            let problems = snapshot.verify().unwrap_err().0;
            assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["STO-002"]);
            assert_eq!(problems[0].at, path.display().to_string());
        }
        std::fs::write(&path, whole).unwrap();
    }
}
