//! Loads: what they count, what they put aside, and that a refused one changes nothing.

use super::Shell;

#[test]
fn a_load_tells_what_it_did() {
    let shell = Shell::new();
    let users = shell.file("users.csv", "user_id,age\n00001,1\n,2\nu3,3\n");
    let document = shell.ask(&["ingest", "users", &users]).fine().json();
    for (key, value) in [("read", 3), ("accepted", 2), ("rejected", 1), ("new_users", 2)] {
        assert_eq!(document[key], value, "{key}");
    }
    let rejects = std::fs::read_to_string(document["rejects_file"].as_str().unwrap()).unwrap();
    assert_eq!(rejects.lines().count(), 1);
    let said = shell.say(&["ingest", "users", &users]).fine();
    assert!(said.out.is_empty());
    assert!(said.talk.contains("users.csv: read 3 · accepted 2 · rejected 1 ("), "{said:?}");
    assert!(said.talk.contains(" · new users 0 · "), "{said:?}");
}

#[test]
fn too_many_rejects_change_nothing() {
    let shell = Shell::with_users();
    let more = shell.file("more.csv", "user_id,event,ts\nu7,pay,2026-02-28\nu8,pay,never\n,pay,2026-02-28\n");
    let said = shell.ask(&["ingest", "events", &more, "--max-rejects", "1"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CLI-004".to_string()]), "{said:?}");
    assert_eq!(shell.ask(&["estimate", "did pay"]).fine().json()["universe"], 7);
    shell.say(&["ingest", "events", &more, "--max-rejects", "2"]).fine();
    assert_eq!(shell.ask(&["estimate", "did pay"]).fine().json()["universe"], 8);
}

#[test]
fn rows_come_from_stdin_too() {
    let shell = Shell::new();
    let said = shell
        .say_with(&["ingest", "users", "-", "--format", "csv", "--json"], "user_id,vip\nu1,true\n")
        .fine();
    assert_eq!(said.json()["new_users"], 1);
}

#[test]
fn details_are_loaded_and_asked() {
    let shell = Shell::with_users();
    let orders = shell.file(
        "orders.csv",
        "order_id,user_id,amount,paid_at\no1,u3,10,2026-02-28 09:00\no2,u3,20,2026-02-28 10:00\n",
    );
    shell.say(&["ingest", "detail", "orders", &orders, "--time", "paid_at"]).fine();
    let said = shell.ask(&["estimate", "has orders where amount > 5 count >= 2 in last 7 days"]).fine();
    assert_eq!(said.json()["count"], 1);
}

#[test]
fn users_are_deleted_and_their_events_with_them() {
    let shell = Shell::with_users();
    let gone = shell.file("gone.csv", "user_id\nu4\n");
    let said = shell.ask(&["ingest", "users", &gone, "--delete"]).fine();
    assert_eq!(said.json()["deleted"], 1);
    let found = shell.ask(&["estimate", "did pay"]).fine().json();
    assert_eq!((&found["count"], &found["universe"]), (&1.into(), &6.into()));
}

#[test]
fn an_unknown_zone_is_wrong_use() {
    let shell = Shell::with_users();
    let said = shell.ask(&["ingest", "events", &shell.path("events.csv"), "--zone", "Mars/Base"]);
    assert_eq!((said.code, said.codes()), (2, vec!["CLI-001".to_string()]));
}
