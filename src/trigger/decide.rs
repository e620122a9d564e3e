//! What becomes of one A? Each question here is asked once, when all that it needs is known.
//!
//! Flow: an A counts, or not ([`Deciding::window`]); it opens a window, or joins one; a B cancels it, or not;
//! what is left is *settled*: task over, paused, late, not in the crowd, too often, or fired
//! ([`Deciding::settle`]); a touch that fired waits for its reach instant and is asked again when that
//! comes ([`Deciding::release`]).

use std::sync::Arc;

use crate::base::{Timestamp, UserNo};
use crate::task::rule::{Again, LateB};

use super::EventId;
use super::decision::{Decision, End, Occurrence, Reason};
use super::fact::Version;
use super::part::{Fact, Part};
use super::past::PART_MS;
use super::reach::reach_of;
use super::task::Task;
use super::tracks::{Tracks, Who};
use super::waiting::{Due, Touch, Waiting};

/// Everything that a decision about one task looks at or changes.
pub(super) struct Deciding<'a> {
    pub task: &'a mut Task,
    pub tracks: &'a Tracks,
    pub waiting: &'a mut Waiting,
    pub out: &'a mut Vec<Decision>,
    /// The clock, or the arrival if that is later.
    pub now: i64,
    /// Are quiet ends shown too?
    pub is_tracing: bool,
}

/// An A in its part of the log.
#[derive(Clone, Copy)]
pub(super) struct A<'a> {
    pub at: i64,
    pub fact: Fact,
    pub part: &'a Part,
    /// Its place in the part.
    pub place: usize,
}

/// A window that reached its deadline, or a completed A that counted.
struct Candidate {
    slot: usize,
    user: UserNo,
    occurrence: Occurrence,
    /// A's time, and the base instant.
    at: i64,
    base: i64,
    same: u128,
    /// A's place in its part, for touches that are out; completed A's are not among them.
    place: Option<usize>,
}

impl<'a> A<'a> {
    /// The A at a place of a part.
    pub fn of(number: i64, part: &'a Part, place: usize) -> A<'a> {
        let fact = part.fact(place);
        A { at: fact.at(number), fact, part, place }
    }

    fn id(&self) -> EventId {
        self.part.id(self.fact.id)
    }

    /// Its value in a column of correlation properties; 0: none.
    pub fn same(&self, column: Option<u8>) -> u128 {
        column.map_or(0, |column| self.part.same(self.place, column))
    }
}

impl Deciding<'_> {
    /// Decides an A of an absence rule whose deadline the watermark has passed. `is_late`: it came after that.
    pub fn window(&mut self, slot: usize, spec: &Arc<Version>, a: A, is_late: bool) {
        if is_late && self.now.saturating_sub(a.at + spec.gap()) > spec.grace() {
            self.remember(slot, spec, a, false);
            self.too_late(spec, a);
            return;
        }
        if !self.counts(slot, spec, a) {
            return;
        }
        let end = if self.joins(slot, spec, a, is_late) {
            End::Joined
        } else if self.is_cancelled(slot, spec, a) {
            End::Cancelled
        } else {
            self.task.versions[slot].note_reached(a.fact.user, a.at);
            self.settle_window(slot, spec, a);
            return;
        };
        self.quiet_end(spec, a, end);
    }

    /// Decides a completed A, on arrival.
    pub fn completed(&mut self, slot: usize, spec: &Arc<Version>, user: UserNo, at: i64) {
        let (period, nth) = self.task.count(spec, user, at);
        if spec.completes(nth) {
            let occurrence = Occurrence::Nth { period, nth };
            let found = Candidate { slot, user, occurrence, at, base: at, same: 0, place: None };
            self.settle(spec, found, None);
        }
    }

