//! Who has had as much as the caps allow? A cap of n is n bitmaps: those with at least 1, 2 … n touches.

use roaring::RoaringBitmap;

use crate::base::{Outcome, Timestamp, UserNo, Zone};
use crate::task::{Cap, Counted, Key, Limits, Scope, Task};

use super::ledger::Ledger;

/// What caps tell touches apart by: whose they are, and which way they go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Way {
    pub task: String,
    /// The task's group.
    pub label: Option<String>,
    pub channel: String,
    pub sender: String,
    /// The member of staff who carries it out, where one does.
    pub staff: Option<String>,
}

/// Those who cannot have one more.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Full {
    /// A cap forbids everyone.
    pub is_everyone: bool,
    pub users: RoaringBitmap,
}

impl Way {
    /// The way of a task's touches; `staff` carries them out.
    pub fn of(task: &Task, staff: Option<&str>) -> Way {
        let dispatch = &task.file.dispatch;
        Way {
            task: task.id.clone(),
            label: task.file.group.clone(),
            channel: dispatch.channel.clone(),
            sender: dispatch.sender.clone(),
            staff: staff.map(str::to_string),
        }
    }

    /// The caps that hold for touches of this way: the company's, then the task's.
    pub fn caps<'c>(&self, company: &'c Limits, own: &'c Limits) -> Vec<&'c Cap> {
        let all = company.caps.iter().chain(&own.caps);
        all.filter(|cap| cap.concerns(&self.channel, self.label.as_deref())).collect()
    }

    /// Does a touch that went the way `other` count for a cap on touches of this way?
    pub fn counts(&self, cap: &Cap, other: &Way) -> bool {
        let in_scope = match &cap.scope {
            Scope::All => true,
            Scope::Channel(name) => *name == other.channel,
            Scope::Label(name) => Some(name) == other.label.as_ref(),
            Scope::Task => self.task == other.task,
        };
        in_scope && (cap.key == Key::User || self.staff == other.staff)
    }
}

/// Does the cap count touches that were refused?
pub fn counts_refused(cap: &Cap) -> bool {
    cap.counts == Counted::Attempted
}

/// Users who are in at least `limit` of the sets. More than so many sets are never kept.
pub fn at_least(limit: u32, sets: impl Iterator<Item = RoaringBitmap>) -> RoaringBitmap {
    let mut levels: Vec<RoaringBitmap> = Vec::new();
    for set in sets {
        let mut rising = set;
        for level in &mut levels {
            let again = &*level & &rising;
            *level |= &rising;
            rising = again;
            if rising.is_empty() {
                break;
            }
        }
        if !rising.is_empty() && levels.len() < limit as usize {
            levels.push(rising);
        }
    }
    match levels.len() == limit as usize {
        true => levels.pop().unwrap_or_default(),
        false => RoaringBitmap::new(),
    }
}

impl Ledger {
    /// Everyone for whom one of the caps is used up at `now`. Errors: OUT-030.
    pub fn full(&self, way: &Way, caps: &[&Cap], now: Timestamp, zone: &Zone) -> Outcome<Full> {
        let mut full = Full::default();
        for cap in caps {
            match cap.limit {
                0 => full.is_everyone = true,
                limit => {
                    let sets = self.let_out_since(way, cap, cap.per.since(now, zone), now)?;
                    full.users |= at_least(limit, sets.into_iter());
                }
            }
        }
        Ok(full)
    }
}

impl Full {
    /// Is the user one of them?
    pub fn contains(&self, user: UserNo) -> bool {
        self.is_everyone || self.users.contains(user)
    }

    /// Those of `users` who are.
    pub fn among(&self, users: &RoaringBitmap) -> RoaringBitmap {
        if self.is_everyone { users.clone() } else { users & &self.users }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn levels_count(
            sets in prop::collection::vec(prop::collection::btree_set(0u32..40, 0..20), 0..8),
            limit in 1u32..6,
        ) {
            let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
            sets.iter().flatten().for_each(|user| *counts.entry(*user).or_insert(0) += 1);
            let wanted: RoaringBitmap = counts.iter().filter(|(_, n)| **n >= limit).map(|(user, _)| *user).collect();
            let found = at_least(limit, sets.iter().map(|set| set.iter().copied().collect()));
            prop_assert_eq!(found, wanted);
        }
    }
}
