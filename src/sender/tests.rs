//! One contract for all senders, and kills in the middle of a file.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::webhook::tests::{Server, webhook};
use super::*;
use crate::dispatch::tests::world::{DieAt, World, at, text};
use crate::dispatch::{Batch, NoFaults, Outcome, Touch, TouchNames};

pub fn batch(no: u64, users: std::ops::Range<u32>, content: Value) -> Batch {
    let names = TouchNames::of("default", "t1", 0, "2026-03-01T20:00:00", "sms");
    let touch = |n: u32| Touch {
        touch_id: names.touch_id(&format!("用户{n}")),
        seat: None,
        user_no: n,
        user_id: format!("用户{n}"),
        staff: None,
        due_at: "2026-03-01T20:00:00.000+08:00".into(),
        content: content.clone(),
        fields: [
            ("name".to_string(), json!("张\"三\"\n")),
            ("phone".to_string(), json!(format!("+86 138{n:08}"))),
        ]
        .into_iter()
        .collect(),
    };
    let touches = users.map(touch).collect();
    Batch {
        task: "t1".into(),
        run: "t1@2026-03-01T20:00:00".into(),
        no,
        channel: "sms".into(),
        attempt: 1,
        touches,
    }
}

pub fn send(sender: &dyn Sender, batch: &Batch) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(sender.send(batch))
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("t1.ndjson")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What every channel promises: an answer for exactly the touches given, the same on a retry, no
/// panic whatever the content.
fn keeps_the_contract(sender: &dyn Sender) {
    sender.check().unwrap();
    assert!(!sender.name().is_empty() && sender.parallel() >= 1);
    let contents =
        [json!({}), json!({"template": "您好 👋 \u{0}\n"}), json!({"template": "长".repeat(100_000)})];
    for (content, no) in contents.into_iter().zip(1..) {
        let first = batch(no, (no as u32 * 10)..(no as u32 * 10 + 3), content);
        let again = Batch { attempt: 2, ..first.clone() };
        assert_eq!(first.key(), again.key());
        for attempt in [&first, &again] {
            let Outcome::Answered(receipts) = send(sender, attempt) else {
                panic!("{} did not answer", sender.name())
            };
            let named: Vec<_> = receipts.iter().map(|receipt| receipt.touch_id).collect();
            let given: Vec<_> = attempt.touches.iter().map(|touch| touch.touch_id).collect();
            assert_eq!(named, given, "{}", sender.name());
        }
    }
    assert_eq!(send(sender, &batch(9, 0..0, json!({}))), Outcome::Answered(Vec::new()));
}

#[test]
fn every_sender_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    keeps_the_contract(&Blackhole::new("blackhole"));
    keeps_the_contract(&FileSender::new("file", folder.path(), Arc::new(NoFaults)));
    let written = lines(folder.path());
    assert_eq!(written.len(), 9, "a retry adds no line");
    assert_eq!(written[3]["content"]["template"], "您好 👋 \u{0}\n");
    let server = Server::start(vec![Server::OK; 7]);
    keeps_the_contract(&webhook(&server, ""));
    let posted = server.finish();
    assert_eq!(posted[0].body, posted[1].body, "a retry carries the same bytes");
    assert_eq!(posted[0].header("idempotency-key"), posted[1].header("idempotency-key"));
    assert!(posted[2].body.contains("您好 👋"));
    keeps_the_contract(&super::exec::tests::script(&super::exec::tests::answering("delivered"), ""));
    for shape in ["aliyun", "tencent", "volcengine"] {
        let server = Server::start(vec![super::sms::tests::good(shape); 6]);
        keeps_the_contract(&super::sms::tests::gateway(shape, &server, ""));
        server.finish();
    }
    let table = toml::from_str("kind = \"staff\"").unwrap();
    let todo = folder.path().join("outbox");
    keeps_the_contract(&Staff::read("staff", &table, &todo, Arc::new(NoFaults)).unwrap());
    let rate = Rate::parse("1000/s").unwrap();
    let paced = Paced::new(Arc::new(Blackhole::new("b")), Bucket::new(rate, || Timestamp(0)));
    assert_eq!(paced.bucket().unwrap().burst(), 1_000);
    keeps_the_contract(&paced);
}

