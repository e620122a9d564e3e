//! Crowds on their own clock: daily ones are due at a local time, and made anew in the order in which they are
//! needed.
//!
//! A crowd that cannot be made stays as it was, is marked stale and told. `run` makes all that are due before
//! the clock goes on; `serve` makes those that are needed by now, and one more a step.

use std::collections::BTreeSet;

use super::door::Failure;
use super::task::Clock;
use crate::audience::{
    Audiences, Crowd, Deadlines, Job, Made, Queued, Refreshed, State as VersionState, crowds_in,
};
use crate::base::{Day, Outcome, Problem, Problems, Timestamp};
use crate::dispatch::{Happened, Live, Summary};
use crate::select::Selection;
use crate::task::{Audience, REFRESH_LEAD_MS, State, Task};

/// What happened to a crowd happened to no task.
pub const CROWDS: &str = "-";

impl Clock<'_> {
    /// The instants in `(from, until]` at which daily crowds are made anew, with their days; none if there is no
    /// daily crowd.
    pub fn daily(&self, from: Timestamp, until: Timestamp) -> Outcome<Vec<(Timestamp, Day)>> {
        if !self.audiences.borrow().has_daily()? {
            return Ok(Vec::new());
        }
        let (zone, time) = (self.session.settings.zone, self.session.settings.daily_at);
        let (first, last) = (zone.day_of(from), zone.day_of(until));
        let days = (first.0..=last.0).map(Day);
        let at = days.map(|day| (zone.instant(day.date().and_time(time)), day));
        Ok(at.filter(|(at, _)| from < *at && *at <= until).collect())
    }

    /// The daily crowds are due, as of the local midnight of a day; an audience that is nobody else's is made no
    /// more when its task is over.
    pub fn queue_daily(&self, at: Timestamp, day: Day) -> Outcome<()> {
        let as_of = self.session.settings.zone.start_of(day);
        let is_over = |task: &Task| matches!(task.state, State::Ended | State::Cancelled);
        let open: BTreeSet<String> =
            self.tasks.list()?.into_iter().filter(|task| !is_over(task)).map(|task| task.id).collect();
        let is_wanted =
            |crowd: &Crowd| crowd.is_listed || crowd.owner.as_ref().is_none_or(|owner| open.contains(owner));
        self.audiences.borrow_mut().queue_daily(at, as_of, &is_wanted)
    }

    /// Makes what is due anew, the most urgent first. While the clock is served only what is needed by `until` and
    /// one more: the rest comes with the next steps.
    pub fn refresh_queued(
        &self,
        now: Timestamp,
        until: Timestamp,
        live: Option<&mut Live<'_>>,
    ) -> Result<Vec<Happened>, Failure> {
        if !self.audiences.borrow().has_queued()? {
            return Ok(Vec::new());
        }
        let deadlines = self.deadlines(now)?;
        let queued = self.audiences.borrow().queued(&deadlines)?;
        let wanted = if self.is_served { wanted(&queued, until) } else { queued.len() };
        let mut happened = Vec::new();
        for one in queued.iter().take(wanted) {
            let job = Job { snapshot: &self.snapshot, now, pace: self.session.pace };
            let refreshed = self.audiences.borrow_mut().refresh_queued(one, job)?;
            happened.extend(refreshed.map(|refreshed| self.told(refreshed, now)));
        }
        if let Some(live) = live {
            self.engine(|engine| live.renew(engine, now))?;
        }
        Ok(happened)
    }

    /// When crowds are needed next: for a run 15 min before it where it refreshes, else at it; for a trigger at once.
    fn deadlines(&self, now: Timestamp) -> Outcome<Deadlines> {
        let mut deadlines = Deadlines::new();
        for task in self.tasks.alive()? {
            let Some(at) = self.needed_at(&task, now)? else { continue };
            let blacklist = self.session.settings.blacklist.as_deref();
            for name in crowds_of(&task, &self.audiences.borrow(), blacklist)? {
                deadlines.entry(name).and_modify(|known| *known = at.min(*known)).or_insert(at);
            }
        }
        Ok(deadlines)
    }

    fn needed_at(&self, task: &Task, now: Timestamp) -> Outcome<Option<Timestamp>> {
        if !task.is_scheduled() {
            return Ok(Some(now));
        }
        let run = self.tasks.run_after(task, Some(now.plus(-1)))?;
        let lead = if task.file.trigger.refreshes_before() { REFRESH_LEAD_MS } else { 0 };
        Ok(run.map(|run| run.slot.at.plus(-lead)))
    }

    fn told(&self, (name, result): Refreshed, now: Timestamp) -> Happened {
        let (what, note) = match result {
            Ok(made) if made.version.state == VersionState::Held => {
                ("held", of_version(&made, &made.version.cause))
            }
            Ok(made) => ("refreshed", of_version(&made, &format!("{} users", made.version.size))),
            Err(problems) => ("refresh failed", stays_stale(&name, &problems)),
        };
        let at = self.session.settings.zone.text(now);
        Happened { at, task: CROWDS.to_string(), what: what.to_string(), note }
    }
}

