//! Live events, as they come in: order, arrival, positions, types on the way, rejects.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
    UInt16Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::base::Type;
use crate::ingest::convert::cell;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn ask(&self, path: &str) -> Ask {
        Ask {
            paths: vec![path.into()],
            format: None,
            zone: Zone::default(),
            map: BTreeMap::new(),
            types: BTreeMap::new(),
            rejects: self.0.path().join("rejects.ndjson"),
            after: 0,
            clock: Timestamp(0),
            is_eager: false,
            unnamed: None,
        }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    fn arrow(&self, name: &str, columns: Vec<(&str, ArrayRef)>) -> String {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = arrow::ipc::writer::StreamWriter::try_new(vec![], &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        self.file(name, writer.into_inner().unwrap())
    }

    /// `position code` of each reject.
    fn rejects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.path().join("rejects.ndjson")).unwrap_or_default();
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        let shown = |reject: Value| {
            format!("{} {}", reject.get("line").unwrap_or(&reject["row"]), reject["code"].as_str().unwrap())
        };
        text.lines().map(line).map(shown).collect()
    }
}

fn pipe(text: &str) -> Option<Box<dyn Read + Send>> {
    Some(Box::new(io::Cursor::new(text.to_string().into_bytes())))
}

fn all(source: &mut Live) -> Vec<Batch> {
    std::iter::from_fn(|| source.next_batch().unwrap()).collect()
}

/// One row: position, user, event, time, id, arrival, and properties by name.
fn shown(batch: &Batch, row: usize) -> String {
    let events = &batch.events;
    let id = events.ids().filter(|ids| ids.is_valid(row)).map_or("-", |ids| ids.value(row));
    let mut parts = vec![
        batch.positions[row].to_string(),
        events.users().value(row).into(),
        events.events().unwrap().value(row).into(),
        events.times().unwrap().value(row).to_string(),
        id.into(),
        batch.arrivals.value(row).to_string(),
    ];
    let columns = events.columns();
    for (field, column) in columns.schema().fields().iter().zip(columns.columns()) {
        if column.is_valid(row) {
            parts.push(format!("{}={}", field.name(), cell(column, row)));
        }
    }
    parts.join(" ")
}

fn rows(batches: &[Batch]) -> Vec<String> {
    batches.iter().flat_map(|batch| (0..batch.events.len()).map(|row| shown(batch, row))).collect()
}

const LINES: &str = r#"{"event_id":"a","user_id":"u1","event":"view","time":1700000000000,"properties":{"page":"/home","n":1}}

{"user_id":7,"event":"view","time":"2023-11-15 06:13:21","arrived_at":1700000005000}
{"user_id":"u1","event":"pay","time":1700000002000,"properties":{"n":2.5,"time":"x"},"extra":true}
"#;

#[test]
fn events_come_in_the_order_given() {
    let place = Place::new();
    let mut source = open(place.ask("-"), pipe(LINES)).unwrap();
    let batches = all(&mut source);
    let expected = [
        "1 u1 view 1700000000000 a 1700000000000 page=/home n=1.0",
        "3 7 view 1700000001000 - 1700000005000",
        "4 u1 pay 1700000002000 - 1700000005000 n=2.5 properties.time=x extra=true",
    ];
    assert_eq!(rows(&batches), expected);
    assert_eq!((batches.len(), batches[0].clock, batches[0].read_to), (1, Timestamp(1_700_000_005_000), 4));
    assert_eq!(source.counts(), Counts { read: 3, accepted: 3, rejected: 0 });
    assert_eq!(source.types()["n"], Settled { type_of: Type::Float, is_fixed: false });
}

#[test]
fn bad_lines_go_aside_and_stop_nothing() {
    let place = Place::new();
    let text = "{\"user_id\":\"u1\",\"event\":\"a\",\"time\":1700000000000}\n{broken\n\
                {\"event\":\"a\",\"time\":1700000000000}\n{\"user_id\":\"u1\",\"time\":1700000000000}\n\
                {\"user_id\":\"u1\",\"event\":\"a\",\"time\":\"soon\"}\n{\"user_id\":\"u1\",\"event\":\"a\"}\n\
                {\"user_id\":\"u1\",\"event\":\"a\",\"time\":1,\"arrived_at\":\"later\"}\n\
                {\"user_id\":\"u1\",\"event\":\"a\",\"time\":1,\"arrived_at\":\"9999-01-01\"}\n\
                {\"user_id\":\"u2\",\"event\":\"a\",\"time\":1700000000000}\n";
    let mut source = open(place.ask("-"), pipe(text)).unwrap();
    let users: Vec<String> = rows(&all(&mut source));
    assert_eq!(users, ["1 u1 a 1700000000000 - 1700000000000", "9 u2 a 1700000000000 - 1700000000000"]);
    let expected =
        ["2 ING-107", "3 ING-101", "4 ING-103", "5 ING-104", "6 ING-104", "7 ING-104", "8 ING-104"];
    assert_eq!(place.rejects(), expected);
    assert_eq!(source.counts(), Counts { read: 9, accepted: 2, rejected: 7 });
    assert!(source.rejects_file().is_some());
}

