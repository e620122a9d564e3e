//! Crowds in and out as other systems hold them: numbers for users, users for numbers.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::Shell;
use crate::base::Environment;
use crate::base::Timestamp;
use crate::store::Home;

/// Users with numbers of another system: `u7` beyond 32 bits, `u4` and `u5` share one, `u6` and `u8` have none.
fn numbered() -> Shell {
    let shell = Shell::new();
    let users = "user_id,uid,city\nu1,11,上海\nu2,12,上海\nu3,13,北京\nu4,14,北京\nu5,14,上海\nu6,,上海\n\
                 u7,4294967301,上海\nu8,-9,上海\n";
    shell.say(&["ingest", "users", &shell.file("users.csv", users)]).fine();
    shell
}

fn ids(shell: &Shell, crowd: &str) -> Vec<String> {
    let said = shell.say(&["crowd", "export", crowd]).fine();
    said.out.lines().skip(1).map(String::from).collect()
}

fn counts(made: &Value) -> [u64; 5] {
    ["read", "known", "unknown", "shared", "duplicates"].map(|key| made[key].as_u64().unwrap())
}

fn problem(shell: &Shell, words: &[&str]) -> (u8, Vec<String>) {
    let said = shell.ask(words);
    (said.code, said.codes())
}

fn no(code: u8, problem: &str) -> (u8, Vec<String>) {
    (code, vec![problem.to_string()])
}

// proves: S2.19
#[test]
fn a_roaring_file_goes_out_and_comes_home() {
    let shell = Shell::with_users();
    shell.say(&["crowd", "create", "上海", "city = '上海'"]).fine();
    for ending in ["roaring", "roaring64"] {
        let file = shell.path(&format!("x.{ending}"));
        let said = shell.ask(&["crowd", "export", "上海", "--out", &file]).fine().json();
        assert_eq!((&said["count"], &said["without_number"]), (&2.into(), &0.into()));
        let made = shell.ask(&["crowd", "import", ending, &file]).fine().json();
        assert_eq!(counts(&made), [2, 2, 0, 0, 0]);
        assert_eq!(ids(&shell, ending), ["00001", "00002"]);
    }
    let text = shell.file("x.numbers", "0, 1, 1, 900");
    let made = shell.ask(&["crowd", "import", "数", &text, "--ids", "user_no", "--append"]).fine().json();
    assert_eq!(counts(&made), [4, 2, 1, 0, 1]);
    let kept = std::fs::read_to_string(made["unknown_file"].as_str().unwrap()).unwrap();
    assert_eq!(kept, "number,reason\n900,unknown\n");
}

#[test]
fn an_attribute_tells_whose_numbers_they_are() {
    let shell = numbered();
    let text = shell.file("x.numbers", "[11,13,14,99,4294967301]");
    let made = shell.ask(&["crowd", "import", "甲", &text, "--number-column", "uid"]).fine().json();
    assert_eq!((counts(&made), &made["size"]), ([5, 3, 1, 1, 0], &3.into()));
    assert_eq!(ids(&shell, "甲"), ["u1", "u3", "u7"]);
    let kept = std::fs::read_to_string(made["unknown_file"].as_str().unwrap()).unwrap();
    assert_eq!(kept, "number,reason\n99,unknown\n14,shared\n");
    let more = shell.file("y.numbers", "12");
    let made =
        shell.ask(&["crowd", "import", "甲", &more, "--number-column", "uid", "--append"]).fine().json();
    assert_eq!((&made["version"], &made["size"], &made["change"]), (&2.into(), &4.into(), &1.into()));
}

