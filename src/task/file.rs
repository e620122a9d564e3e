//! What does a task file say?
//!
//! [`read`] takes the text apart with a [`Reader`]: wrong values, unknown and missing keys are all
//! noted, then the parts are put together. Names of the data (crowds, senders, attributes) are
//! looked at by [`super::check`]. docs/tasks.md lists every key.

use serde_json::{Map, Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::{Problem, Problems, Span, Timestamp, Zone};

use super::about::{About, AboutPart};
use super::content::{Content, Missing};
use super::cycle::Cycle;
use super::goal::Goal;
use super::limit_file::{LIMITS, Limits, LimitsPart};
use super::reader::{Field, Reader, Section};
use super::rule::Rule;
use super::timing::{Once, Repeat};
use super::trigger::{self, Written};
use super::variant::{self, Variant};

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
    pub about: About,
    pub audience: Audience,
    pub update: Update,
    /// Is its own audience listed as a crowd? Left out: as quanke.toml says.
    pub sync: Option<bool>,
    /// What its touches are meant to bring about.
    pub goal: Option<Goal>,
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

impl TaskFile {
    /// Can nothing fall due any more at `now`? The run's time is past (of a repeating task the last run's, of
    /// pushes any), or A's period is over. `zone` is the task's.
    pub fn is_past(&self, now: Timestamp, zone: &Zone) -> bool {
        match &self.trigger {
            Trigger::Once(once) => once.at < now,
            Trigger::Repeat(Repeat { cycle: Cycle::Pushes(pushes), .. }) => {
                pushes.iter().any(|push| zone.instant(push.at) < now)
            }
            Trigger::Repeat(_) => self.slot_from(now, zone).is_none(),
            Trigger::Rule(rule) => rule.to.map_or(self.end, |to| to.min(self.end)) <= now,
        }
    }
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

/// What makes the task fall due.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// The calendar, once.
    Once(Once),
    /// The calendar, again and again.
    Repeat(Repeat),
    /// What users do: completed A, or A-not-B when the rule has an absence.
    Rule(Box<Rule>),
}

impl Trigger {
    /// The word of its kind, as in a task file.
    pub fn word(&self) -> &'static str {
        match self {
            Trigger::Once(_) => "once",
            Trigger::Repeat(_) => "repeat",
            Trigger::Rule(rule) if rule.absence.is_some() => "absence",
            Trigger::Rule(_) => "event",
        }
    }
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
    /// What becomes of a touch whose content lacks a value.
    pub missing: Missing,
    /// The link of quanke.toml that `{{link}}` stands for.
    pub link: Option<String>,
    /// Contents of which each user gets one; without any there is `content` alone.
    pub variants: Vec<Variant>,
}

/// Reads a task file. `origin` names it in problems; times without an offset are local in `zone`.
/// Errors: TSK-001 to TSK-006, TSK-014 to TSK-016, TSK-060, TSK-061, TSK-063, TSK-064, TSK-080, all that
/// there are at once.
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
    pub trigger: Option<Written>,
    pub start: Option<Field<Timestamp>>,
    pub end: Option<Field<Timestamp>>,
    pub sender: Option<Field<String>>,
    pub content: Field<Content>,
    pub link: Option<Field<String>>,
    missing: Missing,
    pub variants: Vec<Field<Variant>>,
    pub limits: LimitsPart,
    pub about: AboutPart,
    pub goal: Option<Field<Goal>>,
    group: Option<String>,
    update: Option<Update>,
    pub sync: Option<Field<bool>>,
    grace_ms: Option<i64>,
    on_pause: Option<OnPause>,
    channel: Option<String>,
    batch: i64,
}

