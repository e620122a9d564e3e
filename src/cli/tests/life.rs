//! The life of a task through the door: who did what, versions, lists, plans, and schedules on made data.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Shell;

fn once(name: &str, more: &str) -> String {
    format!(
        "name = \"{name}\"\n{more}\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n\
         [trigger]\nkind = \"once\"\nat = \"2026-03-02 20:00\"\n[dispatch]\nsender = \"file\"\n"
    )
}

fn repeat(name: &str, audience: &str, trigger: &str) -> String {
    format!(
        "name = \"{name}\"\naudience = \"{audience}\"\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n\
         [trigger]\nkind = \"repeat\"\nrefresh_before = true\n{trigger}\n[dispatch]\nsender = \"file\"\n"
    )
}

fn made(shell: &Shell, text: &str) -> String {
    let file = shell.file("task.toml", text);
    shell.ask(&["task", "create", &file]).fine().json()["id"].as_str().unwrap().to_string()
}

fn approved(shell: &Shell, text: &str) -> String {
    let id = made(shell, text);
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    id
}

/// The users that each run of a task reached, sorted, by its planned local time.
fn reached(shell: &Shell, id: &str) -> BTreeMap<String, Vec<String>> {
    let path = shell.folder.path().join(format!("home/outbox/{id}.ndjson"));
    let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        let touch: Value = serde_json::from_str(line).unwrap();
        let run = touch["run"].as_str().unwrap().split_once('@').unwrap().1.to_string();
        runs.entry(run).or_default().push(touch["user_id"].as_str().unwrap().to_string());
    }
    runs.values_mut().for_each(|users| users.sort());
    runs
}

// proves: S2.34, S2.36
#[test]
fn who_registered_within_seven_days_is_reached_daily_at_ten_and_at_eight() {
    let shell = Shell::new();
    let minute = |m: i64| format!("2026-03-{:02}T{:02}:{:02}:00", 1 + m / 1440, m / 60 % 24, m % 60);
    // From 2026-03-01 on, one user every 7 hours; some at the very edge of a refresh.
    let registered: Vec<i64> = (0..40).map(|n| n * 420).chain([585, 586, 1185]).collect();
    let rows: String =
        registered.iter().enumerate().map(|(n, m)| format!("u{n:02},{}\n", minute(*m))).collect();
    shell.file("users.csv", &format!("user_id,register_time\n{rows}"));
    shell.say(&["ingest", "users", &shell.path("users.csv")]).fine();
    let id =
        approved(&shell, &repeat("新人", "register_time in last 7 days", "times = [\"10:00\", \"20:00\"]"));
    shell.say(&["run", "--until", "2026-03-14T00:00:00+08:00"]).fine();
    let found = reached(&shell, &id);
    for run in (1..=26).map(|n| 1440 * ((n - 1) / 2) + if n % 2 == 1 { 600 } else { 1200 }) {
        // As of the refresh, 15 min before; the test's now is noon of the first day.
        let age = |m: i64| run - 15 - m;
        let fits = registered.iter().enumerate().filter(|(_, m)| (0..7 * 1440).contains(&age(**m)));
        let expected: Vec<String> = fits.map(|(n, _)| format!("u{n:02}")).collect();
        match run {
            600 => assert!(!found.contains_key(&minute(run))),
            _ => {
                assert_eq!(found.get(&minute(run)).cloned().unwrap_or_default(), expected, "{}", minute(run))
            }
        }
    }
    let report = shell.ask(&["task", "report", &id]).fine().json();
    assert_eq!(report["runs"].as_array().unwrap().len(), 25);
    assert_eq!(report["runs"][0]["as_of"], "2026-03-01T19:45:00.000+08:00");
    assert_eq!(report["total"]["balanced"], true);
}

