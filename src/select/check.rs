//! A test whose types agree: what a value of a known type must satisfy.
//!
//! `Test` (as written) + a column's `Type` → [`Check`], or the mistakes in it. Windows and
//! anniversaries become plain ranges once the instant of evaluation is known ([`Check::at`]).

use chrono::Datelike;
use regex::{Regex, RegexBuilder};

use super::ast::{Literal, Op, Test, Written};
use crate::base::{Interval, Moment, Problem, Timestamp, Type, Unit, Window, Zone};

/// What a value must satisfy. A missing value satisfies only `Missing` and `NoneOf`.
#[derive(Debug, Clone)]
pub enum Check {
    Missing,
    Known,
    /// Integers, dates (days) and instants (ms): inside one of the closed ranges, or outside all.
    Whole {
        ranges: Vec<(i64, i64)>,
        negated: bool,
    },
    /// Floats, likewise.
    Real {
        ranges: Vec<(f64, f64)>,
        negated: bool,
    },
    Flag(bool),
    /// One of the texts (sorted), or another one.
    Text {
        values: Vec<String>,
        negated: bool,
    },
    Pattern(Pattern),
    AnyOf(Vec<String>),
    AllOf(Vec<String>),
    NoneOf(Vec<String>),
    /// A date or instant inside a window that is the same for everybody.
    Inside(Window),
    /// An instant inside `[X, X + gap)` of another attribute of the same user.
    WithinOf {
        of: String,
        count: u32,
        unit: Unit,
    },
    /// The day comes round within so many days: 0 is today.
    Anniversary {
        days_ahead: u32,
    },
    /// Resolved: month × 32 + day of the days that count.
    DayOfYear(Vec<u32>),
}

/// A test on the characters of a text.
#[derive(Debug, Clone)]
pub enum Pattern {
    Contains(String),
    StartsWith(String),
    EndsWith(String),
    Matches(Regex),
}

impl Pattern {
    /// Does the text fit?
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Pattern::Contains(part) => text.contains(part.as_str()),
            Pattern::StartsWith(part) => text.starts_with(part.as_str()),
            Pattern::EndsWith(part) => text.ends_with(part.as_str()),
            Pattern::Matches(regex) => regex.is_match(text),
        }
    }
}

/// The largest compiled form of one regular expression: keeps a typed pattern from eating memory.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Check {
    /// `test` for a column called `name` of type `type_of`; relative windows stay as they are.
    /// Errors: SEL-106 (the test does not fit the type), SEL-107 (a value does not), SEL-112 (regex).
    pub fn new(name: &str, type_of: Type, test: &Test, zone: &Zone) -> Result<Check, Vec<Problem>> {
        let context = Context { name, type_of, zone };
        match (test, type_of) {
            (Test::Missing, _) => Ok(Check::Missing),
            (Test::Known, _) => Ok(Check::Known),
            (Test::HasAny(values), Type::List) => context.texts(values).map(Check::AnyOf),
            (Test::HasAll(values), Type::List) => context.texts(values).map(Check::AllOf),
            (Test::HasNone(values), Type::List) => context.texts(values).map(Check::NoneOf),
            (_, Type::List) => {
                Err(vec![context.unfit(test, "ask `has any of (…)`, `has all of (…)` or `has none of (…)`")])
            }
            (Test::HasAny(_) | Test::HasAll(_) | Test::HasNone(_), _) => {
                Err(vec![context.unfit(test, "it has one value only: ask `in (…)` or `not in (…)`")])
            }
            (_, Type::Text) => context.text(test),
            (_, Type::Bool) => context.flag(test),
            (_, Type::Float) => context.real(test),
            _ => context.whole(test),
        }
    }

    /// A check that no value satisfies, of whatever type.
    pub fn nothing() -> Check {
        Check::Text { values: vec![], negated: false }
    }

    /// Does it mean something else at another instant?
    pub fn is_timed(&self) -> bool {
        matches!(self, Check::Inside(_) | Check::Anniversary { .. })
    }

    /// The same check at one instant: windows and anniversaries become ranges.
    /// `type_of` tells days from instants.
    pub fn at(&self, type_of: Type, as_of: Timestamp, zone: &Zone) -> Check {
        match self {
            Check::Inside(window) => {
                let interval = window.interval(as_of, zone).unwrap_or(Interval::ALWAYS);
                Check::Whole { ranges: vec![range_of(interval, type_of, zone)], negated: false }
            }
            Check::Anniversary { days_ahead } => {
                let today = zone.day_of(as_of);
                let days = (0..=(*days_ahead).min(366) as i32).map(|n| today.plus(n));
                Check::DayOfYear(days.flat_map(anniversaries).collect())
            }
            other => other.clone(),
        }
    }
}

