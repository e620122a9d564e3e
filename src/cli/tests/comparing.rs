//! Crowds compared: with each other, and with their own past.

use serde_json::{Value, json};

use super::Shell;

fn create(shell: &Shell, name: &str, selection: &str, as_of: &str) {
    shell.say(&["crowd", "create", name, selection, "--as-of", as_of]).fine();
}

// proves: S3.10
#[test]
fn the_overlap_of_crowds_is_counted_pair_by_pair() {
    let shell = Shell::with_users();
    create(&shell, "上海", "city = '上海'", "2026-03-01");
    create(&shell, "女", "gender = '女'", "2026-03-01");
    create(&shell, "付", "did pay", "2026-03-01");
    let found = shell.ask(&["crowd", "overlap", "上海", "女", "付", "女"]).fine().json();
    let names: Vec<&Value> = found["crowds"].as_array().unwrap().iter().map(|crowd| &crowd["name"]).collect();
    assert_eq!(names, ["上海", "女", "付"], "each once");
    assert_eq!(found["both"], json!([[2, 1, 1], [1, 3, 1], [1, 1, 2]]));
    assert_eq!(found["jaccard"][0], json!([1.0, 0.25, 1.0 / 3.0]));
    assert_eq!((&found["users"], &found["in_exactly"]), (&json!(5), &json!([4, 0, 1])));
    let all = shell.say(&["crowd", "overlap", "--all", "--csv", "--top", "1"]).fine();
    assert_eq!(all.out, "crowd_a,crowd_b,size_a,size_b,both,either,jaccard\n上海,付,2,2,1,3,0.333333\n");
    let said = shell.say(&["crowd", "overlap", "上海", "付", "--svg", &shell.path("o.svg")]).fine();
    assert!(said.out.contains("users in both") && said.out.contains("2 crowds        1"), "{said:?}");
    assert!(shell.read("o.svg").contains("33.3%"));
}

#[test]
fn crowds_that_cannot_be_compared_are_all_told() {
    let shell = Shell::with_users();
    let said = shell.ask(&["crowd", "overlap", "甲", "乙"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CRD-002".to_string(), "CRD-002".to_string()]));
    let names: Vec<String> = (0..201).map(|n| format!("c{n}")).collect();
    let line: Vec<&str> = ["crowd", "overlap"].into_iter().chain(names.iter().map(String::as_str)).collect();
    assert_eq!(shell.ask(&line).codes(), ["CRD-013"]);
    assert_eq!(shell.ask(&["crowd", "overlap"]).code, 2);
    assert_eq!(shell.ask(&["crowd", "overlap", "--all"]).fine().json()["users"], 0);
}

#[test]
fn users_deleted_since_are_not_in_the_overlap() {
    let shell = Shell::with_users();
    create(&shell, "上海", "city = '上海'", "2026-03-01");
    create(&shell, "付", "did pay", "2026-03-01");
    let gone = shell.file("gone.csv", "user_id\n00001\n");
    shell.say(&["ingest", "users", &gone, "--delete"]).fine();
    let found = shell.ask(&["crowd", "overlap", "--all"]).fine().json();
    assert_eq!(found["both"], json!([[1, 0], [0, 1]]));
    let said = shell.ask(&["profile", "all ()", "--by", "city"]).fine().json();
    let cities = said["by"][0]["values"].as_array().unwrap();
    let shanghai = cities.iter().find(|city| city["value"] == "上海").unwrap();
    assert_eq!((&shanghai["universe"], &said["universe"]), (&json!(1), &json!(6)));
}

fn history() -> Shell {
    let shell = Shell::with_users();
    create(&shell, "付", "did pay in last 7 days", "2026-02-21");
    for at in ["2026-02-22", "2026-03-01"] {
        shell.say(&["crowd", "refresh", "付", "--as-of", at]).fine();
    }
    shell
}

// proves: S3.12
#[test]
fn the_history_of_a_crowd_tells_who_entered_and_left() {
    let shell = history();
    let found = shell.ask(&["crowd", "history", "付"]).fine().json();
    let versions = found["versions"].as_array().unwrap();
    let facts =
        |version: &Value| ["version", "size", "entered", "left"].map(|key| version[key].as_u64().unwrap());
    assert_eq!(versions.iter().map(facts).collect::<Vec<_>>(), [[1, 1, 1, 0], [2, 1, 0, 0], [3, 1, 1, 1]]);
    let said = shell.say(&["crowd", "history", "付", "--svg", &shell.path("h.svg")]).fine();
    assert!(said.out.lines().nth(3).unwrap().contains("+1"), "{said:?}");
    assert!(shell.read("h.svg").contains("2026-02-21"));
    let said = shell.say(&["crowd", "history", "付", "--csv"]).fine();
    assert_eq!(said.out.lines().count(), 4);
    assert_eq!(shell.ask(&["crowd", "history", "无"]).codes(), ["CRD-002"]);
}

#[test]
fn versions_are_named_by_number_or_instant() {
    let shell = history();
    let diff = |from: &str, to: &str| {
        let found = shell.ask(&["crowd", "diff", "付", "--from", from, "--to", to]).fine().json();
        ["from", "to", "entered", "left", "stayed"].map(|key| found[key].as_u64().unwrap())
    };
    assert_eq!(diff("2026-02-21", "2026-02-28"), [1, 2, 0, 0, 1]);
    assert_eq!(diff("2", "2026-03-05T00:00:00Z"), [2, 3, 1, 1, 0]);
    let said = shell.ask(&["crowd", "diff", "付", "--from", "2026-02-20"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CRD-010".to_string()]));
    assert!(said.out.contains("its oldest is of 2026-02-21T00:00:00.000+08:00"), "{said:?}");
    assert_eq!(shell.ask(&["crowd", "diff", "付", "--from", "soon"]).code, 2);
}
