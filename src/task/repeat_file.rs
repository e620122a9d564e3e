//! How is a repeating task written? The keys of `kind = "repeat"`.
//!
//! [`RepeatPart::read`] takes `times` with `days` or `weekdays`, or `cron`, or `pushes`, and
//! [`RepeatPart::compare`] looks whether a run lies in the task's validity. docs/schedules.md lists
//! every key.

use std::collections::BTreeSet;

use chrono::NaiveTime;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::{Moment, Problem, Span, Timestamp, Zone};

use super::cycle::{Cron, Cycle, Days, MonthDay, Push};
use super::file::Trigger;
use super::reader::{Field, Reader, Section, span_of};
use super::timing::{Overlap, Refresh, Repeat};

/// Sendings in one task (S1.4).
pub const PUSHES_MAX: usize = 5;
/// Characters in the name of a push (S1.5).
pub const PUSH_NAME_CHARS_MAX: usize = 30;
/// Runs that are closer than this are a slip of the pen.
const APART_MS: i64 = 60_000;
/// Months that have this day are all there are.
const EVERY_MONTH_HAS: u32 = 28;

const WEEKDAYS: [[&str; 5]; 7] = [
    ["mon", "monday", "周一", "星期一", "1"],
    ["tue", "tuesday", "周二", "星期二", "2"],
    ["wed", "wednesday", "周三", "星期三", "3"],
    ["thu", "thursday", "周四", "星期四", "4"],
    ["fri", "friday", "周五", "星期五", "5"],
    ["sat", "saturday", "周六", "星期六", "6"],
    ["sun", "sunday", "周日", "星期日", "7"],
];
const OVERLAPS: &[(&str, Overlap)] =
    &[("queue", Overlap::Queue), ("skip", Overlap::Skip), ("parallel", Overlap::Parallel)];

/// What could be read of a repeating task, mistakes or not.
pub struct RepeatPart {
    cycle: Option<Field<Cycle>>,
    refresh: Refresh,
    overlap: Overlap,
    zone: Zone,
}

impl RepeatPart {
    /// The keys of `kind = "repeat"`; the refresh is read by those who know both calendar kinds.
    pub fn read(reader: &mut Reader, trigger: &Section, zone: &Zone, refresh: Refresh) -> RepeatPart {
        let overlap = reader.word(trigger, "overlap", OVERLAPS).unwrap_or(Overlap::Queue);
        RepeatPart { cycle: cycle(reader, trigger, zone), refresh, overlap, zone: *zone }
    }

    /// Notes a cycle that never runs in `[start, end)`, and one that runs too often.
    pub fn compare(&self, reader: &mut Reader, start: Timestamp, end: Timestamp) {
        let (Some(cycle), Some(trigger)) = (&self.cycle, self.trigger()) else { return };
        let Some(first) = trigger.slot_after(start.plus(-1), &self.zone).filter(|slot| slot.at < end) else {
            let problem =
                Problem::author("TSK-005", "no run lies in [start, end), so nothing would ever go out");
            return reader
                .report(problem.cure("see `quanke task plan`; widen `start` and `end`"), cycle.span);
        };
        let second = cycle.value.after(first.local);
        if second.is_some_and(|second| (second - first.local).num_milliseconds() < APART_MS) {
            let problem = Problem::author("TSK-040", "two runs lie less than a minute apart");
            reader.report(problem.cure("give the seconds of `cron` one value, such as 0"), cycle.span);
        }
    }

    /// Month days that some months do not have, as a warning with its place.
    pub fn short_months(&self) -> Option<(Problem, Span)> {
        let Field { value: Cycle::Times { on: Days::Month(days), .. }, span } = self.cycle.as_ref()? else {
            return None;
        };
        let has_last = days.contains(&MonthDay::Last);
        let late = |day: &MonthDay| matches!(day, MonthDay::Day(day) if *day > EVERY_MONTH_HAS);
        let MonthDay::Day(day) = days.iter().find(|day| late(day)).filter(|_| !has_last)? else {
            return None;
        };
        let what = format!("not every month has a day {day}; there is no run in a month without it");
        let cure = "write days = [\"last\"] for the end of every month, unless just that is meant";
        Some((Problem::author("TSK-041", what).cure(cure), *span))
    }

