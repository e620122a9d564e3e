//! Does a task file speak of things that are there: crowds, attributes, senders, events?

use crate::base::{Problem, Problems, Span, Timestamp, Zone};

use super::about::Feature;
use super::content::LINK;
use super::file::{Parts, TaskFile, Trigger};
use super::policy::Policies;
use super::reader::{Field, Reader, near};
use super::register::Member;
use super::repeat_file::RepeatPart;
use super::rule_file::RulePart;
use super::trigger::Written;
use super::{lint, odd, team};

/// What a task file may name; the wiring answers from the store and the settings.
pub trait Known {
    /// Warnings about a selection, or its mistakes; spans are bytes within `text`.
    fn selection(&self, text: &str) -> Result<Vec<Problem>, Problems>;
    /// Warnings about `EVENT [where FILTER]` (names not seen yet), or its mistakes; spans are bytes
    /// within `text`.
    fn event(&self, text: &str) -> Result<Vec<Problem>, Problems>;
    /// The same for a property in which B must equal A; the problems have no spans.
    fn same(&self, property: &str) -> Result<Vec<Problem>, Problems>;
    /// Does `outer` surely take every event that `inner` takes? Both are `EVENT [where FILTER]`;
    /// false where that cannot be told.
    fn contains(&self, outer: &str, inner: &str) -> bool;
    /// How many of this event come on a day, by what is stored; the filter is passed over.
    fn rows_per_day(&self, event: &str) -> f64;
    /// Names of the crowds there are.
    fn crowds(&self) -> Vec<String>;
    /// Names of the users' attributes, aliases included.
    fn attributes(&self) -> Vec<String>;
    /// Names of the senders that are set up.
    fn senders(&self) -> Vec<String>;
    /// Is this part switched on in the home's settings?
    fn has(&self, feature: Feature) -> bool;
    /// Everyone of the staff who is registered.
    fn staff(&self) -> Vec<Member> {
        Vec::new()
    }
    /// Names of the links that are set up.
    fn links(&self) -> Vec<String> {
        Vec::new()
    }
    /// Is the link another one for each touch?
    fn is_link_per_touch(&self, _link: &str) -> bool {
        false
    }
    /// What channels allow, and the first part of the ids that hold for a sender (empty for none).
    fn limits(&self, _sender: &str) -> (Policies, String) {
        Default::default()
    }
}

/// A task file that is right, and what is odd about it.
#[derive(Debug, Clone)]
pub struct Checked {
    pub file: TaskFile,
    pub warnings: Vec<Problem>,
}

/// Reads a task file and looks up its names. `now` is for the warning about a time that is past.
/// Errors: those of [`super::read`], TSK-007 and TSK-051 for names, TSK-045 switched off, TSK-052 for limits of the
/// channel, TSK-070 to TSK-073 for staff, and those of the selection and the events.
/// Warnings: TSK-008 placeholders that are no attribute, TSK-009 a time that is past, TSK-017 to
/// TSK-019 odd rules, TSK-041 and TSK-042 odd schedules, TSK-062 caps that never hold, TSK-081 nothing to list, TSK-053 and TSK-054 what the channel will not like, and
/// those of the selection and the events.
pub fn check(
    text: &str,
    origin: &str,
    zone: &Zone,
    now: Timestamp,
    known: &dyn Known,
) -> Result<Checked, Problems> {
    let mut reader = Reader::new(text, origin);
    let mut parts = Parts::read(&mut reader, text, zone);
    let ask = |text: &str| known.selection(text);
    let mut warnings = asked(&mut reader, parts.audience.as_ref(), &ask);
    let goal = parts.goal.as_ref().map(Field::event);
    warnings.extend(asked(&mut reader, goal.as_ref(), &|text| known.event(text)));
    if let Some(Written::Rule(rule)) = &parts.trigger {
        warnings.extend(names_of_rule(&mut reader, rule, known));
        let period = parts.start.as_ref().zip(parts.end.as_ref());
        let period = period.map(|(start, end)| (start.value, end.value));
        warnings.extend(odd::warnings(&reader, rule, period, known));
    }
    if let Some(Written::Repeat(part)) = &parts.trigger {
        let found = [part.short_months(), made_once(&parts, part)];
        warnings.extend(found.into_iter().flatten().map(|(problem, span)| reader.placed(problem, span)));
    }
    warnings.extend(nothing_to_list(&parts).map(|(problem, span)| reader.placed(problem, span)));
    for crowd in parts.crowd.iter().chain(&parts.limits.blacklist).chain(&parts.limits.whitelist) {
        name(&mut reader, "crowd", crowd, &known.crowds());
    }
    if let Some(sender) = &parts.sender {
        name(&mut reader, "sender", sender, &known.senders());
    }
    for (feature, key, span) in parts.about.needs() {
        if !known.has(feature) {
            reader.report(feature.switched_off(&format!("`{key}`")), span);
        }
    }
    if let Some(channel) = parts.channel() {
        let idle = parts.limits.idle(channel, parts.group());
        warnings.extend(idle.into_iter().map(|(problem, span)| reader.placed(problem, span)));
    }
    let base = parts.content.clone();
    for content in parts.contents() {
        parts.content = content;
        warnings.extend(placeholders(&reader, &parts, known));
        warnings.extend(lint::content(&mut reader, &parts, known));
    }
    parts.content = base;
    warnings.extend(team::check(&mut reader, &parts, known));
    let last_word = parts.last_word();
    let past = |file: &TaskFile| file.is_past(now, zone).then(|| past_problem(&file.trigger));
    let file = reader.finish_with(parts.whole(text), |reader, file| {
        warnings.extend(past(file).map(|problem| reader.placed(problem, last_word)));
    })?;
    Ok(Checked { file, warnings })
}

