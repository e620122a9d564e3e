//! Where does the engine ask for staff, and what can be asked about it?

use std::collections::{BTreeMap, BTreeSet, HashMap};

use roaring::RoaringBitmap;
use rusqlite::Transaction;

use crate::base::{Outcome, Timestamp, UserNo, Zone};
use crate::dispatch::engine::Engine;
use crate::dispatch::ledger::{Ledger, Run, Seat};
use crate::dispatch::outside::Directory;
use crate::dispatch::state::{Reason, TouchState};
use crate::task::{Allowance, Member, Policies, Task, disk_trouble};

use super::book::{self, Occasion, Why};
use super::deal::in_order;
use super::{Team, passes, todo};

/// What a member did and may do today in one family of limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub family: String,
    /// Touches that the age of the account allows today; `None` for no limit.
    pub per_day: Option<u64>,
    pub dealt_today: u64,
    /// How many more may follow today, by the family's limits.
    pub room: Option<u64>,
    /// Settled touches since midnight and the last resume, and how many of them were refused.
    pub settled: u64,
    pub refused: u64,
    /// Is the account stopped for the rest of the day?
    pub is_stopped: bool,
}

/// One word on whose a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserWord {
    pub at: Timestamp,
    pub staff: String,
    /// Whose the user was before.
    pub from: Option<String>,
    /// `run`, `waited` or `left`.
    pub why: String,
    /// The name of the run for which the user was dealt.
    pub run: Option<String>,
}

/// What a member who left handed on in one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOn {
    pub task: String,
    pub users: u64,
    pub todos: u64,
}

/// Users for whom there is no room today, and what becomes of their touches.
pub(in crate::dispatch) type Room = (RoaringBitmap, (TouchState, Option<Reason>));

impl Engine<'_> {
    /// Deals those users of a run that pass the gates before (`passing`), once; gives those for whom there is no room
    /// today, and what becomes of them. `None` when the task has no team. Errors: DSP-060, OUT-030.
    pub(in crate::dispatch) fn deal_run(
        &self,
        (task, run): (&Task, &Run),
        passing: impl FnOnce() -> RoaringBitmap,
        now: Timestamp,
    ) -> Outcome<Option<Room>> {
        let Some(team) = self.team(task, now)? else { return Ok(None) };
        if let Some(full) = book::full_of_run(&self.ledger.db, run.no)? {
            return Ok(Some((full, team.beyond())));
        }
        let users = ordered(self.directory, &task.id, passing().iter());
        self.faults.step("deal")?;
        let tx = self.ledger.begin()?;
        let full =
            book::deal_out(&tx, &team, &users, Occasion { run: Some(run.no), at: now, why: Why::Run })?;
        tx.commit().map_err(disk_trouble)?;
        Ok(Some((full, team.beyond())))
    }

    /// Deals touches once more that were held and pass the gates before; gives the seats for which there is still
    /// no room, and what becomes of them. Errors: DSP-060, OUT-030.
    pub(in crate::dispatch) fn deal_again(
        &self,
        task: &Task,
        run: &Run,
        passing: &[(Seat, UserNo)],
        now: Timestamp,
    ) -> Outcome<Option<Room>> {
        let Some(team) = self.team(task, now)? else { return Ok(None) };
        let of_user = seats_of(passing);
        let users = ordered(self.directory, &task.id, of_user.keys().copied());
        self.faults.step("deal again")?;
        let tx = self.ledger.begin()?;
        let occasion = Occasion { run: Some(run.no), at: now, why: Why::Waited };
        let full = deal_in_turns(&tx, &team, &users, &of_user, occasion)?;
        tx.commit().map_err(disk_trouble)?;
        Ok(Some((full, team.beyond())))
    }

    /// Those of the users of a run to come (`passing`) for whom there would be no room; nothing is kept.
    /// Errors: OUT-030.
    pub(in crate::dispatch) fn room_for(
        &self,
        task: &Task,
        passing: &RoaringBitmap,
        now: Timestamp,
    ) -> Outcome<Option<Room>> {
        let Some(team) = self.team(task, now)? else { return Ok(None) };
        let users = ordered(self.directory, &task.id, passing.iter());
        // The transaction is never committed.
        let tx = self.ledger.begin()?;
        let full = book::deal_out(&tx, &team, &users, Occasion { run: None, at: now, why: Why::Run })?;
        Ok(Some((full, team.beyond())))
    }

    /// Whose these users of a task are, where it has staff. Errors: OUT-030.
    pub(in crate::dispatch) fn staff_of(
        &self,
        task: &Task,
        users: &[UserNo],
    ) -> Outcome<HashMap<UserNo, String>> {
        let about = &task.file.about;
        if about.staff.is_empty() && about.departments.is_empty() {
            return Ok(HashMap::new());
        }
        book::staff_of(&self.ledger.db, &task.id, users.iter().copied())
    }

    /// A member has left: in every task that is not over, their users and open to-dos go to the others of the
    /// team, evenly. A task in which nobody is left keeps them as they are, until its staff is edited.
    /// Errors: OUT-030.
    pub fn hand_on(&self, staff: &str, now: Timestamp) -> Outcome<Vec<HandedOn>> {
        let mut handed = Vec::new();
        for task in self.tasks.alive()? {
            let is_theirs = book::shares(&self.ledger.db, &task.id)?.contains_key(staff);
            let team = if is_theirs { self.team(&task, now)? } else { None };
            let Some(team) = team.filter(|team| !team.members.is_empty()) else { continue };
            let dealt = book::users_of(&self.ledger.db, &task.id)?;
            let users = ordered(self.directory, &task.id, dealt.iter());
            let tx = self.ledger.begin()?;
            let users = book::hand_on(&tx, &team, &users, now)?;
            let todos = todo::follow(&tx, &task.id, staff)?;
            tx.commit().map_err(disk_trouble)?;
            if users + todos > 0 {
                handed.push(HandedOn { task: task.id, users, todos });
            }
        }
        Ok(handed)
    }
}

