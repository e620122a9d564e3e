//! Everything that goes wrong in files: exact counts and reasons, and never a panic.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::*;

fn counts(read: u64, rejected: u64) -> Counts {
    Counts { read, accepted: read - rejected, rejected }
}

#[test]
fn empty_files_and_headers_alone_have_no_rows() {
    let files = Files::new();
    for (name, text) in
        [("a.csv", ""), ("b.csv", "\n\n"), ("c.csv", "user_id,age\n"), ("d.ndjson", ""), ("e.json", "\n \n")]
    {
        files.write(name, text);
        let loaded = files.users(name).unwrap();
        assert_eq!((loaded.counts, loaded.columns.len()), (counts(0, 0), 0), "{name}");
    }
    assert_eq!(codes(files.write("f.csv", "age\n").users("f.csv")), ["ING-004"]);
}

#[test]
fn cut_off_files_are_problems_of_the_whole() {
    let files = Files::new();
    let text: String = std::iter::once("user_id,x\n".into())
        .chain((0..5000).map(|n| format!("u{n},{}\n", n * 7919)))
        .collect();
    let batch = ids(&["a", "b"]);
    for (name, bytes) in [
        ("a.csv.gz", gzip(text.as_bytes())),
        ("a.csv.zst", zst(text.as_bytes())),
        ("a.parquet", parquet_of(&batch)),
        ("a.parquet.gz", gzip(&parquet_of(&batch))),
        ("a.arrow", arrow_file_of(&batch)),
        ("a.arrows", arrow_stream_of(&batch)),
    ] {
        let whole = files.write(name, &bytes).users(name).unwrap();
        assert!(whole.counts.rejected == 0 && whole.counts.read > 1, "{name}");
        files.write(name, &bytes[..bytes.len() / 2]);
        assert_eq!(codes(files.users(name)), ["ING-006"], "{name}");
    }
    for name in ["z.parquet", "z.arrow", "z.csv.gz", "z.parquet.zst"] {
        assert_eq!(codes(files.write(name, "").users(name)), ["ING-006"], "{name}");
    }
}

/// A file that breaks off after its types are known ends the load with a problem.
#[test]
fn a_break_found_while_loading_ends_the_load() {
    let files = Files::new();
    let text: String =
        std::iter::once("user_id\n".into()).chain((0..200_000).map(|n| format!("u{}\n", n * 7919))).collect();
    let bytes = gzip(text.as_bytes());
    files.write("a.csv.gz", &bytes[..bytes.len() - 9]);
    let request = files.request(&["a.csv.gz"], users());
    let source = open(&request, None, &Quiet).unwrap();
    let batches: Vec<Outcome<Checked>> = source.collect();
    assert!(batches.len() > 1 && batches[..batches.len() - 1].iter().all(Result::is_ok));
    assert_eq!(batches.last().unwrap().as_ref().unwrap_err().code, "ING-006");
}

#[test]
fn wrong_types_reject_their_row() {
    let files = Files::new();
    let ages: String = (0..18).map(|n| format!("u{n},{n},2026-01-0{}\n", n % 9 + 1)).collect();
    files.write("a.csv", format!("user_id,age,born\n{ages}u18,old,2026-01-01\nu19,7,soon\n"));
    let loaded = files.users("a.csv").unwrap();
    assert_eq!(loaded.columns, ["age integer", "born date"]);
    assert_eq!(loaded.counts, counts(20, 2));
    assert_eq!(loaded.reasons(), ["19 ING-106", "20 ING-106"]);
    assert_eq!(loaded.rejects[0]["reason"], "`age`: `old` is no whole number of 64 bits");
    assert_eq!(loaded.rejects[0]["line"], 20);
    assert_eq!(
        loaded.rejects[0]["data"],
        serde_json::json!({"user_id": "u18", "age": "old", "born": "2026-01-01"})
    );
    assert_eq!(loaded.rejects[1]["file"], files.text("a.csv"));
}

#[test]
fn rows_without_a_user_or_with_a_strange_one_are_rejected() {
    let files = Files::new();
    let long = "u".repeat(513);
    files.write("a.csv", format!("user_id,x\n,1\n  ,1\n{long},1\nu\0x,1\n{},1\n", "u".repeat(512)));
    let loaded = files.users("a.csv").unwrap();
    assert_eq!(loaded.reasons(), ["1 ING-101", "2 ING-101", "3 ING-101", "4 ING-101"]);
    let reasons: Vec<&str> = loaded.rejects.iter().map(|reject| reject["reason"].as_str().unwrap()).collect();
    assert_eq!(
        reasons,
        [
            "the user is missing",
            "the user is empty",
            "the user has more than 512 bytes",
            "the user has a NUL byte in it"
        ]
    );
    assert_eq!(loaded.counts, counts(5, 4));
}