#[test]
fn users_without_a_number_are_told_when_numbers_go_out() {
    let shell = numbered();
    shell.say(&["crowd", "create", "全", "all ()"]).fine();
    for form in ["doris", "starrocks.base64", "clickhouse64.hex", "roaring64", "numbers"] {
        let file = shell.path(&format!("x.{form}"));
        let words = ["crowd", "export", "全", "--out", &file, "--number-column", "uid"];
        let said = shell.ask(&words).fine().json();
        let expected = [&said["count"], &said["without_number"], &said["shared"]];
        assert_eq!(expected, [&Value::from(5), &2.into(), &1.into()], "{form}");
        let kept = std::fs::read_to_string(said["without_number_file"].as_str().unwrap()).unwrap();
        assert_eq!(kept, "user_id\nu6\nu8\n");
        let made = shell.ask(&["crowd", "import", form, &file, "--number-column", "uid"]).fine().json();
        assert_eq!(counts(&made), [5, 4, 0, 1, 0], "{form}");
    }
    assert_eq!(shell.read("x.numbers"), "11,12,13,14,4294967301\n");
    let words = ["select", "all ()", "--out", &shell.path("x.clickhouse32"), "--number-column", "uid"];
    assert_eq!(problem(&shell, &words), no(1, "CRD-032"));
    assert!(!std::path::Path::new(&shell.path("x.clickhouse32")).exists());
}

#[test]
fn user_ids_can_be_the_numbers() {
    let shell = Shell::new();
    let users = shell.file("users.csv", "user_id\n7\n0\n00008\n+9\n18446744073709551615\n");
    shell.say(&["ingest", "users", &users]).fine();
    let text = shell.file("x.numbers", "0 7 8 9 18446744073709551615");
    let made = shell.ask(&["crowd", "import", "甲", &text, "--ids", "user_id"]).fine().json();
    assert_eq!(counts(&made), [5, 3, 2, 0, 0]);
    assert_eq!(ids(&shell, "甲"), ["7", "0", "18446744073709551615"]);
    let words = ["select", "all ()", "--ids", "user_id", "--format", "numbers"];
    let said = shell.say(&words).fine();
    assert_eq!(said.out, "0,7,18446744073709551615\n");
    assert!(said.talk.contains("2 users have no number"), "{said:?}");
}

#[test]
fn bitmaps_pass_through_pipes() {
    let shell = numbered();
    shell.say(&["crowd", "create", "上海", "city = '上海'"]).fine();
    let form = ["--format", "starrocks", "--encoding", "base64", "--number-column", "uid"];
    let out = shell.say(&[&["crowd", "export", "上海"][..], &form].concat()).fine().out;
    let words = [&["crowd", "import", "回", "-", "--json"][..], &form].concat();
    let made = shell.say_with(&words, &format!("{out}{out}")).fine().json();
    assert_eq!(counts(&made), [8, 3, 0, 1, 4], "two lines are two values");
    assert_eq!(ids(&shell, "回"), ["u1", "u2", "u7"]);
}

#[test]
fn what_is_no_bitmap_changes_nothing() {
    let shell = numbered();
    let good = shell.file("x.numbers", "11");
    let import = |path: &str, more: &[&str]| {
        problem(&shell, &[&["crowd", "import", "甲", path, "--number-column", "uid"], more].concat())
    };
    assert_eq!(import(&good, &[]), (0, vec![]));
    assert_eq!(import(&good, &["--format", "doris"]), no(1, "CRD-030"));
    assert_eq!(import(&shell.file("e.doris", ""), &[]), no(1, "CRD-030"));
    assert_eq!(import(&shell.file("e.doris.hex", "0g"), &[]), no(1, "CRD-030"));
    assert_eq!(import(&shell.path("none.doris"), &[]), no(1, "ING-001"));
    let said = shell.ask(&["crowd", "import", "甲", &shell.path("e.doris.hex"), "--number-column", "uid"]);
    assert!(said.json()["problems"][0]["where"].as_str().unwrap().ends_with("e.doris.hex"), "{said:?}");
    assert_eq!(ids(&shell, "甲"), ["u1"]);
    let column = |name: &str| problem(&shell, &["crowd", "import", "甲", &good, "--number-column", name]);
    assert_eq!(column("city"), no(1, "CRD-031"));
    assert_eq!(column("uidd"), no(1, "CRD-012"));
}

