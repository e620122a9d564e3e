//! Types: from the file, from the values, or settled before.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::datatypes::*;

use super::*;
use crate::base::Type;

fn settled(files: &Files, name: &str, types: &[(&str, Type, bool)]) -> Loaded {
    let types = types.iter().map(|(name, type_of, is_fixed)| {
        (name.to_string(), Settled { type_of: *type_of, is_fixed: *is_fixed })
    });
    files.load(&Request { types: types.collect(), ..files.request(&[name], users()) }).unwrap()
}

#[test]
fn text_is_typed_over_the_whole_input() {
    let files = Files::new();
    let rows: String = (0..70_000)
        .map(|n| format!("{n:05},{n},{n:05},2026-03-01,2026-03-01 10:00:00,true,上海,\n"))
        .collect();
    files.write(
        "a.csv",
        format!("user_id,n,padded,day,at,is,city,none\n{rows}x,0.5,1,2026-03-01,2026-03-01,false,1,\n"),
    );
    let loaded = files.users("a.csv").unwrap();
    assert_eq!(loaded.columns, ["n float", "padded text", "day date", "at instant", "is bool", "city text"]);
    assert_eq!(loaded.rows[1], "00001 1.0 00001 2026-03-01 2026-03-01T02:00:00Z true 上海");
    assert_eq!(loaded.counts.accepted, 70_001);
}

#[test]
fn json_keeps_its_types() {
    let files = Files::new();
    files.write("a.ndjson", "{\"user_id\":7,\"n\":1,\"f\":1,\"s\":\"12\",\"t\":[\"a\",2,null],\"b\":true}\n{\"user_id\":\"u\",\"properties\":{\"f\":2.5,\"deep\":{\"x\":1}},\"n\":null,\"t\":\"x|y\"}\n{\"user_id\":12345678901234567890,\"t\":[],\"f\":3}\n");
    let loaded = files.users("a.ndjson").unwrap();
    assert_eq!(
        loaded.columns,
        ["n integer", "f integer", "s text", "t list", "b bool", "properties.f float", "deep.x integer"]
    );
    assert_eq!(
        loaded.rows,
        ["7 1 1 12 [a, 2] true - -", "u - - - [x, y] - 2.5 1", "12345678901234567890 - 3 - [] - - -"]
    );
}

#[test]
fn settled_types_hold() {
    let files = Files::new();
    files.write(
        "a.csv",
        "user_id,n,t,l,d\nu1,1,007,a|b,2026-03-01 23:30\nu2,2.5,1e3,\"[\"\"c\"\"]\",2026-03-02\n",
    );
    let earlier = settled(
        &files,
        "a.csv",
        &[
            ("n", Type::Integer, false),
            ("t", Type::Text, false),
            ("l", Type::List, true),
            ("d", Type::Date, true),
        ],
    );
    assert_eq!(earlier.columns, ["n float", "t text", "l list", "d date"]);
    assert_eq!(earlier.rows, ["u1 1.0 007 [a, b] 2026-03-01", "u2 2.5 1e3 [c] 2026-03-02"]);
    let fixed = settled(
        &files,
        "a.csv",
        &[
            ("n", Type::Integer, true),
            ("t", Type::Float, true),
            ("l", Type::Text, true),
            ("d", Type::Instant, true),
        ],
    );
    assert_eq!(
        (fixed.columns.join(","), fixed.reasons()),
        ("n integer,t float,l text,d instant".into(), vec!["2 ING-106".into()])
    );
    assert_eq!(fixed.rows, ["u1 1 7.0 a|b 2026-03-01T15:30:00Z"]);
}

#[test]
fn files_of_different_formats_have_one_schema() {
    let files = Files::new();
    let n: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
    let user: ArrayRef = Arc::new(Int32Array::from(vec![5]));
    let batch = RecordBatch::try_from_iter([("user_id", user), ("n", n)]).unwrap();
    files
        .write("a.csv", "user_id,n,x\nu1,1,a\n")
        .write("b.parquet", parquet_of(&batch))
        .write("c.ndjson", "{\"user_id\":\"u3\",\"y\":1}\n");
    let request = files.request(&["c.ndjson", "b.parquet", "a.csv"], users());
    let loaded = files.load(&request).unwrap();
    assert_eq!(loaded.columns, ["y integer", "n float", "x text"]);
    assert_eq!(loaded.rows, ["u3 1 - -", "5 - 0.5 -", "u1 - 1.0 a"]);
}

#[test]
fn times_are_read_in_every_form_in_one_column() {
    let files = Files::new();
    let forms = [
        "1772337600",
        "1772337600000",
        "1772337600000000",
        "2026-03-01 12:00",
        "2026-03-01T12:00:00.000",
        "2026-03-01T04:00:00Z",
        "2026-03-01T12:00:00+08:00",
        "1772337600.0",
    ];
    let rows: String = forms.iter().map(|form| format!("u,pay,{form}\n")).collect();
    files.write("a.csv", format!("user_id,event,ts\n{rows}"));
    assert_eq!(files.events("a.csv").unwrap().rows, vec!["u pay 1772337600000"; forms.len()]);
}

