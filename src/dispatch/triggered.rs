//! What does a trigger say of the days of its task? The numbers beside the book.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::base::Day;
use crate::trigger::Counts;

/// What the trigger of a task counted; empty for a task that the calendar starts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Triggered {
    /// By the local day of the base instant: A's time, or the deadline.
    pub days: BTreeMap<Day, Counts>,
    /// Touches that fired and wait for their reach: they are not in the book yet.
    pub waiting: u64,
}

/// The same in a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FiredReport {
    /// Touches that fired and wait for their reach: they are not in the book yet.
    pub waiting: u64,
    /// Touches in the book that were out when the B came that would have cancelled them.
    pub contradicted: i64,
    pub total: Counts,
    pub days: Vec<DayReport>,
}

/// One local day of the base instants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayReport {
    /// `2026-03-01`
    pub day: String,
    #[serde(flatten)]
    pub counts: Counts,
}

impl FiredReport {
    /// The report of what a trigger counted; `contradicted` is the book's.
    pub(super) fn of(triggered: &Triggered, contradicted: i64) -> FiredReport {
        let mut total = Counts::default();
        triggered.days.values().for_each(|counts| total.add(*counts));
        let days = triggered.days.iter();
        let days = days.map(|(day, counts)| DayReport { day: day.to_string(), counts: *counts }).collect();
        FiredReport { waiting: triggered.waiting, contradicted, total, days }
    }

    /// The same as lines for a terminal: one a day, and the sum.
    pub(super) fn table(&self) -> String {
        let mut text = String::from("\ntrigger, by the day of A or of the deadline\n");
        for day in &self.days {
            let _ = writeln!(text, "  {:<12}{}", day.day, line(day.counts));
        }
        let _ = writeln!(text, "  {:<12}{}", "total", line(self.total));
        let _ = writeln!(
            text,
            "  {} fired and wait for their reach; {} were contradicted by a late B",
            self.waiting, self.contradicted
        );
        text
    }
}

/// The counts that are not zero, with their words; `fired` always.
fn line(counts: Counts) -> String {
    let Counts { fired, released, cancelled, joined, withdrawn, expired, .. } = counts;
    let Counts { paused, audience, fires_max, gap_min, past, ended, contradicted, late, .. } = counts;
    let rest = [
        ("released", released),
        ("cancelled", cancelled),
        ("joined", joined),
        ("withdrawn", withdrawn),
        ("expired", expired),
        ("paused", paused),
        ("audience", audience),
        ("fires_max", fires_max),
        ("gap_min", gap_min),
        ("past", past),
        ("ended", ended),
        ("contradicted", contradicted),
        ("late", late),
    ];
    let named = rest.iter().filter(|(_, count)| *count > 0);
    named.fold(format!("fired {fired}"), |line, (name, count)| format!("{line}, {name} {count}"))
}