#[test]
fn events_need_event_and_time_and_details_a_key() {
    let files = Files::new();
    let rows = [
        "u1,,2026-03-01,e1",
        "u1,pay,,e2",
        "u1,pay,soon,e3",
        "u1,pay,1960-01-01,e4",
        "u1,pay,2300-01-01,e5",
        "u1,pay,2026-03-01,",
    ];
    files.write("a.csv", format!("user_id,event,ts,event_id\n{}\n", rows.join("\n")));
    let loaded = files.events("a.csv").unwrap();
    assert_eq!(loaded.reasons(), ["1 ING-103", "2 ING-104", "3 ING-104", "4 ING-104", "5 ING-104"]);
    assert_eq!(loaded.rows, ["u1 pay 1772294400000 -"]);
    files.write("b.csv", "user_id,order_id,ts\nu1,,2026-03-01\nu1,o1,\nu1,o2,bad\nu1,o3,0\n");
    let loaded = files.load(&files.request(&["b.csv"], detail())).unwrap();
    assert_eq!(loaded.reasons(), ["1 ING-105", "3 ING-104"]);
    assert_eq!(loaded.rows, ["u1 - o1", "u1 0 o3"]);
    let long = "e".repeat(600);
    files.write("c.csv", format!("user_id,event,ts,event_id\nu1,pay,0,{long}\nu1,pay,0,e1\n"));
    assert_eq!(files.events("c.csv").unwrap().reasons(), ["1 ING-102"]);
}

#[test]
fn marks_line_ends_and_quoted_lines_are_read() {
    let files = Files::new();
    files.write("a.csv", "\u{feff}user_id,note\r\nu1,\"a\r\nb\"\r\nu2,\"say \"\"hi\"\"\"\r\n");
    let loaded = files.users("a.csv").unwrap();
    assert_eq!(loaded.rows, ["u1 a\r\nb", "u2 say \"hi\""]);
    files.write("b.tsv", "user_id\tnote\nu1\tx,y\n");
    assert_eq!(files.users("b.tsv").unwrap().rows, ["u1 x,y"]);
    files.write("c.ndjson", "\u{feff}{\"user_id\":\"u1\",\"n\":1}\r\n\r\n{\"user_id\":\"u2\",\"n\":2}");
    assert_eq!(files.users("c.ndjson").unwrap().rows, ["u1 1", "u2 2"]);
}

#[test]
fn rows_that_cannot_be_read_keep_their_text() {
    let files = Files::new();
    files.write("a.csv", b"user_id,x\nu1,1,9\nu2\nu3,\xff\xfe\nu4,4\n\"u5,5\nu6,6\nu7,tor");
    let loaded = files.users("a.csv").unwrap();
    assert_eq!(loaded.reasons(), ["1 ING-107", "2 ING-107", "3 ING-109", "5 ING-107", "7 ING-106"]);
    assert_eq!(loaded.rejects[0]["data"]["raw"], "u1,1,9");
    assert_eq!(
        (&loaded.rejects[3]["data"]["raw"], &loaded.rejects[3]["line"]),
        (&"\"u5,5".into(), &6.into())
    );
    assert_eq!(loaded.rows, ["u4 4", "u6 6"]);
    files.write("b.ndjson", b"{\"user_id\":\"u1\",\"x\":1}\n{\"user_id\":\"u2\",\"x\"\n[1]\n{\"user_id\":\"\xff\"}\n{\"user_id\":\"u5\"} x\n{\"user_id\":\"u6\",\"x\":6}\n{\"user_id\":\"u7");
    let loaded = files.users("b.ndjson").unwrap();
    assert_eq!(loaded.reasons(), ["2 ING-107", "3 ING-107", "4 ING-109", "5 ING-107", "7 ING-107"]);
    assert_eq!(loaded.rows, ["u1 1", "u6 6"]);
    assert_eq!(loaded.rejects[1]["reason"], "JSON: expected an object `{…}` at column 1");
    files.write("c.ndjson", "nothing\nof this\n");
    assert_eq!(files.users("c.ndjson").unwrap().counts, counts(2, 2));
}

#[test]
fn huge_values_are_rejected() {
    let files = Files::new();
    let (fits, large) = ("x".repeat(1 << 20), "x".repeat((1 << 20) + 1));
    files.write("a.csv", format!("user_id,note\nu1,{fits}\nu2,{large}\nu3,{}\nu4,x\n", "y".repeat(17 << 20)));
    let loaded = files.users("a.csv").unwrap();
    assert_eq!(
        (loaded.counts, loaded.reasons()),
        (counts(4, 2), vec!["2 ING-108".into(), "3 ING-108".to_string()])
    );
    files.write(
        "b.ndjson",
        format!("{{\"user_id\":\"u1\",\"tags\":[\"a\"]}}\n{{\"user_id\":\"u2\",\"tags\":[\"{large}\"]}}\n"),
    );
    assert_eq!(files.users("b.ndjson").unwrap().reasons(), ["2 ING-108"]);
}

