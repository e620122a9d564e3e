//! Which round edges cut a range of numbers or times into bins?
//!
//! Numbers: widths of 1, 2 or 5 times a power of ten. Times: hours, days, weeks, months, quarters,
//! years. The edges span the values that were surveyed; what lies outside falls into an open bin at
//! either end, so nobody is left out.

use chrono::Datelike;

use super::Cell;
use crate::base::{Day, Timestamp, Type, Value, Zone};

/// Bins of one column. With n edges there are n + 1 bins: bin 0 lies before the first edge, bin i
/// is `[edge i − 1, edge i)`, and bin n has no end.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    edges: Edges,
    type_of: Type,
    step: Option<Step>,
}

/// Ascending, each once.
#[derive(Debug, Clone, PartialEq)]
enum Edges {
    /// Integers, days, or milliseconds.
    Whole(Vec<i64>),
    Real(Vec<f64>),
}

/// How times are cut.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Hours(i64),
    Days(i32),
    Weeks,
    Months(i32),
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// From the finest; the first that needs few enough bins is taken.
const STEPS: [Step; 10] = [
    Step::Hours(1),
    Step::Hours(6),
    Step::Days(1),
    Step::Weeks,
    Step::Months(1),
    Step::Months(3),
    Step::Months(12),
    Step::Months(60),
    Step::Months(120),
    Step::Months(1_200),
];
/// No range needs more edges than asked for bins, but for these at its ends.
const ENDS: usize = 3;

impl Bins {
    /// About `count` bins over `[low, high]`, where most values lie. Days and instants are given as
    /// days and milliseconds.
    pub fn new(type_of: Type, low: f64, high: f64, count: u32, zone: &Zone) -> Bins {
        let (edges, step) = match type_of {
            Type::Date | Type::Instant => {
                let (edges, step) = time_edges(type_of, low as i64, high as i64, count, zone);
                (Edges::Whole(edges), Some(step))
            }
            Type::Integer => {
                let edges = round_edges(low, high, count, 1.0).into_iter().map(|edge| edge as i64);
                (Edges::Whole(edges.collect()), None)
            }
            _ => (Edges::Real(round_edges(low, high, count, 0.0)), None),
        };
        Bins { edges, type_of, step }
    }

    /// The bin of an integer, a day or an instant in milliseconds.
    pub fn of_whole(&self, value: i64) -> u32 {
        match &self.edges {
            Edges::Whole(edges) => edges.partition_point(|edge| *edge <= value) as u32,
            Edges::Real(_) => self.of_real(value as f64),
        }
    }

    /// The bin of a number; NaN has none and is told apart by the caller.
    pub fn of_real(&self, value: f64) -> u32 {
        match &self.edges {
            Edges::Whole(edges) => edges.partition_point(|edge| *edge as f64 <= value) as u32,
            Edges::Real(edges) => edges.partition_point(|edge| *edge <= value) as u32,
        }
    }

    /// How many bins there are.
    pub fn len(&self) -> usize {
        1 + match &self.edges {
            Edges::Whole(edges) => edges.len(),
            Edges::Real(edges) => edges.len(),
        }
    }

    /// A bin with its ends and the words for it.
    pub fn cell(&self, bin: u32, zone: &Zone) -> Cell {
        let at = bin as usize;
        let (from, to) = (at.checked_sub(1).and_then(|at| self.edge(at)), self.edge(at));
        let label = match (&from, &to) {
            (Some(from), Some(to)) => self.label(from, to, zone),
            (Some(from), None) => format!("≥ {}", shown(from, zone)),
            (None, Some(to)) => format!("< {}", shown(to, zone)),
            (None, None) => "any".to_string(),
        };
        Cell::Range { label, from, to }
    }

    fn edge(&self, at: usize) -> Option<Value> {
        match &self.edges {
            Edges::Real(edges) => edges.get(at).map(|edge| Value::Float(*edge)),
            Edges::Whole(edges) => edges.get(at).map(|edge| match self.type_of {
                Type::Date => Value::Date(Day(*edge as i32)),
                Type::Instant => Value::Instant(Timestamp(*edge)),
                _ => Value::Integer(*edge),
            }),
        }
    }

    fn label(&self, from: &Value, to: &Value, zone: &Zone) -> String {
        match (from, to, self.step) {
            (Value::Integer(from), Value::Integer(to), _) if from + 1 == *to => from.to_string(),
            (Value::Integer(from), Value::Integer(to), _) => format!("{from} .. {}", to - 1),
            (from, _, Some(step)) => step.label(from, zone),
            (from, to, None) => format!("[{}, {})", shown(from, zone), shown(to, zone)),
        }
    }
}

/// An edge in words.
fn shown(edge: &Value, zone: &Zone) -> String {
    match edge {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Date(day) => day.to_string(),
        Value::Instant(at) => {
            let text = zone.local(*at).format("%Y-%m-%d %H:%M").to_string();
            text.trim_end_matches(" 00:00").to_string()
        }
        _ => String::new(),
    }
}

