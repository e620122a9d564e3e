//! What is measured over the rows that pass, and does it satisfy the comparison?

use std::collections::BTreeSet;

use super::check::Settled;
use super::person::{Person, first};
use super::{Row, value};
use crate::base::{Name, Outcome, Type, Value, Zone};
use crate::select::ast::{Measure, Metric};
use crate::select::check::Check;
use crate::select::hundredths;
use crate::store::Column;
use crate::store::as_hundredths;

/// A metric with its comparison, names known.
pub struct Gauge {
    metric: Metric,
    /// The measured column.
    pub column: Option<String>,
    type_of: Type,
    settled: Settled,
    /// The metric and the comparison as they are read.
    pub metric_text: String,
    pub wanted: String,
}

impl Gauge {
    /// `measure` over rows that have `columns`; left out: `count >= 1`.
    pub fn new(measure: Option<&Measure>, columns: &[Column], person: &Person) -> Outcome<Gauge> {
        let Some(measure) = measure else { return Ok(at_least_one()) };
        let column = match name(&measure.metric) {
            Some(name) => Some(person.column(name, columns, "SEL-103", "property or column")?),
            None => None,
        };
        let is_edge = matches!(measure.metric, Metric::Min(_) | Metric::Max(_));
        let is_time = |type_of| matches!(type_of, Type::Date | Type::Instant);
        let type_of = column.map(|c| c.type_of).filter(|t| is_edge && is_time(*t)).unwrap_or(Type::Float);
        let metric_text = measure.metric.to_string();
        let check = Check::new(&metric_text, type_of, &measure.test, &person.zone).map_err(first)?;
        Ok(Gauge {
            metric: measure.metric.clone(),
            column: column.map(|column| column.name.clone()),
            type_of,
            settled: Settled::Check(check.at(type_of, person.asked.as_of, &person.zone)),
            metric_text,
            wanted: measure.test.to_string(),
        })
    }

    /// Does the row add to the metric?
    pub fn counts(&self, row: &Row) -> bool {
        match (&self.metric, &self.column) {
            (Metric::Days, _) => row.at.is_some(),
            (_, Some(column)) => row.value(column).is_some(),
            (_, None) => true,
        }
    }

    /// The metric over rows; nothing for `avg`, `min` and `max` over no values.
    pub fn measured(&self, rows: &[&Row], zone: &Zone) -> Option<Value> {
        let values: Vec<&Value> =
            self.column.iter().flat_map(|column| rows.iter().filter_map(|row| row.value(column))).collect();
        let numbers = || values.iter().filter_map(|value| value::number(value));
        match self.metric {
            Metric::Count => Some(whole(rows.len())),
            Metric::Days => {
                let days: BTreeSet<_> =
                    rows.iter().filter_map(|row| row.at).map(|at| zone.day_of(at)).collect();
                Some(whole(days.len()))
            }
            Metric::Distinct(_) => {
                let different: BTreeSet<String> = values.iter().map(|value| identity(value)).collect();
                Some(whole(different.len()))
            }
            Metric::Sum(_) => Some(Value::Float(sum(numbers()))),
            Metric::Avg(_) => {
                let count = numbers().count();
                (count > 0).then(|| Value::Float(sum(numbers()) / count as f64))
            }
            Metric::Min(_) => numbers().reduce(f64::min).map(|least| self.typed(least)),
            Metric::Max(_) => numbers().reduce(f64::max).map(|most| self.typed(most)),
        }
    }

    /// Does a measured value satisfy the comparison?
    pub fn fits(&self, value: Option<&Value>, zone: &Zone) -> bool {
        self.settled.fits(value, zone)
    }

    /// For `min` and `max`: the rows with the value that decides come first.
    pub fn sort(&self, rows: &mut [&Row]) {
        let Some(column) = &self.column else { return };
        let number = |row: &&Row| row.value(column).and_then(value::number);
        match self.metric {
            Metric::Min(_) => rows.sort_by(|a, b| {
                let (a, b) = (number(a).unwrap_or(f64::INFINITY), number(b).unwrap_or(f64::INFINITY));
                a.total_cmp(&b)
            }),
            Metric::Max(_) => rows.sort_by(|a, b| {
                let (a, b) = (number(a).unwrap_or(f64::NEG_INFINITY), number(b).unwrap_or(f64::NEG_INFINITY));
                b.total_cmp(&a)
            }),
            _ => {}
        }
    }

    fn typed(&self, number: f64) -> Value {
        match self.type_of {
            Type::Date => Value::Date(crate::base::Day(number as i32)),
            Type::Instant => Value::Instant(crate::base::Timestamp(number as i64)),
            _ => Value::Float(number),
        }
    }
}

fn at_least_one() -> Gauge {
    let check = Check::Real { ranges: vec![(1.0, f64::INFINITY)], negated: false };
    Gauge {
        metric: Metric::Count,
        column: None,
        type_of: Type::Float,
        settled: Settled::Check(check),
        metric_text: "count".into(),
        wanted: ">= 1".into(),
    }
}

fn name(metric: &Metric) -> Option<&Name> {
    match metric {
        Metric::Count | Metric::Days => None,
        Metric::Sum(name)
        | Metric::Avg(name)
        | Metric::Min(name)
        | Metric::Max(name)
        | Metric::Distinct(name) => Some(name),
    }
}

fn whole(count: usize) -> Value {
    Value::Integer(count as i64)
}

/// Equal values have equal texts; 0 and -0 are equal.
fn identity(value: &Value) -> String {
    match value {
        Value::Float(number) => format!("{}", number + 0.0),
        other => format!("{other:?}"),
    }
}

/// Whole hundredths as such, the rest with the rounding error carried along, so that the order of
/// rows does not show (docs/decisions/008).
fn sum(numbers: impl Iterator<Item = f64>) -> f64 {
    let (mut whole, mut high, mut low) = (0_i64, 0.0_f64, 0.0_f64);
    for number in numbers {
        if let Some(hundredths) = as_hundredths(number) {
            whole += hundredths as i64;
            continue;
        }
        let total = high + number;
        let part = total - high;
        low += (high - (total - part)) + (number - part);
        high = total;
    }
    hundredths::float(whole) + (high + low)
}
