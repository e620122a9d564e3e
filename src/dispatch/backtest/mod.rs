//! What would this task have done on stored history? Nothing is sent, and nothing in the home changes.
//!
//! [`backtest`] plays stored events through the same state machine as live ones ([`crate::trigger::State`]), in
//! the order of event time, one day after the other. `--from` and `--to` stand for the start of the task and
//! for the end of the time in which A's count; a task that would have gone on after `--to` decides the windows that
//! are open then by what history knows. What nobody can know yet is *pending* or *waiting*, never guessed.
//!
//! `play` is the loop, `whom` says who may be reached when, `gate` asks what dispatch would ask, `tally`
//! counts.

mod gate;
mod play;
mod tally;
mod whom;

use std::collections::BTreeMap;

use chrono::NaiveTime;

use crate::audience::Audiences as Crowds;
use crate::base::{Outcome, Pace, Problem, Problems, Timestamp};
use crate::store::Snapshot;
use crate::task::{Rule, Task};

use super::batch::TouchId;
use super::outside::Directory;

/// A task that is tried on history.
pub struct Trial<'a> {
    pub app: &'a str,
    pub task: &'a Task,
    /// Is the task one of the app's, so that its touches have the names that live ones have?
    pub is_created: bool,
    /// A's with time in `[from, to)` count.
    pub from: Timestamp,
    pub to: Timestamp,
    /// The clock; silence is taken as a fact up to here, at most.
    pub now: Timestamp,
    pub snapshot: &'a Snapshot,
    pub crowds: &'a Crowds,
    pub directory: &'a dyn Directory,
    /// A crowd that no task may reach, from the settings.
    pub blacklist: Option<&'a str>,
    /// The local time at which daily audiences are made anew.
    pub daily_at: NaiveTime,
    pub pace: &'a dyn Pace,
}

/// What the task would have done.
#[derive(Debug, Clone, PartialEq)]
pub struct Backtest {
    pub fires: u64,
    /// Users with a fire, and the most fires of one of them.
    pub users: u64,
    pub per_user_max: u64,
    /// Every other end, and what became of fires, by its word: `handed` is what would have gone out.
    pub ends: BTreeMap<&'static str, u64>,
    /// Fires by the hour of their base instant (A, or the deadline): the start of each local hour with some.
    pub by_hour: BTreeMap<Timestamp, u64>,
    /// Fires whose reach lies behind what is known.
    pub waiting: u64,
    /// Windows whose deadline lies behind what is known.
    pub pending: u64,
    /// Users who may be reached at `from`.
    pub audience: u64,
    /// Events that the rule looked at.
    pub events: u64,
    /// What happened before this is known.
    pub known_to: Timestamp,
}

/// One fire, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tried<'a> {
    pub user_id: &'a str,
    /// The text that names it, as in the ledger.
    pub occurrence: &'a str,
    pub base: Timestamp,
    pub reach: Timestamp,
    /// The name that the touch has in a live run; none for a task that was not created.
    pub touch_id: Option<TouchId>,
    /// `handed`, `waiting`, or why it would not have gone out.
    pub end: &'static str,
}

/// Plays the history through the task; `each` gets every fire when its end is known, the same ones in the same
/// order each time.
/// Memory: the events of a day, what the rule remembers, and fires that wait.
/// Errors: DSP-040 a task of the calendar, DSP-041 a time that is none, SEL-… and CRD-… for an audience that
/// cannot be made, STO-002 a damaged file, those of `each`.
pub fn backtest(trial: &Trial, each: &mut dyn FnMut(&Tried) -> Outcome<()>) -> Result<Backtest, Problems> {
    let rule = trial.rule()?;
    if trial.from >= trial.to {
        let zone = trial.task.zone;
        let what = format!("--to {} is not after --from {}", zone.text(trial.to), zone.text(trial.from));
        return Err(Problem::author("DSP-041", what).cure("give the earlier instant to --from").into());
    }
    trial.snapshot.ids().ready()?;
    play::play(trial, rule, each)
}

impl Trial<'_> {
    fn rule(&self) -> Outcome<&Rule> {
        let refused = || {
            let what = format!("task '{}' goes by the calendar, not by what users do", self.task.file.name);
            let cure = "count its audience with `quanke estimate … --as-of T`; backtest is for kind = \"event\" and \"absence\"";
            Problem::author("DSP-040", what).at(format!("task {}", self.task.id)).cure(cure)
        };
        self.task.rule().ok_or_else(refused)
    }

    /// Before this everything is known: events that are stored are facts, and silence is one up to `to` as
    /// far as the clock has come.
    fn known_to(&self) -> Timestamp {
        let stored = self.last_event().map_or(Timestamp(i64::MIN), |at| at.plus(1));
        self.to.min(self.now).max(stored.min(self.now.max(self.to)))
    }

    fn last_event(&self) -> Option<Timestamp> {
        let day = *self.snapshot.days().last()?;
        let last = |event: &str| self.snapshot.span_on(day, event).map(|(_, last)| last);
        self.snapshot.events_on(day).filter_map(last).max()
    }
}
