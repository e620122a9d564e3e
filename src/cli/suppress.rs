//! Users whom nobody reaches until an instant, at the door.

use std::io::Read;

use serde_json::{Value, json};

use super::args::{Suppress, SuppressAdd, SuppressRemove};
use super::door::{Done, Door, Failure};
use super::session::{Session, usage};
use super::table::{Cell, aligned};
use crate::base::{Problem, Problems, Timestamp};
use crate::dispatch::Suspension;

/// The column of user ids.
const KEY: &str = "user_id";
/// A file's columns where it has no header, in this order.
const COLUMNS: [&str; 3] = [KEY, "until", "reason"];

/// Runs one command on the list.
pub fn run(command: &Suppress, session: &mut Session, door: &mut Door) -> Done {
    session.must_exist()?;
    match command {
        Suppress::Add(what) => add(what, session, door),
        Suppress::List => list(session, door),
        Suppress::Remove(what) => remove(what, session, door),
    }
}

/// One line of a file.
struct Written {
    line: u64,
    user_id: String,
    until: Option<String>,
    reason: Option<String>,
}

fn add(what: &SuppressAdd, session: &mut Session, door: &mut Door) -> Done {
    let now = session.environment.now;
    let until = what.until.as_deref().map(|text| session.as_of(Some(text))).transpose()?;
    let path = what.path.as_deref();
    let mut written = path.map(|path| read(path, session)).transpose()?.unwrap_or_default();
    let named = what.user.iter().cloned().chain(in_crowd(what.crowd.as_deref(), session)?);
    let of = |user_id| Written { line: 0, user_id, until: None, reason: None };
    written.extend(named.map(of));
    let zone = session.settings.zone;
    let mut problems = Problems::default();
    let mut all = Vec::with_capacity(written.len());
    for one in written {
        let own = match &one.until {
            Some(text) => Timestamp::parse(text, &zone).ok_or(format!("`{text}` is no instant")),
            None => until.ok_or("nothing says until when".to_string()),
        };
        let own =
            own.and_then(|at| if at > now { Ok(at) } else { Err(format!("{} is past", zone.text(at))) });
        match own {
            Ok(_) if one.user_id.is_empty() => problems.push(mistake(path, one.line, "there is no user id")),
            Ok(until) => all.push(Suspension {
                user_id: one.user_id,
                until,
                reason: one.reason.or_else(|| what.reason.clone()),
                who: session.who(&what.by),
                at: now,
            }),
            Err(why) => problems.push(mistake(path, one.line, &why)),
        }
    }
    problems.or(())?;
    let _writer = session.home.writer(&session.environment, zone)?;
    session.ledger()?.suspend(&all)?;
    let count = all.len();
    door.answer(json!({ "suppressed": count }), || format!("{count} users are on the list\n"))
}

fn mistake(path: Option<&str>, line: u64, what: &str) -> Problem {
    let at = path.filter(|_| line > 0).map_or("--until".to_string(), |path| format!("{path}:{line}"));
    Problem::author("CLI-040", what)
        .at(at)
        .cure("give a later instant, such as 2026-04-01 or 2026-03-08T20:00:00+08:00, to --until or in the column `until`")
}

fn list(session: &Session, door: &mut Door) -> Done {
    let zone = session.settings.zone;
    let all = session.ledger()?.suspensions(session.environment.now)?;
    let text =
        |one: &Suspension| (zone.text(one.until), zone.text(one.at), one.reason.clone().unwrap_or_default());
    let document = |one: &Suspension| -> Value {
        let (until, at, _) = text(one);
        json!({ "user_id": one.user_id, "until": until, "reason": one.reason, "by": one.who, "at": at })
    };
    let document = json!({ "suppressed": all.iter().map(document).collect::<Vec<_>>() });
    door.answer(document, || {
        let row = |one: &Suspension| {
            let (until, at, reason) = text(one);
            [one.user_id.clone(), until, reason, one.who.clone(), at].iter().map(Cell::text).collect()
        };
        aligned(&all.iter().map(row).collect::<Vec<Vec<Cell>>>())
    })
}

fn remove(what: &SuppressRemove, session: &mut Session, door: &mut Door) -> Done {
    let written = what.path.as_deref().map(|path| read(path, session)).transpose()?.unwrap_or_default();
    let mut ids: Vec<String> = written.into_iter().map(|one| one.user_id).collect();
    ids.extend(what.user.iter().cloned());
    let _writer = session.home.writer(&session.environment, session.settings.zone)?;
    let removed = session.ledger()?.resume_users(&ids)?;
    let unknown = ids.len() - removed;
    door.answer(json!({ "removed": removed, "not_listed": unknown }), || {
        format!("{removed} users are off the list; {unknown} were not on it\n")
    })
}

fn in_crowd(name: Option<&str>, session: &Session) -> Result<Vec<String>, Failure> {
    let Some(name) = name else { return Ok(Vec::new()) };
    let snapshot = session.snapshot()?;
    snapshot.ids().ready()?;
    let (_, users) = session.audiences()?.users_at(name, session.environment.now)?;
    let users = users & snapshot.universe();
    Ok(users.iter().map(|user| snapshot.ids().text(user).to_string()).collect())
}

/// The lines of a file, with a header or without one.
fn read(path: &str, session: &mut Session) -> Result<Vec<Written>, Failure> {
    let mut text = String::new();
    let read = match path {
        "-" => match session.input.take() {
            Some(mut input) => input.read_to_string(&mut text),
            None => Ok(0),
        },
        path => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| usage(path, format!("the file cannot be read: {error}"), "name a UTF-8 CSV file"))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut columns: Vec<String> = COLUMNS.map(String::from).to_vec();
    let mut all = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| usage(path, error.to_string(), "write it as CSV"))?;
        if all.is_empty() && record.iter().any(|field| field == KEY) {
            columns = record.iter().map(String::from).collect();
            continue;
        }
        let field = |name: &str| {
            let place = columns.iter().position(|column| column == name)?;
            record.get(place).filter(|field| !field.is_empty()).map(String::from)
        };
        all.push(Written {
            line: record.position().map_or(0, csv::Position::line),
            user_id: field(KEY).unwrap_or_default(),
            until: field("until"),
            reason: field("reason"),
        });
    }
    Ok(all)
}
