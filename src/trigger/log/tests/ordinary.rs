//! What does the log do on a good day?

use proptest::prelude::*;

use super::super::*;
use super::world::{Act, World, records_of, sections, settings, shared};
use crate::base::Timestamp;

fn opened(disk: &SimulatedDisk, settings: &Settings) -> Log {
    Log::open(shared(disk), settings).expect("nothing fails here").0
}

fn put(log: &mut Log, bytes: &[u8]) -> u64 {
    log.append(1, bytes, Timestamp(0)).expect("it fits").position
}

#[test]
fn a_record_is_durable_after_the_commit_and_not_before() {
    let disk = SimulatedDisk::new(1);
    let mut log = opened(&disk, &settings());
    assert_eq!(put(&mut log, b"one"), 0);
    assert_eq!(put(&mut log, b"two"), 1);
    assert_eq!((log.durable(), log.end()), (Durable { until: 0 }, 2));
    assert_eq!(log.read(0).and_then(records_of), Ok(vec![]));
    assert_eq!(log.commit(), Ok(Durable { until: 2 }));
    assert_eq!(log.read(1).and_then(records_of), Ok(vec![(1, b"two".to_vec())]));
}

#[test]
fn log_readers_and_snapshots_may_live_on_other_threads() {
    fn may_move<T: Send + 'static>() {}
    may_move::<Log>();
    may_move::<Reader>();
    may_move::<SnapshotWriter>();
    may_move::<SnapshotReader>();
}

#[test]
fn a_group_goes_out_when_it_is_large_or_old_enough() {
    let mut log = opened(&SimulatedDisk::new(1), &settings());
    let at = |ms: i64| Timestamp(1_000 + ms);
    log.append(1, b"first", at(0)).expect("it fits");
    log.append(1, b"second", at(4)).expect("it fits");
    assert_eq!(log.due_at(), Some(at(5)));
    assert_eq!(log.commit_if_due(at(4)), Ok(Durable { until: 0 }));
    assert_eq!(log.commit_if_due(at(5)), Ok(Durable { until: 2 }));
    assert_eq!((log.due_at(), log.waiting_bytes()), (None, 0));
    log.append(1, &[7; 200], at(6)).expect("it fits");
    assert_eq!(log.commit_if_due(at(6)), Ok(Durable { until: 3 }));
}

#[test]
fn a_record_that_no_group_can_hold_is_refused() {
    let mut log = opened(&SimulatedDisk::new(1), &settings());
    put(&mut log, b"small");
    let problem = log.append(1, &vec![0; 64 << 20], Timestamp(0)).expect_err("too large");
    assert_eq!(problem.code, "LOG-008");
    assert_eq!(log.commit(), Ok(Durable { until: 1 }));
}

#[test]
fn after_a_failed_sync_everything_is_refused() {
    let disk = SimulatedDisk::new(1);
    let mut log = opened(&disk, &settings());
    put(&mut log, b"first");
    disk.fault_at(disk.operations(), Fault::SyncFails);
    let said = log.commit().expect_err("the sync failed");
    assert!(said.code == "LOG-002" && said.what.contains("records before 0 are safe"), "{said}");
    assert_eq!(log.append(1, b"x", Timestamp(0)), Err(said.clone()));
    assert_eq!(log.commit(), Err(said.clone()));
    assert_eq!(log.snapshot(0).err(), Some(said.clone()));
    assert_eq!(log.durable().until, 0);
    assert_eq!(log.close(), Err(said));
}

#[test]
fn a_full_disk_is_said_and_the_records_wait() {
    let disk = SimulatedDisk::new(1);
    let mut log = opened(&disk, &settings());
    put(&mut log, b"first");
    disk.fault_at(disk.operations(), Fault::Full { operations: 3 });
    for _ in 0..3 {
        let said = log.commit().expect_err("no space");
        assert!(said.code == "LOG-001" && said.cure.contains("free some disk space"), "{said}");
        put(&mut log, b"more");
    }
    assert_eq!(log.commit(), Ok(Durable { until: 4 }));
    drop(log);
    disk.restart();
    assert_eq!(opened(&disk, &settings()).end(), 4);
}

#[test]
fn an_older_writer_is_refused_and_a_replaced_one_stops() {
    let disk = SimulatedDisk::new(1);
    let token = |epoch| Settings { epoch: Some(epoch), ..settings() };
    let mut old = opened(&disk, &token(4));
    put(&mut old, b"kept");
    old.commit().expect("it is the newest");
    let mut new = opened(&disk, &token(7));
    assert_eq!(Log::open(shared(&disk), &token(6)).err().map(|p| p.code), Some("LOG-007"));
    put(&mut old, b"never acknowledged");
    assert_eq!(old.commit().map_err(|p| p.code), Err("LOG-007"));
    assert_eq!(old.append(1, b"x", Timestamp(0)).map_err(|p| p.code), Err("LOG-007"));
    assert_eq!(put(&mut new, b"new"), 1);
    new.commit().expect("it is the newest");
    let found = survey(&shared(&disk), "圈客", 0, None).expect("it can be read");
    let records = found.read(0).and_then(records_of);
    assert_eq!(records, Ok(vec![(0, b"kept".to_vec()), (1, b"new".to_vec())]));
    assert_eq!((found.epoch, opened(&disk, &settings()).epoch()), (7, 8));
}

