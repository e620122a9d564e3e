//! How is a TOML text read so that every mistake is found, each at its place?
//!
//! A [`Reader`] keeps the problems; a [`Section`] is one table of the text. Each getter gives
//! `None` both when the key is absent and when its value is wrong; in the second case the reader
//! has a problem more.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::{Moment, Problem, Problems, Span, Timestamp, Zone};

use super::timing::duration_ms;

/// A value and where it stood.
#[derive(Debug, Clone)]
pub struct Field<T> {
    pub value: T,
    pub span: Span,
}

/// The text being read and what was found wrong in it.
pub struct Reader<'t> {
    text: &'t str,
    origin: &'t str,
    problems: Vec<Problem>,
}

/// One table: its name as in `[trigger]` (empty for the top), its entries and where it begins.
pub struct Section<'d> {
    name: &'static str,
    table: Option<&'d DeTable<'d>>,
    span: Span,
}

impl<'t> Reader<'t> {
    /// A reader of `text`, which problems call `origin` (a file name).
    pub fn new(text: &'t str, origin: &'t str) -> Reader<'t> {
        Reader { text, origin, problems: Vec::new() }
    }

    /// Notes a problem at a place of the text.
    pub fn report(&mut self, problem: Problem, span: Span) {
        let place = self.place(span);
        self.problems.push(problem.at(place).span(span));
    }

    /// The same words for a warning that is not noted here.
    pub fn placed(&self, problem: Problem, span: Span) -> Problem {
        let place = self.place(span);
        problem.at(place).span(span)
    }

    /// The value when nothing was found wrong, or all problems in the order of the text.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        self.problems.sort_by_key(|problem| problem.span.map_or(0, |(from, _)| from));
        match value {
            Some(value) => Problems(self.problems).or(value),
            None if self.problems.is_empty() => {
                Err(Problem::bug("a task file was refused without a reason").into())
            }
            None => Err(Problems(self.problems)),
        }
    }

    /// The same, with a look at what was read.
    pub fn finish_with<T>(self, value: Option<T>, mut look: impl FnMut(&Reader, &T)) -> Result<T, Problems> {
        value.iter().for_each(|value| look(&self, value));
        self.finish(value)
    }

    /// Notes what the TOML reader itself could not read.
    pub fn report_syntax(&mut self, errors: &[toml::de::Error]) {
        for error in errors {
            let span =
                error.span().map_or(Span::default(), |range| Span { from: range.start, to: range.end });
            let problem = Problem::author("TSK-001", format!("this is not TOML: {}", error.message())).cure(
                "texts stand in quotes, so do Chinese keys; tables begin with [name]; see docs/tasks.md",
            );
            self.report(problem, span);
        }
    }

    /// Notes keys of `section` that are not in `allowed`; `elsewhere` tells where a key belongs.
    pub fn keys(&mut self, section: &Section, allowed: &[&str], elsewhere: &dyn Fn(&str) -> Option<String>) {
        self.known_keys(section, allowed, allowed, elsewhere);
    }

    /// Notes keys of `section` that are not in `known`, and tells those in `shown`.
    pub fn known_keys(
        &mut self,
        section: &Section,
        shown: &[&str],
        known: &[&str],
        elsewhere: &dyn Fn(&str) -> Option<String>,
    ) {
        let Some(table) = section.table else { return };
        for (key, _) in table.iter() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let span = span_of(key);
                self.report(unknown_key(name, section.name, shown, elsewhere(name)), span);
            }
        }
    }

    /// A key that must be there; the others say what is missing by this.
    pub fn required<T>(&mut self, section: &Section, key: &str, found: Option<T>) -> Option<T> {
        if section.value(key).is_none() {
            let home =
                if section.name.is_empty() { String::new() } else { format!(" of [{}]", section.name) };
            let problem = Problem::author("TSK-003", format!("the key `{key}`{home} is missing"))
                .cure(format!("add {key} = …; docs/tasks.md shows every key"));
            self.report(problem, section.span);
        }
        found
    }

    /// A text.
    pub fn text(&mut self, section: &Section, key: &str) -> Option<Field<String>> {
        let value = section.value(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Field { value: text.to_string(), span: span_of(value) }),
            other => self.wrong(key, value, &format!("a text, not {}", kind_of(other))),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, section: &Section, key: &str) -> Option<bool> {
        let value = section.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => self.wrong(key, value, &format!("true or false, not {}", kind_of(other))),
        }
    }

    /// A whole number within `[least, most]`.
    pub fn number(&mut self, section: &Section, key: &str, least: i64, most: i64) -> Option<i64> {
        let value = section.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Some(number),
            None => self.wrong(key, value, &format!("a whole number from {least} to {most}")),
        }
    }

    /// An instant: a text or a TOML date-time; without an offset it is local time of `zone`.
    pub fn instant(&mut self, section: &Section, key: &str, zone: &Zone) -> Option<Field<Timestamp>> {
        let value = section.value(key)?;
        let words = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(moment) => moment.to_string(),
            _ => String::new(),
        };
        let moment = Moment::parse(&words).map(|moment| moment.instant(zone));
        match moment.filter(|at| at.is_in_calendar()) {
            Some(at) => Some(Field { value: at, span: span_of(value) }),
            None => self.wrong(key, value, "an instant such as \"2026-03-01T20:00:00+08:00\""),
        }
    }

    /// A length of time in milliseconds, written `90s`, `20m`, `2h`, `7d`.
    pub fn duration(&mut self, section: &Section, key: &str) -> Option<i64> {
        let field = self.text(section, key)?;
        duration_ms(&field.value).or_else(|| {
            let value = section.value(key)?;
            self.wrong(key, value, "a length of time such as \"90s\", \"20m\", \"2h\" or \"7d\"")
        })
    }

    /// One of several words, given as (word, meaning).
    pub fn word<T: Copy>(&mut self, section: &Section, key: &str, words: &[(&str, T)]) -> Option<T> {
        let field = self.text(section, key)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == field.value) {
            return Some(*meaning);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let what = format!("`{key}` is `{}`; it can be {}", field.value, known.join(", "));
        let cure = near(&field.value, &known).map(|name| format!("write \"{name}\"")).unwrap_or_default();
        self.report(Problem::author("TSK-004", what).cure(cure), field.span);
        None
    }

    /// A value that is not what its key wants; gives `None` for the getter to return.
    pub fn wrong<T>(&mut self, key: &str, value: &Spanned<DeValue>, wanted: &str) -> Option<T> {
        let problem = Problem::author("TSK-004", format!("`{key}` must be {wanted}"))
            .cure(format!("see `{key}` in docs/tasks.md"));
        self.report(problem, span_of(value));
        None
    }

    /// The bytes of a span as they stand in the text.
    pub fn raw(&self, span: Span) -> &'t str {
        self.text.get(span.from..span.to).unwrap_or("")
    }

    fn place(&self, span: Span) -> String {
        let before = self.text.get(..span.from).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let words = self.text.get(span.from..).unwrap_or("").lines().next().unwrap_or("");
        let shown: String = words.chars().take(60).collect();
        format!("{}:{line}:{column}  {shown}", self.origin).trim_end().to_string()
    }
}