/// Deals the users of fires that a trigger released, in its commit: each word on a touch that is due becomes
/// what there is room for. `first` is the seat of the first of them. Errors: OUT-030.
pub(in crate::dispatch) fn deal_fires(
    tx: &Transaction,
    run: i64,
    team: &Team,
    due: &[(Seat, UserNo)],
    now: Timestamp,
) -> Outcome<RoaringBitmap> {
    let of_user = seats_of(due);
    let mut users: Vec<UserNo> = due.iter().map(|(_, user)| *user).collect();
    let mut seen = RoaringBitmap::new();
    users.retain(|user| seen.insert(*user));
    let full =
        deal_in_turns(tx, team, &users, &of_user, Occasion { run: Some(run), at: now, why: Why::Run })?;
    Ok(full)
}

fn seats_of(touches: &[(Seat, UserNo)]) -> HashMap<UserNo, Vec<Seat>> {
    let mut seats: HashMap<UserNo, Vec<Seat>> = HashMap::new();
    touches.iter().for_each(|(seat, user)| seats.entry(*user).or_default().push(*seat));
    seats
}

/// When a touch is dealt again for which its member has no room: at the next local midnight. `None` where the
/// task has no staff.
pub(in crate::dispatch) fn room_at(task: &Task, now: Timestamp) -> Option<Timestamp> {
    let about = &task.file.about;
    let has_staff = !(about.staff.is_empty() && about.departments.is_empty());
    has_staff.then(|| task.zone.start_of(task.zone.day_of(now).plus(1)))
}

/// Deals users who may have several touches each: first the first touch of everyone, then the second. Gives the
/// seats for which there is no room.
pub(super) fn deal_in_turns(
    tx: &Transaction,
    team: &Team,
    users: &[UserNo],
    of_user: &HashMap<UserNo, Vec<Seat>>,
    occasion: Occasion,
) -> Outcome<RoaringBitmap> {
    let mut beyond = RoaringBitmap::new();
    for turn in 0.. {
        let seat = |user: &UserNo| of_user.get(user).and_then(|seats| seats.get(turn)).copied();
        let own: Vec<UserNo> = users.iter().copied().filter(|user| seat(user).is_some()).collect();
        if own.is_empty() {
            break;
        }
        let full = book::deal_out(tx, team, &own, occasion)?;
        beyond.extend(own.iter().filter(|user| full.contains(**user)).filter_map(seat));
    }
    Ok(beyond)
}

