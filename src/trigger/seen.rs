//! Was this fact delivered before? For completed A's, which are decided on arrival.
//!
//! Facts more than two hours late count for no completed A (semantics 5.13), so nothing older is kept.

use std::collections::BTreeMap;

use hashbrown::HashSet;

use crate::base::UserNo;

use super::fact::{EventNo, LATE_MAX_MS};
use super::past::PART_MS;
use super::{IdCode, Texts};

/// The facts of one minute.
#[derive(Debug, Clone, Default)]
pub(super) struct Minute {
    pub facts: HashSet<(u32, UserNo, IdCode, EventNo)>,
    pub texts: Texts,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub minutes: BTreeMap<i64, Minute>,
}

impl Seen {
    /// Notes a fact; false if it was noted before. Its id is a code in `texts`.
    pub fn add(&mut self, event: EventNo, user: UserNo, at: i64, id: IdCode, texts: &Texts) -> bool {
        let minute = self.minutes.entry(at.div_euclid(PART_MS)).or_default();
        let id = id.moved(texts, &mut minute.texts);
        minute.facts.insert((at.rem_euclid(PART_MS) as u32, user, id, event))
    }

    /// Forgets what is too old to count.
    pub fn forget(&mut self, now: i64) {
        let oldest = now.saturating_sub(LATE_MAX_MS).div_euclid(PART_MS);
        while let Some(entry) = self.minutes.first_entry().filter(|entry| *entry.key() < oldest) {
            entry.remove();
        }
    }
}
