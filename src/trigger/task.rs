//! What does one task remember? Its versions, its state, what it counted and whom it reached.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use roaring::RoaringBitmap;

use crate::base::{Timestamp, UserNo};
use crate::task::rule::{Again, AudienceAt, Count, GAP_MS, OnEnd, Per, Reach};

use super::EventId;
use super::book::Book;
use super::decision::TaskNo;
use super::fact::{LATE_MAX_MS, Predicate, Version};
use super::newest::Newest;
use super::outs::Outs;
use super::pages::Pages;
use super::past::PART_MS;
use super::reach::period_of;
use super::tracks::TrackNo;

/// A longer grace is taken as this: the last B's of longer ago are not kept.
const GRACE_MAX_MS: i64 = 10 * 86_400_000;

const DAY_MS: i64 = 86_400_000;
/// A month, and what zones add.
const PERIOD_DAYS_MAX: i64 = 33;

/// Who may be reached; `None` is everyone.
pub(super) type Users = Option<Arc<RoaringBitmap>>;

/// A task with all its versions.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub no: TaskNo,
    pub versions: Vec<Live>,
    pub is_stopped: bool,
    /// Since when it is paused, and its earlier pauses `[from, to)`.
    pub paused_since: Option<i64>,
    pub pauses: Vec<(i64, i64)>,
    pub started: Option<i64>,
    pub ended: Option<i64>,
    /// Crowd versions with the clock at which each came into force.
    pub audiences: Vec<(i64, Users)>,
    /// A's counted in the whole window, and by counting period.
    pub whole: Pages,
    pub periods: HashMap<(UserNo, i32), u32>,
    /// Counts of periods that begin before this local day are forgotten.
    pub periods_from: i64,
    /// Fires and the last base instant, of users that have fired; kept if a version has limits.
    pub limits: HashMap<UserNo, (u32, i64)>,
    pub book: Book,
}

/// A version at work.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub spec: Arc<Version>,
    /// In force for A's with event time in `[from, to)`.
    pub from: i64,
    pub to: i64,
    /// A's before this are decided.
    pub cursor: i64,
    /// Where the B's are followed.
    pub track: Option<TrackNo>,
    /// Everything is decided and forgotten.
    pub is_done: bool,
    /// `first`: the newest window of each user that reached its deadline.
    pub last: Newest,
    /// `first`, `restart`: the windows that reached their deadline, by the minute of A, for late A's.
    pub reached: BTreeMap<i64, Vec<(UserNo, u32)>>,
    /// `restart`: the A's of each user in the order of (time, id).
    pub queue: HashMap<UserNo, Vec<Queued>>,
    /// Touches that are out and that no B has contradicted, for late B's.
    pub outs: Outs,
}

/// An A of a `restart` rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Queued {
    pub at: i64,
    pub id: EventId,
    /// Once it is decided: did it complete the count?
    pub completed: Option<bool>,
}

impl Task {
    pub fn new(no: TaskNo) -> Task {
        Task {
            no,
            versions: Vec::new(),
            is_stopped: false,
            paused_since: None,
            pauses: Vec::new(),
            started: None,
            ended: None,
            audiences: Vec::new(),
            whole: Pages::default(),
            periods: HashMap::new(),
            periods_from: i64::MIN,
            limits: HashMap::new(),
            book: Book::default(),
        }
    }

    /// The event times of A's that count for a version.
    pub fn range(&self, live: &Live) -> (i64, i64) {
        let spec = &live.spec;
        let start = self.started.map_or(spec.start.0, |started| started.min(spec.start.0));
        let from = spec.rule.from.map_or(i64::MIN, |from| from.0);
        let to = spec.rule.to.map_or(i64::MAX, |to| to.0);
        (live.from.max(start).max(from), live.to.min(self.end(spec)).min(to))
    }

    /// The end of the validity.
    pub fn end(&self, spec: &Version) -> i64 {
        self.ended.map_or(spec.end.0, |ended| ended.min(spec.end.0))
    }

    /// Is a touch that falls due then dropped because the task is over?
    pub fn is_over(&self, spec: &Version, due: i64) -> bool {
        self.is_stopped || (due >= self.end(spec) && spec.rule.on_end == OnEnd::Drop)
    }

    /// Is it paused now, or was it at that instant?
    pub fn is_paused_at(&self, at: i64) -> bool {
        self.paused_since.is_some() || self.pauses.iter().any(|(from, to)| *from <= at && at < *to)
    }