#[test]
fn a_line_of_the_file_has_the_keys_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let sender = FileSender::new("file", folder.path(), Arc::new(NoFaults));
    send(&sender, &batch(3, 0..1, json!({"template": "您好"})));
    let line = &lines(folder.path())[0];
    let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["touch_id", "task", "run", "batch", "user_id", "channel", "due_at", "content", "fields"]
    );
    assert_eq!((line["batch"].as_u64(), line["user_id"].as_str()), (Some(3), Some("用户0")));
}

/// A run of 20 users in batches of one through the file sender, killed before step `n`.
fn lived(n: i64) -> bool {
    let world = World::of(20);
    let id = world.approved(&text("file", "", "holdout = \"10%\"").replace("batch = 3", "batch = 1"));
    let outbox = world.dir.path().join("outbox");
    let mut was_killed = false;
    for step in [n, i64::MAX] {
        let faults = DieAt::step(step);
        let file = FileSender::new("file", &outbox, faults.clone());
        let senders: Senders =
            [("file".to_string(), Arc::new(file) as Arc<dyn Sender>)].into_iter().collect();
        let ended = world.run_with(&senders, faults.as_ref(), at("20:20"));
        assert_eq!(ended.is_err(), faults.is_dead(), "{ended:?}");
        was_killed |= faults.is_dead();
    }
    let users: Vec<String> =
        lines(&outbox).iter().map(|line| line["user_id"].as_str().unwrap().to_string()).collect();
    let distinct: HashSet<&String> = users.iter().collect();
    let book = world.report(&id).total;
    assert_eq!((distinct.len(), users.len() as i64), (users.len(), 20 - book.withheld), "killed at {n}");
    assert_eq!((book.delivered, book.held, book.balanced), (users.len() as i64, 0, true));
    was_killed
}

