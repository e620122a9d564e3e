//! What becomes of all users of a run? Every gate in order, a slice of users at a time, on bitmaps.
//!
//! The users of a run have one touch each, so what its own touches use up of caps concerns none of the
//! others: who is full is found once. A quota goes to users in the order of their numbers.

use roaring::RoaringBitmap;

use crate::base::{Outcome, Timestamp, UserNo};
use crate::task::{Quota, Task};

use super::caps::{Full, Way};
use super::engine::Engine;
use super::gates::{Calm, Gates, Lists, Portion};
use super::purse::state_beyond;
use super::staff::{Room, room_at};
use super::state::{Reason, TouchState};
use super::touches::Verdict;

/// The gates of a run at one instant.
pub struct Sieve<'a> {
    gates: Gates<'a>,
    quota: Option<(Quota, u64)>,
    /// For whom of all users their member of the staff has no room.
    pub room: Option<Room>,
    full: Full,
    pub holds: Holds,
    pub way: Way,
}

/// Until when held touches wait, by the gate that holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holds {
    quiet: Option<Timestamp>,
    quota: Option<Timestamp>,
}

impl Holds {
    /// Until when a touch waits that is held for this reason.
    pub fn until(&self, reason: Option<Reason>) -> Option<Timestamp> {
        match reason {
            Some(Reason::QuietHours) => self.quiet,
            Some(Reason::Quota) => self.quota,
            _ => None,
        }
    }
}

impl Engine<'_> {
    /// What quiet hours, the company's and the task's, say of an instant.
    pub(super) fn calm(&self, task: &Task, now: Timestamp) -> Calm {
        let quiet = self.policy.limits.quiet.into_iter().chain(task.file.limits.quiet);
        Calm::of(&quiet.collect::<Vec<_>>(), now, &task.zone)
    }

    /// The quota of the task's sender.
    pub(super) fn quota(&self, task: &Task) -> Option<Quota> {
        self.policy.quotas.get(&task.file.dispatch.sender).copied()
    }

    /// What is left of it in the window of `now`. Errors: OUT-030.
    pub(super) fn quota_left(&self, task: &Task, now: Timestamp) -> Outcome<Option<u64>> {
        let Some(quota) = self.quota(task) else { return Ok(None) };
        let sent = self.ledger.sent_since(&task.file.dispatch.sender, quota.per.since(now, &self.zone))?;
        Ok(Some(quota.limit.saturating_sub(sent)))
    }

    /// Until when touches of the task wait that are held at `now`.
    pub(super) fn holds(&self, task: &Task, now: Timestamp) -> Holds {
        let quiet = match self.calm(task, now) {
            Calm::Until(until) => Some(until),
            _ => None,
        };
        let of_sender = self.quota(task).map(|quota| quota.per.next(now, &self.zone));
        let quota = [of_sender, room_at(task, now)].into_iter().flatten().min();
        Holds { quiet, quota }
    }

    /// The gates of a run; nobody else may write to the ledger while they are used. Errors: OUT-030.
    pub fn sieve<'l>(
        &'l self,
        task: &Task,
        lists: &'l Lists,
        is_paused: bool,
        now: Timestamp,
    ) -> Outcome<Sieve<'l>> {
        let way = Way::of(task, None);
        let caps = way.caps(&self.policy.limits, &task.file.limits);
        let full = self.ledger.full(&way, &caps, now, &task.zone)?;
        let gates = Gates::of(task, is_paused, lists, self.directory).at(self.calm(task, now));
        let quota = self.quota(task).zip(self.quota_left(task, now)?);
        Ok(Sieve { gates, quota, room: None, full, holds: self.holds(task, now), way })
    }
}

impl Sieve<'_> {
    /// What becomes of these users, in the order of their numbers. Slices are given in that order too.
    pub fn sift(&mut self, users: RoaringBitmap) -> Vec<Verdict> {
        let all = users.clone();
        let (mut portions, left) = self.gates.sift(users);
        portions.extend(self.let_out(left));
        in_order(&all, portions)
    }

    /// Those of these users whom the gates before quotas let pass.
    pub fn passing(&self, users: &RoaringBitmap) -> RoaringBitmap {
        self.gates.sift(users.clone()).1
    }

    /// Quotas of the staff and of the sender, then caps.
    fn let_out(&mut self, mut left: RoaringBitmap) -> Vec<Portion> {
        let mut found = Vec::new();
        if let Some((full, (state, reason))) = &self.room {
            let beyond = &left & full;
            left -= &beyond;
            found.push((*state, *reason, beyond));
        }
        if let Some((quota, count)) = &mut self.quota {
            let beyond = beyond(&left, &self.full.among(&left), *count);
            left -= &beyond;
            *count -= (&left - self.full.among(&left)).len();
            found.push((state_beyond(quota.then), Some(Reason::Quota), beyond));
        }
        let full = self.full.among(&left);
        left -= &full;
        found.push((TouchState::Suppressed, Some(Reason::Cap), full));
        found.push((TouchState::Due, None, left));
        found
    }
}

/// Those after the last whom a quota of `count` lets out; who is `full` uses none of it.
fn beyond(users: &RoaringBitmap, full: &RoaringBitmap, count: u64) -> RoaringBitmap {
    let Some(count) = count.checked_sub(1) else { return users.clone() };
    let last = u32::try_from(count).ok().and_then(|place| (users - full).select(place));
    let mut beyond = users.clone();
    beyond.remove_range(..=last.unwrap_or(UserNo::MAX));
    beyond
}

/// The verdicts on `all`, whom the portions divide among them: that of the largest for everyone, then the
/// others over it.
fn in_order(all: &RoaringBitmap, mut portions: Vec<Portion>) -> Vec<Verdict> {
    portions.sort_by_key(|(.., users)| std::cmp::Reverse(users.len()));
    let mut portions = portions.into_iter();
    let Some((state, reason, _)) = portions.next() else { return Vec::new() };
    let mut verdicts: Vec<Verdict> = all.iter().map(|user| (user, state, reason)).collect();
    for (state, reason, users) in portions {
        let mut places = verdicts.iter_mut();
        for user in users {
            if let Some(verdict) = places.find(|(known, ..)| *known == user) {
                *verdict = (user, state, reason);
            }
        }
    }
    verdicts
}
