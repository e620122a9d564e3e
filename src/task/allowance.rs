//! How much may one account do? Dated limits of `limits/staff.toml`, as one rule for a member.
//!
//! A family such as `staff.add` has limits by these ids: `staff.add.day.NAME` (touches on one local day, for
//! accounts that are `from_days` old), `staff.add.friends` (friends of one account), `staff.add.refused_of` and
//! `staff.add.refused_percent` (of the last so many settled touches at most so many percent refused).

use crate::base::Day;

use super::policy::{Limit, Policies};
use super::register::Member;

/// What the limits of one family say of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowance {
    /// The family, such as `staff.add`; empty for none.
    pub family: String,
    /// Touches a day, from an age in days on; ascending.
    steps: Vec<(u64, u64)>,
    friends_max: Option<u64>,
    pub breaker: Option<Breaker>,
}

/// When an account is stopped for the rest of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// So many settled touches are looked at, the last ones.
    pub of: usize,
    /// More of them refused than this, in percent, stops the account.
    pub refused_percent: u64,
}

/// What a member did so far, as the ledger counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Dealt on this local day, of the whole family.
    pub today: u64,
    /// Dealt on this local day by this task.
    pub today_by_task: u64,
    /// Dealt since the friends were counted, less those refused.
    pub since_counted: u64,
    /// Stopped by the breaker for today?
    pub is_stopped: bool,
}

impl Allowance {
    /// The limits of a family; of `""` there are none.
    pub fn of(policies: &Policies, family: &str) -> Allowance {
        if family.is_empty() {
            return Allowance::default();
        }
        let max = |name: &str| policies.get(&format!("{family}.{name}")).and_then(|limit| limit.max);
        let of = max("refused_of").and_then(|of| usize::try_from(of).ok()).filter(|of| *of > 0);
        Allowance {
            family: family.to_string(),
            steps: steps(policies, family),
            friends_max: max("friends"),
            breaker: of
                .zip(max("refused_percent"))
                .map(|(of, refused_percent)| Breaker { of, refused_percent }),
        }
    }

    /// Does the family limit anything?
    pub fn is_known(&self) -> bool {
        !self.steps.is_empty() || self.friends_max.is_some() || self.breaker.is_some()
    }

    /// Touches of an account on a local day; `None` for no limit.
    pub fn per_day(&self, member: &Member, today: Day) -> Option<u64> {
        let age = u64::try_from(today.0 - member.joined.0).unwrap_or(0);
        self.steps.iter().rev().find(|(from, _)| *from <= age).map(|(_, max)| *max)
    }

    /// How many more touches a member may have on this day; `None` for no limit. `per_day` is the task's own
    /// limit for each member.
    pub fn room(&self, member: &Member, per_day: Option<u64>, done: Done, today: Day) -> Option<u64> {
        let of_day = self.per_day(member, today).map(|max| max.saturating_sub(done.today));
        let of_task = per_day.map(|max| max.saturating_sub(done.today_by_task));
        let taken = member.friends.saturating_add(done.since_counted);
        let of_friends = self.friends_max.map(|max| max.saturating_sub(taken));
        let stopped = done.is_stopped.then_some(0);
        [of_day, of_task, of_friends, stopped].into_iter().flatten().min()
    }
}

impl Breaker {
    /// Is this the end of the day for an account? `settled` are its last settled touches, true for refused.
    pub fn trips(&self, settled: &[bool]) -> bool {
        let last = &settled[settled.len().saturating_sub(self.of)..];
        let refused = last.iter().filter(|is_refused| **is_refused).count() as u64;
        last.len() == self.of && refused * 100 > self.refused_percent * self.of as u64
    }
}

fn steps(policies: &Policies, family: &str) -> Vec<(u64, u64)> {
    let start = format!("{family}.day.");
    let step = |limit: &Limit| Some((u64::from(limit.from_days.unwrap_or(0)), limit.max?));
    let mut steps: Vec<(u64, u64)> = policies.below(&start).filter_map(step).collect();
    steps.sort_unstable();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(joined: i32, friends: u64) -> Member {
        let name = "张三".to_string();
        let (joined, friends_on) = (Day(joined), Day(0));
        Member { id: "s1".into(), name, department: None, joined, friends, friends_on, is_active: true }
    }

    fn allowance() -> Allowance {
        Allowance::of(&Policies::shipped().unwrap(), "staff.add")
    }

    // proves: S4.24, S4.30, S4.31, S4.34
    #[test]
    fn an_account_may_do_more_the_older_it_is() {
        let found: Vec<_> = [0, 6, 7, 29, 30, 4_000]
            .map(|age| allowance().room(&member(0, 0), None, Done::default(), Day(age)))
            .into_iter()
            .collect();
        assert_eq!(found, [Some(0), Some(0), Some(60), Some(60), Some(300), Some(300)]);
        let room = |friends, done| allowance().room(&member(0, friends), Some(50), done, Day(365));
        assert_eq!(room(0, Done::default()), Some(50), "the task's own limit");
        assert_eq!(room(19_990, Done::default()), Some(10), "friends");
        assert_eq!(room(19_990, Done { since_counted: 7, ..Done::default() }), Some(3));
        assert_eq!(room(0, Done { today: 280, today_by_task: 2, ..Done::default() }), Some(20));
        assert_eq!(room(0, Done { is_stopped: true, ..Done::default() }), Some(0));
        assert_eq!(Allowance::default().room(&member(0, 1 << 40), None, Done::default(), Day(0)), None);
    }

    // proves: S4.33
    #[test]
    fn too_many_refusals_of_the_last_stop_an_account() {
        let breaker = Breaker { of: 10, refused_percent: 70 };
        let settled = |refused: usize, of: usize| (0..of).map(|n| n < refused).collect::<Vec<_>>();
        assert!(!breaker.trips(&settled(9, 9)), "too few to tell");
        assert!(!breaker.trips(&settled(7, 10)) && breaker.trips(&settled(8, 10)));
        assert!(!breaker.trips(&settled(10, 15)), "only the last ten count");
        let shipped = allowance().breaker.unwrap();
        assert!(shipped.of >= 10 && shipped.refused_percent < 100);
    }
}
