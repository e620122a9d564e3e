//! What does it cost to ask for rows of one user in an order?
//!
//! Data model: `benches/support/mod.rs` — 1,000,000 users, 4,000,000 events in thirty days: 1.33 million of
//! each kind (`view`, `add_to_cart`, `pay`) at random instants, so 1.3 of each for a user. Rows of a kind are
//! read with their times, day by day, sorted by user and time. Warm, count at every node.

#[path = "support/ask.rs"]
mod ask;
#[path = "support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};

const SEQUENCES: &[(&str, &str)] = &[
    ("then", "did add_to_cart then pay within 24 hours in last 30 calendar days"),
    ("then_itself", "did pay then pay within 24 hours in last 30 calendar days"),
    ("then_filtered", "did add_to_cart then pay where amount > 100 within 24 hours in last 30 calendar days"),
    ("then_then", "did view then add_to_cart then pay within 7 days in last 30 calendar days"),
    ("then_any", "did pay then any within 24 hours in last 30 calendar days"),
    ("then_same", "did add_to_cart then pay within 24 hours same platform in last 30 calendar days"),
    (
        "then_without",
        "did add_to_cart then pay within 24 hours without view between in last 30 calendar days",
    ),
    ("then_not", "did view then not pay within 20 minutes in last 30 calendar days"),
    ("first_and_nothing_since", "first view in last 7 calendar days and not did view then any within 7 days"),
];

fn sequences(criterion: &mut Criterion) {
    ask::ask(criterion, "sequences_1m", SEQUENCES);
}

criterion_group!(benches, sequences);
criterion_main!(benches);
