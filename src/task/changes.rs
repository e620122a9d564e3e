//! How does a task change? Every change is one transaction with its line in the audit trail.
//!
//! [`Tasks::create`], [`Tasks::copy`], [`Tasks::edit`], [`Tasks::make_move`] and [`Tasks::delete`] follow the
//! table of [`State::moves`]. An edit of a task that has begun may not change what names its touches.

use rusqlite::{Transaction, params};

use crate::base::{Outcome, Problem, Timestamp, Zone};

use super::file::TaskFile;
use super::life::{Move, State};
use super::names::past_problem;
use super::tasks::{MoveRow, Task, Tasks, disk_trouble, id_of, no_of};

/// What is done to a task, by whom, when and why.
#[derive(Debug, Clone, Copy)]
struct Act<'a> {
    step: Move,
    who: &'a str,
    note: Option<&'a str>,
    now: Timestamp,
}

impl Tasks {
    /// A new draft.
    pub fn create(&self, file: &TaskFile, zone: &Zone, who: &str, now: Timestamp) -> Outcome<Task> {
        let tx = self.begin()?;
        let id = add_task(&tx, file, zone, who, now)?;
        tx.commit().map_err(disk_trouble)?;
        self.task(&id)
    }

    /// A task that is made, submitted, approved and started in one act: all of it, or nothing (S0.18).
    /// Errors: TSK-009 when its time is past.
    pub fn create_started(&self, file: &TaskFile, zone: &Zone, who: &str, now: Timestamp) -> Outcome<Task> {
        let tx = self.begin()?;
        let id = add_task(&tx, file, zone, who, now)?;
        for step in [Move::Submit, Move::Approve, Move::Start] {
            self.act(&tx, &id, Act { step, who, note: None, now })?;
        }
        tx.commit().map_err(disk_trouble)?;
        self.task(&id)
    }

    /// A draft with the text of another task.
    pub fn copy(&self, id: &str, who: &str, now: Timestamp) -> Outcome<Task> {
        let task = self.task(id)?;
        self.create(&task.file, &task.zone, who, now)
    }

    /// A new version of a task, in force from now on. A rejected task becomes a draft again; one that is
    /// approved, running, paused or failed stays so, and what is under way keeps its version.
    /// Errors: TSK-010 when the task is in another state, TSK-043 when a task that has begun would
    /// become another one, TSK-044 deleted.
    pub fn edit(&self, id: &str, file: &TaskFile, zone: &Zone, who: &str, now: Timestamp) -> Outcome<Task> {
        let tx = self.begin()?;
        let task = self.task(id)?;
        let act = Act { step: Move::Edit, who, note: None, now };
        let to = allowed(&task, act.step)?;
        if has_begun(task.state) {
            refuse_another(&task, file, zone)?;
        }
        let no = no_of(id)?;
        add_version(&tx, no, task.version + 1, file, zone, act)?;
        tx.execute("update tasks set version = version + 1 where no = ?1", [no]).map_err(disk_trouble)?;
        let cause = task.cause.as_deref().filter(|_| to == task.state);
        self.put_state(&tx, &task, to, cause, act)?;
        tx.commit().map_err(disk_trouble)?;
        self.task(id)
    }

    /// Moves a task. `note` is the reason of a rejection, a cancellation or a failure.
    /// Errors: TSK-010 forbidden (names the moves allowed), TSK-009 submitted or approved too late,
    /// TSK-013 rejected without a reason, TSK-044 deleted.
    pub fn make_move(
        &self,
        id: &str,
        step: Move,
        who: &str,
        note: Option<&str>,
        now: Timestamp,
    ) -> Outcome<Task> {
        if matches!(step, Move::Edit | Move::Delete) {
            return Err(Problem::bug(format!("`{}` is more than a move", step.word())));
        }
        let tx = self.begin()?;
        self.act(&tx, id, Act { step, who, note, now })?;
        tx.commit().map_err(disk_trouble)?;
        self.task(id)
    }

    /// Takes a task on which nothing runs out of the lists; its audit trail and its reports stay (S1.26).
    /// Errors: TSK-010 when something may still run, TSK-044 deleted before.
    pub fn delete(&self, id: &str, who: &str, note: Option<&str>, now: Timestamp) -> Outcome<Task> {
        let tx = self.begin()?;
        let task = self.task(id)?;
        let act = Act { step: Move::Delete, who, note, now };
        let to = allowed(&task, act.step)?;
        let values = params![no_of(id)?, now.0];
        tx.execute("insert into deleted_tasks (task, at) values (?1, ?2)", values).map_err(disk_trouble)?;
        self.put_state(&tx, &task, to, task.cause.as_deref(), act)?;
        tx.commit().map_err(disk_trouble)?;
        self.task(id)
    }

