//! Profiles, comparisons and sizes over time through the door.

use serde_json::{Value, json};

use super::Shell;

/// Value, count, universe and index of each group of a dimension.
fn groups(by: &Value) -> Vec<(Value, u64, u64, Value)> {
    let number = |group: &Value, key: &str| group[key].as_u64().unwrap();
    let values = by["values"].as_array().unwrap().iter();
    values
        .map(|g| (g["value"].clone(), number(g, "count"), number(g, "universe"), g["index"].clone()))
        .collect()
}

// proves: S2.23
#[test]
fn a_profile_counts_each_value_beside_everyone() {
    let shell = Shell::with_users();
    let said =
        shell.ask(&["profile", "city is known", "--by", "gender,city", "--as-of", "2026-03-01"]).fine();
    let document = said.json();
    assert_eq!((&document["count"], &document["universe"]), (&json!(5), &json!(7)));
    assert_eq!(document["as_of"], "2026-03-01T00:00:00.000+08:00");
    assert_eq!(document["by"][0]["dimension"], "gender");
    let gender = groups(&document["by"][0]);
    assert_eq!(
        gender,
        [
            (json!("女"), 2, 3, json!(93.33)),
            (json!("男"), 2, 2, json!(140.0)),
            (Value::Null, 1, 2, json!(70.0))
        ]
    );
    assert_eq!(document["by"][0]["values"][0]["share"], 0.4);
    let city: Vec<Value> = groups(&document["by"][1]).into_iter().map(|group| group.0).collect();
    assert_eq!(city, [json!("上海"), json!("北京"), json!("杭州"), Value::Null]);
    assert_eq!(groups(&document["by"][1])[3], (Value::Null, 0, 2, json!(0.0)));
}

#[test]
fn dimensions_are_crossed_and_cut_into_bins() {
    let shell = Shell::with_users();
    let document =
        shell.ask(&["profile", "did pay", "--by", "gender*city", "--by", "balance:2"]).fine().json();
    let crossed = groups(&document["by"][0]);
    assert_eq!(document["by"][0]["columns"], json!(["gender", "city"]));
    assert_eq!((&crossed[0].0, crossed[0].1), (&json!(["女", "上海"]), 1));
    assert_eq!(crossed.iter().map(|group| group.1).sum::<u64>(), 2);
    assert_eq!(crossed.iter().map(|group| group.2).sum::<u64>(), 7);
    let bins = document["by"][1]["values"].as_array().unwrap();
    assert_eq!(
        (&bins[0]["value"], &bins[0]["from"], &bins[0]["to"]),
        (&json!("[0, 10000)"), &json!(0.0), &json!(10000.0))
    );
    assert_eq!(bins.iter().map(|bin| bin["count"].as_u64().unwrap()).sum::<u64>(), 2);
}

#[test]
fn people_get_one_table_a_dimension() {
    let shell = Shell::with_users();
    let said = shell.say(&["profile", "gender = '女'", "--by", "city,gender*age", "--top", "1"]).fine();
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("3 of 7 users (42.86%)  as of 2026-03-01T12:00:00.000+08:00"), "{said:?}");
    assert_eq!(lines[2], "city      users   share  everyone   share  index");
    assert_eq!(lines[3], "上海          1  33.33%         2  28.57%    117");
    assert_eq!(lines[4], "-             1  33.33%         2  28.57%    117");
    assert_eq!(lines[5], "… 2 more      1  33.33%         3  42.86%     78");
    assert!(lines[7].starts_with("gender    age  users"), "{said:?}");
}

#[test]
fn a_profile_of_nobody_has_no_shares() {
    let shell = Shell::with_users();
    let document = shell.ask(&["profile", "age > 1000", "--by", "gender"]).fine().json();
    let first = &document["by"][0]["values"][0];
    assert_eq!((&first["count"], &first["share"], &first["index"]), (&json!(0), &Value::Null, &Value::Null));
    assert!(shell.say(&["profile", "age > 1000", "--by", "gender"]).fine().out.contains("  -"));
}

