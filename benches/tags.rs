//! What does a condition on tags or crowds cost over one million users?
//!
//! Data model: `benches/support/mod.rs` — 1,000,000 users (16 chunks) with `gender` (2 texts), `city`
//! (300 texts), `age` (64 integers), `balance` (cents), `name` (all different), `likes` (list, 3 of 30);
//! crowds of 143,000 and 20,000. A text with few values, and each value of a list, is one container per
//! chunk; a number is a column of its narrowest type; `name` is a column of texts. Warm, count at every node.

#[path = "support/ask.rs"]
mod ask;
#[path = "support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};

const TAGS: &[(&str, &str)] = &[
    ("text_equal", "gender = '女'"),
    ("text_in_5_of_300", "city in ('城市1','城市2','城市3','城市4','城市5')"),
    ("text_not_equal", "city != '城市1'"),
    ("everyone_else", "not city = '城市1'"),
    ("integer_between", "age between 18 and 35"),
    ("float_at_least", "balance >= 5000"),
    ("float_ranges_under_or", "balance >= 5000 or (balance >= 100 and balance < 500 and age < 40)"),
    ("text_contains_of_a_million", "name contains '0042'"),
    ("list_any_of_4", "likes has any of ('兴趣1','兴趣2','兴趣3','兴趣4')"),
    ("list_all_of_2", "likes has all of ('兴趣1','兴趣2')"),
    ("list_none_of_2", "likes has none of ('兴趣1','兴趣2')"),
    ("top_10000", "top 10000 by balance"),
    ("sample_10_percent", "sample 10% salt 's'"),
];

const CROWDS: &[(&str, &str)] = &[
    ("one", "crowd '高价值'"),
    ("not_one", "not crowd '黑名单'"),
    ("one_without_the_other", "crowd '高价值' and not crowd '黑名单'"),
    (
        "with_tags",
        "gender = '女' and likes has any of ('兴趣1','兴趣2') and crowd '高价值' and not crowd '黑名单'",
    ),
];

fn tags(criterion: &mut Criterion) {
    ask::ask(criterion, "tags_1m", TAGS);
}

fn crowds(criterion: &mut Criterion) {
    ask::ask(criterion, "crowds_1m", CROWDS);
}

criterion_group!(benches, tags, crowds);
criterion_main!(benches);