/// The month-and-days that are remembered on `day`: 29 February counts on the 28th of common years.
fn anniversaries(day: crate::base::Day) -> Vec<u32> {
    let date = day.date();
    let key = day_key(date.month(), date.day());
    let is_substitute = date.month() == 2 && date.day() == 28 && !date.leap_year();
    if is_substitute { vec![key, day_key(2, 29)] } else { vec![key] }
}

/// A month and a day as one number.
pub fn day_key(month: u32, day: u32) -> u32 {
    month * 32 + day
}

/// An interval of instants as a closed range of a column's units.
pub fn range_of(interval: Interval, type_of: Type, zone: &Zone) -> (i64, i64) {
    if type_of != Type::Date {
        return (interval.from.0, interval.to.0.saturating_sub(1));
    }
    let first_at_or_after = |at: Timestamp| {
        if !at.is_in_calendar() {
            return if at.0 < 0 { i64::MIN } else { i64::MAX };
        }
        let day = zone.day_of(at);
        if zone.start_of(day) < at { day.0 as i64 + 1 } else { day.0 as i64 }
    };
    (first_at_or_after(interval.from), first_at_or_after(interval.to).saturating_sub(1))
}

struct Context<'a> {
    name: &'a str,
    type_of: Type,
    zone: &'a Zone,
}