    /// Asks a touch that waited whether it may go now.
    /// `place`: A's in its part, of an absence rule.
    pub fn release(&mut self, due: Due, touch: Touch, place: Option<usize>) {
        let slot = touch.slot as usize;
        let Some(live) = self.task.versions.get(slot) else { return };
        let spec = live.spec.clone();
        let (user, base) = (due.user, touch.base);
        let at = match due.occurrence {
            Occurrence::A { at, .. } => at.0,
            Occurrence::Nth { .. } => base,
        };
        let occurrence = due.occurrence;
        let found = Candidate { slot, user, occurrence, at, base, same: touch.same, place };
        self.release_or_wait(&spec, found, due.reach);
    }

    /// Says an end of a touch that waits and is taken away.
    pub fn drop_touch(&mut self, due: &Due, touch: &Touch, end: End) {
        let Some(live) = self.task.versions.get(touch.slot as usize) else { return };
        let spec = live.spec.clone();
        self.say(&spec, due.user, due.occurrence.clone(), touch.base, end);
    }

    /// A's from so long ago open no window; where every A counts they would have.
    fn too_late(&mut self, spec: &Version, a: A) {
        if !spec.is_each() {
            return;
        }
        let is_over = self.task.is_over(spec, a.at + spec.gap());
        let end = if is_over { End::Ended } else { End::Expired };
        self.say_a(spec, a, end);
    }

    /// Counts the A: does it complete the count? A `restart` rule remembers the answer.
    fn counts(&mut self, slot: usize, spec: &Version, a: A) -> bool {
        let completes = spec.is_each() || {
            let (_, nth) = self.task.count(spec, a.fact.user, a.at);
            spec.completes(nth)
        };
        self.remember(slot, spec, a, completes);
        completes
    }

    fn remember(&mut self, slot: usize, spec: &Version, a: A, completes: bool) {
        if spec.again() != Again::Restart {
            return;
        }
        let id = a.id();
        let queue = self.task.versions[slot].queue.get_mut(&a.fact.user);
        let own = queue.into_iter().flatten().find(|queued| queued.at == a.at && queued.id == id);
        own.into_iter().for_each(|queued| queued.completed = Some(completes));
    }

    /// Does the A belong to a window that another A opened, or opens?
    fn joins(&self, slot: usize, spec: &Version, a: A, is_late: bool) -> bool {
        let live = &self.task.versions[slot];
        let (user, gap) = (a.fact.user, spec.gap());
        let by_policy = match spec.again() {
            Again::Each => return false,
            Again::First => live.is_within(user, a.at, gap),
            Again::Restart => self.is_restarted(slot, spec, a),
        };
        by_policy || (is_late && live.has_reached(user, a.at - gap, a.at + gap))
    }

    /// Does a later A of the user, up to the deadline, complete the count again?
    fn is_restarted(&self, slot: usize, spec: &Version, a: A) -> bool {
        let live = &self.task.versions[slot];
        let Some(queue) = live.queue.get(&a.fact.user) else { return false };
        let (own, due) = (a.id(), a.at + spec.gap());
        let (from, to) = self.task.range(live);
        let mut extra: Vec<(i32, u32)> = Vec::new();
        queue.iter().any(|queued| {
            if queued.at > due || queued.at < from || queued.at >= to {
                return false;
            }
            let is_later = (queued.at, &queued.id) > (a.at, &own);
            is_later
                && queued
                    .completed
                    .unwrap_or_else(|| self.will_complete(spec, a.fact.user, queued.at, &mut extra))
        })
    }

    /// Counts ahead: would this A complete the count? `extra` holds what was counted ahead so far.
    fn will_complete(&self, spec: &Version, user: UserNo, at: i64, extra: &mut Vec<(i32, u32)>) -> bool {
        if spec.is_each() {
            return true;
        }
        let (period, counted) = self.task.counted(spec, user, at);
        let place = extra.iter().position(|(known, _)| *known == period).unwrap_or_else(|| {
            extra.push((period, 0));
            extra.len() - 1
        });
        extra[place].1 += 1;
        spec.completes(counted.saturating_add(extra[place].1))
    }

