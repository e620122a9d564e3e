//! Random histories of joins, leaves, days and runs: whose users are agrees with a twin that keeps a plain list
//! and deals one by one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rusqlite::Connection;

use crate::base::{Day, Timestamp, UserNo};
use crate::dispatch::Ledger;
use crate::dispatch::staff::Team;
use crate::dispatch::staff::book::{Occasion, Why, deal_out, hand_on, shares, staff_of, users_of};
use crate::dispatch::staff::deal::in_order;
use crate::task::{Allowance, Member, StaffLimits, WhenFull};

#[derive(Debug, Clone)]
enum Act {
    Joins(u8),
    Leaves(u8),
    /// The member leaves, and their users are handed on at once.
    HandsOn(u8),
    NextDay,
    Run {
        from: u32,
        count: u32,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        1 => (0u8..6).prop_map(Act::Joins),
        1 => (0u8..6).prop_map(Act::Leaves),
        1 => (0u8..6).prop_map(Act::HandsOn),
        1 => Just(Act::NextDay),
        // Users around the end of a page.
        4 => (4_060u32..4_120, 0u32..50).prop_map(|(from, count)| Act::Run { from, count }),
    ];
    proptest::collection::vec(act, 1..14)
}

fn team(members: &BTreeSet<String>, limits: &StaffLimits, day: i32) -> Team {
    let member = |id: &String| Member {
        id: id.clone(),
        name: id.clone(),
        department: None,
        joined: Day(0),
        friends: 0,
        friends_on: Day(0),
        is_active: true,
    };
    Team {
        task: "t1".into(),
        members: members.iter().map(member).collect(),
        allowance: Allowance::default(),
        limits: limits.clone(),
        today: Day(day),
        since: Timestamp(0),
    }
}

/// The same as the ledger does, on a plain list.
#[derive(Default)]
struct Twin {
    owner: BTreeMap<UserNo, String>,
    turn: Option<String>,
    today: BTreeMap<String, u64>,
}

impl Twin {
    /// The first of `open` from the one whose turn it is, then it is the next one's turn.
    fn next(&mut self, members: &BTreeSet<String>, open: &[String]) -> Option<String> {
        let turn = self.turn.clone().unwrap_or_default();
        let around = members.range(turn.clone()..).chain(members.range(..turn));
        let found = around.into_iter().find(|id| open.contains(id))?.clone();
        let after = members.range(found.clone()..).nth(1).or_else(|| members.first());
        self.turn = after.cloned();
        Some(found)
    }

    fn fewest(
        &self,
        members: &BTreeSet<String>,
        users: &[UserNo],
        may: impl Fn(&String) -> bool,
    ) -> Vec<String> {
        let count = |id: &String| users.iter().filter(|user| self.owner.get(user) == Some(id)).count();
        let open: Vec<&String> = members.iter().filter(|id| may(id)).collect();
        let least = open.iter().map(|id| count(id)).min();
        open.into_iter().filter(|id| Some(count(id)) == least).cloned().collect()
    }

    fn run(
        &mut self,
        members: &BTreeSet<String>,
        users: &[UserNo],
        limits: &StaffLimits,
    ) -> BTreeSet<UserNo> {
        for user in users {
            if self.owner.get(user).is_some_and(|owner| !members.contains(owner)) {
                self.owner.remove(user);
            }
        }
        let before = self.owner.clone();
        let own = |id: &String| users.iter().filter(|user| before.get(user) == Some(id)).count() as u64;
        let room = |today: &BTreeMap<String, u64>, id: &String| {
            limits.per_day.map(|max| max.saturating_sub(today.get(id).copied().unwrap_or(0)))
        };
        let today = self.today.clone();
        for user in users {
            if self.owner.contains_key(user) {
                continue;
            }
            let count = |twin: &Twin, id: &String| {
                users.iter().filter(|u| twin.owner.get(u) == Some(id)).count() as u64
            };
            let may = |id: &String| match (limits.when_full, room(&today, id)) {
                (WhenFull::Next, Some(room)) => count(self, id) < room.max(own(id)),
                _ => true,
            };
            let open = self.fewest(members, users, may);
            if let Some(next) = self.next(members, &open) {
                self.owner.insert(*user, next);
            }
        }
        let mut full = BTreeSet::new();
        for user in users {
            let Some(owner) = self.owner.get(user).filter(|owner| room(&self.today, owner) != Some(0)) else {
                full.insert(*user);
                continue;
            };
            *self.today.entry(owner.clone()).or_insert(0) += 1;
        }
        full
    }

