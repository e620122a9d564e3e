//! Does a task file speak of things that are there: crowds, attributes, senders?

use crate::base::{Problem, Problems, Span, Timestamp, Zone};

use super::file::{Parts, TaskFile};
use super::reader::{Field, Reader, near};

/// What a task file may name; the wiring answers from the store and the settings.
pub trait Known {
    /// Warnings about a selection, or its mistakes; spans are bytes within `text`.
    fn selection(&self, text: &str) -> Result<Vec<Problem>, Problems>;
    /// Names of the crowds there are.
    fn crowds(&self) -> Vec<String>;
    /// Names of the users' attributes, aliases included.
    fn attributes(&self) -> Vec<String>;
    /// Names of the senders that are set up.
    fn senders(&self) -> Vec<String>;
}

/// A task file that is right, and what is odd about it.
#[derive(Debug, Clone)]
pub struct Checked {
    pub file: TaskFile,
    pub warnings: Vec<Problem>,
}

/// Reads a task file and looks up its names. `now` is for the warning about a time that is past.
/// Errors: those of [`super::read`], TSK-007 for names, and those of the selection.
/// Warnings: TSK-008 placeholders that are no attribute, TSK-009 a time that is past.
pub fn check(
    text: &str,
    origin: &str,
    zone: &Zone,
    now: Timestamp,
    known: &dyn Known,
) -> Result<Checked, Problems> {
    let mut reader = Reader::new(text, origin);
    let parts = Parts::read(&mut reader, text, zone);
    let mut warnings = selection(&mut reader, parts.audience.as_ref(), known);
    for crowd in parts.crowd.iter().chain(&parts.blacklist) {
        name(&mut reader, "crowd", crowd, &known.crowds());
    }
    if let Some(sender) = &parts.sender {
        name(&mut reader, "sender", sender, &known.senders());
    }
    warnings.extend(placeholders(&reader, &parts, known));
    warnings.extend(parts.at.as_ref().filter(|at| at.value < now).map(|at| past(&reader, at.span)));
    let file = reader.finish(parts.whole(text))?;
    Ok(Checked { file, warnings })
}

/// A run whose time is past cannot be submitted or approved (S1.6).
pub(super) fn past_problem() -> Problem {
    Problem::author("TSK-009", "the time of the run is past")
        .cure("set `at` (and `end`) later than now; a draft is changed by `task edit`")
}

fn past(reader: &Reader, span: Span) -> Problem {
    reader.placed(past_problem(), span)
}

fn selection(reader: &mut Reader, audience: Option<&Field<String>>, known: &dyn Known) -> Vec<Problem> {
    let Some(audience) = audience else { return Vec::new() };
    let shift = shift_of(reader.raw(audience.span), &audience.value);
    let span = |problem: &Problem| inside(audience.span, shift, problem.span);
    match known.selection(&audience.value) {
        Ok(warnings) => warnings
            .into_iter()
            .map(|w| {
                let at = span(&w);
                reader.placed(w, at)
            })
            .collect(),
        Err(problems) => {
            problems.0.into_iter().for_each(|p| {
                let at = span(&p);
                reader.report(p, at)
            });
            Vec::new()
        }
    }
}

/// Bytes from the start of the quoted text to its first letter, when nothing in it is escaped.
fn shift_of(raw: &str, value: &str) -> Option<usize> {
    raw.find(value)
}

fn inside(outer: Span, shift: Option<usize>, inner: Option<(usize, usize)>) -> Span {
    match (shift, inner) {
        (Some(shift), Some((from, to))) => {
            Span { from: outer.from + shift + from, to: outer.from + shift + to }
        }
        _ => outer,
    }
}

fn name(reader: &mut Reader, kind: &str, written: &Field<String>, known: &[String]) {
    if known.contains(&written.value) {
        return;
    }
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let there = if names.is_empty() {
        "there is none yet".to_string()
    } else {
        format!("there are {}", names.join(", "))
    };
    let what = format!("no {kind} is called `{}`; {there}", written.value);
    let cure = match (near(&written.value, &names), kind) {
        (Some(near), _) => format!("write \"{near}\""),
        (None, "sender") => "set it up in quanke.toml as [senders.NAME]".to_string(),
        (None, _) => "make it with `quanke crowd create` or `quanke crowd import`".to_string(),
    };
    reader.report(Problem::author("TSK-007", what).cure(cure), written.span);
}

fn placeholders(reader: &Reader, parts: &Parts, known: &dyn Known) -> Vec<Problem> {
    let attributes = known.attributes();
    let names: Vec<&str> = attributes.iter().map(String::as_str).collect();
    let left = parts.content.value.left_to_the_channel(&|name| names.contains(&name));
    let warn = |name: String| {
        let what = format!("`{{{{{name}}}}}` is no attribute and no key of the content; it stays as written");
        let cure = match near(&name, &names) {
            Some(near) => format!("write {{{{{near}}}}}, or let the channel fill it"),
            None => format!("add {name} = \"…\" to the content, or let the channel fill it"),
        };
        reader.placed(Problem::author("TSK-008", what).cure(cure), parts.content.span)
    };
    left.into_iter().map(warn).collect()
}
