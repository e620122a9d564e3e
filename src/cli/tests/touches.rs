//! What became of touches, through the door: as rows, of one user, over tasks; whether the goal came about.

use std::fs::File;

use arrow::array::{Array, AsArray, RecordBatch};
use serde_json::Value;

use super::{Said, Shell};

/// A task that is approved; gives its id.
fn approved(shell: &Shell, name: &str, top: &str, at: &str, limits: &str) -> String {
    let text = format!(
        "name = \"{name}\"\n{top}\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n\
         [trigger]\nkind = \"once\"\nat = \"{at}\"\n[dispatch]\nsender = \"file\"\nbatch = 2\n[limits]\n{limits}\n"
    );
    let path = shell.file("task.toml", &text);
    let id = shell.ask(&["task", "create", &path]).fine().json()["id"].as_str().unwrap().to_string();
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    id
}

/// A task that went to seven users: u3 is on the blacklist, some are withheld.
fn sent(shell: &Shell) -> String {
    let black = shell.file("black.csv", "user_id\nu3\n");
    shell.say(&["crowd", "import", "黑名单", &black]).fine();
    let id = approved(shell, "春季", "", "2026-03-02T20:00", "blacklist = \"黑名单\"\nholdout = \"40%\"");
    shell.say(&["run", "--until", "2026-03-02T21:00"]).fine();
    id
}

fn rows(said: Said) -> Vec<Value> {
    said.fine().out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn read_parquet(path: &str) -> Vec<RecordBatch> {
    let builder =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap());
    builder.unwrap().build().unwrap().map(Result::unwrap).collect()
}

// proves: S1.22
// proves: S1.24
#[test]
fn every_touch_is_a_row_in_every_form_and_the_rows_are_the_book() {
    let shell = Shell::with_users();
    let id = sent(&shell);
    let all = rows(shell.ask(&["task", "touches", &id]));
    let book = shell.ask(&["task", "report", &id]).fine().json()["total"].clone();
    let count = |state: &str| all.iter().filter(|row| row["state"] == state).count() as i64;
    assert_eq!(all.len() as i64, book["due"].as_i64().unwrap());
    for state in ["withheld", "suppressed", "delivered"] {
        assert_eq!(Value::from(count(state)), book[state], "{state}");
    }
    assert!(count("withheld") > 0 && count("delivered") > 1);
    let outbox = shell.read(&format!("home/outbox/{id}.ndjson"));
    for line in outbox.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let row = all.iter().find(|row| row["touch_id"] == line["touch_id"]).unwrap();
        for key in ["user_id", "batch", "run", "channel", "due_at"] {
            assert_eq!(row[key], line[key], "{key}");
        }
    }
    let csv = shell.say(&["task", "touches", &id]).fine().out;
    assert!(csv.starts_with("touch_id,run,batch,user_id,channel,due_at,state,reason,note,staff\n"));
    assert_eq!(csv.lines().count(), all.len() + 1);
    let path = shell.path("touches.parquet");
    assert_eq!(shell.ask(&["task", "touches", &id, "--out", &path]).fine().json()["count"], all.len());
    let batches = read_parquet(&path);
    let states: Vec<&str> =
        batches.iter().flat_map(|b| b["state"].as_string::<i32>().iter().flatten()).collect();
    assert_eq!(states, all.iter().map(|row| row["state"].as_str().unwrap()).collect::<Vec<_>>());
    assert_eq!(batches[0]["batch"].null_count() as i64, count("withheld") + count("suppressed"));
    shell.say(&["task", "touches", &id, "--out", &shell.path("touches.xlsx")]).fine();
    assert!(std::fs::read(shell.path("touches.xlsx")).unwrap().starts_with(b"PK"));
}