/// Multiples of 1, 2 or 5 times a power of ten around `[low, high]`.
fn round_edges(low: f64, high: f64, count: u32, width_min: f64) -> Vec<f64> {
    let (factor, power) = round_width(low, high, count, width_min);
    let width = factor * 10f64.powi(power);
    // A division by a power of ten is exact where a product with its inverse is not: 3 / 10 is 0.3.
    let edge = |n: f64| match power {
        0.. => n * factor * 10f64.powi(power),
        _ => n * factor / 10f64.powi(-power),
    };
    let first = (low / width).floor();
    let mut edges: Vec<f64> = vec![];
    for n in 0..count as usize + ENDS {
        let at = edge(first + n as f64);
        if at.is_finite() && edges.last().is_none_or(|last| *last < at) {
            edges.push(at);
        }
        if at > high {
            break;
        }
    }
    edges
}

/// A width as 1, 2 or 5 and a power of ten: the least that needs no more than `count` bins.
fn round_width(low: f64, high: f64, count: u32, width_min: f64) -> (f64, i32) {
    let span = (high - low) / count.max(1) as f64;
    // One value alone: a tenth of its own size.
    let least = if span > 0.0 { span } else { low.abs() / 10.0 };
    let least = if least.is_finite() && least > 0.0 { least.max(width_min) } else { 1.0 };
    let power = (least.log10().floor() as i32).clamp(-300, 300);
    let fits = |factor: &f64| factor * 10f64.powi(power) >= least * (1.0 - 1e-9);
    match [1.0, 2.0, 5.0].into_iter().find(fits) {
        Some(factor) => (factor, power),
        None => (1.0, power + 1),
    }
}

fn time_edges(type_of: Type, low: i64, high: i64, count: u32, zone: &Zone) -> (Vec<i64>, Step) {
    let unit = if type_of == Type::Date { 1 } else { DAY_MS };
    let span = high.saturating_sub(low) as f64 / unit as f64;
    let usable = STEPS.into_iter().filter(|step| type_of == Type::Instant || !matches!(step, Step::Hours(_)));
    let step = usable.clone().find(|step| span / step.days() <= count as f64);
    let step = step.unwrap_or(Step::Months(1_200));
    let mut edges: Vec<i64> = vec![];
    for n in 0..count as usize + ENDS {
        let at = step.edge(type_of, low, n as i32, zone);
        if edges.last().is_none_or(|last| *last < at) {
            edges.push(at);
        }
        if at > high {
            break;
        }
    }
    (edges, step)
}

impl Step {
    /// About how long it is.
    fn days(self) -> f64 {
        match self {
            Step::Hours(hours) => hours as f64 / 24.0,
            Step::Days(days) => days as f64,
            Step::Weeks => 7.0,
            Step::Months(months) => months as f64 * 30.4,
        }
    }

    /// The edge at or before `low` (n = 0), or the n-th after it.
    fn edge(self, type_of: Type, low: i64, n: i32, zone: &Zone) -> i64 {
        if let Step::Hours(hours) = self {
            let midnight = zone.start_of(zone.day_of(Timestamp(low))).0;
            let before = (low - midnight).div_euclid(hours * HOUR_MS);
            return midnight + (before + n as i64) * hours * HOUR_MS;
        }
        let day = match type_of {
            Type::Date => Day(low.clamp(i32::MIN as i64, i32::MAX as i64) as i32),
            _ => zone.day_of(Timestamp(low)),
        };
        let day = self.day(day, n);
        if type_of == Type::Date { day.0 as i64 } else { zone.start_of(day).0 }
    }

    fn day(self, day: Day, n: i32) -> Day {
        match self {
            Step::Weeks => day.monday().plus(7 * n),
            Step::Months(months) => {
                let month = day.date().year() * 12 + day.date().month0() as i32;
                day.first_of_month().plus_months(n * months - month.rem_euclid(months))
            }
            Step::Days(days) => day.plus(n * days),
            Step::Hours(_) => day,
        }
    }

    fn label(self, from: &Value, zone: &Zone) -> String {
        let day = match from {
            Value::Date(day) => *day,
            Value::Instant(at) => zone.day_of(*at),
            _ => return String::new(),
        };
        let date = day.date();
        match self {
            Step::Hours(_) => shown_hour(from, zone),
            Step::Days(_) => day.to_string(),
            Step::Weeks => format!("week of {day}"),
            Step::Months(1) => date.format("%Y-%m").to_string(),
            Step::Months(3) => format!("{}-Q{}", date.year(), date.month0() / 3 + 1),
            Step::Months(12) => date.year().to_string(),
            Step::Months(months) => format!("{} .. {}", date.year(), date.year() + months / 12 - 1),
        }
    }
}

