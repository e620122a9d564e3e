//! What does a task file say?
//!
//! [`read`] takes the text apart with a [`Reader`]: wrong values, unknown and missing keys are all
//! noted, then the parts are put together. Names of the data (crowds, senders, attributes) are
//! looked at by [`super::check`]. docs/tasks.md lists every key.

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::{Problem, Problems, Share, Span, Timestamp, Zone};

use super::content::Content;
use super::reader::{Field, Reader, Section};
use super::timing::{OnRefreshFailure, Once};

/// Characters in a task name. No document sets a limit for the tasks that are built here; this one
/// keeps lists readable.
pub const NAME_CHARS_MAX: usize = 100;
/// Touches in one batch: what channels take at once at most.
pub const BATCH_MAX: i64 = 10_000;
const BATCH_DEFAULT: i64 = 200;
const GRACE_DEFAULT_MS: i64 = 30 * 60_000;

/// A task file that was read without a mistake.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskFile {
    /// The text as written.
    pub text: String,
    pub name: String,
    pub group: Option<String>,
    pub audience: Audience,
    pub update: Update,
    /// The task is valid in `[start, end)`.
    pub start: Timestamp,
    pub end: Timestamp,
    /// How late a run may go out, in milliseconds.
    pub grace_ms: i64,
    pub on_pause: OnPause,
    pub trigger: Trigger,
    pub dispatch: Dispatch,
    pub limits: Limits,
}

/// Who is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Audience {
    Everyone,
    /// The text of a selection.
    Selection(String),
    /// The name of a crowd.
    Crowd(String),
}

/// When the audience is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    Once,
    Daily,
    OnDemand,
}

/// What happens to a run that falls due while the task is paused (semantics 5.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPause {
    /// Its touches are suppressed and counted.
    Drop,
    /// It waits for the resume and goes out if it is late by no more than the grace.
    Hold,
}

/// What makes the task fall due. Other kinds are refused when the file is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    Once(Once),
}

/// How it goes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    pub sender: String,
    /// The road it drives on; the sender's name when left out.
    pub channel: String,
    /// Touches in one batch, 1 to 10,000.
    pub batch: usize,
    pub content: Content,
}

/// Who does not get it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    pub holdout: Option<Share>,
    /// The name of a crowd whose users are suppressed.
    pub blacklist: Option<String>,
}

/// Reads a task file. `origin` names it in problems; times without an offset are local in `zone`.
/// Errors: TSK-001 to TSK-006, TSK-014, TSK-015, TSK-020, all that there are at once.
pub fn read(text: &str, origin: &str, zone: &Zone) -> Result<TaskFile, Problems> {
    let mut reader = Reader::new(text, origin);
    let parts = Parts::read(&mut reader, text, zone);
    reader.finish(parts.whole(text))
}

/// What could be read, mistakes or not.
pub(super) struct Parts {
    pub name: Option<Field<String>>,
    pub audience: Option<Field<String>>,
    pub crowd: Option<Field<String>>,
    pub at: Option<Field<Timestamp>>,
    pub end: Option<Field<Timestamp>>,
    pub sender: Option<Field<String>>,
    pub content: Field<Content>,
    pub blacklist: Option<Field<String>>,
    group: Option<String>,
    update: Option<Update>,
    start: Option<Field<Timestamp>>,
    grace_ms: Option<i64>,
    on_pause: Option<OnPause>,
    refresh_before: bool,
    on_refresh_failure: OnRefreshFailure,
    channel: Option<String>,
    batch: i64,
    holdout: Option<Share>,
}

const TOP: &[&str] = &[
    "name", "group", "audience", "crowd", "update", "start", "end", "grace", "on_pause", "trigger",
    "dispatch", "limits",
];
const ONCE: &[&str] = &["kind", "at", "refresh_before", "on_refresh_failure", "grace", "on_pause"];
const DISPATCH: &[&str] = &["sender", "channel", "batch", "content"];
const LIMITS: &[&str] = &["caps", "quiet", "holdout", "blacklist"];
/// Keys of the kinds that are not executed yet; they are known, so that nobody hunts for a typo.
const LATER: &[&str] = &[
    "times",
    "days",
    "weekdays",
    "cron",
    "did",
    "not_done",
    "within",
    "count",
    "again",
    "reach",
    "from",
    "to",
    "same",
    "count_history",
    "fires_max",
    "gap_min",
    "audience_at",
    "recheck",
    "on_end",
    "late_b",
    "overlap",
];

