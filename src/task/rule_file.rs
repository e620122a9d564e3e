//! How is a trigger rule written? The keys of `kind = "event"` and `kind = "absence"`.
//!
//! [`RulePart::read`] takes each key by itself, [`RulePart::compare`] looks at what must agree, and
//! [`RulePart::whole`] fills in what was left out. docs/tasks.md lists every key with its default.

use chrono::{NaiveTime, Timelike};
use toml::Spanned;
use toml::de::DeValue;

use crate::base::{Problem, Span, Timestamp, Zone};

use super::reader::{Field, Reader, Section, span_of};
use super::rule::{Absence, Again, AudienceAt, Count, GAP_MS, LateB, OnEnd, Per, Reach, Rule, WhenPast};

/// The greatest N of a count and of `fires_max`: more is a mistyped number.
const TIMES_MAX: i64 = 1_000_000_000;
/// Days that a reach at a local time may lie further on.
const PLUS_DAYS_MAX: i64 = 366;

const COUNT: &[&str] = &["every", "total", "per"];
const REACH: &[&str] = &["delay", "at", "plus_days", "on", "when_past"];
const PERS: &[(&str, Per)] =
    &[("whole", Per::Whole), ("day", Per::Day), ("week", Per::Week), ("month", Per::Month)];
const AGAIN: &[(&str, Again)] =
    &[("first", Again::First), ("restart", Again::Restart), ("each", Again::Each)];
const WHEN_PAST: &[(&str, WhenPast)] = &[("skip", WhenPast::Skip), ("now", WhenPast::Now)];
const AUDIENCE_AT: &[(&str, AudienceAt)] = &[("fire", AudienceAt::Fire), ("a", AudienceAt::A)];
const ON_END: &[(&str, OnEnd)] = &[("drop", OnEnd::Drop), ("finish", OnEnd::Finish)];
const LATE_B: &[(&str, LateB)] = &[("cancel", LateB::Cancel), ("send", LateB::Send)];

/// What could be read of a rule, mistakes or not.
pub struct RulePart {
    pub did: Option<Field<String>>,
    pub absence: Option<AbsencePart>,
    pub from: Option<Field<Timestamp>>,
    pub to: Option<Field<Timestamp>>,
    pub count: Count,
    pub reach: Field<Reach>,
    pub on_end: OnEnd,
    count_history: bool,
    fires_max: Option<u32>,
    gap_min_ms: i64,
    audience_at: AudienceAt,
    recheck: Option<bool>,
}

/// What could be read of the B.
pub struct AbsencePart {
    pub not_done: Option<Field<String>>,
    pub gap_ms: Option<Field<i64>>,
    pub again: Field<Again>,
    pub same: Option<Field<String>>,
    late_b: LateB,
}

impl RulePart {
    /// The keys of a rule; `is_absence` asks for the B too.
    pub fn read(reader: &mut Reader, trigger: &Section, zone: &Zone, is_absence: bool) -> RulePart {
        let did = reader.text(trigger, "did");
        RulePart {
            did: reader.required(trigger, "did", did),
            absence: is_absence.then(|| AbsencePart::read(reader, trigger)),
            from: reader.instant(trigger, "from", zone),
            to: reader.instant(trigger, "to", zone),
            count: count(reader, trigger),
            reach: Field { value: reach(reader, trigger, zone), span: place(trigger, "reach") },
            on_end: reader.word(trigger, "on_end", ON_END).unwrap_or(OnEnd::Drop),
            count_history: reader.flag(trigger, "count_history").unwrap_or(false),
            fires_max: times(reader, trigger, "fires_max"),
            gap_min_ms: reader.duration(trigger, "gap_min").unwrap_or(0),
            audience_at: reader.word(trigger, "audience_at", AUDIENCE_AT).unwrap_or(AudienceAt::Fire),
            recheck: reader.flag(trigger, "recheck"),
        }
    }

