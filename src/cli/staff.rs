//! Staff at the door: the register, how each member stands today, and whose the users of a task are.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Int64Type};
use serde_json::{Value, json};

use super::args::{Reading, Staff as Command, StaffImport, Why};
use super::door::{Done, Door, Failure};
use super::load::{Guard, Job, aside};
use super::session::Session;
use super::table::Cell;
use super::task::Clock;
use super::words::grouped;
use crate::base::{Day, Outcome, Problem, Type};
use crate::dispatch::staff::{Standing, UserWord, resume, shares, standings, words_on};
use crate::ingest::{self, Checked, Reject, Rejects, Settled, Shape};
use crate::select::evidence::user_of;
use crate::task::{By, Member, MemberRow};

/// The words of a list for who is there and who has left.
const STATES: [(&str, bool); 4] = [("active", true), ("left", false), ("在职", true), ("离职", false)];

/// Runs one command on staff.
pub fn run(command: &Command, session: &mut Session, door: &mut Door) -> Done {
    match command {
        Command::Import(import) => import_rows(import, session, door),
        Command::List { department } => list(department.as_deref(), session, door),
        Command::Show { id } => show(id, session, door),
        Command::Leave { id, why } => leave(id, why, session, door),
        Command::Return { id, why } => come_back(id, why, session, door),
        Command::Resume { id, why } => go_on(id, why, session, door),
    }
}

fn import_rows(import: &StaffImport, session: &mut Session, door: &mut Door) -> Done {
    let tasks = session.tasks()?;
    let reading = Reading { format: import.format, zone: None, max_rejects: import.max_rejects };
    let shape = Shape::Users { key: "id".into() };
    let paths = vec![import.path.clone()];
    let job = Job { word: "staff", shape, paths, reading: &reading, memory: None, is_id_asked: false };
    let request = job.request(types(), session)?;
    let mut source = ingest::open(&request, session.input.take(), session.pace)?;
    let mut rejects = Rejects::new(aside(session, "staff-states", "ndjson"));
    let mut guard = Guard { source: &mut source, rejects_max: import.max_rejects };
    let (mut rows, mut odd) = (Vec::new(), 0);
    for batch in &mut guard {
        let (good, bad) = rows_of(&batch?);
        rows.extend(good);
        for reject in bad {
            odd += 1;
            rejects.write(&import.path, reject)?;
        }
    }
    rejects.flush()?;
    let counts = source.counts();
    let rejected = counts.rejected + odd;
    if import.max_rejects.is_some_and(|max| rejected > max) {
        return Err(super::load::too_many(rejected, import.max_rejects.unwrap_or(0), rejects.path()).into());
    }
    let who = session.who(&import.by);
    let now = session.environment.now;
    let today = session.settings.zone.day_of(now);
    let found = tasks.staff().import(&rows, today, By { who: &who, note: None, now })?;
    let files: Vec<String> = source
        .rejects_file()
        .into_iter()
        .chain(rejects.path())
        .map(|path| path.display().to_string())
        .collect();
    let document = json!({
        "read": counts.read, "accepted": rows.len(), "rejected": rejected, "new": found.new,
        "changed": found.changed, "same": found.same, "rejects": files,
    });
    door.answer(document, || {
        let aside = if files.is_empty() { String::new() } else { format!(" ({})", files.join(", ")) };
        let counts = [found.new, found.changed, found.same].map(grouped);
        let [new, changed, same] = counts;
        format!(
            "staff: {new} new, {changed} changed, {same} as they were; {} rejected{aside}",
            grouped(rejected)
        )
    })
}

/// The columns are what they are, whatever the file's values look like.
fn types() -> BTreeMap<String, Settled> {
    let of = |(name, type_of): (&str, Type)| (name.to_string(), Settled { type_of, is_fixed: true });
    let text = ["name", "department", "state"].map(|name| (name, Type::Text));
    text.into_iter().chain([("joined", Type::Date), ("friends", Type::Integer)]).map(of).collect()
}

/// The rows of a batch, and those that say something impossible.
fn rows_of(batch: &Checked) -> (Vec<MemberRow>, Vec<Reject>) {
    let column = |name: &str| batch.columns().column_by_name(name);
    let text = |name: &str, n: usize| {
        let values = column(name)?.as_string_opt::<i32>()?;
        values.is_valid(n).then(|| values.value(n).trim().to_string()).filter(|text| !text.is_empty())
    };
    let joined = |n: usize| {
        let values = column("joined")?.as_primitive_opt::<Date32Type>()?;
        values.is_valid(n).then(|| Day(values.value(n)))
    };
    let friends = |n: usize| {
        let values = column("friends")?.as_primitive_opt::<Int64Type>()?;
        values.is_valid(n).then(|| values.value(n))
    };
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    for (n, id) in batch.users().iter().flatten().enumerate() {
        let state = text("state", n);
        let known = state.as_deref().map(|word| STATES.iter().find(|(state, _)| *state == word));
        let count = friends(n).map(u64::try_from);
        let reason = match (&known, &count) {
            (Some(None), _) => {
                format!("state is `{}`; it can be active, left, 在职, 离职", state.unwrap_or_default())
            }
            (_, Some(Err(_))) => "friends is less than 0".to_string(),
            _ => {
                rows.push(MemberRow {
                    id: id.to_string(),
                    name: text("name", n),
                    department: text("department", n),
                    joined: joined(n),
                    friends: count.and_then(Result::ok),
                    is_active: known.flatten().map(|(_, is_active)| *is_active),
                });
                continue;
            }
        };
        let data = [("id".to_string(), Value::from(id))].into_iter().collect();
        rejects.push(Reject { row: n as u64 + 1, line: None, code: "STF-001", reason, data });
    }
    (rows, rejects)
}

