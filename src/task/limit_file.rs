//! What does `[limits]` say? Caps, quiet hours, holdout, and who is left out or alone let in.
//!
//! A task file and quanke.toml have the same words here; the company's hold for every task of all apps.

use std::collections::BTreeSet;

use chrono::NaiveTime;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::{Problem, Problems, Share, Span};

use super::cap::{Cap, Counted, Key, Period, Scope};
use super::quiet::{Beyond, Quiet};
use super::reader::{Field, Reader, Section, span_of};
use super::staff_limits::{StaffLimits, StaffLimitsPart};
use super::timing::duration_ms;

/// Keys of `[limits]` in a task file.
pub const LIMITS: &[&str] = &["caps", "quiet", "holdout", "blacklist", "whitelist", "staff"];
const COMPANY: &[&str] = &["caps", "quiet", "whitelist"];
const CAP: &[&str] = &["all", "channel", "label", "task", "limit", "per", "counts", "key"];
const QUIET: &[&str] = &["from", "to", "then"];
/// More than this in a window is no limit.
const LIMIT_MAX: i64 = 1_000_000;
/// A longer window would count what the ledger may not know.
const WINDOW_MAX_MS: i64 = 366 * 86_400_000;

/// What becomes of touches in quiet hours and beyond quotas.
pub const THEN: &[(&str, Beyond)] = &[("hold", Beyond::Hold), ("drop", Beyond::Drop)];
const COUNTED: &[(&str, Counted)] =
    &[("attempted", Counted::Attempted), ("handed", Counted::Handed), ("delivered", Counted::Delivered)];
const KEYS: &[(&str, Key)] = &[("user", Key::User), ("user_staff", Key::UserStaff)];

/// Who does not get it, and when nobody does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    pub holdout: Option<Share>,
    /// The name of a crowd whose users are suppressed.
    pub blacklist: Option<String>,
    /// The name of a crowd outside which users are suppressed.
    pub whitelist: Option<String>,
    pub caps: Vec<Cap>,
    pub quiet: Option<Quiet>,
    /// What each member of the task's staff may do.
    pub staff: StaffLimits,
}

/// What could be read of it, with the places of names.
#[derive(Default)]
pub struct LimitsPart {
    pub blacklist: Option<Field<String>>,
    pub whitelist: Option<Field<String>>,
    pub caps: Vec<Field<Cap>>,
    pub staff: StaffLimitsPart,
    quiet: Option<Quiet>,
    holdout: Option<Share>,
}

/// The limits of quanke.toml, which `origin` names. Errors: TSK-002, TSK-004, TSK-060, TSK-061, TSK-064, all at once; a
/// text that is no TOML has none here.
pub fn company_limits(text: &str, origin: &str) -> Result<Limits, Problems> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Ok(Limits::default());
    }
    let mut reader = Reader::new(text, origin);
    let limits = Section::top(&document).inner("limits", &mut reader);
    reader.keys(&limits, COMPANY, &|_| None);
    let part = LimitsPart::read(&mut reader, &limits);
    reader.finish(Some(part.whole()))
}

impl LimitsPart {
    /// The keys of `[limits]`, mistakes noted.
    pub fn read(reader: &mut Reader, limits: &Section) -> LimitsPart {
        LimitsPart {
            blacklist: reader.text(limits, "blacklist"),
            whitelist: reader.text(limits, "whitelist"),
            caps: caps(reader, limits),
            quiet: quiet(reader, limits),
            staff: StaffLimitsPart::read(reader, limits),
            holdout: reader.text(limits, "holdout").and_then(|field| share(reader, field)),
        }
    }

    /// Caps that never hold for a task of this channel and group: warnings with their places (TSK-062).
    pub fn idle(&self, channel: &str, group: Option<&str>) -> Vec<(Problem, Span)> {
        let idle = self.caps.iter().filter(|cap| !cap.value.concerns(channel, group));
        let warn = |cap: &Field<Cap>| {
            let group = group.map_or("no group".to_string(), |group| format!("the group `{group}`"));
            let what = format!("this cap never holds: the task goes by channel `{channel}` and has {group}");
            let cure = "name the task's channel or group, or write task = true";
            (Problem::author("TSK-062", what).cure(cure), cap.span)
        };
        idle.map(warn).collect()
    }

    /// Without the places.
    pub fn whole(self) -> Limits {
        let value = |field: Option<Field<String>>| field.map(|field| field.value);
        Limits {
            holdout: self.holdout,
            blacklist: value(self.blacklist),
            whitelist: value(self.whitelist),
            caps: self.caps.into_iter().map(|cap| cap.value).collect(),
            quiet: self.quiet,
            staff: self.staff.whole(),
        }
    }
}

fn share(reader: &mut Reader, field: Field<String>) -> Option<Share> {
    let share = Share::parse(&field.value);
    if share.is_none() {
        let what = format!("`holdout` is `{}`; it must be a share from 0% to 100%", field.value);
        reader.report(Problem::author("TSK-004", what).cure("write holdout = \"5%\""), field.span);
    }
    share
}

