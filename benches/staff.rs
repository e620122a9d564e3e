//! What does it cost to deal ten million users to a hundred members of the staff?
//!
//! Data model: ids `u00000000` and on, 10,000,000 of them. `order` puts them into the order of the task's hash,
//! `new` deals users whom nobody has, `sticky` the same users once more, nine in ten of whom have a member, with
//! room for 60,000 each. No disk is touched.
//!
//! `cargo bench --bench staff`

use criterion::{Criterion, criterion_group, criterion_main};
use quanke::dispatch::staff::deal::{Hand, NOBODY, Place, deal, in_order};
use quanke::task::WhenFull;

const USERS: u32 = 10_000_000;
const STAFF: usize = 100;
const ID_BYTES: usize = 9;

fn dealing(criterion: &mut Criterion) {
    let ids: String = (0..USERS).map(|n| format!("u{n:08}")).collect();
    let id = |user: u32| {
        let from = user as usize * ID_BYTES;
        ids.get(from..from + ID_BYTES).unwrap_or_default()
    };
    let mut group = criterion.benchmark_group("deal_10m_to_100");
    group.sample_size(10);
    group.bench_function("order", |bench| {
        bench.iter(|| in_order("t1", (0..USERS).map(|user| (user, id(user)))).len());
    });
    let hands = vec![Hand::default(); STAFF];
    group.bench_function("new", |bench| {
        bench.iter(|| {
            let mut cards = vec![NOBODY; USERS as usize];
            deal(&mut cards, &hands, 0, WhenFull::Wait).turn
        });
    });
    let hands = vec![Hand { has: 0, room: Some(60_000) }; STAFF];
    let own = |n: u32| if n.is_multiple_of(10) { NOBODY } else { (n % STAFF as u32) as Place };
    group.bench_function("sticky", |bench| {
        bench.iter(|| {
            let mut cards: Vec<Place> = (0..USERS).map(own).collect();
            deal(&mut cards, &hands, 0, WhenFull::Next).turn
        });
    });
    group.finish();
}

criterion_group!(benches, dealing);
criterion_main!(benches);
