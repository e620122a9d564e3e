//! What does a trigger rule say? Plain data, as a task file has it (semantics 5); `trigger` gives it life.

use crate::base::Timestamp;

/// The shortest and the longest gap of an A-not-B, in milliseconds: 1 minute and 30 days.
pub const GAP_MS: std::ops::RangeInclusive<i64> = 60_000..=30 * 86_400_000;

/// `kind = "event"` (完成A), or `kind = "absence"` (完成A未完成B) when it has an [`Absence`].
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// A: `EVENT [where FILTER]` in the selection language.
    pub did: String,
    pub absence: Option<Absence>,
    /// A's own period `[from, to)`; the task's `[start, end)` narrows it further.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub count: Count,
    /// Do A's from before the task count? Crossings already past do not fire.
    pub count_history: bool,
    pub reach: Reach,
    /// Fires of one user, at most.
    pub fires_max: Option<u32>,
    /// Least time between the fires of one user, in milliseconds.
    pub gap_min_ms: i64,
    pub audience_at: AudienceAt,
    /// Is the audience asked again at release? Left out: when the reach is a delay over one hour.
    pub recheck: Option<bool>,
    pub on_end: OnEnd,
}

/// The B that must not come.
#[derive(Debug, Clone, PartialEq)]
pub struct Absence {
    /// B: `EVENT [where FILTER]` in the selection language.
    pub not_done: String,
    /// From A to the deadline, within [`GAP_MS`].
    pub gap_ms: i64,
    pub again: Again,
    /// A property in which B must equal A to cancel it.
    pub same: Option<String>,
    pub late_b: LateB,
}

/// Which A's fire?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// The n-th, 2n-th, 3n-th …; 1 is each.
    Every(u32),
    /// The one that makes the count n, once per user and counting period.
    Total { n: u32, per: Per },
}

/// Counting periods; days, weeks (from Monday) and months are local.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    Whole,
    Day,
    Week,
    Month,
}

/// A again while a window of the same user and task waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The waiting window stays; the later A opens none.
    First,
    /// The gap counts from the last A.
    Restart,
    /// Each A has its own window.
    Each,
}

/// When is the user reached, counted from A's time or from the deadline?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// After so many milliseconds; 0 is at once.
    Delay(i64),
    /// At a local time of day, at or after the base instant and `plus_days` days later.
    At { second_of_day: u32, plus_days: u32 },
    /// At an instant.
    On { instant: Timestamp, when_past: WhenPast },
}

/// What happens when the instant of [`Reach::On`] is past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenPast {
    Skip,
    Now,
}

/// Which crowd version decides: the one in force at the fire, or at A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudienceAt {
    Fire,
    A,
}

/// What becomes of windows and touches that wait when the task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEnd {
    Drop,
    Finish,
}

/// A B after the deadline, while the reach still waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateB {
    Cancel,
    Send,
}

impl Rule {
    /// Is the audience asked again at release (semantics 5.10)?
    pub fn is_rechecked(&self) -> bool {
        self.recheck.unwrap_or(matches!(self.reach, Reach::Delay(ms) if ms > 3_600_000))
    }
}