impl<'d> Section<'d> {
    /// The whole text as a section.
    pub fn top(document: &'d Spanned<DeTable<'d>>) -> Section<'d> {
        Section { name: "", table: Some(document.get_ref()), span: Span::default() }
    }

    /// The table `[name]`; an absent one is empty and stands at the end of this one's start.
    pub fn inner(&self, name: &'static str, reader: &mut Reader) -> Section<'d> {
        let Some(value) = self.value(name) else {
            return Section { name, table: None, span: self.span };
        };
        match value.get_ref() {
            DeValue::Table(table) => Section { name, table: Some(table), span: span_of(value) },
            other => {
                let _: Option<()> = reader.wrong(name, value, &format!("a table, not {}", kind_of(other)));
                Section { name, table: None, span: span_of(value) }
            }
        }
    }

    /// A table that stands in a list.
    pub fn of(name: &'static str, value: &'d Spanned<DeValue<'d>>) -> Option<Section<'d>> {
        let DeValue::Table(table) = value.get_ref() else { return None };
        Some(Section { name, table: Some(table), span: span_of(value) })
    }

    /// Where the table stands.
    pub fn place(&self) -> Span {
        self.span
    }

    /// The raw value of a key.
    pub fn value(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table?.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// Where the key stands, or where the section begins.
    pub fn span(&self, key: &str) -> Span {
        let found = self.table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key));
        found.map_or(self.span, |(name, _)| span_of(name))
    }

    /// Is the table there at all?
    pub fn is_present(&self) -> bool {
        self.table.is_some()
    }
}

/// The name among `known` that is nearest to what was written, if one is near.
pub fn near<'n>(written: &str, known: &[&'n str]) -> Option<&'n str> {
    let scored = known.iter().map(|name| (strsim::jaro_winkler(written, name), *name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.75).then_some(best.1)
}

/// The span of something that was read.
pub fn span_of<T>(value: &Spanned<T>) -> Span {
    Span { from: value.span().start, to: value.span().end }
}

fn unknown_key(name: &str, section: &str, allowed: &[&str], elsewhere: Option<String>) -> Problem {
    let home = if section.is_empty() { "the top of the file".to_string() } else { format!("[{section}]") };
    let what = format!("{home} has no key `{name}`; it has {}", allowed.join(", "));
    let cure = elsewhere.or_else(|| near(name, allowed).map(|near| format!("write `{near}`")));
    Problem::author("TSK-002", what).cure(cure.unwrap_or_else(|| format!("leave `{name}` out")))
}

fn kind_of(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
