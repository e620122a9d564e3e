//! Which tasks are there, and what is one of them like?

use serde_json::{Value, json};

use crate::base::{Outcome, Problem, Timestamp};
use crate::cli::args::TaskList;
use crate::cli::door::{Done, Door};
use crate::cli::session::Session;
use crate::cli::table::{Cell, aligned};
use crate::task::{Difference, MoveRow, Search, State, Task, Tasks, VersionRow, difference};

/// `task list`.
pub fn list(asked: &TaskList, session: &Session, door: &mut Door) -> Done {
    let found = session.tasks()?.search(&search(asked)?)?;
    let documents: Vec<Value> = found.tasks.iter().map(document).collect();
    let mut rows = vec![["id", "name", "state", "planned at", "sender", "creator"].map(Cell::text).to_vec()];
    rows.extend(found.tasks.iter().map(|task| {
        let state = task.state.to_string();
        let planned_at = planned_at(task).unwrap_or_else(|| "-".into());
        [&task.id, &task.file.name, &state, &planned_at, &task.file.dispatch.sender, &task.creator]
            .map(Cell::text)
            .to_vec()
    }));
    door.rows(json!({ "tasks": documents, "total": found.total }), &rows)
}

fn search(asked: &TaskList) -> Outcome<Search> {
    let states = asked.state.iter().map(|word| state(word)).collect::<Outcome<Vec<State>>>()?;
    let limit = asked.limit.map(|limit| limit as usize);
    Ok(Search {
        keyword: asked.search.clone(),
        states,
        group: asked.group.clone(),
        resource_group: asked.resource_group.clone(),
        activity: asked.activity.clone(),
        offset: limit.unwrap_or(0).saturating_mul(asked.page as usize - 1),
        limit,
    })
}

/// A state by its English or its Chinese word.
fn state(word: &str) -> Outcome<State> {
    let found = State::ALL.into_iter().find(|state| [state.word(), state.chinese()].contains(&word.trim()));
    found.ok_or_else(|| {
        let known = State::ALL.map(|state| state.to_string()).join(", ");
        Problem::author("CLI-001", format!("no state is called `{word}`; there are {known}"))
            .cure("write --state running, or several with commas")
    })
}

/// When its first run is planned; a task that waits for what users do has no such time.
fn planned_at(task: &Task) -> Option<String> {
    let slot = task.file.slot_from(task.file.start, &task.zone);
    slot.map(|slot| task.zone.text(slot.at))
}

fn document(task: &Task) -> Value {
    let file = &task.file;
    let text = |at: Timestamp| task.zone.text(at);
    json!({
        "id": task.id,
        "name": file.name,
        "group": file.group,
        "resource_group": file.about.resource_group,
        "activity": file.about.activity,
        "staff": file.about.staff,
        "departments": file.about.departments,
        "creator": task.creator,
        "state": task.state,
        "state_name": task.state.chinese(),
        "cause": task.cause,
        "version": task.version,
        "created_at": text(task.created_at),
        "deleted_at": task.deleted_at.map(text),
        "start": text(file.start),
        "end": text(file.end),
        "kind": task.file.trigger.word(),
        "planned_at": planned_at(task),
        "sender": file.dispatch.sender,
    })
}

/// `task show`.
pub fn show(id: &str, diff: Option<u32>, session: &Session, door: &mut Door) -> Done {
    let tasks = session.tasks()?;
    let task = tasks.task(id)?;
    let versions = tasks.versions(id)?;
    if let Some(version) = diff {
        return show_difference(&task, version, &versions, &tasks, door);
    }
    let moves = tasks.moves(id)?;
    let mut document = document(&task);
    if let Value::Object(all) = &mut document {
        all.insert("moves".to_string(), moves.iter().map(|row| document_of_move(&task, row)).collect());
        let versions = versions.iter().map(|row| {
            json!({ "version": row.version, "made_at": task.zone.text(row.made_at), "made_by": row.made_by })
        });
        all.insert("versions".to_string(), versions.collect());
        all.insert("file".to_string(), task.file.text.clone().into());
    }
    door.answer(document, || page(&task, &versions, &moves))
}

fn document_of_move(task: &Task, row: &MoveRow) -> Value {
    let MoveRow { who, step, from, to, note, .. } = row;
    json!({ "at": task.zone.text(row.at), "who": who, "move": step, "from": from, "to": to, "note": note })
}

fn page(task: &Task, versions: &[VersionRow], moves: &[MoveRow]) -> String {
    let text = |at: Timestamp| task.zone.text(at);
    let rows: Vec<Vec<Cell>> = moves
        .iter()
        .map(|m| {
            let note = m.note.as_deref().unwrap_or("");
            [text(m.at).as_str(), &m.who, &m.step, &m.to, note].map(Cell::text).to_vec()
        })
        .collect();
    let made: Vec<Vec<Cell>> = versions
        .iter()
        .map(|v| {
            [format!("version {}", v.version), text(v.made_at), v.made_by.clone()].map(Cell::text).to_vec()
        })
        .collect();
    let deleted = task.deleted_at.map_or(String::new(), |at| format!("  deleted {}", text(at)));
    let head = format!("{} '{}'  {}  version {}{deleted}", task.id, task.file.name, task.state, task.version);
    format!("{head}\n\n{}\n\n{}\n{}", task.file.text.trim_end(), aligned(&made), aligned(&rows))
}

/// What a version changed; the first changed everything.
fn show_difference(
    task: &Task,
    version: u32,
    versions: &[VersionRow],
    tasks: &Tasks,
    door: &mut Door,
) -> Done {
    // Says which versions there are, if this one is none of them.
    tasks.task_at(task, version)?;
    let text_of = |no: u32| versions.iter().find(|row| row.version == no).map_or("", |row| row.text.as_str());
    let changed = difference(text_of(version.saturating_sub(1)), text_of(version));
    let document = json!({ "id": task.id, "version": version, "changed": changed });
    door.answer(document, || {
        let rows: Vec<Vec<Cell>> = changed.iter().map(row_of_difference).collect();
        if rows.is_empty() { "nothing but comments and spelling changed".to_string() } else { aligned(&rows) }
    })
}

fn row_of_difference(one: &Difference) -> Vec<Cell> {
    let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
    [one.key.clone(), side(&one.before), "→".to_string(), side(&one.after)].map(Cell::text).to_vec()
}
