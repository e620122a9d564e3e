//! Which room imports which? The table of the house, against every `crate::` path in `src`.

use crate::source::{Source, regex};

/// A room and the rooms that it may import, besides itself; in the order in which data flows.
const TABLE: [(&str, &[&str]); 10] = [
    ("base", &[]),
    ("ingest", &["base"]),
    ("store", &["base", "ingest"]),
    ("select", &["base", "store"]),
    ("audience", &["base", "store", "select"]),
    ("sql", &["base", "store", "select", "audience"]),
    ("task", &["base", "audience"]),
    ("trigger", &["base", "audience", "task"]),
    ("dispatch", &["base", "store", "audience", "task", "trigger"]),
    ("sender", &["base", "dispatch"]),
];
/// They may import every room; only `main.rs` imports them.
const DOORS: [&str; 2] = ["cli", "server"];

/// A finding for every path from a room to one that it may not know.
pub fn check(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<String> {
    let Some(room) = room_of(&source.path) else { return Vec::new() };
    if !is_known(room) {
        return vec![format!(
            "{}:1: `{room}` is not a room of the table in tests/house/rooms.rs",
            source.path
        )];
    }
    let found = references(source).into_iter();
    found.filter_map(|(at, to)| Some(format!("{}: {}", source.place(at), objection(room, &to)?))).collect()
}

/// `src/store/x.rs` and `src/store.rs` lie in `store`; `main.rs` and `lib.rs` in no room.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside.split('/').next()?.trim_end_matches(".rs");
    (!["main", "lib"].contains(&room)).then_some(room)
}

fn is_known(room: &str) -> bool {
    DOORS.contains(&room) || TABLE.iter().any(|(name, _)| *name == room)
}

/// Why `room` may not import `to`.
fn objection(room: &str, to: &str) -> Option<String> {
    if room == to {
        return None;
    }
    if !is_known(to) {
        return Some(format!("`{room}` imports `crate::{to}`, which is not a room"));
    }
    if DOORS.contains(&to) {
        return Some(format!("`{room}` imports the door `{to}`; only main.rs may"));
    }
    let (_, allowed) = TABLE.iter().find(|(name, _)| *name == room)?;
    let list = if allowed.is_empty() { "nothing".to_string() } else { allowed.join(", ") };
    (!allowed.contains(&to)).then(|| format!("`{room}` imports `{to}`; it may import {list}"))
}

/// Every first name below the crate that a file's code says, with its byte.
fn references(source: &Source) -> Vec<(usize, String)> {
    let path = regex(r"\b(?:crate|super(?:\s*::\s*super)*)\s*::\s*");
    let below_crate = path.find_iter(&source.code).filter(|m| reaches_crate(source, m.start(), m.as_str()));
    below_crate
        .flat_map(|m| names(&source.code[m.end()..]).into_iter().map(move |n| (m.start(), n)))
        .collect()
}

/// `crate::` does; so do as many `super::` as the module lies deep. A test module lies one deeper than
/// its file.
fn reaches_crate(source: &Source, at: usize, path: &str) -> bool {
    let supers = path.matches("super").count();
    let inside = source.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = inside.split('/').count() + usize::from(source.is_test(at) && !source.is_all_test);
    supers == 0 || supers >= depth
}

/// `store::X` -> store; `{base::A, store::{B, C}}` -> base, store.
fn names(rest: &str) -> Vec<String> {
    match rest.strip_prefix('{') {
        None => word(rest).into_iter().collect(),
        Some(group) => parts(group).iter().filter_map(|p| word(p.trim_start())).collect(),
    }
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty() && word != "self").then_some(word)
}

/// The parts of a group up to its own `}`, cut at its own commas.
fn parts(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut out) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            ',' if depth == 0 => {
                out.push(&group[from..at]);
                from = at + 1;
            }
            '{' => depth += 1,
            '}' if depth == 0 => {
                out.push(&group[from..at]);
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&[Source::new(path, text)])
    }

    #[test]
    fn a_path_to_the_right_is_found() {
        let found = findings("src/store/mod.rs", "//! x\nuse crate::base::Day;\nuse crate::task::Task;\n");
        assert_eq!(found, ["src/store/mod.rs:3: `store` imports `task`; it may import base, ingest"]);
    }

    #[test]
    fn groups_and_full_paths_are_read() {
        assert_eq!(findings("src/select/a.rs", "use crate::{base::{A, B}, audience::C,\n store};").len(), 1);
        assert_eq!(findings("src/select/a.rs", "fn f(x: &crate::ingest::Column) {}").len(), 1);
        assert_eq!(findings("src/base/a.rs", "mod tests { use crate::store::X; }").len(), 1);
    }

    #[test]
    fn supers_up_to_the_crate_are_read() {
        assert_eq!(findings("src/store/mod.rs", "use super::task::Task;").len(), 1);
        assert_eq!(findings("src/store/a/b.rs", "use super::super::super::task::Task;").len(), 1);
        assert!(findings("src/store/a/b.rs", "use super::super::task::Task;").is_empty());
        assert!(findings("src/store/mod.rs", "#[cfg(test)]\nmod tests { use super::task; }").is_empty());
    }

    #[test]
    fn doors_see_everything_and_nobody_sees_them() {
        assert!(findings("src/cli/mod.rs", "use crate::{sender, task::Task};").is_empty());
        assert!(findings("src/main.rs", "use crate::cli;").is_empty());
        assert_eq!(findings("src/sender/mod.rs", "use crate::cli::Words;").len(), 1);
    }

    #[test]
    fn a_room_that_the_table_does_not_have_is_found() {
        assert_eq!(findings("src/helpers/mod.rs", "//! x").len(), 1);
        assert_eq!(findings("src/task/mod.rs", "use crate::helpers::x;").len(), 1);
    }

    #[test]
    fn words_and_comments_are_not_paths() {
        assert!(
            findings("src/base/a.rs", "// use crate::task;\nconst A: &str = \"crate::task\";").is_empty()
        );
    }
}
