//! What do channels allow? Limits are facts about others, so they are dated data and not code.
//!
//! `limits/*.toml` are shipped with the program; files of the same form in the home's folder `limits`
//! override them by id.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::base::{Problem, Problems};

const SHIPPED: [(&str, &str); 3] = [
    ("limits/sms.toml", include_str!("../../limits/sms.toml")),
    ("limits/staff.toml", include_str!("../../limits/staff.toml")),
    ("limits/wecom.toml", include_str!("../../limits/wecom.toml")),
];

/// The limits that are known, by id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policies(BTreeMap<String, Limit>);

/// One limit, with where and when it was found.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The channel, then what is measured: `sms.aliyun.variable_chars`.
    pub id: String,
    /// The most that is allowed; the unit is the end of the id.
    pub max: Option<u64>,
    /// The age of an account, in days, from which it holds.
    pub from_days: Option<u32>,
    /// Words that are not allowed.
    #[serde(default)]
    pub words: Vec<String>,
    /// A text that is asked for.
    pub text: Option<String>,
    pub on_exceed: OnExceed,
    pub source: String,
    /// `2026`, `2026-01` or `2026-01-31`.
    pub as_of: String,
}

/// What happens beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExceed {
    /// The task is refused when it is checked.
    Error,
    /// It is told.
    Warn,
    /// What is too much goes into the next call.
    Split,
    /// What is too much waits.
    Wait,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    limit: Vec<Limit>,
}

impl Policies {
    /// The limits that are shipped. Errors: TSK-055; a test sees to it that there is none.
    pub fn shipped() -> Result<Policies, Problems> {
        SHIPPED.iter().try_fold(Policies::default(), |known, (origin, text)| known.and(text, origin))
    }

    /// These, and over them those of a file named `origin`. Errors: TSK-055 for what is no limit.
    pub fn and(mut self, text: &str, origin: &str) -> Result<Policies, Problems> {
        let file: File = toml::from_str(text).map_err(|error| unreadable(&error, text, origin))?;
        let mut problems = Problems::default();
        for limit in file.limit {
            problems.0.extend(limit.mistake().map(|what| wrong(&limit.id, what, origin)));
            self.0.insert(limit.id.clone(), limit);
        }
        problems.or(self)
    }

    /// The limit with this id.
    pub fn get(&self, id: &str) -> Option<&Limit> {
        self.0.get(id)
    }

    /// The limits whose ids begin so.
    pub fn below<'p>(&'p self, start: &'p str) -> impl Iterator<Item = &'p Limit> {
        self.0.values().filter(move |limit| limit.id.starts_with(start))
    }

    /// The most that `id` allows; without such a limit there is none.
    pub fn max(&self, id: &str) -> usize {
        let max = self.get(id).and_then(|limit| limit.max);
        max.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX)
    }
}

impl Limit {
    fn mistake(&self) -> Option<&'static str> {
        let says_nothing = self.max.is_none() && self.words.is_empty() && self.text.is_none();
        let is_date =
            regex::Regex::new(r"^\d{4}(-\d{2}(-\d{2})?)?$").is_ok_and(|date| date.is_match(&self.as_of));
        match () {
            () if says_nothing => Some("has no `max`, `words` or `text`"),
            () if self.source.trim().is_empty() => Some("has no source"),
            () if !is_date => Some("has an `as_of` that is no date"),
            () => None,
        }
    }
}

fn unreadable(error: &toml::de::Error, text: &str, origin: &str) -> Problem {
    let line = error.span().map_or(1, |span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
    Problem::author("TSK-055", format!("the limits cannot be read: {}", error.message().trim()))
        .at(format!("{origin}:{line}"))
        .cure("write it like limits/sms.toml of the program; docs/content.md shows the form")
}

fn wrong(id: &str, what: &str, origin: &str) -> Problem {
    Problem::author("TSK-055", format!("the limit `{id}` {what}"))
        .at(origin)
        .cure("give each limit a max, words or a text, its source and its date")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_limits_are_read_and_each_has_its_source_and_date() {
        let shipped = Policies::shipped().unwrap();
        assert_eq!(shipped.max("sms.aliyun.call_same"), 1_000);
        assert_eq!(shipped.get("sms.volcengine.opt_out").unwrap().text.as_deref(), Some("拒收请回复R"));
        assert_eq!(shipped.max("sms.nobody.call_same"), usize::MAX);
        assert!(shipped.0.values().all(|limit| !limit.source.is_empty()));
    }

    #[test]
    fn a_home_overrides_by_id() {
        let text = "[[limit]]\nid = \"sms.tencent.call_same\"\nmax = 50\non_exceed = \"split\"\nsource = \"合同\"\nas_of = \"2026-03-01\"";
        let ours = Policies::shipped().unwrap().and(text, "limits/ours.toml").unwrap();
        assert_eq!((ours.max("sms.tencent.call_same"), ours.max("sms.aliyun.call_same")), (50, 1_000));
    }

    #[test]
    fn what_is_no_limit_is_told_with_its_place() {
        let told = |text: &str| Policies::default().and(text, "limits/x.toml").unwrap_err().0;
        let found = told("[[limit]]\nid = \"a.b\"\nmaxx = 1");
        assert_eq!((found[0].code, found[0].at.as_str()), ("TSK-055", "limits/x.toml:3"));
        let bad = "[[limit]]\nid = \"a.b\"\non_exceed = \"warn\"\nsource = \"x\"\nas_of = \"2026\"\n\
                   [[limit]]\nid = \"a.c\"\nmax = 1\non_exceed = \"warn\"\nsource = \" \"\nas_of = \"2026\"\n\
                   [[limit]]\nid = \"a.d\"\nmax = 1\non_exceed = \"warn\"\nsource = \"x\"\nas_of = \"soon\"";
        assert_eq!(told(bad).len(), 3);
    }
}
