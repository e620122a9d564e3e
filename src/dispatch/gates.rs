//! May this user have it? The gates in the order of semantics 6.2; the first that fails names the
//! reason.
//!
//! [`Gates`] hold what does not depend on other touches. Quotas and caps, which do, are asked after them:
//! of many users at once by [`super::sieve`], of fires one by one by [`super::purse`].

use roaring::RoaringBitmap;

use crate::base::{Salt, Share, Timestamp, UserNo, Zone};
use crate::task::{Beyond, Quiet, Task, next_allowed};

use super::outside::Directory;
use super::state::{Reason, TouchState};
use super::touches::Verdict;

/// Who is named somewhere, at one instant.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lists {
    /// Unsubscribed or on a blacklist.
    pub blocked: RoaringBitmap,
    /// With a whitelist, those on it.
    pub only: Option<RoaringBitmap>,
    /// Suppressed until a later instant.
    pub suspended: RoaringBitmap,
    /// Where the audience is asked again, those in it.
    pub audience: Option<RoaringBitmap>,
}

/// What quiet hours say of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Calm {
    /// None of them holds.
    #[default]
    Open,
    /// What falls due waits until then.
    Until(Timestamp),
    Dropped,
}

/// The gates of one run.
pub struct Gates<'a> {
    is_paused: bool,
    lists: &'a Lists,
    holdout: Option<(Share, Salt)>,
    calm: Calm,
    directory: &'a dyn Directory,
}

/// Users who have the same word of the gates.
pub type Portion = (TouchState, Option<Reason>, RoaringBitmap);

impl Calm {
    /// Of several quiet hours at one instant one that drops is the stricter.
    pub fn of(quiet: &[Quiet], now: Timestamp, zone: &Zone) -> Calm {
        let mut holding = quiet.iter().filter(|quiet| quiet.holds(now, zone)).peekable();
        if holding.peek().is_none() {
            return Calm::Open;
        }
        match next_allowed(quiet, now, zone).filter(|_| holding.all(|quiet| quiet.then == Beyond::Hold)) {
            Some(until) => Calm::Until(until),
            None => Calm::Dropped,
        }
    }

    fn word(self) -> Option<(TouchState, Reason)> {
        match self {
            Calm::Open => None,
            Calm::Until(_) => Some((TouchState::Held, Reason::QuietHours)),
            Calm::Dropped => Some((TouchState::Suppressed, Reason::QuietHours)),
        }
    }
}

impl<'a> Gates<'a> {
    /// The gates of a task's run.
    pub fn of(task: &Task, is_paused: bool, lists: &'a Lists, directory: &'a dyn Directory) -> Gates<'a> {
        let holdout = task.file.limits.holdout.map(|share| (share, Salt::of(&holdout_salt(&task.id))));
        Gates { is_paused, lists, holdout, calm: Calm::Open, directory }
    }

    /// The same at an instant of which quiet hours have a word.
    pub fn at(self, calm: Calm) -> Gates<'a> {
        Gates { calm, ..self }
    }

    /// What becomes of one user's touch.
    pub fn ask(&self, user: UserNo) -> Verdict {
        let suppressed = |reason| (user, TouchState::Suppressed, Some(reason));
        let Lists { blocked, only, suspended, audience } = self.lists;
        if self.is_paused {
            return suppressed(Reason::Paused);
        }
        if blocked.contains(user) {
            return suppressed(Reason::Blacklist);
        }
        if only.as_ref().is_some_and(|only| !only.contains(user)) {
            return suppressed(Reason::Whitelist);
        }
        if suspended.contains(user) {
            return suppressed(Reason::Suspended);
        }
        match self.directory.user_id(user) {
            None => suppressed(Reason::Audience),
            Some(id) if self.is_held_out(id) => (user, TouchState::Withheld, Some(Reason::Holdout)),
            Some(_) if audience.as_ref().is_some_and(|users| !users.contains(user)) => {
                suppressed(Reason::Audience)
            }
            Some(_) => match self.calm.word() {
                Some((state, reason)) => (user, state, Some(reason)),
                None => (user, TouchState::Due, None),
            },
        }
    }

    /// The same of many users at once: who is stopped, gate by gate, and who is left.
    pub fn sift(&self, users: RoaringBitmap) -> (Vec<Portion>, RoaringBitmap) {
        let mut left = users;
        let mut found = Vec::new();
        let mut stop = |state, reason, stopped: RoaringBitmap, left: &mut RoaringBitmap| {
            *left -= &stopped;
            found.push((state, Some(reason), stopped));
        };
        let suppressed = TouchState::Suppressed;
        let Lists { blocked, only, suspended, audience } = self.lists;
        if self.is_paused {
            return (vec![(suppressed, Some(Reason::Paused), left)], RoaringBitmap::new());
        }
        stop(suppressed, Reason::Blacklist, &left & blocked, &mut left);
        if let Some(only) = only {
            stop(suppressed, Reason::Whitelist, &left - only, &mut left);
        }
        stop(suppressed, Reason::Suspended, &left & suspended, &mut left);
        stop(suppressed, Reason::Audience, &left - self.directory.known(&left), &mut left);
        stop(TouchState::Withheld, Reason::Holdout, self.held_out(&left), &mut left);
        if let Some(audience) = audience {
            stop(suppressed, Reason::Audience, &left - audience, &mut left);
        }
        if let Some((state, reason)) = self.calm.word() {
            stop(state, reason, left.clone(), &mut left);
        }
        found.retain(|(.., users)| !users.is_empty());
        (found, left)
    }

    fn held_out(&self, users: &RoaringBitmap) -> RoaringBitmap {
        if self.holdout.is_none() {
            return RoaringBitmap::new();
        }
        let is_out = |user: &UserNo| self.directory.user_id(*user).is_some_and(|id| self.is_held_out(id));
        RoaringBitmap::from_sorted_iter(users.iter().filter(is_out)).unwrap_or_default()
    }

    fn is_held_out(&self, user_id: &str) -> bool {
        self.holdout.as_ref().is_some_and(|(share, salt)| salt.place(user_id) < share.0)
    }
}

/// The salt of a task's holdout: each task withholds other users, and always the same ones.
pub fn holdout_salt(task: &str) -> String {
    format!("holdout {task}")
}