    /// The last instant that a person wrote.
    pub fn span(&self) -> Option<Span> {
        self.cycle.as_ref().map(|cycle| cycle.span)
    }

    /// Where a run makes the audience anew.
    pub fn refreshes(&self) -> bool {
        self.refresh.is_before
    }

    /// The trigger, when all that it needs is there.
    pub fn whole(self) -> Option<Trigger> {
        self.trigger()
    }

    fn trigger(&self) -> Option<Trigger> {
        let cycle = self.cycle.as_ref()?.value.clone();
        Some(Trigger::Repeat(Repeat { cycle, refresh: self.refresh, overlap: self.overlap }))
    }
}

/// One of `times`, `cron` and `pushes`.
fn cycle(reader: &mut Reader, trigger: &Section, zone: &Zone) -> Option<Field<Cycle>> {
    let given: Vec<&str> =
        ["times", "cron", "pushes"].into_iter().filter(|key| trigger.value(key).is_some()).collect();
    let on = days(reader, trigger);
    match given.as_slice() {
        ["times"] => times(reader, trigger, on?),
        ["cron"] => cron(reader, trigger).filter(|_| stands_alone(reader, trigger, "cron")),
        ["pushes"] => pushes(reader, trigger, zone).filter(|_| stands_alone(reader, trigger, "pushes")),
        [first, second, ..] => clash(reader, trigger, first, second),
        _ => reader.required(trigger, "times", None),
    }
}

fn times(reader: &mut Reader, trigger: &Section, on: Days) -> Option<Field<Cycle>> {
    let items = items(reader, trigger, "times", "a list of local times such as [\"10:00\", \"20:00\"]")?;
    let read = items.iter().map(|item| time_of(item).or_else(|| not_a_time(reader, item)));
    let mut times = read.collect::<Option<Vec<NaiveTime>>>()?;
    times.sort_unstable();
    times.dedup();
    Some(Field { value: Cycle::Times { times, on }, span: trigger.value("times").map(span_of)? })
}

fn not_a_time<T>(reader: &mut Reader, item: &Spanned<DeValue>) -> Option<T> {
    reader.wrong("times", item, "local times of day such as \"10:00\"")
}

fn cron(reader: &mut Reader, trigger: &Section) -> Option<Field<Cycle>> {
    let field = reader.text(trigger, "cron")?;
    match Cron::parse(&field.value) {
        Ok(cron) => Some(Field { value: Cycle::Cron(cron), span: field.span }),
        Err(why) => {
            let what = format!("`cron` is no cron expression of five or six fields: {why}");
            let cure =
                "write cron = \"0 10 * * MON\" (minute hour day month weekday), or six with seconds first";
            reader.report(Problem::author("TSK-004", what).cure(cure), field.span);
            None
        }
    }
}

/// `days`, `weekdays`, or every day.
fn days(reader: &mut Reader, trigger: &Section) -> Option<Days> {
    match (trigger.value("days").is_some(), trigger.value("weekdays").is_some()) {
        (false, false) => Some(Days::Every),
        (true, true) => clash(reader, trigger, "days", "weekdays"),
        (true, false) => {
            let wanted = "days of the month from 1 to 31, or \"last\"";
            Some(Days::Month(set(reader, trigger, "days", wanted, month_day)?))
        }
        (false, true) => {
            let wanted = "weekdays such as \"mon\", \"周一\" or 1 for Monday";
            Some(Days::Weekdays(set(reader, trigger, "weekdays", wanted, weekday)?))
        }
    }
}