impl Parts {
    pub fn read(reader: &mut Reader, text: &str, zone: &Zone) -> Parts {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            reader.report_syntax(&errors);
            return Parts::nothing();
        }
        let top = Section::top(&document);
        reader.keys(&top, TOP, &where_it_belongs);
        let mut parts = Parts::nothing();
        parts.read_top(reader, &top, zone);
        parts.read_trigger(reader, &top, zone);
        parts.read_dispatch(reader, &top);
        parts.read_limits(reader, &top);
        parts.compare(reader, &top);
        parts
    }

    fn nothing() -> Parts {
        Parts {
            name: None,
            audience: None,
            crowd: None,
            at: None,
            end: None,
            sender: None,
            content: Field { value: Content::default(), span: Span::default() },
            blacklist: None,
            group: None,
            update: None,
            start: None,
            grace_ms: None,
            on_pause: None,
            refresh_before: false,
            on_refresh_failure: OnRefreshFailure::Skip,
            channel: None,
            batch: BATCH_DEFAULT,
            holdout: None,
        }
    }

    fn read_top(&mut self, reader: &mut Reader, top: &Section, zone: &Zone) {
        let name = reader.text(top, "name");
        self.name = reader.required(top, "name", name).filter(|name| is_a_name(reader, name));
        self.group = reader.text(top, "group").map(|field| field.value);
        self.audience = reader.text(top, "audience");
        self.crowd = reader.text(top, "crowd");
        self.update = reader.word(top, "update", UPDATES);
        let start = reader.instant(top, "start", zone);
        self.start = reader.required(top, "start", start);
        let end = reader.instant(top, "end", zone);
        self.end = reader.required(top, "end", end);
        self.grace_ms = reader.duration(top, "grace");
        self.on_pause = reader.word(top, "on_pause", ON_PAUSE);
    }

    fn read_trigger(&mut self, reader: &mut Reader, top: &Section, zone: &Zone) {
        let trigger = top.inner("trigger", reader);
        let kind = reader.text(&trigger, "kind");
        let Some(kind) = reader.required(&trigger, "kind", kind) else {
            let known: Vec<&str> = ONCE.iter().chain(LATER).copied().collect();
            reader.keys(&trigger, &known, &where_it_belongs);
            return;
        };
        match kind.value.as_str() {
            "once" => self.read_once(reader, &trigger, zone),
            "repeat" | "event" | "absence" => not_yet_kind(reader, &trigger, &kind),
            _ => drop(reader.word(&trigger, "kind", KINDS)),
        }
    }

    fn read_once(&mut self, reader: &mut Reader, trigger: &Section, zone: &Zone) {
        for key in LATER.iter().filter(|key| trigger.value(key).is_some()) {
            let what = format!("`{key}` means nothing for kind = \"once\"; it has {}", ONCE.join(", "));
            reader.report(
                Problem::author("TSK-015", what).cure(format!("leave `{key}` out")),
                trigger.span(key),
            );
        }
        let known: Vec<&str> = ONCE.iter().chain(LATER).copied().collect();
        reader.keys(trigger, &known, &where_it_belongs);
        let at = reader.instant(trigger, "at", zone);
        self.at = reader.required(trigger, "at", at);
        self.refresh_before = reader.flag(trigger, "refresh_before").unwrap_or(false);
        let failure = reader.word(trigger, "on_refresh_failure", ON_REFRESH_FAILURE);
        self.on_refresh_failure = failure.unwrap_or(OnRefreshFailure::Skip);
        self.grace_ms = reader.duration(trigger, "grace").or(self.grace_ms);
        self.on_pause = reader.word(trigger, "on_pause", ON_PAUSE).or(self.on_pause);
    }

    fn read_dispatch(&mut self, reader: &mut Reader, top: &Section) {
        let dispatch = top.inner("dispatch", reader);
        reader.keys(&dispatch, DISPATCH, &where_it_belongs);
        let sender = reader.text(&dispatch, "sender");
        self.sender = reader.required(&dispatch, "sender", sender);
        self.channel = reader.text(&dispatch, "channel").map(|field| field.value);
        self.batch = reader.number(&dispatch, "batch", 1, BATCH_MAX).unwrap_or(BATCH_DEFAULT);
        let content = dispatch.inner("content", reader);
        if content.is_present() {
            self.read_content(reader, &dispatch, &content);
        }
    }

    fn read_content(&mut self, reader: &mut Reader, dispatch: &Section, content: &Section) {
        let span = dispatch.span("content");
        let map = dispatch.value("content").map(json_of).unwrap_or_default();
        let map = map.as_object().cloned().unwrap_or_default();
        reader.text(content, "template");
        self.content = Field { value: Content(map), span };
    }

    fn read_limits(&mut self, reader: &mut Reader, top: &Section) {
        let limits = top.inner("limits", reader);
        reader.keys(&limits, LIMITS, &where_it_belongs);
        let is_empty =
            |value: &Spanned<DeValue>| value.get_ref().as_array().is_some_and(|list| list.is_empty());
        for key in ["caps", "quiet"] {
            if limits.value(key).is_some_and(|value| !is_empty(value)) {
                reader.report(not_yet(&format!("`{key}`")), limits.span(key));
            }
        }
        self.blacklist = reader.text(&limits, "blacklist");
        self.holdout = reader.text(&limits, "holdout").and_then(|field| share(reader, field));
    }

    /// What must agree between keys.
    fn compare(&self, reader: &mut Reader, top: &Section) {
        if let (Some(_), Some(crowd)) = (&self.audience, &self.crowd) {
            let problem =
                Problem::author("TSK-006", "`audience` and `crowd` are both given, and they differ in kind")
                    .cure("keep one; to narrow a crowd write audience = \"人群包 '名称' 且 …\"");
            reader.report(problem, crowd.span);
        }
        let (Some(start), Some(end)) = (&self.start, &self.end) else { return };
        if start.value >= end.value {
            let problem =
                Problem::author("TSK-005", "`end` is not after `start`, so the task is never valid");
            reader.report(problem.cure("make `end` later than `start`"), top.span("end"));
        } else if let Some(at) = self.at.as_ref().filter(|at| at.value < start.value || at.value >= end.value)
        {
            let problem =
                Problem::author("TSK-005", "`at` lies outside [start, end), so the run would never go out");
            reader.report(problem.cure("move `at`, or widen `start` and `end`"), at.span);
        }
    }

    /// The task file, when all that it needs is there.
    pub fn whole(self, text: &str) -> Option<TaskFile> {
        let at = self.at?.value;
        let once =
            Once { at, refresh_before: self.refresh_before, on_refresh_failure: self.on_refresh_failure };
        let sender = self.sender?.value;
        let audience = match (self.audience, self.crowd) {
            (Some(selection), _) => Audience::Selection(selection.value),
            (None, Some(crowd)) => Audience::Crowd(crowd.value),
            (None, None) => Audience::Everyone,
        };
        Some(TaskFile {
            text: text.to_string(),
            name: self.name?.value,
            group: self.group,
            audience,
            update: self.update.unwrap_or(Update::Once),
            start: self.start?.value,
            end: self.end?.value,
            grace_ms: self.grace_ms.unwrap_or(GRACE_DEFAULT_MS),
            on_pause: self.on_pause.unwrap_or(OnPause::Drop),
            trigger: Trigger::Once(once),
            dispatch: Dispatch {
                channel: self.channel.unwrap_or_else(|| sender.clone()),
                sender,
                batch: usize::try_from(self.batch).ok()?,
                content: self.content.value,
            },
            limits: Limits { holdout: self.holdout, blacklist: self.blacklist.map(|field| field.value) },
        })
    }
}

