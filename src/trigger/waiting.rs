//! Which touches have fired and wait for their reach instant, or for the end of a pause?

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::base::UserNo;

use super::decision::{Occurrence, TaskNo};

/// A touch, in the order in which touches fall due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Due {
    pub reach: i64,
    pub task: TaskNo,
    pub user: UserNo,
    pub occurrence: Occurrence,
}

/// What else is known of a touch that waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Touch {
    /// The place of its version in the task.
    pub slot: u32,
    pub base: i64,
    /// A's correlation value; 0: none.
    pub same: u128,
    /// It was due in a pause and waits for the resume.
    pub is_held: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    pub touches: BTreeMap<Due, Touch>,
    /// Those held by a pause.
    pub held: BTreeMap<Due, Touch>,
    /// In order, so that it does not matter how they came here.
    by_user: HashMap<UserNo, Vec<Due>>,
    /// How many wait, by task and the place of its version.
    counts: BTreeMap<(TaskNo, u32), usize>,
}

impl Waiting {
    pub fn add(&mut self, due: Due, touch: Touch) {
        let own = self.by_user.entry(due.user).or_default();
        if let Err(place) = own.binary_search(&due) {
            own.insert(place, due.clone());
        }
        let key = (due.task, touch.slot);
        let all = if touch.is_held { &mut self.held } else { &mut self.touches };
        if all.insert(due, touch).is_none() {
            *self.counts.entry(key).or_default() += 1;
        }
    }

    pub fn take(&mut self, due: &Due) -> Option<Touch> {
        let touch = self.touches.remove(due).or_else(|| self.held.remove(due))?;
        if let Some(count) = self.counts.get_mut(&(due.task, touch.slot)) {
            *count -= 1;
        }
        if let Some(all) = self.by_user.get_mut(&due.user) {
            if let Ok(place) = all.binary_search(due) {
                all.remove(place);
            }
            if all.is_empty() {
                self.by_user.remove(&due.user);
            }
        }
        Some(touch)
    }

    /// The next touch that is due at or before `now`.
    pub fn take_due(&mut self, now: i64) -> Option<(Due, Touch)> {
        let (due, _) = self.touches.first_key_value()?;
        if due.reach > now {
            return None;
        }
        let due = due.clone();
        Some((due.clone(), self.take(&due)?))
    }

    /// The touches of a task: those that are held, or all.
    pub fn of_task(&self, task: TaskNo, only_held: bool) -> Vec<Due> {
        let held = self.held.keys();
        let others = self.touches.keys().filter(|_| !only_held);
        let mut found: Vec<Due> = held.chain(others).filter(|due| due.task == task).cloned().collect();
        found.sort();
        found
    }

    /// Does a touch of this version wait?
    pub fn has_touch(&self, task: TaskNo, slot: usize) -> bool {
        self.counts.get(&(task, slot as u32)).is_some_and(|count| *count > 0)
    }

    /// How many touches of a task wait.
    pub fn count_of(&self, task: TaskNo) -> usize {
        self.counts.range((task, 0)..=(task, u32::MAX)).map(|(_, count)| count).sum()
    }

    /// The touches of a user, in the order in which they fall due.
    pub fn of_user(&self, user: UserNo) -> &[Due] {
        self.by_user.get(&user).map_or(&[], Vec::as_slice)
    }

    pub fn get(&self, due: &Due) -> Option<&Touch> {
        self.touches.get(due).or_else(|| self.held.get(due))
    }

    /// Does nobody wait?
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }
}
