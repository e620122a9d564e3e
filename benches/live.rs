//! What does it cost to read live events, and to ask filters of them?
//!
//! Data model: 200,000 events of 100,000 users as NDJSON, 170 bytes a line: an id, an RFC 3339 time, three
//! properties; three event names. Filters are asked of batches of 65,536 events with the columns that were read.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quanke::audience::{AsOf, LiveRows, Predicate, alike};
use quanke::base::{Timestamp, Zone};
use quanke::ingest::live::{Ask, Batch, open};
use quanke::store::Home;

const EVENTS: u64 = 200_000;

fn lines() -> Vec<u8> {
    let mut text = String::new();
    for n in 0..EVENTS {
        let (minute, second, ms) = (n / 60_000 % 60, n / 1000 % 60, n % 1000);
        let event = ["view", "share", "pay"][n as usize % 3];
        let _ = writeln!(
            text,
            "{{\"event_id\":\"e{:016x}\",\"user_id\":\"u{}\",\"event\":\"{event}\",\
             \"time\":\"2026-03-01T10:{minute:02}:{second:02}.{ms:03}+08:00\",\
             \"properties\":{{\"page\":\"/shop/{}\",\"amount\":{}.{:02},\"platform\":\"ios\"}}}}",
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            n * 7919 % 100_000,
            n % 50,
            n % 1000,
            n % 100
        );
    }
    text.into_bytes()
}

fn read(lines: &[u8], folder: &std::path::Path) -> Vec<Batch> {
    let ask = Ask {
        paths: vec!["-".into()],
        format: None,
        zone: Zone::default(),
        map: BTreeMap::new(),
        types: BTreeMap::new(),
        rejects: folder.join("rejects.ndjson"),
        after: 0,
        clock: Timestamp(0),
        is_eager: false,
        unnamed: None,
    };
    let mut source = open(ask, Some(Box::new(std::io::Cursor::new(lines.to_vec())))).unwrap();
    std::iter::from_fn(|| source.next_batch().unwrap()).collect()
}

fn live(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let lines = lines();
    let batches = read(&lines, folder.path());
    let snapshot = Home::at(folder.path(), "default").unwrap().snapshot().unwrap();
    let mut group = criterion.benchmark_group("live");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(10);
    group.bench_function("read_json", |bench| bench.iter(|| read(&lines, folder.path())));
    let ask = |predicates: &mut [Predicate]| {
        for batch in &batches {
            let (names, columns) = (batch.events.events().unwrap(), batch.events.columns());
            let as_of = AsOf::Own(batch.events.times().unwrap());
            let rows = LiveRows::new(names, columns, as_of, &|_, _| None, Zone::default());
            predicates.iter_mut().for_each(|predicate| drop(black_box(predicate.test(&rows).unwrap())));
        }
    };
    for (name, text) in [
        ("event", "pay"),
        ("number", "pay where amount > 100"),
        ("text", "view where page = '/shop/7'"),
        (
            "several",
            "pay where amount between 100 and 500 and platform in ('ios', 'web') and not page contains '9'",
        ),
    ] {
        let mut predicates = [Predicate::read(text, &snapshot).unwrap().0];
        group.bench_function(name, |bench| bench.iter(|| ask(&mut predicates)));
    }
    group.bench_function("alike", |bench| {
        bench.iter(|| {
            batches.iter().for_each(|batch| {
                drop(black_box(alike(batch.events.columns().column_by_name("page").unwrap())))
            })
        })
    });
    group.finish();
}

criterion_group!(benches, live);
criterion_main!(benches);