fn list(department: Option<&str>, session: &Session, door: &mut Door) -> Done {
    let mut members = session.tasks()?.staff().list()?;
    members.retain(|member| department.is_none_or(|department| member.works_in(department)));
    let (standings, open) = (standing(&members, session)?, open_todos(session)?);
    let of = |member: &Member| standings.get(&member.id).map_or(&[][..], Vec::as_slice);
    let todos = |member: &Member| open.get(&member.id).copied().unwrap_or(0);
    let documents: Vec<Value> = members.iter().map(|m| document(m, of(m), todos(m))).collect();
    let mut rows = vec![
        ["id", "name", "department", "joined", "friends", "today", "room", "to-dos", "state"]
            .map(Cell::text)
            .to_vec(),
    ];
    rows.extend(members.iter().map(|member| row(member, of(member), todos(member))));
    door.rows(json!({ "staff": documents }), &rows)
}

fn show(called: &str, session: &Session, door: &mut Door) -> Done {
    let tasks = session.tasks()?;
    let member = tasks.staff().member(called)?;
    let moves = tasks.staff().moves(&member.id)?;
    let members = [member];
    let standings = standing(&members, session)?;
    let [member] = members;
    let own = standings.get(&member.id).map_or(&[][..], Vec::as_slice);
    let todos = open_todos(session)?.get(&member.id).copied().unwrap_or(0);
    let zone = session.settings.zone;
    let mut document = document(&member, own, todos);
    document["moves"] = moves
        .iter()
        .map(|m| json!({ "at": zone.text(m.at), "who": m.who, "move": m.step, "note": m.note }))
        .collect();
    door.answer(document, || {
        let mut rows = vec![row(&member, own, todos)];
        let note = |note: &Option<String>| note.clone().unwrap_or_default();
        rows.extend(moves.iter().map(|m| {
            [zone.text(m.at), m.step.clone(), m.who.clone(), note(&m.note)].map(Cell::text).to_vec()
        }));
        let (head, trail) = rows.split_at(1);
        super::table::aligned(head) + &super::table::aligned(trail)
    })
}

fn standing(members: &[Member], session: &Session) -> Result<BTreeMap<String, Vec<Standing>>, Failure> {
    let (policies, now) = (session.policies()?, session.environment.now);
    Ok(standings(&session.ledger()?, members, &policies, (&session.settings.zone, now))?)
}

/// Open to-dos by member.
fn open_todos(session: &Session) -> Result<BTreeMap<String, u64>, Failure> {
    Ok(session.ledger()?.open_todos_by_staff()?)
}

fn document(member: &Member, standings: &[Standing], todos: u64) -> Value {
    let standing = |own: &Standing| {
        json!({
            "quota": own.family, "per_day": own.per_day, "dealt_today": own.dealt_today, "room": own.room,
            "settled": own.settled, "refused": own.refused, "is_stopped": own.is_stopped,
        })
    };
    json!({
        "id": member.id,
        "name": member.name,
        "department": member.department,
        "joined": member.joined.to_string(),
        "friends": member.friends,
        "friends_on": member.friends_on.to_string(),
        "state": state(member, standings),
        "today": standings.iter().map(standing).collect::<Vec<_>>(),
        "open_todos": todos,
    })
}

fn state(member: &Member, standings: &[Standing]) -> &'static str {
    match (member.is_active, standings.iter().any(|own| own.is_stopped)) {
        (false, _) => "left",
        (true, true) => "stopped",
        (true, false) => "active",
    }
}

fn row(member: &Member, standings: &[Standing], todos: u64) -> Vec<Cell> {
    let dealt: u64 = standings.iter().map(|own| own.dealt_today).sum();
    let room = standings.iter().filter_map(|own| own.room).min();
    vec![
        Cell::text(&member.id),
        Cell::text(&member.name),
        Cell::text(member.department.as_deref().unwrap_or("-")),
        Cell::text(member.joined.to_string()),
        Cell::count(member.friends),
        Cell::count(dealt),
        room.map_or(Cell::text("-"), Cell::count),
        Cell::count(todos),
        Cell::text(state(member, standings)),
    ]
}

