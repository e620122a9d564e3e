//! Decisions of a trigger, made by hand.

use super::world::World;
use crate::base::{Outcome, Timestamp};
use crate::dispatch::{Decided, Engine, Faults, Happened, Senders};
use crate::trigger::Place;
use crate::trigger::{Decision, End, Occurrence};

/// A task with a trigger; batches of three.
pub fn text(trigger: &str, limits: &str) -> String {
    format!(
        "name = \"浏览提醒\"\nstart = \"2026-03-01T09:00:00+08:00\"\nend = \"2026-03-04T00:00:00+08:00\"\n\
         [trigger]\nkind = \"event\"\ndid = \"view\"\n{trigger}\n\
         [dispatch]\nsender = \"receiver\"\nbatch = 3\ncontent = {{ template = \"{{{{name}}}} 您好\" }}\n\
         [limits]\n{limits}\n"
    )
}

/// The user's n-th A, and what became of it.
pub fn nth(user: u32, nth: u32, base: Timestamp, end: End) -> Decision {
    Decision { task: 1, user, occurrence: Occurrence::Nth { period: 0, nth }, version: 1, base, end }
}

/// The n-th A of a user, released at its own time.
pub fn released(user: u32, n: u32, at: Timestamp) -> Decision {
    nth(user, n, at, End::Released { reach: at })
}

/// Where a decision stands: ten of them come from one record.
pub fn place(n: usize) -> Place {
    Place { position: n as u64 / 10, index: n as u32 % 10 }
}

/// Releases decisions whose places begin at `first`.
pub fn release(
    engine: &Engine,
    id: &str,
    first: usize,
    decisions: &[Decision],
    now: Timestamp,
) -> Outcome<()> {
    let task = engine.tasks.task(id)?;
    let decided = decisions.iter().zip(first..);
    let decided: Vec<Decided> =
        decided.map(|(decision, n)| Decided { task: &task, place: place(n), decision }).collect();
    let last = (first + decisions.len()).saturating_sub(1);
    engine.release(&decided, place(last), now)
}

/// Hands over what waits.
pub fn hand(engine: &Engine, id: &str, now: Timestamp) -> Outcome<Option<Happened>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    engine.hand_fires(&runtime, &engine.tasks.task(id)?, now)
}

impl World {
    /// Releases decisions and hands them over.
    pub fn fire(
        &self,
        senders: &Senders,
        faults: &dyn Faults,
        id: &str,
        (first, decisions): (usize, &[Decision]),
        now: Timestamp,
    ) -> Outcome<Option<Happened>> {
        self.with_engine(senders, faults, |engine| {
            release(engine, id, first, decisions, now)?;
            hand(engine, id, now)
        })
    }
}
