//! One check on one value: the slow twin of the checks on columns.

use chrono::Datelike;

use super::value;
use crate::base::{Interval, Timestamp, Unit, Value, Zone, ahead};
use crate::select::check::{Check, day_key};

/// Does a value satisfy a check whose windows are resolved?
#[cfg(test)]
pub fn fits(check: &Check, value: Option<&Value>, zone: &Zone) -> bool {
    Settled::Check(check.clone()).fits(value, zone)
}

/// A check for one user at one instant.
#[derive(Debug, Clone)]
pub enum Settled {
    /// Windows and anniversaries are ranges now.
    Check(Check),
    /// Inside a window of the user's own; nothing fits where the user has none.
    Within(Option<Interval>),
    /// Inside a window that begins at another column of the same row.
    WithinRow { of: String, count: u32, unit: Unit, until: Timestamp },
}

impl Settled {
    /// Does the value satisfy it? A missing value satisfies only `is missing` and `has none of`.
    pub fn fits(&self, value: Option<&Value>, zone: &Zone) -> bool {
        match (self, value) {
            (Settled::Check(Check::Missing), value) => value.is_none(),
            (Settled::Check(Check::NoneOf(values)), value) => !value.is_some_and(|v| has_any(v, values)),
            (_, None) => false,
            (Settled::Check(check), Some(value)) => fits_known(check, value, zone),
            (Settled::Within(interval), Some(value)) => {
                interval.zip(value::instant(value, zone)).is_some_and(|(interval, at)| interval.holds(at))
            }
            // `in_row` gives the window first.
            (Settled::WithinRow { .. }, Some(_)) => false,
        }
    }
}

impl Settled {
    /// The same for one row, whose other columns `other` gives.
    pub fn in_row<'v>(&self, other: impl Fn(&str) -> Option<&'v Value>, zone: &Zone) -> Settled {
        match self {
            Settled::WithinRow { of, count, unit, until } => {
                let from = other(of).and_then(|value| value::instant(value, zone));
                let to = |from| ahead(from, *count, *unit, zone).min(until.plus(1));
                Settled::Within(from.map(|from| Interval { from, to: to(from) }))
            }
            other => other.clone(),
        }
    }
}

fn fits_known(check: &Check, value: &Value, zone: &Zone) -> bool {
    match (check, value) {
        (Check::Known, _) => true,
        (Check::Whole { ranges, negated }, value) => {
            whole(value).is_some_and(|n| ranges.iter().any(|(low, high)| *low <= n && n <= *high) != *negated)
        }
        (Check::Real { ranges, negated }, value) => value::number(value)
            .is_some_and(|n| ranges.iter().any(|(low, high)| *low <= n && n <= *high) != *negated),
        (Check::Flag(wanted), Value::Bool(flag)) => wanted == flag,
        (Check::Text { values, negated }, Value::Text(text)) => values.contains(text) != *negated,
        (Check::Pattern(pattern), Value::Text(text)) => pattern.fits(text),
        (Check::AnyOf(values), value) => has_any(value, values),
        (Check::AllOf(values), Value::List(list)) => values.iter().all(|value| list.contains(value)),
        (Check::DayOfYear(days), value) => day_of_year(value, zone).is_some_and(|day| days.contains(&day)),
        _ => false,
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(value) => Some(*value),
        Value::Date(day) => Some(day.0 as i64),
        Value::Instant(at) => Some(at.0),
        _ => None,
    }
}

fn has_any(value: &Value, wanted: &[String]) -> bool {
    matches!(value, Value::List(list) if wanted.iter().any(|one| list.contains(one)))
}

fn day_of_year(value: &Value, zone: &Zone) -> Option<u32> {
    let day = match value {
        Value::Date(day) => *day,
        Value::Instant(at) => zone.day_of(*at),
        _ => return None,
    };
    let date = day.date();
    Some(day_key(date.month(), date.day()))
}
