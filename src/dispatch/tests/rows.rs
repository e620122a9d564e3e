//! Touches as rows: the same however many are read at a time, by user, and over a period.

use super::facts;
use super::facts::{nth, released};
use super::world::Reply::{Deliver, Mixed};
use super::world::{Receiver, World, at, senders, text};
use crate::dispatch::{NoFaults, Row, hit_between};
use crate::task::Task;
use crate::trigger::{Decision, End};

fn all_rows(world: &World, task: &Task, portion: usize) -> Vec<Row> {
    let (ledger, mut all) = (world.ledger(), Vec::new());
    for run in ledger.runs_of(&task.id).unwrap() {
        let mut from = 0;
        loop {
            let rows = ledger.rows_from(task, &run, from, portion).unwrap();
            let Some(last) = rows.last() else { break };
            from = u64::from(last.seat) + 1;
            all.extend(rows);
        }
    }
    all
}

#[test]
fn rows_of_a_calendar_run_are_the_same_in_any_portion_and_have_the_channel_s_words() {
    let world = World::of(8);
    let id = world.approved(&text("receiver", "", ""));
    world.run(&senders(&Receiver::new(true, &[Mixed, Deliver])), "21:00");
    let task = world.tasks().task(&id).unwrap();
    let rows = all_rows(&world, &task, 100);
    assert_eq!(rows.len(), 8);
    for portion in [1, 3, 8] {
        assert_eq!(all_rows(&world, &task, portion), rows);
    }
    assert!(rows.iter().all(|row| row.due_at == Some(at("20:00")) && row.user == row.seat));
    let refused: Vec<&Row> = rows.iter().filter(|row| row.state.word() == "refused").collect();
    assert_eq!((refused.len(), refused[0].note.as_deref()), (1, Some("因为")));
    let ledger = world.ledger();
    let run = &ledger.runs_of(&id).unwrap()[0];
    assert_eq!(ledger.rows_of(&task, run, 5).unwrap(), rows[5..6]);
    assert!(ledger.rows_of(&task, run, 99).unwrap().is_empty());
    assert_eq!(ledger.run_named(&task, &run.name()).unwrap(), *run);
    assert_eq!(ledger.run_named(&task, "t1@2030-01-01").unwrap_err().code, "DSP-070");
    let hit = |from, to| hit_between(&task, &ledger, (at(from), at(to))).unwrap();
    assert_eq!((hit("20:00", "20:01").len(), hit("19:00", "20:00").len()), (8, 0));
}

#[test]
fn rows_of_fires_say_whose_they_are_and_when_they_were_due() {
    let world = World::of(3);
    let id = world.approved(&facts::text("", ""));
    world.run(&senders(&Receiver::new(true, &[])), "10:00");
    let mut fires: Vec<Decision> =
        (0..6).map(|n| released(n % 3, n / 3 + 1, at("10:00").plus(i64::from(n)))).collect();
    fires.push(nth(1, 9, at("10:00"), End::Expired));
    world.fire(&senders(&Receiver::new(true, &[])), &NoFaults, &id, (0, &fires), at("10:01")).unwrap();
    let task = world.tasks().task(&id).unwrap();
    let rows = all_rows(&world, &task, 2);
    assert_eq!(rows, all_rows(&world, &task, 100));
    let due: Vec<_> =
        rows.iter().map(|row| (row.user, row.due_at.map(|due| due.0 - at("10:00").0))).collect();
    let mut wanted: Vec<_> = (0..6).map(|n| (n % 3, Some(i64::from(n)))).collect();
    wanted.push((1, None));
    assert_eq!(due, wanted);
    let ledger = world.ledger();
    let run = &ledger.runs_of(&id).unwrap()[0];
    let own = ledger.rows_of(&task, run, 1).unwrap();
    assert_eq!(own.iter().map(|row| row.seat).collect::<Vec<_>>(), [1, 4, 6]);
    let hit = |ms| hit_between(&task, &ledger, (at("10:00"), at("10:00").plus(ms))).unwrap();
    assert_eq!((hit(2).len(), hit(100).len()), (2, 3));
    assert!(hit_between(&task, &ledger, (at("10:30"), at("11:00"))).unwrap().is_empty());
}
