//! The life of crowds through the door.

use serde_json::Value;

use super::Shell;

fn create(shell: &Shell, name: &str, selection: &str, more: &[&str]) -> Value {
    shell.ask(&[&["crowd", "create", name, selection][..], more].concat()).fine().json()
}

/// One more user in Shanghai.
fn grow(shell: &Shell) {
    let more = shell.file("more.csv", "user_id,city\nu7,上海\n");
    shell.say(&["ingest", "users", &more]).fine();
}

/// Spoils the file of a version.
fn damage(shell: &Shell, made: &Value) {
    let file = std::path::Path::new(&shell.home()).join(made["file"].as_str().unwrap());
    std::fs::write(file, b"torn").unwrap();
}

// proves: S2.28
#[test]
fn an_on_demand_crowd_is_made_at_once_and_refreshed_when_asked() {
    let shell = Shell::with_users();
    let made = create(&shell, "上海", "city = '上海'", &[]);
    assert_eq!((&made["version"], &made["size"], &made["state"]), (&1.into(), &2.into(), &"complete".into()));
    grow(&shell);
    assert_eq!(shell.ask(&["estimate", "crowd '上海'"]).fine().json()["count"], 2, "a version never changes");
    let made = shell.ask(&["crowd", "refresh", "上海"]).fine().json();
    assert_eq!((&made["version"], &made["size"], &made["change"]), (&2.into(), &3.into(), &1.into()));
    assert_eq!(shell.ask(&["estimate", "人群包 '上海'"]).fine().json()["count"], 3);
    let shown = shell.ask(&["crowd", "show", "上海"]).fine().json();
    assert_eq!(shown["versions"].as_array().unwrap().len(), 2);
    assert_eq!(shown["selection"], "city = '上海'");
}