/// Every arrow kind becomes one of our types.
#[test]
fn arrow_kinds_become_our_types() {
    let files = Files::new();
    let micros = TimestampMicrosecondArray::from(vec![1_772_337_600_000_001, -1]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let words: StringViewArray = vec![Some("a"), None].into_iter().collect();
    let dictionary: DictionaryArray<Int8Type> = vec!["x", "y"].into_iter().collect();
    let decimals = Decimal128Array::from(vec![150, -25]).with_precision_and_scale(10, 2).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(UInt64Array::from(vec![u64::MAX, 2]))),
        ("i8", Arc::new(Int8Array::from(vec![-1, 1]))),
        ("u64", Arc::new(UInt64Array::from(vec![1, 2]))),
        ("f32", Arc::new(Float32Array::from(vec![0.5, 1.5]))),
        ("dec", Arc::new(decimals)),
        ("bool", Arc::new(BooleanArray::from(vec![true, false]))),
        ("d32", Arc::new(Date32Array::from(vec![20_513, 0]))),
        ("d64", Arc::new(Date64Array::from(vec![20_513 * 86_400_000, 0]))),
        ("naive", Arc::new(TimestampSecondArray::from(vec![1_772_337_600, 0]))),
        ("zoned", Arc::new(micros.with_timezone("America/New_York"))),
        ("large", Arc::new(LargeStringArray::from(vec!["l", "m"]))),
        ("view", Arc::new(words)),
        ("dict", Arc::new(dictionary)),
        ("list", Arc::new(list)),
        ("none", Arc::new(NullArray::new(2))),
        ("clock", Arc::new(Time32SecondArray::from(vec![60, 61]))),
    ];
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let row = [
        "18446744073709551615",
        "-1",
        "1",
        "0.5",
        "1.5",
        "true",
        "2026-03-01",
        "2026-03-01",
        "2026-02-28T20:00:00Z",
        "2026-03-01T04:00:00Z",
        "l",
        "a",
        "x",
        "[1]",
        "00:01:00",
    ];
    for (name, bytes) in [("a.arrow", arrow_file_of(&batch)), ("b.arrows", arrow_stream_of(&batch))] {
        let loaded = files.write(name, bytes).users(name).unwrap();
        assert_eq!(loaded.rows[0], row.join(" "));
        assert_eq!(
            loaded.rows[1],
            "2 1 2 1.5 -0.25 false 1970-01-01 1970-01-01 1969-12-31T16:00:00Z 1969-12-31T23:59:59.999Z m - y - 00:01:01"
        );
        let types = [
            "integer", "integer", "float", "float", "bool", "date", "date", "instant", "instant", "text",
            "text", "text", "list", "text",
        ];
        let found: Vec<&str> =
            loaded.columns.iter().map(|column| column.rsplit(' ').next().unwrap()).collect();
        assert_eq!(found, types);
    }
}

#[test]
fn structs_are_flattened_and_their_nulls_kept() {
    let files = Files::new();
    let field = |name: &str| Arc::new(Field::new(name, DataType::Int64, true));
    let numbers = |a, b| Arc::new(Int64Array::from(vec![a, b])) as ArrayRef;
    let fields = vec![field("amount"), field("user_id")];
    let nulls = Some(NullBuffer::from(vec![true, false]));
    let properties = StructArray::new(fields.into(), vec![numbers(1, 2), numbers(3, 4)], nulls);
    let geo = StructArray::from(vec![(field("lat"), numbers(5, 6))]);
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u1", "u2"]));
    let columns = [
        ("user_id", users, true),
        ("properties", Arc::new(properties) as ArrayRef, true),
        ("geo", Arc::new(geo) as ArrayRef, true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    for (name, bytes) in [("a.parquet", parquet_of(&batch)), ("a.arrow", arrow_file_of(&batch))] {
        let loaded = files.write(name, bytes).users(name).unwrap();
        assert_eq!(loaded.columns, ["amount integer", "properties.user_id integer", "geo.lat integer"]);
        assert_eq!(loaded.rows, ["u1 1 3 5", "u2 - - 6"]);
    }
}

#[test]
fn large_batches_are_cut() {
    let files = Files::new();
    let users: ArrayRef = Arc::new((0..150_000).map(|n| Some(format!("u{n}"))).collect::<StringArray>());
    let batch = RecordBatch::try_from_iter([("user_id", users)]).unwrap();
    let loaded = files.write("a.arrow", arrow_file_of(&batch)).users("a.arrow").unwrap();
    assert_eq!(loaded.sizes, [65_536, 65_536, 18_928]);
    assert_eq!(loaded.rows[149_999], "u149999");
}

#[test]
fn values_change_their_type_when_it_is_settled() {
    let files = Files::new();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(StringArray::from(vec!["u1", "u2"]))),
        ("f", Arc::new(Float64Array::from(vec![2.0, 2.5]))),
        ("i", Arc::new(Int64Array::from(vec![1, 0]))),
        ("e", Arc::new(Int64Array::from(vec![1_772_337_600, 0]))),
        ("b", Arc::new(BooleanArray::from(vec![true, false]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    files.write("a.parquet", parquet_of(&batch));
    let types = [
        ("f", Type::Integer, true),
        ("i", Type::Bool, true),
        ("e", Type::Instant, true),
        ("b", Type::Text, true),
    ];
    let loaded = settled(&files, "a.parquet", &types);
    assert_eq!(
        (loaded.rows, loaded.rejects[0]["reason"].as_str()),
        (
            vec!["u1 2 true 2026-03-01T04:00:00Z true".into()],
            Some("`f`: `2.5` is no whole number of 64 bits")
        )
    );
}