/// How many of the queue are made before the clock goes on to `until` while it is served: those that are needed by
/// then with all before them, and at least one.
fn wanted(queued: &[Queued], until: Timestamp) -> usize {
    let is_needed = |one: &Queued| one.deadline.is_some_and(|at| at <= until);
    queued.iter().rposition(is_needed).map_or(1, |last| last + 1)
}

/// The crowds that a task asks: its own audience, the one it names, those in its selection, black- and whitelists.
pub fn crowds_of(task: &Task, audiences: &Audiences, blacklist: Option<&str>) -> Outcome<BTreeSet<String>> {
    let limits = &task.file.limits;
    let lists = [blacklist, limits.blacklist.as_deref(), limits.whitelist.as_deref()];
    let mut names: BTreeSet<String> = lists.into_iter().flatten().map(str::to_string).collect();
    match &task.file.audience {
        Audience::Everyone => {}
        Audience::Crowd(name) => drop(names.insert(name.clone())),
        Audience::Selection(rule) => {
            let selection = rule.parse::<Selection>().ok();
            names.extend(selection.iter().flat_map(crowds_in).map(|name| name.text.clone()));
            names.extend(audiences.name_of_own(&task.id)?);
        }
    }
    Ok(names)
}

fn of_version(made: &Made, words: &str) -> String {
    format!("crowd '{}' version {}, {words}", made.crowd, made.version.no)
}

fn stays_stale(name: &str, problems: &Problems) -> String {
    let causes: Vec<&str> = problems.0.iter().map(|problem| problem.what.as_str()).collect();
    format!("crowd '{name}' stays stale: {}", causes.join("; "))
}

/// The crowds that could not be made: an alarm, though the clock went on.
pub fn failures(summary: &Summary) -> impl Iterator<Item = Problem> + '_ {
    let failed = summary.happened.iter().filter(|h| h.task == CROWDS && h.what == "refresh failed");
    failed.map(|h| {
        Problem::outside("CRD-022", h.note.clone())
            .at(format!("refresh at {}", h.at))
            .cure("mend the cause, then `quanke crowd refresh NAME`; until then its last version is in force")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_makes_what_is_needed_by_now_and_else_one_a_step() {
        let queue = |deadlines: &[Option<i64>]| -> Vec<Queued> {
            let one = |at: &Option<i64>| Queued {
                crowd: "a".into(),
                at: Timestamp(0),
                as_of: Timestamp(0),
                deadline: at.map(Timestamp),
            };
            deadlines.iter().map(one).collect()
        };
        let until = Timestamp(10);
        assert_eq!(wanted(&queue(&[Some(5), Some(10), Some(11), None]), until), 2);
        assert_eq!(wanted(&queue(&[Some(11), None]), until), 1);
        assert_eq!(wanted(&queue(&[None, None]), until), 1);
    }
}