#[test]
fn options_that_do_not_go_together_are_wrong_use() {
    let shell = numbered();
    let (list, bitmap) = (shell.file("x.csv", "u1\n"), shell.file("x.doris", "\0"));
    let out = |name: &str| shell.path(name);
    let wrong: [&[&str]; 10] = [
        &["crowd", "import", "甲", &bitmap],
        &["crowd", "import", "甲", &bitmap, "--ids", "user_id", "--create"],
        &["crowd", "import", "甲", &list, "--encoding", "hex"],
        &["crowd", "import", "甲", &bitmap, "--ids", "user_id", "--number-column", "uid"],
        &["select", "all ()", "--out", &out("a.clickhouse64")],
        &["select", "all ()", "--out", &out("a.roaring"), "--columns", "city"],
        &["select", "all ()", "--out", &out("a.roaring.gz")],
        &["select", "all ()", "--out", &out("a.csv"), "--number-column", "uid"],
        &["select", "all ()", "--format", "parquet"],
        &["select", "all ()", "--format", "arrow", "--out", &out("a.arrow")],
    ];
    for words in wrong {
        assert_eq!(problem(&shell, words).0, 2, "{words:?}");
    }
    assert_eq!(problem(&shell, &["select", "all ()", "--format", "roaring"]), no(2, "CLI-001"));
}

#[test]
fn lists_come_as_csv_with_a_header_parquet_or_lines() {
    let shell = numbered();
    shell.say(&["crowd", "create", "上海", "city = '上海'"]).fine();
    let parquet = shell.path("x.parquet");
    shell.say(&["crowd", "export", "上海", "--out", &parquet, "--columns", "uid"]).fine();
    let csv =
        shell.file("x.csv", "\u{feff}城市,用户,uid\r\n上海,u1,12\r\n北京,u3,13\r\n上海,u1,12\r\n,无,x\r\n");
    let lines = shell.file("x.txt", "\u{feff}u1\r\nu3\r\nu1\r\n无\r\n");
    let import = |path: &str, more: &[&str]| {
        let made = shell.ask(&[&["crowd", "import", "甲", path], more].concat()).fine().json();
        (counts(&made), ids(&shell, "甲").join(" "))
    };
    assert_eq!(import(&csv, &["--column", "用户"]), ([4, 2, 1, 0, 1], "u1 u3".to_string()));
    assert_eq!(import(&lines, &[]), ([4, 2, 1, 0, 1], "u1 u3".to_string()));
    assert_eq!(import(&parquet, &[]), ([6, 6, 0, 0, 0], "u1 u2 u5 u6 u7 u8".to_string()));
}

#[test]
fn rows_can_hold_numbers() {
    let shell = numbered();
    shell.say(&["crowd", "create", "上海", "city = '上海'"]).fine();
    let parquet = shell.path("x.parquet");
    shell.say(&["crowd", "export", "上海", "--out", &parquet, "--columns", "uid"]).fine();
    let csv = shell.file("x.csv", "name,uid\na,11\nb,13\nc,11\nd,none\ne,77\n");
    let words = ["crowd", "import", "甲", &csv, "--column", "uid", "--number-column", "uid"];
    let made = shell.ask(&words).fine().json();
    assert_eq!(counts(&made), [5, 2, 2, 0, 1]);
    let kept = std::fs::read_to_string(made["unknown_file"].as_str().unwrap()).unwrap();
    assert_eq!(kept, "number,reason\nnone,no number\n77,unknown\n");
    let words = ["crowd", "import", "甲", &parquet, "--column", "uid", "--number-column", "uid"];
    assert_eq!(shell.ask(&words).fine().json()["known"], 3);
    assert_eq!(ids(&shell, "甲"), ["u1", "u2", "u7"]);
}