#[test]
fn touches_are_asked_for_by_run_state_reason_and_user() {
    let shell = Shell::with_users();
    let id = sent(&shell);
    let ask = |more: &[&str]| rows(shell.ask(&[&["task", "touches", &id], more].concat()));
    let found = ask(&["--reason", "blacklist"]);
    assert_eq!(
        (found.len(), &found[0]["user_id"], &found[0]["state"]),
        (1, &"u3".into(), &"suppressed".into())
    );
    assert_eq!(ask(&["--user", "u3"]), found);
    assert!(ask(&["--user", "u3", "--state", "delivered,withheld"]).is_empty());
    assert_eq!(ask(&["--run", "2026-03-02T20:00:00"]), ask(&[]));
    let held_out = ask(&["--state", "withheld"]);
    assert!(held_out.iter().all(|row| row["reason"] == "holdout" && row["batch"].is_null()));
    let said = shell.ask(&["task", "touches", &id, "--run", "2026-03-03"]);
    assert_eq!(said.codes(), ["DSP-070"]);
    assert_eq!(shell.ask(&["task", "touches", &id, "--state", "sent"]).code, 2);
    assert_eq!(shell.ask(&["task", "touches", &id, "--out", &shell.path("a.roaring")]).codes(), ["CLI-001"]);
    assert_eq!(shell.ask(&["task", "touches", &id, "--user", "nobody"]).codes(), ["SEL-121"]);
}

#[test]
fn one_user_has_a_history_over_all_tasks_and_a_trace_in_each() {
    let shell = Shell::with_users();
    let id = sent(&shell);
    let other = approved(&shell, "上海", "audience = \"city = '上海'\"", "2026-03-03T10:00", "");
    shell.say(&["run", "--until", "2026-03-03T11:00"]).fine();
    let touches = |user: &str| shell.ask(&["user", "history", user]).fine().json()["touches"].clone();
    let found = touches("00001");
    let tasks: Vec<&Value> = found.as_array().unwrap().iter().map(|touch| &touch["task"]).collect();
    assert_eq!(tasks, [&Value::from(id.clone()), &Value::from(other.clone())]);
    let last = &found[1];
    assert_eq!((&last["state"], &last["name"]), (&"delivered".into(), &"上海".into()));
    assert_eq!(
        rows(shell.ask(&["task", "touches", &other, "--user", "00001"]))[0]["touch_id"],
        last["touch_id"]
    );
    let black = touches("u3");
    assert_eq!((black.as_array().unwrap().len(), &black[0]["reason"]), (1, &"blacklist".into()));
    let text = shell.say(&["user", "history", "u3"]).fine().out;
    assert!(text.contains("春季") && text.contains("suppressed  blacklist"), "{text}");
    let late = shell.file("late.csv", "user_id,city\nu20,上海\n");
    shell.say(&["ingest", "users", &late]).fine();
    assert!(touches("u20").as_array().unwrap().is_empty());
    let trace = |task: &str, user: &str| {
        shell.ask(&["task", "trace", task, "--user", user]).fine().json()["runs"][0].clone()
    };
    let in_it = trace(&other, "00001");
    assert_eq!((&in_it["state"], &in_it["is_in_audience"]), (&"delivered".into(), &true.into()));
    let out_of_it = trace(&other, "u3");
    assert_eq!((&out_of_it["state"], &out_of_it["is_in_audience"]), (&Value::Null, &false.into()));
    let said = shell.say(&["task", "trace", &other, "--user", "u3"]).fine().out;
    assert!(said.contains("not in the audience of this run"), "{said}");
    assert!(shell.say(&["task", "trace", &id, "--user", "u3"]).fine().out.contains("suppressed  blacklist"));
}

