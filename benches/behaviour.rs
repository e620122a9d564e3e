//! What does a condition on behaviour or detail rows cost over one million users?
//!
//! Data model: `benches/support/mod.rs` — 4,000,000 events in thirty days, a third of each kind (`view`,
//! `add_to_cart`, `pay`), with `amount` and `platform` (3 texts); 500,000 orders with `amount` and `status`
//! (2 texts). Whole days without a filter are read from the roll-up of the day: who, and how often. Filters,
//! sums and part days read the rows of the kind, narrow columns sorted by user. Warm, count at every node.

#[path = "support/ask.rs"]
mod ask;
#[path = "support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};

const ROLLUPS: &[(&str, &str)] = &[
    ("did_30_days", "did pay in last 30 calendar days"),
    ("did_any_7_days", "did any in last 7 calendar days"),
    ("count_at_least_3", "did pay count >= 3 in last 30 calendar days"),
    ("count_below_3", "did pay count < 3 in last 30 calendar days"),
    ("days_at_least_3", "did view days >= 3 in last 30 calendar days"),
    ("first", "first pay in last 7 calendar days"),
];

const ROWS: &[(&str, &str)] = &[
    ("count_rolling", "did pay count >= 3 in last 700 hours"),
    ("filtered_did", "did pay where platform = 'ios' in last 30 calendar days"),
    ("filtered_count", "did pay where amount > 100 count >= 2 in last 30 calendar days"),
    ("filtered_sum", "did pay where platform = 'ios' sum(amount) >= 500 in last 30 calendar days"),
    ("average", "did pay avg(amount) >= 300 in last 30 calendar days"),
    ("maximum", "did pay max(amount) >= 490 in last 30 calendar days"),
    ("distinct", "did pay distinct(platform) >= 2 in last 30 calendar days"),
];

const DETAIL: &[(&str, &str)] = &[
    ("has", "has orders where status = 'paid'"),
    ("count_with_two_filters", "has orders where amount > 100 and status = 'paid' count >= 2"),
    ("sum", "has orders where status = 'paid' sum(amount) >= 500"),
];

fn rollups(criterion: &mut Criterion) {
    ask::ask(criterion, "behaviour_rollups_1m", ROLLUPS);
}

fn rows(criterion: &mut Criterion) {
    ask::ask(criterion, "behaviour_rows_1m", ROWS);
}

fn detail(criterion: &mut Criterion) {
    ask::ask(criterion, "detail_rows_1m", DETAIL);
}

criterion_group!(benches, rollups, rows, detail);
criterion_main!(benches);
