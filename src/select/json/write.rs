//! From the tree to JSON: one function for each part, in the order of the tree.

use serde_json::{Map, Value, json};

use crate::base::{Name, Window};
use crate::select::ast::*;
use crate::select::text::duration;

pub(super) fn selection(selection: &Selection) -> Value {
    match selection {
        Selection::All(parts) => json!({"all": each(parts, self::selection)}),
        Selection::Any(parts) => json!({"any": each(parts, self::selection)}),
        Selection::Not(inner) => json!({"not": self::selection(inner)}),
        Selection::Leaf(leaf) => Value::Object(self::leaf(leaf)),
    }
}

fn each<T>(parts: &[T], write: fn(&T) -> Value) -> Value {
    Value::Array(parts.iter().map(write).collect())
}

fn leaf(leaf: &Leaf) -> Map<String, Value> {
    match leaf {
        Leaf::Tag(comparison) => self::comparison("tag", comparison),
        Leaf::Behaviour(b) => {
            let parts =
                [("measure", b.measure.as_ref().map(measure)), ("window", b.window.as_ref().map(window))];
            with(step("did", &b.step), parts)
        }
        Leaf::Edge(edge) => {
            let kind = if edge.is_first { "first" } else { "last" };
            with(step(kind, &edge.step), [("window", Some(window(&edge.window)))])
        }
        Leaf::Sequence(sequence) => self::sequence(sequence),
        Leaf::Detail(detail) => self::detail(detail),
        Leaf::Crowd(name) => with(Map::new(), [("crowd", Some(text(name)))]),
        Leaf::Sample { share, salt } => {
            with(Map::new(), [("sample", Some(json!(share.to_string()))), ("salt", Some(json!(salt)))])
        }
        Leaf::Top { count, by } => with(Map::new(), [("top", Some(json!(count))), ("by", Some(text(by)))]),
    }
}

/// The object with the parts that are there.
fn with<const N: usize>(
    mut object: Map<String, Value>,
    parts: [(&str, Option<Value>); N],
) -> Map<String, Value> {
    for (key, value) in parts {
        object.extend(value.map(|value| (key.to_string(), value)));
    }
    object
}

fn text(name: &Name) -> Value {
    json!(name.text)
}

/// The event under `key`, and its filter; any event is `{"any": true}`.
fn step(key: &str, step: &Step) -> Map<String, Value> {
    let event = step.event.as_ref().map_or_else(|| json!({"any": true}), text);
    with(Map::new(), [(key, Some(event)), ("where", step.filter.as_ref().map(filter))])
}

fn step_value(step: &Step) -> Value {
    Value::Object(self::step("event", step))
}

fn sequence(sequence: &Sequence) -> Map<String, Value> {
    let present = sequence.steps.len() - usize::from(sequence.is_last_absent && !sequence.steps.is_empty());
    let (steps, absent) = sequence.steps.split_at(present);
    let same = (!sequence.same.is_empty()).then(|| each(&sequence.same, text));
    with(
        Map::new(),
        [
            ("sequence", Some(each(steps, step_value))),
            ("then_not", absent.first().map(step_value)),
            ("within", Some(json!(duration(sequence.gap.0, sequence.gap.1)))),
            ("same", same),
            ("without", sequence.without.as_ref().map(step_value)),
            ("window", sequence.window.as_ref().map(window)),
        ],
    )
}

fn detail(detail: &Detail) -> Map<String, Value> {
    with(
        Map::new(),
        [
            ("has", Some(text(&detail.table))),
            ("where", detail.filter.as_ref().map(filter)),
            ("measure", detail.measure.as_ref().map(measure)),
            ("on", detail.on.as_ref().map(text)),
            ("window", detail.window.as_ref().map(window)),
        ],
    )
}

fn filter(filter: &Filter) -> Value {
    match filter {
        Filter::All(parts) => json!({"all": each(parts, self::filter)}),
        Filter::Any(parts) => json!({"any": each(parts, self::filter)}),
        Filter::Not(inner) => json!({"not": self::filter(inner)}),
        Filter::Test(comparison) => Value::Object(self::comparison("property", comparison)),
    }
}

fn comparison(key: &str, comparison: &Comparison) -> Map<String, Value> {
    let mut object = with(Map::new(), [(key, Some(text(&comparison.name)))]);
    object.append(&mut test(&comparison.test));
    object
}

/// `is`, and what the name is compared with.
fn test(test: &Test) -> Map<String, Value> {
    let (is, key, value) = match test {
        Test::Compare(op, value) => (op.to_string(), "value", Some(literal(value))),
        Test::Between(low, high) => ("between".into(), "values", Some(json!([literal(low), literal(high)]))),
        Test::In(values) => ("in".into(), "values", Some(each(values, literal))),
        Test::NotIn(values) => ("not in".into(), "values", Some(each(values, literal))),
        Test::HasAny(values) => ("has any of".into(), "values", Some(each(values, literal))),
        Test::HasAll(values) => ("has all of".into(), "values", Some(each(values, literal))),
        Test::HasNone(values) => ("has none of".into(), "values", Some(each(values, literal))),
        Test::Missing => ("missing".into(), "", None),
        Test::Known => ("known".into(), "", None),
        Test::Contains(value) => ("contains".into(), "value", Some(literal(value))),
        Test::StartsWith(value) => ("starts with".into(), "value", Some(literal(value))),
        Test::EndsWith(value) => ("ends with".into(), "value", Some(literal(value))),
        Test::Matches(value) => ("matches".into(), "value", Some(literal(value))),
        Test::Inside(window) => ("inside".into(), "window", Some(self::window(window))),
        Test::Anniversary { days_ahead } => ("anniversary".into(), "days_ahead", Some(json!(days_ahead))),
    };
    with(Map::new(), [("is", Some(json!(is))), (key, value)])
}

fn literal(literal: &Literal) -> Value {
    match &literal.value {
        Written::Text(text) => json!(text),
        Written::Integer(number) => json!(number),
        Written::Float(number) => json!(number),
        Written::Bool(is_true) => json!(is_true),
        Written::Moment(moment) => json!({"moment": moment.to_string()}),
    }
}

fn measure(measure: &Measure) -> Value {
    let (metric, of) = match &measure.metric {
        Metric::Count => ("count", None),
        Metric::Days => ("days", None),
        Metric::Sum(of) => ("sum", Some(of)),
        Metric::Avg(of) => ("avg", Some(of)),
        Metric::Min(of) => ("min", Some(of)),
        Metric::Max(of) => ("max", Some(of)),
        Metric::Distinct(of) => ("distinct", Some(of)),
    };
    let mut object = with(Map::new(), [("metric", Some(json!(metric))), ("of", of.map(text))]);
    object.append(&mut test(&measure.test));
    Value::Object(object)
}

fn window(window: &Window) -> Value {
    match window {
        Window::Last { count, unit } => json!({"last": duration(*count, *unit)}),
        Window::LastCalendar { count, unit, including_today } => {
            json!({"last_calendar": duration(*count, *unit), "including_today": including_today})
        }
        Window::Today => json!("today"),
        Window::Yesterday => json!("yesterday"),
        Window::ThisWeek => json!("this week"),
        Window::LastWeek => json!("last week"),
        Window::ThisMonth => json!("this month"),
        Window::LastMonth => json!("last month"),
        Window::Between { from, to } => json!({"from": from.to_string(), "to": to.to_string()}),
        Window::Before(moment) => json!({"before": moment.to_string()}),
        Window::After(moment) => json!({"after": moment.to_string()}),
        Window::Within { count, unit, of } => json!({"within": duration(*count, *unit), "of": of.text}),
    }
}
