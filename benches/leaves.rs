//! What does each kind of condition cost over one million users, and twelve of them together?
//!
//! Data model: `benches/support/mod.rs` — 1,000,000 users × 6 tags, 4,000,000 events (three kinds,
//! thirty days), 500,000 orders, crowds of 143,000 and 20,000. Warm: columns are decoded by the
//! first call. A measured call is what `estimate --no-cache` does: the count at every node.

#[path = "support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use support::World;

const LEAVES: &[(&str, &str)] = &[
    ("tag_equal", "gender = '女'"),
    ("tag_in_5_of_300", "city in ('城市1','城市2','城市3','城市4','城市5')"),
    ("tag_not_equal", "city != '城市1'"),
    ("integer_between", "age between 18 and 35"),
    ("float_at_least", "balance >= 5000"),
    ("text_contains", "name contains '0042'"),
    ("list_any_of_4", "likes has any of ('兴趣1','兴趣2','兴趣3','兴趣4')"),
    ("list_all_of_2", "likes has all of ('兴趣1','兴趣2')"),
    ("crowd", "crowd '高价值'"),
    ("did", "did pay in last 30 calendar days"),
    ("did_count", "did pay count >= 3 in last 30 calendar days"),
    ("did_count_rolling", "did pay count >= 3 in last 700 hours"),
    ("did_days", "did view days >= 3 in last 30 calendar days"),
    ("did_filtered_sum", "did pay where platform = 'ios' sum(amount) >= 500 in last 30 calendar days"),
    ("did_distinct", "did pay distinct(platform) >= 2 in last 30 calendar days"),
    ("detail_count", "has orders where amount > 100 and status = 'paid' count >= 2"),
];

const TWELVE: &str = "gender = '女' and age between 18 and 45 and (city in ('城市1','城市2','城市3') or balance >= 3000 or age = 50) \
    and likes has any of ('兴趣1','兴趣2') and not likes has all of ('兴趣3','兴趣4') and crowd '高价值' and not crowd '黑名单' \
    and did view in last 30 calendar days and not did pay in last 7 calendar days and has orders where status = 'paid'";

fn leaves(criterion: &mut Criterion) {
    let world = World::open();
    let mut group = criterion.benchmark_group("leaf_1m");
    group.sample_size(20);
    for (name, text) in LEAVES {
        let plan = world.plan(text);
        group.bench_function(*name, |bench| bench.iter(|| plan.run(&world.snapshot).unwrap().tree.count));
    }
    group.finish();
}

fn combine(criterion: &mut Criterion) {
    let world = World::open();
    let plan = world.plan(TWELVE);
    let mut group = criterion.benchmark_group("twelve_conditions_1m");
    group.sample_size(20);
    group.bench_function("count_at_every_node", |bench| {
        bench.iter(|| plan.run(&world.snapshot).unwrap().tree.count)
    });
    group.bench_function("users_only", |bench| bench.iter(|| plan.users(&world.snapshot).unwrap().len()));
    group.finish();
}

criterion_group!(benches, leaves, combine);
criterion_main!(benches);