    /// Is it paused now, or was it between two instants, both ends in?
    pub fn is_paused_within(&self, first: i64, last: i64) -> bool {
        self.paused_since.is_some() || self.pauses.iter().any(|(from, to)| *from <= last && first < *to)
    }

    /// The one crowd version in force from `first` to `last`; none if there are several.
    pub fn crowd_within(&self, first: i64, last: i64) -> Option<&Users> {
        let place = self.audience_place(first);
        let (_, users) = self.audiences.get(place).filter(|_| place == self.audience_place(last))?;
        Some(users)
    }

    /// May the user be reached by the crowd version in force at an instant? Before the first version, that
    /// one decides.
    pub fn admits(&self, user: UserNo, at: i64) -> bool {
        self.audiences.get(self.audience_place(at)).is_some_and(|(_, users)| is_in(users, user))
    }

    fn audience_place(&self, at: i64) -> usize {
        self.audiences.partition_point(|(from, _)| *from <= at).saturating_sub(1)
    }

    /// By the newest crowd version.
    pub fn admits_now(&self, user: UserNo) -> bool {
        self.audiences.last().is_some_and(|(_, users)| is_in(users, user))
    }

    /// Counts an A; its period and its number in it.
    pub fn count(&mut self, spec: &Version, user: UserNo, at: i64) -> (i32, u32) {
        match per(spec.rule.count) {
            Per::Whole => {
                let nth = self.whole.at(user);
                *nth = nth.saturating_add(1);
                (0, *nth)
            }
            per => {
                let period = period_of(per, at, &spec.zone);
                let nth = self.periods.entry((user, period)).or_insert(0);
                *nth = nth.saturating_add(1);
                (period, *nth)
            }
        }
    }

    /// How many A's the user has had in the period of an instant.
    pub fn counted(&self, spec: &Version, user: UserNo, at: i64) -> (i32, u32) {
        match per(spec.rule.count) {
            Per::Whole => (0, self.whole.get(user)),
            per => {
                let period = period_of(per, at, &spec.zone);
                (period, self.periods.get(&(user, period)).copied().unwrap_or(0))
            }
        }
    }

    /// Adds A's from before the task.
    pub fn add_history(&mut self, user: UserNo, period: i32, count: u32) {
        let is_whole = self.versions.last().is_none_or(|live| per(live.spec.rule.count) == Per::Whole);
        let sum =
            if is_whole { self.whole.at(user) } else { self.periods.entry((user, period)).or_insert(0) };
        *sum = sum.saturating_add(count);
    }

    /// Books an end on the local day of `at`.
    pub fn note(&mut self, spec: &Version, at: i64, end: super::End) {
        *self.book.on(Timestamp(at), &spec.zone).of(end) += 1;
    }

    /// Books a late event.
    pub fn note_late(&mut self, spec: &Version, at: i64) {
        self.book.on(Timestamp(at), &spec.zone).late += 1;
    }

    /// Forgets what no event that can still come asks about.
    /// A version for which touches wait (`waits` says so, by place) stays, for these touches only: what else it
    /// would do must not depend on who else is in the shard.
    /// True if a version is done with, or is for its touches only from now on.
    pub fn forget(&mut self, watermark: i64, waits: impl Fn(usize) -> bool) -> bool {
        let mut has_retired = false;
        let mut oldest = watermark;
        for (slot, live) in self.versions.iter_mut().enumerate().filter(|(_, live)| !live.is_done) {
            let horizon = live.horizon(watermark);
            oldest = oldest.min(horizon);
            if live.to > horizon {
                live.forget(horizon);
            } else if waits(slot) {
                live.forget(horizon);
                has_retired |= !live.is_past();
                live.from = live.to;
            } else {
                live.retire();
                has_retired = true;
            }
        }
        let oldest_day = oldest.div_euclid(DAY_MS) - PERIOD_DAYS_MAX;
        if oldest_day > self.periods_from {
            self.periods_from = oldest_day;
            self.periods.retain(|(_, period), _| *period as i64 >= oldest_day);
        }
        self.pauses.retain(|(_, to)| *to >= oldest);
        let unneeded = self.audiences.partition_point(|(from, _)| *from <= oldest).saturating_sub(1);
        self.audiences.drain(..unneeded);
        has_retired
    }
}