    /// Notes periods in which nothing could fire or be reached; the task is valid in `[start, end)`.
    pub fn compare(&self, reader: &mut Reader, start: Timestamp, end: Timestamp) {
        let (first, last) = self.period(start, end);
        let outer = self.to.as_ref().or(self.from.as_ref());
        if let (true, Some(outer)) = (first >= last, outer) {
            let what = "no instant lies in both [from, to) and the task's [start, end), so no event counts";
            let cure = "make `to` later than `from`, and let both lie inside `start` and `end`";
            reader.report(Problem::author("TSK-005", what).cure(cure), outer.span);
        } else if let Some(what) = self.never_reached(first, end) {
            let cure = "move `on`, or say when_past = \"now\" or on_end = \"finish\"";
            reader.report(Problem::author("TSK-005", what).cure(cure), self.reach.span);
        }
    }

    /// A's own period inside the task's, `[from, to)`.
    pub fn period(&self, start: Timestamp, end: Timestamp) -> (Timestamp, Timestamp) {
        let from = self.from.as_ref().map_or(start, |from| from.value.max(start));
        let to = self.to.as_ref().map_or(end, |to| to.value.min(end));
        (from, to)
    }

    fn never_reached(&self, first: Timestamp, end: Timestamp) -> Option<&'static str> {
        let Reach::On { instant, when_past } = self.reach.value else { return None };
        if instant < first && when_past == WhenPast::Skip {
            return Some("`on` is past before the first event can count, so nobody is reached");
        }
        let is_dropped = instant >= end && self.on_end == OnEnd::Drop;
        is_dropped.then_some("`on` is not before the task's `end`, when what waits is dropped")
    }

    /// The rule, when all that it needs is there.
    pub fn whole(self) -> Option<Rule> {
        let absence = match self.absence {
            Some(part) => Some(part.whole()?),
            None => None,
        };
        Some(Rule {
            did: self.did?.value,
            absence,
            from: self.from.map(|from| from.value),
            to: self.to.map(|to| to.value),
            count: self.count,
            count_history: self.count_history,
            reach: self.reach.value,
            fires_max: self.fires_max,
            gap_min_ms: self.gap_min_ms,
            audience_at: self.audience_at,
            recheck: self.recheck,
            on_end: self.on_end,
        })
    }
}

impl AbsencePart {
    fn read(reader: &mut Reader, trigger: &Section) -> AbsencePart {
        let not_done = reader.text(trigger, "not_done");
        let gap_ms = gap(reader, trigger);
        AbsencePart {
            not_done: reader.required(trigger, "not_done", not_done),
            gap_ms: reader.required(trigger, "within", gap_ms),
            again: Field {
                value: reader.word(trigger, "again", AGAIN).unwrap_or(Again::First),
                span: place(trigger, "again"),
            },
            same: reader.text(trigger, "same"),
            late_b: reader.word(trigger, "late_b", LATE_B).unwrap_or(LateB::Cancel),
        }
    }

    fn whole(self) -> Option<Absence> {
        Some(Absence {
            not_done: self.not_done?.value,
            gap_ms: self.gap_ms?.value,
            again: self.again.value,
            same: self.same.map(|same| same.value),
            late_b: self.late_b,
        })
    }
}

/// `within`, refused outside [`GAP_MS`].
fn gap(reader: &mut Reader, trigger: &Section) -> Option<Field<i64>> {
    let gap_ms = reader.duration(trigger, "within")?;
    let span = place(trigger, "within");
    if GAP_MS.contains(&gap_ms) {
        return Some(Field { value: gap_ms, span });
    }
    let written = reader.text(trigger, "within").map_or(String::new(), |field| field.value);
    let what = format!("`within` is {written}; the gap from A to the deadline is 1 minute to 30 days");
    let cure = "write a gap from \"1m\" to \"30d\"; a day is 24 hours";
    reader.report(Problem::author("TSK-016", what).cure(cure), span);
    None
}

