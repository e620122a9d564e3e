//! Who would be stopped by which gate, before anything is sent?
//!
//! The same gates over the same users as in a run at that instant, and nothing is written. Each user counts
//! at the first gate that stops the touch; when nothing changes meanwhile, the report says the same afterwards.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use serde::Serialize;

use crate::base::{Outcome, Timestamp};
use crate::task::{State, Task};

use super::engine::Engine;
use super::run::SLICE_USERS;
use super::state::{Reason, TouchState};

/// The gates as they are asked (semantics 6.2); then what shows when contents are filled.
const GATES: [Reason; 10] = [
    Reason::Paused,
    Reason::Blacklist,
    Reason::Whitelist,
    Reason::Suspended,
    Reason::Audience,
    Reason::Holdout,
    Reason::QuietHours,
    Reason::Quota,
    Reason::Cap,
    Reason::Missing,
];

/// What would become of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preflight {
    /// RFC 3339, in the task's zone.
    pub at: String,
    pub audience: u64,
    /// Every gate in order.
    pub gates: Vec<Stopped>,
    pub withheld: u64,
    pub suppressed: u64,
    pub held: u64,
    /// Until when those wait that would be held, by the gate.
    pub held_until: BTreeMap<&'static str, String>,
    pub handed: u64,
}

/// Users whom one gate stops, and who are left after it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stopped {
    pub gate: &'static str,
    pub stopped: u64,
    /// What becomes of them: `withheld`, `suppressed` or `held`.
    pub state: &'static str,
    pub left: u64,
}

type Tally = BTreeMap<Option<Reason>, (TouchState, u64)>;

impl Engine<'_> {
    /// What would become of a run of the task to these users at an instant. Nothing is written.
    /// Errors: DSP-001 for a sender that is not there, CRD-… when a list cannot be read, OUT-030.
    pub fn preflight(&self, task: &Task, users: &RoaringBitmap, at: Timestamp) -> Outcome<Preflight> {
        let sender = self.sender(task)?;
        let forms = self.forms(task, sender.as_ref())?;
        let lists = self.lists(task, at)?;
        let mut sieve = self.sieve(task, &lists, task.state == State::Paused, at)?;
        sieve.room = self.room_for(task, &sieve.passing(users), at)?;
        let mut tally = Tally::new();
        let mut add = |reason, state, count| tally.entry(reason).or_insert((state, 0)).1 += count;
        let mut left = users.iter().peekable();
        self.pace.begin("gates", Some(users.len()), "users");
        while left.peek().is_some() {
            let verdicts = sieve.sift(left.by_ref().take(SLICE_USERS).collect());
            let mut due = RoaringBitmap::new();
            for (user, state, reason) in &verdicts {
                match state {
                    TouchState::Due => drop(due.insert(*user)),
                    _ => add(*reason, *state, 1),
                }
            }
            let lacking = self.lacking(task, &due, (&forms, sender.as_ref()))?;
            add(Some(Reason::Missing), TouchState::Suppressed, lacking);
            add(None, TouchState::Due, due.len() - lacking);
            self.pace.more(verdicts.len() as u64);
        }
        self.pace.end();
        let until = |reason: &Reason| {
            let is_held = tally.get(&Some(*reason)).is_some_and(|(state, _)| *state == TouchState::Held);
            let until = sieve.holds.until(Some(*reason)).filter(|_| is_held)?;
            Some((reason.word(), task.zone.text(until)))
        };
        let held_until = GATES.iter().filter_map(until).collect();
        Ok(Preflight { at: task.zone.text(at), held_until, ..waterfall(users.len(), &tally) })
    }
}

fn waterfall(audience: u64, tally: &Tally) -> Preflight {
    let mut left = audience;
    let stopped = |reason: &Reason| {
        let nobody = match reason {
            Reason::Holdout => (TouchState::Withheld, 0),
            _ => (TouchState::Suppressed, 0),
        };
        let (state, count) = tally.get(&Some(*reason)).copied().unwrap_or(nobody);
        left -= count;
        Stopped { gate: reason.word(), stopped: count, state: word(state), left }
    };
    let gates = GATES.iter().map(stopped).collect();
    let sum = |state: TouchState| tally.values().filter(|(s, _)| *s == state).map(|(_, count)| count).sum();
    Preflight {
        at: String::new(),
        audience,
        gates,
        withheld: sum(TouchState::Withheld),
        suppressed: sum(TouchState::Suppressed),
        held: sum(TouchState::Held),
        held_until: BTreeMap::new(),
        handed: sum(TouchState::Due),
    }
}

fn word(state: TouchState) -> &'static str {
    match state {
        TouchState::Withheld => "withheld",
        TouchState::Held => "held",
        _ => "suppressed",
    }
}
