//! Which run of a task is at hand, and what becomes of runs that nobody came for?
//!
//! A run is known by its planned local time. Those before the last one that the ledger has an end for
//! are over; of those that were passed over while the machine was down the newest is caught up and the
//! others are missed, visibly (semantics 4.4).

use rusqlite::{OptionalExtension, params};

use crate::base::{Outcome, Problem, Timestamp};
use crate::task::{Overlap, Planned, Slot, State, Task, disk_trouble};

use super::agenda::{AtHand, Due, Step, due};
use super::engine::{Engine, Said};
use super::ledger::{Ledger, Run};
use super::state::RunState;

/// Runs that are marked as missed in one commit; more take another step of the clock.
const MISSED_TOGETHER: usize = 4_096;

/// A step that falls due, with the task as the version says that it belongs to.
#[derive(Debug, Clone)]
pub struct Agendum {
    pub due: Due,
    pub task: Task,
    /// The run that it is about; none for starts, ends and triggers.
    pub slot: Option<Slot>,
}

impl Engine<'_> {
    /// The next step of a task, if there is one. Errors: OUT-030.
    pub(super) fn agendum(&self, task: Task, clock: Timestamp) -> Outcome<Option<Agendum>> {
        let at_hand = self.at_hand(&task)?;
        let Some(due) = due(&task, &at_hand, clock) else { return Ok(None) };
        let found = match (due.step, at_hand) {
            (Step::Refresh | Step::Run, AtHand { next: Some((planned, _)), .. }) => {
                Agendum { due, task: planned.task, slot: Some(planned.slot) }
            }
            (Step::GoOn, AtHand { open: Some(run), .. }) if task.is_scheduled() => {
                let own = self.tasks.task_at(&task, run.version)?;
                let slot = own.file.trigger.slot_named(&run.occurrence, run.planned_at);
                Agendum { due, task: own, slot }
            }
            _ => Agendum { due, task, slot: None },
        };
        Ok(Some(found))
    }

    fn at_hand(&self, task: &Task) -> Outcome<AtHand> {
        let open = self.ledger.open_run(&task.id)?;
        let held = self.ledger.next_release(&task.id)?;
        if !task.is_scheduled() {
            return Ok(AtHand { open, next: None, held });
        }
        let over = self.ledger.over_to(task)?;
        let Some(planned) = self.tasks.run_after(task, over)? else {
            return Ok(AtHand { open, next: None, held });
        };
        let known = self.ledger.run(planned.task.scheduled(&planned.slot))?;
        Ok(AtHand { open, next: Some((planned, known)), held })
    }

    /// Marks the runs of a running task as missed that a later one, due by now too, catches up.
    /// Nothing when there is no later one.
    pub(super) fn passed_over(&self, task: &Task, slot: &Slot, now: Timestamp) -> Outcome<Option<Said>> {
        let mut passed = Vec::new();
        let mut last = Planned { task: task.clone(), slot: slot.clone() };
        while passed.len() < MISSED_TOGETHER {
            let Some(next) = self.tasks.run_after(task, Some(last.slot.at))?.filter(|p| p.slot.at <= now)
            else {
                break;
            };
            passed.push(std::mem::replace(&mut last, next));
        }
        let Some(newest) = passed.last() else { return Ok(None) };
        let until = task.zone.text(newest.slot.at);
        let cause = "DSP-007 passed over: a later run of the task was due too when it was found";
        self.faults.step("pass over")?;
        self.ledger.miss(&passed, cause, now)?;
        let note = format!("{} runs up to {until} passed over, a later one is due too", passed.len());
        Ok(Some(Said { what: "missed", note }))
    }

    /// With `overlap = "skip"`: was the run before still being sent when this one fell due?
    pub(super) fn overlaps(&self, task: &Task, slot: &Slot) -> Outcome<bool> {
        Ok(slot.overlap == Overlap::Skip && self.ledger.was_under_way(task, slot)?)
    }

    /// A run that is left out because the one before was still being sent.
    pub(super) fn skip_overlapping(&self, run: &Run, now: Timestamp) -> Outcome<Said> {
        let cause = "the run before was still being sent (overlap = \"skip\")";
        self.ledger.set_state(run, RunState::Skipped, Some(cause), now)?;
        Ok(Said { what: "skipped", note: cause.to_string() })
    }
}

