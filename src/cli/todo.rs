//! To-dos at the door: what each member has to do, done with its proof, refused, reminded of.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::args::{By, Todo as Command, TodoList, TodoState as Asked, Why};
use super::door::{Done, Door};
use super::session::Session;
use super::staff::{id_of, name_of};
use super::table::Cell;
use super::words::age;
use crate::base::{Outcome, Problem, Timestamp};
use crate::dispatch::ReceiptState;
use crate::dispatch::staff::{self, Proof, Todo, TodoState};
use crate::task::Member;

/// The folder of proofs, in the home of the app.
const PROOFS: &str = "proofs";

/// Runs one command on to-dos.
pub fn run(command: &Command, session: &Session, door: &mut Door) -> Done {
    match command {
        Command::List(asked) => list(asked, session, door),
        Command::Show { id } => {
            let todo = session.ledger()?.todo(*id)?;
            door.json(&Told::new(session)?.document(&todo, true))
        }
        Command::Done { id, proof, by } => done(*id, proof.as_deref(), by, session, door),
        Command::Refused { id, why } => refused(*id, why, session, door),
        Command::Remind => remind(session, door),
    }
}

fn list(asked: &TodoList, session: &Session, door: &mut Door) -> Done {
    let told = Told::new(session)?;
    let state = match asked.state {
        Some(Asked::Open | Asked::Overdue) => Some(TodoState::Open),
        Some(Asked::Done) => Some(TodoState::Done),
        Some(Asked::Refused) => Some(TodoState::Refused),
        None => None,
    };
    let is_overdue = asked.state == Some(Asked::Overdue);
    let asked = staff::Asked {
        staff: asked.staff.as_ref().map(|called| id_of(&told.members, called)).transpose()?,
        task: asked.task.clone(),
        state,
        opened_by: is_overdue.then_some(told.overdue_before),
    };
    told.all(&session.ledger()?.todos(&asked)?, door)
}

fn done(id: u64, proof: Option<&Path>, by: &By, session: &Session, door: &mut Door) -> Done {
    let (ledger, who) = (session.ledger()?, session.who(by));
    let todo = ledger.todo(id)?;
    // The file first: if we are killed between the two, the same command keeps the same file.
    let is_open = todo.state == TodoState::Open;
    let proof = proof.filter(|_| is_open).map(|path| keep(path, session)).transpose()?;
    let (state, now) = (ReceiptState::Delivered, session.environment.now);
    let todo = ledger.finish_todo(id, state, (&who, None), proof.as_ref(), now)?;
    closed(&todo, session, door)
}

fn refused(id: u64, why: &Why, session: &Session, door: &mut Door) -> Done {
    let (ledger, who) = (session.ledger()?, session.who(&why.by));
    let (state, now) = (ReceiptState::Refused, session.environment.now);
    let todo = ledger.finish_todo(id, state, (&who, why.reason.as_deref()), None, now)?;
    closed(&todo, session, door)
}

fn closed(todo: &Todo, session: &Session, door: &mut Door) -> Done {
    let document = Told::new(session)?.document(todo, true);
    door.answer(document, || {
        let proof = todo.proof.as_ref().map(|proof| format!("; proof {PROOFS}/{}", proof.name));
        format!("to-do {} ({}) is {}{}", todo.no, todo.user_id, todo.state.word(), proof.unwrap_or_default())
    })
}

fn remind(session: &Session, door: &mut Door) -> Done {
    let (zone, now) = (session.settings.zone, session.environment.now);
    let told = Told::new(session)?;
    let today = zone.start_of(zone.day_of(now));
    let reminded = session.ledger()?.remind(told.overdue_before, today, now)?;
    told.all(&reminded, door)
}