impl Context<'_> {
    fn unfit(&self, test: &Test, cure: &str) -> Problem {
        let what = format!("`{}` is {}; {} does not fit it", self.name, described(self.type_of), word(test));
        let mut problem = Problem::author("SEL-106", what).cure(cure);
        problem.span = first_literal(test).map(|l| (l.span.from, l.span.to));
        problem
    }

    fn misfit(&self, literal: &Literal, cure: String) -> Problem {
        let what = format!("`{}` is {}; {} is not", self.name, described(self.type_of), shown(literal));
        Problem::author("SEL-107", what).cure(cure).span(literal.span)
    }

    fn text(&self, test: &Test) -> Result<Check, Vec<Problem>> {
        let one = |literal: &Literal| self.text_of(literal).map_err(|p| vec![p]);
        Ok(match test {
            Test::Compare(Op::Equal, value) => Check::Text { values: vec![one(value)?], negated: false },
            Test::Compare(Op::NotEqual, value) => Check::Text { values: vec![one(value)?], negated: true },
            Test::In(values) => Check::Text { values: self.texts(values)?, negated: false },
            Test::NotIn(values) => Check::Text { values: self.texts(values)?, negated: true },
            Test::Contains(value) => Check::Pattern(Pattern::Contains(one(value)?)),
            Test::StartsWith(value) => Check::Pattern(Pattern::StartsWith(one(value)?)),
            Test::EndsWith(value) => Check::Pattern(Pattern::EndsWith(one(value)?)),
            Test::Matches(value) => Check::Pattern(Pattern::Matches(regex(&one(value)?, value)?)),
            _ => {
                return Err(vec![self.unfit(
                    test,
                    "ask `=`, `!=`, `in`, `not in`, `contains`, `starts with`, `ends with` or `matches`",
                )]);
            }
        })
    }

    fn text_of(&self, literal: &Literal) -> Result<String, Problem> {
        match &literal.value {
            Written::Text(text) => Ok(text.clone()),
            _ => Err(self.misfit(literal, format!("write '{}'", plain(literal)))),
        }
    }

    fn texts(&self, literals: &[Literal]) -> Result<Vec<String>, Vec<Problem>> {
        let mut values = all_of(literals.iter().map(|l| self.text_of(l)))?;
        values.sort();
        values.dedup();
        Ok(values)
    }

    fn flag(&self, test: &Test) -> Result<Check, Vec<Problem>> {
        match test {
            Test::Compare(op @ (Op::Equal | Op::NotEqual), literal) => match literal.value {
                Written::Bool(value) => Ok(Check::Flag(value == (*op == Op::Equal))),
                _ => Err(vec![self.misfit(literal, "write true or false".into())]),
            },
            _ => Err(vec![self.unfit(test, "ask `= true` or `= false`")]),
        }
    }

    fn real(&self, test: &Test) -> Result<Check, Vec<Problem>> {
        let number = |literal: &Literal| match literal.value {
            Written::Integer(value) => Ok(value as f64),
            Written::Float(value) => Ok(value),
            _ => Err(self.misfit(literal, "write a number, without quotes".into())),
        };
        let one = |literal: &Literal| number(literal).map_err(|p| vec![p]);
        let points = |literals: &[Literal]| all_of(literals.iter().map(|l| number(l).map(|v| (v, v))));
        let (ranges, negated) = match test {
            Test::Compare(op, literal) => {
                let v = one(literal)?;
                match op {
                    Op::Equal | Op::NotEqual => (vec![(v, v)], *op == Op::NotEqual),
                    Op::Less => (vec![(f64::NEG_INFINITY, v.next_down())], false),
                    Op::LessEqual => (vec![(f64::NEG_INFINITY, v)], false),
                    Op::Greater => (vec![(v.next_up(), f64::INFINITY)], false),
                    Op::GreaterEqual => (vec![(v, f64::INFINITY)], false),
                }
            }
            Test::Between(low, high) => (vec![(one(low)?, one(high)?)], false),
            Test::In(values) => (points(values)?, false),
            Test::NotIn(values) => (points(values)?, true),
            _ => return Err(vec![self.unfit(test, "ask `= != < <= > >=`, `between x and y`, `in (…)`")]),
        };
        Ok(Check::Real { ranges, negated })
    }

    /// Integers, dates and instants.
    fn whole(&self, test: &Test) -> Result<Check, Vec<Problem>> {
        let range = |op, literal: &Literal| self.range(op, literal).map_err(|p| vec![p]);
        let points = |literals: &[Literal]| all_of(literals.iter().map(|l| self.range(Op::Equal, l)));
        let (ranges, negated) = match test {
            Test::Compare(Op::NotEqual, literal) => (vec![range(Op::Equal, literal)?], true),
            Test::Compare(op, literal) => (vec![range(*op, literal)?], false),
            Test::Between(low, high) => {
                let (low, high) = (range(Op::GreaterEqual, low)?, range(Op::LessEqual, high)?);
                (vec![(low.0, high.1)], false)
            }
            Test::In(values) => (points(values)?, false),
            Test::NotIn(values) => (points(values)?, true),
            Test::Inside(Window::Within { count, unit, of }) if self.is_time() => {
                return Ok(Check::WithinOf { of: of.text.clone(), count: *count, unit: *unit });
            }
            Test::Inside(window) if self.is_time() => return Ok(Check::Inside(window.clone())),
            Test::Anniversary { days_ahead } if self.is_time() => {
                return Ok(Check::Anniversary { days_ahead: *days_ahead });
            }
            _ => {
                let times = "ask `= != < <= > >=`, `between`, `in last 7 days`, `before`, `after`, `from … to …` or `anniversary …`";
                let numbers = "ask `= != < <= > >=`, `between x and y`, `in (…)`";
                return Err(vec![self.unfit(test, if self.is_time() { times } else { numbers })]);
            }
        };
        Ok(Check::Whole { ranges, negated })
    }

    fn is_time(&self) -> bool {
        matches!(self.type_of, Type::Date | Type::Instant)
    }

    /// The closed range of values `v` with `v op literal`.
    fn range(&self, op: Op, literal: &Literal) -> Result<(i64, i64), Problem> {
        if self.is_time() {
            let at = self.moment(literal)?.instant(self.zone);
            let interval = match op {
                Op::Equal | Op::NotEqual => Interval { from: at, to: at.plus(1) },
                Op::Less => Interval { to: at, ..Interval::ALWAYS },
                Op::LessEqual => Interval { to: at.plus(1), ..Interval::ALWAYS },
                Op::Greater => Interval { from: at.plus(1), ..Interval::ALWAYS },
                Op::GreaterEqual => Interval { from: at, ..Interval::ALWAYS },
            };
            return Ok(range_of(interval, self.type_of, self.zone));
        }
        match literal.value {
            Written::Integer(value) => Ok(integers(op, value as i128, value as i128)),
            Written::Float(value) => Ok(integers(op, value.floor() as i128, value.ceil() as i128)),
            _ => Err(self.misfit(literal, "write a number, without quotes".into())),
        }
    }

    fn moment(&self, literal: &Literal) -> Result<Moment, Problem> {
        let found = match &literal.value {
            Written::Moment(moment) => Some(*moment),
            Written::Text(text) => Moment::parse(text),
            _ => None,
        };
        found.ok_or_else(|| {
            self.misfit(
                literal,
                "write a date such as 2026-03-01 or an instant such as 2026-03-01T10:00:00".into(),
            )
        })
    }
}

