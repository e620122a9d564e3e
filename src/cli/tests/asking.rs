//! `estimate`, `select`, `explain` over a small home.

use serde_json::{Value, json};

use super::Shell;

// proves: S2.23
#[test]
fn an_estimate_has_the_shape_of_the_contract() {
    let shell = Shell::with_users();
    let document =
        shell.ask(&["estimate", "gender = '女' and city is known", "--as-of", "2026-03-01"]).fine().json();
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["count", "universe", "as_of", "exact", "elapsed_ms", "tree"]);
    assert_eq!(document["count"], 2);
    assert_eq!(document["universe"], 7);
    assert_eq!(document["as_of"], "2026-03-01T00:00:00.000+08:00");
    assert_eq!(document["exact"], true);
    let children = document["tree"]["children"].as_array().unwrap();
    let counts: Vec<&Value> = children.iter().map(|child| &child["count"]).collect();
    assert_eq!(counts, [&json!(3), &json!(5)]);
}

#[test]
fn repeats_tell_each_time_taken() {
    let shell = Shell::with_users();
    let said = shell.ask(&["estimate", "did pay", "--repeat", "3", "--no-cache"]).fine();
    assert_eq!(said.json()["runs_ms"].as_array().unwrap().len(), 3);
}

#[test]
fn people_get_an_aligned_tree() {
    let shell = Shell::with_users();
    let said = shell.say(&["estimate", "gender = '女' and did pay where amount > 100"]).fine();
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("1 of 7 users (14.29%)  as of 2026-03-01T12:00:00.000+08:00"), "{said:?}");
    assert!(lines.iter().any(|line| line.ends_with('3') && line.contains("gender = '女'")), "{said:?}");
}

#[test]
fn mistakes_are_placed_in_line_and_column_and_all_told() {
    let shell = Shell::with_users();
    let file = shell.file("wrong.sel", "# 注释\ncitty = '上海'\n  and did payy\n");
    let said = shell.ask(&["estimate", "-f", &file]);
    assert_eq!((said.code, said.codes().len()), (1, 2), "{said:?}");
    let text = said.json().to_string();
    assert!(text.contains("wrong.sel:2:1 ") && text.contains("wrong.sel:3:11 "), "{text}");
    assert!(text.contains("city") && text.contains("`pay`"), "{text}");
}

#[test]
fn a_selection_comes_from_stdin_or_a_file() {
    let shell = Shell::with_users();
    let said = shell.say_with(&["estimate", "-f", "-", "--json"], "did pay # 付款\n").fine();
    assert_eq!(said.json()["count"], 2);
    let said = shell.ask(&["estimate", "-f", &shell.path("absent.sel")]);
    assert_eq!((said.code, said.codes()), (1, vec!["CLI-002".to_string()]));
}

#[test]
fn users_are_written_in_every_form() {
    let shell = Shell::with_users();
    let select = |out: &str, more: &[&str]| {
        let path = shell.path(out);
        let line = ["select", "city = '上海'", "--out", &path, "--json"];
        shell.say(&[&line[..], more].concat()).fine().json()
    };
    assert_eq!(select("ids.csv", &[])["count"], 2);
    assert_eq!(shell.read("ids.csv"), "user_id\n00001\n00002\n");
    select("more.csv", &["--columns", "gender,balance"]);
    assert_eq!(shell.read("more.csv"), "user_id,gender,balance\n00001,女,100.5\n00002,男,20000.0\n");
    select("ids.ndjson", &["--columns", "age"]);
    assert_eq!(
        shell.read("ids.ndjson"),
        "{\"user_id\":\"00001\",\"age\":20}\n{\"user_id\":\"00002\",\"age\":30}\n"
    );
    select("ids.roaring", &[]);
    let bytes = std::fs::read(shell.folder.path().join("ids.roaring")).unwrap();
    assert_eq!(roaring::RoaringBitmap::deserialize_from(bytes.as_slice()).unwrap().len(), 2);
    select("ids.parquet", &["--columns", "gender"]);
    let file = std::fs::File::open(shell.folder.path().join("ids.parquet")).unwrap();
    let batches = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 10).unwrap();
    assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
}

#[test]
fn rows_go_to_stdout_without_a_file() {
    let shell = Shell::with_users();
    assert_eq!(shell.say(&["select", "city = '上海'"]).fine().out, "user_id\n00001\n00002\n");
    let said = shell.ask(&["select", "city = '上海'", "--columns", "city"]).fine();
    assert_eq!(said.out.lines().count(), 2);
}

#[test]
fn unknown_columns_are_told_and_no_file_is_made() {
    let shell = Shell::with_users();
    let out = shell.path("ids.csv");
    let said = shell.ask(&["select", "did pay", "--out", &out, "--columns", "citty,gendr"]);
    assert_eq!((said.code, said.codes()), (1, vec!["CRD-012".to_string(), "CRD-012".to_string()]));
    assert!(!std::path::Path::new(&out).exists());
    let said = shell.ask(&["select", "did pay", "--out", &shell.path("no/such/folder/ids.csv")]);
    assert_eq!((said.code, said.codes()), (3, vec!["OUT-001".to_string()]));
}

#[test]
fn the_plan_can_be_seen() {
    let shell = Shell::with_users();
    let said = shell.say(&["explain", "gender = '女' and not did pay"]).fine();
    assert!(said.out.contains("all") && said.out.contains("gender = '女'"), "{said:?}");
    let document = shell.ask(&["explain", "gender = '女' and not did pay"]).fine().json();
    assert_eq!(document["count"], 2);
    assert_eq!(document["plan"].as_array().unwrap().len(), 3);
}

#[test]
fn apps_do_not_see_each_other() {
    let shell = Shell::with_users();
    assert_eq!(shell.ask(&["estimate", "did pay", "--app", "other"]).code, 2);
    let users = shell.path("users.csv");
    shell.say(&["ingest", "users", &users, "--app", "other"]).fine();
    let said = shell.ask(&["estimate", "city is known", "--app", "other"]).fine();
    assert_eq!(said.json()["universe"], 6);
}
