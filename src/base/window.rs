//! Windows of time: how a person says them, and the half-open interval they mean.

use chrono::Datelike;

use super::{Day, Moment, Name, Timestamp, Zone};

/// Half-open `[from, to)` in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Interval {
    /// All of time.
    pub const ALWAYS: Interval = Interval { from: Timestamp(i64::MIN), to: Timestamp(i64::MAX) };

    /// Does `at` lie in it?
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// What lies in both.
    pub fn and(&self, other: Interval) -> Interval {
        Interval { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    /// Does no instant lie in it?
    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }
}

/// Units of windows; months and years are calendar units (semantics 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    /// Milliseconds of the units with a fixed length; a day is 24 hours here.
    pub fn millis(self) -> Option<i64> {
        Some(match self {
            Unit::Second => 1_000,
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
            Unit::Day => 86_400_000,
            Unit::Week => 7 * 86_400_000,
            Unit::Month | Unit::Year => return None,
        })
    }

    /// Months in the units without a fixed length.
    fn months(self) -> i32 {
        if self == Unit::Year { 12 } else { 1 }
    }

    /// The English word, singular.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Second => "second",
            Unit::Minute => "minute",
            Unit::Hour => "hour",
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Year => "year",
        }
    }
}

/// A window as it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// `in last 30 days`: `(as_of − 30 × 24 h, as_of]`.
    Last { count: u32, unit: Unit },
    /// `in last 30 calendar days [including today]`: whole local days, weeks, months or years.
    LastCalendar { count: u32, unit: Unit, including_today: bool },
    Today,
    Yesterday,
    ThisWeek,
    LastWeek,
    ThisMonth,
    LastMonth,
    /// `from D to D`: bare dates are both inside; with clock times `[from, to)`.
    Between { from: Moment, to: Moment },
    /// `before D`: `D` and later is outside.
    Before(Moment),
    /// `after D`: a bare date ends at the next midnight; a clock time is itself outside.
    After(Moment),
    /// `within 7 days of register_time`: `[X, X + 7 × 24 h)` for each user's own X.
    Within { count: u32, unit: Unit, of: Name },
}

impl Window {
    /// The instants meant at `as_of`, or `None` when every user has an interval of their own.
    /// Nothing later than `as_of` is ever inside (semantics 1.2).
    pub fn interval(&self, as_of: Timestamp, zone: &Zone) -> Option<Interval> {
        let until_now = Interval { to: as_of.plus(1), ..Interval::ALWAYS };
        let today = zone.day_of(as_of);
        let days = |from: Day, to: Day| Interval { from: zone.start_of(from), to: zone.start_of(to) };
        let asked = match self {
            Window::Last { count, unit } => Interval { from: back(as_of, *count, *unit, zone).plus(1), ..until_now },
            Window::LastCalendar { count, unit, including_today } => {
                let (from, to) = whole_units(today, *count, *unit, *including_today);
                days(from, to)
            }
            Window::Today => days(today, today.plus(1)),
            Window::Yesterday => days(today.plus(-1), today),
            Window::ThisWeek => days(today.monday(), today.monday().plus(7)),
            Window::LastWeek => days(today.monday().plus(-7), today.monday()),
            Window::ThisMonth => days(today.first_of_month(), today.first_of_month().plus_months(1)),
            Window::LastMonth => days(today.first_of_month().plus_months(-1), today.first_of_month()),
            Window::Between { from, to } => Interval { from: from.instant(zone), to: end_of(to, zone) },
            Window::Before(moment) => Interval { to: moment.instant(zone), ..Interval::ALWAYS },
            Window::After(moment) => Interval { from: start_after(moment, zone), ..Interval::ALWAYS },
            Window::Within { .. } => return None,
        };
        Some(asked.and(until_now))
    }
}

/// The end of `to` when it closes a range: a bare date is wholly inside, a clock time is outside.
fn end_of(to: &Moment, zone: &Zone) -> Timestamp {
    match to.time {
        None => zone.start_of(to.day.plus(1)),
        Some(_) => to.instant(zone),
    }
}

/// The first instant after a moment.
fn start_after(moment: &Moment, zone: &Zone) -> Timestamp {
    match moment.time {
        None => zone.start_of(moment.day.plus(1)),
        Some(_) => moment.instant(zone).plus(1),
    }
}

