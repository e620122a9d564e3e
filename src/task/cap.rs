//! How often may one user be reached? Caps, and the windows in which they count.

use crate::base::{Timestamp, Zone};

use super::quiet::Beyond;

/// Touches that one user may have in a window; the next one is suppressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    pub scope: Scope,
    /// 0 forbids.
    pub limit: u32,
    pub per: Period,
    pub counts: Counted,
    pub key: Key,
}

/// Which touches count together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    All,
    Channel(String),
    /// Tasks of a group (分组).
    Label(String),
    /// Each task by itself.
    Task,
}

/// The window in which touches count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// The last so many milliseconds: `(now − length, now]`.
    Rolling(i64),
    /// The local day, week (from Monday) or month.
    Day,
    Week,
    Month,
}

/// Which touches use a cap up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// All that were let out, those that the channel refused too.
    Attempted,
    /// Those that were not refused.
    Handed,
    /// Those that were delivered, and those of which nobody knows yet.
    Delivered,
}

/// Whose touches count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    User,
    /// A user with one member of staff.
    UserStaff,
}

/// Touches that a sender may be given in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub limit: u64,
    /// A day, a week or a month.
    pub per: Period,
    pub then: Beyond,
}

impl Period {
    /// The first instant of the window in which `now` lies last.
    pub fn since(self, now: Timestamp, zone: &Zone) -> Timestamp {
        let today = zone.day_of(now);
        match self {
            Period::Rolling(ms) => now.plus(1 - ms),
            Period::Day => zone.start_of(today),
            Period::Week => zone.start_of(today.monday()),
            Period::Month => zone.start_of(today.first_of_month()),
        }
    }

    /// When a new calendar window begins; a rolling one is wholly another after its length.
    pub fn next(self, now: Timestamp, zone: &Zone) -> Timestamp {
        let today = zone.day_of(now);
        match self {
            Period::Rolling(ms) => now.plus(ms),
            Period::Day => zone.start_of(today.plus(1)),
            Period::Week => zone.start_of(today.monday().plus(7)),
            Period::Month => zone.start_of(today.first_of_month().plus_months(1)),
        }
    }
}

impl Cap {
    /// Can it ever hold for a task of this channel and group?
    pub fn concerns(&self, channel: &str, group: Option<&str>) -> bool {
        match &self.scope {
            Scope::All | Scope::Task => true,
            Scope::Channel(name) => name == channel,
            Scope::Label(name) => Some(name.as_str()) == group,
        }
    }

    /// Do both count the same touches of the same people in the same window?
    pub fn counts_like(&self, other: &Cap) -> bool {
        (&self.scope, self.per, self.counts, self.key) == (&other.scope, other.per, other.counts, other.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_local_and_weeks_begin_on_monday() {
        let zone = Zone::default();
        let now = Timestamp::parse("2026-03-04 10:00", &zone).unwrap();
        let text = |at: Timestamp| zone.text(at).replace("+08:00", "");
        let window = |per: Period| (text(per.since(now, &zone)), text(per.next(now, &zone)));
        let days = |from: &str, to: &str| (format!("{from}T00:00:00.000"), format!("{to}T00:00:00.000"));
        assert_eq!(window(Period::Day), days("2026-03-04", "2026-03-05"));
        assert_eq!(window(Period::Week), days("2026-03-02", "2026-03-09"));
        assert_eq!(window(Period::Month), days("2026-03-01", "2026-04-01"));
        let rolling = ("2026-03-03T10:00:00.001".to_string(), "2026-03-05T10:00:00.000".to_string());
        assert_eq!(window(Period::Rolling(86_400_000)), rolling);
    }
}
