//! Crowds over an empty home: what does not need users. The life with users is told through the
//! command line, in `cli::tests`.

use std::collections::BTreeSet;

use roaring::RoaringBitmap;
use tempfile::TempDir;

use super::registry::Change;
use super::*;
use crate::base::{Outcome, Quiet, Timestamp, Zone};
use crate::store::{Home, Snapshot};

const NOW: Timestamp = Timestamp(1_000_000);

struct Bench {
    _folder: TempDir,
    home: Home,
    audiences: Audiences,
    snapshot: Snapshot,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path(), "default").unwrap();
    let audiences = Audiences::open(&home).unwrap();
    let snapshot = home.snapshot().unwrap();
    Bench { _folder: folder, home, audiences, snapshot }
}

fn creation<'c>(name: &'c str, rule: &'c str) -> Creation<'c> {
    Creation {
        name,
        rule,
        update: None,
        as_of: NOW,
        owner: None,
        is_listed: true,
        is_redefined: false,
        guard: None,
    }
}

impl Bench {
    fn job(&self) -> Job<'_> {
        Job { snapshot: &self.snapshot, now: NOW, pace: &Quiet }
    }

    fn create(&mut self, creation: &Creation) -> Made {
        let job = Job { snapshot: &self.snapshot, now: NOW, pace: &Quiet };
        self.audiences.create(creation, job).unwrap()
    }

    fn change<T>(&mut self, work: impl FnOnce(&Change) -> Outcome<T>) -> T {
        self.audiences.registry.change(work).unwrap()
    }
}

#[test]
fn a_version_whose_maker_died_is_cancelled_and_its_file_goes() {
    let mut bench = bench();
    bench.create(&creation("a", "all ()"));
    let dead = CrowdVersion { no: 2, ..version::tests::version(2, 5, State::Computing) };
    let users = RoaringBitmap::from([1, 2]);
    bench.change(|change| change.put_version(1, &dead));
    let files = bench.audiences.registry.files.clone();
    files.write(1, 2, &users).unwrap();
    let (again, job) = (bench.home.clone(), Job { snapshot: &bench.snapshot, now: NOW, pace: &Quiet });
    let mut other = Audiences::open(&again).unwrap();
    let made = other.refresh("a", NOW, job).unwrap();
    assert_eq!(made.version.no, 3);
    let states: Vec<State> = other.show("a", NOW).unwrap().versions.iter().map(|v| v.state).collect();
    assert_eq!(states, [State::Complete, State::Cancelled, State::Complete]);
    assert!(!bench.home.dir().join("crowds/1/v000002.roaring").exists());
}

#[test]
fn a_version_whose_maker_lives_is_left_alone() {
    let mut bench = bench();
    bench.create(&creation("a", "all ()"));
    let alive = version::tests::version(2, 5, State::Computing);
    let mark = bench.audiences.registry.files.mark(1, 2).unwrap();
    bench.change(|change| change.put_version(1, &alive));
    let job = Job { snapshot: &bench.snapshot, now: NOW, pace: &Quiet };
    assert_eq!(bench.audiences.refresh("a", NOW, job).unwrap().version.no, 3);
    let versions = bench.audiences.show("a", NOW).unwrap().versions;
    assert_eq!(versions[1].state, State::Computing);
    drop(mark);
}

// proves: S2.26
#[test]
fn an_audience_that_is_not_listed_is_neither_seen_nor_reused() {
    let mut bench = bench();
    let private = Creation { owner: Some("t1"), is_listed: false, ..creation("任务+t1", "all ()") };
    bench.create(&private);
    assert!(bench.audiences.list(NOW).unwrap().is_empty());
    let selection = "crowd '任务+t1'".parse().unwrap();
    assert!(bench.audiences.evaluate(&selection, NOW, &bench.snapshot).is_err());
    let (version, _) = bench.audiences.users_at("任务+t1", NOW).unwrap();
    assert_eq!(version.no, 1, "its own task still finds it");
}

