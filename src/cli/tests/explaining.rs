//! `explain`: why one user is in or out, and where the time of a plan goes.

use serde_json::Value;

use super::Shell;

/// `explain SELECTION --user ID --json`.
fn why(shell: &Shell, selection: &str, user: &str) -> Value {
    shell.ask(&["explain", selection, "--user", user]).fine().json()
}

#[test]
fn who_is_in_is_shown_the_rows_that_prove_it() {
    let shell = Shell::with_users();
    let found = why(&shell, "gender = '女' and did pay where amount > 100 in last 30 days", "00001");
    assert_eq!((&found["in"], &found["user"]), (&true.into(), &"00001".into()));
    assert_eq!(found["because"].as_array().unwrap().len(), 2);
    let tag = &found["tree"]["children"][0];
    assert_eq!(tag["evidence"], serde_json::json!({ "tag": "gender", "value": "女", "window": null }));
    let rows = &found["tree"]["children"][1]["evidence"];
    assert_eq!((&rows["value"], &rows["wanted"], &rows["passed"]), (&1.into(), &">= 1".into(), &1.into()));
    assert_eq!(rows["window"]["from"], "2026-01-30T12:00:00.001+08:00");
    assert_eq!(rows["window"]["to"], "2026-03-01T12:00:00.001+08:00");
    assert_eq!(rows["rows"][0]["time"], "2026-02-21T10:00:00.000+08:00");
    assert_eq!(rows["rows"][0]["values"]["amount"], 150.0);
    assert_eq!(rows["near"]["failed_latest"]["tests"][0]["test"], "amount > 100");
    assert_eq!(rows["near"]["failed_latest"]["tests"][0]["value"], 50.0);
}

#[test]
fn who_is_out_is_told_the_condition_that_failed_and_the_nearest_miss() {
    let shell = Shell::with_users();
    let found = why(&shell, "gender = '女' and did pay count >= 3 in last 5 days", "00001");
    assert_eq!(found["because"], serde_json::json!(["did pay count >= 3 in last 5 days"]));
    let near = &found["tree"]["children"][1]["evidence"]["near"];
    assert_eq!((&near["outside"], &near["rows"]), (&2.into(), &2.into()));
    assert_eq!(near["outside_latest"]["time"], "2026-02-21T10:00:00.000+08:00");
    let said = shell.say(&["explain", "did pay count >= 3 in last 5 days", "--user", "00001"]).fine();
    for words in [
        "00001 is out  as of 2026-03-01T12:00:00.000+08:00",
        "count is 0; wanted >= 3",
        "window  2026-02-24T12:00:00.001+08:00 up to, not including, 2026-03-01T12:00:00.001+08:00",
        "2 passed the filter outside the window, the latest:",
    ] {
        assert!(said.out.contains(words), "{words}\n{}", said.out);
    }
}

#[test]
fn crowds_own_windows_and_rows_asked_for_are_shown() {
    let shell = Shell::with_users();
    shell.say(&["crowd", "create", "上海", "city = '上海'"]).fine();
    let found = why(&shell, "not crowd '上海'", "u3");
    assert_eq!((&found["in"], &found["because"]), (&true.into(), &serde_json::json!(["crowd '上海'"])));
    let crowd = &found["tree"]["children"][0]["evidence"];
    assert_eq!((&crowd["version"], &crowd["crowd"]), (&1.into(), &"上海".into()));
    let said = shell.ask(&["explain", "did pay", "--user", "00001", "--rows", "1"]).fine().json();
    let rows = &said["tree"]["evidence"];
    assert_eq!((rows["rows"].as_array().unwrap().len(), &rows["passed"]), (1, &2.into()));
    assert_eq!(shell.say(&["explain", "did pay", "--rows", "1"]).code, 2, "rows belong to a user");
}

#[test]
fn an_id_that_is_not_known_has_near_ones_and_a_deleted_user_says_so() {
    let shell = Shell::with_users();
    let said = shell.ask(&["explain", "did pay", "--user", "1"]);
    assert_eq!((said.code, said.codes()), (1, vec!["SEL-121".to_string()]));
    assert!(said.out.contains("near are 00001"), "{said:?}");
    let gone = shell.file("gone.csv", "user_id\nu4\n");
    shell.say(&["ingest", "users", &gone, "--delete"]).fine();
    let said = shell.ask(&["explain", "did pay", "--user", "u4"]);
    assert_eq!((said.code, said.codes()), (1, vec!["SEL-122".to_string()]));
    assert!(said.out.contains("was deleted"), "{said:?}");
    let few = shell.file("few.csv", "user_id,gender\nu3,女\n");
    shell.say(&["ingest", "users", &few, "--mode", "replace"]).fine();
    let said = shell.ask(&["explain", "did pay", "--user", "u5"]);
    assert_eq!(said.codes(), ["SEL-122"]);
    assert!(said.out.contains("--mode replace"), "{said:?}");
}

#[test]
fn verbose_shows_each_rewrite_and_what_a_node_cost() {
    let shell = Shell::with_users();
    let asked = "did pay and (gender = '女' and not not city is known)";
    let said = shell.say(&["explain", asked, "--verbose"]).fine();
    for words in ["as asked\n", "push_not: `not not a` is `a`", "flatten: ", "cheapest_first: ", "as it ran"]
    {
        assert!(said.out.contains(words), "{words}\n{}", said.out);
    }
    let found = shell.ask(&["explain", asked, "--verbose"]).fine().json();
    let rules: Vec<&Value> = found["rewrites"].as_array().unwrap().iter().map(|r| &r["rule"]).collect();
    assert_eq!(rules, ["push_not", "flatten", "cheapest_first"]);
    let plan = found["plan"].as_array().unwrap();
    assert!(plan.iter().all(|node| node["bytes"].as_u64().is_some_and(|bytes| bytes > 0)), "{plan:#?}");
    let bytes = |at: usize| plan[at]["bytes"].as_u64().unwrap();
    assert_eq!(bytes(0), bytes(1) + bytes(2) + bytes(3), "a join reads what its parts read");
    let found = shell.ask(&["explain", "gender = '女' and did pay", "--verbose"]).fine().json();
    assert_eq!(found["rewrites"].as_array().unwrap().len(), 0, "what changed nothing is not shown");
}

#[test]
fn warnings_come_with_estimates_crowds_and_plans() {
    let shell = Shell::with_users();
    for command in [
        &["estimate", "city = '上海' and city = '北京'"][..],
        &["explain", "city = '上海' and city = '北京'"],
        &["crowd", "create", "空", "city = '上海' and city = '北京'"],
    ] {
        let said = shell.say(command).fine();
        assert!(said.talk.contains("warning SEL-152\n  where  selection:1:"), "{said:?}");
    }
    let said = shell.say(&["estimate", "gender != '女'"]).fine();
    assert!(said.talk.contains("warning SEL-157"), "{said:?}");
    assert!(shell.say(&["estimate", "gender = '女' and not did pay"]).fine().talk.is_empty());
}