const UPDATES: &[(&str, Update)] =
    &[("once", Update::Once), ("daily", Update::Daily), ("on_demand", Update::OnDemand)];
const ON_PAUSE: &[(&str, OnPause)] = &[("drop", OnPause::Drop), ("hold", OnPause::Hold)];
const ON_REFRESH_FAILURE: &[(&str, OnRefreshFailure)] =
    &[("latest", OnRefreshFailure::Latest), ("skip", OnRefreshFailure::Skip)];
const KINDS: &[(&str, ())] = &[("once", ()), ("repeat", ()), ("event", ()), ("absence", ())];

fn is_a_name(reader: &mut Reader, name: &Field<String>) -> bool {
    let length = name.value.trim().chars().count();
    if (1..=NAME_CHARS_MAX).contains(&length) {
        return true;
    }
    let what = format!("the name has {length} characters; it needs 1 to {NAME_CHARS_MAX}");
    reader.report(
        Problem::author("TSK-014", what).cure("give it a short name; customers never see it"),
        name.span,
    );
    false
}

fn not_yet_kind(reader: &mut Reader, trigger: &Section, kind: &Field<String>) {
    let known: Vec<&str> = ONCE.iter().chain(LATER).copied().collect();
    reader.keys(trigger, &known, &where_it_belongs);
    reader.report(not_yet(&format!("kind = \"{}\"", kind.value)), kind.span);
}

fn not_yet(what: &str) -> Problem {
    Problem::author("TSK-020", format!("{what} is not supported yet: this version would not do what it says"))
        .cure("leave it out, or use kind = \"once\" with holdout and blacklist, which work")
}

fn share(reader: &mut Reader, field: Field<String>) -> Option<Share> {
    let share = Share::parse(&field.value);
    if share.is_none() {
        let what = format!("`holdout` is `{}`; it must be a share from 0% to 100%", field.value);
        reader.report(Problem::author("TSK-004", what).cure("write holdout = \"5%\""), field.span);
    }
    share
}

/// The table to which a key belongs that stands in the wrong one.
fn where_it_belongs(key: &str) -> Option<String> {
    let homes: [(&str, &[&str]); 4] =
        [("[trigger]", ONCE), ("[trigger]", LATER), ("[dispatch]", DISPATCH), ("[limits]", LIMITS)];
    let found = homes.iter().find(|(_, keys)| keys.contains(&key)).map(|(home, _)| *home);
    let top = TOP.contains(&key).then_some("the top of the file, before the first [table]");
    found.or(top).map(|home| format!("move `{key}` to {home}"))
}

fn json_of(value: &Spanned<DeValue>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(n) => {
            i64::from_str_radix(n.as_str(), n.radix()).map_or_else(|_| json!(n.to_string()), Value::from)
        }
        DeValue::Float(n) => n.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Datetime(at) => Value::from(at.to_string()),
        DeValue::Array(items) => items.iter().map(json_of).collect(),
        DeValue::Table(table) => Value::Object(in_written_order(table)),
    }
}

/// The entries as the author ordered them; the TOML reader gives them by name.
fn in_written_order(table: &DeTable) -> Map<String, Value> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.into_iter().map(|(key, value)| (key.get_ref().to_string(), json_of(value))).collect()
}
