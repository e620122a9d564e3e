//! What has each member of the staff to do, and was it done?
//!
//! A sender whose touches a person acts on has a to-do for each ([`super::super::Sender::todo`]). It is written
//! before the batch's answer is, so no answered touch is without one; what settles the touch closes it, be it
//! the person's word ([`Ledger::finish_todo`]) or a receipt.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde_json::Value;

use crate::base::{Outcome, Problem, Timestamp, UserNo};
use crate::dispatch::batch::{Batch, Handle, Touch, TouchId};
use crate::dispatch::ledger::{Ledger, Run, Seat, whole};
use crate::dispatch::sender::{ReceiptState, Sender};
use crate::dispatch::settle::Word;
use crate::dispatch::state::TouchState;
use crate::task::disk_trouble;

use super::book::staff_of;

/// The table of to-dos.
pub const TABLES: &str = "
    create table todos (
        no integer primary key, touch_id blob not null unique, run integer not null references runs(no),
        seat integer not null, task text not null, staff text, user integer not null, user_id text not null,
        opened_at integer not null, body text not null, state text not null, closed_at integer, closed_by text,
        proof text, proof_hash text, reminded_at integer, reminders integer not null default 0,
        unique (run, seat));
    create index open_todos on todos (staff) where state = 'open';";

const TODO: &str = "select no, task, staff, user_id, opened_at, body, state, closed_at, closed_by, proof,
    proof_hash, reminded_at, reminders, touch_id from todos";

/// Where a to-do is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TodoState {
    Open,
    Done,
    /// The channel, or the customer, said no.
    Refused,
}

/// One thing that a member has to do for one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    /// Counts from 1 in one app.
    pub no: u64,
    pub touch_id: TouchId,
    pub task: String,
    /// Whose it is now, by id; as the channel's settings say where the task has no team.
    pub staff: Option<String>,
    pub user_id: String,
    pub opened_at: Timestamp,
    /// What the channel wrote for it.
    pub body: Value,
    pub state: TodoState,
    pub closed_at: Option<Timestamp>,
    /// Who said so; nobody for a receipt.
    pub closed_by: Option<String>,
    pub proof: Option<Proof>,
    pub reminded_at: Option<Timestamp>,
    pub reminders: u32,
}

/// A file that shows that it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Its name in the home's folder `proofs`.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub hash: String,
}

/// Which to-dos are meant; empty parts ask for nothing.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Ids of members.
    pub staff: Option<String>,
    pub task: Option<String>,
    pub state: Option<TodoState>,
    /// Opened at this instant or before.
    pub opened_by: Option<Timestamp>,
}

impl TodoState {
    const ALL: [(TodoState, &'static str); 3] =
        [(TodoState::Open, "open"), (TodoState::Done, "done"), (TodoState::Refused, "refused")];

    /// The word in JSON and in `ledger.db`.
    pub fn word(self) -> &'static str {
        TodoState::ALL.iter().find(|(state, _)| *state == self).map_or("open", |(_, word)| word)
    }

    fn of(word: &str) -> Option<TodoState> {
        TodoState::ALL.iter().find(|(_, known)| *known == word).map(|(state, _)| *state)
    }
}

impl Ledger {
    /// Writes the to-dos of batches that are out, each once. Errors: OUT-030.
    pub(in crate::dispatch) fn open_todos(
        &self,
        run: &Run,
        batches: &[&Batch],
        sender: &dyn Sender,
        now: Timestamp,
    ) -> Outcome<()> {
        let touches = batches.iter().flat_map(|batch| batch.touches.iter().map(move |touch| (batch, touch)));
        let todos: Vec<(&Touch, Value)> =
            touches.filter_map(|(batch, touch)| Some((touch, sender.todo(batch, touch)?))).collect();
        if todos.is_empty() {
            return Ok(());
        }
        let tx = self.begin()?;
        todos.iter().try_for_each(|(touch, body)| add(&tx, run, touch, body, now))?;
        tx.commit().map_err(disk_trouble)
    }

