//! Windows, durations and metrics.

use super::lexer::Kind;
use super::parser::{Parsed, Parser, is_word};
use super::problems::mistake;
use super::words::{METRICS, UNIT_WORDS, WINDOW_STARTS, unit};
use crate::base::{Name, Unit, Window};
use crate::select::ast::{Measure, Metric, Test};

impl Parser<'_> {
    /// Does a word stand here that begins a window?
    pub(super) fn at_window(&self) -> bool {
        self.is_any(WINDOW_STARTS)
    }

    /// A window, if one begins here.
    pub(super) fn window_if_any(&mut self) -> Parsed<Option<Window>> {
        if self.at_window() { self.window().map(Some) } else { Ok(None) }
    }

    pub(super) fn window(&mut self) -> Parsed<Window> {
        match self.kind() {
            Kind::Keyword("today") => self.word_window(Window::Today),
            Kind::Keyword("yesterday") => self.word_window(Window::Yesterday),
            Kind::Keyword("this") => self.calendar_window(Window::ThisWeek, Window::ThisMonth),
            Kind::Keyword("last") => self.calendar_window(Window::LastWeek, Window::LastMonth),
            Kind::Keyword("in") => self.in_last(),
            Kind::Keyword("from") => self.date_range(),
            Kind::Keyword("before") => self.before_or_after(Window::Before),
            Kind::Keyword("after") => self.before_or_after(Window::After),
            Kind::Keyword("within") => self.within_of(),
            _ => self.unexpected(
                "a window such as `in last 30 days`, `today`, `last week` or `from … to …`",
                WINDOW_STARTS,
            ),
        }
    }

    fn word_window(&mut self, window: Window) -> Parsed<Window> {
        self.advance();
        Ok(window)
    }

    /// `this week`, `last month`
    fn calendar_window(&mut self, week: Window, month: Window) -> Parsed<Window> {
        self.advance();
        let window = match unit(self.written()) {
            Some(Unit::Week) => week,
            Some(Unit::Month) => month,
            _ if matches!(self.kind(), Kind::Integer(_) | Kind::Duration(..)) => {
                let what = format!("expected `week` or `month`; {}", self.found());
                return self.wrong("SEL-005", what, "write `in last 7 days` for a number of days");
            }
            _ => return self.unexpected("`week` or `month`", &["week", "month"]),
        };
        self.advance();
        Ok(window)
    }

    /// `in last 30 days`, `in last 30 calendar days [including today]`
    fn in_last(&mut self) -> Parsed<Window> {
        self.advance();
        self.need("last", "in last 30 days")?;
        if let Some(unit @ (Unit::Week | Unit::Month | Unit::Year | Unit::Day)) = unit(self.written()) {
            let (word, whole) = (unit.word(), calendar_words(unit));
            let cure =
                format!("write `in last 1 {word}` for the time up to now, or `{whole}` by the calendar");
            return self.wrong("SEL-010", format!("`in last` needs a number; {}", self.found()), cure);
        }
        if is_word(self.ahead(1), "calendar") {
            return self.calendar_days();
        }
        self.duration().map(|(count, unit)| Window::Last { count, unit })
    }

    fn calendar_days(&mut self) -> Parsed<Window> {
        let count = self.number_of_units()?;
        self.advance();
        let span = self.span();
        let unit = self.unit()?;
        if unit.millis().is_some_and(|ms| ms < 86_400_000) {
            let what = format!("a calendar has no {}s of its own", unit.word());
            return self.fail(mistake("SEL-004", span, what, "count calendar days, weeks, months or years"));
        }
        let including_today = self.take("including");
        if including_today {
            self.need("today", "in last 30 calendar days including today")?;
        }
        Ok(Window::LastCalendar { count, unit, including_today })
    }

    fn date_range(&mut self) -> Parsed<Window> {
        self.advance();
        let from = self.moment()?;
        self.need("to", "from 2026-01-01 to 2026-01-31")?;
        Ok(Window::Between { from, to: self.moment()? })
    }

    fn before_or_after(&mut self, make: fn(crate::base::Moment) -> Window) -> Parsed<Window> {
        self.advance();
        self.moment().map(make)
    }

    /// `within 7 days of register_time`
    fn within_of(&mut self) -> Parsed<Window> {
        self.advance();
        let (count, unit) = self.duration()?;
        if !self.take("of") {
            let what = format!("a window `within` needs the instant it begins at; {}", self.found());
            let cure = "write `within 7 days of register_time`, or `in last 7 days` for the time up to now";
            return self.wrong("SEL-010", what, cure);
        }
        Ok(Window::Within { count, unit, of: self.name("an attribute with a time")? })
    }

    /// `20m`, `20 minutes`, `1 day`
    pub(super) fn duration(&mut self) -> Parsed<(u32, Unit)> {
        if let Kind::Duration(count, unit) = *self.kind() {
            let span = self.span();
            self.advance();
            return self.above_zero(count, span).map(|count| (count, unit));
        }
        let count = self.number_of_units()?;
        Ok((count, self.unit()?))
    }

    fn number_of_units(&mut self) -> Parsed<u32> {
        let Kind::Integer(number) = *self.kind() else {
            return self.unexpected("a duration such as `7 days`, `20 minutes` or `20m`", &[]);
        };
        let span = self.span();
        self.advance();
        self.above_zero(u32::try_from(number).unwrap_or_default(), span)
    }

    fn above_zero(&mut self, count: u32, span: crate::base::Span) -> Parsed<u32> {
        if count > 0 {
            return Ok(count);
        }
        let what = "a duration counts from 1 up to 4294967295".to_string();
        self.fail(mistake("SEL-004", span, what, "write a whole number above 0, as in `7 days`"))
    }

    fn unit(&mut self) -> Parsed<Unit> {
        let found = match self.kind() {
            Kind::Word(_) | Kind::Keyword(_) => unit(self.written()),
            _ => None,
        };
        let Some(unit) = found else {
            return self.unexpected("seconds, minutes, hours, days, weeks, months or years", UNIT_WORDS);
        };
        self.advance();
        Ok(unit)
    }

    /// `METRIC op value`, if a metric stands here.
    pub(super) fn measure(&mut self) -> Parsed<Option<Measure>> {
        if !self.is_any(METRICS) {
            return Ok(None);
        }
        let metric = self.metric()?;
        if self.is("between") {
            return Ok(Some(Measure { metric, test: self.between()? }));
        }
        let Some(op) = self.op() else {
            let what = format!("a metric is compared with a value; {}", self.found());
            return self.wrong(
                "SEL-010",
                what,
                "write `count >= 3`, `sum(amount) > 500` or `days between 2 and 5`",
            );
        };
        let test = Test::Compare(op, self.literal()?);
        Ok(Some(Measure { metric, test }))
    }

    fn metric(&mut self) -> Parsed<Metric> {
        let make = match self.kind() {
            Kind::Keyword("count") => return self.plain(Metric::Count),
            Kind::Keyword("days") => return self.plain(Metric::Days),
            Kind::Keyword("sum") => Metric::Sum,
            Kind::Keyword("avg") => Metric::Avg,
            Kind::Keyword("min") => Metric::Min,
            Kind::Keyword("max") => Metric::Max,
            _ => Metric::Distinct,
        };
        self.advance();
        self.property().map(make)
    }

    fn plain(&mut self, metric: Metric) -> Parsed<Metric> {
        self.advance();
        Ok(metric)
    }

    /// `(p)`
    fn property(&mut self) -> Parsed<Name> {
        self.need("(", "sum(amount)")?;
        let name = self.name("a property")?;
        self.need(")", "sum(amount)")?;
        Ok(name)
    }
}

/// The window by the calendar that `in last UNIT` may have meant.
fn calendar_words(unit: Unit) -> &'static str {
    match unit {
        Unit::Week => "last week",
        Unit::Month => "last month",
        Unit::Year => "in last 1 calendar year",
        _ => "yesterday",
    }
}