#[test]
fn a_kill_at_any_step_leaves_exactly_one_line_a_user() {
    // Each batch has four steps of its own inside the file sender; every third kill is enough for
    // all of them, as 3 and 4 have no common divisor.
    let killed = (0..).step_by(3).take_while(|n| lived(*n)).count();
    assert!(killed > 20, "{killed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// The tail search agrees with reading the whole file, wherever the file was torn.
    #[test]
    fn a_torn_file_is_made_whole(cut in 0usize..2_000, big in 0usize..3_000) {
        let folder = tempfile::tempdir().unwrap();
        let content = json!({"template": "好".repeat(big)});
        let sender = FileSender::new("file", folder.path(), Arc::new(NoFaults));
        let batches: Vec<Batch> = (1..4).map(|no| batch(no, no as u32 * 5..no as u32 * 5 + 5, content.clone())).collect();
        batches.iter().for_each(|batch| drop(send(&sender, batch)));
        let path = folder.path().join("t1.ndjson");
        let whole = std::fs::read(&path).unwrap();
        let last = whole.len() * 2 / 3;
        let kept = last + (whole.len() - last) * cut / 2_000;
        std::fs::write(&path, &whole[..kept]).unwrap();
        for batch in &batches {
            send(&sender, &Batch { attempt: 2, ..batch.clone() });
        }
        prop_assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_long_file_is_searched_to_the_wave_before() {
    let folder = tempfile::tempdir().unwrap();
    let sender = FileSender::new("file", folder.path(), Arc::new(NoFaults));
    let content = json!({"template": "好".repeat(20_000)});
    for no in 1..=40 {
        send(&sender, &batch(no, no as u32 * 3..no as u32 * 3 + 3, content.clone()));
    }
    for no in 26..=40 {
        let again = Batch { attempt: 2, ..batch(no, no as u32 * 3..no as u32 * 3 + 3, content.clone()) };
        send(&sender, &again);
    }
    let mut times = BTreeMap::new();
    lines(folder.path()).iter().for_each(|line| *times.entry(line["touch_id"].to_string()).or_insert(0) += 1);
    assert_eq!(times.len(), 120);
    assert!(times.values().all(|count| *count == 1));
}

#[test]
fn an_outbox_that_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("outbox"), "not a folder").unwrap();
    let sender = FileSender::new("file", &folder.path().join("outbox"), Arc::new(NoFaults));
    assert_eq!(sender.check().unwrap_err().code, "SND-002");
    assert!(
        matches!(send(&sender, &batch(1, 0..1, json!({}))), Outcome::TryLater { why, .. } if why.code == "SND-002")
    );
}

#[test]
fn settings_are_checked_all_at_once() {
    let world = super::World {
        outbox: Path::new("outbox"),
        clock: || Timestamp(0),
        secret: &|name| (name == "KEY").then(|| "s".into()),
        faults: Arc::new(NoFaults),
        policies: &Policies::shipped().unwrap(),
    };
    let good: Table = toml::from_str(
        "[\"短信\"]\nkind = \"webhook\"\nurl = \"https://例.cn/x\"\nsecret_env = \"KEY\"\ntimeout = \"3s\"\nrate = \"10/s\"\n\
         [p]\nkind = \"exec\"\ncommand = \"true\"\n[q]\nkind = \"staff\"\n\
         [r]\nkind = \"sms\"\nshape = \"tencent\"\naccess_key = \"a\"\nsecret_env = \"KEY\"\nsign = \"测试\"\napp_id = \"1\"",
    )
    .unwrap();
    let names: Vec<String> = build(&good, &world).map(|senders| senders.into_keys().collect()).unwrap();
    assert_eq!(names, ["blackhole", "file", "p", "q", "r", "短信"]);
    let bad: Table = toml::from_str(
        "a = 1\n[b]\nkind = \"fax\"\n[c]\nkind = \"webhook\"\nurl = \"ftp://x\"\ntimout = 3\nparallel = 99\nsecret_env = \"NO\"\non_accept = \"x\"",
    )
    .unwrap();
    let problems = build(&bad, &world).map(|_| ()).unwrap_err();
    assert_eq!(problems.0.len(), 7, "{problems}");
    assert!(problems.0.iter().all(|problem| problem.code == "SND-001"));
    assert!(problems.to_string().contains("write `timeout`"));
    let bad = "[a]\nkind = \"exec\"\n[b]\nkind = \"staff\"\nrate = \"fast\"\n[c]\nkind = \"staff\"\nphon = \"x\"\n\
               [d]\nkind = \"sms\"\nshape = \"huawei\"\n[e]\nkind = \"sms\"\nshape = \"tencent\"\naccess_key = \"a\"\nsecret = \"b\"\nsign = \"c\"";
    let problems = build(&toml::from_str(bad).unwrap(), &world).map(|_| ()).unwrap_err();
    assert_eq!(problems.0.len(), 8, "{problems}");
}

/// Each code of these rooms has its page, and each page belongs to a code.
#[test]
fn every_code_has_a_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = regex::Regex::new(r#""((?:TSK|DSP|SND)-\d{3}|OUT-030)["\s]"#).unwrap();
    let mut codes = HashSet::new();
    for room in ["task", "dispatch", "sender"] {
        codes.extend(
            sources(&root.join("src").join(room)).iter().flat_map(|text| {
                code.captures_iter(text).map(|found| found[1].to_string()).collect::<Vec<_>>()
            }),
        );
    }
    assert!(codes.len() > 25, "{codes:?}");
    for code in codes {
        let page = std::fs::read_to_string(root.join(format!("docs/errors/{code}.md"))).expect(&code);
        assert!(
            page.starts_with(&format!("# {code}: ")) && page.contains("## Cause") && page.contains("## Cure")
        );
    }
}

fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = |path: std::path::PathBuf| {
        if path.is_dir() { sources(&path) } else { vec![std::fs::read_to_string(path).unwrap()] }
    };
    entries.flat_map(texts).collect()
}