fn shown_hour(from: &Value, zone: &Zone) -> String {
    match from {
        Value::Instant(at) => zone.local(*at).format("%Y-%m-%d %H:%M").to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(bins: &Bins) -> Vec<String> {
        let label = |bin| match bins.cell(bin, &Zone::default()) {
            Cell::Range { label, .. } => label,
            _ => String::new(),
        };
        (0..bins.len() as u32).map(label).collect()
    }

    fn day(text: &str) -> f64 {
        Day::parse(text).unwrap().0 as f64
    }

    fn instant(text: &str) -> f64 {
        Timestamp::parse(text, &Zone::default()).unwrap().0 as f64
    }

    #[test]
    fn numbers_are_cut_at_round_edges() {
        let zone = Zone::default();
        let bins = Bins::new(Type::Float, 0.03, 0.38, 4, &zone);
        assert_eq!(labels(&bins), ["< 0", "[0, 0.1)", "[0.1, 0.2)", "[0.2, 0.3)", "[0.3, 0.4)", "≥ 0.4"]);
        let bins = Bins::new(Type::Integer, 18.0, 59.0, 5, &zone);
        assert_eq!(
            labels(&bins),
            ["< 10", "10 .. 19", "20 .. 29", "30 .. 39", "40 .. 49", "50 .. 59", "≥ 60"]
        );
        let bins = Bins::new(Type::Integer, 3.0, 4.0, 10, &zone);
        assert_eq!(labels(&bins), ["< 3", "3", "4", "≥ 5"]);
    }

    #[test]
    fn one_value_alone_has_a_bin_around_it() {
        let zone = Zone::default();
        assert_eq!(labels(&Bins::new(Type::Float, 70.0, 70.0, 10, &zone)), ["< 70", "[70, 80)", "≥ 80"]);
        assert_eq!(labels(&Bins::new(Type::Float, 0.0, 0.0, 10, &zone)), ["< 0", "[0, 1)", "≥ 1"]);
    }

    #[test]
    fn times_are_cut_by_the_calendar_of_the_zone() {
        let zone = Zone::default();
        let bins = Bins::new(Type::Date, day("2025-11-03"), day("2026-02-27"), 6, &zone);
        assert_eq!(
            labels(&bins),
            ["< 2025-11-01", "2025-11", "2025-12", "2026-01", "2026-02", "≥ 2026-03-01"]
        );
        let bins = Bins::new(Type::Date, day("1961-05-05"), day("1999-05-05"), 4, &zone);
        assert_eq!(labels(&bins)[1..3], ["1960 .. 1969", "1970 .. 1979"]);
        let (low, high) = (instant("2026-03-01 05:00"), instant("2026-03-01 14:00"));
        let bins = Bins::new(Type::Instant, low, high, 2, &zone);
        assert_eq!(
            labels(&bins)[1..],
            ["2026-03-01 00:00", "2026-03-01 06:00", "2026-03-01 12:00", "≥ 2026-03-01 18:00"]
        );
        let bins = Bins::new(Type::Instant, instant("2026-01-20"), instant("2026-12-01"), 4, &zone);
        assert_eq!(labels(&bins)[1..3], ["2026-Q1", "2026-Q2"]);
    }

    proptest! {
        /// Every value lies in the bin that its ends say, and there are not many more bins than asked.
        #[test]
        fn a_value_lies_between_the_ends_of_its_bin(
            low in -1e9..1e9f64, span in 0.0..1e9f64, count in 1u32..50, value in -3e9..3e9f64, is_whole: bool,
        ) {
            let zone = Zone::default();
            let type_of = if is_whole { Type::Integer } else { Type::Float };
            let value = if is_whole { value.round() } else { value };
            let bins = Bins::new(type_of, low, low + span, count, &zone);
            prop_assert!(bins.len() <= count as usize + 1 + ENDS);
            let bin = if is_whole { bins.of_whole(value as i64) } else { bins.of_real(value) };
            let Cell::Range { from, to, .. } = bins.cell(bin, &zone) else { panic!() };
            let number = |edge: Value| match edge {
                Value::Integer(n) => n as f64,
                Value::Float(n) => n,
                _ => f64::NAN,
            };
            prop_assert!(from.is_none_or(|from| number(from) <= value));
            prop_assert!(to.is_none_or(|to| value < number(to)));
            let inside = bins.of_real(low + span);
            prop_assert!(inside > 0 && (inside as usize) < bins.len() - 1, "the range itself is covered");
        }

        #[test]
        fn every_instant_has_a_bin_that_holds_it(low in -4e12..4e12f64, span in 0.0..4e12f64, count in 1u32..40, at in -9e12..9e12f64) {
            let zone = Zone::named("America/New_York").unwrap();
            let bins = Bins::new(Type::Instant, low, low + span, count, &zone);
            let Cell::Range { from, to, .. } = bins.cell(bins.of_whole(at as i64), &zone) else { panic!() };
            let ms = |edge: Value| match edge { Value::Instant(at) => at.0, _ => panic!() };
            prop_assert!(from.is_none_or(|from| ms(from) <= at as i64));
            prop_assert!(to.is_none_or(|to| (at as i64) < ms(to)));
        }
    }
}