#[test]
fn rows_come_as_csv_and_repeats_tell_each_time() {
    let shell = Shell::with_users();
    let said =
        shell.say(&["profile", "gender = '女'", "--by", "city,gender*age", "--csv", "--top", "1"]).fine();
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], "dimension,value,value_2,count,share,universe,index");
    assert_eq!(lines[1], "city,上海,,1,0.333333,2,116.67");
    assert_eq!(lines[2], "city,,,1,0.333333,2,116.67");
    let said = shell.ask(&["profile", "did pay", "--by", "city", "--repeat", "3", "--no-cache"]).fine();
    assert_eq!(said.json()["runs_ms"].as_array().unwrap().len(), 3);
    assert_eq!(shell.ask(&["profile", "did pay", "--by", "city", "--csv"]).code, 2);
}

#[test]
fn names_and_bins_that_cannot_be_are_told_at_once() {
    let shell = Shell::with_users();
    let said = shell.ask(&["profile", "did pay", "--by", "citty,gender:3,age*nothing"]);
    assert_eq!(
        (said.code, said.codes()),
        (1, vec!["SEL-101".into(), "SEL-130".into(), "SEL-101".to_string()])
    );
    let problems = said.json();
    assert_eq!(problems["problems"][0]["where"], "--by citty");
    assert_eq!(problems["problems"][0]["do"], "write `city`, if that is meant");
    assert_eq!(shell.ask(&["profile", "did pay", "--by", "a,,b"]).code, 2);
    assert_eq!(shell.ask(&["profile", "did pay"]).code, 2);
}

#[test]
fn an_alias_stands_for_its_column() {
    let shell = Shell::with_users();
    shell.file("home/catalog.toml", "[attributes.gender]\nalias = \"性别\"\n");
    let document = shell.ask(&["profile", "did pay", "--by", "性别"]).fine().json();
    assert_eq!(
        (&document["by"][0]["dimension"], &document["by"][0]["columns"]),
        (&json!("性别"), &json!(["gender"]))
    );
}

#[test]
fn a_picture_is_written_beside_the_table() {
    let shell = Shell::with_users();
    let file = shell.path("p.svg");
    let said = shell.say(&["profile", "did pay", "--by", "city,balance", "--svg", &file]).fine();
    assert!(said.out.contains("上海") && said.talk.contains("p.svg"), "{said:?}");
    let svg = shell.read("p.svg");
    assert!(svg.starts_with("<?xml") && svg.contains(">上海<"), "{svg}");
    assert_eq!(shell.ask(&["profile", "did pay", "--by", "city", "--svg", &shell.path("p.png")]).code, 2);
    let said = shell.ask(&["profile", "did pay", "--by", "city", "--svg", &shell.path("no/p.svg")]);
    assert_eq!((said.code, said.codes()), (3, vec!["OUT-001".to_string()]));
}

#[test]
fn a_selection_is_compared_at_two_instants() {
    let shell = Shell::with_users();
    let out = shell.path("moved.csv");
    let line =
        ["diff", "did pay in last 7 days", "--from", "2026-02-22", "--to", "2026-03-01", "--out", &out];
    let found = shell.ask(&line).fine().json();
    assert_eq!((&found["entered"], &found["left"], &found["stayed"]), (&json!(1), &json!(1), &json!(0)));
    assert_eq!(found["from"], json!({ "as_of": "2026-02-22T00:00:00.000+08:00", "count": 1 }));
    assert_eq!(shell.read("moved.csv"), "user_id,change\nu4,entered\n00001,left\n");
    let said = shell.say(&["diff", "did pay", "--from", "2026-02-22"]).fine();
    assert!(said.out.ends_with("1 entered, 0 left, 1 stayed (1 → 2 users)\n"), "{said:?}");
    let said = shell.ask(&["diff", "did payy", "--from", "2026-02-22"]);
    assert_eq!((said.code, said.codes()), (1, vec!["SEL-102".to_string()]));
}

