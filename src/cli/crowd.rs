//! Crowds at the door: made, refreshed, listed, compared, written out, deleted.

use serde_json::{Value, json};

use super::args::{Asked, Crowd, GuardWord, Output, Update};
use super::ask::Text;
use super::door::{Done, Door};
use super::insight;
use super::members;
use super::output::Writing;
use super::session::Session;
use super::table::Cell;
use super::task;
use super::words::{age, change, grouped, took};
use crate::audience::{self, Creation, CrowdVersion, Guard, Made, Overview, State};
use crate::base::{Problems, Timestamp, Zone};

/// Runs one command on crowds.
pub fn run(command: &Crowd, session: &mut Session, door: &mut Door) -> Done {
    match command {
        Crowd::Import(import) => members::run(import, session, door),
        Crowd::Create { name, asked, update, as_of, redefine, guard } => {
            create(name, asked, *update, as_of.as_deref(), (*redefine, *guard), session, door)
        }
        Crowd::Refresh { name: Some(name), as_of, .. } => refresh(name, as_of.as_deref(), session, door),
        Crowd::Refresh { name: None, as_of, .. } => refresh_all(as_of.as_deref(), session, door),
        Crowd::List => list(session, door),
        Crowd::Show { name } => show(name, session, door),
        Crowd::Export { name, output, version } => export(name, output, *version, session, door),
        Crowd::Diff { name, from, to, out } => {
            insight::crowd_diff(name, from.as_deref(), to.as_deref(), out.as_deref(), session, door)
        }
        Crowd::Overlap(what) => insight::overlap::overlap(what, session, door),
        Crowd::History(what) => insight::history(what, session, door),
        Crowd::Confirm { name } => confirm(name, session, door),
        Crowd::Discard { name } => discard(name, session, door),
        Crowd::Guard { name, share } => guard(name, *share, session, door),
        Crowd::Delete { name } => delete(name, session, door),
    }
}

fn create(
    name: &str,
    asked: &Asked,
    update: Option<Update>,
    as_of: Option<&str>,
    (redefine, guard): (bool, Option<Guard>),
    session: &mut Session,
    door: &mut Door,
) -> Done {
    let snapshot = session.snapshot()?;
    let text = Text::of(asked, session)?;
    let update = update.map(|update| match update {
        Update::Once => audience::Update::Once,
        Update::Daily => audience::Update::Daily,
        Update::OnDemand => audience::Update::OnDemand,
    });
    let as_of = session.as_of(as_of)?;
    let _lock = session.crowd_lock()?;
    let creation = Creation {
        name,
        rule: &text.text,
        update,
        as_of,
        owner: None,
        is_listed: true,
        is_redefined: redefine,
        guard,
    };
    let made = session.audiences()?.create(&creation, session.job(&snapshot));
    let mut made = made.map_err(|problems| text.placed(problems))?;
    made.warnings = text.placed(Problems(made.warnings)).0;
    told(&made, session, door)
}

fn refresh(name: &str, as_of: Option<&str>, session: &mut Session, door: &mut Door) -> Done {
    let snapshot = session.snapshot()?;
    let as_of = session.as_of(as_of)?;
    let _lock = session.crowd_lock()?;
    let made = session.audiences()?.refresh(name, as_of, session.job(&snapshot))?;
    told(&made, session, door)
}

/// Every crowd that can be refreshed is, though others fail; then all problems are told.
fn refresh_all(as_of: Option<&str>, session: &mut Session, door: &mut Door) -> Done {
    let snapshot = session.snapshot()?;
    let as_of = session.as_of(as_of)?;
    let _lock = session.crowd_lock()?;
    let results = session.audiences()?.refresh_all(as_of, session.job(&snapshot))?;
    let mut problems = Problems::default();
    let mut documents = Vec::new();
    for (name, result) in results {
        match result {
            Ok(made) => {
                talk(&made, door);
                documents.push(document(&made, session.settings.zone));
            }
            Err(found) => problems.0.extend(found.0.into_iter().map(|p| {
                let at = format!("crowd '{name}'  {}", p.at);
                p.at(at.trim_end())
            })),
        }
    }
    problems.or(())?;
    if door.is_json { door.json(&json!({ "crowds": documents })) } else { Ok(()) }
}

