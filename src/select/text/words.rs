//! Which words belong to the language, in both spellings, and which text may be a bare name.

use crate::base::Unit;

/// How the words of the language are spelled when a selection is printed; both read the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// `and or not did has crowd any`
    #[default]
    English,
    /// `且 或 非 做过 有 人群包 任意`, the rest as in English.
    Chinese,
}

impl Spelling {
    /// The word of this spelling for an English word of the language.
    pub(super) fn word(self, english: &'static str) -> &'static str {
        let chinese = CHINESE.iter().find(|(_, word)| *word == english).map(|(chinese, _)| *chinese);
        match self {
            Spelling::English => english,
            Spelling::Chinese => chinese.unwrap_or(english),
        }
    }
}

/// The words that have a Chinese spelling.
pub(super) const CHINESE: &[(&str, &str)] = &[
    ("且", "and"),
    ("或", "or"),
    ("非", "not"),
    ("做过", "did"),
    ("有", "has"),
    ("人群包", "crowd"),
    ("任意", "any"),
];

/// Every word that a bare name may not be. Units (`day`, `hours`, `week` …) are not among them,
/// as they only ever follow a number, `this` or `last`; `days` is, because it is also a metric.
pub(super) const WORDS: &[&str] = &[
    "after",
    "all",
    "and",
    "anniversary",
    "any",
    "avg",
    "before",
    "between",
    "by",
    "calendar",
    "contains",
    "count",
    "crowd",
    "days",
    "did",
    "distinct",
    "ends",
    "false",
    "first",
    "from",
    "has",
    "in",
    "including",
    "is",
    "known",
    "last",
    "matches",
    "max",
    "min",
    "missing",
    "next",
    "none",
    "not",
    "of",
    "on",
    "or",
    "salt",
    "same",
    "sample",
    "starts",
    "sum",
    "then",
    "this",
    "to",
    "today",
    "top",
    "true",
    "where",
    "with",
    "within",
    "without",
    "yesterday",
];

/// Words that begin a leaf other than a tag; after a join they end a filter.
pub(super) const LEAF_STARTS: &[&str] = &["did", "has", "crowd", "first", "last", "sample", "top"];

/// Words that begin a metric.
pub(super) const METRICS: &[&str] = &["count", "days", "sum", "avg", "min", "max", "distinct"];

/// Words that begin a window.
pub(super) const WINDOW_STARTS: &[&str] =
    &["in", "today", "yesterday", "this", "last", "from", "before", "after", "within"];

/// The word of the language that `text` is, in its English spelling; case does not matter.
pub(super) fn keyword(text: &str) -> Option<&'static str> {
    let chinese = CHINESE.iter().find(|(chinese, _)| *chinese == text).map(|(_, english)| *english);
    chinese.or_else(|| WORDS.iter().find(|word| word.eq_ignore_ascii_case(text)).copied())
}

/// The Chinese word that `text` begins with, when more follows: `非` of `非人群包`.
pub(super) fn glued(text: &str) -> Option<(&'static str, &str)> {
    let split = |word: &'static str| text.strip_prefix(word).map(|rest| (word, rest));
    CHINESE.iter().find_map(|(word, _)| split(word)).filter(|(_, rest)| !rest.is_empty())
}

/// May a bare name begin with `c`?
pub(super) fn starts_name(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// May a bare name go on with `c`?
pub(super) fn continues_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '$')
}

/// May `name` be written without quotes?
pub(super) fn is_bare(name: &str) -> bool {
    name.starts_with(starts_name) && name.chars().all(continues_name) && keyword(name).is_none()
}

/// The units with their short form; `m` is a minute.
const UNITS: &[(Unit, &str)] = &[
    (Unit::Second, "s"),
    (Unit::Minute, "m"),
    (Unit::Hour, "h"),
    (Unit::Day, "d"),
    (Unit::Week, ""),
    (Unit::Month, ""),
    (Unit::Year, ""),
];

/// The unit spelled out, one or many: `day`, `Days`.
pub(super) fn unit(text: &str) -> Option<Unit> {
    let lower = text.to_ascii_lowercase();
    let singular = lower.strip_suffix('s').unwrap_or(&lower);
    UNITS.iter().map(|(unit, _)| *unit).find(|unit| unit.word() == singular)
}

/// The unit behind a number without a space: `20m`, `20minutes`.
pub(super) fn unit_behind_number(text: &str) -> Option<Unit> {
    let short = |(_, short): &&(Unit, &str)| !short.is_empty() && *short == text;
    unit(text).or_else(|| UNITS.iter().find(short).map(|(unit, _)| *unit))
}

/// All unit words, for near names.
pub(super) const UNIT_WORDS: &[&str] =
    &["seconds", "minutes", "hours", "days", "weeks", "months", "years", "day", "week", "month"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_whole_words_in_any_case() {
        assert_eq!(keyword("AND"), Some("and"));
        assert_eq!(keyword("且"), Some("and"));
        assert_eq!(keyword("非会员"), None);
        assert_eq!(glued("非会员"), Some(("非", "会员")));
        assert_eq!(glued("非"), None);
    }

    #[test]
    fn names_that_need_no_quotes() {
        for bare in ["gender", "性别", "_x", "$url", "a.b$c_1", "year", "week", "非会员", "手机品牌"]
        {
            assert!(is_bare(bare), "{bare}");
        }
        for quoted in ["", "手机 品牌", "1a", "a-b", "Count", "任意", "a'b", "😀"] {
            assert!(!is_bare(quoted), "{quoted}");
        }
    }

    #[test]
    fn units_are_singular_plural_or_short() {
        assert_eq!(unit("Minute"), Some(Unit::Minute));
        assert_eq!(unit("years"), Some(Unit::Year));
        assert_eq!(unit("m"), None);
        assert_eq!(unit_behind_number("m"), Some(Unit::Minute));
        assert_eq!(unit_behind_number("w"), None);
    }
}