// proves: S2.35
#[test]
fn who_did_not_visit_last_week_is_reached_every_monday() {
    let shell = Shell::new();
    shell.file("users.csv", "user_id,city\nu1,上海\nu2,上海\nu3,上海\n");
    shell.file("events.csv", "user_id,event,ts\nu1,visit,2026-02-24 10:00\nu2,visit,2026-03-08 23:59:59\nu3,visit,2026-03-09 00:00\n");
    shell.say(&["ingest", "users", &shell.path("users.csv")]).fine();
    shell.say(&["ingest", "events", &shell.path("events.csv")]).fine();
    let id = approved(
        &shell,
        &repeat("召回", "not did visit last week", "times = [\"09:00\"]\nweekdays = [\"周一\"]"),
    );
    shell.say(&["run", "--until", "2026-03-20T00:00:00+08:00"]).fine();
    let found: Vec<(String, String)> =
        reached(&shell, &id).into_iter().map(|(run, users)| (run, users.join(" "))).collect();
    let expected = [("2026-03-02", "u2 u3"), ("2026-03-09", "u1 u3"), ("2026-03-16", "u1 u2")];
    assert_eq!(found, expected.map(|(day, users)| (format!("{day}T09:00:00"), users.to_string())));
}

/// The audience of each version is its own, also where it is made once.
#[test]
fn a_new_version_has_a_new_audience_and_reports_keep_the_old_one() {
    let shell = Shell::with_users();
    let text = |city: &str| {
        repeat("活动", &format!("city = '{city}'"), "times = [\"20:00\"]")
            .replace("refresh_before = true\n", "")
    };
    let id = approved(&shell, &text("上海"));
    shell.say(&["run", "--until", "2026-03-02T21:00:00+08:00"]).fine();
    let file = shell.file("task.toml", &text("北京"));
    shell.say(&["task", "edit", &id, &file, "--now", "2026-03-02T22:00:00+08:00"]).fine();
    shell.say(&["run", "--until", "2026-03-04T21:00:00+08:00"]).fine();
    let found = reached(&shell, &id);
    assert_eq!(found["2026-03-02T20:00:00"], ["00001", "00002"]);
    assert_eq!(found["2026-03-03T20:00:00"], ["u3", "u4"]);
    assert_eq!(found["2026-03-04T20:00:00"], ["u3", "u4"]);
    let report = shell.ask(&["task", "report", &id]).fine().json();
    let versions: Vec<&Value> =
        report["runs"].as_array().unwrap().iter().map(|run| &run["task_version"]).collect();
    assert_eq!(versions, [1, 1, 2, 2]);
}

#[test]
fn the_trail_says_who_did_what_and_why() {
    let shell = Shell::with_users();
    std::fs::write(shell.folder.path().join("home/quanke.toml"), "[tasks]\nby = \"运营部\"\n").unwrap();
    let id = made(&shell, &once("春季", ""));
    shell.say(&["task", "submit", &id, "--by", "小王"]).fine();
    shell.say(&["task", "reject", &id, "--reason", "文案有误", "--by", "老李"]).fine();
    let file = shell.file("task.toml", &once("夏季", "group = \"会员日\""));
    shell.say(&["task", "edit", &id, &file, "--by", "小王"]).fine();
    let shown = shell.ask(&["task", "show", &id]).fine().json();
    let trail: Vec<String> = shown["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", row["who"].as_str().unwrap(), row["move"].as_str().unwrap()))
        .collect();
    assert_eq!(trail, ["运营部 create", "小王 submit", "老李 reject", "小王 edit"]);
    assert_eq!(shown["moves"][2]["note"], "文案有误");
    assert_eq!((&shown["creator"], &shown["versions"][1]["made_by"]), (&"运营部".into(), &"小王".into()));
    let diff = shell.ask(&["task", "show", &id, "--diff", "2"]).fine().json();
    let expected = json!([
        { "key": "group", "before": null, "after": "会员日" },
        { "key": "name", "before": "春季", "after": "夏季" }
    ]);
    assert_eq!(diff["changed"], expected);
    assert!(shell.say(&["task", "show", &id, "--diff", "2"]).fine().out.contains("春季"));
    assert_eq!(shell.ask(&["task", "show", &id, "--diff", "3"]).codes(), ["TSK-011"]);
}