#[test]
fn other_encodings_and_arrays_are_told() {
    let files = Files::new();
    let utf16: Vec<u8> = "user_id,x\nu1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(codes(files.write("a.csv", &utf16).users("a.csv")), ["ING-003"]);
    assert_eq!(
        codes(files.write("b.csv", [&[0xff, 0xfe], utf16.as_slice()].concat()).users("b.csv")),
        ["ING-003"]
    );
    assert_eq!(codes(files.write("c.csv", b"\xd3\xc3\xbb\xa7,x\nu1,2\n").users("c.csv")), ["ING-003"]);
    assert_eq!(codes(files.write("d.json", "[{\"user_id\":\"u1\"}]").users("d.json")), ["ING-007"]);
    assert_eq!(codes(files.write("e.dat", "user_id,x\nu1,2\n").users("e.dat")), ["ING-002"]);
    let request = Request { format: Some(Format::Csv), ..files.request(&["e.dat"], users()) };
    assert_eq!(files.load(&request).unwrap().rows, ["u1 2"]);
}

#[test]
fn numbers_that_are_none_are_missing_in_arrow_and_rejected_in_text() {
    let files = Files::new();
    let floats = Float64Array::from(vec![Some(1.5), Some(f64::NAN), Some(f64::INFINITY), None]);
    let batch = with_users(4, vec![("x", Arc::new(floats) as ArrayRef)]);
    let loaded = files.write("a.parquet", parquet_of(&batch)).users("a.parquet").unwrap();
    assert_eq!(loaded.rows, ["u0 1.5", "u1 -", "u2 -", "u3 -"]);
    files.write("a.csv", "user_id,x\nu0,1.5\nu1,2.5\nu2,NaN\n");
    assert_eq!(files.users("a.csv").unwrap().reasons(), ["3 ING-106"]);
}

#[test]
fn bytes_in_columns_are_text_or_rejected() {
    let files = Files::new();
    let bytes = BinaryArray::from_vec(vec![b"ok", b"\xff\xfe"]);
    let batch = with_users(2, vec![("x", Arc::new(bytes) as ArrayRef)]);
    let loaded = files.write("a.arrow", arrow_file_of(&batch)).users("a.arrow").unwrap();
    assert_eq!((loaded.rows, loaded.rejects[0]["code"].as_str()), (vec!["u0 ok".into()], Some("ING-109")));
}

#[test]
fn columnar_rows_are_checked_too() {
    let files = Files::new();
    let users = StringArray::from(vec![Some("u1"), None, Some(""), Some("u4")]);
    let events = StringArray::from(vec![Some("pay"), Some("pay"), Some("pay"), None]);
    let times = Int64Array::from(vec![1_772_294_400; 4]);
    let columns: Vec<(&str, ArrayRef)> =
        vec![("user_id", Arc::new(users)), ("event", Arc::new(events)), ("ts", Arc::new(times))];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let loaded = files.write("a.parquet", parquet_of(&batch)).events("a.parquet").unwrap();
    assert_eq!(
        (loaded.reasons(), loaded.rows),
        (
            vec!["2 ING-101".into(), "3 ING-101".into(), "4 ING-103".to_string()],
            vec!["u1 pay 1772294400000".into()]
        )
    );
    assert_eq!(loaded.rejects[0].get("line"), None);
    assert_eq!(loaded.rejects[2]["data"], serde_json::json!({"user_id": "u4", "ts": 1_772_294_400}));
}

fn ids(names: &[&str]) -> RecordBatch {
    let users: ArrayRef = Arc::new(StringArray::from(names.to_vec()));
    RecordBatch::try_from_iter([("user_id", users)]).unwrap()
}

fn with_users(count: usize, more: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let users: ArrayRef = Arc::new((0..count).map(|n| Some(format!("u{n}"))).collect::<StringArray>());
    RecordBatch::try_from_iter(std::iter::once(("user_id", users)).chain(more)).unwrap()
}

/// Loads and forgets; what counts is that nothing panics and the counts add up.
fn survives(files: &Files, name: &str, bytes: &[u8]) {
    files.write(name, bytes);
    let request = files.request(&[name], users());
    if let Ok(source) = open(&request, None, &Quiet) {
        let _ = load_or_problem(source);
    }
}

fn load_or_problem(source: Source) -> Result<Loaded, Problems> {
    load(source)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "(user_id|[\",\n:{}u0-9]){0,60}") {
        let files = Files::new();
        for name in ["a.csv", "a.ndjson", "a.parquet", "a.arrow", "a.csv.gz", "a.ndjson.zst"] {
            survives(&files, name, &bytes);
        }
        survives(&files, "b.csv", format!("user_id,x\n{text}").as_bytes());
        survives(&files, "b.ndjson", text.as_bytes());
    }

    #[test]
    fn damaged_files_do_not_make_it_panic(at in 0.0..1.0f64, byte in any::<u8>(), is_parquet in any::<bool>()) {
        let files = Files::new();
        let batch = with_users(50, vec![("x", Arc::new(Int64Array::from_iter_values(0..50)) as ArrayRef)]);
        let mut bytes = if is_parquet { parquet_of(&batch) } else { arrow_file_of(&batch) };
        let place = (at * bytes.len() as f64) as usize;
        bytes[place] = byte;
        survives(&files, if is_parquet { "a.parquet" } else { "a.arrow" }, &bytes);
    }
}