    /// The to-dos that fit, the oldest first. Errors: OUT-030.
    pub fn todos(&self, asked: &Asked) -> Outcome<Vec<Todo>> {
        let sql = format!(
            "{TODO} where (?1 is null or staff = ?1) and (?2 is null or task = ?2)
             and (?3 is null or state = ?3) and (?4 is null or opened_at <= ?4) order by no"
        );
        let mut query = self.db.prepare_cached(&sql).map_err(disk_trouble)?;
        let opened_by = asked.opened_by.map(|at| at.0);
        let values = params![asked.staff, asked.task, asked.state.map(TodoState::word), opened_by];
        let rows = query.query_map(values, read_todo).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    /// How many open to-dos each member has. Errors: OUT-030.
    pub fn open_todos_by_staff(&self) -> Outcome<BTreeMap<String, u64>> {
        let sql =
            "select staff, count(*) from todos where state = 'open' and staff is not null group by staff";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let read = |row: &Row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
        let rows = query.query_map([], read).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    /// One to-do. Errors: STF-010, OUT-030.
    pub fn todo(&self, no: u64) -> Outcome<Todo> {
        todo_in(&self.db, no)
    }

    /// A person says what became of an open to-do: its touch is delivered, or refused with a reason; both in
    /// one commit. Errors: STF-010, STF-011 when it is not open any more, DSP-004, OUT-030.
    pub fn finish_todo(
        &self,
        no: u64,
        state: ReceiptState,
        (who, reason): (&str, Option<&str>),
        proof: Option<&Proof>,
        now: Timestamp,
    ) -> Outcome<Todo> {
        let tx = self.begin()?;
        let todo = todo_in(&tx, no)?;
        if todo.state != TodoState::Open {
            let what = format!("to-do {no} is {} already", todo.state.word());
            return Err(Problem::author("STF-011", what).cure(format!("see `quanke todo show {no}`")));
        }
        let handles = vec![Handle::from(todo.touch_id)];
        self.settle_in(&tx, &[Word { handles, state, reason: reason.map(String::from) }], now)?;
        let sql = "update todos set closed_by = ?2, proof = ?3, proof_hash = ?4 where no = ?1";
        let (name, hash) = proof.map(|proof| (&proof.name, &proof.hash)).unzip();
        tx.execute(sql, params![whole(no), who, name, hash]).map_err(disk_trouble)?;
        let closed = todo_in(&tx, no)?;
        tx.commit().map_err(disk_trouble)?;
        Ok(closed)
    }

    /// The open to-dos that were opened by `opened_by` and had no reminder since `since`: each has one now.
    /// Errors: OUT-030.
    pub fn remind(&self, opened_by: Timestamp, since: Timestamp, now: Timestamp) -> Outcome<Vec<Todo>> {
        let tx = self.begin()?;
        let sql = "update todos set reminded_at = ?3, reminders = reminders + 1
                   where state = 'open' and opened_at <= ?1 and (reminded_at is null or reminded_at < ?2)
                   returning no";
        let reminded: Vec<u64> = {
            let mut query = tx.prepare(sql).map_err(disk_trouble)?;
            let rows = query
                .query_map(params![opened_by.0, since.0, now.0], |row| {
                    Ok(row.get::<_, i64>(0)?.unsigned_abs())
                })
                .map_err(disk_trouble)?;
            rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)?
        };
        let todos = reminded.into_iter().map(|no| todo_in(&tx, no)).collect::<Outcome<Vec<_>>>()?;
        tx.commit().map_err(disk_trouble)?;
        Ok(todos)
    }
}

fn add(tx: &Transaction, run: &Run, touch: &Touch, body: &Value, now: Timestamp) -> Outcome<()> {
    let sql = "insert or ignore into todos (touch_id, run, seat, task, staff, user, user_id, opened_at, body, state)
               values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'open')";
    let (seat, staff, body) = (touch.seat(), body["staff"].as_str(), body.to_string());
    let Touch { touch_id, user_no, user_id, .. } = touch;
    let values = params![touch_id.0, run.no, seat, run.task, staff, user_no, user_id, now.0, body];
    tx.prepare_cached(sql).and_then(|mut add| add.execute(values)).map(|_| ()).map_err(disk_trouble)
}

/// Closes the to-dos of touches that were settled; gives whose they were. Errors: OUT-030.
pub fn close(
    tx: &Transaction,
    run: i64,
    words: &[(Seat, TouchState)],
    now: Timestamp,
) -> Outcome<HashMap<Seat, String>> {
    let sql = "update todos set state = ?3, closed_at = ?4 where run = ?1 and seat = ?2 returning staff";
    let mut update = tx.prepare_cached(sql).map_err(disk_trouble)?;
    let mut staff = HashMap::new();
    for (seat, state) in words {
        let state = match state {
            TouchState::Delivered => TodoState::Done,
            TouchState::Refused => TodoState::Refused,
            _ => continue,
        };
        let values = params![run, seat, state.word(), now.0];
        let found = update.query_row(values, |row| row.get::<_, Option<String>>(0)).optional();
        staff.extend(found.map_err(disk_trouble)?.flatten().map(|member| (*seat, member)));
    }
    Ok(staff)
}

/// The open to-dos of a member in a task go to whoever has their users now; gives how many. Errors: OUT-030.
pub fn follow(tx: &Transaction, task: &str, from: &str) -> Outcome<u64> {
    let sql = "select no, user from todos where task = ?1 and staff = ?2 and state = 'open'";
    let open: Vec<(i64, UserNo)> = {
        let mut query = tx.prepare_cached(sql).map_err(disk_trouble)?;
        let rows =
            query.query_map([task, from], |row| Ok((row.get(0)?, row.get(1)?))).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)?
    };
    let owners = staff_of(tx, task, open.iter().map(|(_, user)| *user))?;
    let mut moved = 0;
    for (no, user) in open {
        let Some(to) = owners.get(&user).filter(|to| *to != from) else { continue };
        tx.execute("update todos set staff = ?2 where no = ?1", params![no, to]).map_err(disk_trouble)?;
        moved += 1;
    }
    Ok(moved)
}

fn todo_in(db: &Connection, no: u64) -> Outcome<Todo> {
    let found = db.query_row(&format!("{TODO} where no = ?1"), [whole(no)], read_todo).optional();
    found.map_err(disk_trouble)?.ok_or_else(|| {
        Problem::author("STF-010", format!("there is no to-do {no}")).cure("see `quanke todo list`")
    })
}

fn read_todo(row: &Row) -> rusqlite::Result<Todo> {
    let (body, state): (String, String) = (row.get(5)?, row.get(6)?);
    let (name, hash): (Option<String>, Option<String>) = (row.get(9)?, row.get(10)?);
    let at = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp));
    Ok(Todo {
        no: row.get::<_, i64>(0)?.unsigned_abs(),
        touch_id: TouchId(row.get(13)?),
        task: row.get(1)?,
        staff: row.get(2)?,
        user_id: row.get(3)?,
        opened_at: Timestamp(row.get(4)?),
        body: serde_json::from_str(&body).unwrap_or(Value::Null),
        state: TodoState::of(&state).ok_or(rusqlite::Error::InvalidColumnName(state))?,
        closed_at: at(7)?,
        closed_by: row.get(8)?,
        proof: name.zip(hash).map(|(name, hash)| Proof { name, hash }),
        reminded_at: at(11)?,
        reminders: row.get(12)?,
    })
}