/// Tells of a version just made: a document, or a line of talk.
pub fn told(made: &Made, session: &Session, door: &mut Door) -> Done {
    match door.is_json {
        true => {
            door.warn(&made.warnings);
            door.json(&document(made, session.settings.zone))
        }
        false => {
            talk(made, door);
            Ok(())
        }
    }
}

fn talk(made: &Made, door: &mut Door) {
    door.warn(&made.warnings);
    let version = &made.version;
    let change = made.change.map(|n| format!(" ({})", change(n))).unwrap_or_default();
    // An upload is not computed, so it has no duration.
    let time = match version.duration_ms {
        0 => String::new(),
        ms => format!(" · {}", took(ms as f64 / 1e3)),
    };
    let size = grouped(version.size);
    let held =
        if version.state == State::Held { format!(" · held: {}", version.cause) } else { String::new() };
    door.say(&format!("crowd '{}': version {} · {size} users{change}{time}{held}", made.crowd, version.no));
}

/// A version just made, as JSON.
pub fn document(made: &Made, zone: Zone) -> Value {
    let mut document = json!({ "crowd": made.crowd, "change": made.change });
    if let (Value::Object(all), Value::Object(version)) =
        (&mut document, version_document(&made.version, zone))
    {
        all.extend(version);
    }
    document
}

fn version_document(version: &CrowdVersion, zone: Zone) -> Value {
    json!({
        "version": version.no,
        "state": version.state,
        "size": version.size,
        "as_of": zone.text(version.as_of),
        "made_at": zone.text(version.made_at),
        "duration_ms": version.duration_ms,
        "data_version": version.data_version,
        "rule_version": version.rule_version,
        "uses": version.uses,
        "cause": version.cause,
        "file": version.file,
    })
}

fn confirm(name: &str, session: &mut Session, door: &mut Door) -> Done {
    let _lock = session.crowd_lock()?;
    let made = session.audiences()?.confirm(name, session.environment.now)?;
    told(&made, session, door)
}

fn discard(name: &str, session: &mut Session, door: &mut Door) -> Done {
    let _lock = session.crowd_lock()?;
    let version = session.audiences()?.discard(name)?;
    match door.is_json {
        true => door.json(&json!({ "crowd": name, "version": version.no, "state": version.state })),
        false => {
            door.say(&format!("crowd '{name}': version {} is discarded", version.no));
            Ok(())
        }
    }
}

fn guard(name: &str, share: GuardWord, session: &mut Session, door: &mut Door) -> Done {
    let _lock = session.crowd_lock()?;
    let own = match share {
        GuardWord::Default => None,
        GuardWord::Own(guard) => Some(guard),
    };
    session.audiences()?.set_guard(name, own)?;
    let in_force = own.or(session.settings.guard).unwrap_or(Guard::OFF).to_string();
    match door.is_json {
        true => door.json(&json!({ "crowd": name, "guard": in_force })),
        false => {
            door.say(&format!("crowd '{name}': guard {in_force}"));
            Ok(())
        }
    }
}

fn list(session: &mut Session, door: &mut Door) -> Done {
    session.must_exist()?;
    let now = session.environment.now;
    let found = session.audiences()?.list(now)?;
    let zone = session.settings.zone;
    let documents: Vec<Value> = found.iter().map(|overview| overview_document(overview, zone)).collect();
    let head = ["name", "update", "version", "users", "change", "age", "as of", ""];
    let mut rows = vec![head.map(Cell::text).to_vec()];
    rows.extend(found.iter().map(|overview| row(overview, now, zone)));
    door.rows(json!({ "crowds": documents }), &rows)
}

fn row(overview: &Overview, now: Timestamp, zone: Zone) -> Vec<Cell> {
    let newest = overview.newest();
    let text = |f: &dyn Fn(&CrowdVersion) -> String| newest.map(f).unwrap_or_else(|| "-".to_string());
    vec![
        Cell::text(&overview.crowd.name),
        Cell::text(overview.crowd.update.word()),
        Cell::Number(text(&|v| v.no.to_string())),
        Cell::Number(text(&|v| grouped(v.size))),
        Cell::Number(overview.change().map_or("-".to_string(), change)),
        Cell::Number(text(&|v| age(now.0.saturating_sub(v.made_at.0)))),
        Cell::text(text(&|v| zone.text(v.as_of))),
        Cell::text(mark(overview)),
    ]
}