#[test]
fn one_process_at_a_time_makes_crowds() {
    let shell = Shell::with_users();
    shell.say(&["crowd", "create", "甲", "did pay"]).fine();
    let list = shell.file("x.csv", "u3\n");
    let bitmap = shell.file("x.numbers", "1");
    shell.say(&["crowd", "import", "名单", &list]).fine();
    let task = shell.file("t.toml", "name = 't'\naudience = \"did pay\"\nupdate = 'daily'\nend = '2026-04-01'\n\
        start = '2026-03-02'\n[trigger]\nkind = 'once'\nat = '2026-03-02T10:00:00+08:00'\n[dispatch]\nsender = 'file'\n");
    let home = Home::at(std::path::Path::new(&shell.home()), "default").unwrap();
    let other = Environment { now: Timestamp(0), seed: 1, process: "pid 42 (quanke run)".to_string() };
    let held = home.crowd_lock(&other).unwrap();
    let lines: [&[&str]; 8] = [
        &["crowd", "create", "乙", "did pay"],
        &["crowd", "refresh", "甲"],
        &["crowd", "refresh", "--all"],
        &["crowd", "import", "名单", &list],
        &["crowd", "import", "名单", &bitmap, "--ids", "user_no"],
        &["crowd", "delete", "甲"],
        &["task", "create", &task],
        &["run", "--until", "2026-03-01T13:00:00+08:00"],
    ];
    for words in lines {
        let said = shell.ask(words);
        assert_eq!((said.code, said.codes()), no(3, "OUT-010"), "{words:?}");
        assert!(said.out.contains("pid 42 (quanke run) is making crowds in this home"), "{said:?}");
    }
    shell.say(&["crowd", "list"]).fine();
    shell.say(&["estimate", "crowd '甲'"]).fine();
    drop(held);
    shell.say(&["crowd", "refresh", "甲"]).fine();
}

/// The numbers of users `v0`, `v1` … of a made-up home.
fn numbers() -> impl Strategy<Value = Vec<Option<i64>>> {
    proptest::collection::vec(proptest::option::of(-2i64..12), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The slow twin: a map from numbers to the users who have them.
    #[test]
    fn numbers_name_users_as_a_map_does(uids in numbers(), given in proptest::collection::btree_set(0i64..14, 0..10)) {
        let shell = Shell::new();
        let row = |(at, uid): (usize, &Option<i64>)| format!("v{at},{},5\n", uid.map_or(String::new(), |n| n.to_string()));
        let rows: String = uids.iter().enumerate().map(row).collect();
        shell.say(&["ingest", "users", &shell.file("users.csv", &format!("user_id,uid,n\nw,1,5\nx,-1,5\n{rows}"))]).fine();
        shell.say(&["ingest", "users", &shell.file("gone.csv", "user_id\nw\n"), "--delete"]).fine();
        let mut map: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for (at, uid) in uids.iter().enumerate() {
            map.entry(uid.unwrap_or(-1)).or_default().insert(format!("v{at}"));
        }
        let of = |n: &i64| map.get(n).map_or(0, BTreeSet::len);
        let text: Vec<String> = given.iter().map(i64::to_string).collect();
        let file = shell.file("x.numbers", &text.join(","));
        let made = shell.ask(&["crowd", "import", "甲", &file, "--number-column", "uid"]).fine().json();
        let many = |is: &dyn Fn(usize) -> bool| given.iter().filter(|n| is(of(n))).count() as u64;
        prop_assert_eq!(
            counts(&made),
            [given.len() as u64, many(&|n| n == 1), many(&|n| n == 0), many(&|n| n > 1), 0]
        );
        let expected: BTreeSet<String> = given.iter().filter(|n| of(n) == 1).flat_map(|n| map[n].clone()).collect();
        prop_assert_eq!(ids(&shell, "甲").into_iter().collect::<BTreeSet<_>>(), expected);
        let out = shell.say(&["select", "all ()", "--format", "numbers", "--number-column", "uid"]).fine().out;
        let all: Vec<String> = map.keys().filter(|n| **n >= 0).map(i64::to_string).collect();
        prop_assert_eq!(out.trim_end(), all.join(","));
    }
}
