//! What was done before a task began, where it counts (`count_history`, semantics 5.2)?
//!
//! Whoever knows history counts the A's from before [`State::counts_from`] by [`period`] and gives them as a
//! `History` record. Events that come later with a time before that instant count for nothing, so that
//! nothing is counted twice.

use crate::base::{Timestamp, UserNo, Zone};
use crate::task::rule::{Count, Per};

use super::reach::period_of;
use super::{State, TaskNo};

/// A's of one user in one counting period: user, first local day of the period (0: whole), how many.
pub type Counted = (UserNo, i32, u32);

/// The counting period of an instant: its first local day in days since 1970, 0 for the whole window.
pub fn period(count: Count, at: Timestamp, zone: &Zone) -> i32 {
    period_of(per(count), at.0, zone)
}

/// The first instant of the counting period of `at`; none where all time is one period.
pub fn period_start(count: Count, at: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let is_whole = per(count) == Per::Whole;
    (!is_whole).then(|| zone.start_of(crate::base::Day(period(count, at, zone))))
}

fn per(count: Count) -> Per {
    match count {
        Count::Every(_) => Per::Whole,
        Count::Total { per, .. } => per,
    }
}

impl State {
    /// The first event time at which an A counts for the newest version of a task; none for a task that
    /// is not known.
    pub fn counts_from(&self, task: TaskNo) -> Option<Timestamp> {
        let known = self.shards.first()?.tasks.iter().find(|known| known.no == task)?;
        let live = known.versions.last()?;
        Some(Timestamp(known.range(live).0))
    }
}
