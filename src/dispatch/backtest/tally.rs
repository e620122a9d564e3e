//! What came of it all? Decisions counted as they are made, and every fire told once its end is known.

use std::collections::{BTreeMap, HashMap};

use chrono::Timelike;

use crate::base::{Outcome, Problem, Timestamp, UserNo, Zone};
use crate::trigger::{Decision, End, Occurrence};

use super::super::batch::{TouchId, TouchNames};
use super::gate::Gate;
use super::{Backtest, Trial, Tried};

/// A fire whose touch waits.
pub const WAITING: &str = "waiting";

/// The counts of a trial.
pub struct Tally<'a, 'e> {
    trial: &'a Trial<'a>,
    gate: Gate<'a>,
    each: &'e mut dyn FnMut(&Tried) -> Outcome<()>,
    pub found: Backtest,
    by_user: HashMap<UserNo, u64>,
    /// Base and reach of fires that wait.
    waiting: BTreeMap<(UserNo, Occurrence), (Timestamp, Timestamp)>,
}

impl<'a, 'e> Tally<'a, 'e> {
    /// Nothing counted yet; `each` is told of every fire.
    pub fn new(trial: &'a Trial<'a>, each: &'e mut dyn FnMut(&Tried) -> Outcome<()>) -> Tally<'a, 'e> {
        let found = Backtest {
            fires: 0,
            users: 0,
            per_user_max: 0,
            ends: BTreeMap::new(),
            by_hour: BTreeMap::new(),
            waiting: 0,
            pending: 0,
            audience: 0,
            events: 0,
            known_to: trial.known_to(),
        };
        let (by_user, waiting) = (HashMap::new(), BTreeMap::new());
        Tally { trial, gate: Gate::new(trial), each, found, by_user, waiting }
    }

    /// Counts decisions. Errors: CRD-… when a blacklist cannot be read, those of `each`.
    pub fn take(&mut self, decided: Vec<Decision>) -> Outcome<()> {
        decided.into_iter().try_for_each(|decision| self.one(decision))
    }

    /// Counts what was decided about windows that were open when history ended: a B that came, or an A
    /// that another window has, is an end; that no B came is known of none of them.
    pub fn take_open(&mut self, decided: Vec<Decision>) {
        for decision in decided {
            match decision.end {
                End::Cancelled | End::Joined | End::Ended => self.count(decision.end.word()),
                End::Released { .. } | End::Withdrawn | End::Contradicted => {}
                End::Fired { .. } | End::Expired | End::Suppressed(_) => self.found.pending += 1,
            }
        }
    }

    /// The sum. Fires that wait still are told now.
    pub fn finish(mut self) -> Outcome<Backtest> {
        for ((user, occurrence), (base, reach)) in std::mem::take(&mut self.waiting) {
            self.found.waiting += 1;
            self.tell(user, &occurrence, (base, reach), WAITING)?;
        }
        self.found.users = self.by_user.len() as u64;
        self.found.per_user_max = self.by_user.values().copied().max().unwrap_or(0);
        Ok(self.found)
    }

    fn one(&mut self, decision: Decision) -> Outcome<()> {
        let Decision { user, occurrence, base, end, .. } = decision;
        if let End::Fired { reach } = end {
            self.fired(user, occurrence, base, reach);
            return Ok(());
        }
        let key = (user, occurrence);
        let fire = self.waiting.remove(&key);
        let word = match end {
            End::Released { reach } => self.gate.ask(user, reach)?,
            end => end.word(),
        };
        self.count(word);
        fire.map_or(Ok(()), |fire| self.tell(user, &key.1, fire, word))
    }

    fn fired(&mut self, user: UserNo, occurrence: Occurrence, base: Timestamp, reach: Timestamp) {
        self.found.fires += 1;
        *self.by_user.entry(user).or_insert(0) += 1;
        *self.found.by_hour.entry(hour_of(base, &self.trial.task.zone)).or_insert(0) += 1;
        self.waiting.insert((user, occurrence), (base, reach));
    }

    fn count(&mut self, word: &'static str) {
        *self.found.ends.entry(word).or_insert(0) += 1;
    }

    fn tell(
        &mut self,
        user: UserNo,
        occurrence: &Occurrence,
        (base, reach): (Timestamp, Timestamp),
        end: &'static str,
    ) -> Outcome<()> {
        let id = self.trial.directory.user_id(user);
        let user_id = id.ok_or_else(|| Problem::bug(format!("user number {user} has no id")))?;
        let occurrence = &occurrence.text();
        let touch_id = self.trial.is_created.then(|| self.touch_id(user_id, occurrence));
        (self.each)(&Tried { user_id, occurrence, base, reach, touch_id, end })
    }

    fn touch_id(&self, user_id: &str, occurrence: &str) -> TouchId {
        let Trial { app, task, .. } = self.trial;
        TouchNames::of(app, &task.id, task.epoch, occurrence, &task.file.dispatch.channel).touch_id(user_id)
    }
}

/// The start of the local hour of an instant.
fn hour_of(at: Timestamp, zone: &Zone) -> Timestamp {
    let local = zone.local(at).time();
    let into = i64::from(local.num_seconds_from_midnight() % 3_600) * 1_000;
    Timestamp(at.0 - into - at.0.rem_euclid(1_000))
}
