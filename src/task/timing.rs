//! When does the calendar start a task?

use crate::base::Timestamp;

use super::cycle::Cycle;

/// A run's refresh starts this long before the run (semantics 3).
pub const REFRESH_LEAD_MS: i64 = 15 * 60_000;

/// What happens when the refresh before a run fails (semantics 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefreshFailure {
    /// The run is skipped, visibly: the default for once.
    Skip,
    /// The newest audience there is is used: the default for repeat.
    Latest,
}

/// What happens to a run that falls due while the one before is still being sent (semantics 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// It waits, and goes out if it is not later than the grace by then.
    Queue,
    Skip,
    /// It goes out beside the other.
    Parallel,
}

/// `kind = "once"`: one run at a fixed instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Once {
    pub at: Timestamp,
    pub refresh: Refresh,
}

/// `kind = "repeat"`: a run at each local time of a cycle.
#[derive(Debug, Clone, PartialEq)]
pub struct Repeat {
    pub cycle: Cycle,
    pub refresh: Refresh,
    pub overlap: Overlap,
}

/// Is the audience made anew before a run, and what if that fails?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    pub is_before: bool,
    pub on_failure: OnRefreshFailure,
}

/// Reads `90s`, `20m`, `2h`, `7d` into milliseconds, up to 100 years; nothing else.
pub fn duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    let unit = text.chars().next_back()?;
    let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let whole = count.checked_mul(ms)?;
    (0..=100 * 366 * 86_400_000).contains(&whole).then_some(whole)
}