    /// Did a B come in `[A, deadline]`? Of one event kind, B must come after A.
    pub fn is_cancelled(&self, slot: usize, spec: &Version, a: A) -> bool {
        let Some(track) = self.task.versions[slot].track else { return false };
        let who = Who { user: a.fact.user, same: a.same(spec.same.map(|(a, _)| a)) };
        match self.tracks.last_until(track, who, a.at + spec.gap()) {
            Some(b) if b == a.at && spec.is_self() => is_followed(spec, a, who),
            Some(b) => b >= a.at,
            None => false,
        }
    }

    fn settle_window(&mut self, slot: usize, spec: &Arc<Version>, a: A) {
        let found = Candidate {
            slot,
            user: a.fact.user,
            occurrence: Occurrence::A { at: Timestamp(a.at), id: a.id() },
            at: a.at,
            base: a.at + spec.gap(),
            same: a.same(spec.same.map(|(a, _)| a)),
            place: Some(a.place),
        };
        let base = found.base;
        self.settle(spec, found, Some(base));
    }

    /// The first of the reasons against it, or fired. `deadline` is that of an absence rule.
    fn settle(&mut self, spec: &Arc<Version>, found: Candidate, deadline: Option<i64>) {
        let reach = reach_of(spec.rule.reach, found.base, &spec.zone);
        if let Some(end) = self.objection(spec, &found, deadline, reach) {
            self.say(spec, found.user, found.occurrence, found.base, end);
            return;
        }
        let Some(reach) = reach else { return };
        self.note_fire(spec, &found);
        self.say(
            spec,
            found.user,
            found.occurrence.clone(),
            found.base,
            End::Fired { reach: Timestamp(reach) },
        );
        if self.is_answered(spec, &found, reach) {
            self.say(spec, found.user, found.occurrence, found.base, End::Withdrawn);
            return;
        }
        self.release_or_wait(spec, found, reach);
    }

    fn objection(
        &self,
        spec: &Version,
        found: &Candidate,
        deadline: Option<i64>,
        reach: Option<i64>,
    ) -> Option<End> {
        let task = &*self.task;
        let is_paused = deadline.map_or(task.paused_since.is_some(), |due| task.is_paused_at(due));
        let stale_from = deadline.or(reach).unwrap_or(self.now);
        if task.is_stopped || deadline.is_some_and(|due| task.is_over(spec, due)) {
            Some(End::Ended)
        } else if is_paused && !spec.is_held_in_pause {
            Some(End::Suppressed(Reason::Paused))
        } else if self.now.saturating_sub(stale_from) > spec.grace() {
            Some(End::Expired)
        } else if reach.is_none() {
            Some(End::Suppressed(Reason::Past))
        } else if !self.is_in_audience(spec, found, deadline) {
            Some(End::Suppressed(Reason::Audience))
        } else {
            self.limit(spec, found).map(End::Suppressed)
        }
    }

    fn is_in_audience(&self, spec: &Version, found: &Candidate, deadline: Option<i64>) -> bool {
        match deadline {
            _ if spec.is_audience_at_a() => self.task.admits(found.user, found.at),
            Some(due) => self.task.admits(found.user, due),
            None => self.task.admits_now(found.user),
        }
    }

    /// The limit per user that is used up.
    fn limit(&self, spec: &Version, found: &Candidate) -> Option<Reason> {
        if !spec.has_limits() {
            return None;
        }
        let (fires, last) = self.task.limits.get(&found.user).copied()?;
        if spec.rule.fires_max.is_some_and(|max| fires >= max) {
            return Some(Reason::FiresMax);
        }
        (found.base - last < spec.rule.gap_min_ms).then_some(Reason::GapMin)
    }

    fn note_fire(&mut self, spec: &Version, found: &Candidate) {
        if spec.has_limits() {
            let (fires, last) = self.task.limits.entry(found.user).or_insert((0, found.base));
            *fires = fires.saturating_add(1);
            *last = found.base.max(*last);
        }
    }

