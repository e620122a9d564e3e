//! 69,659 real purchases of 23,570 people, as events and as a detail table.

use std::collections::BTreeSet;
use std::fs;

use super::support::{Place, approved, assert_balanced, repository};

const AS_OF: &str = "1998-07-01";

fn loaded() -> Place {
    let place = Place::new();
    let file = repository("data/cdnow/purchases.csv");
    let summary = place.json(&["ingest", "events", &file, "--time", "time"]);
    assert_eq!((summary["read"].as_u64(), summary["accepted"].as_u64()), (Some(69_659), Some(69_659)));
    assert_eq!(summary["new_users"], 23_570);
    place.run(&["ingest", "detail", "purchases", &file, "--key", "order_id", "--time", "time"]);
    place
}

/// The figures were counted from the file by other means.
/// proves: S2.18, S2.21, S2.23
#[test]
fn real_purchases_give_the_known_counts() {
    let place = loaded();
    assert_eq!(place.count("did purchase count >= 3", AS_OF), 7583);
    assert_eq!(place.count("did purchase sum(amount) >= 500", AS_OF), 734);
    assert_eq!(place.count("did purchase days >= 5", AS_OF), 3835);
    assert_eq!(place.count("has purchases where amount > 100 count >= 2", AS_OF), 528);
    assert_eq!(
        place.count("做过 purchase count >= 3 且 非 有 purchases where amount > 100", AS_OF)
            + place.count("did purchase count >= 3 and has purchases where amount > 100", AS_OF),
        7583
    );
    let again = place.json(&[
        "ingest",
        "detail",
        "purchases",
        &repository("data/cdnow/purchases.csv"),
        "--key",
        "order_id",
        "--time",
        "time",
    ]);
    assert_eq!(again["new_users"], 0);
    assert_eq!(
        place.count("has purchases where amount > 100 count >= 2", AS_OF),
        528,
        "a table loaded twice is the same table"
    );
}

/// From the file to one line per person, and the ids stay as they are written.
/// proves: S2.32
#[test]
fn a_once_task_reaches_each_person_once() {
    let place = loaded();
    let task = place.file(
        "task.toml",
        "name = \"回访\"\naudience = \"did purchase count >= 3\"\nstart = \"1998-07-01T00:00:00+08:00\"\nend = \"1998-08-01T00:00:00+08:00\"\n\
         [trigger]\nkind = \"once\"\nat = \"1998-07-01T10:00:00+08:00\"\n[dispatch]\nsender = \"file\"\nbatch = 500\n[limits]\nholdout = \"5%\"\n",
    );
    let now = "1998-07-01T00:00:00+08:00";
    let id = approved(&place, &task, now);
    place.run(&["run", "--until", "1998-07-01T10:30:00+08:00", "--now", now]);
    let report = place.json(&["task", "report", &id]);
    let total = &report["total"];
    assert_balanced(total);
    assert_eq!(total["due"], 7583);
    let lines = place.outbox(&id);
    assert_eq!(lines.len() as u64, total["handed"].as_u64().unwrap());
    let users: BTreeSet<&str> = lines.iter().map(|line| line["user_id"].as_str().unwrap()).collect();
    assert_eq!(users.len(), lines.len(), "nobody twice");
    assert!(users.iter().all(|id| id.len() == 5), "ids keep their zeros");
    let out = place.file("ids.csv", "");
    place.run(&["select", "did purchase count >= 3", "--as-of", AS_OF, "--out", &out]);
    let chosen: BTreeSet<String> =
        fs::read_to_string(&out).unwrap().lines().skip(1).map(String::from).collect();
    assert_eq!(chosen.len(), 7583);
    assert!(users.iter().all(|id| chosen.contains(*id)));
    place.run(&["run", "--until", "1998-07-02T00:00:00+08:00", "--now", now]);
    assert_eq!(place.outbox(&id).len(), lines.len(), "a later run sends nothing again");
}
