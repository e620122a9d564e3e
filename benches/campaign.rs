//! What do twelve conditions together cost over one million users, and an edit of one of them?
//!
//! Data model: `benches/support/mod.rs` — 1,000,000 users × 6 tags, 4,000,000 events, 500,000 orders, two
//! crowds. `TWELVE` mixes all sources: six conditions on tags, two crowds, three behaviours, one on orders.
//! Warm. `every_node` is what `estimate --no-cache` does, `users_only` what `select` does. `one_edited` asks a
//! selection that differs from the one before it in one number, as an operator does who moves a slider.

#[path = "support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use quanke::select::Plan;
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

/// How many different edits are asked in turn, and the number in the first.
const VARIANTS: usize = 32;
const FIRST: usize = 20;

fn twelve(criterion: &mut Criterion) {
    let world = World::open();
    let plan = world.plan(TWELVE);
    let mut group = criterion.benchmark_group("twelve_conditions_1m");
    group.sample_size(20);
    group.bench_function("every_node", |bench| bench.iter(|| estimate(&plan, &world)));
    group.bench_function("users_only", |bench| bench.iter(|| plan.users(&world.snapshot).unwrap().len()));
    for (name, before, after) in EDITS {
        let plans = edited(&world, before, after);
        let mut turn = plans.iter().cycle();
        group.bench_function(format!("one_edited_{name}"), |bench| {
            bench.iter(|| turn.next().map(|plan| estimate(plan, &world)))
        });
    }
    group.finish();
}

/// The count at every node, nothing kept from an earlier call.
fn estimate(plan: &Plan, world: &World) -> u64 {
    plan.count(&world.snapshot).unwrap().count
}

fn edited(world: &World, before: &str, after: &str) -> Vec<Plan> {
    let variant = |n: usize| TWELVE.replace(before, &after.replace("{}", &(FIRST + n).to_string()));
    (0..VARIANTS).map(|n| world.plan(&variant(n))).collect()
}

criterion_group!(benches, twelve);
criterion_main!(benches);
