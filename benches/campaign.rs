//! What do twelve conditions together cost over one million users, and an edit of one of them?
//!
//! Data model: `benches/support/mod.rs` — 1,000,000 users × 6 tags, 4,000,000 events, 500,000 orders, two
//! crowds. `TWELVE` mixes all sources: six conditions on tags, two crowds, three behaviours, one on orders.
//! Warm. `every_node` is what `estimate --no-cache` does, `users_only` what `select` does. `one_edited` asks a
//! selection that differs from the one before it in one number, as an operator does who moves a slider, with
//! what the others found kept (`LeafCache`).
//!
//! `QUANKE_HOME=target/worlds/work/M/quanke cargo bench --bench campaign` also edits twelve conditions over
//! world M of `benches/peers` (1,000,000 users, 50,000,000 events), which `make measure-m` loads.

#[path = "support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quanke::select::{LeafCache, Plan};
use quanke::store::Home;
use support::World;

const TWELVE: &str = "gender = '女' and age between 18 and 45 and (city in ('城市1','城市2','城市3') or balance >= 3000) \
    and likes has any of ('兴趣1','兴趣2') and not likes has all of ('兴趣3','兴趣4') \
    and crowd '高价值' and not crowd '黑名单' \
    and did view in last 30 calendar days and not did pay in last 7 calendar days \
    and did add_to_cart where platform = 'ios' sum(amount) >= 100 in last 30 calendar days \
    and has orders where status = 'paid'";

/// A part of `TWELVE`, and what stands there after the edit; `{}` is a number that moves.
const EDITS: &[(&str, &str, &str)] = &[
    ("tag", "age between 18 and 45", "age between 18 and {}"),
    ("behaviour", "not did pay in last 7 calendar days", "not did pay count >= {} in last 7 calendar days"),
    ("filtered_rows", "sum(amount) >= 100", "sum(amount) >= {}"),
];

/// The same kind over world M, whose crowds the bench makes itself.
const TWELVE_OF_M: &str = "gender = '女' and age between 18 and 45 and (province in ('广东','浙江','江苏') or vip_level >= 2) \
    and crowd '高价值' and not crowd '黑名单' \
    and did add_to_cart in last 30 calendar days and not did pay in last 7 calendar days \
    and did item_view where item_category in ('服饰','美妆') count >= 2 in last 30 calendar days \
    and did pay sum(amount) >= 100 in last 90 calendar days and did app_launch days >= 5 in last 30 calendar days \
    and not did item_view then pay within 24 hours in last 7 calendar days \
    and has orders where status = 'paid' and amount >= 50";
const EDITS_OF_M: &[(&str, &str, &str)] = &[
    ("tag", "age between 18 and 45", "age between 18 and {}"),
    ("count", "not did pay in last 7 calendar days", "not did pay count >= {} in last 7 calendar days"),
    ("filtered_count", "count >= 2", "count >= {}"),
    ("sum", "sum(amount) >= 100", "sum(amount) >= {}"),
    ("days", "days >= 5", "days >= {}"),
    ("sequence", "within 24 hours", "within {} hours"),
    ("detail", "amount >= 50", "amount >= {}"),
];

/// The number in the edited selection.
const EDITED: u32 = 20;
/// Bytes that found leaves may take: as much as a server keeps for a home.
const CACHE_BYTES: u64 = 256 << 20;

fn twelve(criterion: &mut Criterion) {
    let world = World::open();
    let plan = world.plan(TWELVE);
    let mut group = criterion.benchmark_group("twelve_conditions_1m");
    group.sample_size(20);
    group.bench_function("every_node", |bench| bench.iter(|| plan.count(&world.snapshot).unwrap().count));
    group.bench_function("users_only", |bench| bench.iter(|| plan.users(&world.snapshot).unwrap().len()));
    group.finish();
    edited(criterion, "twelve_conditions_1m", &world, TWELVE, EDITS);
    if let Some(home) = std::env::var_os("QUANKE_HOME") {
        let snapshot = Home::at(home.as_ref(), "default").unwrap().snapshot().unwrap();
        edited(criterion, "twelve_conditions_m", &World { snapshot, ..world }, TWELVE_OF_M, EDITS_OF_M);
    }
}

/// Each edit, asked when the selection before it has just been asked.
fn edited(criterion: &mut Criterion, name: &str, world: &World, text: &str, edits: &[(&str, &str, &str)]) {
    let before = world.plan(text);
    let mut group = criterion.benchmark_group(name);
    group.sample_size(20);
    group.bench_function("first_time", |bench| bench.iter(|| asked(&before, world, &cache())));
    for (name, from, to) in edits {
        let after = world.plan(&text.replace(from, &to.replace("{}", &EDITED.to_string())));
        let warm = || {
            let cache = cache();
            asked(&before, world, &cache);
            cache
        };
        group.bench_function(format!("one_edited_{name}"), |bench| {
            bench.iter_batched_ref(warm, |cache| asked(&after, world, cache), BatchSize::PerIteration)
        });
    }
    group.finish();
}

fn cache() -> LeafCache {
    LeafCache::new(CACHE_BYTES)
}

fn asked(plan: &Plan, world: &World, cache: &LeafCache) -> u64 {
    plan.count_with(&world.snapshot, cache).unwrap().count
}

criterion_group!(benches, twelve);
criterion_main!(benches);