fn set<T: Ord>(
    reader: &mut Reader,
    trigger: &Section,
    key: &str,
    wanted: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<BTreeSet<T>> {
    let items = items(reader, trigger, key, wanted)?;
    let one = |item: &&Spanned<DeValue>| {
        words_of(item).and_then(|words| read(&words)).or_else(|| reader.wrong(key, item, wanted))
    };
    items.iter().map(one).collect()
}

fn month_day(words: &str) -> Option<MonthDay> {
    match words {
        "last" | "月末" => Some(MonthDay::Last),
        _ => words.parse().ok().filter(|day| (1..=31).contains(day)).map(MonthDay::Day),
    }
}

fn weekday(words: &str) -> Option<u8> {
    let words = words.to_lowercase();
    let place = WEEKDAYS.iter().position(|names| names.contains(&words.as_str()))?;
    u8::try_from(place).ok()
}

fn pushes(reader: &mut Reader, trigger: &Section, zone: &Zone) -> Option<Field<Cycle>> {
    let wanted = "a list of one to five pushes such as [{ name = \"第一波\", at = \"2026-03-02 20:00\" }]";
    let items = items(reader, trigger, "pushes", wanted)?;
    let value = trigger.value("pushes")?;
    if items.len() > PUSHES_MAX {
        return reader.wrong("pushes", value, wanted);
    }
    let mut pushes = items.iter().map(|item| push(reader, item, zone)).collect::<Option<Vec<Push>>>()?;
    pushes.sort_by_key(|push| push.at);
    if pushes.windows(2).any(|two| matches!(two, [a, b] if a.at == b.at)) {
        return reader.wrong("pushes", value, "pushes at different times");
    }
    Some(Field { value: Cycle::Pushes(pushes), span: span_of(value) })
}

fn push(reader: &mut Reader, item: &Spanned<DeValue>, zone: &Zone) -> Option<Push> {
    let wanted = format!(
        "pushes with a name of 1 to {PUSH_NAME_CHARS_MAX} characters and a time: {{ name = \"第一波\", at = \"2026-03-02 20:00\" }}"
    );
    let read =
        item.get_ref().as_table().filter(|table| table.len() == 2).and_then(|table| push_of(table, zone));
    read.or_else(|| reader.wrong("pushes", item, &wanted))
}

fn push_of(table: &DeTable, zone: &Zone) -> Option<Push> {
    let value = |key: &str| table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value);
    let name = value("name")?.get_ref().as_str()?.trim().to_string();
    let at = Moment::parse(&words_of(value("at")?)?)?.instant(zone);
    let is_short = (1..=PUSH_NAME_CHARS_MAX).contains(&name.chars().count());
    (is_short && at.is_in_calendar()).then(|| Push { name, at: zone.local(at) })
}

/// `days` and `weekdays` choose days for `times`; a cron expression and pushes have their own.
fn stands_alone(reader: &mut Reader, trigger: &Section, key: &str) -> bool {
    let other = ["days", "weekdays"].into_iter().find(|other| trigger.value(other).is_some());
    other.and_then(|other| clash::<()>(reader, trigger, key, other)).is_none() && other.is_none()
}

fn clash<T>(reader: &mut Reader, trigger: &Section, one: &str, other: &str) -> Option<T> {
    let what = format!("{one} and {other} are given together; only one of them can hold");
    let cure = format!("keep one of {one}, {other}");
    reader.report(Problem::author("TSK-006", what).cure(cure), trigger.span(other));
    None
}

/// The entries of a list that is not empty; a single value is a list of one.
fn items<'d>(
    reader: &mut Reader,
    section: &Section<'d>,
    key: &str,
    wanted: &str,
) -> Option<Vec<&'d Spanned<DeValue<'d>>>> {
    let value = section.value(key)?;
    match value.get_ref() {
        DeValue::Array(list) if list.is_empty() => reader.wrong(key, value, wanted),
        DeValue::Array(list) => Some(list.iter().collect()),
        _ => Some(vec![value]),
    }
}

fn time_of(item: &Spanned<DeValue>) -> Option<NaiveTime> {
    let words = words_of(item)?;
    ["%H:%M", "%H:%M:%S"].iter().find_map(|form| NaiveTime::parse_from_str(&words, form).ok())
}

/// A text, a number or a date as words.
fn words_of(item: &Spanned<DeValue>) -> Option<String> {
    match item.get_ref() {
        DeValue::String(text) => Some(text.trim().to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|n| n.to_string())
        }
        DeValue::Datetime(moment) => Some(moment.to_string()),
        _ => None,
    }
}