/// How the crowd stands, where that needs a look.
fn mark(overview: &Overview) -> String {
    let is_computing = overview.versions.last().is_some_and(|v| v.state == State::Computing);
    let why = overview.why().map_or(String::new(), |why| format!(": {why}"));
    match (overview.held(), overview.is_stale, is_computing) {
        (Some(_), ..) => format!("held{why}"),
        (None, true, _) => format!("stale{why}"),
        (None, false, true) => "computing".to_string(),
        (None, false, false) => String::new(),
    }
}

fn overview_document(overview: &Overview, zone: Zone) -> Value {
    let crowd = &overview.crowd;
    json!({
        "name": crowd.name,
        "update": crowd.update,
        "selection": crowd.rule,
        "rule_version": crowd.rule_version,
        "created_at": zone.text(crowd.created_at),
        "owner": crowd.owner,
        "change": overview.change(),
        "is_stale": overview.is_stale,
        "why": overview.why(),
        "guard": crowd.guard.map(|guard| guard.to_string()),
        "held": overview.held().map(|version| version_document(version, zone)),
        "newest": overview.newest().map(|version| version_document(version, zone)),
    })
}

fn show(name: &str, session: &mut Session, door: &mut Door) -> Done {
    session.must_exist()?;
    let now = session.environment.now;
    let found = session.audiences()?.show(name, now)?;
    let zone = session.settings.zone;
    let mut document = overview_document(&found, zone);
    let versions: Vec<Value> = found.versions.iter().map(|version| version_document(version, zone)).collect();
    if let Value::Object(all) = &mut document {
        all.insert("versions".to_string(), versions.into());
    }
    door.answer(document, || shown(&found, zone))
}

fn shown(overview: &Overview, zone: Zone) -> String {
    let crowd = &overview.crowd;
    let rule = crowd.rule.as_deref().unwrap_or("uploaded, no selection");
    let mark = match mark(overview) {
        mark if mark.is_empty() => mark,
        mark => format!(" ({mark})"),
    };
    let head = format!(
        "{}  {}{mark}  since {}\n  {rule}\n\n",
        crowd.name,
        crowd.update.word(),
        zone.text(crowd.created_at)
    );
    let titles = ["version", "state", "users", "took", "as of", "made at", "uses"];
    let mut rows = vec![titles.map(Cell::text).to_vec()];
    rows.extend(overview.versions.iter().rev().map(|version| version_row(version, zone)));
    head + &super::table::aligned(&rows)
}

fn version_row(version: &CrowdVersion, zone: Zone) -> Vec<Cell> {
    let uses: Vec<String> = version.uses.iter().map(|(name, no)| format!("'{name}' v{no}")).collect();
    vec![
        Cell::Number(version.no.to_string()),
        Cell::text(version.state.word()),
        Cell::count(version.size),
        Cell::Number(took(version.duration_ms as f64 / 1e3)),
        Cell::text(zone.text(version.as_of)),
        Cell::text(zone.text(version.made_at)),
        Cell::text(if version.cause.is_empty() { uses.join(", ") } else { version.cause.clone() }),
    ]
}

fn export(name: &str, output: &Output, version: Option<u32>, session: &mut Session, door: &mut Door) -> Done {
    let writing = Writing::new(output)?;
    let snapshot = session.snapshot()?;
    writing.check(&snapshot)?;
    let (version, users) = session.audiences()?.users(name, version)?;
    let known = &users & snapshot.universe();
    let gone = users.len() - known.len();
    if gone > 0 {
        let (gone, no) = (grouped(gone), version.no);
        door.say(&format!("{gone} users of version {no} have been deleted since and are not written"));
    }
    writing.write(&known, &snapshot, session, door)
}

fn delete(name: &str, session: &mut Session, door: &mut Door) -> Done {
    let _lock = session.crowd_lock()?;
    let now = session.environment.now;
    let tasks = task::users_of_crowd(name, session)?;
    let kept = task::reported_versions(name, session)?;
    session.audiences()?.delete(name, &tasks, &kept, now)?;
    match door.is_json {
        true => door.json(&json!({ "crowd": name, "deleted": true })),
        false => {
            door.say(&format!("crowd '{name}' is deleted"));
            Ok(())
        }
    }
}
