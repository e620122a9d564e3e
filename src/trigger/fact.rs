//! What comes in: facts of events, already filtered, and everything else that can change a decision.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::base::{Timestamp, UserNo, Zone};
use crate::task::rule::Rule;

use super::{IdCode, TaskNo, Texts};

/// An event kind, by a number given from outside.
pub type EventNo = u16;
/// A source of facts, by a number given from outside.
pub type SourceNo = u32;

/// `EVENT [where FILTER]`: a bit of the masks of one event kind. While a version that names it is in force or
/// still decides, the bit stays that of this filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Predicate {
    pub event: EventNo,
    /// Below 64.
    pub bit: u8,
}

impl Predicate {
    pub(super) fn mask(self) -> u64 {
        1u64.checked_shl(self.bit as u32).unwrap_or(0)
    }
}

/// Facts of one source as columns of one length, in the order of arrival; a row beyond the shortest column
/// does not count.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub users: &'a [UserNo],
    /// Event times, in milliseconds since the epoch.
    pub times: &'a [i64],
    /// When they came, in milliseconds since the epoch. One before the clock counts as the clock.
    pub arrivals: &'a [i64],
    pub events: &'a [EventNo],
    /// Which predicates of the event hold.
    pub masks: &'a [u64],
    /// Codes of the event ids, their texts in `texts`.
    pub ids: &'a [IdCode],
    pub texts: &'a Texts,
    /// Hashes of correlation properties, a column each; 0 is "has none". [`Version::same`] says which.
    pub same: &'a [&'a [u128]],
}

/// Everything that can wake the engine, in the order of the log.
#[derive(Debug, Clone)]
pub enum Record<'a> {
    Facts {
        source: SourceNo,
        facts: Facts<'a>,
    },
    /// All facts of the source before this instant have come. Never moves back; the clock is there already.
    Watermark {
        source: SourceNo,
        to: Timestamp,
    },
    /// The source is gone for good; time no longer waits for it.
    Gone {
        source: SourceNo,
    },
    /// The clock. Never moves back.
    Tick {
        now: Timestamp,
    },
    /// A rule in force from here on: the first of its task, or an edit.
    Install {
        task: TaskNo,
        version: Box<Version>,
    },
    Command {
        task: TaskNo,
        command: Command,
    },
    /// Who may be reached, from now on; `None` is everyone. Until the first of these a task reaches nobody.
    Audience {
        task: TaskNo,
        users: Option<Arc<RoaringBitmap>>,
    },
    /// A's before the task, for `count_history`: user, first local day of the counting period (0: whole),
    /// how many. Added to what was counted.
    History {
        task: TaskNo,
        counts: &'a [(UserNo, i32, u32)],
    },
}

/// What a person or the clock does to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The validity begins now, if it would begin later.
    Start,
    Pause,
    Resume,
    /// The validity ends now: what falls due later is dropped, or finished if the rule says so.
    End,
    /// Nothing that has not left goes out any more.
    Stop,
}

/// A version of a task's rule, with what the task file says around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Grows with every edit of the task; shown, never decided by.
    pub version: u32,
    pub rule: Rule,
    pub did: Predicate,
    /// B, where the rule has one.
    pub not_done: Option<Predicate>,
    /// The columns of [`Facts::same`] that must be equal: A's and B's.
    pub same: Option<(u8, u8)>,
    /// The task's validity `[start, end)`.
    pub start: Timestamp,
    pub end: Timestamp,
    pub grace_ms: i64,
    /// Does what falls due in a pause wait for the resume?
    pub is_held_in_pause: bool,
    /// Local days and clock times are of this zone.
    pub zone: Zone,
}

/// Events further ahead of their arrival are clamped to it (semantics 5.13).
pub const AHEAD_MAX_MS: i64 = 120_000;
/// Events later than this count for no completed A (semantics 5.13).
pub const LATE_MAX_MS: i64 = 7_200_000;
