//! What is left after a crash at each operation of a short run, and at each operation of the start
//! after it? What after a full disk or a failed sync at each operation?

use super::super::Fault;
use super::world::{Act, World};

/// Appends, commits, segment turns, snapshots, clean-ups and a start in good order.
fn script() -> Vec<Act> {
    use Act::{Append, Commit, Mark, Reopen, Snapshot};
    let mut acts = vec![Append(24), Append(0), Commit, Append(90), Commit, Snapshot, Append(100), Commit];
    acts.extend([Append(200), Append(30), Commit, Mark, Append(120), Commit, Snapshot, Append(60), Commit]);
    acts.extend([Reopen, Append(24), Commit, Snapshot, Append(250), Commit, Snapshot, Append(9), Commit]);
    acts
}

/// Runs the script with a crash at one operation, and gives the world as it is after the power is back;
/// `None` when the script had ended before.
fn crashed(seed: u64, at: u64) -> Option<World> {
    let mut world = World::new(seed);
    world.disk.fault_at(at, Fault::Crash);
    let run = world.open().and_then(|log| world.run_on(log, &mut script().into_iter()));
    assert_eq!(run.is_err(), world.disk.is_down());
    run.err()?;
    world.disk.restart();
    Some(world)
}

/// The log can be opened, holds what it must, and goes on.
fn goes_on(world: &mut World) {
    world.live(&[Act::Append(24), Act::Commit, Act::Snapshot, Act::Append(300), Act::Commit]);
    world.disk.restart();
    world.live(&[]);
}

#[test]
fn a_crash_at_every_operation_loses_nothing_that_was_acknowledged() {
    let mut crashes = 0;
    for seed in 0..12 {
        for at in 0.. {
            let Some(mut world) = crashed(seed, at) else { break };
            goes_on(&mut world);
            crashes += 1;
        }
    }
    assert!(crashes > 1_000, "{crashes} crashes");
}

#[test]
fn a_second_crash_at_every_operation_of_the_start_is_harmless_too() {
    let mut crashes = 0;
    for at in 0.. {
        if crashed(at, at).is_none() {
            break;
        }
        for second in 0.. {
            let Some(mut world) = crashed(at, at) else { break };
            world.disk.fault_at(world.disk.operations() + second, Fault::Crash);
            let opened = world.open();
            if !world.disk.is_down() {
                assert!(opened.is_ok(), "{:?}", opened.err());
                break;
            }
            world.disk.restart();
            goes_on(&mut world);
            crashes += 1;
        }
    }
    assert!(crashes > 1_500, "{crashes} crashes");
}

#[test]
fn a_full_disk_at_every_operation_delays_and_never_halves_a_group() {
    for operations in [1, 2, 3, 7] {
        for at in 0..150 {
            let mut world = World::new(at);
            world.disk.fault_at(at, Fault::Full { operations });
            world.live(&script());
            world.disk.restart();
            goes_on(&mut world);
        }
    }
}

#[test]
fn a_failing_sync_at_every_operation_stops_the_log_and_nothing_is_believed() {
    let mut stops = 0;
    for seed in 0..4 {
        for at in 0..150 {
            let mut world = World::new(seed * 1_000 + at);
            world.disk.fault_at(at, Fault::SyncFails);
            let run = world.open().and_then(|log| world.run_on(log, &mut script().into_iter()));
            stops += usize::from(run.err().is_some_and(|problem| problem.code == "LOG-002"));
            // The process starts again on a machine that stays up, then the power goes.
            world.live(&[Act::Append(50), Act::Commit]);
            world.disk.restart();
            goes_on(&mut world);
        }
    }
    assert!(stops > 100, "{stops} stops");
}
