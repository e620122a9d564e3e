//! `count < 3` holds for everyone who never did it; is that meant?

use super::scene::{Scene, flat, warning};
use crate::base::Problem;
use crate::select::ast::{Leaf, Literal, Measure, Metric, Op, Selection, Test, Written};

/// SEL-155, unless the same `and` also asks for at least one row.
pub fn look(selection: &Selection, _: &Scene, found: &mut Vec<Problem>) {
    look_at(selection, found);
}

fn look_at(selection: &Selection, found: &mut Vec<Problem>) {
    let parts = flat(selection);
    let is_all = matches!(selection, Selection::All(_));
    for part in &parts {
        match part {
            Selection::Leaf(leaf) => {
                let is_joined = is_all && parts.iter().any(|other| is_done(other, leaf));
                if includes_nothing(leaf) && !is_joined {
                    found.push(told(leaf, part));
                }
            }
            // Under a `not` those who never did are left out.
            Selection::Not(inner) if matches!(**inner, Selection::Leaf(_)) => {}
            Selection::Not(inner) => look_at(inner, found),
            join => look_at(join, found),
        }
    }
}

fn told(leaf: &Leaf, selection: &Selection) -> Problem {
    let (who, did) = match leaf {
        Leaf::Detail(asked) => ("has no such row", format!("has {}", asked.table)),
        Leaf::Behaviour(asked) => ("never did it", format!("did {}", asked.step)),
        _ => ("never did it", "did …".to_string()),
    };
    let what = format!("`{selection}` also holds for everyone who {who}");
    let cure =
        format!("add `and {did}` if only those who did are meant; write `not {did}` for those who did not");
    warning("SEL-155", selection, what, &cure)
}

/// Does a comparison with an upper end let 0 through? `= 0` and `between 0 and 0` say so plainly.
fn includes_nothing(leaf: &Leaf) -> bool {
    let measure = match leaf {
        Leaf::Behaviour(asked) => asked.measure.as_ref(),
        Leaf::Detail(asked) => asked.measure.as_ref(),
        _ => None,
    };
    let Some(Measure { metric, test }) = measure else { return false };
    let is_zero_over_nothing = !matches!(metric, Metric::Avg(_) | Metric::Min(_) | Metric::Max(_));
    is_zero_over_nothing
        && match test {
            Test::Compare(Op::Less, literal) => number(literal) > 0.0,
            Test::Compare(Op::LessEqual, literal) => number(literal) >= 0.0,
            Test::Compare(Op::NotEqual, literal) => number(literal) > 0.0,
            _ => false,
        }
}

fn number(literal: &Literal) -> f64 {
    match literal.value {
        Written::Integer(value) => value as f64,
        Written::Float(value) => value,
        _ => f64::NAN,
    }
}

/// Does `other` ask for at least one row of what `leaf` counts?
fn is_done(other: &Selection, leaf: &Leaf) -> bool {
    let Selection::Leaf(other) = other else { return false };
    match (other, leaf) {
        (Leaf::Behaviour(a), Leaf::Behaviour(b)) => {
            a.step.event == b.step.event && asks_for_rows(a.measure.as_ref())
        }
        (Leaf::Detail(a), Leaf::Detail(b)) => a.table == b.table && asks_for_rows(a.measure.as_ref()),
        (Leaf::Edge(a), Leaf::Behaviour(b)) => a.step.event == b.step.event,
        _ => false,
    }
}

fn asks_for_rows(measure: Option<&Measure>) -> bool {
    match measure {
        None => true,
        Some(Measure { test: Test::Compare(op, literal), .. }) => match op {
            Op::Greater => number(literal) >= 0.0,
            Op::GreaterEqual | Op::Equal => number(literal) > 0.0,
            _ => false,
        },
        Some(Measure { test: Test::Between(low, _), .. }) => number(low) > 0.0,
        Some(_) => false,
    }
}