impl Ledger {
    /// The planned instant up to which every run of the calendar has begun or come to its end.
    pub(super) fn over_to(&self, task: &Task) -> Outcome<Option<Timestamp>> {
        let sql = "select max(planned_at) from runs where task = ?1 and epoch = ?2
                   and state not in ('planned', 'refreshed', 'stale')";
        let found = self.db.query_row(sql, params![task.id, task.epoch], |row| row.get::<_, Option<i64>>(0));
        Ok(found.map_err(disk_trouble)?.map(Timestamp))
    }

    /// Was an earlier run of the task under way at the planned instant of a run?
    fn was_under_way(&self, task: &Task, slot: &Slot) -> Outcome<bool> {
        let sql = "select exists (select 1 from runs where task = ?1 and epoch = ?2 and planned_at < ?3
                   and (state in ('writing', 'sending', 'stalled') or (state = 'done' and progress_at > ?3)))";
        let values = params![task.id, task.epoch, slot.at.0];
        self.db.query_row(sql, values, |row| row.get(0)).map_err(disk_trouble)
    }

    /// Writes runs down that were never sent, in one commit.
    fn miss(&self, passed: &[Planned], cause: &str, now: Timestamp) -> Outcome<()> {
        let tx = self.begin()?;
        let sql = "insert into runs (task, epoch, occurrence, version, planned_at, state, cause, progress_at)
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                   on conflict (task, epoch, occurrence) do update set
                   state = excluded.state, cause = excluded.cause, progress_at = excluded.progress_at";
        for Planned { task, slot } in passed {
            let (word, occurrence) = (RunState::Missed.word(), slot.occurrence());
            let values =
                params![task.id, task.epoch, occurrence, task.version, slot.at.0, word, cause, now.0];
            tx.prepare_cached(sql).and_then(|mut insert| insert.execute(values)).map_err(disk_trouble)?;
        }
        tx.commit().map_err(disk_trouble)
    }

    /// Forgets what was prepared for runs at or after `from` that have not begun: a new version of the
    /// task plans them anew. Nothing of them is anywhere else yet.
    pub(super) fn forget_ahead(&self, task: &str, from: Timestamp) -> Outcome<()> {
        let sql = "delete from runs where task = ?1 and planned_at >= ?2 and due = 0
                   and state in ('planned', 'refreshed', 'stale')";
        self.db.execute(sql, params![task, from.0]).map(|_| ()).map_err(disk_trouble)
    }

    /// Has a run of the task begun, whatever became of it?
    pub(super) fn has_begun(&self, task: &str) -> Outcome<bool> {
        let sql =
            "select 1 from runs where task = ?1 and state not in ('planned', 'refreshed', 'stale') limit 1";
        let found = self.db.query_row(sql, [task], |row| row.get::<_, i64>(0)).optional();
        Ok(found.map_err(disk_trouble)?.is_some())
    }
}

/// The run that a step is about; starts and ends have none.
pub(super) fn slot_of(agendum: &Agendum) -> Outcome<&Slot> {
    agendum
        .slot
        .as_ref()
        .ok_or_else(|| Problem::bug(format!("a run fell due for task {} without a time", agendum.task.id)))
}

/// Does a running task miss this run, because it or its end is past?
pub(super) fn is_missed(task: &Task, run: &Run, now: Timestamp) -> bool {
    let is_late = super::agenda::is_too_late(task, run.planned_at, now) || now >= task.file.end;
    task.state == State::Running && run.state.is_ahead() && is_late
}
