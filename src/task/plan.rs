//! When will a task run, and why then?
//!
//! [`plan`] walks the calendar of a task file from one instant to another and gives each run its reason,
//! with what is odd about it: a clock that jumps, two times that fall together, a run soon after another.

use chrono::{Datelike, MappedLocalTime, NaiveDateTime, TimeZone};
use serde::Serialize;

use crate::base::{Day, Timestamp, Zone};

use super::cycle::{Cycle, Days, MonthDay, time_words};
use super::file::{TaskFile, Trigger};
use super::slot::Slot;
use super::timing::{Overlap, REFRESH_LEAD_MS, Repeat};

/// Runs that a plan shows at most.
pub const RUNS_MAX: usize = 1_000;

/// What lies ahead of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// IANA name; every instant is shown in it.
    pub zone: String,
    /// RFC 3339; the plan covers `[from, to)`.
    pub from: String,
    pub to: String,
    pub runs: Vec<PlannedRun>,
    /// Local times of the rule at which there is no run.
    pub left_out: Vec<LeftOut>,
    /// There are more than [`RUNS_MAX`]; those after them are not here.
    pub is_cut: bool,
    /// Of a task that what users do starts: what it waits for.
    pub waits_for: Option<String>,
}

/// One run to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedRun {
    /// RFC 3339.
    pub at: String,
    /// The planned local time, which names the run.
    pub planned: String,
    pub weekday: String,
    /// Of a push.
    pub name: Option<String>,
    /// When its audience is made anew.
    pub refresh_at: Option<String>,
    /// The instant as of which its audience is looked at.
    pub as_of: String,
    pub reason: String,
    pub notes: Vec<String>,
}

/// A local time that the rule names, without a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub planned: String,
    pub why: String,
}

/// The runs of a task file in `[from, to)`.
pub fn plan(file: &TaskFile, zone: &Zone, from: Timestamp, to: Timestamp) -> Plan {
    let mut plan = Plan {
        zone: zone.name().to_string(),
        from: zone.text(from),
        to: zone.text(to),
        runs: Vec::new(),
        left_out: missing_days(file, zone, from, to),
        is_cut: false,
        waits_for: waits_for(file, zone),
    };
    let mut before: Option<Slot> = None;
    while let Some(slot) = next(file, zone, from, before.as_ref()).filter(|slot| slot.at < to) {
        if plan.runs.len() + plan.left_out.len() >= RUNS_MAX {
            plan.is_cut = true;
            break;
        }
        match outside(file, slot.at) {
            Some(why) => plan.left_out.push(LeftOut { planned: slot.occurrence(), why }),
            None => plan.runs.push(run(file, zone, &slot, before.as_ref())),
        }
        before = Some(slot);
    }
    plan.left_out.sort_by(|a, b| a.planned.cmp(&b.planned));
    plan
}

fn next(file: &TaskFile, zone: &Zone, from: Timestamp, before: Option<&Slot>) -> Option<Slot> {
    file.trigger.slot_after(before.map_or(from.plus(-1), |slot| slot.at), zone)
}

fn outside(file: &TaskFile, at: Timestamp) -> Option<String> {
    let why = match () {
        () if at < file.start => "before the task's start",
        () if at >= file.end => "at or after the task's end",
        () => return None,
    };
    Some(why.to_string())
}

fn run(file: &TaskFile, zone: &Zone, slot: &Slot, before: Option<&Slot>) -> PlannedRun {
    PlannedRun {
        at: zone.text(slot.at),
        planned: slot.occurrence(),
        weekday: slot.local.weekday().to_string(),
        name: slot.name.clone(),
        refresh_at: slot.refresh_at().map(|at| zone.text(at)),
        as_of: zone.text(slot.as_of()),
        reason: reason(&file.trigger, slot),
        notes: notes(file, zone, slot, before),
    }
}

fn reason(trigger: &Trigger, slot: &Slot) -> String {
    match (trigger, &slot.name) {
        (_, Some(name)) => format!("push '{name}'"),
        (Trigger::Repeat(repeat), _) => repeat.cycle.words(),
        _ => "once".to_string(),
    }
}

fn notes(file: &TaskFile, zone: &Zone, slot: &Slot, before: Option<&Slot>) -> Vec<String> {
    let local = time_words(slot.local.time());
    let moved = slot.is_moved(zone).then(|| {
        let shown = time_words(zone.local(slot.at).time());
        format!("the clock jumps over {local} on this day; the run comes when the jump ends, at {shown}")
    });
    let twice = is_twice(zone, slot.local)
        .then(|| format!("the clock shows {local} twice on this day; the run comes once, at the first"));
    let joined = Some(joined(file, zone, slot)).filter(|times| !times.is_empty());
    let joined = joined.map(|times| format!("{} falls on the same instant: one run", times.join(", ")));
    let soon = before.filter(|before| slot.at.0 - before.at.0 <= REFRESH_LEAD_MS).map(|_| soon(slot));
    [moved, twice, joined, soon].into_iter().flatten().collect()
}

fn is_twice(zone: &Zone, local: NaiveDateTime) -> bool {
    matches!(zone.0.from_local_datetime(&local), MappedLocalTime::Ambiguous(..))
}

/// Later local times that a jump of the clock brings to the same instant.
fn joined(file: &TaskFile, zone: &Zone, slot: &Slot) -> Vec<String> {
    let Trigger::Repeat(Repeat { cycle, .. }) = &file.trigger else { return Vec::new() };
    let later = std::iter::successors(cycle.after(slot.local), |local| cycle.after(*local));
    later.take_while(|local| zone.instant(*local) == slot.at).map(|local| time_words(local.time())).collect()
}

fn soon(slot: &Slot) -> String {
    let then = match slot.overlap {
        Overlap::Queue => "this one waits",
        Overlap::Skip => "this one is skipped",
        Overlap::Parallel => "this one goes out beside it",
    };
    format!("15 min or less after the run before: while that is still being sent, {then}")
}

/// Month days that a month of the plan does not have.
fn missing_days(file: &TaskFile, zone: &Zone, from: Timestamp, to: Timestamp) -> Vec<LeftOut> {
    let Trigger::Repeat(Repeat { cycle: Cycle::Times { on: Days::Month(days), .. }, .. }) = &file.trigger
    else {
        return Vec::new();
    };
    let (first, last) = (zone.day_of(from), zone.day_of(to.plus(-1)));
    let months = std::iter::successors(Some(first.first_of_month()), |month| Some(month.plus_months(1)));
    let lacks = |month: Day| {
        let end = month.plus_months(1).plus(-1);
        let is_whole = month >= first && end <= last;
        let missing = days.iter().filter_map(move |day| match day {
            MonthDay::Day(day) if *day > end.date().day() && is_whole => Some(*day),
            _ => None,
        });
        missing.map(move |day| LeftOut {
            planned: format!("{}-{day:02}", month.date().format("%Y-%m")),
            why: format!("the month has no day {day}"),
        })
    };
    months.take(RUNS_MAX).take_while(|month| *month <= last).flat_map(lacks).collect()
}

fn waits_for(file: &TaskFile, zone: &Zone) -> Option<String> {
    let Trigger::Rule(rule) = &file.trigger else { return None };
    let from = rule.from.map_or(file.start, |from| from.max(file.start));
    let to = rule.to.map_or(file.end, |to| to.min(file.end));
    let absence = rule.absence.as_ref().map_or(String::new(), |absence| {
        format!(", then no {} within {} min", absence.not_done, absence.gap_ms / 60_000)
    });
    Some(format!("{}{absence}, from {} to {}", rule.did, zone.text(from), zone.text(to)))
}
