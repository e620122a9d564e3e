//! What leaves, and what state is left, when the process ends at any moment?

use crate::base::{UserNo, Zone};
use crate::task::rule::{Absence, Again, AudienceAt, Count, LateB, OnEnd, Reach, Rule};

use super::super::log::{Fault, SimulatedDisk};
use super::super::{Columns, End, IdCode, Version};
use super::*;

const HOUR: i64 = 3_600_000;

fn open(disk: &SimulatedDisk, known: Option<Place>) -> Outcome<Opened> {
    Triggers::open(Arc::new(disk.clone()), "default", known, 2)
}

fn rule() -> Rule {
    let absence = Absence {
        not_done: "share".into(),
        gap_ms: 20 * 60_000,
        again: Again::First,
        same: None,
        late_b: LateB::Cancel,
    };
    Rule {
        did: "view".into(),
        absence: Some(absence),
        from: None,
        to: None,
        count: Count::Every(1),
        count_history: false,
        reach: Reach::Delay(0),
        fires_max: None,
        gap_min_ms: 0,
        audience_at: AudienceAt::Fire,
        recheck: None,
        on_end: OnEnd::Drop,
    }
}

/// Records that name things; a log that was cut among them gets the rest.
const NAMED: u64 = 6;

/// Users view, every third of them shares: the names are written, the records of what happened given.
fn story(triggers: &mut Triggers, hours: i64) -> Outcome<Vec<Entry>> {
    let (now, zone) = (Timestamp(0), Zone::default());
    let task = triggers.task("t1", now)?;
    let did = triggers.predicate(Some("view"), "view", now)?;
    let not_done = triggers.predicate(Some("share"), "share", now)?;
    let source = if triggers.names().sources().is_empty() { triggers.source("-", now)? } else { 0 };
    let version = Version {
        version: 1,
        rule: rule(),
        did,
        not_done: Some(not_done),
        same: None,
        start: now,
        end: Timestamp(48 * HOUR),
        grace_ms: HOUR,
        is_held_in_pause: false,
        zone,
    };
    let mut all = vec![
        Entry::Tick { now },
        Entry::Install { task, version: Box::new(version) },
        Entry::Audience { task, users: None },
    ];
    for hour in 0..hours {
        let mut columns = Columns::default();
        for user in 0..9u32 {
            fact(&mut columns, user, hour * HOUR + i64::from(user) * (1 + 4 * 60_000), did);
            if user % 3 == 0 {
                fact(&mut columns, user, hour * HOUR + (1 + i64::from(user) * 4) * 60_000, not_done);
            }
        }
        all.push(Entry::Facts { source, read_to: hour as u64, columns: Box::new(columns) });
        let to = Timestamp((hour + 1) * HOUR - 1);
        all.extend([Entry::Tick { now: to }, Entry::Watermark { source, to }]);
    }
    Ok(all)
}

fn fact(columns: &mut Columns, user: UserNo, at: i64, of: Predicate) {
    columns.users.push(user);
    columns.times.push(at);
    columns.arrivals.push(at);
    columns.events.push(of.event);
    columns.masks.push(1 << of.bit);
    columns.ids.push(IdCode::of(&format!("e{user}-{at}"), &mut columns.texts));
}

/// Goes on where the log ends; what leaves is kept also when the disk goes.
fn run(disk: &SimulatedDisk, left: &mut Vec<Numbered>) -> Outcome<u128> {
    run_for(disk, left, 3, None)
}

/// So many hours of the story, a snapshot after every so many records and a new life after every hour.
fn run_for(
    disk: &SimulatedDisk,
    left: &mut Vec<Numbered>,
    hours: i64,
    snapshots: Option<usize>,
) -> Outcome<u128> {
    let Opened { mut triggers, again, .. } = open(disk, left.last().map(|one| one.place))?;
    left.extend(again);
    let all = story(&mut triggers, hours)?;
    left.extend(triggers.commit()?);
    let done = triggers.log.end().saturating_sub(NAMED) as usize;
    for (place, entry) in all.into_iter().enumerate().skip(done) {
        triggers.take(entry, Timestamp(0))?;
        left.extend(triggers.commit()?);
        if snapshots.is_some_and(|every| place % every == every - 1) {
            triggers.snapshot(left.last().map(|one| one.place))?;
            drop(triggers);
            triggers = open(disk, left.last().map(|one| one.place))?.triggers;
        }
    }
    Ok(triggers.state.digest())
}

fn files(disk: &SimulatedDisk, ending: &str) -> Vec<String> {
    disk.names().into_iter().filter(|name| name.ends_with(ending)).collect()
}