/// Users in the order in which a task deals them; those who were deleted are left out.
pub(super) fn ordered(
    directory: &dyn Directory,
    task: &str,
    users: impl Iterator<Item = UserNo>,
) -> Vec<UserNo> {
    in_order(task, users.filter_map(|user| Some((user, directory.user_id(user)?))))
}

/// Tells the staff's part of the ledger what became of touches of a run. Errors: OUT-030.
pub(in crate::dispatch) fn heard(
    tx: &Transaction,
    run: i64,
    words: &[(Seat, TouchState)],
    now: Timestamp,
) -> Outcome<()> {
    let sql = "select exists (select 1 from todos where run = ?1)
               or exists (select 1 from deals d join runs r on r.task = d.task where r.no = ?1)";
    let has_staff =
        tx.prepare_cached(sql).and_then(|mut query| query.query_row([run], |row| row.get::<_, bool>(0)));
    if !has_staff.map_err(disk_trouble)? {
        return Ok(());
    }
    let of_todo = todo::close(tx, run, words, now)?;
    passes::hear(tx, run, words, &of_todo, now)
}

/// How each member stands today, in every family by which tasks have dealt so far. Errors: OUT-030.
pub fn standings(
    ledger: &Ledger,
    members: &[Member],
    policies: &Policies,
    (zone, now): (&Zone, Timestamp),
) -> Outcome<BTreeMap<String, Vec<Standing>>> {
    let mut query = ledger
        .db
        .prepare_cached("select distinct family from deals where family != '' order by family")
        .map_err(disk_trouble)?;
    let rows = query.query_map([], |row| row.get(0)).map_err(disk_trouble)?;
    let families: BTreeSet<String> = rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)?;
    let today = zone.day_of(now);
    let standing = |member: &Member, family: &String| {
        let team = Team {
            task: String::new(),
            members: Vec::new(),
            allowance: Allowance::of(policies, family),
            limits: Default::default(),
            today,
            since: zone.start_of(today),
        };
        let done = team.done(&ledger.db, member)?;
        let settled = passes::settled_on(&ledger.db, &member.id, family, team.since)?;
        Ok(Standing {
            family: family.clone(),
            per_day: team.allowance.per_day(member, today),
            dealt_today: done.today,
            room: team.allowance.room(member, None, done, today),
            settled: settled.len() as u64,
            refused: settled.iter().filter(|is_refused| **is_refused).count() as u64,
            is_stopped: done.is_stopped,
        })
    };
    let of = |member: &Member| {
        let own = families.iter().map(|family| standing(member, family)).collect::<Outcome<Vec<_>>>()?;
        Ok((member.id.clone(), own))
    };
    members.iter().map(of).collect()
}

/// A person closes the breaker of an account. Errors: OUT-030.
pub fn resume(ledger: &Ledger, staff: &str, now: Timestamp) -> Outcome<()> {
    passes::resume(&ledger.db, staff, now)
}

/// How many users of a task each member has, by id. Errors: OUT-030.
pub fn shares(ledger: &Ledger, task: &str) -> Outcome<BTreeMap<String, u64>> {
    book::shares(&ledger.db, task)
}

/// Every word on whose a user of a task is, the oldest first. Errors: OUT-030.
pub fn words_on(ledger: &Ledger, task: &str, user: UserNo) -> Outcome<Vec<UserWord>> {
    let runs: HashMap<i64, String> =
        ledger.runs_of(task)?.into_iter().map(|run| (run.no, run.name())).collect();
    let mut words: Vec<UserWord> = Vec::new();
    for word in book::words_on(&ledger.db, task, user)? {
        let from = words.last().map(|last| last.staff.clone());
        let run = word.run.and_then(|no| runs.get(&no).cloned());
        words.push(UserWord { at: word.at, staff: word.staff, from, why: word.why, run });
    }
    Ok(words)
}
