//! When is the user reached, and in which counting period does an A lie?

use crate::base::{Timestamp, Zone};
use crate::task::rule::{Per, Reach, WhenPast};

/// The reach instant of a base instant; none if it is past and the rule skips then.
pub(super) fn reach_of(reach: Reach, base: i64, zone: &Zone) -> Option<i64> {
    match reach {
        Reach::Delay(ms) => Some(base.saturating_add(ms.max(0))),
        Reach::At { second_of_day, plus_days } => {
            Some(zone.next_at(Timestamp(base), second_of_day, plus_days).0)
        }
        Reach::On { instant, .. } if instant.0 >= base => Some(instant.0),
        Reach::On { when_past: WhenPast::Now, .. } => Some(base),
        Reach::On { when_past: WhenPast::Skip, .. } => None,
    }
}

/// The first local day of the counting period of an instant, in days since 1970; 0 for the whole window.
pub(super) fn period_of(per: Per, at: i64, zone: &Zone) -> i32 {
    let day = || zone.day_of(Timestamp(at));
    match per {
        Per::Whole => 0,
        Per::Day => day().0,
        Per::Week => day().monday().0,
        Per::Month => day().first_of_month().0,
    }
}
