//! What does `[trigger]` say? One reader per kind; keys of another kind are named as such.
//!
//! [`Written::read`] looks at `kind` and gives [`OncePart`], [`RepeatPart`] or [`RulePart`]: what could
//! be read, mistakes or not. Words of a rule are read in `rule_file`, of a schedule in `repeat_file`.

use crate::base::{Problem, Timestamp, Zone};

use super::file::Trigger;
use super::reader::{Field, Reader, Section};
use super::repeat_file::RepeatPart;
use super::rule_file::RulePart;
use super::timing::{OnRefreshFailure, Once, Refresh};

/// Keys that every kind has; the last two may also stand at the top of the file.
const EVERY_KIND: &[&str] = &["kind", "grace", "on_pause"];
const ONCE: &[&str] = &["at", "refresh_before", "on_refresh_failure"];
const REPEAT: &[&str] =
    &["times", "days", "weekdays", "cron", "pushes", "overlap", "refresh_before", "on_refresh_failure"];
const EVENT: &[&str] = &[
    "did",
    "count",
    "reach",
    "from",
    "to",
    "count_history",
    "fires_max",
    "gap_min",
    "audience_at",
    "recheck",
    "on_end",
];
const ABSENCE: &[&str] = &["not_done", "within", "again", "same", "late_b"];

/// The kinds of trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Once,
    Repeat,
    Event,
    Absence,
}

const KINDS: &[(&str, Kind)] =
    &[("once", Kind::Once), ("repeat", Kind::Repeat), ("event", Kind::Event), ("absence", Kind::Absence)];

/// What could be read of `[trigger]`.
pub enum Written {
    Once(OncePart),
    Repeat(RepeatPart),
    Rule(Box<RulePart>),
}

/// `kind = "once"`.
pub struct OncePart {
    pub at: Option<Field<Timestamp>>,
    refresh: Refresh,
}

/// Every key of `[trigger]`, of whatever kind; some come twice.
pub fn keys() -> impl Iterator<Item = &'static str> {
    [EVERY_KIND, ONCE, REPEAT, EVENT, ABSENCE].into_iter().flatten().copied()
}

impl Written {
    /// What the section says; `None` for a kind that is missing or unknown.
    pub fn read(
        reader: &mut Reader,
        trigger: &Section,
        zone: &Zone,
        elsewhere: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Written> {
        let all: Vec<&str> = keys().collect();
        let written = reader.text(trigger, "kind");
        let known =
            reader.required(trigger, "kind", written).and_then(|_| reader.word(trigger, "kind", KINDS));
        let Some(kind) = known else {
            reader.keys(trigger, &all, elsewhere);
            return None;
        };
        reader.known_keys(trigger, &kind.keys(), &all, elsewhere);
        kind.refuse_others(reader, trigger);
        match kind {
            Kind::Once => Some(Written::Once(OncePart::read(reader, trigger, zone))),
            Kind::Event | Kind::Absence => {
                let is_absence = kind == Kind::Absence;
                Some(Written::Rule(Box::new(RulePart::read(reader, trigger, zone, is_absence))))
            }
            Kind::Repeat => {
                let refresh = refresh(reader, trigger, OnRefreshFailure::Latest);
                Some(Written::Repeat(RepeatPart::read(reader, trigger, zone, refresh)))
            }
        }
    }

    /// What must agree between keys, once the task's own period is known.
    pub fn compare(&self, reader: &mut Reader, start: Timestamp, end: Timestamp) {
        match self {
            Written::Once(part) => part.compare(reader, start, end),
            Written::Repeat(part) => part.compare(reader, start, end),
            Written::Rule(part) => part.compare(reader, start, end),
        }
    }

    /// The trigger, when all that it needs is there.
    pub fn whole(self) -> Option<Trigger> {
        match self {
            Written::Once(part) => part.whole().map(Trigger::Once),
            Written::Repeat(part) => part.whole(),
            Written::Rule(part) => part.whole().map(|rule| Trigger::Rule(Box::new(rule))),
        }
    }
}

impl Kind {
    fn word(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    fn keys(self) -> Vec<&'static str> {
        let own: &[&[&str]] = match self {
            Kind::Once => &[EVERY_KIND, ONCE],
            Kind::Repeat => &[EVERY_KIND, REPEAT],
            Kind::Event => &[EVERY_KIND, EVENT],
            Kind::Absence => &[EVERY_KIND, EVENT, ABSENCE],
        };
        own.iter().flat_map(|keys| keys.iter().copied()).collect()
    }

    /// Notes the keys that only other kinds have, each once.
    fn refuse_others(self, reader: &mut Reader, trigger: &Section) {
        let own = self.keys();
        let mut others: Vec<&str> = keys().filter(|key| !own.contains(key)).collect();
        others.sort_unstable();
        others.dedup();
        for key in others.into_iter().filter(|key| trigger.value(key).is_some()) {
            let homes: Vec<&str> =
                KINDS.iter().filter(|(_, kind)| kind.keys().contains(&key)).map(|(word, _)| *word).collect();
            let (word, homes) = (self.word(), homes.join("\" and \""));
            let what =
                format!("`{key}` means nothing for kind = \"{word}\"; it belongs to kind = \"{homes}\"");
            let cure = format!("leave `{key}` out; kind = \"{word}\" has {}", own.join(", "));
            reader.report(Problem::author("TSK-015", what).cure(cure), trigger.span(key));
        }
    }
}

impl OncePart {
    fn read(reader: &mut Reader, trigger: &Section, zone: &Zone) -> OncePart {
        let at = reader.instant(trigger, "at", zone);
        let at = reader.required(trigger, "at", at);
        OncePart { at, refresh: refresh(reader, trigger, OnRefreshFailure::Skip) }
    }

    fn compare(&self, reader: &mut Reader, start: Timestamp, end: Timestamp) {
        let Some(at) = self.at.as_ref().filter(|at| at.value < start || at.value >= end) else { return };
        let problem =
            Problem::author("TSK-005", "`at` lies outside [start, end), so the run would never go out");
        reader.report(problem.cure("move `at`, or widen `start` and `end`"), at.span);
    }

    fn whole(self) -> Option<Once> {
        Some(Once { at: self.at?.value, refresh: self.refresh })
    }
}

/// `refresh_before`, and what happens if it fails; the default differs by kind (semantics 3).
fn refresh(reader: &mut Reader, trigger: &Section, default: OnRefreshFailure) -> Refresh {
    let is_before = reader.flag(trigger, "refresh_before").unwrap_or(false);
    let on_failure = reader.word(trigger, "on_refresh_failure", ON_REFRESH_FAILURE);
    Refresh { is_before, on_failure: on_failure.unwrap_or(default) }
}

const ON_REFRESH_FAILURE: &[(&str, OnRefreshFailure)] =
    &[("latest", OnRefreshFailure::Latest), ("skip", OnRefreshFailure::Skip)];
