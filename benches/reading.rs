//! What does it cost to read a selection and to look its names up?
//!
//! Data model: the text of twelve conditions, 700 bytes; the catalog of `benches/support/mod.rs`
//! (6 tags, one of 300 values, 3 events).

#[path = "support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use quanke::select::{Scope, Selection};
use support::World;

const TEXT: &str = "性别 = '女' 且 年龄 between 18 and 45 且 (省份 in ('上海', '浙江') 或 balance >= 3000 或 vip = 5) \
    且 likes has any of ('兴趣1', '兴趣2') 且 非 likes has all of ('兴趣3', '兴趣4') 且 人群包 '高价值' 且 非 人群包 '黑名单' \
    且 做过 pay where amount > 100 and platform = 'ios' count >= 3 in last 30 days 且 非 做过 pay in last 7 calendar days";

const BINDS: &str = "gender = '女' and age between 18 and 45 and (city in ('城市1', '城市2') or balance >= 3000) \
    and likes has any of ('兴趣1', '兴趣2') and crowd '高价值' and not crowd '黑名单' \
    and did pay where amount > 100 and platform = 'ios' count >= 3 in last 30 days and not did pay in last 7 calendar days";

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reading");
    group.bench_function("parse", |bench| bench.iter(|| TEXT.parse::<Selection>().unwrap()));
    let selection: Selection = TEXT.parse().unwrap();
    group.bench_function("print", |bench| bench.iter(|| selection.to_string()));
    group.bench_function("to_json_and_back", |bench| {
        bench.iter(|| Selection::from_json(&selection.to_json()).unwrap())
    });
    let world = World::open();
    let crowds: Vec<String> = world.crowds.keys().cloned().collect();
    let scope = Scope { snapshot: &world.snapshot, crowds: &crowds };
    let selection: Selection = BINDS.parse().unwrap();
    group.bench_function("bind", |bench| bench.iter(|| selection.bind(&scope).unwrap()));
    group.bench_function("parse_bind_and_plan", |bench| bench.iter(|| world.plan(BINDS)));
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
