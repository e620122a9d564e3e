//! Looking after the home at the door: is every file whole, and what was made again?

use serde_json::{Value, json};

use super::args::Compact;
use super::door::{Done, Door};
use super::session::Session;
use super::words::{grouped, took};
use crate::store::{Compacted, Verified};

/// `quanke compact [--check]`.
pub fn run(what: &Compact, session: &Session, door: &mut Door) -> Done {
    session.must_exist()?;
    let began = session.pace.seconds();
    let seconds = || session.pace.seconds() - began;
    if what.check {
        let looked = session.home.check(session.pace)?;
        let text =
            || format!("looked at {}; all are as they were written · {}", files(&looked), took(seconds()));
        return tell(door, json!({ "looked": shown(&looked), "elapsed_ms": ms(seconds()) }), text);
    }
    let done = session.home.compact(&session.environment, session.pace)?;
    tell(door, document(&done, seconds()), || summary(&done, seconds()))
}

/// A document is data, a summary is talk.
fn tell(door: &mut Door, document: Value, text: impl FnOnce() -> String) -> Done {
    if door.is_json {
        return door.json(&document);
    }
    door.say(&text());
    Ok(())
}

fn document(done: &Compacted, seconds: f64) -> Value {
    let rebuilt = done.rebuilt.iter().map(|one| json!({ "file": one.file, "what": one.what }));
    json!({
        "looked": shown(&done.looked),
        "rebuilt": rebuilt.collect::<Vec<Value>>(),
        "joined_runs": done.joined_runs,
        "bytes_before": done.bytes_before,
        "bytes_after": done.bytes_after,
        "data_version": done.version,
        "elapsed_ms": ms(seconds),
    })
}

fn summary(done: &Compacted, seconds: f64) -> String {
    let rebuilt = done.rebuilt.iter().map(|one| format!("made again {}: {}", one.file, one.what));
    let mut lines: Vec<String> = rebuilt.collect();
    let joined = match done.joined_runs {
        0 => String::new(),
        runs => format!(" · joined {} index runs", grouped(runs as u64)),
    };
    lines.push(format!(
        "looked at {} · made again {}{joined} · {} → {} bytes · data version {} · {}",
        files(&done.looked),
        grouped(done.rebuilt.len() as u64),
        grouped(done.bytes_before),
        grouped(done.bytes_after),
        done.version,
        took(seconds),
    ));
    lines.join("\n")
}

fn files(looked: &Verified) -> String {
    format!("{} files, {} bytes", grouped(looked.files as u64), grouped(looked.bytes))
}

fn shown(looked: &Verified) -> Value {
    json!({ "files": looked.files, "bytes": looked.bytes })
}

fn ms(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}