/// A task whose time is past cannot be submitted or approved (S1.6).
pub(super) fn past_problem(trigger: &Trigger) -> Problem {
    let (what, key) = match trigger {
        Trigger::Once(_) => ("the time of the run is past", "`at` (and `end`)"),
        Trigger::Repeat(_) => {
            ("the time of the last run, or of a push, is past", "`end`, or the push's `at`,")
        }
        Trigger::Rule(_) => ("the period in which events count is past", "`end` (and `to`)"),
    };
    let cure = format!("set {key} later than now; a draft is changed by `task edit`");
    Problem::author("TSK-009", what).cure(cure)
}

/// TSK-081: a task without a selection has no audience of its own to list.
fn nothing_to_list(parts: &Parts) -> Option<(Problem, Span)> {
    let sync = parts.sync.as_ref().filter(|sync| sync.value && parts.audience.is_none())?;
    let what = "`sync` lists the task's own audience as a crowd, and this task has none";
    let cure = "give it an `audience`, or leave `sync` out";
    Some((Problem::author("TSK-081", what).cure(cure), sync.span))
}

/// TSK-042: a repeating task whose users are those of its first run for ever.
fn made_once(parts: &Parts, part: &RepeatPart) -> Option<(Problem, Span)> {
    let audience = parts.audience.as_ref().filter(|_| parts.leaves_update_open() && !part.refreshes())?;
    let what = "the audience is made once: every run reaches the users that the first run found";
    let cure = "say update = \"on_demand\" with refresh_before = true, or update = \"daily\"; or update = \"once\" if just that is meant";
    Some((Problem::author("TSK-042", what).cure(cure), audience.span))
}

fn names_of_rule(reader: &mut Reader, rule: &RulePart, known: &dyn Known) -> Vec<Problem> {
    let absence = rule.absence.as_ref();
    let mut warnings = asked(reader, rule.did.as_ref(), &|text| known.event(text));
    warnings.extend(asked(reader, absence.and_then(|b| b.not_done.as_ref()), &|text| known.event(text)));
    warnings.extend(asked(reader, absence.and_then(|b| b.same.as_ref()), &|name| known.same(name)));
    warnings
}

/// Warnings about a text in the selection language; its mistakes are noted. All at their places.
fn asked(
    reader: &mut Reader,
    written: Option<&Field<String>>,
    ask: &dyn Fn(&str) -> Result<Vec<Problem>, Problems>,
) -> Vec<Problem> {
    let Some(written) = written else { return Vec::new() };
    let shift = shift_of(reader.raw(written.span), &written.value);
    let span = |problem: &Problem| inside(written.span, shift, problem.span);
    match ask(&written.value) {
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
    let is_link = |name: &str| name == LINK && parts.link.is_some();
    let left = parts.content.value.left_to_the_channel(&|name| names.contains(&name) || is_link(name));
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
