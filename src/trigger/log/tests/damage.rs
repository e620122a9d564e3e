//! What is said when bytes are not as they were written, and what can still be had?

use std::sync::Arc;

use super::super::*;
use super::world::{Act, World, records_of, sections, settings, shared};

/// A log of some segments and two snapshots, and what was written to it.
fn written(acts: &[Act], is_closed: bool) -> World {
    use Act::{Append, Commit};
    let mut world = World::new(1);
    let all = [&[Append(90), Append(20), Commit, Append(100), Commit, Append(200), Commit], acts].concat();
    let mut acts =
        all.into_iter().chain([Append(24), Commit, Append(150), Commit, Append(40), Append(0), Commit]);
    let log = world.open().and_then(|log| world.run_on(log, &mut acts)).expect("nothing fails here");
    if is_closed {
        log.close().expect("nothing fails here");
    }
    world
}

/// The log with two snapshots.
fn with_snapshots(is_closed: bool) -> World {
    written(&[Act::Snapshot, Act::Append(60), Act::Commit, Act::Snapshot], is_closed)
}

fn look(world: &World) -> crate::base::Outcome<Survey> {
    survey(&shared(&world.disk), "圈客", 0, None)
}

/// Everything that a start would use is as it was written, or it is said that it is not.
fn is_never_silent(world: &World, flipped: &str) {
    let found = match look(world) {
        Ok(found) => found,
        Err(problem) => return assert_eq!(problem.code, "LOG-006", "{flipped}: {problem}"),
    };
    let records = &world.twin.records;
    let is_short = (found.end as usize) < records.len();
    assert!(!is_short || found.damage.is_some() || found.cut.is_some(), "{flipped}");
    if let Some(snapshot) = found.open_snapshot().expect("it was whole") {
        assert_eq!(snapshot.sections().expect("it was whole"), sections(&records[..found.start as usize]));
    }
    let from = found.start.min(found.end);
    let read = found.read(from).and_then(records_of);
    for (position, bytes) in read.unwrap_or_default() {
        assert_eq!(bytes, records[position as usize], "{flipped}");
    }
}