#[test]
fn lists_are_searched_filtered_and_paged() {
    let shell = Shell::with_users();
    for name in ["春季", "夏季", "秋季"] {
        made(&shell, &once(name, "staff = [\"张三\"]"));
    }
    shell.say(&["task", "submit", "t2"]).fine();
    let ids = |arguments: &[&str]| {
        let found = shell.ask(&[&["task", "list"], arguments].concat()).fine().json();
        let ids = found["tasks"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap().to_string());
        (ids.collect::<Vec<_>>().join(" "), found["total"].as_u64().unwrap())
    };
    assert_eq!(ids(&["--search", "夏"]), ("t2".into(), 1));
    assert_eq!(ids(&["--search", "张三", "--state", "草稿"]), ("t1 t3".into(), 2));
    assert_eq!(ids(&["--state", "draft,pending_approval", "--limit", "2", "--page", "2"]), ("t3".into(), 3));
    assert_eq!(shell.ask(&["task", "list", "--state", "asleep"]).codes(), ["CLI-001"]);
    shell.say(&["task", "delete", "t3", "--reason", "写错了"]).fine();
    assert_eq!(ids(&[]), ("t1 t2".into(), 2));
    assert_eq!(shell.ask(&["task", "submit", "t3"]).codes(), ["TSK-044"]);
}

// proves: S0.18
#[test]
fn one_act_starts_a_task_where_the_switch_allows_it() {
    let shell = Shell::with_users();
    let file = shell.file("task.toml", &once("春季", ""));
    assert_eq!(shell.ask(&["task", "create", &file, "--start"]).codes(), ["TSK-045"]);
    std::fs::write(shell.folder.path().join("home/quanke.toml"), "[tasks]\ncreate_starts = true\n").unwrap();
    assert_eq!(shell.ask(&["task", "create", &file, "--start"]).fine().json()["state"], "running");
}

#[test]
fn an_edit_that_cannot_be_is_refused_by_the_door() {
    let shell = Shell::with_users();
    let id = approved(&shell, &once("春季", ""));
    shell.say(&["run", "--until", "2026-03-02T12:00:00+08:00"]).fine();
    let other = shell.file("other.toml", &(once("春季", "") + "channel = \"短信\"\n"));
    let edit = |now: &str, file: &str| shell.ask(&["task", "edit", &id, file, "--now", now]);
    assert_eq!(edit("2026-03-02T12:00:00+08:00", &other).codes(), ["TSK-043"]);
    shell.say(&["run", "--until", "2026-03-02T21:00:00+08:00"]).fine();
    // proves: S1.25
    let same = shell.file("same.toml", &once("改名", ""));
    assert_eq!(edit("2026-03-02T21:00:00+08:00", &same).codes(), ["DSP-042"]);
}

#[test]
fn a_plan_is_shown_for_files_and_tasks() {
    let shell = Shell::with_users();
    let file = shell.file("task.toml", &repeat("日报", "city = '上海'", "times = [\"10:00\", \"20:00\"]"));
    let plan = shell.ask(&["task", "plan", &file, "--days", "2"]).fine().json();
    let runs: Vec<&str> =
        plan["runs"].as_array().unwrap().iter().map(|run| run["planned"].as_str().unwrap()).collect();
    assert_eq!(
        runs,
        ["2026-03-01T20:00:00", "2026-03-02T10:00:00", "2026-03-02T20:00:00", "2026-03-03T10:00:00"]
    );
    assert_eq!(plan["runs"][0]["refresh_at"], "2026-03-01T19:45:00.000+08:00");
    let id = made(&shell, &repeat("日报", "city = '上海'", "times = [\"10:00\"]"));
    let told = shell.say(&["task", "plan", &id]).fine().out;
    assert!(
        told.contains("every day at 10:00") && told.contains("nothing runs before it is approved"),
        "{told}"
    );
    let rule = once("等", "")
        .replace("kind = \"once\"\nat = \"2026-03-02 20:00\"", "kind = \"event\"\ndid = \"pay\"");
    let waits = shell.ask(&["task", "plan", &shell.file("rule.toml", &rule)]).fine().json();
    assert!(waits["waits_for"].as_str().unwrap().starts_with("pay, from 2026-03-01"), "{waits}");
}