/// `count = { every = N }` or `{ total = N, per = "…" }`; left out: every 1.
fn count(reader: &mut Reader, trigger: &Section) -> Count {
    let section = trigger.inner("count", reader);
    if !section.is_present() {
        return Count::Every(1);
    }
    reader.keys(&section, COUNT, &|_| None);
    let (every, total) = (times(reader, &section, "every"), times(reader, &section, "total"));
    let per = reader.word(&section, "per", PERS);
    only_one(reader, &section, trigger.span("count"), &["every", "total"]);
    needs(reader, &section, "per", "total");
    match (every, total) {
        (_, Some(n)) => Count::Total { n, per: per.unwrap_or(Per::Whole) },
        (every, None) => Count::Every(every.unwrap_or(1)),
    }
}

/// `reach = { delay | at [plus_days] | on [when_past] }`; left out: at once.
fn reach(reader: &mut Reader, trigger: &Section, zone: &Zone) -> Reach {
    let section = trigger.inner("reach", reader);
    if !section.is_present() {
        return Reach::Delay(0);
    }
    reader.keys(&section, REACH, &|_| None);
    let delay = reader.duration(&section, "delay");
    let at = second_of_day(reader, &section);
    let plus_days = reader.number(&section, "plus_days", 0, PLUS_DAYS_MAX);
    let on = reader.instant(&section, "on", zone);
    let when_past = reader.word(&section, "when_past", WHEN_PAST).unwrap_or(WhenPast::Skip);
    only_one(reader, &section, trigger.span("reach"), &["delay", "at", "on"]);
    needs(reader, &section, "plus_days", "at");
    needs(reader, &section, "when_past", "on");
    match (at, on) {
        (Some(second_of_day), _) => {
            Reach::At { second_of_day, plus_days: plus_days.and_then(|n| n.try_into().ok()).unwrap_or(0) }
        }
        (None, Some(on)) => Reach::On { instant: on.value, when_past },
        (None, None) => Reach::Delay(delay.unwrap_or(0)),
    }
}

/// A local time of day: `"20:00"`, `"20:00:30"`, or a TOML time.
fn second_of_day(reader: &mut Reader, section: &Section) -> Option<u32> {
    let value = section.value("at")?;
    let words = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        _ => String::new(),
    };
    let time = ["%H:%M", "%H:%M:%S"].iter().find_map(|form| NaiveTime::parse_from_str(&words, form).ok());
    match time {
        Some(time) => Some(time.num_seconds_from_midnight()),
        None => reader.wrong("at", value, "a local time of day such as \"20:00\""),
    }
}

/// A number of times, at least 1.
fn times(reader: &mut Reader, section: &Section, key: &str) -> Option<u32> {
    reader.number(section, key, 1, TIMES_MAX).and_then(|n| n.try_into().ok())
}

/// Notes when not exactly one of `keys` is there.
fn only_one(reader: &mut Reader, section: &Section, place: Span, keys: &[&str]) {
    let given: Vec<&str> = keys.iter().copied().filter(|key| section.value(key).is_some()).collect();
    match given.as_slice() {
        [_] => {}
        [] => {
            let what = format!("one of the keys {} is missing", keys.join(", "));
            let cure = format!("add {} = …; docs/tasks.md shows every key", keys.first().unwrap_or(&""));
            reader.report(Problem::author("TSK-003", what).cure(cure), place);
        }
        [.., last] => {
            let what = format!("{} are given together; only one of them can hold", given.join(" and "));
            let cure = format!("keep one of {}", given.join(", "));
            reader.report(Problem::author("TSK-006", what).cure(cure), section.span(last));
        }
    }
}

/// Notes a key that says nothing without another.
fn needs(reader: &mut Reader, section: &Section, key: &str, other: &str) {
    if section.value(key).is_some() && section.value(other).is_none() {
        let what = format!("`{key}` means nothing without `{other}`");
        let problem = Problem::author("TSK-015", what).cure(format!("add `{other}`, or leave `{key}` out"));
        reader.report(problem, section.span(key));
    }
}

/// Where a key's value stands.
fn place(section: &Section, key: &str) -> Span {
    let value: Option<&Spanned<DeValue>> = section.value(key);
    value.map_or_else(|| section.span(key), span_of)
}