const TOP: &[&str] = &[
    "name",
    "group",
    "audience",
    "crowd",
    "update",
    "sync",
    "goal",
    "start",
    "end",
    "grace",
    "on_pause",
    "trigger",
    "dispatch",
    "limits",
    "resource_group",
    "activity",
    "staff",
    "departments",
];
const DISPATCH: &[&str] = &["sender", "channel", "batch", "content", "missing", "link", "variants"];
impl Parts {
    /// Touches in one batch.
    pub fn batch(&self) -> usize {
        usize::try_from(self.batch).unwrap_or(0)
    }

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
            trigger: None,
            start: None,
            end: None,
            sender: None,
            content: Field { value: Content::default(), span: Span::default() },
            link: None,
            missing: Missing::default(),
            variants: Vec::new(),
            limits: LimitsPart::default(),
            about: AboutPart::default(),
            goal: None,
            group: None,
            update: None,
            sync: None,
            grace_ms: None,
            on_pause: None,
            channel: None,
            batch: BATCH_DEFAULT,
        }
    }

    fn read_top(&mut self, reader: &mut Reader, top: &Section, zone: &Zone) {
        let name = reader.text(top, "name");
        self.name = reader.required(top, "name", name).filter(|name| is_a_name(reader, name));
        self.group = reader.text(top, "group").map(|field| field.value);
        self.about = AboutPart::read(reader, top);
        self.audience = reader.text(top, "audience");
        self.crowd = reader.text(top, "crowd");
        self.update = reader.word(top, "update", UPDATES);
        self.sync = reader.flag(top, "sync").map(|value| Field { value, span: top.span("sync") });
        self.goal = Goal::read(reader, top);
        let start = reader.instant(top, "start", zone);
        self.start = reader.required(top, "start", start);
        let end = reader.instant(top, "end", zone);
        self.end = reader.required(top, "end", end);
        self.grace_ms = reader.duration(top, "grace");
        self.on_pause = reader.word(top, "on_pause", ON_PAUSE);
    }

    fn read_trigger(&mut self, reader: &mut Reader, top: &Section, zone: &Zone) {
        let trigger = top.inner("trigger", reader);
        self.trigger = Written::read(reader, &trigger, zone, &where_it_belongs);
        self.grace_ms = reader.duration(&trigger, "grace").or(self.grace_ms);
        self.on_pause = reader.word(&trigger, "on_pause", ON_PAUSE).or(self.on_pause);
    }

    fn read_dispatch(&mut self, reader: &mut Reader, top: &Section) {
        let dispatch = top.inner("dispatch", reader);
        reader.keys(&dispatch, DISPATCH, &where_it_belongs);
        let sender = reader.text(&dispatch, "sender");
        self.sender = reader.required(&dispatch, "sender", sender);
        self.channel = reader.text(&dispatch, "channel").map(|field| field.value);
        self.batch = reader.number(&dispatch, "batch", 1, BATCH_MAX).unwrap_or(BATCH_DEFAULT);
        self.link = reader.text(&dispatch, "link");
        self.missing = missing(reader, &dispatch).unwrap_or_default();
        let content = dispatch.inner("content", reader);
        if content.is_present() {
            self.read_content(reader, &dispatch, &content);
        }
        self.variants = variant::read(reader, &dispatch, &self.content.value);
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
        self.limits = LimitsPart::read(reader, &limits);
    }

    /// The road that its touches take.
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref().or(self.sender.as_ref().map(|sender| sender.value.as_str()))
    }

    /// A group of tasks, for caps.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Every content that may go out.
    pub fn contents(&self) -> Vec<Field<Content>> {
        let of =
            |variant: &Field<Variant>| Field { value: variant.value.content.clone(), span: variant.span };
        match self.variants.is_empty() {
            true => vec![self.content.clone()],
            false => self.variants.iter().map(of).collect(),
        }
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
        } else if let Some(trigger) = &self.trigger {
            trigger.compare(reader, start.value, end.value);
        }
    }

    /// Where the last instant stands at which something can fall due.
    pub fn last_word(&self) -> Span {
        let own = match &self.trigger {
            Some(Written::Once(part)) => part.at.as_ref(),
            Some(Written::Repeat(part)) => return part.span().unwrap_or_default(),
            Some(Written::Rule(part)) => part.to.as_ref(),
            None => None,
        };
        own.or(self.end.as_ref()).map_or(Span::default(), |field| field.span)
    }

    /// Does the file leave it open how often the audience is made?
    pub fn leaves_update_open(&self) -> bool {
        self.update.is_none()
    }

    /// The task file, when all that it needs is there.
    pub fn whole(self, text: &str) -> Option<TaskFile> {
        let trigger = self.trigger?.whole()?;
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
            about: self.about.whole(),
            audience,
            update: self.update.unwrap_or(Update::Once),
            sync: self.sync.map(|field| field.value),
            goal: self.goal.map(|field| field.value),
            start: self.start?.value,
            end: self.end?.value,
            grace_ms: self.grace_ms.unwrap_or(GRACE_DEFAULT_MS),
            on_pause: self.on_pause.unwrap_or(OnPause::Drop),
            trigger,
            dispatch: Dispatch {
                channel: self.channel.unwrap_or_else(|| sender.clone()),
                sender,
                batch: usize::try_from(self.batch).ok()?,
                content: self.content.value,
                missing: self.missing,
                link: self.link.map(|field| field.value),
                variants: self.variants.into_iter().map(|field| field.value).collect(),
            },
            limits: self.limits.whole(),
        })
    }
}

const UPDATES: &[(&str, Update)] =
    &[("once", Update::Once), ("daily", Update::Daily), ("on_demand", Update::OnDemand)];
const ON_PAUSE: &[(&str, OnPause)] = &[("drop", OnPause::Drop), ("hold", OnPause::Hold)];
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

fn missing(reader: &mut Reader, dispatch: &Section) -> Option<Missing> {
    let field = reader.text(dispatch, "missing")?;
    let found = Missing::parse(&field.value);
    if found.is_none() {
        let what = format!("`missing` is `{}`; it can be empty, refuse, default:TEXT", field.value);
        reader.report(Problem::author("TSK-004", what).cure("write missing = \"refuse\""), field.span);
    }
    found
}

/// The table to which a key belongs that stands in the wrong one.
fn where_it_belongs(key: &str) -> Option<String> {
    let homes: [(&str, &[&str]); 2] = [("[dispatch]", DISPATCH), ("[limits]", LIMITS)];
    let found = homes.iter().find(|(_, keys)| keys.contains(&key)).map(|(home, _)| *home);
    let found = trigger::keys().any(|known| known == key).then_some("[trigger]").or(found);
    let top = TOP.contains(&key).then_some("the top of the file, before the first [table]");
    found.or(top).map(|home| format!("move `{key}` to {home}"))
}

pub(super) fn json_of(value: &Spanned<DeValue>) -> Value {
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