#[test]
fn the_tasks_of_a_period_are_laid_over_each_other() {
    let shell = Shell::with_users();
    let days = ["2026-03-02T10:00", "2026-03-03T10:00", "2026-03-04T10:00", "2026-03-09T10:00"];
    let audiences = ["", "audience = \"city = '上海'\"", "audience = \"gender = '女'\"", ""];
    for (at, audience) in days.iter().zip(audiences) {
        approved(&shell, "任务", audience, at, "");
    }
    shell.say(&["run", "--until", "2026-03-10"]).fine();
    let ask = |more: &[&str]| {
        let period = ["task", "overlap", "--from", "2026-03-02", "--to", "2026-03-09"];
        shell.ask(&[&period, more].concat()).fine().json()
    };
    let found = ask(&[]);
    // Seven users in all; two in Shanghai; 00001, u3 and u5 are women.
    assert_eq!(
        found["tasks"].as_array().unwrap().len(),
        3,
        "the fourth is due at the end, which is not in it"
    );
    assert_eq!(found["both"][0], serde_json::json!([7, 2, 3]));
    assert_eq!(
        (&found["both"][1][2], &found["hit_often"], &found["in_exactly"]),
        (&1.into(), &1.into(), &serde_json::json!([3, 3, 1]))
    );
    let path = shell.path("often.csv");
    assert_eq!(ask(&["--min", "2", "--out", &path])["hit_often"], 4);
    assert_eq!(shell.read("often.csv"), "user_id\n00001\n00002\nu3\nu5\n");
    let said = shell.say(&["task", "overlap", "--from", "2026-03-02", "--to", "2026-03-09"]).fine().out;
    assert!(said.contains("hit by 3 tasks or more: 1 users") && said.contains("task a"), "{said}");
    let said = shell.ask(&["task", "overlap", "--from", "2026-03-09", "--to", "2026-03-02"]);
    assert_eq!((said.code, said.codes()), (2, vec!["CLI-001".to_string()]));
}

#[test]
fn a_goal_and_a_sync_that_are_wrong_are_told() {
    let shell = Shell::with_users();
    let check = |top: &str| {
        let text = format!(
            "name = \"目标\"\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n{top}\n[trigger]\nkind = \"once\"\n\
             at = \"2026-03-02T20:00\"\n[dispatch]\nsender = \"file\"\n"
        );
        let path = shell.file("task.toml", &text);
        shell.ask(&["task", "check", &path])
    };
    assert_eq!(check("goal = \"pay in 7 days\"").codes(), ["TSK-080"]);
    let said = check("goal = \"pay where amont > 5 within 7 days\"");
    assert!(said.out.contains("task.toml:4:") && said.out.contains("amont"), "{said:?}");
    assert_eq!(check("goal = \"pay where amount > within 7 days\"").code, 1);
    assert!(
        check("goal = \"pay where amount > 5 within 7 days\"").fine().json()["warnings"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    let warned = check("sync = true").fine().json()["warnings"].clone();
    assert_eq!(warned[0]["code"], "TSK-081");
    let said = check("sync = \"yes\"");
    assert_eq!(said.codes(), ["TSK-004"]);
}

#[test]
fn a_goal_is_compared_and_a_small_holdout_is_said() {
    let shell = Shell::with_users();
    let id = approved(
        &shell,
        "付款",
        "goal = \"pay where amount >= 100 within 2 days\"",
        "2026-03-02T20:00",
        "holdout = \"40%\"",
    );
    shell.say(&["run", "--until", "2026-03-03T20:00"]).fine();
    let goal =
        |more: &[&str]| shell.ask(&[&["task", "report", &id], more].concat()).fine().json()["goal"].clone();
    let open = goal(&[]);
    assert_eq!((&open["handed"]["users"], &open["verdict"]), (&0.into(), &"no_comparison".into()));
    let withheld = rows(shell.ask(&["task", "touches", &id, "--state", "withheld"]));
    let handed = rows(shell.ask(&["task", "touches", &id, "--state", "delivered"]));
    let (out, inside) = (withheld[0]["user_id"].as_str().unwrap(), handed[0]["user_id"].as_str().unwrap());
    let text = format!(
        "user_id,event,ts,amount\n{out},pay,2026-03-02 20:00,99\n{inside},pay,2026-03-04 19:59:59.999,100\n"
    );
    let events = shell.file("later.csv", &text);
    shell.say(&["ingest", "events", &events]).fine();
    let found = goal(&["--now", "2026-03-04T20:00"]);
    assert_eq!((&found["handed"]["converted"], &found["withheld"]["converted"]), (&1.into(), &0.into()));
    assert_eq!((&found["verdict"], &found["handed"]["open"]), (&"too_small".into(), &0.into()));
    let text = shell.say(&["task", "report", &id, "--now", "2026-03-04T20:00"]).fine().out;
    assert!(text.contains("the holdout is too small"), "{text}");
}