    fn act(&self, tx: &Transaction, id: &str, act: Act) -> Outcome<()> {
        let task = self.task(id)?;
        let to = allowed(&task, act.step)?;
        may_move(&task, act)?;
        self.put_state(tx, &task, to, act.note, act)
    }

    fn put_state(
        &self,
        tx: &Transaction,
        task: &Task,
        to: State,
        cause: Option<&str>,
        act: Act,
    ) -> Outcome<()> {
        let no = no_of(&task.id)?;
        tx.execute("update tasks set state = ?2, cause = ?3 where no = ?1", params![no, to.word(), cause])
            .map_err(disk_trouble)?;
        let row = MoveRow::new(&task.id, act.step.word(), Some(task.state), to, act.who, act.now);
        add_move(tx, no, &MoveRow { note: act.note.map(str::to_string), ..row })
    }
}

fn add_task(tx: &Transaction, file: &TaskFile, zone: &Zone, who: &str, now: Timestamp) -> Outcome<String> {
    let sql = "insert into tasks (state, version, created_at) values (?1, 1, ?2)";
    tx.execute(sql, params![State::Draft.word(), now.0]).map_err(disk_trouble)?;
    let no = tx.last_insert_rowid();
    add_version(tx, no, 1, file, zone, Act { step: Move::Edit, who, note: None, now })?;
    add_move(tx, no, &MoveRow::new(&id_of(no), "create", None, State::Draft, who, now))?;
    Ok(id_of(no))
}

/// Has it been on the clock, so that touches may bear its name?
fn has_begun(state: State) -> bool {
    matches!(state, State::Running | State::Paused | State::Failed)
}

/// What names a touch, or tells calendar from trigger, stays as it is once a task has begun: else a user could
/// be reached twice for one occasion. All that would change is named.
fn refuse_another(task: &Task, file: &TaskFile, zone: &Zone) -> Outcome<()> {
    let (old, new) = (&task.file, file);
    let fixed = [
        ("trigger.kind", old.trigger.word(), new.trigger.word()),
        ("dispatch.channel", &old.dispatch.channel, &new.dispatch.channel),
        ("zone", task.zone.name(), zone.name()),
    ];
    let changed = fixed.iter().filter(|(_, old, new)| old != new);
    let words: Vec<String> = changed.map(|(key, old, new)| format!("`{key}` from {old} to {new}")).collect();
    if words.is_empty() {
        return Ok(());
    }
    let what = format!("task {} has begun, so an edit cannot change {}", task.id, words.join(", "));
    let cure =
        format!("leave that as it is, or stop the task and make another: quanke task copy {}", task.id);
    Err(Problem::author("TSK-043", what).cure(cure))
}

fn add_version(
    tx: &Transaction,
    no: i64,
    version: u32,
    file: &TaskFile,
    zone: &Zone,
    act: Act,
) -> Outcome<()> {
    tx.execute(
        "insert into task_versions (task, version, text, zone, made_at, made_by) values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![no, version, file.text, zone.name(), act.now.0, act.who],
    )
    .map(|_| ())
    .map_err(disk_trouble)
}

/// Writes one line of the audit trail.
fn add_move(tx: &Transaction, no: i64, row: &MoveRow) -> Outcome<()> {
    tx.execute(
        "insert into task_moves (task, at, who, move, from_state, to_state, note) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![no, row.at.0, row.who, row.step, row.from, row.to, row.note],
    )
    .map(|_| ())
    .map_err(disk_trouble)
}

fn allowed(task: &Task, step: Move) -> Outcome<State> {
    if task.deleted_at.is_some() {
        let what = format!("task {} was deleted, so nothing can be done with it but copy", task.id);
        return Err(Problem::author("TSK-044", what).cure(format!("quanke task copy {}", task.id)));
    }
    task.state.after(step).ok_or_else(|| {
        let moves: Vec<&str> =
            task.state.moves().iter().filter(|(m, _)| m.is_a_command()).map(|(m, _)| m.word()).collect();
        let can = if moves.is_empty() {
            "nothing can be done with it but copy".into()
        } else {
            format!("allowed are {}, copy", moves.join(", "))
        };
        let what = format!("task {} is {}, so it cannot `{}`; {can}", task.id, task.state, step.word());
        Problem::author("TSK-010", what).cure(format!(
            "quanke task {} {}",
            moves.first().unwrap_or(&"copy"),
            task.id
        ))
    })
}

fn may_move(task: &Task, Act { step, note, now, .. }: Act) -> Outcome<()> {
    if matches!(step, Move::Submit | Move::Approve) && task.file.is_past(now, &task.zone) {
        return Err(past_problem(&task.file.trigger).at(format!("task {}", task.id)));
    }
    if step == Move::Reject && note.is_none_or(|note| note.trim().is_empty()) {
        return Err(Problem::author(
            "TSK-013",
            format!("task {} is to be rejected without a reason", task.id),
        )
        .cure("say why, so that its author can mend it"));
    }
    Ok(())
}