/// Copies a file into the home, under its hash; a file that is there already is the same.
/// Errors: STF-012.
fn keep(path: &Path, session: &Session) -> Outcome<Proof> {
    let trouble = |what: &str, error: std::io::Error| {
        Problem::author("STF-012", format!("the proof cannot be {what}: {error}"))
            .at(path.display().to_string())
            .cure("name a file that can be read, and see that the home's disk has room")
    };
    let bytes = std::fs::read(path).map_err(|error| trouble("read", error))?;
    let hash = hex::encode(Sha256::digest(&bytes));
    let end = path.extension().and_then(|end| end.to_str()).map(|end| format!(".{end}")).unwrap_or_default();
    let name = format!("{hash}{end}");
    let folder = session.home.dir().join(PROOFS);
    write(&folder, &name, &bytes).map_err(|error| trouble("kept", error))?;
    Ok(Proof { name, hash })
}

/// Whole or not at all, and on the disk when it returns.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// What is needed to show to-dos.
struct Told<'s> {
    session: &'s Session<'s>,
    members: Vec<Member>,
    /// Open since then or longer is overdue.
    overdue_before: Timestamp,
}

impl<'s> Told<'s> {
    fn new(session: &'s Session<'s>) -> Result<Told<'s>, super::door::Failure> {
        let overdue_ms = i64::try_from(session.settings.todo_overdue.as_millis()).unwrap_or(i64::MAX);
        let overdue_before = session.environment.now.plus(-overdue_ms);
        Ok(Told { session, members: session.tasks()?.staff().list()?, overdue_before })
    }

    fn all(&self, todos: &[Todo], door: &mut Door) -> Done {
        let documents: Vec<Value> = todos.iter().map(|todo| self.document(todo, false)).collect();
        let head = ["id", "staff", "user", "task", "state", "open for", "reminders"].map(Cell::text).to_vec();
        let rows: Vec<Vec<Cell>> =
            std::iter::once(head).chain(todos.iter().map(|todo| self.row(todo))).collect();
        door.rows(json!({ "total": todos.len(), "todos": documents }), &rows)
    }

    fn is_overdue(&self, todo: &Todo) -> bool {
        todo.state == TodoState::Open && todo.opened_at <= self.overdue_before
    }

    fn state(&self, todo: &Todo) -> &'static str {
        if self.is_overdue(todo) { "overdue" } else { todo.state.word() }
    }

    fn staff(&self, todo: &Todo) -> Option<String> {
        todo.staff.as_deref().map(|id| name_of(&self.members, id).to_string())
    }

    fn document(&self, todo: &Todo, is_whole: bool) -> Value {
        let text = |at: Timestamp| self.session.settings.zone.text(at);
        let mut document = json!({
            "id": todo.no, "touch_id": todo.touch_id, "task": todo.task, "run": todo.body["run"],
            "staff": todo.staff, "staff_name": self.staff(todo), "user_id": todo.user_id,
            "phone": todo.body["phone"], "state": todo.state.word(), "is_overdue": self.is_overdue(todo),
            "opened_at": text(todo.opened_at), "closed_at": todo.closed_at.map(text), "closed_by": todo.closed_by,
            "proof": todo.proof.as_ref().map(|proof| json!({ "file": format!("{PROOFS}/{}", proof.name), "sha256": proof.hash })),
            "reminded_at": todo.reminded_at.map(text), "reminders": todo.reminders,
        });
        if is_whole {
            document["content"] = todo.body["content"].clone();
            document["fields"] = todo.body["fields"].clone();
        }
        document
    }

    fn row(&self, todo: &Todo) -> Vec<Cell> {
        let open_for = todo.closed_at.unwrap_or(self.session.environment.now).0 - todo.opened_at.0;
        vec![
            Cell::count(todo.no),
            Cell::text(self.staff(todo).unwrap_or_else(|| "-".into())),
            Cell::text(&todo.user_id),
            Cell::text(&todo.task),
            Cell::text(self.state(todo)),
            Cell::text(age(open_for)),
            Cell::count(u64::from(todo.reminders)),
        ]
    }
}