fn leave(called: &str, why: &Why, session: &Session, door: &mut Door) -> Done {
    let (who, now) = (session.who(&why.by), session.environment.now);
    let by = By { who: &who, note: why.reason.as_deref(), now };
    let (tasks, snapshot) = (session.tasks()?, session.snapshot()?);
    let member = tasks.staff().member(called)?;
    if member.is_active {
        tasks.staff().leave(called, by)?;
    }
    // Of one who left before, what an interrupted command did not hand on.
    let handed = Clock::new(session, &snapshot)?.engine(|engine| engine.hand_on(&member.id, now))?;
    if !member.is_active && handed.is_empty() {
        tasks.staff().leave(called, by)?;
    }
    let tasks: Vec<Value> = handed
        .iter()
        .map(|one| json!({ "task": one.task, "users": one.users, "todos": one.todos }))
        .collect();
    door.answer(json!({ "id": member.id, "state": "left", "handed_on": tasks }), || {
        let told = |one: &crate::dispatch::staff::HandedOn| {
            let (users, todos) = (grouped(one.users), grouped(one.todos));
            format!("\n  {}: {users} users and {todos} open to-dos go to the others of the team", one.task)
        };
        format!("{} has left{}", member.shown(), handed.iter().map(told).collect::<String>())
    })
}

fn come_back(called: &str, why: &Why, session: &Session, door: &mut Door) -> Done {
    let (who, now) = (session.who(&why.by), session.environment.now);
    let by = By { who: &who, note: why.reason.as_deref(), now };
    let member = session.tasks()?.staff().come_back(called, by)?;
    door.answer(json!({ "id": member.id, "state": "active" }), || {
        format!("{} is back; users who were handed on stay where they are", member.shown())
    })
}

fn go_on(called: &str, why: &Why, session: &Session, door: &mut Door) -> Done {
    let (tasks, ledger) = (session.tasks()?, session.ledger()?);
    let (who, now) = (session.who(&why.by), session.environment.now);
    let members = [tasks.staff().member(called)?];
    let is_stopped = standing(&members, session)?.values().flatten().any(|own| own.is_stopped);
    let [member] = members;
    if !is_stopped {
        let what = format!("{} is not stopped", member.shown());
        return Err(Problem::author("STF-004", what).cure("see `quanke staff list`").into());
    }
    resume(&ledger, &member.id, now)?;
    tasks.staff().note(&member.id, "resumed", By { who: &who, note: why.reason.as_deref(), now })?;
    door.answer(json!({ "id": member.id, "state": "active" }), || format!("{} goes on", member.shown()))
}

/// `quanke task staff`: how many users each member has, or every word on one user.
pub fn of_task(id: &str, user: Option<&str>, session: &Session, door: &mut Door) -> Done {
    let (tasks, ledger) = (session.tasks()?, session.ledger()?);
    let (task, members) = (tasks.task(id)?, tasks.staff().list()?);
    let name = |id: &str| {
        members.iter().find(|member| member.id == id).map_or(id, |member| &member.name).to_string()
    };
    let Some(user) = user else {
        let shares = shares(&ledger, &task.id)?;
        let rows: Vec<Vec<Cell>> = shares
            .iter()
            .map(|(staff, users)| vec![Cell::text(staff), Cell::text(name(staff)), Cell::count(*users)])
            .collect();
        let shares: Vec<Value> = shares
            .iter()
            .map(|(staff, users)| json!({ "staff": staff, "name": name(staff), "users": users }))
            .collect();
        return door.rows(json!({ "task": task.id, "shares": shares }), &rows);
    };
    let words = words_on(&ledger, &task.id, user_of(user, &session.snapshot()?)?)?;
    let document = |word: &UserWord| {
        json!({
            "at": task.zone.text(word.at), "staff": word.staff, "name": name(&word.staff), "from": word.from,
            "why": word.why, "run": word.run,
        })
    };
    let documents: Vec<Value> = words.iter().map(document).collect();
    door.answer(json!({ "task": task.id, "user_id": user, "words": documents }), || {
        let told = |word: &UserWord| {
            let from = word.from.as_deref().map(|from| format!(" from {}", name(from))).unwrap_or_default();
            let run = word.run.clone().unwrap_or_default();
            let what = format!("to {}{from}", name(&word.staff));
            [task.zone.text(word.at), what, word.why.clone(), run].map(Cell::text).to_vec()
        };
        super::table::aligned(&words.iter().map(told).collect::<Vec<_>>())
    })
}

/// The name of a member, for those who read.
pub fn name_of<'m>(members: &'m [Member], id: &'m str) -> &'m str {
    members.iter().find(|member| member.id == id).map_or(id, |member| &member.name)
}

/// The id of a member by id or name; what nobody is called is taken as it is, for channels have names of
/// their own.
pub fn id_of(members: &[Member], called: &str) -> Outcome<String> {
    let found = members.iter().find(|member| member.id == called || member.name == called);
    Ok(found.map_or(called.to_string(), |member| member.id.clone()))
}