#[test]
fn a_crowd_without_a_complete_version_is_a_problem() {
    let mut bench = bench();
    bench.change(|change| change.add_crowd("空", Update::OnDemand, None, true, NOW));
    let selection = "crowd '空'".parse().unwrap();
    let found = bench.audiences.evaluate(&selection, NOW, &bench.snapshot).unwrap_err();
    assert_eq!(found.0[0].code, "CRD-007");
    assert_eq!(bench.audiences.users("空", None).unwrap_err().code, "CRD-007");
}

#[test]
fn a_crowd_that_tasks_use_is_not_deleted_and_reports_keep_their_versions() {
    let mut bench = bench();
    bench.create(&creation("a", "all ()"));
    bench.audiences.refresh("a", NOW, Job { snapshot: &bench.snapshot, now: NOW, pace: &Quiet }).unwrap();
    let problem = bench.audiences.delete("a", &["提醒".to_string()], &BTreeSet::new(), NOW).unwrap_err();
    assert_eq!(problem.code, "CRD-006");
    assert!(problem.what.ends_with("task '提醒'"), "{}", problem.what);
    bench.audiences.delete("a", &[], &BTreeSet::from([2]), NOW).unwrap();
    let exists = |file: &str| bench.home.dir().join(file).exists();
    assert!(!exists("crowds/1/v000001.roaring") && exists("crowds/1/v000002.roaring"));
    assert_eq!(bench.audiences.show("a", NOW).unwrap_err().code, "CRD-002");
}

#[test]
fn two_openings_of_one_home_take_turns() {
    let mut bench = bench();
    bench.create(&creation("a", "all ()"));
    let mut other = Audiences::open(&bench.home).unwrap();
    for no in 2..6 {
        let audiences = if no % 2 == 0 { &mut other } else { &mut bench.audiences };
        let job = Job { snapshot: &bench.snapshot, now: NOW, pace: &Quiet };
        assert_eq!(audiences.refresh("a", NOW, job).unwrap().version.no, no);
    }
}

// proves: S2.29
#[test]
fn the_daily_round_refreshes_daily_crowds_only() {
    let mut bench = bench();
    for (name, update) in [("一次", Update::Once), ("每天", Update::Daily), ("按需", Update::OnDemand)]
    {
        bench.create(&Creation { update: Some(update), ..creation(name, "all ()") });
    }
    let job = Job { snapshot: &bench.snapshot, now: NOW, pace: &Quiet };
    let (at, as_of) = (NOW.plus(10), NOW.plus(5));
    let job = Job { now: at, ..job };
    bench.audiences.queue_daily(at, as_of, &|_| true).unwrap();
    let queued = bench.audiences.queued(&Deadlines::new()).unwrap();
    let names: Vec<&str> = queued.iter().map(|one| one.crowd.as_str()).collect();
    assert_eq!(names, ["每天"]);
    let (_, made) = bench.audiences.refresh_queued(&queued[0], job).unwrap().unwrap();
    assert_eq!(made.unwrap().version.no, 2);
    assert!(!bench.audiences.has_queued().unwrap());
    bench.audiences.queue_daily(at, as_of, &|_| true).unwrap();
    assert!(!bench.audiences.has_queued().unwrap(), "it was made already");
}

#[test]
fn an_upload_can_be_appended_to() {
    let mut bench = bench();
    let job = Job { snapshot: &bench.snapshot, now: NOW, pace: &Quiet };
    bench.audiences.import("名单", RoaringBitmap::from([1, 2]), false, job).unwrap();
    let made = bench.audiences.import("名单", RoaringBitmap::from([2, 3]), true, job).unwrap();
    assert_eq!((made.version.no, made.version.size, made.change), (2, 3, Some(1)));
    let diff = bench.audiences.diff("名单", None, None, &Zone::default()).unwrap();
    assert_eq!((diff.moved.entered.iter().collect::<Vec<_>>(), diff.moved.left.len()), (vec![3], 0));
    assert_eq!(bench.job().now, NOW);
}
