//! Who is dealt to now, and how much may each still do today?

use rusqlite::Connection;

use crate::base::{Day, Outcome, Timestamp};
use crate::dispatch::engine::Engine;
use crate::dispatch::state::{Reason, TouchState};
use crate::task::{
    Allowance, Done, Member, NO_QUOTA, StaffLimits, Task, WhenFull, check_size, has_team, team,
};

use super::book::dealt_on;
use super::passes::settled_on;

/// The members of a task's staff who have not left, on one local day.
#[derive(Debug, Clone)]
pub struct Team {
    pub task: String,
    /// By id.
    pub members: Vec<Member>,
    pub allowance: Allowance,
    pub limits: StaffLimits,
    /// The local day of the task's zone on which they are dealt to.
    pub today: Day,
    /// When that day begins.
    pub since: Timestamp,
}

impl Engine<'_> {
    /// Can the task's team carry it out? Errors: TSK-072 when everyone has left or there are too many, OUT-030.
    pub(in crate::dispatch) fn check_team(&self, task: &Task, now: Timestamp) -> Outcome<()> {
        let Some(team) = self.team(task, now)? else { return Ok(()) };
        check_size(&team.members.iter().collect::<Vec<_>>(), &self.policy.policies)
    }

    /// The team of a task; `None` when it names no staff or nobody is registered. Nobody may be in it: then
    /// everything waits. Errors: OUT-030.
    pub(in crate::dispatch) fn team(&self, task: &Task, now: Timestamp) -> Outcome<Option<Team>> {
        let about = &task.file.about;
        if about.staff.is_empty() && about.departments.is_empty() {
            return Ok(None);
        }
        let everyone = self.tasks.staff().list()?;
        if !has_team(about, &everyone) {
            return Ok(None);
        }
        let members = team(about, &everyone);
        let limits = task.file.limits.staff.clone();
        let of_sender =
            self.senders.get(&task.file.dispatch.sender).map(|sender| sender.family().to_string());
        let family = match limits.quota.as_deref() {
            Some(NO_QUOTA) => String::new(),
            Some(family) => family.to_string(),
            None => of_sender.unwrap_or_default(),
        };
        let today = task.zone.day_of(now);
        Ok(Some(Team {
            task: task.id.clone(),
            members: members.into_iter().cloned().collect(),
            allowance: Allowance::of(&self.policy.policies, &family),
            limits,
            today,
            since: task.zone.start_of(today),
        }))
    }
}

impl Team {
    /// What a member did so far. Errors: OUT-030.
    pub fn done(&self, db: &Connection, member: &Member) -> Outcome<Done> {
        let (id, today) = (&member.id, self.today.0);
        Ok(Done {
            today: dealt_on(db, id, &self.allowance.family, today, today)?,
            today_by_task: dealt_on(db, id, &self.task, today, today)?,
            since_counted: dealt_on(db, id, &self.allowance.family, member.friends_on.0, today)?,
            is_stopped: self.is_stopped(db, member)?,
        })
    }

    /// What becomes of a touch for which there is no room.
    pub fn beyond(&self) -> (TouchState, Option<Reason>) {
        match self.limits.when_full {
            WhenFull::Suppress => (TouchState::Suppressed, Some(Reason::Quota)),
            WhenFull::Wait | WhenFull::Next => (TouchState::Held, Some(Reason::Quota)),
        }
    }

    fn is_stopped(&self, db: &Connection, member: &Member) -> Outcome<bool> {
        let Some(breaker) = self.allowance.breaker else { return Ok(false) };
        Ok(breaker.trips(&settled_on(db, &member.id, &self.allowance.family, self.since)?))
    }
}
