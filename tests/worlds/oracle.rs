//! The slow and obvious twin of the evaluator: asks one user after the other, straight from
//! `semantics` sections 1 and 2, on plain lists. It shares the parsed selection and the calendar
//! with the product and nothing else: no catalog, plan, bitmap, chunk or file.

use std::collections::BTreeSet;

use chrono::Datelike;
use quanke::base::{Day, Interval, Timestamp, Value, Window, ahead, share_of};
use quanke::select::ast::{
    Comparison, Filter, Leaf, Literal, Measure, Metric, Op, Selection, Step, Test, Written,
};

use super::order;
use super::world::{Row, World};

/// Does this user (by place in `world.users`) fit?
pub fn holds_for(world: &World, user: usize, selection: &Selection) -> bool {
    match selection {
        Selection::All(parts) => parts.iter().all(|part| holds_for(world, user, part)),
        Selection::Any(parts) => parts.iter().any(|part| holds_for(world, user, part)),
        Selection::Not(part) => !holds_for(world, user, part),
        Selection::Leaf(leaf) => leaf_holds(world, user, leaf),
    }
}

fn leaf_holds(world: &World, user: usize, leaf: &Leaf) -> bool {
    let attributes = &world.users[user].values;
    match leaf {
        Leaf::Tag(comparison) => passes(world, attributes, comparison, attributes),
        Leaf::Crowd(name) => world.crowds[&name.text].contains(&world.users[user].id),
        Leaf::Behaviour(asked) => {
            let rows =
                world.events.iter().filter(|row| row.user == user && passes_step(world, row, &asked.step));
            rows_hold(world, user, rows.collect(), &None, &asked.measure, &asked.window, None)
        }
        Leaf::Detail(asked) => {
            let rows = world.details.iter().filter(|row| row.user == user && row.name == asked.table.text);
            let on = asked.on.as_ref().map(|on| on.text.as_str());
            rows_hold(world, user, rows.collect(), &asked.filter, &asked.measure, &asked.window, on)
        }
        Leaf::Edge(asked) => order::edge_holds(world, user, asked),
        Leaf::Sequence(asked) => order::sequence_holds(world, user, asked),
        Leaf::Sample { share, salt } => share_of(*share, salt, &world.users[user].id),
        Leaf::Top { count, by } => order::top(world, *count, &by.text).contains(&user),
    }
}

fn rows_hold(
    world: &World,
    user: usize,
    rows: Vec<&Row>,
    filter: &Option<Filter>,
    measure: &Option<Measure>,
    window: &Option<Window>,
    on: Option<&str>,
) -> bool {
    let attributes = &world.users[user].values;
    let time = |row: &Row| match on {
        Some(column) => row.values.get(column).and_then(|value| instant(world, value)),
        None => row.at,
    };
    let is_timed = |row: &Row| on.is_some() || row.is_timed;
    let kept: Vec<&Row> = rows
        .into_iter()
        .filter(|row| filter.as_ref().is_none_or(|filter| row_passes(world, row, filter)))
        .filter(|row| match (window, is_timed(row)) {
            (None, is_timed) => !is_timed || time(row).is_none_or(|at| at <= world.as_of),
            (Some(window), _) => time(row).is_some_and(|at| inside(world, window, at, attributes)),
        })
        .collect();
    let Some(measure) = measure else { return !kept.is_empty() };
    measured(world, &kept, measure, &time)
}

fn measured(
    world: &World,
    rows: &[&Row],
    measure: &Measure,
    time: &dyn Fn(&Row) -> Option<Timestamp>,
) -> bool {
    let values = |name: &str| -> Vec<&Value> { rows.iter().filter_map(|row| row.values.get(name)).collect() };
    let numbers = |name: &str| -> Vec<f64> { values(name).into_iter().filter_map(number).collect() };
    let found: Option<f64> = match &measure.metric {
        Metric::Count => Some(rows.len() as f64),
        Metric::Days => {
            let days: BTreeSet<Day> =
                rows.iter().filter_map(|row| time(row)).map(|at| world.zone.day_of(at)).collect();
            Some(days.len() as f64)
        }
        Metric::Sum(name) => Some(exact_sum(&numbers(&name.text))),
        Metric::Avg(name) => {
            let numbers = numbers(&name.text);
            (!numbers.is_empty()).then(|| exact_sum(&numbers) / numbers.len() as f64)
        }
        Metric::Min(name) => numbers(&name.text).into_iter().reduce(f64::min),
        Metric::Max(name) => numbers(&name.text).into_iter().reduce(f64::max),
        Metric::Distinct(name) => {
            let seen: BTreeSet<String> =
                values(&name.text).iter().map(|value| format!("{value:?}")).collect();
            Some(seen.len() as f64)
        }
    };
    let Some(found) = found else { return false };
    let want = |literal: &Literal| match literal.value {
        Written::Integer(value) => value as f64,
        Written::Float(value) => value,
        ref other => panic!("{other:?} is no number"),
    };
    match &measure.test {
        Test::Compare(op, literal) => compared(*op, found.partial_cmp(&want(literal))),
        Test::Between(low, high) => want(low) <= found && found <= want(high),
        other => panic!("a metric is not tested by {other:?}"),
    }
}

/// What is whole hundredths is added as such (docs/decisions/008); the rest of a random world are
/// eighths, which any order of additions sums exactly.
fn exact_sum(numbers: &[f64]) -> f64 {
    let (whole, rest): (Vec<f64>, Vec<f64>) =
        numbers.iter().partition(|number| (**number * 100.0).round() / 100.0 == **number);
    let hundredths: i64 = whole.iter().map(|number| (number * 100.0).round() as i64).sum();
    hundredths as f64 / 100.0 + rest.iter().sum::<f64>()
}

