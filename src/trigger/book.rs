//! How many of what, by local day?

use serde::Serialize;

use crate::base::{Day, Timestamp, Zone};

use super::decision::{End, Reason};

/// How often each end was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    pub fired: u64,
    pub released: u64,
    pub cancelled: u64,
    pub joined: u64,
    pub withdrawn: u64,
    pub expired: u64,
    pub paused: u64,
    pub audience: u64,
    pub fires_max: u64,
    pub gap_min: u64,
    pub past: u64,
    pub ended: u64,
    pub contradicted: u64,
    /// A's and B's that came after the watermark had passed them.
    pub late: u64,
}

/// The counts of one task by the local day of the base instant (late events: of their own time).
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Book {
    pub days: Vec<(Day, Counts)>,
    /// The day asked for last: its bounds and its place.
    latest: Option<(Timestamp, Timestamp, usize)>,
}

impl Counts {
    /// The numbers in the order of the fields.
    pub(super) fn fields(&mut self) -> [&mut u64; 14] {
        let Counts {
            fired,
            released,
            cancelled,
            joined,
            withdrawn,
            expired,
            paused,
            audience,
            fires_max,
            gap_min,
            past,
            ended,
            contradicted,
            late,
        } = self;
        [
            fired,
            released,
            cancelled,
            joined,
            withdrawn,
            expired,
            paused,
            audience,
            fires_max,
            gap_min,
            past,
            ended,
            contradicted,
            late,
        ]
    }

    /// Adds the counts of another shard or day.
    pub fn add(&mut self, mut other: Counts) {
        for (sum, more) in self.fields().into_iter().zip(other.fields()) {
            *sum += *more;
        }
    }

    /// The counter of an end.
    pub(super) fn of(&mut self, end: End) -> &mut u64 {
        match end {
            End::Fired { .. } => &mut self.fired,
            End::Released { .. } => &mut self.released,
            End::Cancelled => &mut self.cancelled,
            End::Joined => &mut self.joined,
            End::Withdrawn => &mut self.withdrawn,
            End::Expired => &mut self.expired,
            End::Suppressed(Reason::Paused) => &mut self.paused,
            End::Suppressed(Reason::Audience) => &mut self.audience,
            End::Suppressed(Reason::FiresMax) => &mut self.fires_max,
            End::Suppressed(Reason::GapMin) => &mut self.gap_min,
            End::Suppressed(Reason::Past) => &mut self.past,
            End::Ended => &mut self.ended,
            End::Contradicted => &mut self.contradicted,
        }
    }
}

impl Book {
    /// A book as it was written down.
    pub fn of(days: Vec<(Day, Counts)>) -> Book {
        Book { days, latest: None }
    }

    /// The counts of the local day of `at`.
    pub fn on(&mut self, at: Timestamp, zone: &Zone) -> &mut Counts {
        let place = match self.latest {
            Some((from, to, place)) if from <= at && at < to => place,
            _ => self.turn_to(at, zone),
        };
        &mut self.days[place].1
    }

    /// Do both instants lie on one local day? `first` is not later.
    pub fn is_one_day(&mut self, first: Timestamp, last: Timestamp, zone: &Zone) -> bool {
        self.on(first, zone);
        self.latest.is_some_and(|(_, to, _)| last < to)
    }

    fn turn_to(&mut self, at: Timestamp, zone: &Zone) -> usize {
        let day = zone.day_of(at);
        let place = match self.days.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(place) => place,
            Err(place) => {
                self.days.insert(place, (day, Counts::default()));
                place
            }
        };
        self.latest = Some((zone.start_of(day), zone.start_of(day.plus(1)), place));
        place
    }
}
