//! A served session is cut at steps and disk operations all along its way, and again while it recovers: nothing
//! is lost, nothing is doubled. Who sends repeats what was not acknowledged.

use std::sync::Arc;

use serde_json::Value;

use super::world::{Kill, Place, at, event};
use crate::dispatch::{Faults, NoFaults};
use crate::trigger::log::Fault;

/// What a sender wants to say, in order, and when.
fn story() -> Vec<(Value, &'static str)> {
    vec![
        (event("e1", "u3", "view", "10:00:01"), "10:00:02"),
        (event("e2", "fresh", "view", "10:00:03"), "10:00:04"),
        (event("e3", "u4", "view", "10:00:05"), "10:00:06"),
        (event("e4", "u4", "share", "10:10:00"), "10:10:01"),
        (event("e5", "u5", "view", "10:15:00"), "10:15:01"),
    ]
}

/// Steps of the clock after the story.
const AFTER: [&str; 3] = ["10:22:00", "10:37:00", "11:00:00"];

/// Lives until killed, or to the end; `said` counts what was acknowledged. True at the end.
fn live(place: &Place, faults: Arc<dyn Faults>, said: &mut usize) -> bool {
    let begin = if *said == 0 { at("10:00:00") } else { at(story()[*said - 1].1) };
    let ended = place.live(begin, faults, |life| {
        for (one, time) in story().into_iter().skip(*said) {
            assert_eq!(life.post(&[one], at(time))?, 1);
            *said += 1;
            life.step(at(time))?;
        }
        AFTER.iter().try_for_each(|time| life.step(at(time)))?;
        life.end()
    });
    ended.is_ok()
}

fn assert_right(place: &Place, what: &str) {
    let users: Vec<String> = place.reached().into_iter().map(|(user, _)| user).collect();
    assert_eq!(users, ["fresh", "u3", "u5"], "{what}");
    assert_eq!((place.count("did view"), place.count("did view count >= 2")), (4, 0), "{what}");
    assert_eq!((place.count("did share count = 1"), place.count("did share")), (1, 1), "{what}");
}

/// Kills at a step, then at a step of the life after it, then lives to the end.
fn killed_at_steps(first: i64, second: i64) -> bool {
    let (place, mut said) = (Place::running(1), 0);
    let kill = Kill::at(first);
    let was_whole = live(&place, kill.clone(), &mut said);
    assert_eq!(was_whole, !kill.has_struck());
    if !was_whole {
        live(&place, Kill::at(second), &mut said);
        assert!(live(&place, Arc::new(NoFaults), &mut said), "step {first}, then {second}");
    }
    assert_right(&place, &format!("step {first}, then {second}"));
    !was_whole
}

// proves: S2.47
#[test]
fn a_kill_before_a_step_loses_and_doubles_nothing() {
    // Every fourth, so that the tests stay short; they were all tried once.
    let steps = (0..).map(|n| n * 4).take_while(|step| killed_at_steps(*step, step % 7)).count();
    assert!(steps > 6, "{steps}");
}

/// Cuts the power at an operation of the spool's disk, or of the triggers', then lives on. False when there was
/// no such operation.
fn cut(is_spool: bool, operation: u64) -> bool {
    let (place, mut said) = (Place::running(operation), 0);
    let disk = if is_spool { place.spool.clone() } else { place.triggers.clone() };
    disk.fault_at(operation, Fault::Crash);
    if live(&place, Arc::new(NoFaults), &mut said) && disk.operations() <= operation {
        return false;
    }
    // Both disks are one machine's: what was not synced is gone on both.
    place.spool.restart();
    place.triggers.restart();
    assert!(live(&place, Arc::new(NoFaults), &mut said), "operation {operation}");
    assert_right(&place, &format!("operation {operation}"));
    true
}

// proves: S2.47
#[test]
fn a_power_cut_at_operations_of_the_spool_loses_and_doubles_nothing() {
    let operations = (0..).map(|n| n * 2).take_while(|operation| cut(true, *operation)).count();
    assert!(operations > 10, "{operations}");
}

#[test]
fn a_power_cut_at_operations_of_the_trigger_log_loses_and_doubles_nothing() {
    let operations = (0..).map(|n| n * 5).take_while(|operation| cut(false, *operation)).count();
    assert!(operations > 6, "{operations}");
}

/// The clock of a life may begin before an event that an earlier life accepted: the event is taken all the same.
#[test]
fn an_event_from_the_future_of_the_clock_is_not_left_behind() {
    let place = Place::new(4);
    place
        .live(at("10:00:00"), Arc::new(NoFaults), |life| {
            life.step(at("10:00:00"))?;
            life.post(&[event("e1", "u3", "view", "10:00:01")], at("10:30:00")).map(|_| ())
        })
        .unwrap();
    place
        .live(at("10:05:00"), Arc::new(NoFaults), |life| {
            life.post(&[event("e2", "u4", "view", "10:00:02")], at("10:05:01"))?;
            life.step(at("10:05:02"))?;
            life.step(at("10:40:00"))
        })
        .unwrap();
    let users: Vec<String> = place.reached().into_iter().map(|(user, _)| user).collect();
    assert_eq!(users, ["u3", "u4"]);
}

/// A full disk refuses; what was refused is sent again, until there is room.
#[test]
fn a_disk_that_is_full_for_a_while_costs_nothing() {
    let place = Place::new(3);
    let refused = place.live(at("10:00:00"), Arc::new(NoFaults), |life| {
        place.spool.fault_at(place.spool.operations() + 2, Fault::Full { operations: 5 });
        let mut refused = 0;
        for (one, time) in story() {
            while let Err(failure) = life.post(std::slice::from_ref(&one), at(time)) {
                assert!(format!("{failure:?}").contains("LOG-001"), "{failure:?}");
                refused += 1;
            }
            life.step(at(time))?;
        }
        AFTER.iter().try_for_each(|time| life.step(at(time)))?;
        life.end()?;
        Ok(refused)
    });
    assert!(refused.unwrap() > 0);
    assert_right(&place, "full");
}