    /// Is a B known that came after the deadline while the reach waits?
    fn is_answered(&self, spec: &Version, found: &Candidate, reach: i64) -> bool {
        let Some(absence) = &spec.rule.absence else { return false };
        let Some(track) = self.task.versions[found.slot].track else { return false };
        let until = if self.is_held(spec, reach) { i64::MAX } else { reach };
        let who = Who { user: found.user, same: found.same };
        absence.late_b == LateB::Cancel
            && until > found.base
            && self.tracks.any_within(track, who, found.base, until)
    }

    fn release_or_wait(&mut self, spec: &Arc<Version>, found: Candidate, reach: i64) {
        let is_held = self.is_held(spec, reach);
        if is_held && self.is_answered(spec, &found, reach) {
            self.say(spec, found.user, found.occurrence, found.base, End::Withdrawn);
            return;
        }
        if reach > self.now || is_held {
            let slot = found.slot as u32;
            let touch = Touch { slot, base: found.base, same: found.same, is_held };
            let Candidate { user, occurrence, .. } = found;
            self.waiting.add(Due { reach, task: self.task.no, user, occurrence }, touch);
            return;
        }
        let end = self.refusal(spec, &found, reach).unwrap_or(End::Released { reach: Timestamp(reach) });
        if matches!(end, End::Released { .. }) {
            self.note_out(&found);
        }
        self.say(spec, found.user, found.occurrence, found.base, end);
    }

    /// Is a touch due in a pause, to wait for the resume?
    fn is_held(&self, spec: &Version, reach: i64) -> bool {
        let is_over = self.task.is_over(spec, reach);
        reach <= self.now && self.task.paused_since.is_some() && spec.is_held_in_pause && !is_over
    }

    /// Why a touch that is due may not go.
    fn refusal(&self, spec: &Version, found: &Candidate, reach: i64) -> Option<End> {
        if self.task.is_over(spec, reach) {
            Some(End::Ended)
        } else if self.task.paused_since.is_some() {
            Some(End::Suppressed(Reason::Paused))
        } else if self.now.saturating_sub(reach) > spec.grace() {
            Some(End::Expired)
        } else if spec.rule.is_rechecked() && !self.task.admits_now(found.user) {
            Some(End::Suppressed(Reason::Audience))
        } else {
            None
        }
    }

    /// Remembers that a touch of an absence rule is out.
    fn note_out(&mut self, found: &Candidate) {
        let Some(place) = found.place else { return };
        self.task.versions[found.slot].outs.part(found.at.div_euclid(PART_MS)).set(place);
    }

    fn quiet_end(&mut self, spec: &Version, a: A, end: End) {
        if self.is_tracing {
            self.say_a(spec, a, end);
        } else {
            self.task.note(spec, a.at + spec.gap(), end);
        }
    }

    fn say_a(&mut self, spec: &Version, a: A, end: End) {
        let occurrence = Occurrence::A { at: Timestamp(a.at), id: a.id() };
        self.say(spec, a.fact.user, occurrence, a.at + spec.gap(), end);
    }

    /// Books an end and says it.
    pub fn say(&mut self, spec: &Version, user: UserNo, occurrence: Occurrence, base: i64, end: End) {
        self.task.note(spec, base, end);
        let (task, version) = (self.task.no, spec.version);
        self.out.push(Decision { task, user, occurrence, version, base: Timestamp(base), end });
    }
}

/// Is another event of the same kind and instant, later by its id, a B?
fn is_followed(spec: &Version, a: A, who: Who) -> bool {
    let Some(b) = spec.not_done else { return false };
    let is_b = |place: usize| {
        let other = A { fact: a.part.fact(place), place, ..a };
        other.fact.mask & b.mask() != 0
            && other.id() > a.id()
            && (spec.same.is_none() || other.same(spec.same.map(|(_, b)| b)) == who.same)
    };
    a.part.tied(a.fact.offset, a.fact.user).any(is_b)
}
