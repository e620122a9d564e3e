//! May this user have it? The gates in the order of semantics 6.2; the first that fails names the
//! reason.

use roaring::RoaringBitmap;

use crate::base::{Share, UserNo, share_of};
use crate::task::Task;

use super::outside::Directory;
use super::state::{Reason, TouchState};
use super::touches::Verdict;

/// The gates of one run.
pub struct Gates<'a> {
    is_paused: bool,
    /// Unsubscribed or on a blacklist.
    blocked: &'a RoaringBitmap,
    holdout: Option<(Share, String)>,
    directory: &'a dyn Directory,
}

impl<'a> Gates<'a> {
    /// The gates of a task's run.
    pub fn of(
        task: &Task,
        is_paused: bool,
        blocked: &'a RoaringBitmap,
        directory: &'a dyn Directory,
    ) -> Gates<'a> {
        let holdout = task.file.limits.holdout.map(|share| (share, holdout_salt(&task.id)));
        Gates { is_paused, blocked, holdout, directory }
    }

    /// What becomes of one user's touch.
    pub fn ask(&self, user: UserNo) -> Verdict {
        let suppressed = |reason| (user, TouchState::Suppressed, Some(reason));
        if self.is_paused {
            return suppressed(Reason::Paused);
        }
        if self.blocked.contains(user) {
            return suppressed(Reason::Blacklist);
        }
        match self.directory.user_id(user) {
            None => suppressed(Reason::Audience),
            Some(id) if self.is_held_out(id) => (user, TouchState::Withheld, Some(Reason::Holdout)),
            Some(_) => (user, TouchState::Due, None),
        }
    }

    fn is_held_out(&self, user_id: &str) -> bool {
        self.holdout.as_ref().is_some_and(|(share, salt)| share_of(*share, salt, user_id))
    }
}

/// The salt of a task's holdout: each task withholds other users, and always the same ones.
pub fn holdout_salt(task: &str) -> String {
    format!("holdout {task}")
}