#[test]
fn a_type_is_settled_by_the_first_batch_that_shows_it() {
    let place = Place::new();
    let line = |n: &str| format!("{{\"user_id\":\"u\",\"event\":\"a\",\"time\":1700000000,\"n\":{n}}}\n");
    let fixed = Settled { type_of: Type::Text, is_fixed: true };
    let text = ["null", "1", "2.5", "3", "\"x\""].map(line).concat();
    // One line at a time, as from a slow pipe.
    let mut source =
        open(Ask { is_eager: true, ..place.ask("-") }, Some(Box::new(Slow(text.clone().into_bytes()))))
            .unwrap();
    let batches = all(&mut source);
    let shown: Vec<String> = rows(&batches).iter().map(|row| row.split(' ').skip(6).collect()).collect();
    assert_eq!((batches.len(), shown), (4, ["", "n=1", "n=2.5", "n=3.0"].map(String::from).to_vec()));
    assert_eq!(place.rejects(), ["5 ING-106"]);
    let ask = Ask { types: [("n".to_string(), fixed)].into(), ..place.ask("-") };
    let batches = all(&mut open(ask, pipe(&text)).unwrap());
    let last = rows(&batches).pop().unwrap();
    assert!(last.ends_with("n=x") && batches[0].events.len() == 5, "{last}");
}

/// A pipe that gives one line a time.
struct Slow(Vec<u8>);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.0.iter().position(|byte| *byte == b'\n').map_or(self.0.len(), |at| at + 1);
        let count = line.min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0.drain(..count);
        Ok(count)
    }
}

#[test]
fn a_resumed_source_passes_over_what_was_taken() {
    let place = Place::new();
    let file = place.file("a.ndjson", LINES);
    let second = place.file("b.ndjson", "{\"user_id\":\"u9\",\"event\":\"z\",\"time\":1700000009000}\n");
    let ask = |after| Ask { after, paths: vec![file.clone(), second.clone()], ..place.ask("-") };
    let positions = |after| {
        let mut source = open(ask(after), None).unwrap();
        all(&mut source).iter().flat_map(|batch| batch.positions.clone()).collect::<Vec<u64>>()
    };
    assert_eq!(positions(0), [1, 3, 4, 5]);
    assert_eq!(positions(1), [3, 4, 5]);
    assert_eq!(positions(3), [4, 5]);
    assert_eq!(positions(4), [5]);
    assert!(positions(5).is_empty());
}

#[test]
fn clamped_and_late_events_are_flagged() {
    let place = Place::new();
    let line = |time: i64, arrival: i64| {
        format!("{{\"user_id\":\"u\",\"event\":\"a\",\"time\":{time},\"arrived_at\":{arrival}}}\n")
    };
    let text = line(1_700_000_120_001, 1_700_000_000_000) + &line(1_699_992_799_999, 1_700_000_000_000);
    let batch = all(&mut open(place.ask("-"), pipe(&text)).unwrap()).remove(0);
    assert_eq!(batch.events.times().unwrap().values()[..], [1_700_000_000_000, 1_699_992_799_999]);
    assert_eq!(batch.clamped.iter().collect::<Vec<_>>(), [true, false]);
    assert_eq!(batch.late.iter().collect::<Vec<_>>(), [false, true]);
}

