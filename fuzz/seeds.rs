//! Where does a fuzzer begin? Whole, right inputs for every entry point, to be cut and changed.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use quanke::audience::package::{Encoding, Form, Package};
use quanke::select::Selection;
use roaring::RoaringTreemap;

const SELECTIONS: [&str; 8] = [
    "性别 = '女' 且 (省份 in ('上海', '浙江') 或 年龄 between 18 and 35) 且 非 人群包 '黑名单'",
    "did pay where amount > 100 and platform = 'ios' count >= 3 in last 30 calendar days including today",
    "did view where page = '/home' then pay then share within 24 hours same item without refund between this week",
    "did view then not share within 20 minutes from 2026-01-01 to 2026-01-31",
    "first pay before 2026-03-01 or last pay in last 7 days",
    "has orders where shipped_at within 2 days of paid_at sum(amount) > 1.5 on paid_at in last 30 days",
    "interests has none of ('a''b') and \"手机 品牌\" is missing and name matches '^a+$' and not birthday anniversary today",
    "sample 10% salt 's' or top 10000 by balance or did 任意 days = 0 in last 2 weeks",
];

const CSV: &str = "user_id,event,ts,event_id,amount,\"标签\"\nu1,pay,2026-03-01 10:00,e1,1.5,\"[\"\"a\"\"]\"\n,pay,x,,,\n\"u\n2\",view,1772294400,,7,\"a|b\"\n";

const NDJSON: &str = "{\"user_id\":\"u1\",\"event\":\"pay\",\"ts\":\"2026-03-01T10:00:00+08:00\",\"properties\":{\"amount\":1.5,\"geo\":{\"lat\":1}}}\n{\"user_id\":2,\"event\":\"pay\",\"ts\":1772294400000,\"tags\":[\"a\",null]}\n";

/// Right inputs of an entry point.
pub fn of(name: &str) -> Vec<Vec<u8>> {
    match name {
        "selection" => SELECTIONS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "json_twin" => SELECTIONS.iter().filter_map(|text| twin(text)).collect(),
        "csv" => vec![CSV.into()],
        "ndjson" => vec![NDJSON.into()],
        "parquet" => vec![parquet()],
        "arrow" => vec![arrow_file(), arrow_stream()],
        "packed" => vec![gzip(CSV.as_bytes()), zstd(CSV.as_bytes())],
        "package" => packages(),
        _ => sets().iter().map(|set| written(Form::Roaring, Encoding::Raw, set)).collect(),
    }
}

fn twin(text: &str) -> Option<Vec<u8>> {
    Some(text.parse::<Selection>().ok()?.to_json().to_string().into_bytes())
}

fn batch() -> RecordBatch {
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u1", "u2", "u3"]));
    let events: ArrayRef = Arc::new(StringArray::from(vec![Some("pay"), None, Some("浏览")]));
    let times: ArrayRef = Arc::new(Int64Array::from(vec![1_772_294_400, 0, -1]));
    RecordBatch::try_from_iter([("user_id", users), ("event", events), ("ts", times)]).expect("equal lengths")
}

fn parquet() -> Vec<u8> {
    let writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch().schema(), None);
    let mut writer = writer.expect("a schema of plain types");
    writer.write(&batch()).expect("memory takes it");
    writer.into_inner().expect("memory takes it")
}

fn arrow_file() -> Vec<u8> {
    let writer = arrow::ipc::writer::FileWriter::try_new(Vec::new(), &batch().schema());
    let mut writer = writer.expect("memory takes it");
    writer.write(&batch()).expect("memory takes it");
    writer.into_inner().expect("memory takes it")
}

fn arrow_stream() -> Vec<u8> {
    let writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch().schema());
    let mut writer = writer.expect("memory takes it");
    writer.write(&batch()).expect("memory takes it");
    writer.into_inner().expect("memory takes it")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory takes it")
}

/// Few numbers, many, and runs.
fn sets() -> [RoaringTreemap; 3] {
    let few = RoaringTreemap::from_iter([1, 7, 65_536, 200_000]);
    let many = RoaringTreemap::from_iter((0..20_000).map(|n| n * 3));
    let mut runs = RoaringTreemap::from_iter(100..70_000);
    runs.insert(4_000_000_000);
    [few, many, runs]
}

fn packages() -> Vec<Vec<u8>> {
    let forms = Form::ALL
        .into_iter()
        .flat_map(|form| [Encoding::Raw, Encoding::Base64, Encoding::Hex].map(|encoding| (form, encoding)));
    forms.flat_map(|(form, encoding)| sets().map(|set| written(form, encoding, &set))).collect()
}

fn written(form: Form, encoding: Encoding, set: &RoaringTreemap) -> Vec<u8> {
    let mut bytes = Vec::new();
    Package { form, encoding }.write(set, &mut bytes).expect("numbers of 32 bits fit every form");
    bytes
}