// proves: S2.47
#[test]
fn a_crash_at_any_operation_loses_and_doubles_no_decision() {
    let (whole, mut expected) = (SimulatedDisk::new(7), Vec::new());
    let digest = run(&whole, &mut expected).unwrap();
    let released = expected.iter().filter(|one| matches!(one.decision.end, End::Released { .. }));
    assert_eq!(released.count(), 18, "six of nine users, three times");
    for operation in 0..whole.operations() {
        let (disk, mut left) = (SimulatedDisk::new(operation), Vec::new());
        disk.fault_at(operation, Fault::Crash);
        let before = run(&disk, &mut left);
        disk.restart();
        let after = before.or_else(|_| run(&disk, &mut left)).unwrap();
        assert_eq!((&left, after), (&expected, digest), "crash at operation {operation}");
    }
}

// proves: S2.47
#[test]
fn a_crash_at_any_operation_of_snapshots_and_starts_changes_nothing() {
    let (whole, mut expected) = (SimulatedDisk::new(7), Vec::new());
    let digest = run(&whole, &mut expected).unwrap();
    let (whole, mut left) = (SimulatedDisk::new(7), Vec::new());
    let with_snapshots = run_for(&whole, &mut left, 3, Some(3)).unwrap();
    assert_eq!((with_snapshots, left), (digest, expected.clone()));
    assert!(files(&whole, ".blocks").len() >= 2, "{:?}", whole.names());
    for operation in 0..whole.operations() {
        let (disk, mut left) = (SimulatedDisk::new(operation), Vec::new());
        disk.fault_at(operation, Fault::Crash);
        let mut after = run_for(&disk, &mut left, 3, Some(3));
        // And once more, in the start after it or a little later.
        disk.restart();
        disk.fault_at(disk.operations() + operation * 7 % 60, Fault::Crash);
        for _ in 0..2 {
            after = after.or_else(|_| run_for(&disk, &mut left, 3, Some(3)));
            disk.restart();
        }
        assert_eq!((&left, after.unwrap()), (&expected, digest), "crash at operation {operation}");
    }
}

#[test]
fn what_the_disk_refuses_to_a_snapshot_harms_nothing() {
    let (whole, mut expected) = (SimulatedDisk::new(7), Vec::new());
    let digest = run(&whole, &mut expected).unwrap();
    let whole = SimulatedDisk::new(7);
    run_for(&whole, &mut Vec::new(), 3, Some(3)).unwrap();
    for operation in (0..whole.operations()).step_by(2) {
        for fault in [Fault::Full { operations: 3 }, Fault::SyncFails] {
            let (disk, mut left) = (SimulatedDisk::new(operation), Vec::new());
            disk.fault_at(operation, fault);
            let mut lives = (0..9).map(|_| run_for(&disk, &mut left, 3, Some(3)));
            let after = lives.find_map(|life| life.ok());
            drop(lives);
            assert_eq!((&left, after), (&expected, Some(digest)), "{fault:?} at operation {operation}");
        }
    }
}

#[test]
fn a_changed_byte_of_a_block_is_said_and_never_used() {
    let (whole, mut left) = (SimulatedDisk::new(7), Vec::new());
    let digest = run_for(&whole, &mut left, 5, Some(3)).unwrap();
    let known = left.last().map(|one| one.place);
    let (mut passed_over, mut refused) = (0, 0);
    for name in files(&whole, ".blocks") {
        for byte in (0..whole.content(&name).unwrap().len()).step_by(3) {
            whole.flip(&name, byte, 1 << (byte % 8));
            match open(&whole, known) {
                Ok(opened) => {
                    let codes: Vec<_> = opened.notes.iter().map(|note| note.code).collect();
                    assert!(codes.iter().all(|code| *code == "LOG-020"), "{codes:?}");
                    assert_eq!(opened.triggers.state.digest(), digest, "{name} byte {byte}");
                    passed_over += codes.len();
                }
                Err(problem) => {
                    assert_eq!((problem.code, problem.at.as_str()), ("LOG-020", name.as_str()), "{problem}");
                    refused += 1;
                }
            }
            whole.flip(&name, byte, 1 << (byte % 8));
        }
    }
    assert!(passed_over > 50 && refused > 50, "{passed_over} {refused}");
    assert_eq!(open(&whole, known).unwrap().notes, vec![]);
}

#[test]
fn blocks_that_are_gone_or_cut_are_said() {
    let run_through = || {
        let (disk, mut left) = (SimulatedDisk::new(7), Vec::new());
        run_for(&disk, &mut left, 5, Some(3)).unwrap();
        (disk, left.last().map(|one| one.place))
    };
    let (disk, known) = run_through();
    // Both snapshots that are kept need it.
    let name = files(&disk, ".blocks").into_iter().rev().nth(1).unwrap();
    disk.remove(&name).unwrap();
    let problem = open(&disk, known).err().unwrap();
    assert_eq!((problem.code, problem.at.as_str()), ("LOG-020", name.as_str()));
    let (disk, known) = run_through();
    disk.cut(&name, disk.content(&name).unwrap().len() - 1);
    assert_eq!(open(&disk, known).err().unwrap().code, "LOG-020");
}