#[test]
fn columns_of_others_are_renamed() {
    let place = Place::new();
    let file = place.arrow(
        "stream.arrow",
        vec![
            ("event_id", Arc::new(UInt64Array::from(vec![1, u64::MAX])) as ArrayRef),
            ("user", Arc::new(UInt64Array::from(vec![u64::MAX, 7]))),
            ("kind", Arc::new(UInt16Array::from(vec![0, 1]))),
            ("amount", Arc::new(Int32Array::from(vec![5, -5]))),
            ("ts", Arc::new(Int64Array::from(vec![1_700_000_000_000, 1_700_000_000_001]))),
            ("arrival", Arc::new(Int64Array::from(vec![1_700_000_000_000, 1_700_000_030_000]))),
        ],
    );
    let map = [("user", "user_id"), ("kind", "event"), ("ts", "time"), ("arrival", "arrived_at")];
    let map: BTreeMap<String, String> = map.map(|(a, b)| (a.into(), b.into())).into();
    let expected = [
        "1 18446744073709551615 0 1700000000000 1 1700000000000 amount=5",
        "2 7 1 1700000000001 18446744073709551615 1700000030000 amount=-5",
    ];
    let read = |ask: Ask, input| rows(&all(&mut open(ask, input).unwrap()));
    assert_eq!(read(Ask { map: map.clone(), ..place.ask(&file) }, None), expected);
    assert_eq!(read(Ask { map: map.clone(), after: 1, ..place.ask(&file) }, None), expected[1..]);
    let bytes = std::fs::read(&file).unwrap();
    let piped: Option<Box<dyn Read + Send>> = Some(Box::new(io::Cursor::new(bytes)));
    assert_eq!(read(Ask { map: map.clone(), ..place.ask("-") }, piped), expected);
    let lines = "{\"uid\":\"u1\",\"event\":\"a\",\"properties\":{\"at\":1700000000000,\"x\":1}}\n";
    let map: BTreeMap<String, String> =
        [("uid", "user_id"), ("at", "time"), ("x", "y")].map(|(a, b)| (a.into(), b.into())).into();
    assert_eq!(
        read(Ask { map, ..place.ask("-") }, pipe(lines)),
        ["1 u1 a 1700000000000 - 1700000000000 y=1"]
    );
    let problems = open(place.ask(&file), None).err().unwrap();
    let codes: Vec<&str> = problems.0.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["ING-004"; 3]);
    assert!(problems.0[0].cure.contains("--map user=user_id"), "{problems}");
}

#[test]
fn properties_of_arrow_files_are_flattened() {
    let place = Place::new();
    let fields = vec![Arc::new(Field::new("amount", DataType::Float64, true))];
    let inner: Vec<ArrayRef> = vec![Arc::new(Float64Array::from(vec![1.5]))];
    let properties = StructArray::new(fields.into(), inner, None);
    let file = place.arrow(
        "a.arrow",
        vec![
            ("user_id", Arc::new(StringArray::from(vec!["u1"])) as ArrayRef),
            ("event", Arc::new(StringArray::from(vec!["pay"]))),
            ("time", Arc::new(Int64Array::from(vec![1_700_000_000]))),
            ("properties", Arc::new(properties)),
        ],
    );
    let found = rows(&all(&mut open(place.ask(&file), None).unwrap()));
    assert_eq!(found, ["1 u1 pay 1700000000000 - 1700000000000 amount=1.5"]);
}

#[test]
fn what_is_no_source_of_events_is_refused() {
    let place = Place::new();
    let code = |ask: Ask, input| open(ask, input).err().unwrap().0[0].code;
    assert_eq!(code(place.ask("nowhere.ndjson"), None), "ING-001");
    assert_eq!(code(place.ask(&place.file("a.csv", "user_id,event,time\n")), None), "ING-002");
    assert_eq!(code(place.ask("-"), pipe("[{\"user_id\":1}]")), "ING-007");
    assert_eq!(code(place.ask("-"), None), "ING-009");
    assert!(all(&mut open(place.ask("-"), pipe("")).unwrap()).is_empty());
}

proptest! {
    /// However the pipe gives its bytes, and wherever reading was broken off, the events are the same.
    #[test]
    fn batches_and_resumption_change_nothing(
        rows_in in prop::collection::vec((0u8..3, prop::option::of(0i64..50), 0i64..9_000, prop::bool::weighted(0.1)), 1..30),
        after in 0u64..30,
    ) {
        let place = Place::new();
        let line = |(user, amount, second, is_bad): &(u8, Option<i64>, i64, bool)| {
            let time = json!(if *is_bad { json!("never") } else { json!(1_700_000_000 + second) });
            json!({"user_id": format!("u{user}"), "event": "a", "time": time, "properties": {"amount": amount}}).to_string() + "\n"
        };
        let text: String = rows_in.iter().map(line).collect();
        let settled = Settled { type_of: Type::Integer, is_fixed: true };
        let ask = || Ask { types: [("amount".to_string(), settled)].into(), ..place.ask("-") };
        let whole = all(&mut open(ask(), pipe(&text)).unwrap());
        let slow: Option<Box<dyn Read + Send>> = Some(Box::new(Slow(text.clone().into_bytes())));
        let single = all(&mut open(Ask { is_eager: true, ..ask() }, slow).unwrap());
        prop_assert_eq!(rows(&whole), rows(&single));
        let (mut first, mut late) = (vec![], vec![]);
        for batch in &single {
            if batch.read_to <= after { first.push(batch.clone()) }
        }
        let clock = first.last().map_or(Timestamp(0), |batch| batch.clock);
        let resumed = all(&mut open(Ask { after, clock, ..ask() }, pipe(&text)).unwrap());
        late.extend(rows(&first));
        late.extend(rows(&resumed));
        prop_assert_eq!(rows(&whole), late);
    }
}