/// Each byte of each file is changed in turn.
fn flip_everywhere(world: &World, mut check: impl FnMut(&World, &str)) {
    for name in world.disk.names() {
        for byte in 0.. {
            if !world.disk.flip(&name, byte, 1 << (byte % 8)) {
                break;
            }
            check(world, &format!("{name} byte {byte}"));
            world.disk.flip(&name, byte, 1 << (byte % 8));
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_is_never_silent() {
    for world in [written(&[], false), written(&[], true), with_snapshots(false), with_snapshots(true)] {
        flip_everywhere(&world, is_never_silent);
    }
}

#[test]
fn a_flipped_bit_before_the_last_group_is_damage_and_names_its_file() {
    let world = written(&[], true);
    let mut damaged = 0;
    flip_everywhere(&world, |world, flipped| {
        let found = look(world).expect("it can be read");
        match &found.damage {
            Some(problem) => {
                assert_eq!(problem.code, "LOG-003");
                assert!(flipped.starts_with(&problem.at) && problem.what.contains("at byte"), "{problem}");
                damaged += 1;
            }
            // The mark of a closed log may be lost.
            None => assert_eq!(found.end as usize, world.twin.records.len(), "{flipped}"),
        }
    });
    let bytes: usize =
        world.disk.names().iter().filter_map(|name| world.disk.content(name)).map(|c| c.len()).sum();
    assert_eq!(damaged, bytes - 40);
}

#[test]
fn with_what_the_ledger_knows_the_last_group_is_covered_as_well() {
    let world = written(&[], false);
    let all = world.twin.records.len() as u64;
    flip_everywhere(&world, |world, flipped| {
        let found = survey(&shared(&world.disk), "圈客", all, None).expect("it can be read");
        let code = found.damage.map(|problem| problem.code);
        assert!(matches!(code, Some("LOG-003" | "LOG-005")), "{flipped}: {code:?}");
    });
}

#[test]
fn a_damaged_snapshot_is_said_and_the_one_before_is_used() {
    let mut world = with_snapshots(false);
    let snapshots: Vec<String> =
        world.disk.names().into_iter().filter(|name| name.ends_with(".snapshot")).collect();
    assert_eq!(snapshots.len(), 2);
    let whole = look(&world).expect("it can be read").start;
    world.disk.flip(&snapshots[1], 70, 1);
    let (log, found) = Log::open(shared(&world.disk), &settings()).expect("the one before is whole");
    assert!(found.start < whole && found.snapshot == Some(found.start));
    assert_eq!((found.notes[0].code, found.notes[0].at.as_str()), ("LOG-011", snapshots[1].as_str()));
    let read = log.read(found.start).and_then(records_of).expect("all is there");
    assert_eq!(read.len() as u64, found.end - found.start);
    drop(log);
    // A later clean-up takes the damaged one away.
    world.twin.snapshot = 0;
    world.disk.restart();
    world.disk.flip(&snapshots[1], 70, 1);
    world.live(&[Act::Append(1), Act::Commit, Act::Snapshot]);
    assert!(!world.disk.names().contains(&snapshots[0]));
}

#[test]
fn damage_before_the_snapshot_is_said_and_passed_over() {
    use Act::{Append, Commit, Snapshot};
    let mut world = World::new(1);
    let small = [Append(40), Commit, Append(40), Commit, Append(40), Commit];
    let acts = [&small[..], &[Snapshot, Append(24), Commit]].concat();
    let run = world.open().and_then(|log| world.run_on(log, &mut acts.into_iter()));
    drop(run.expect("nothing fails here"));
    let segment = world.disk.names().into_iter().find(|name| name.ends_with(".log")).expect("a segment");
    let at = |group: usize| 48 + group * 86 + 50;
    for group in 0..3 {
        world.disk.flip(&segment, at(group), 1);
        let found = look(&world).expect("it can be read");
        assert_eq!((found.damage.clone(), found.start, found.end), (None, 3, 4));
        assert!(found.notes.iter().all(|note| note.code == "LOG-003"));
        assert_eq!(found.notes.len(), group + 1);
        assert_eq!(found.read(3).and_then(records_of), Ok(vec![(3, world.twin.records[3].clone())]));
        assert_eq!(found.read(0).and_then(records_of).map_err(|p| p.code), Err("LOG-003"));
    }
}

#[test]
fn a_missing_segment_is_said_with_what_is_whole() {
    let world = written(&[], true);
    let segments: Vec<String> = world.disk.names().into_iter().filter(|n| n.ends_with(".log")).collect();
    assert!(segments.len() > 2, "{segments:?}");
    shared(&world.disk).remove(&segments[1]).expect("it is there");
    let problem = Log::open(shared(&world.disk), &settings()).err().expect("a hole");
    assert_eq!(problem.code, "LOG-004");
    let end = look(&world).expect("it can be read").end;
    assert!(problem.what.contains(&format!("records from {end} to")), "{problem}");
    assert!(problem.cure.ends_with(&format!("recover up to {end}")), "{problem}");
    shared(&world.disk).remove(&segments[0]).expect("it is there");
    let beginning = look(&world).expect("it can be read").damage;
    assert!(beginning.is_some_and(|p| p.code == "LOG-004" && p.what.contains("records from 0 to")));
}

#[test]
fn a_segment_that_somebody_cut_is_not_taken_for_a_crash() {
    let world = written(&[], true);
    let first = world.disk.names().into_iter().find(|name| name.ends_with(".log")).expect("a segment");
    let bytes = world.disk.content(&first).expect("it is there").len();
    for length in 0..bytes {
        let copy = written(&[], true);
        copy.disk.cut(&first, length);
        let damage = look(&copy).expect("it can be read").damage.expect("records are lost");
        assert!(["LOG-003", "LOG-004"].contains(&damage.code), "{length}: {damage}");
    }
}

#[test]
fn an_operator_may_give_up_what_follows_damage() {
    let damaged = |at: usize| {
        let world = written(&[], true);
        let first = world.disk.names().into_iter().find(|name| name.ends_with(".log")).expect("a segment");
        world.disk.flip(&first, at, 1);
        world
    };
    let mut world = damaged(250);
    let problem = Log::open(shared(&world.disk), &settings()).err().expect("damage");
    assert_eq!(problem.code, "LOG-003");
    let whole = look(&world).expect("it can be read").end;
    assert!(whole > 0 && whole < world.twin.records.len() as u64);

    let too_far = Settings { up_to: Some(whole + 1), ..settings() };
    let refused = Log::open(shared(&world.disk), &too_far).err().expect("more than is whole");
    assert_eq!(refused.code, "LOG-009");

    // Also in the middle of a group.
    for up_to in 0..=whole {
        let mut world = damaged(250);
        let given_up = Settings { up_to: Some(up_to), ..settings() };
        let (log, found) = Log::open(shared(&world.disk), &given_up).expect("it is whole so far");
        assert!(found.end == up_to && found.aside.iter().all(|name| name.ends_with(".aside")));
        drop(log);
        world.disk.restart();
        world.twin.records.truncate(up_to as usize);
        world.twin.durable = up_to;
        world.live(&[Act::Append(3), Act::Commit, Act::Append(500), Act::Commit]);
    }
    world.disk.restart();
    assert_eq!(world.open().err().map(|problem| problem.code), Some("LOG-003"), "nothing is decided alone");
}

#[test]
fn a_snapshot_that_is_ahead_of_the_log_shows_that_records_are_lost() {
    let world = with_snapshots(false);
    let last = world.disk.names().into_iter().rfind(|name| name.ends_with(".log")).expect("a segment");
    world.disk.flip(&last, 60, 1);
    let disk: Arc<dyn Disk> = shared(&world.disk);
    for name in world.disk.names().into_iter().filter(|n| n.ends_with(".log") && *n != last) {
        disk.remove(&name).expect("it is there");
    }
    let damage = look(&world).expect("it can be read").damage.expect("records are lost");
    assert!(["LOG-003", "LOG-004", "LOG-005"].contains(&damage.code), "{damage}");
    disk.remove(&last).expect("it is there");
    let damage = look(&world).expect("it can be read").damage.expect("records are lost");
    assert_eq!(damage.code, "LOG-004");
}

#[test]
fn a_log_of_another_app_or_of_a_newer_program_is_refused() {
    let world = with_snapshots(true);
    let other = Settings { app: "other".to_string(), ..settings() };
    assert_eq!(Log::open(shared(&world.disk), &other).err().map(|p| p.code), Some("LOG-006"));
    let segments: Vec<String> = world.disk.names().into_iter().filter(|n| n.ends_with(".log")).collect();
    for name in segments {
        let mut bytes = world.disk.content(&name).expect("it is there");
        bytes[8] = 2;
        let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..40]);
        bytes[40..48].copy_from_slice(&sum.to_le_bytes());
        shared(&world.disk).create(&name).and_then(|mut file| file.append(&bytes)).expect("there is room");
    }
    let newer = Log::open(shared(&world.disk), &settings()).err().expect("form 2");
    assert!(newer.code == "LOG-006" && newer.what.contains("form 2"), "{newer}");
}
