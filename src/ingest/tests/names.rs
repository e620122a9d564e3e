//! Paths, column names and parts: what is found, what is missing, what is told.

use super::*;
use std::io::Cursor;

#[test]
fn every_missing_part_is_told_with_near_names() {
    let files = Files::new();
    files.write("a.csv", "uid,evt,when\nu1,pay,2026-03-01\n");
    let problems = files.events("a.csv").unwrap_err();
    assert_eq!(problems.0.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["ING-004"; 3]);
    assert_eq!(
        problems.0[0].what,
        "`--user user_id`: there is no such column; the file has `uid`, `evt`, `when`"
    );
    assert_eq!(problems.0[0].cure, "name the column: `--user uid`");
    let request = Request {
        is_id_asked: true,
        ..files.request(
            &["a.csv"],
            Shape::Events {
                user: "uid".into(),
                event: "evt".into(),
                time: "when".into(),
                id: Some("no".into()),
            },
        )
    };
    assert!(files.load(&request).unwrap_err().0[0].what.starts_with("`--id no`"));
    let request = Request { is_id_asked: false, ..request };
    assert_eq!(files.load(&request).unwrap().rows, ["u1 pay 1772294400000"]);
}

#[test]
fn problems_of_all_files_come_together() {
    let files = Files::new();
    files
        .write("a.csv", "user_id,x,x\nu1,1,2\n")
        .write("b.csv", "\u{feff}user_id,\nu1,2\n")
        .write("c.parquet", "PAR1");
    let request = files.request(&["a.csv", "b.csv", "c.parquet"], users());
    assert_eq!(codes(files.load(&request)), ["ING-005", "ING-006"]);
    let request = files.request(&["none.csv", "x*.csv"], users());
    assert_eq!(codes(files.load(&request)), ["ING-001", "ING-001"]);
}

#[test]
fn keys_that_are_values_are_told() {
    let files = Files::new();
    let rows: String = (0..5000).map(|n| format!("{{\"user_id\":\"u\",\"k{n}\":1}}\n")).collect();
    assert_eq!(codes(files.write("a.ndjson", rows).users("a.ndjson")), ["ING-008"]);
}

#[test]
fn folders_with_partitions_are_one_table() {
    let files = Files::new();
    files.write("t/date=2025-03-31/city=%E4%B8%8A%E6%B5%B7/a.csv", "user_id,event,ts\nu1,pay,1772294400\n");
    files.write(
        "t/date=2025-04-01/city=__HIVE_DEFAULT_PARTITION__/b.ndjson",
        r#"{"user_id":"u2","event":"pay","ts":1772294400000}"#,
    );
    files.write("t/date=2025-04-01/_SUCCESS", "").write("t/.hidden.csv", "x");
    let loaded = files.events("t").unwrap();
    assert_eq!(loaded.columns, ["city text"]);
    assert_eq!(loaded.rows, ["u1 pay 1772294400000 上海", "u2 pay 1772294400000 -"]);
    let shape =
        Shape::Events { user: "user_id".into(), event: "event".into(), time: "date".into(), id: None };
    let loaded = files.load(&files.request(&["t/date=*/*"], shape)).unwrap();
    assert_eq!(loaded.rows[0], "u1 pay 1743350400000 1772294400 上海");
    files.write("e/_SUCCESS", "");
    assert_eq!(codes(files.events("e")), ["ING-001"]);
}

#[test]
fn columns_of_the_file_win_over_partitions() {
    let files = Files::new();
    files.write("t/city=x/a.csv", "user_id,city\nu1,上海\nu2,\n");
    assert_eq!(files.users("t").unwrap().rows, ["u1 上海", "u2 -"]);
}

#[test]
fn crowds_have_headers_or_none() {
    let files = Files::new();
    files
        .write("a.csv", "user_id\nu1\nu2\n")
        .write("b.csv", "00001\n00002\n\n")
        .write("c.txt", "\u{feff}u1\r\n\"u2\"\r\n");
    files
        .write("d.csv", "name,user_id\nx,u1\n")
        .write("e.csv", "name,uid\nx,u1\n")
        .write("f.ndjson", "{\"uid\":\"u1\"}\n");
    let load = |name: &str| files.load(&files.request(&[name], members()));
    assert_eq!(load("a.csv").unwrap().rows, ["u1", "u2"]);
    assert_eq!(load("b.csv").unwrap().rows, ["00001", "00002"]);
    assert_eq!(load("c.txt").unwrap().rows, ["u1", "u2"]);
    assert_eq!(
        (load("d.csv").unwrap().rows, load("d.csv").unwrap().columns.len()),
        (vec!["u1".to_string()], 0)
    );
    assert_eq!(codes(load("e.csv")), ["ING-004"]);
    assert_eq!(load("f.ndjson").unwrap().rows, ["u1"]);
}

#[test]
fn standard_input_is_read_by_its_first_bytes() {
    let files = Files::new();
    let read = |bytes: Vec<u8>, shape: Shape| {
        load(open(&files.request(&["-"], shape), Some(Box::new(Cursor::new(bytes))), &Quiet)?)
    };
    assert_eq!(read(b"{\"user_id\":\"u1\",\"x\":1}\n".to_vec(), users()).unwrap().rows, ["u1 1"]);
    assert_eq!(read(gzip(b"{\"user_id\":\"u1\",\"x\":1}\n"), users()).unwrap().rows, ["u1 1"]);
    assert_eq!(read(b"u1\nu2".to_vec(), members()).unwrap().rows, ["u1", "u2"]);
    assert_eq!(read(Vec::new(), users()).unwrap().counts, Counts::default());
    assert_eq!(codes(files.load(&files.request(&["-"], users()))), ["ING-009"]);
    assert!(!files.0.path().join("rejects").exists());
}

#[test]
fn deleted_rows_are_marked() {
    let files = Files::new();
    files.write("a.csv", "user_id,_deleted,x\nu1,true,1\nu2,,2\nu3,0,3\nu4,maybe,4\n");
    let loaded = files.users("a.csv").unwrap();
    assert_eq!(
        (loaded.rows.clone(), loaded.reasons()),
        (
            vec!["u1 true 1".into(), "u2 false 2".into(), "u3 false 3".to_string()],
            vec!["4 ING-106".to_string()]
        )
    );
    assert_eq!(loaded.columns, ["x integer"]);
}

#[test]
fn one_column_may_play_two_parts() {
    let files = Files::new();
    files.write("a.csv", "user_id,x\nu1,1\n");
    let shape = Shape::Detail { user: "user_id".into(), key: "user_id".into(), time: None };
    assert_eq!(files.load(&files.request(&["a.csv"], shape)).unwrap().rows, ["u1 u1 1"]);
}