impl Live {
    pub fn new(spec: Version, from: i64, cursor: i64, track: Option<TrackNo>) -> Live {
        Live {
            spec: Arc::new(spec),
            from,
            to: i64::MAX,
            cursor,
            track,
            is_done: false,
            last: Newest::default(),
            reached: BTreeMap::new(),
            queue: HashMap::new(),
            outs: Outs::default(),
        }
    }

    /// Facts before this are no longer needed: their deadlines lie further back than the grace, and
    /// repeated deliveries of them are not expected.
    pub fn horizon(&self, watermark: i64) -> i64 {
        watermark.saturating_sub(self.spec.gap() + self.spec.grace() + LATE_MAX_MS)
    }

    /// Is it in force for no A, and there only for touches that wait?
    pub fn is_past(&self) -> bool {
        self.from >= self.to
    }

    /// Remembers a window that reached its deadline.
    pub fn note_reached(&mut self, user: UserNo, at: i64) {
        if self.spec.again() == Again::First {
            self.last.note(user, at);
        }
        if self.spec.again() != Again::Each {
            let part = self.reached.entry(at.div_euclid(PART_MS)).or_default();
            part.push((user, at.rem_euclid(PART_MS) as u32));
        }
    }

    /// `first`: does an A belong to a window of the user that reached its deadline?
    pub fn is_within(&self, user: UserNo, at: i64, gap: i64) -> bool {
        self.last.get(user).is_some_and(|last| last <= at && at <= last + gap)
    }

    /// Did a window of the user that reached its deadline begin within `[from, to]`?
    pub fn has_reached(&self, user: UserNo, from: i64, to: i64) -> bool {
        let parts = self.reached.range(from.div_euclid(PART_MS)..=to.div_euclid(PART_MS));
        parts.into_iter().any(|(part, all)| {
            all.iter().any(|(who, offset)| {
                let at = part * PART_MS + *offset as i64;
                *who == user && from <= at && at <= to
            })
        })
    }

    fn retire(&mut self) {
        let fresh = Live::new((*self.spec).clone(), self.from, self.cursor, None);
        *self = Live { is_done: true, to: self.to, ..fresh };
    }

    fn forget(&mut self, horizon: i64) {
        let part = horizon.div_euclid(PART_MS);
        self.reached = self.reached.split_off(&part);
        self.outs.forget(part);
        self.last.forget(horizon);
        self.queue.retain(|_, all| {
            all.retain(|queued| queued.at >= horizon);
            !all.is_empty()
        });
    }
}

impl Version {
    /// From A to the deadline, in milliseconds; 0 for a completed A.
    pub(super) fn gap(&self) -> i64 {
        let absence = self.rule.absence.as_ref();
        absence.map_or(0, |absence| absence.gap_ms.clamp(*GAP_MS.start(), *GAP_MS.end()))
    }

    /// Does a fire ask for B's ahead of the watermark? Only where the touch may wait.
    pub(super) fn asks_ahead(&self) -> bool {
        self.rule.reach != Reach::Delay(0) || self.is_held_in_pause
    }

    pub(super) fn grace(&self) -> i64 {
        self.grace_ms.clamp(0, GRACE_MAX_MS)
    }

    pub(super) fn again(&self) -> Again {
        self.rule.absence.as_ref().map_or(Again::Each, |absence| absence.again)
    }

    /// A and B are one event kind: no event cancels itself.
    pub(super) fn is_self(&self) -> bool {
        self.not_done.is_some_and(|b| b.event == self.did.event)
    }

    /// B, if the rule is one of absence.
    pub(super) fn absent(&self) -> Option<Predicate> {
        self.rule.absence.as_ref().and(self.not_done)
    }

    /// Does every A count?
    pub(super) fn is_each(&self) -> bool {
        self.rule.count == Count::Every(1)
    }

    /// Does this A complete the count?
    pub(super) fn completes(&self, nth: u32) -> bool {
        match self.rule.count {
            Count::Every(n) => nth.is_multiple_of(n.max(1)),
            Count::Total { n, .. } => nth == n,
        }
    }

    pub(super) fn is_audience_at_a(&self) -> bool {
        self.rule.audience_at == AudienceAt::A
    }

    pub(super) fn has_limits(&self) -> bool {
        self.rule.fires_max.is_some() || self.rule.gap_min_ms > 0
    }
}

fn is_in(users: &Users, user: UserNo) -> bool {
    users.as_ref().is_none_or(|users| users.contains(user))
}

fn per(count: Count) -> Per {
    match count {
        Count::Every(_) => Per::Whole,
        Count::Total { per, .. } => per,
    }
}
