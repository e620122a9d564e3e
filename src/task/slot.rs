//! Which instant is a planned local time, and which run comes next?
//!
//! A [`Slot`] is one planned run. A local time that the clock jumps over is the first instant after
//! the gap; one that it shows twice is the first of the two, once (semantics 4.2). Two local times
//! that a gap brings to one instant are one run, by the earlier name.

use chrono::NaiveDateTime;

use crate::base::{Timestamp, Zone};

use super::file::{TaskFile, Trigger};
use super::timing::{OnRefreshFailure, Once, Overlap, REFRESH_LEAD_MS, Refresh, Repeat};

/// One planned run of a task that the calendar starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    pub at: Timestamp,
    /// The planned local time, which with the task names the run (semantics 4.2).
    pub local: NaiveDateTime,
    /// The name of a push.
    pub name: Option<String>,
    pub overlap: Overlap,
    pub refresh: Refresh,
}

const LOCAL: &str = "%Y-%m-%dT%H:%M:%S%.f";

impl Slot {
    /// The planned local time as text, as it stands in the names of runs and touches.
    pub fn occurrence(&self) -> String {
        self.local.format(LOCAL).to_string()
    }

    /// When the audience is to be made anew before the run, if it is.
    pub fn refresh_at(&self) -> Option<Timestamp> {
        self.refresh.is_before.then(|| self.at.plus(-REFRESH_LEAD_MS))
    }

    /// The instant as of which the audience is looked at (semantics 4.3).
    pub fn as_of(&self) -> Timestamp {
        self.refresh_at().unwrap_or(self.at)
    }

    /// What happens when its refresh fails.
    pub fn on_refresh_failure(&self) -> OnRefreshFailure {
        self.refresh.on_failure
    }

    /// Does the clock of `zone` never show the planned time? Then it runs at the end of the gap.
    pub fn is_moved(&self, zone: &Zone) -> bool {
        zone.local(self.at) != self.local
    }
}

impl Trigger {
    /// The first run that the calendar plans after `after`, whether the task is valid then or not.
    pub fn slot_after(&self, after: Timestamp, zone: &Zone) -> Option<Slot> {
        match self {
            Trigger::Once(once) => (once.at > after).then(|| slot_of_once(once, zone)),
            Trigger::Repeat(repeat) => slot_of_repeat(repeat, after, zone),
            Trigger::Rule(_) => None,
        }
    }

    /// The slot of a run that is known by its name and instant.
    pub fn slot_named(&self, occurrence: &str, at: Timestamp) -> Option<Slot> {
        let local = NaiveDateTime::parse_from_str(occurrence, LOCAL).ok()?;
        match self {
            Trigger::Once(once) => Some(slot(local, at, None, Overlap::Queue, once.refresh)),
            Trigger::Repeat(repeat) => Some(repeat.slot(local, at)),
            Trigger::Rule(_) => None,
        }
    }

    /// Is the audience made anew before each run?
    pub fn refreshes_before(&self) -> bool {
        match self {
            Trigger::Once(once) => once.refresh.is_before,
            Trigger::Repeat(repeat) => repeat.refresh.is_before,
            Trigger::Rule(_) => false,
        }
    }
}

impl TaskFile {
    /// The first run at or after `from` inside the task's `[start, end)`.
    pub fn slot_from(&self, from: Timestamp, zone: &Zone) -> Option<Slot> {
        let found = self.trigger.slot_after(from.max(self.start).plus(-1), zone);
        found.filter(|slot| slot.at < self.end)
    }
}

impl Repeat {
    fn slot(&self, local: NaiveDateTime, at: Timestamp) -> Slot {
        let name = self.cycle.name_at(local).map(str::to_string);
        slot(local, at, name, self.overlap, self.refresh)
    }
}

fn slot(
    local: NaiveDateTime,
    at: Timestamp,
    name: Option<String>,
    overlap: Overlap,
    refresh: Refresh,
) -> Slot {
    Slot { at, local, name, overlap, refresh }
}

fn slot_of_once(once: &Once, zone: &Zone) -> Slot {
    slot(zone.local(once.at), once.at, None, Overlap::Queue, once.refresh)
}

/// Local times and their instants ascend together, so the first whose instant is later is the next;
/// those that are passed over are shown a second time by a clock that went back.
fn slot_of_repeat(repeat: &Repeat, after: Timestamp, zone: &Zone) -> Option<Slot> {
    let mut local = repeat.cycle.after(zone.local(after))?;
    while zone.instant(local) <= after {
        local = repeat.cycle.after(local)?;
    }
    Some(repeat.slot(local, zone.instant(local)))
}