/// `count` units before `at`; months and years keep the local clock time.
fn back(at: Timestamp, count: u32, unit: Unit, zone: &Zone) -> Timestamp {
    match unit.millis() {
        Some(ms) => at.plus(-(count as i64).saturating_mul(ms)),
        None => months_from(at, -(count.min(120_000) as i32) * unit.months(), zone),
    }
}

/// The instant `count` units after `at`: the end of `within 7 days of X`.
pub fn ahead(at: Timestamp, count: u32, unit: Unit, zone: &Zone) -> Timestamp {
    match unit.millis() {
        Some(ms) => at.plus((count as i64).saturating_mul(ms)),
        None => months_from(at, (count.min(120_000) as i32) * unit.months(), zone),
    }
}

fn months_from(at: Timestamp, months: i32, zone: &Zone) -> Timestamp {
    let local = zone.local(at);
    let day = Day::of(local.date()).plus_months(months);
    zone.instant(day.date().and_time(local.time()))
}

/// The local days `[from, to)` of the last `count` whole units, today's unit among them or not.
fn whole_units(today: Day, count: u32, unit: Unit, including_today: bool) -> (Day, Day) {
    let n = count.min(1_000_000) as i32;
    let current = match unit {
        Unit::Week => today.monday(),
        Unit::Month => today.first_of_month(),
        Unit::Year => Day::of(today.date().with_day0(0).and_then(|d| d.with_month0(0)).unwrap_or_default()),
        _ => today,
    };
    let step = |from: Day, n: i32| match unit {
        Unit::Week => from.plus(7 * n),
        Unit::Month => from.plus_months(n),
        Unit::Year => from.plus_months(12 * n),
        _ => from.plus(n),
    };
    if including_today { (step(current, 1 - n), today.plus(1)) } else { (step(current, -n), current) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(window: Window) -> String {
        let zone = Zone::default();
        let as_of = Timestamp::parse("2026-03-31 12:00", &zone).unwrap();
        let found = window.interval(as_of, &zone).unwrap();
        let text = |at: Timestamp| zone.text(at).replace(".000+08:00", "");
        format!("{} {}", text(found.from), text(found.to))
    }

    #[test]
    fn every_window_is_half_open_and_ends_at_as_of() {
        let now = "2026-03-31T12:00:00.001+08:00";
        let last = |count, unit| Window::Last { count, unit };
        assert_eq!(shown(last(30, Unit::Day)), format!("2026-03-01T12:00:00.001+08:00 {now}"));
        assert_eq!(shown(last(1, Unit::Month)), format!("2026-02-28T12:00:00.001+08:00 {now}"));
        let calendar = |count, unit, including_today| Window::LastCalendar { count, unit, including_today };
        assert_eq!(shown(calendar(30, Unit::Day, false)), "2026-03-01T00:00:00 2026-03-31T00:00:00");
        assert_eq!(shown(calendar(30, Unit::Day, true)), format!("2026-03-02T00:00:00 {now}"));
        assert_eq!(shown(calendar(2, Unit::Month, false)), "2026-01-01T00:00:00 2026-03-01T00:00:00");
        assert_eq!(shown(Window::LastWeek), "2026-03-23T00:00:00 2026-03-30T00:00:00");
        assert_eq!(shown(Window::LastMonth), "2026-02-01T00:00:00 2026-03-01T00:00:00");
        assert_eq!(shown(Window::Yesterday), "2026-03-30T00:00:00 2026-03-31T00:00:00");
        let moment = |text: &str| Moment::parse(text).unwrap();
        let between = |a: &str, b: &str| Window::Between { from: moment(a), to: moment(b) };
        assert_eq!(shown(between("2026-01-01", "2026-01-31")), "2026-01-01T00:00:00 2026-02-01T00:00:00");
        assert_eq!(shown(between("2026-01-01T08:00", "2026-01-31T09:00")), "2026-01-01T08:00:00 2026-01-31T09:00:00");
        assert_eq!(shown(Window::After(moment("2026-03-01"))), format!("2026-03-02T00:00:00 {now}"));
    }
}