// proves: S2.30
#[test]
fn a_one_off_crowd_stays_as_it_is() {
    let shell = Shell::with_users();
    create(&shell, "一次", "city = '上海'", &["--update", "once"]);
    grow(&shell);
    let said = shell.ask(&["crowd", "refresh", "一次"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CRD-004".to_string()]));
    let said = shell.ask(&["crowd", "create", "一次", "did pay", "--redefine"]);
    assert_eq!(said.codes(), ["CRD-004"]);
    assert_eq!(shell.say(&["crowd", "export", "一次"]).fine().out, "user_id\n00001\n00002\n");
}

#[test]
fn what_entered_and_what_left_is_told() {
    let shell = Shell::with_users();
    create(&shell, "付", "did pay in last 7 days", &["--as-of", "2026-02-22"]);
    shell.say(&["crowd", "refresh", "付"]).fine();
    let said = shell.ask(&["crowd", "diff", "付", "--out", &shell.path("diff.csv")]).fine();
    let found = said.json();
    assert_eq!(
        (&found["from"], &found["to"], &found["entered"], &found["left"]),
        (&1.into(), &2.into(), &1.into(), &1.into())
    );
    assert_eq!(shell.read("diff.csv"), "user_id,change\nu4,entered\n00001,left\n");
    let said = shell.ask(&["crowd", "diff", "付", "--from", "2", "--to", "1"]).fine();
    assert_eq!(said.json()["entered"], 1);
    assert_eq!(shell.ask(&["crowd", "diff", "付", "--to", "9"]).codes(), ["CRD-010"]);
    assert_eq!(shell.ask(&["crowd", "diff", "付", "--to", "1"]).codes(), ["CRD-010"]);
}

// proves: S2.19
#[test]
fn crowds_are_built_on_crowds_and_refreshed_in_their_order() {
    let shell = Shell::with_users();
    create(&shell, "z", "city = '上海'", &["--update", "daily"]);
    let made = create(&shell, "a", "not crowd 'z'", &[]);
    assert_eq!((&made["size"], &made["uses"]["z"]), (&5.into(), &1.into()));
    grow(&shell);
    let all = shell.ask(&["crowd", "refresh", "--all"]).fine().json();
    let names: Vec<&Value> = all["crowds"].as_array().unwrap().iter().map(|c| &c["crowd"]).collect();
    assert_eq!(names, ["z", "a"]);
    assert_eq!(all["crowds"][1]["uses"]["z"], 2);
    assert_eq!(all["crowds"][1]["size"], 5);
}

#[test]
fn cycles_are_refused_with_their_path() {
    let shell = Shell::with_users();
    create(&shell, "甲", "city = '上海'", &[]);
    create(&shell, "乙", "crowd '甲' and did pay", &[]);
    create(&shell, "丙", "not crowd '乙'", &[]);
    let said = shell.ask(&["crowd", "create", "甲", "did pay or crowd '丙'", "--redefine"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CRD-005".to_string()]));
    assert!(said.out.contains("甲 → 丙 → 乙 → 甲"), "{said:?}");
    assert_eq!(shell.ask(&["crowd", "create", "丁", "crowd '丁'"]).codes(), ["CRD-005"]);
    let shown = shell.ask(&["crowd", "show", "甲"]).fine().json();
    assert_eq!((&shown["selection"], &shown["rule_version"]), (&"city = '上海'".into(), &1.into()));
}

#[test]
fn a_redefined_crowd_gets_a_new_rule_and_version() {
    let shell = Shell::with_users();
    create(&shell, "高价值", "balance >= 10000", &["--update", "daily"]);
    assert_eq!(shell.ask(&["crowd", "create", "高价值", "did pay"]).codes(), ["CRD-003"]);
    let made = create(&shell, "高价值", "balance >= 15000", &["--redefine"]);
    assert_eq!((&made["version"], &made["rule_version"], &made["size"]), (&2.into(), &2.into(), &2.into()));
    let shown = shell.ask(&["crowd", "show", "高价值"]).fine().json();
    assert_eq!(shown["update"], "daily");
}

#[test]
fn a_crowd_in_use_is_not_deleted() {
    let shell = Shell::with_users();
    create(&shell, "甲", "city = '上海'", &[]);
    create(&shell, "乙", "crowd '甲'", &[]);
    let said = shell.ask(&["crowd", "delete", "甲"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CRD-006".to_string()]));
    assert!(said.out.contains("crowd '乙'"), "{said:?}");
    shell.say(&["crowd", "delete", "乙"]).fine();
    shell.say(&["crowd", "delete", "甲"]).fine();
    assert_eq!(shell.ask(&["estimate", "crowd '甲'"]).code, 1);
    assert_eq!(create(&shell, "甲", "did pay", &[])["version"], 1, "the name is free again");
}

#[test]
fn uploads_overwrite_append_and_count_unknown_ids() {
    let shell = Shell::with_users();
    let list = shell.file("list.csv", "user_id\n00001\nu3\nnobody\n");
    let made = shell.ask(&["crowd", "import", "名单", &list]).fine().json();
    assert_eq!((&made["size"], &made["unknown"], &made["new_users"]), (&2.into(), &1.into(), &0.into()));
    let kept = std::fs::read_to_string(made["unknown_file"].as_str().unwrap()).unwrap();
    assert_eq!(kept, "user_id\nnobody\n");
    assert_eq!(shell.ask(&["estimate", "all ()"]).fine().json()["universe"], 7, "nobody became a user");
    let one = shell.file("one.csv", "u4\n");
    let made = shell.ask(&["crowd", "import", "名单", &one, "--append"]).fine().json();
    assert_eq!((&made["version"], &made["size"], &made["change"]), (&2.into(), &3.into(), &1.into()));
    let made = shell.ask(&["crowd", "import", "名单", &one]).fine().json();
    assert_eq!((&made["version"], &made["size"]), (&3.into(), &1.into()));
    let made = shell.ask(&["crowd", "import", "名单", &list, "--create"]).fine().json();
    assert_eq!((&made["size"], &made["new_users"], &made["unknown"]), (&3.into(), &1.into(), &0.into()));
    assert_eq!(shell.ask(&["crowd", "refresh", "名单"]).codes(), ["CRD-009"]);
    create(&shell, "圈选", "did pay", &[]);
    assert_eq!(shell.ask(&["crowd", "import", "圈选", &list]).codes(), ["CRD-009"]);
}

#[test]
fn crowds_are_listed_with_size_change_and_age() {
    let shell = Shell::with_users();
    assert!(shell.ask(&["crowd", "list"]).fine().json()["crowds"].as_array().unwrap().is_empty());
    create(&shell, "上海", "city = '上海'", &["--update", "daily", "--now", "2026-02-25"]);
    create(&shell, "付款", "did pay", &[]);
    let said = shell.say(&["crowd", "list"]).fine();
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("上海  daily            1      2       -   4d  2026-02-25"), "{}", said.out);
    assert!(lines[1].ends_with("stale: no new version for two days"), "{}", said.out);
    assert!(!lines[2].contains("stale"));
}

#[test]
fn what_is_wrong_with_a_crowd_is_told() {
    let shell = Shell::with_users();
    assert_eq!(shell.ask(&["crowd", "create", "a\nb", "did pay"]).codes(), ["CRD-001"]);
    create(&shell, "高价值", "did pay", &[]);
    let said = shell.ask(&["crowd", "show", "高价"]);
    assert_eq!(said.codes(), ["CRD-002"]);
    assert!(said.out.contains("'高价值'"));
    let said = shell.ask(&["crowd", "create", "错", "citty = 'x' and agge > 3"]);
    assert_eq!((said.code, said.codes().len()), (1, 2));
    assert_eq!(shell.ask(&["crowd", "show", "错"]).codes(), ["CRD-002"], "nothing was saved");
}

#[test]
fn a_crowd_only_later_than_as_of_is_used_with_a_warning() {
    let shell = Shell::with_users();
    create(&shell, "上海", "city = '上海'", &[]);
    let said = shell.say(&["estimate", "crowd '上海'", "--as-of", "2026-01-01", "--json"]).fine();
    assert_eq!(said.json()["count"], 2);
    assert!(said.talk.starts_with("warning CRD-008"), "{said:?}");
}

#[test]
fn a_failed_refresh_leaves_the_last_version_in_force_and_says_stale() {
    let shell = Shell::with_users();
    let used = create(&shell, "底", "city = '上海'", &[]);
    create(&shell, "上层", "not crowd '底'", &[]);
    damage(&shell, &used);
    let said = shell.ask(&["crowd", "refresh", "上层"]);
    assert_eq!((said.code, said.codes()), (3, vec!["CRD-011".to_string()]));
    let shown = shell.ask(&["crowd", "show", "上层"]).fine().json();
    assert_eq!(shown["is_stale"], true);
    assert_eq!(shown["versions"][1]["state"], "failed");
    assert!(shown["versions"][1]["cause"].as_str().unwrap().starts_with("CRD-011"));
    assert_eq!(shell.ask(&["estimate", "crowd '上层'"]).fine().json()["count"], 5);
    let said = shell.ask(&["crowd", "refresh", "--all"]);
    assert_eq!((said.code, said.codes()), (0, vec![]), "the crowd below is made anew first: {said:?}");
}

#[test]
fn a_damaged_version_is_a_problem_from_outside() {
    let shell = Shell::with_users();
    let made = create(&shell, "上海", "city = '上海'", &[]);
    damage(&shell, &made);
    let said = shell.ask(&["estimate", "crowd '上海'"]);
    assert_eq!((said.code, said.codes()), (3, vec!["CRD-011".to_string()]));
}

#[test]
fn an_upload_of_which_nobody_is_known_is_warned_of() {
    let shell = Shell::with_users();
    let nobody = shell.file("nobody.csv", "user_id\nx1\nx2\n");
    let said = shell.say(&["crowd", "import", "黑名单", &nobody]).fine();
    assert!(said.talk.contains("CRD-015"), "{said:?}");
    let some = shell.file("some.csv", "user_id\nu3\n");
    let said = shell.say(&["crowd", "import", "黑名单", &some]).fine();
    assert!(!said.talk.contains("CRD-015"), "{said:?}");
    let said = shell.say(&["crowd", "import", "黑名单", &nobody, "--append"]).fine();
    assert!(said.talk.contains("stays as it was"), "{said:?}");
}

/// Three more users in Shanghai, where two were.
fn jump(shell: &Shell) {
    let more = shell.file("jump.csv", "user_id,city\nu20,上海\nu21,上海\nu22,上海\n");
    shell.say(&["ingest", "users", &more]).fine();
}

#[test]
fn a_version_that_jumps_is_held_until_a_person_decides() {
    let shell = Shell::with_users();
    create(&shell, "上海", "city = '上海'", &["--guard", "50%"]);
    jump(&shell);
    let made = shell.ask(&["crowd", "refresh", "上海"]).fine().json();
    assert_eq!((&made["state"], &made["size"]), (&"held".into(), &5.into()));
    assert_eq!(shell.ask(&["estimate", "crowd '上海'"]).fine().json()["count"], 2);
    let listed = shell.ask(&["crowd", "list"]).fine().json()["crowds"][0].clone();
    assert_eq!(
        (&listed["newest"]["version"], &listed["held"]["version"], &listed["guard"]),
        (&1.into(), &2.into(), &"50%".into())
    );
    assert!(shell.say(&["crowd", "list"]).fine().out.contains("held: version 2: 2 → 5 users"));
    let diff = shell.ask(&["crowd", "diff", "上海", "--to", "2"]).fine().json();
    assert_eq!((&diff["from"], &diff["entered"]), (&1.into(), &3.into()));
    let again = shell.ask(&["crowd", "refresh", "上海"]).fine().json();
    assert_eq!((&again["version"], &again["state"]), (&3.into(), &"held".into()));
    let states: Vec<Value> = shell.ask(&["crowd", "show", "上海"]).fine().json()["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["state"].clone())
        .collect();
    assert_eq!(states, ["complete", "discarded", "held"], "one is held at a time");
    assert_eq!(shell.ask(&["crowd", "confirm", "上海"]).fine().json()["change"], 3);
    assert_eq!(shell.ask(&["estimate", "crowd '上海'"]).fine().json()["count"], 5);
    assert_eq!(shell.ask(&["crowd", "discard", "上海"]).codes(), ["CRD-020"]);
    let made = create(&shell, "上海", "did pay", &["--redefine"]);
    assert_eq!(made["state"], "complete", "another selection is what a person meant");
    assert_eq!(shell.ask(&["crowd", "guard", "上海", "off"]).fine().json()["guard"], "off");
    assert_eq!(shell.ask(&["crowd", "guard", "上海", "0%"]).code, 2);
}

#[test]
fn the_guard_of_the_settings_holds_for_crowds_without_their_own() {
    let shell = Shell::with_users();
    create(&shell, "甲", "city = '上海'", &[]);
    create(&shell, "乙", "city = '上海'", &["--guard", "off"]);
    shell.file("home/quanke.toml", "[crowds]\nguard = \"50%\"\n");
    jump(&shell);
    let all = shell.ask(&["crowd", "refresh", "--all"]).fine().json();
    let state = |n: usize| all["crowds"][n]["state"].clone();
    assert_eq!((state(0), state(1)), ("complete".into(), "held".into()), "{all}");
}

#[test]
fn a_held_version_is_a_failed_refresh_before_a_run_and_stands_in_the_report() {
    let shell = Shell::with_users();
    create(&shell, "上海", "city = '上海'", &["--guard", "50%"]);
    let text = "name = \"报\"\ncrowd = \"上海\"\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n[trigger]\nkind = \"once\"\n\
                at = \"2026-03-02T20:00\"\nrefresh_before = true\n[dispatch]\nsender = \"file\"\n";
    let file = shell.file("task.toml", text);
    let id = shell.ask(&["task", "create", &file]).fine().json()["id"].as_str().unwrap().to_string();
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    jump(&shell);
    let said = shell.ask(&["run", "--until", "2026-03-02T21:00"]);
    assert!(said.out.contains("CRD-021") && said.out.contains("refresh failed"), "{said:?}");
    let report = shell.ask(&["task", "report", &id]).fine().json();
    assert_eq!(
        (&report["runs"][0]["state"], &report["crowds"][0]["mark"]),
        (&"skipped".into(), &"held".into())
    );
    assert!(shell.say(&["task", "report", &id]).fine().out.contains("crowd '上海' is held: version 2"));
}

#[test]
fn a_daily_crowd_that_cannot_be_made_is_an_alarm_and_stops_nothing() {
    let shell = Shell::with_users();
    let list = shell.file("list.csv", "00001\n");
    let made = shell.ask(&["crowd", "import", "名单", &list]).fine().json();
    create(&shell, "坏", "crowd '名单'", &["--update", "daily"]);
    create(&shell, "好", "city = '上海'", &["--update", "daily"]);
    damage(&shell, &made);
    let said = shell.ask(&["run", "--until", "2026-03-02T03:00"]);
    assert_eq!(said.code, 3);
    assert!(said.talk.contains("CRD-022") && said.talk.contains("crowd '坏' stays stale"), "{said:?}");
    let crowds = shell.ask(&["crowd", "list"]).fine().json()["crowds"].clone();
    let of =
        |name: &str| crowds.as_array().unwrap().iter().find(|crowd| crowd["name"] == name).unwrap().clone();
    assert_eq!((&of("坏")["is_stale"], &of("好")["newest"]["version"]), (&true.into(), &2.into()));
    assert!(of("坏")["why"].as_str().unwrap().contains("CRD-011"));
    shell.say(&["run", "--until", "2026-03-02T04:00"]).fine();
}

#[test]
fn an_edit_does_not_take_a_listed_audience_away_from_those_who_use_it() {
    let shell = Shell::with_users();
    let text = |name: &str, audience: &str, sync: bool| {
        format!(
            "name = \"{name}\"\naudience = \"{audience}\"\nsync = {sync}\nupdate = \"daily\"\nstart = \"2026-03-01\"\nend = \"2026-04-01\"\n\
             [trigger]\nkind = \"once\"\nat = \"2026-03-02T20:00\"\n[dispatch]\nsender = \"file\"\n"
        )
    };
    let file = |text: String| shell.file("task.toml", &text);
    let shanghai = "city = '上海'";
    let id = shell.ask(&["task", "create", &file(text("甲", shanghai, true))]).fine().json()["id"]
        .as_str()
        .unwrap()
        .to_string();
    create(&shell, "乙", &format!("crowd '甲+{id}'"), &[]);
    let edit = |text: String| shell.ask(&["task", "edit", &id, &file(text)]);
    for other in [text("甲", shanghai, false), text("丙", shanghai, true), text("甲", "did pay", true)] {
        assert_eq!(edit(other).codes(), ["CRD-006"]);
    }
    assert_eq!(shell.ask(&["task", "show", &id]).fine().json()["version"], 1, "nothing was edited");
    edit(text("甲", shanghai, true)).fine();
    shell.say(&["crowd", "delete", "乙"]).fine();
    edit(text("甲", shanghai, false)).fine();
    assert!(shell.ask(&["crowd", "list"]).fine().json()["crowds"].as_array().unwrap().is_empty());
}