    fn hand_on(&mut self, members: &BTreeSet<String>, users: &[UserNo]) {
        let moving: Vec<UserNo> = users
            .iter()
            .copied()
            .filter(|user| !self.owner.get(user).is_some_and(|o| members.contains(o)))
            .collect();
        if members.is_empty() {
            return;
        }
        moving.iter().for_each(|user| drop(self.owner.remove(user)));
        for user in moving {
            let open = self.fewest(members, users, |_| true);
            if let Some(next) = self.next(members, &open) {
                self.owner.insert(user, next);
            }
        }
    }
}

fn lived(acts: &[Act], limits: &StaffLimits) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    drop(Ledger::open(&folder.path().join("ledger.db")).unwrap());
    let mut db = Connection::open(folder.path().join("ledger.db")).unwrap();
    db.execute_batch("pragma synchronous = off").unwrap();
    let mut members: BTreeSet<String> = ["s0", "s1"].map(String::from).into();
    let (mut twin, mut day) = (Twin::default(), 20);
    let order = |users: &mut dyn Iterator<Item = UserNo>| {
        let ids: Vec<(UserNo, String)> = users.map(|user| (user, format!("u{user}"))).collect();
        in_order("t1", ids.iter().map(|(user, id)| (*user, id.as_str())))
    };
    for act in acts {
        let tx = db.transaction().unwrap();
        match act {
            Act::Joins(n) => drop(members.insert(format!("s{n}"))),
            Act::Leaves(n) => drop(members.remove(&format!("s{n}"))),
            Act::HandsOn(n) => {
                members.remove(&format!("s{n}"));
                let users = order(&mut users_of(&tx, "t1").unwrap().iter());
                let before = twin.owner.clone();
                hand_on(&tx, &team(&members, limits, day), &users, Timestamp(1)).unwrap();
                twin.hand_on(&members, &users);
                let stayed = before.iter().filter(|(_, owner)| members.contains(*owner));
                prop_assert!(stayed.clone().all(|(user, owner)| twin.owner.get(user) == Some(owner)));
            }
            Act::NextDay => {
                day += 1;
                twin.today.clear();
            }
            Act::Run { from, count } => {
                let users = order(&mut (*from..from + count));
                let occasion = Occasion { run: None, at: Timestamp(0), why: Why::Run };
                let full = deal_out(&tx, &team(&members, limits, day), &users, occasion).unwrap();
                let expected = twin.run(&members, &users, limits);
                prop_assert_eq!(full.iter().collect::<BTreeSet<_>>(), expected);
                let owned = staff_of(&tx, "t1", users.iter().copied()).unwrap();
                // Nobody forgets whose a user was; who is not in the team any more counts as nobody.
                let owned: BTreeMap<UserNo, String> =
                    owned.into_iter().filter(|(_, staff)| members.contains(staff)).collect();
                let known = users.iter().filter_map(|user| Some((*user, twin.owner.get(user)?.clone())));
                prop_assert_eq!(owned, known.collect::<BTreeMap<_, _>>());
            }
        }
        tx.commit().unwrap();
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    twin.owner
        .values()
        .filter(|owner| members.contains(*owner))
        .for_each(|o| *counts.entry(o.clone()).or_insert(0) += 1);
    let found = shares(&db, "t1").unwrap();
    prop_assert!(counts.iter().all(|(id, count)| found.get(id) == Some(count)), "{found:?} {counts:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    // proves: S2.53
    #[test]
    fn whose_users_are_agrees_with_a_plain_list(
        acts in acts(),
        per_day in proptest::option::of(0u64..30),
        when_full in prop_oneof![Just(WhenFull::Wait), Just(WhenFull::Suppress), Just(WhenFull::Next)],
    ) {
        lived(&acts, &StaffLimits { quota: None, per_day, when_full })?;
    }
}

#[test]
fn a_task_has_numbers_for_65_535_members_and_says_when_they_are_used_up() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.db")).unwrap();
    let tx = ledger.begin().unwrap();
    tx.execute("insert into staff_codes (task, code, staff) values ('t1', 65535, 'last')", []).unwrap();
    let members: BTreeSet<String> = ["one more".to_string()].into();
    let occasion = Occasion { run: None, at: Timestamp(0), why: Why::Run };
    let problem = deal_out(&tx, &team(&members, &StaffLimits::default(), 0), &[1], occasion).unwrap_err();
    assert_eq!(problem.code, "DSP-060");
    let known: BTreeSet<String> = ["last".to_string()].into();
    assert!(deal_out(&tx, &team(&known, &StaffLimits::default(), 0), &[1], occasion).is_ok());
}
