//! The twin means the same: shapes by example, round trips, and mistakes with their paths.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::select::ast::Selection;
use crate::select::text::arbitrary::selections;

/// The text and the JSON are twins.
fn twins(text: &str, json: Value) {
    let selection: Selection = text.parse().unwrap();
    assert_eq!(selection.to_json(), json, "{text}");
    assert_eq!(Selection::from_json(&json), Ok(selection), "{text}");
}

#[test]
fn each_form_has_its_shape() {
    twins("all ()", json!({"all": []}));
    twins(
        "a = 1 or not b != 1.0",
        json!({"any": [
            {"tag": "a", "is": "=", "value": 1},
            {"not": {"tag": "b", "is": "!=", "value": 1.0}},
        ]}),
    );
    twins("a between 1 and 2", json!({"tag": "a", "is": "between", "values": [1, 2]}));
    twins("a has any of ('x')", json!({"tag": "a", "is": "has any of", "values": ["x"]}));
    twins("a is missing", json!({"tag": "a", "is": "missing"}));
    twins("t > 2026-01-01", json!({"tag": "t", "is": ">", "value": {"moment": "2026-01-01"}}));
    twins("t in last 7 days", json!({"tag": "t", "is": "inside", "window": {"last": "7 days"}}));
    twins("t anniversary in next 7 days", json!({"tag": "t", "is": "anniversary", "days_ahead": 7}));
    twins(
        "did pay where amount > 100 sum(amount) >= 500 in last 30 calendar days",
        json!({
            "did": "pay",
            "where": {"property": "amount", "is": ">", "value": 100},
            "measure": {"metric": "sum", "of": "amount", "is": ">=", "value": 500},
            "window": {"last_calendar": "30 days", "including_today": false},
        }),
    );
    twins(
        "did any count = 0 last week",
        json!({
            "did": {"any": true},
            "measure": {"metric": "count", "is": "=", "value": 0},
            "window": "last week",
        }),
    );
    twins("first pay before 2026-01-01", json!({"first": "pay", "window": {"before": "2026-01-01"}}));
    twins(
        "did a then b then not c within 24h same item without d between within 7 days of t",
        json!({
            "sequence": [{"event": "a"}, {"event": "b"}],
            "then_not": {"event": "c"},
            "within": "24 hours",
            "same": ["item"],
            "without": {"event": "d"},
            "window": {"within": "7 days", "of": "t"},
        }),
    );
    twins(
        "has orders on paid_at from 2026-01-01 to 2026-01-31",
        json!({
            "has": "orders", "on": "paid_at", "window": {"from": "2026-01-01", "to": "2026-01-31"},
        }),
    );
    twins("crowd '黑名单'", json!({"crowd": "黑名单"}));
    twins("sample 10% salt 's'", json!({"sample": "10%", "salt": "s"}));
    twins("top 10 by balance", json!({"top": 10, "by": "balance"}));
}

/// Code and path of each mistake in `json`.
fn mistakes(json: Value) -> Vec<String> {
    let problems = Selection::from_json(&json).unwrap_err();
    let place = |at: &str| at.split("  ").next().unwrap_or_default().to_string();
    problems.0.iter().map(|problem| format!("{} {}", problem.code, place(&problem.at))).collect()
}

// shows: SEL-051, SEL-052, SEL-053, SEL-012
#[test]
fn all_mistakes_are_told_with_their_paths() {
    let found = mistakes(json!({"all": [
        {"tag": "a", "is": "=", "valeu": 1},
        {"tag": "a", "is": "=>", "value": 1},
        {"did": "pay", "where": {"any": [{"property": "", "is": "="}]}, "window": {"last": "7 dyas"}},
        {"crowd": 3},
        {"did": "x", "crowd": "y"},
        {"dit": "x"},
        [],
        {"has": "orders", "on": "t"},
        {"sample": "200%", "salt": 1},
        {"top": 0},
        {"sequence": [{"event": "a"}], "within": "0 days"},
        {"tag": "a", "is": "in", "values": []},
    ], "or": []}));
    let expected = [
        "SEL-051 $.or",
        "SEL-051 $.all[0].valeu",
        "SEL-053 $.all[0]",
        "SEL-052 $.all[1].is",
        "SEL-052 $.all[2].where.any[0].property",
        "SEL-053 $.all[2].where.any[0]",
        "SEL-052 $.all[2].window.last",
        "SEL-052 $.all[3].crowd",
        "SEL-052 $.all[4]",
        "SEL-053 $.all[5]",
        "SEL-052 $.all[6]",
        "SEL-053 $.all[7]",
        "SEL-052 $.all[8].sample",
        "SEL-052 $.all[8].salt",
        "SEL-052 $.all[9].top",
        "SEL-053 $.all[9]",
        "SEL-052 $.all[10].sequence",
        "SEL-052 $.all[10].within",
        "SEL-052 $.all[11].values",
    ];
    assert_eq!(found, expected);
    let deep = (0..1_000).fold(json!({"tag": "a", "is": "known"}), |inner, _| json!({"not": inner}));
    assert_eq!(mistakes(deep).len(), 1);
}

#[test]
fn a_mistake_names_what_was_meant() {
    let problems = Selection::from_json(&json!({"tag": "a", "is": "=", "valeu": 1})).unwrap_err();
    assert_eq!(problems.0[0].at, "$.valeu  1");
    assert_eq!(problems.0[0].cure, "did you mean `value`?");
    let problems = Selection::from_json(&json!({"tag": "a", "is": "betwen", "values": [1, 2]})).unwrap_err();
    assert_eq!(problems.0[0].cure, "write `\"between\"`");
}

/// Any JSON, with the keys and words of the twin in it.
fn any_json() -> impl Strategy<Value = Value> {
    let key = || {
        let keys = [
            "all", "any", "not", "tag", "is", "value", "values", "did", "where", "window", "last",
            "sequence", "within", "measure", "metric", "of", "on", "has",
        ];
        proptest::sample::select(keys.map(String::from).to_vec())
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        key().prop_map(Value::from),
        Just(json!("=")),
        Just(json!("7 days"))
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((key(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_reads_back_the_same_through_its_text(selection in selections()) {
        let text = selection.to_json().to_string();
        let value: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(Selection::from_json(&value), Ok(selection));
    }

    #[test]
    fn any_json_is_read_or_refused(value in any_json()) {
        match Selection::from_json(&value) {
            Ok(selection) => prop_assert_eq!(Selection::from_json(&selection.to_json()), Ok(selection)),
            Err(problems) => prop_assert!(!problems.0.is_empty()),
        }
    }
}