#[test]
fn blocks_move_when_most_of_their_file_is_not_needed_and_go_when_nothing_is() {
    let (plain, mut expected) = (SimulatedDisk::new(7), Vec::new());
    let digest = run_for(&plain, &mut expected, 12, None).unwrap();
    for every in [3, 6, 9, 18] {
        let (disk, mut left) = (SimulatedDisk::new(7), Vec::new());
        assert_eq!(run_for(&disk, &mut left, 12, Some(every)).unwrap(), digest);
        assert_eq!(left, expected);
        let bytes: usize = files(&disk, ".blocks").iter().map(|name| disk.content(name).unwrap().len()).sum();
        // Nine A's an hour, of about four hours, two snapshots that are up to six hours apart, at most twice.
        assert!(bytes < 9 * 22 * 100, "{every}: {bytes} bytes in {:?}", files(&disk, ".blocks"));
    }
}

#[test]
fn a_minute_that_changes_while_it_is_written_down_stays_in_memory() {
    let disk = SimulatedDisk::new(3);
    let mut triggers = open(&disk, None).unwrap().triggers;
    let all = story(&mut triggers, 2).unwrap();
    for entry in all {
        triggers.take(entry, Timestamp(0)).unwrap();
    }
    let taken = triggers.commit().unwrap().last().map(|one| one.place);
    let mut late = Columns::default();
    let did = triggers.names().predicates()[0].0;
    fact(&mut late, 4, HOUR + 16 * 60_000, did);
    let late = Entry::Facts { source: 0, read_to: 9, columns: Box::new(late) };
    triggers.begin_snapshot(taken).unwrap();
    triggers.take(late.clone(), Timestamp(0)).unwrap();
    triggers.commit().unwrap();
    let digest = triggers.state.digest();
    let pending = triggers.state.pending();
    triggers.finish_snapshot().unwrap();
    assert!(triggers.state.in_blocks().count() > 10, "most lie in blocks now");
    assert_eq!((triggers.state.digest(), triggers.state.pending()), (digest, pending));
    // A copy of what lies in a block changes nothing.
    triggers.take(late, Timestamp(0)).unwrap();
    assert_eq!(triggers.state.pending(), pending);
    drop(triggers);
    let again = open(&disk, None).unwrap();
    assert_eq!((again.notes, again.triggers.state.pending()), (vec![], pending));
}

#[test]
fn a_snapshot_and_what_follows_give_the_same_state() {
    let (disk, mut left) = (SimulatedDisk::new(1), Vec::new());
    let digest = run(&disk, &mut left).unwrap();
    let known = left.last().map(|one| one.place);
    let mut triggers = open(&disk, known).unwrap().triggers;
    triggers.snapshot(known).unwrap();
    assert_eq!(triggers.bytes, 0);
    let names = triggers.names().clone();
    drop(triggers);
    let again = open(&disk, known).unwrap();
    assert_eq!((again.triggers.state.digest(), again.again), (digest, vec![]));
    assert_eq!(again.triggers.names(), &names);
}

#[test]
fn the_log_can_be_looked_at_and_a_user_traced() {
    let (disk, mut left) = (SimulatedDisk::new(3), Vec::new());
    run(&disk, &mut left).unwrap();
    let looked = super::super::look(Arc::new(disk.clone()), "default").unwrap();
    let counts = looked.state.counts(looked.names.task("t1").unwrap());
    let sum: u64 = counts.values().map(|day| day.cancelled).sum();
    assert_eq!(sum, 9, "three users, three times");
    let traced = super::super::trace(Arc::new(disk), "default", 3).unwrap();
    assert!(traced.decisions.iter().all(|(_, one)| one.end == End::Cancelled && one.user == 3));
    assert_eq!((traced.decisions.len(), traced.begins_at), (3, 0));
}

#[test]
fn there_is_room_for_64_filters_of_an_event() {
    let mut triggers = open(&SimulatedDisk::new(1), None).unwrap().triggers;
    let mut bits = Vec::new();
    for n in 0..64 {
        bits.push(
            triggers.predicate(Some("view"), &format!("view where n = {n}"), Timestamp(0)).unwrap().bit,
        );
    }
    bits.sort_unstable();
    assert_eq!(bits, (0..64).collect::<Vec<u8>>());
    let again = triggers.predicate(Some("view"), "view where n = 3", Timestamp(0)).unwrap();
    assert_eq!(again.bit, 3);
    let names = triggers.names().clone();
    let used: Vec<Predicate> = names.predicates().iter().map(|(predicate, _)| *predicate).collect();
    assert_eq!(names.bit(again.event, "view where n = 64", &used).unwrap_err().code, "TRG-001");
    // A filter of no task in force makes room.
    assert!(names.bit(again.event, "view where n = 64", &used[1..]).is_ok());
}

#[test]
fn a_record_of_a_newer_program_is_told() {
    let disk = SimulatedDisk::new(1);
    let mut triggers = open(&disk, None).unwrap().triggers;
    triggers.log.append(999, b"?", Timestamp(0)).unwrap();
    triggers.log.commit().unwrap();
    drop(triggers);
    assert_eq!(open(&disk, None).err().map(|problem| problem.code), Some("LOG-012"));
}