#[test]
fn a_replaced_writer_that_turns_its_segment_does_no_harm() {
    let disk = SimulatedDisk::new(1);
    let mut old = opened(&disk, &settings());
    put(&mut old, &[1; 300]);
    old.commit().expect("it is the newest");
    let mut new = opened(&disk, &settings());
    put(&mut old, &[2; 300]);
    assert!(old.commit().is_err());
    put(&mut new, &[3; 300]);
    new.commit().expect("it is the newest");
    let found = survey(&shared(&disk), "圈客", 2, None).expect("it can be read");
    assert_eq!(found.damage, None);
    assert_eq!(found.read(1).and_then(records_of), Ok(vec![(1, vec![3; 300])]));
}

#[test]
fn a_torn_tail_is_said_with_file_and_bytes() {
    let disk = SimulatedDisk::new(1);
    let mut log = opened(&disk, &settings());
    put(&mut log, b"kept");
    log.commit().expect("nothing fails");
    let name = disk.names().into_iter().find(|name| name.ends_with(".log")).expect("a segment");
    let whole = disk.content(&name).expect("it is there").len();
    put(&mut log, &[5; 60]);
    log.commit().expect("nothing fails");
    drop(log);
    disk.cut(&name, whole + 70);
    let (log, found) = Log::open(shared(&disk), &settings()).expect("a crash is no damage");
    assert_eq!(found.cut, Some(Cut { file: name.clone(), offset: whole as u64, bytes: 70 }));
    assert_eq!((found.notes[0].code, found.notes[0].at.as_str()), ("LOG-010", name.as_str()));
    assert_eq!((found.end, log.durable().until), (1, 1));
}

#[test]
fn old_segments_go_when_neither_snapshots_nor_readers_need_them() {
    let mut world = World::new(1);
    let mut log = world.open().expect("nothing fails here");
    let some = [Act::Append(300), Act::Commit, Act::Append(300), Act::Commit];
    let segments = |world: &World| world.disk.names().iter().filter(|name| name.ends_with(".log")).count();
    log.keep("history", 1);
    for _ in 0..4 {
        log = world.run_on(log, &mut some.into_iter().chain([Act::Snapshot])).expect("nothing fails here");
    }
    assert_eq!(world.disk.names().iter().filter(|name| name.ends_with(".snapshot")).count(), 2);
    assert_eq!((segments(&world), log.read(1).and_then(records_of).map(|all| all.len())), (7, Ok(7)));
    log.release("history");
    log = world.run_on(log, &mut [Act::Snapshot].into_iter()).expect("nothing fails here");
    assert_eq!(segments(&world), 2);
    assert_eq!(log.read(1).err().map(|problem| problem.code), Some("LOG-004"));
}

#[test]
fn a_snapshot_is_written_in_parts_beside_the_log() {
    let disk = SimulatedDisk::new(1);
    let mut log = opened(&disk, &settings());
    put(&mut log, b"in it");
    log.commit().expect("nothing fails");
    let mut writer = log.snapshot(1).expect("nothing fails");
    let large: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    writer.begin_section("计数").expect("nothing fails");
    for part in large.chunks(700_001) {
        writer.write(part).expect("nothing fails");
        put(&mut log, b"not in it");
        log.commit().expect("nothing fails");
    }
    let written = writer.finish().expect("nothing fails");
    assert_eq!(survey(&shared(&disk), "圈客", 0, None).map(|found| found.snapshot), Ok(None));
    log.publish(written).expect("nothing fails");
    let found = survey(&shared(&disk), "圈客", 0, None).expect("it can be read");
    assert_eq!((found.snapshot, found.start), (Some(1), 1));
    let sections = log.open_snapshot(1).and_then(SnapshotReader::sections);
    assert_eq!(sections, Ok(vec![("计数".to_string(), large)]));
}

#[test]
fn a_snapshot_of_records_that_are_not_durable_is_not_published() {
    let mut log = opened(&SimulatedDisk::new(1), &settings());
    put(&mut log, b"waits");
    let written = log.snapshot(1).and_then(SnapshotWriter::finish).expect("nothing fails");
    assert_eq!(log.publish(written).map_err(|p| p.code), Err("BUG-001"));
}

#[test]
fn a_real_folder_does_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = || -> std::sync::Arc<dyn Disk> {
        std::sync::Arc::new(RealDisk::open(&folder.path().join("log")).expect("a folder"))
    };
    let mut records = Vec::new();
    for life in 0..4u8 {
        let (mut log, found) = Log::open(disk(), &settings()).expect("nothing fails");
        assert_eq!(found.end, records.len() as u64);
        for n in 0..5u8 {
            records.push(vec![life; usize::from(n) * 40]);
            put(&mut log, &records[records.len() - 1]);
            log.commit().expect("nothing fails");
        }
        let mut writer = log.snapshot(log.end()).expect("nothing fails");
        for (name, bytes) in sections(&records) {
            writer.section(&name, &bytes).expect("nothing fails");
        }
        writer.finish().and_then(|written| log.publish(written)).expect("nothing fails");
        let read = log.read(found.start).and_then(records_of).expect("all is there");
        assert!(read.iter().all(|(at, bytes)| *bytes == records[*at as usize]));
        assert_eq!(log.open_snapshot(log.end()).and_then(SnapshotReader::sections), Ok(sections(&records)));
        if life % 2 == 0 {
            log.close().expect("nothing fails");
        }
    }
}

proptest! {
    #[test]
    fn bytes_that_nobody_wrote_never_panic(
        seed: u64,
        name in prop_oneof![Just("00000000000000000000-00000001.log"), Just("00000000000000000003.snapshot")],
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let disk = SimulatedDisk::new(seed);
        shared(&disk).create(name).and_then(|mut file| file.append(&bytes)).expect("there is room");
        let found = survey(&shared(&disk), "圈客", 0, None);
        prop_assert!(found.is_ok_and(|found| found.end == 0));
    }
}
