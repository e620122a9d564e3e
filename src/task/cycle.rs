//! At which local times does a repeating task run?
//!
//! Only clock and calendar: a [`Cycle`] knows no zone. Which instant a local time is, and what
//! becomes of those that a clock jumps over or shows twice, is said by [`super::slot`].

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Weekday};
use croner::parser::{CronParser, Seconds, Year};

/// No month day lies further ahead than this: from one 31st over February to the next.
const DAYS_AHEAD_MAX: usize = 64;

/// The local times of a repeating task.
#[derive(Debug, Clone, PartialEq)]
pub enum Cycle {
    /// At each of these times, in ascending order, on the days that `on` takes.
    Times {
        times: Vec<NaiveTime>,
        on: Days,
    },
    Cron(Cron),
    /// Each once, in ascending order (S1.4).
    Pushes(Vec<Push>),
}

/// Which days of the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Days {
    Every,
    /// Monday is 0.
    Weekdays(BTreeSet<u8>),
    Month(BTreeSet<MonthDay>),
}

/// A day of every month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MonthDay {
    /// From 1; a month that is too short has none.
    Day(u32),
    Last,
}

/// One of several sendings of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    pub name: String,
    pub at: NaiveDateTime,
}

/// A cron expression of five or six fields (the first of six are seconds).
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    pattern: Box<croner::Cron>,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Cron) -> bool {
        self.text == other.text
    }
}

impl Cycle {
    /// The first local time after `local`, if there is one.
    pub fn after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Cycle::Times { times, on } => first_after(times, on, local),
            Cycle::Cron(cron) => cron.after(local),
            Cycle::Pushes(pushes) => pushes.iter().map(|push| push.at).find(|at| *at > local),
        }
    }

    /// The name of the push at a local time.
    pub fn name_at(&self, local: NaiveDateTime) -> Option<&str> {
        let Cycle::Pushes(pushes) = self else { return None };
        pushes.iter().find(|push| push.at == local).map(|push| push.name.as_str())
    }

    /// Why it runs then, in a few words: the rule as a person would say it.
    pub fn words(&self) -> String {
        match self {
            Cycle::Times { times, on } => {
                let times: Vec<String> = times.iter().map(|time| time_words(*time)).collect();
                format!("{} at {}", on.words(), times.join(", "))
            }
            Cycle::Cron(cron) => format!("cron \"{}\"", cron.text),
            Cycle::Pushes(pushes) => format!("{} pushes", pushes.len()),
        }
    }
}

impl Days {
    /// Does it take a date?
    pub fn takes(&self, date: NaiveDate) -> bool {
        match self {
            Days::Every => true,
            Days::Weekdays(days) => days.contains(&(date.weekday().num_days_from_monday() as u8)),
            Days::Month(days) => days.iter().any(|day| day.is(date)),
        }
    }

    fn words(&self) -> String {
        match self {
            Days::Every => "every day".to_string(),
            Days::Weekdays(days) => {
                let names = days.iter().filter_map(|day| Weekday::try_from(*day).ok());
                format!("every {}", names.map(|day| day.to_string()).collect::<Vec<_>>().join(", "))
            }
            Days::Month(days) => {
                let names: Vec<String> = days.iter().map(|day| day.words()).collect();
                format!("on day {} of the month", names.join(", "))
            }
        }
    }
}

impl MonthDay {
    fn is(self, date: NaiveDate) -> bool {
        match self {
            MonthDay::Day(day) => date.day() == day,
            MonthDay::Last => date.succ_opt().is_none_or(|next| next.day() == 1),
        }
    }

    fn words(self) -> String {
        match self {
            MonthDay::Day(day) => day.to_string(),
            MonthDay::Last => "last".to_string(),
        }
    }
}

impl Cron {
    /// Reads an expression; the error is in words.
    pub fn parse(text: &str) -> Result<Cron, String> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let pattern = parser.parse(text).map_err(|error| error.to_string())?;
        Ok(Cron { text: text.trim().to_string(), pattern: Box::new(pattern) })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Local times are asked as if they were universal, so that no zone's rules come in here.
    fn after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let whole = local.with_nanosecond(0)?;
        self.pattern.find_next_occurrence(&whole.and_utc(), false).ok().map(|found| found.naive_utc())
    }
}

/// `10:00`, with seconds only where there are some.
pub(super) fn time_words(time: NaiveTime) -> String {
    let form = if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    time.format(form).to_string()
}

fn first_after(times: &[NaiveTime], on: &Days, local: NaiveDateTime) -> Option<NaiveDateTime> {
    let days = local.date().iter_days().take(DAYS_AHEAD_MAX).filter(|date| on.takes(*date));
    days.flat_map(|date| times.iter().map(move |time| date.and_time(*time))).find(|at| *at > local)
}