#[test]
fn the_size_of_a_selection_is_told_step_by_step() {
    let shell = Shell::with_users();
    let line =
        ["trend", "did pay in last 7 days", "--from", "2026-02-20", "--to", "2026-03-06", "--every", "2d"];
    let document = shell.ask(&line).fine().json();
    let counts: Vec<u64> =
        document["points"].as_array().unwrap().iter().map(|point| point["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [0, 1, 1, 1, 2, 1, 1, 1]);
    for point in document["points"].as_array().unwrap() {
        let at = point["as_of"].as_str().unwrap();
        let one = shell.ask(&["estimate", "did pay in last 7 days", "--as-of", at]).fine().json();
        assert_eq!(point["count"], one["count"], "{at}");
    }
    let said = shell.say(&[&line[..], &["--csv"]].concat()).fine();
    assert_eq!(said.out.lines().next(), Some("as_of,count,share,change"));
    assert_eq!(said.out.lines().count(), 9);
    let said = shell.ask(&["trend", "did pay", "--from", "2026-02-20", "--every", "1s"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CRD-014".to_string()]));
    assert_eq!(shell.ask(&["trend", "did pay", "--from", "2026-02-20", "--every", "soon"]).code, 2);
}

#[test]
fn a_warning_that_holds_at_every_instant_is_told_once() {
    let shell = Shell::with_users();
    shell.say(&["crowd", "create", "上海", "city = '上海'"]).fine();
    let said = shell.say(&["trend", "crowd '上海'", "--from", "2026-02-01", "--to", "2026-02-05"]).fine();
    assert_eq!(said.talk.matches("warning CRD-008").count(), 1, "{said:?}");
}

/// More users than a chunk holds, more texts and numbers than are indexed.
fn many_users() -> Shell {
    let shell = Shell::new();
    let row = |n: u32| {
        let group = ["a", "b", "c"][n as usize % 3];
        format!("u{n},{group},t{},{n},{}\n", n % 5_000, if n.is_multiple_of(7) { "" } else { "x" })
    };
    let rows: String = (0..70_000).map(row).collect();
    let file = shell.file("many.csv", &format!("user_id,group,text,number,mark\n{rows}"));
    shell.say(&["ingest", "users", &file]).fine();
    shell
}

#[test]
fn a_profile_adds_up_over_several_chunks() {
    let shell = many_users();
    let by = "group,text,number:7,mark,group*mark,text*number:7";
    let document = shell.ask(&["profile", "number < 69000 and group != 'a'", "--by", by]).fine().json();
    assert_eq!((&document["count"], &document["universe"]), (&json!(46_000), &json!(70_000)));
    let group = groups(&document["by"][0]);
    let counts: Vec<(u64, u64)> = group.iter().map(|group| (group.1, group.2)).collect();
    assert_eq!(counts, [(23_000, 23_333), (23_000, 23_333), (0, 23_334)]);
    let text = groups(&document["by"][1]);
    assert_eq!(text.len(), 5_000);
    assert!(text.iter().all(|group| group.2 == 14 && (8..=10).contains(&group.1)));
    let number = groups(&document["by"][2]);
    assert_eq!(number[0], (json!("0 .. 9999"), 6_666, 10_000, json!(101.44)));
    let mark = groups(&document["by"][3]);
    assert_eq!((&mark[1].0, mark[0].2, mark[1].2), (&Value::Null, 60_000, 10_000));
    for by in document["by"].as_array().unwrap() {
        let sum = |at: fn(&(Value, u64, u64, Value)) -> u64| groups(by).iter().map(at).sum::<u64>();
        assert_eq!((sum(|group| group.1), sum(|group| group.2)), (46_000, 70_000), "{}", by["dimension"]);
    }
}
