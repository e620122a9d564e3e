//! A CDP export of 2,000 customers (`data/worlds/tiny`): every query that can be asked gives what
//! DuckDB gives, a crowd is kept, a once task goes out.

use std::fs;

use serde_json::Value;

use super::support::{Place, approved, assert_balanced, repository};

const AS_OF: &str = "2025-04-01T00:00:00+08:00";

fn loaded() -> Place {
    let place = Place::new();
    let world = |name: &str| repository(&format!("data/worlds/tiny/{name}"));
    place.run(&["ingest", "users", &world("users.parquet")]);
    place.run(&["ingest", "events", &world("events.parquet")]);
    place.run(&["ingest", "detail", "orders", &world("orders.parquet"), "--key", "order_id", "--time", "ts"]);
    for n in 1..=10 {
        let name = format!("c{n:02}");
        place.run(&["crowd", "import", &name, &world(&format!("crowds/{name}.csv"))]);
    }
    place
}

/// proves: S2.16, S2.17, S2.18, S2.19, S2.20, S2.21, S2.22, S2.27
#[test]
fn the_queries_of_the_peers_have_the_peers_answers() {
    let place = loaded();
    let answers: Value =
        serde_json::from_str(&fs::read_to_string(repository("data/worlds/tiny/answers.json")).unwrap())
            .unwrap();
    let mut files: Vec<_> =
        fs::read_dir(repository("queries")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with('Q'));
    files.sort();
    assert_eq!(files.len(), 15);
    for file in files {
        let query = file.file_stem().unwrap().to_string_lossy().replacen("Q0", "Q", 1);
        let found = place.json(&["estimate", "-f", &file.display().to_string(), "--as-of", AS_OF]);
        let wanted = answers
            .get(&query)
            .or_else(|| answers["answers"].get(&query))
            .unwrap_or_else(|| panic!("no answer for {query} in {answers}"));
        assert_eq!(&found["count"], wanted, "{query}");
    }
}

/// proves: S2.16, S2.23, S2.32, S2.33
#[test]
fn a_crowd_is_kept_and_a_once_task_goes_out() {
    let place = loaded();
    let nested = "(gender = '女' and (province in ('广东','浙江') or age between 18 and 35)) and did pay in last 30 calendar days and not crowd 'c06'";
    let estimate = place.json(&["estimate", nested, "--as-of", AS_OF]);
    let count = estimate["count"].as_u64().unwrap();
    assert!(count > 0);
    assert_eq!(estimate["exact"], true);
    place.run(&["crowd", "create", "华东女性", nested, "--update", "on_demand", "--now", AS_OF]);
    assert_eq!(place.count("crowd '华东女性'", AS_OF), count);
    let task = place.file(
        "任务.toml",
        "name = \"春季提醒\"\ncrowd = \"华东女性\"\nstart = \"2025-04-01T00:00:00+08:00\"\nend = \"2025-05-01T00:00:00+08:00\"\n\
         [trigger]\nkind = \"once\"\nat = \"2025-04-01T20:00:00+08:00\"\nrefresh_before = true\n\
         [dispatch]\nsender = \"file\"\nbatch = 50\n[limits]\nholdout = \"10%\"\nblacklist = \"c07\"\n",
    );
    let id = approved(&place, &task, AS_OF);
    place.run(&["run", "--until", "2025-04-01T20:10:00+08:00", "--now", AS_OF]);
    let report = place.json(&["task", "report", &id]);
    assert_balanced(&report["total"]);
    assert_balanced(&report["runs"][0]);
    assert_eq!(place.outbox(&id).len() as u64, report["total"]["handed"].as_u64().unwrap());
    let line = &place.outbox(&id)[0];
    for key in ["touch_id", "task", "run", "batch", "user_id", "channel", "due_at", "content", "fields"] {
        assert!(line.get(key).is_some(), "{key} in {line}");
    }
}
