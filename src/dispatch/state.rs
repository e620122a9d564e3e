//! Which states do runs, batches and touches have, and why is a touch not handed over?

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Known, nothing decided.
    Planned,
    /// The refresh before it gave its audience.
    Refreshed,
    /// The refresh before it failed; the newest audience will be used.
    Stale,
    /// Its audience is frozen; touches are being written.
    Writing,
    /// Every touch is written; batches go out.
    Sending,
    /// Every batch has had its turn.
    Done,
    /// Found too late, never sent.
    Missed,
    /// Not sent, because the refresh before it failed.
    Skipped,
    /// The channel gave up; the task is failed until someone starts it again.
    Stalled,
    /// Cancelled, stopped or ended before its end.
    Stopped,
}

/// State of one touch (semantics 6.5). `Due` touches wait for their batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TouchState {
    Due,
    Withheld,
    Suppressed,
    Held,
    /// Handed over, no word on it yet.
    Handed,
    Delivered,
    Refused,
    Unknown,
}

/// Why a touch was not handed over, in the order in which the gates are asked (semantics 6.2); then what only
/// a trigger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The task was paused when the touch fell due.
    Paused,
    /// The task ended or was stopped before it went out.
    Ended,
    /// It waited longer than the task's grace.
    Expired,
    Cancelled,
    /// Unsubscribed or on a blacklist.
    Blacklist,
    Holdout,
    /// Not (or no longer) in the audience.
    Audience,
    QuietHours,
    Quota,
    Cap,
    /// The user has had as many fires as the rule allows.
    FiresMax,
    /// Too soon after the user's last fire.
    GapMin,
    /// The instant of the reach was past.
    Past,
    /// A B came while the touch still waited.
    LateB,
    /// A value that its content or its channel needs is missing or of no use.
    Missing,
    /// Not on the whitelist.
    Whitelist,
    /// On the list of those whom nobody reaches until an instant.
    Suspended,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchState {
    /// Given to the sender; no answer is recorded.
    Handing,
    /// The sender did not take it; it waits for another try.
    Waiting,
    Answered,
    Refused,
    /// It left and nobody answered.
    Unknown,
    /// Its touches were suppressed while it waited.
    Dropped,
}

impl RunState {
    const ALL: [(RunState, &'static str); 10] = [
        (RunState::Planned, "planned"),
        (RunState::Refreshed, "refreshed"),
        (RunState::Stale, "stale"),
        (RunState::Writing, "writing"),
        (RunState::Sending, "sending"),
        (RunState::Done, "done"),
        (RunState::Missed, "missed"),
        (RunState::Skipped, "skipped"),
        (RunState::Stalled, "stalled"),
        (RunState::Stopped, "stopped"),
    ];

    /// The word in JSON and in `ledger.db`.
    pub fn word(self) -> &'static str {
        RunState::ALL.iter().find(|(state, _)| *state == self).map_or("planned", |(_, word)| word)
    }

    /// The state with this word.
    pub fn of(word: &str) -> Option<RunState> {
        RunState::ALL.iter().find(|(_, known)| *known == word).map(|(state, _)| *state)
    }

    /// Has it begun without coming to its end?
    pub fn is_under_way(self) -> bool {
        matches!(self, RunState::Writing | RunState::Sending | RunState::Stalled)
    }

    /// Is it yet to begin?
    pub fn is_ahead(self) -> bool {
        matches!(self, RunState::Planned | RunState::Refreshed | RunState::Stale)
    }
}

impl TouchState {
    /// All states, by their number in `ledger.db`.
    pub const ALL: [TouchState; 8] = [
        TouchState::Due,
        TouchState::Withheld,
        TouchState::Suppressed,
        TouchState::Held,
        TouchState::Handed,
        TouchState::Delivered,
        TouchState::Refused,
        TouchState::Unknown,
    ];

    /// Its number in `ledger.db`; never changed between versions.
    pub fn number(self) -> i64 {
        TouchState::ALL.iter().position(|state| *state == self).unwrap_or(0) as i64
    }

    /// The word in tables, JSON and talk.
    pub fn word(self) -> &'static str {
        match self {
            TouchState::Due => "due",
            TouchState::Withheld => "withheld",
            TouchState::Suppressed => "suppressed",
            TouchState::Held => "held",
            TouchState::Handed => "handed",
            TouchState::Delivered => "delivered",
            TouchState::Refused => "refused",
            TouchState::Unknown => "unknown",
        }
    }

    /// Was it handed over, whatever the channel said of it later?
    pub fn is_handed(self) -> bool {
        use TouchState::{Delivered, Handed, Refused, Unknown};
        matches!(self, Handed | Delivered | Refused | Unknown)
    }

    /// The state with this number.
    pub fn of(number: i64) -> Option<TouchState> {
        TouchState::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

impl Reason {
    /// All reasons; their number in `ledger.db` is the place here plus one, and 0 is no reason. New ones
    /// come at the end.
    pub const ALL: [Reason; 17] = [
        Reason::Paused,
        Reason::Ended,
        Reason::Expired,
        Reason::Cancelled,
        Reason::Blacklist,
        Reason::Holdout,
        Reason::Audience,
        Reason::QuietHours,
        Reason::Quota,
        Reason::Cap,
        Reason::FiresMax,
        Reason::GapMin,
        Reason::Past,
        Reason::LateB,
        Reason::Missing,
        Reason::Whitelist,
        Reason::Suspended,
    ];

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Paused => "paused",
            Reason::Ended => "ended",
            Reason::Expired => "expired",
            Reason::Cancelled => "cancelled",
            Reason::Blacklist => "blacklist",
            Reason::Holdout => "holdout",
            Reason::Audience => "audience",
            Reason::QuietHours => "quiet_hours",
            Reason::Quota => "quota",
            Reason::Cap => "cap",
            Reason::FiresMax => "fires_max",
            Reason::GapMin => "gap_min",
            Reason::Past => "past",
            Reason::LateB => "late_b",
            Reason::Missing => "missing",
            Reason::Whitelist => "whitelist",
            Reason::Suspended => "suspended",
        }
    }

    /// Its number in `ledger.db`, or 0 for no reason.
    pub fn number(reason: Option<Reason>) -> i64 {
        let place = reason.and_then(|reason| Reason::ALL.iter().position(|known| *known == reason));
        place.map_or(0, |place| place as i64 + 1)
    }

    /// The reason with this number.
    pub fn of(number: i64) -> Option<Reason> {
        Reason::ALL.get(usize::try_from(number.checked_sub(1)?).ok()?).copied()
    }
}

impl BatchState {
    /// The word in `ledger.db`.
    pub fn word(self) -> &'static str {
        match self {
            BatchState::Handing => "handing",
            BatchState::Waiting => "waiting",
            BatchState::Answered => "answered",
            BatchState::Refused => "refused",
            BatchState::Unknown => "unknown",
            BatchState::Dropped => "dropped",
        }
    }
}