/// Is it the step's event, and does it pass the step's filter?
pub fn passes_step(world: &World, row: &Row, step: &Step) -> bool {
    step.event.as_ref().is_none_or(|event| row.name == event.text)
        && step.filter.as_ref().is_none_or(|filter| row_passes(world, row, filter))
}

fn row_passes(world: &World, row: &Row, filter: &Filter) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().all(|part| row_passes(world, row, part)),
        Filter::Any(parts) => parts.iter().any(|part| row_passes(world, row, part)),
        Filter::Not(part) => !row_passes(world, row, part),
        Filter::Test(comparison) => {
            // X of `within … of X` is a tag of the user, or else another column of the row.
            let tags = &world.users[row.user].values;
            let is_tag = |name: &str| world.users.iter().any(|user| user.values.contains_key(name));
            let of = match &comparison.test {
                Test::Inside(Window::Within { of, .. }) if !is_tag(&of.text) => &row.values,
                _ => tags,
            };
            passes(world, &row.values, comparison, of)
        }
    }
}

type Values = std::collections::BTreeMap<String, Value>;

fn passes(world: &World, values: &Values, comparison: &Comparison, attributes: &Values) -> bool {
    let value = values.get(&comparison.name.text).filter(|value| **value != Value::List(vec![]));
    let Some(value) = value else { return matches!(comparison.test, Test::Missing | Test::HasNone(_)) };
    let texts = |literals: &[Literal]| -> Vec<String> { literals.iter().map(text).collect() };
    match &comparison.test {
        Test::Missing => false,
        Test::Known => true,
        Test::Compare(op, literal) => compared(*op, order(world, value, literal)),
        Test::Between(low, high) => {
            compared(Op::GreaterEqual, order(world, value, low))
                && compared(Op::LessEqual, order(world, value, high))
        }
        Test::In(literals) => {
            literals.iter().any(|literal| compared(Op::Equal, order(world, value, literal)))
        }
        Test::NotIn(literals) => {
            !literals.iter().any(|literal| compared(Op::Equal, order(world, value, literal)))
        }
        Test::HasAny(literals) => texts(literals).iter().any(|text| list(value).contains(text)),
        Test::HasAll(literals) => texts(literals).iter().all(|text| list(value).contains(text)),
        Test::HasNone(literals) => !texts(literals).iter().any(|text| list(value).contains(text)),
        Test::Contains(literal) => word(value).contains(&text(literal)),
        Test::StartsWith(literal) => word(value).starts_with(&text(literal)),
        Test::EndsWith(literal) => word(value).ends_with(&text(literal)),
        Test::Matches(literal) => regex::Regex::new(&text(literal)).unwrap().is_match(word(value)),
        Test::Inside(window) => instant(world, value).is_some_and(|at| inside(world, window, at, attributes)),
        Test::Anniversary { days_ahead } => comes_round(world, value, *days_ahead),
    }
}

fn comes_round(world: &World, value: &Value, days_ahead: u32) -> bool {
    let born = world.zone.local(instant(world, value).unwrap()).date();
    let today = world.zone.day_of(world.as_of);
    (0..=days_ahead).any(|n| {
        let day = today.plus(n as i32).date();
        let moved = !day.leap_year() && (born.month(), born.day()) == (2, 29);
        let (month, date) = if moved { (2, 28) } else { (born.month(), born.day()) };
        (day.month(), day.day()) == (month, date)
    })
}

/// Does an instant lie in a window of this user, and not after as-of?
pub fn inside(world: &World, window: &Window, at: Timestamp, attributes: &Values) -> bool {
    if at > world.as_of {
        return false;
    }
    match window {
        Window::Within { count, unit, of } => {
            let Some(from) = attributes.get(&of.text).and_then(|value| instant(world, value)) else {
                return false;
            };
            from <= at && at < ahead(from, *count, *unit, &world.zone)
        }
        window => window.interval(world.as_of, &world.zone).unwrap_or(Interval::ALWAYS).holds(at),
    }
}

pub fn instant(world: &World, value: &Value) -> Option<Timestamp> {
    match value {
        Value::Date(day) => Some(world.zone.start_of(*day)),
        Value::Instant(at) => Some(*at),
        _ => None,
    }
}

/// How the value stands to the literal; `None` where they cannot be compared.
fn order(world: &World, value: &Value, literal: &Literal) -> Option<std::cmp::Ordering> {
    match (value, &literal.value) {
        (Value::Text(value), Written::Text(text)) => Some(value.cmp(text)),
        (Value::Bool(value), Written::Bool(want)) => Some(value.cmp(want)),
        (Value::Date(_) | Value::Instant(_), Written::Moment(moment)) => {
            Some(instant(world, value)?.cmp(&moment.instant(&world.zone)))
        }
        (value, Written::Integer(want)) => number(value)?.partial_cmp(&(*want as f64)),
        (value, Written::Float(want)) => number(value)?.partial_cmp(want),
        _ => None,
    }
}

fn compared(op: Op, order: Option<std::cmp::Ordering>) -> bool {
    let Some(order) = order else { return false };
    match op {
        Op::Equal => order.is_eq(),
        Op::NotEqual => order.is_ne(),
        Op::Less => order.is_lt(),
        Op::LessEqual => order.is_le(),
        Op::Greater => order.is_gt(),
        Op::GreaterEqual => order.is_ge(),
    }
}

pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

fn word(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn list(value: &Value) -> &[String] {
    match value {
        Value::List(list) => list,
        other => panic!("{other:?} is no list"),
    }
}

fn text(literal: &Literal) -> String {
    match &literal.value {
        Written::Text(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}