/// The integers `v` with `v op x`, where `x` lies between its floor and its ceiling.
fn integers(op: Op, floor: i128, ceil: i128) -> (i64, i64) {
    const ALL: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
    let (low, high) = match op {
        Op::Equal | Op::NotEqual => (ceil, floor),
        Op::Less => (ALL.0, ceil - 1),
        Op::LessEqual => (ALL.0, floor),
        Op::Greater => (floor + 1, ALL.1),
        Op::GreaterEqual => (ceil, ALL.1),
    };
    if low > ALL.1 || high < ALL.0 {
        return (1, 0);
    }
    (low.max(ALL.0) as i64, high.min(ALL.1) as i64)
}

fn regex(pattern: &str, literal: &Literal) -> Result<Regex, Vec<Problem>> {
    let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| {
        let what = format!("the pattern '{pattern}' cannot be used: {}", last_line(&error.to_string()));
        vec![
            Problem::author("SEL-112", what)
                .cure("mend the regular expression, or use `contains`")
                .span(literal.span),
        ]
    })
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim()
}

/// All values, or all problems.
fn all_of<T>(results: impl Iterator<Item = Result<T, Problem>>) -> Result<Vec<T>, Vec<Problem>> {
    let (mut values, mut problems) = (vec![], vec![]);
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// A type as a problem says it: `an integer`.
pub fn described(type_of: Type) -> &'static str {
    match type_of {
        Type::Text => "a text",
        Type::Integer => "an integer",
        Type::Float => "a number",
        Type::Bool => "true or false",
        Type::Date => "a date",
        Type::Instant => "an instant",
        Type::List => "a list of values",
    }
}

fn shown(literal: &Literal) -> String {
    match &literal.value {
        Written::Text(text) => format!("'{text}'"),
        _ => plain(literal),
    }
}

fn plain(literal: &Literal) -> String {
    match &literal.value {
        Written::Text(text) => text.clone(),
        Written::Integer(value) => value.to_string(),
        Written::Float(value) => value.to_string(),
        Written::Bool(value) => value.to_string(),
        Written::Moment(moment) => moment.to_string(),
    }
}

fn first_literal(test: &Test) -> Option<&Literal> {
    match test {
        Test::Compare(_, l)
        | Test::Between(l, _)
        | Test::Contains(l)
        | Test::StartsWith(l)
        | Test::EndsWith(l)
        | Test::Matches(l) => Some(l),
        Test::In(l) | Test::NotIn(l) | Test::HasAny(l) | Test::HasAll(l) | Test::HasNone(l) => l.first(),
        _ => None,
    }
}

fn word(test: &Test) -> &'static str {
    match test {
        Test::Compare(Op::Equal, _) => "`=`",
        Test::Compare(Op::NotEqual, _) => "`!=`",
        Test::Compare(..) => "an order comparison",
        Test::Between(..) => "`between`",
        Test::In(_) => "`in (…)`",
        Test::NotIn(_) => "`not in (…)`",
        Test::HasAny(_) => "`has any of`",
        Test::HasAll(_) => "`has all of`",
        Test::HasNone(_) => "`has none of`",
        Test::Missing => "`is missing`",
        Test::Known => "`is known`",
        Test::Contains(_) => "`contains`",
        Test::StartsWith(_) => "`starts with`",
        Test::EndsWith(_) => "`ends with`",
        Test::Matches(_) => "`matches`",
        Test::Inside(_) => "a window of time",
        Test::Anniversary { .. } => "`anniversary`",
    }
}
