//! What does it cost to see what the users of an audience are like?
//!
//! Data model: `benches/support/mod.rs` — 1,000,000 users with `gender` (2 texts), `city` (300 texts), `age`
//! (64 integers), `balance` (bins), `likes` (list, 3 of 30). The audience, half of the users, is a bitmap in
//! hand; its users and everyone are counted by each dimension in one pass over the chunks. Warm.

#[path = "support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use quanke::select::profile::{Breakdown, dimensions};
use support::World;

const BY: &[(&str, &str)] = &[
    ("text_of_2", "gender"),
    ("text_of_300", "city"),
    ("integer", "age"),
    ("bins", "balance"),
    ("list_of_30", "likes"),
    ("crossed", "gender*age"),
    ("four", "gender,city,age,likes"),
];

fn profile(criterion: &mut Criterion) {
    let world = World::open();
    let plan = world.plan("gender = '女'");
    let users = plan.users(&world.snapshot).unwrap();
    let mut group = criterion.benchmark_group("profile_1m");
    group.sample_size(20);
    for (name, by) in BY {
        let breakdown = Breakdown::new(&dimensions(by).unwrap(), &world.snapshot).unwrap();
        group.bench_function(*name, |bench| {
            bench.iter(|| breakdown.run(&users, &world.snapshot).unwrap().count)
        });
    }
    group.finish();
}

criterion_group!(benches, profile);
criterion_main!(benches);
