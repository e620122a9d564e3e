//! What was decided, about which occurrence?

use crate::base::{Timestamp, UserNo, Zone};

use super::EventId;

/// A task, by a number given from outside.
pub type TaskNo = u32;

/// One decision. A touch is named by task, user and occurrence, never by its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decision {
    pub task: TaskNo,
    pub user: UserNo,
    pub occurrence: Occurrence,
    pub version: u32,
    /// The base instant: A's time (完成A) or the deadline (完成A未完成B).
    pub base: Timestamp,
    pub end: End,
}

/// What fired, or might have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occurrence {
    /// 完成A: the user's `nth` A of a counting period, counted in log order. `period` is the first local
    /// day of the period in days since 1970, 0 for the whole window.
    Nth { period: i32, nth: u32 },
    /// 完成A未完成B: the A that opened the window.
    A { at: Timestamp, id: EventId },
}

/// How a window, or a touch that waits, went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// Fired, to reach the user at this instant; a `Released`, `Withdrawn`, `Stale`, `Suppressed` or `Ended`
    /// of the same occurrence follows, now or later.
    Fired {
        reach: Timestamp,
    },
    /// It is due: `dispatch` takes it now.
    Released {
        reach: Timestamp,
    },
    /// A B came in time.
    Cancelled,
    /// The A belongs to a window that waits, or a later A took its place.
    Joined,
    /// A B cancelled the touch while it still waited.
    Withdrawn,
    /// Later than the grace allows.
    Expired,
    Suppressed(Reason),
    /// The task was over.
    Ended,
    /// A B that would have cancelled came when the touch was out. The touch stays as it is.
    Contradicted,
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    Paused,
    /// Not in the crowd version that decides.
    Audience,
    /// The user has had as many fires as the rule allows.
    FiresMax,
    /// Too soon after the user's last fire.
    GapMin,
    /// The instant of the reach is past.
    Past,
}

impl Occurrence {
    /// The text that names it for ever, as part of a touch's name: `nth:<period>:<nth>`, or A's time and event
    /// id as `<RFC 3339, UTC, ms>|<id>`; without an id `<time>#<place in the log>`, which no id looks like.
    pub fn text(&self) -> String {
        match self {
            Occurrence::Nth { period, nth } => format!("nth:{period}:{nth}"),
            Occurrence::A { at, id: id @ EventId::Unnamed(_) } => format!("{}{id}", utc(*at)),
            Occurrence::A { at, id } => format!("{}|{id}", utc(*at)),
        }
    }
}

impl End {
    /// The word in JSON and reports.
    pub fn word(self) -> &'static str {
        match self {
            End::Fired { .. } => "fired",
            End::Released { .. } => "released",
            End::Cancelled => "cancelled",
            End::Joined => "joined",
            End::Withdrawn => "withdrawn",
            End::Expired => "expired",
            End::Suppressed(reason) => reason.word(),
            End::Ended => "ended",
            End::Contradicted => "contradicted",
        }
    }
}

impl Reason {
    /// The word in JSON and reports.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Paused => "paused",
            Reason::Audience => "audience",
            Reason::FiresMax => "fires_max",
            Reason::GapMin => "gap_min",
            Reason::Past => "past",
        }
    }
}

fn utc(at: Timestamp) -> String {
    Zone(chrono_tz::UTC).text(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_occurrence_has_a_text_of_its_own() {
        let a = |id| Occurrence::A { at: Timestamp(1_740_000_000_001), id };
        let all = [
            Occurrence::Nth { period: 0, nth: 11 },
            Occurrence::Nth { period: 1, nth: 1 },
            a(EventId::of("7")),
            a(EventId::of("#7")),
            a(EventId::of("")),
            a(EventId::Unnamed(7)),
            Occurrence::A { at: Timestamp(1_740_000_000_002), id: EventId::of("7") },
        ];
        let texts: std::collections::BTreeSet<String> = all.iter().map(Occurrence::text).collect();
        assert_eq!(texts.len(), all.len());
        assert_eq!(all[0].text(), "nth:0:11");
        assert_eq!(all[2].text(), "2025-02-19T21:20:00.001+00:00|7");
        assert_eq!(all[5].text(), "2025-02-19T21:20:00.001+00:00#7");
    }
}