fn caps(reader: &mut Reader, limits: &Section) -> Vec<Field<Cap>> {
    let Some(value) = limits.value("caps") else { return Vec::new() };
    let wanted = "a list of caps such as [{ channel = \"sms\", limit = 1, per = \"day\" }]";
    let Some(items) = value.get_ref().as_array() else {
        return reader.wrong("caps", value, wanted).unwrap_or_default();
    };
    let mut caps: Vec<Field<Cap>> = Vec::new();
    for item in items.iter() {
        let Some(section) = Section::of("caps", item) else {
            let _: Option<()> = reader.wrong("caps", item, wanted);
            continue;
        };
        let Some(cap) = cap(reader, &section) else { continue };
        if caps.iter().any(|known| known.value.counts_like(&cap)) {
            let what =
                "two caps count the same touches in the same window; only the lower limit would matter";
            reader.report(Problem::author("TSK-064", what).cure("keep one of them"), span_of(item));
        }
        caps.push(Field { value: cap, span: span_of(item) });
    }
    caps
}

/// All mistakes of one cap are noted before it is given up.
fn cap(reader: &mut Reader, item: &Section) -> Option<Cap> {
    reader.keys(item, CAP, &|_| None);
    let scope = scope(reader, item);
    let limit = reader.number(item, "limit", 0, LIMIT_MAX);
    let limit = reader.required(item, "limit", limit);
    let per = per(reader, item);
    let per = reader.required(item, "per", per);
    let counts = reader.word(item, "counts", COUNTED);
    let key = reader.word(item, "key", KEYS);
    Some(Cap {
        scope: scope?,
        limit: u32::try_from(limit?).ok()?,
        per: per?,
        counts: counts.unwrap_or(Counted::Handed),
        key: key.unwrap_or(Key::User),
    })
}

/// Exactly one of `all = true`, `task = true`, `channel` and `label`.
fn scope(reader: &mut Reader, item: &Section) -> Option<Scope> {
    let named = |field: Option<Field<String>>, scope: fn(String) -> Scope| {
        field.filter(|field| !field.value.trim().is_empty()).map(|field| scope(field.value))
    };
    let channel = reader.text(item, "channel");
    let label = reader.text(item, "label");
    let (all, task) = (reader.flag(item, "all"), reader.flag(item, "task"));
    let found = [
        all.filter(|all| *all).map(|_| Scope::All),
        task.filter(|task| *task).map(|_| Scope::Task),
        named(channel, Scope::Channel),
        named(label, Scope::Label),
    ];
    let mut found: Vec<Scope> = found.into_iter().flatten().collect();
    if found.len() == 1 {
        return found.pop();
    }
    let what = "a cap holds for exactly one of: all touches, a channel, a label (group of tasks), the task";
    let cure = "write one of all = true, channel = \"sms\", label = \"会员日\", task = true";
    reader.report(Problem::author("TSK-060", what).cure(cure), item.place());
    None
}

fn per(reader: &mut Reader, item: &Section) -> Option<Period> {
    let field = reader.text(item, "per")?;
    let rolling =
        || duration_ms(&field.value).filter(|ms| (1..=WINDOW_MAX_MS).contains(ms)).map(Period::Rolling);
    let found = calendar(&field.value).or_else(rolling);
    if found.is_none() {
        let what =
            format!("`per` is `{}`; it can be day, week, month, or a length of time up to 366d", field.value);
        let cure = "write per = \"day\" for local days, per = \"24h\" for the last 24 hours";
        reader.report(Problem::author("TSK-004", what).cure(cure), field.span);
    }
    found
}

/// The calendar windows by their words.
pub fn calendar(word: &str) -> Option<Period> {
    match word {
        "day" => Some(Period::Day),
        "week" => Some(Period::Week),
        "month" => Some(Period::Month),
        _ => None,
    }
}

fn quiet(reader: &mut Reader, limits: &Section) -> Option<Quiet> {
    let section = limits.inner("quiet", reader);
    if !section.is_present() {
        return None;
    }
    reader.keys(&section, QUIET, &|_| None);
    let (from, to) = (time(reader, &section, "from"), time(reader, &section, "to"));
    let then = reader.word(&section, "then", THEN).unwrap_or(Beyond::Hold);
    let (from, to) = (from?, to?);
    if from == to {
        let what = "quiet hours that begin and end at the same time would never end";
        let cure = "give `to` another time; to send nothing at all, pause the task";
        reader.report(Problem::author("TSK-061", what).cure(cure), section.span("to"));
        return None;
    }
    Some(Quiet { from, to, then })
}

fn time(reader: &mut Reader, section: &Section, key: &str) -> Option<NaiveTime> {
    let field = reader.text(section, key);
    let field = reader.required(section, key, field)?;
    let forms = ["%H:%M", "%H:%M:%S"];
    let found = forms.iter().find_map(|form| NaiveTime::parse_from_str(field.value.trim(), form).ok());
    let value: Option<&Spanned<DeValue>> = section.value(key);
    found.or_else(|| reader.wrong(key, value?, "a local time of day such as \"21:00\""))
}

/// The names of variants, each once.
pub(super) fn repeated<'n>(names: impl Iterator<Item = &'n str>) -> Option<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(name.to_string())).map(str::to_string)
}
