//! When does a task fall due?

use crate::base::{Timestamp, Zone};

/// A run's refresh starts this long before the run (semantics 3).
pub const REFRESH_LEAD_MS: i64 = 15 * 60_000;

/// What happens when the refresh before a run fails (semantics 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRefreshFailure {
    /// The run is skipped, visibly: the default for once.
    Skip,
    /// The newest audience there is is used.
    Latest,
}

/// `kind = "once"`: one run at a fixed instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Once {
    pub at: Timestamp,
    pub refresh_before: bool,
    pub on_refresh_failure: OnRefreshFailure,
}

impl Once {
    /// The planned local time, which with the task names the run (semantics 4.2).
    pub fn occurrence(&self, zone: &Zone) -> String {
        zone.local(self.at).format("%Y-%m-%dT%H:%M:%S%.f").to_string()
    }

    /// When the audience is to be made anew before the run, if it is.
    pub fn refresh_at(&self) -> Option<Timestamp> {
        self.refresh_before.then(|| self.at.plus(-REFRESH_LEAD_MS))
    }

    /// The instant as of which the audience is looked at (semantics 4.3).
    pub fn as_of(&self) -> Timestamp {
        self.refresh_at().unwrap_or(self.at)
    }
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
