//! When did each user's newest window begin, of those that reached their deadline?
//!
//! Old ones are forgotten together, when there are many: what is older than the rule asks for counts as gone from
//! the moment on.

use hashbrown::HashMap;

use crate::base::UserNo;

/// Fewer are not worth a search for old ones.
const KEPT_MIN: usize = 1_024;

/// The time of the A that opened it, by user.
#[derive(Debug, Clone)]
pub(super) struct Newest {
    all: HashMap<UserNo, i64>,
    /// Earlier ones count as forgotten.
    from: i64,
    /// How many there may be before the old ones are searched for.
    room: usize,
}

impl Default for Newest {
    fn default() -> Newest {
        Newest::of(HashMap::new(), i64::MIN)
    }
}

impl Newest {
    pub fn of(all: HashMap<UserNo, i64>, from: i64) -> Newest {
        let room = KEPT_MIN.max(2 * all.len());
        Newest { all, from, room }
    }

    #[inline]
    pub fn get(&self, user: UserNo) -> Option<i64> {
        self.all.get(&user).copied().filter(|at| *at >= self.from)
    }

    pub fn note(&mut self, user: UserNo, at: i64) {
        let newest = self.all.entry(user).or_insert(at);
        *newest = at.max(*newest);
    }

    /// Forgets what is before `from`.
    pub fn forget(&mut self, from: i64) {
        self.from = from.max(self.from);
        if self.all.len() > self.room {
            self.all.retain(|_, at| *at >= self.from);
            self.room = KEPT_MIN.max(2 * self.all.len());
        }
    }

    /// Those that are not forgotten, and the time before which they are.
    pub fn kept(&self) -> (HashMap<UserNo, i64>, i64) {
        let kept = self.all.iter().filter(|(_, at)| **at >= self.from);
        (kept.map(|(user, at)| (*user, *at)).collect(), self.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_ones_are_gone_at_once_and_their_room_later() {
        let mut newest = Newest::default();
        (0..2_000).for_each(|user| newest.note(user, user as i64));
        newest.note(5, 3);
        assert_eq!((newest.get(5), newest.get(2_000)), (Some(5), None));
        newest.forget(1_990);
        assert_eq!((newest.get(1_989), newest.get(1_990), newest.all.len()), (None, Some(1_990), 10));
        newest.forget(1_995);
        assert_eq!((newest.get(1_994), newest.kept().0.len(), newest.all.len()), (None, 5, 10));
    }
}
