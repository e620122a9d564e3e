//! May this fire still go out? Quotas and caps asked one touch after the other, those of the same commit
//! included.

use std::collections::{BTreeMap, HashMap};

use crate::base::{Outcome, Timestamp, UserNo};
use crate::task::{Beyond, Cap, Task};

use super::caps::Way;
use super::engine::Engine;
use super::spent::ways;
use super::state::{Reason, TouchState};

/// What one commit lets out.
#[derive(Default)]
pub struct Purse {
    /// All ways in the ledger, read once.
    ways: Option<HashMap<i64, Way>>,
    let_out: HashMap<UserNo, Vec<Way>>,
    /// What is left of senders' quotas.
    left: BTreeMap<String, u64>,
}

impl Purse {
    /// `None` when the touch may go out; it is then taken into account. Errors: OUT-030.
    pub fn take(
        &mut self,
        engine: &Engine,
        task: &Task,
        (user, staff): (UserNo, Option<&str>),
        now: Timestamp,
    ) -> Outcome<Option<(TouchState, Reason)>> {
        let way = Way::of(task, staff);
        if self.left_of(engine, task, now)? == Some(0) {
            return Ok(engine.quota(task).map(|quota| (state_beyond(quota.then), Reason::Quota)));
        }
        for cap in way.caps(&engine.policy.limits, &task.file.limits) {
            if self.used(engine, (&way, task), user, cap, now)? >= u64::from(cap.limit) {
                return Ok(Some((TouchState::Suppressed, Reason::Cap)));
            }
        }
        if let Some(left) = self.left.get_mut(&way.sender) {
            *left -= 1;
        }
        self.let_out.entry(user).or_default().push(way);
        Ok(None)
    }

    fn left_of(&mut self, engine: &Engine, task: &Task, now: Timestamp) -> Outcome<Option<u64>> {
        let sender = &task.file.dispatch.sender;
        if let Some(left) = self.left.get(sender) {
            return Ok(Some(*left));
        }
        let left = engine.quota_left(task, now)?;
        self.left.extend(left.map(|left| (sender.clone(), left)));
        Ok(left)
    }

    fn used(
        &mut self,
        engine: &Engine,
        (way, task): (&Way, &Task),
        user: UserNo,
        cap: &Cap,
        now: Timestamp,
    ) -> Outcome<u64> {
        let here =
            self.let_out.get(&user).into_iter().flatten().filter(|other| way.counts(cap, other)).count();
        let known = match self.ways.take() {
            Some(known) => known,
            None => ways(&engine.ledger.db)?,
        };
        let is_counted = |no: i64| known.get(&no).is_some_and(|other| way.counts(cap, other));
        let since = cap.per.since(now, &task.zone);
        let used = engine.ledger.let_out_to(user, cap, &is_counted, (since, now));
        self.ways = Some(known);
        Ok(used? + here as u64)
    }
}

/// What becomes of a touch beyond a quota.
pub(super) fn state_beyond(then: Beyond) -> TouchState {
    match then {
        Beyond::Hold => TouchState::Held,
        Beyond::Drop => TouchState::Suppressed,
    }
}
