//! A ledger of an older or a newer program.

use rusqlite::Connection;

use super::world::{Receiver, World, at, senders, text};
use crate::dispatch::Ledger;
use crate::dispatch::ledger::TABLES;

/// A home whose run stalled under the first version: one batch is waiting, two touches are behind it.
fn old_home() -> (World, String) {
    let world = World::of(4);
    let id = world.approved(&text("receiver", "", ""));
    let db = Connection::open(world.dir.path().join("ledger.db")).unwrap();
    db.execute_batch(TABLES).unwrap();
    let touch = |n: u32| {
        format!(
            r#"{{"touch_id":"{n:032x}","user_no":{n},"user_id":"u{n}","due_at":"x","content":{{}},"fields":{{}}}}"#
        )
    };
    let json = format!("[{},{}]", touch(0), touch(1));
    let payload = zstd::encode_all(json.as_bytes(), 1).unwrap();
    db.execute_batch(
        "insert into runs (no, task, epoch, occurrence, version, planned_at, state, due, next_user, cut_user,
             batch_count, progress_at)
             values (1, 't1', 0, '2026-03-01T20:00:00', 1, 1772366400000, 'sending', 4, 4, 2, 1, 1772366400000);
         insert into touches values (1, 0, 0, 0, 1, null), (1, 1, 0, 0, 1, null),
             (1, 2, 0, 0, null, null), (1, 3, 0, 0, null, null);
         insert into counts values (1, 0, 0, 4);",
    )
    .unwrap();
    let sql =
        "insert into batches (run, no, state, size, attempts, payload) values (1, 1, 'waiting', 2, 1, ?1)";
    db.execute(sql, [payload]).unwrap();
    (world, id)
}

#[test]
fn an_older_ledger_goes_on() {
    let (world, id) = old_home();
    let receiver = Receiver::new(true, &[]);
    world
        .with_engine(&senders(&receiver), &crate::dispatch::NoFaults, |engine| {
            engine.run_until(at("20:01"), at("20:05"), None)
        })
        .unwrap();
    let report = world.report(&id);
    assert_eq!((report.total.delivered, receiver.user_count(), report.trigger), (4, 4, None));
}

#[test]
fn a_newer_ledger_is_refused() {
    let world = World::of(0);
    drop(world.ledger());
    let path = world.dir.path().join("ledger.db");
    Connection::open(&path).unwrap().execute_batch("update migrations set steps = 99").unwrap();
    let refused = Ledger::open(&path).map(|_| ()).unwrap_err();
    assert_eq!((refused.code, refused.at.as_str()), ("STO-011", "ledger.db"));
}
