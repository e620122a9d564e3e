//! Can one value satisfy both checks? And can any value satisfy one?

use crate::select::check::Check;

/// No value satisfies the check: an interval that ends before it begins, a whole number with a fraction.
pub fn is_empty(check: &Check) -> bool {
    match check {
        Check::Whole { ranges, negated: false } => ranges.iter().all(|(low, high)| low > high),
        Check::Real { ranges, negated: false } => ranges.iter().all(|(low, high)| low > high),
        _ => false,
    }
}

/// No value, nor a missing one, satisfies both checks of one column. Only what is sure is told.
pub fn exclude(a: &Check, b: &Check) -> bool {
    one_way(a, b) || one_way(b, a)
}

fn one_way(a: &Check, b: &Check) -> bool {
    match (a, b) {
        (Check::Missing, Check::Missing | Check::NoneOf(_)) => false,
        (Check::Missing, _) => true,
        (Check::Flag(a), Check::Flag(b)) => a != b,
        (Check::Text { values: a, negated: false }, Check::Text { values: b, negated }) => {
            a.iter().all(|value| b.contains(value) == *negated)
        }
        (Check::Text { values, negated: false }, Check::Pattern(pattern)) => {
            !values.iter().any(|value| pattern.fits(value))
        }
        (Check::AnyOf(any), Check::NoneOf(none)) => any.iter().all(|value| none.contains(value)),
        (Check::AllOf(all), Check::NoneOf(none)) => all.iter().any(|value| none.contains(value)),
        (Check::Whole { ranges: a, negated: false }, Check::Whole { ranges: b, negated }) => {
            a.iter().all(|range| is_outside(*range, b, *negated))
        }
        (Check::Real { ranges: a, negated: false }, Check::Real { ranges: b, negated }) => {
            a.iter().all(|range| is_outside(*range, b, *negated))
        }
        _ => false,
    }
}

/// Does no value of the closed `range` lie in `ranges` (or, negated, does every one)?
fn is_outside<N: PartialOrd + Copy>(range: (N, N), ranges: &[(N, N)], negated: bool) -> bool {
    let (low, high) = range;
    match negated {
        false => ranges.iter().all(|(from, to)| high < *from || *to < low || from > to),
        true => ranges.iter().any(|(from, to)| *from <= low && high <= *to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Name, Type, Value, Zone};
    use crate::select::ast::{Comparison, Leaf, Selection};
    use crate::select::evidence::fits;
    use proptest::prelude::*;

    fn check(test: &str, type_of: Type) -> Check {
        let Ok(Selection::Leaf(Leaf::Tag(Comparison { name, test }))) = format!("x {test}").parse() else {
            panic!("{test}")
        };
        assert_eq!(name, Name::new("x"));
        Check::new("x", type_of, &test, &Zone::default()).unwrap()
    }

    const WHOLE: &[&str] = &[
        "= 1",
        "!= 1",
        "< 2",
        "<= 2",
        "> 1",
        ">= 3",
        "between 1 and 2",
        "between 3 and 1",
        "in (1, 3)",
        "not in (1, 2)",
        "is missing",
        "is known",
        "= 1.5",
    ];
    const TEXT: &[&str] = &[
        "= 'a'",
        "!= 'a'",
        "in ('a', 'b')",
        "not in ('a', 'b')",
        "contains 'b'",
        "starts with 'a'",
        "is missing",
        "is known",
        "matches '^c'",
    ];
    const LIST: &[&str] = &[
        "has any of ('a', 'b')",
        "has all of ('a', 'b')",
        "has none of ('a')",
        "has none of ('a', 'b')",
        "is missing",
        "is known",
    ];

    fn values(type_of: Type) -> Vec<Option<Value>> {
        let texts = ["a", "b", "ab", "c"].map(String::from);
        let some: Vec<Value> = match type_of {
            Type::Integer => (-1..6).map(Value::Integer).collect(),
            Type::Float => (-2..12).map(|n| Value::Float(n as f64 / 2.0)).collect(),
            Type::Text => texts.map(Value::Text).to_vec(),
            _ => (1..16u8).map(|bits| Value::List(chosen(&texts, bits))).collect(),
        };
        some.into_iter().map(Some).chain([None]).collect()
    }

    fn chosen(texts: &[String], bits: u8) -> Vec<String> {
        texts.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, text)| text.clone()).collect()
    }

    fn types() -> impl Strategy<Value = (Type, &'static [&'static str])> {
        prop::sample::select(vec![
            (Type::Integer, WHOLE),
            (Type::Float, WHOLE),
            (Type::Text, TEXT),
            (Type::List, LIST),
        ])
    }

    proptest! {
        /// The slow twin: ask both checks of every value.
        #[test]
        fn what_excludes_each_other_has_no_value_in_common((type_of, tests) in types(), a in 0usize..13, b in 0usize..13) {
            let (a, b) = (tests[a % tests.len()], tests[b % tests.len()]);
            let (of_a, of_b) = (check(a, type_of), check(b, type_of));
            let zone = Zone::default();
            let passes = |check: &Check| -> Vec<bool> {
                values(type_of).iter().map(|value| fits(check, value.as_ref(), &zone)).collect()
            };
            let both = passes(&of_a).iter().zip(passes(&of_b)).any(|(a, b)| *a && b);
            prop_assert!(!(exclude(&of_a, &of_b) && both), "{a} {b}");
            prop_assert!(!(is_empty(&of_a) && passes(&of_a).contains(&true)), "{a}");
        }
    }

    #[test]
    fn what_an_operator_would_see_is_seen() {
        for (a, b) in [(">= 10", "< 5"), ("= 1", "= 2"), ("= 1", "!= 1"), ("between 1 and 3", "in (4, 5)")] {
            assert!(exclude(&check(a, Type::Integer), &check(b, Type::Integer)), "{a} {b}");
        }
        assert!(!exclude(&check(">= 10", Type::Integer), &check("< 15", Type::Integer)));
        assert!(exclude(&check("= '女'", Type::Text), &check("starts with '男'", Type::Text)));
        assert!(is_empty(&check("between 5 and 3", Type::Float)));
        assert!(is_empty(&check("= 1.5", Type::Integer)));
    }
}
