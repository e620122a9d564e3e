//! From the tree back to text: the fewest brackets that read back to the same tree.
//!
//! The one subtle rule: a filter is greedy, so a leaf that ends in its filter ([`is_open`]) gets
//! brackets when a join with a comparison on its right follows ([`begins_as_filter`]).

use std::fmt::{self, Display};

use super::words::{Spelling, is_bare};
use crate::base::{Name, Unit, Window};
use crate::select::ast::*;

/// What can be said in either spelling; [`Display`] is the English one.
pub trait Spell {
    /// The canonical text: reads back to the same value where it stands alone as a part of the
    /// language (selection, leaf, filter, step); windows, tests and metrics are the words of a leaf.
    fn spell(&self, words: Spelling) -> String;
}

impl Selection {
    /// The canonical text in the Chinese spelling of the words: 且 或 非 做过 有 人群包 任意.
    pub fn chinese(&self) -> String {
        self.spell(Spelling::Chinese)
    }

    /// The words for this node alone, for trees that show its parts below it:
    /// `all`, `any`, `not`, or the whole leaf.
    pub fn node(&self, words: Spelling) -> String {
        match self {
            Selection::All(_) => "all".into(),
            Selection::Any(_) => "any".into(),
            Selection::Not(_) => words.word("not").into(),
            Selection::Leaf(leaf) => leaf.spell(words),
        }
    }
}

/// Implements [`Spell`] by one method of the printer, and `Display` in English.
macro_rules! spelled {
    ($($kind:ty => |$printer:ident, $value:ident| $print:expr;)*) => {$(
        impl Spell for $kind {
            fn spell(&self, words: Spelling) -> String {
                let mut printer = Printer { words, out: String::new() };
                let ($printer, $value) = (&mut printer, self);
                $print;
                printer.out
            }
        }
    )*};
}

spelled! {
    Selection => |p, s| p.selection(s, Place::TOP);
    Leaf => |p, leaf| p.leaf(leaf);
    Comparison => |p, c| p.comparison(c);
    Test => |p, t| p.test(t);
    Literal => |p, l| p.literal(l);
    Filter => |p, f| p.filter(f, Level::Top);
    Step => |p, s| p.step(s);
    Measure => |p, m| p.measure(m);
    Metric => |p, m| p.metric(m);
    Window => |p, w| p.window(w);
}

/// `Display` in the English spelling for the types of this room; a window is `base`'s.
macro_rules! displayed {
    ($($kind:ty)*) => {$(
        impl Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(&self.spell(Spelling::English))
            }
        }
    )*};
}

displayed! { Selection Leaf Comparison Test Literal Filter Step Measure Metric }

impl Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::Greater => ">",
            Op::GreaterEqual => ">=",
        })
    }
}

/// How tight the text around a part binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Top,
    Or,
    And,
    Not,
}

/// Where a selection stands: what binds it, and does a join with a comparison follow it?
#[derive(Clone, Copy)]
struct Place {
    level: Level,
    is_followed: bool,
}

impl Place {
    const TOP: Place = Place { level: Level::Top, is_followed: false };
}

struct Printer {
    words: Spelling,
    out: String,
}

impl Printer {
    fn put(&mut self, text: impl Display) {
        use fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(self.out, "{text}");
    }

    /// A word of the language in this spelling.
    fn word(&mut self, english: &'static str) {
        self.put(self.words.word(english));
    }

    fn bracketed(&mut self, inside: impl FnOnce(&mut Printer)) {
        self.put("(");
        inside(self);
        self.put(")");
    }

    /// What `inside` prints, in brackets if `is_needed`.
    fn bracketed_if(&mut self, is_needed: bool, inside: impl FnOnce(&mut Printer)) {
        if is_needed { self.bracketed(inside) } else { inside(self) }
    }

    fn selection(&mut self, selection: &Selection, place: Place) {
        match selection {
            Selection::Leaf(leaf) => self.bracketed_if(place.is_followed && is_open(leaf), |p| p.leaf(leaf)),
            Selection::Not(inner) => self.negation(inner, place),
            Selection::All(parts) => self.join(parts, "and", Level::And, place),
            Selection::Any(parts) => self.join(parts, "or", Level::Or, place),
        }
    }

    fn negation(&mut self, inner: &Selection, place: Place) {
        self.word("not");
        self.put(" ");
        let is_nested = matches!(inner, Selection::Not(_));
        self.bracketed_if(is_nested, |p| {
            p.selection(inner, Place { level: Level::Not, is_followed: place.is_followed && !is_nested })
        });
    }

    fn join(&mut self, parts: &[Selection], word: &'static str, level: Level, place: Place) {
        if let [] | [_] = parts {
            return self.collected(word, |p| parts.iter().for_each(|part| p.selection(part, Place::TOP)));
        }
        let is_bracketed = place.level >= level;
        let is_followed = place.is_followed && !is_bracketed;
        self.bracketed_if(is_bracketed, |p| p.parts(parts, word, Place { level, is_followed }));
    }

    /// `a and b and c`; `place` is that of the last part.
    fn parts(&mut self, parts: &[Selection], word: &'static str, place: Place) {
        for (i, part) in parts.iter().enumerate() {
            self.between_parts(i, word);
            let is_followed = parts.get(i + 1).map_or(place.is_followed, begins_as_filter);
            self.selection(part, Place { is_followed, ..place });
        }
    }

    fn between_parts(&mut self, i: usize, word: &'static str) {
        if i > 0 {
            self.put(" ");
            self.word(word);
            self.put(" ");
        }
    }

    /// `all ()`, `any (a)`: the join of fewer than two parts.
    fn collected(&mut self, word: &str, inside: impl FnOnce(&mut Printer)) {
        self.put(if word == "and" { "all " } else { "any " });
        self.bracketed(inside);
    }

    fn filter(&mut self, filter: &Filter, level: Level) {
        match filter {
            Filter::Test(comparison) => self.comparison(comparison),
            Filter::All(parts) => self.filter_join(parts, "and", Level::And, level),
            Filter::Any(parts) => self.filter_join(parts, "or", Level::Or, level),
            Filter::Not(inner) => {
                self.word("not");
                self.put(" ");
                let is_nested = matches!(**inner, Filter::Not(_));
                self.bracketed_if(is_nested, |p| p.filter(inner, Level::Not));
            }
        }
    }

    fn filter_join(&mut self, parts: &[Filter], word: &'static str, own: Level, around: Level) {
        if let [] | [_] = parts {
            return self.collected(word, |p| parts.iter().for_each(|part| p.filter(part, Level::Top)));
        }
        self.bracketed_if(around >= own, |p| {
            for (i, part) in parts.iter().enumerate() {
                p.between_parts(i, word);
                p.filter(part, own);
            }
        });
    }

    fn leaf(&mut self, leaf: &Leaf) {
        match leaf {
            Leaf::Tag(comparison) => self.comparison(comparison),
            Leaf::Behaviour(behaviour) => self.behaviour(behaviour),
            Leaf::Edge(edge) => self.edge(edge),
            Leaf::Sequence(sequence) => self.sequence(sequence),
            Leaf::Detail(detail) => self.detail(detail),
            Leaf::Crowd(name) => {
                self.word("crowd");
                self.put(format_args!(" {}", quoted(&name.text, '\'')));
            }
            Leaf::Sample { share, salt } => {
                self.put(format_args!("sample {share} salt {}", quoted(salt, '\'')))
            }
            Leaf::Top { count, by } => self.put(format_args!("top {count} by {}", name(by))),
        }
    }

    fn behaviour(&mut self, behaviour: &Behaviour) {
        self.word("did");
        self.put(" ");
        self.step(&behaviour.step);
        self.measure_and_window(&behaviour.measure, &behaviour.window);
    }

    fn measure_and_window(&mut self, measure: &Option<Measure>, window: &Option<Window>) {
        if let Some(measure) = measure {
            self.put(" ");
            self.measure(measure);
        }
        self.window_behind(window);
    }

    fn window_behind(&mut self, window: &Option<Window>) {
        if let Some(window) = window {
            self.put(" ");
            self.window(window);
        }
    }

    fn step(&mut self, step: &Step) {
        match &step.event {
            Some(event) => self.put(name(event)),
            None => self.word("any"),
        }
        self.filter_behind(&step.filter);
    }

    fn filter_behind(&mut self, filter: &Option<Filter>) {
        if let Some(filter) = filter {
            self.put(" where ");
            self.filter(filter, Level::Top);
        }
    }

    fn edge(&mut self, edge: &Edge) {
        self.put(if edge.is_first { "first " } else { "last " });
        self.step(&edge.step);
        self.put(" ");
        self.window(&edge.window);
    }

    fn sequence(&mut self, sequence: &Sequence) {
        self.word("did");
        let last = sequence.steps.len().saturating_sub(1);
        for (i, step) in sequence.steps.iter().enumerate() {
            self.put(if i > 0 { " then " } else { " " });
            if i == last && sequence.is_last_absent {
                self.word("not");
                self.put(" ");
            }
            self.step(step);
        }
        self.put(format_args!(" within {}", duration(sequence.gap.0, sequence.gap.1)));
        self.sequence_end(sequence);
    }

    fn sequence_end(&mut self, sequence: &Sequence) {
        if !sequence.same.is_empty() {
            let names: Vec<String> = sequence.same.iter().map(name).collect();
            self.put(format_args!(" same {}", names.join(", ")));
        }
        if let Some(step) = &sequence.without {
            self.put(" without ");
            self.step(step);
            self.put(" between");
        }
        self.window_behind(&sequence.window);
    }

    fn detail(&mut self, detail: &Detail) {
        self.word("has");
        self.put(format_args!(" {}", name(&detail.table)));
        self.filter_behind(&detail.filter);
        self.measure_and_window(&detail.measure, &None);
        if let Some(on) = &detail.on {
            self.put(format_args!(" on {}", name(on)));
        }
        self.window_behind(&detail.window);
    }

    fn comparison(&mut self, comparison: &Comparison) {
        self.put(format_args!("{} ", name(&comparison.name)));
        self.test(&comparison.test);
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::Compare(op, value) => self.put(format_args!("{op} {}", written(&value.value))),
            Test::Between(low, high) => {
                self.put(format_args!("between {} and {}", written(&low.value), written(&high.value)))
            }
            Test::In(values) => self.list("in", values),
            Test::NotIn(values) => self.list("not in", values),
            Test::HasAny(values) => self.list("has any of", values),
            Test::HasAll(values) => self.list("has all of", values),
            Test::HasNone(values) => self.list("has none of", values),
            Test::Missing => self.put("is missing"),
            Test::Known => self.put("is known"),
            Test::Contains(value) => self.put(format_args!("contains {}", written(&value.value))),
            Test::StartsWith(value) => self.put(format_args!("starts with {}", written(&value.value))),
            Test::EndsWith(value) => self.put(format_args!("ends with {}", written(&value.value))),
            Test::Matches(value) => self.put(format_args!("matches {}", written(&value.value))),
            Test::Inside(window) => self.window(window),
            Test::Anniversary { days_ahead: 0 } => self.put("anniversary today"),
            Test::Anniversary { days_ahead } => {
                self.put(format_args!("anniversary in next {}", duration(*days_ahead, Unit::Day)))
            }
        }
    }

    fn list(&mut self, words: &str, values: &[Literal]) {
        let values: Vec<String> = values.iter().map(|value| written(&value.value)).collect();
        self.put(format_args!("{words} ({})", values.join(", ")));
    }

    fn literal(&mut self, literal: &Literal) {
        self.put(written(&literal.value));
    }

    fn measure(&mut self, measure: &Measure) {
        self.metric(&measure.metric);
        self.put(" ");
        self.test(&measure.test);
    }

    fn metric(&mut self, metric: &Metric) {
        match metric {
            Metric::Count => self.put("count"),
            Metric::Days => self.put("days"),
            Metric::Sum(property) => self.put(format_args!("sum({})", name(property))),
            Metric::Avg(property) => self.put(format_args!("avg({})", name(property))),
            Metric::Min(property) => self.put(format_args!("min({})", name(property))),
            Metric::Max(property) => self.put(format_args!("max({})", name(property))),
            Metric::Distinct(property) => self.put(format_args!("distinct({})", name(property))),
        }
    }

    fn window(&mut self, window: &Window) {
        match window {
            Window::Last { count, unit } => self.put(format_args!("in last {}", duration(*count, *unit))),
            Window::LastCalendar { count, unit, including_today } => {
                let tail = if *including_today { " including today" } else { "" };
                self.put(format_args!("in last {count} calendar {}{tail}", units(*count, *unit)));
            }
            Window::Today => self.put("today"),
            Window::Yesterday => self.put("yesterday"),
            Window::ThisWeek => self.put("this week"),
            Window::LastWeek => self.put("last week"),
            Window::ThisMonth => self.put("this month"),
            Window::LastMonth => self.put("last month"),
            Window::Between { from, to } => self.put(format_args!("from {from} to {to}")),
            Window::Before(moment) => self.put(format_args!("before {moment}")),
            Window::After(moment) => self.put(format_args!("after {moment}")),
            Window::Within { count, unit, of } => {
                self.put(format_args!("within {} of {}", duration(*count, *unit), name(of)))
            }
        }
    }
}

/// Does the text of this leaf end in its filter?
fn is_open(leaf: &Leaf) -> bool {
    match leaf {
        Leaf::Behaviour(b) => b.step.filter.is_some() && b.measure.is_none() && b.window.is_none(),
        Leaf::Detail(d) => d.filter.is_some() && d.measure.is_none() && d.on.is_none() && d.window.is_none(),
        _ => false,
    }
}

/// Would a filter before the join take this right side for its own?
fn begins_as_filter(selection: &Selection) -> bool {
    match selection {
        Selection::All(parts) | Selection::Any(parts) => parts.first().is_none_or(begins_as_filter),
        Selection::Not(inner) => begins_as_filter(inner),
        Selection::Leaf(leaf) => matches!(leaf, Leaf::Tag(_)),
    }
}

/// `20 minutes`, `1 day`
pub(in crate::select) fn duration(count: u32, unit: Unit) -> String {
    format!("{count} {}", units(count, unit))
}

fn units(count: u32, unit: Unit) -> String {
    format!("{}{}", unit.word(), if count == 1 { "" } else { "s" })
}

/// A name, quoted unless it may stand bare.
fn name(name: &Name) -> String {
    if is_bare(&name.text) { name.text.clone() } else { quoted(&name.text, '"') }
}

fn quoted(text: &str, quote: char) -> String {
    let inside = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{inside}{quote}")
}

fn written(value: &Written) -> String {
    match value {
        Written::Text(text) => quoted(text, '\''),
        Written::Integer(number) => number.to_string(),
        // `{:?}` keeps the point or exponent, so that 1.0 reads back as a float, and every digit.
        Written::Float(number) => format!("{number:?}"),
        Written::Bool(is_true) => is_true.to_string(),
        Written::Moment(moment) => moment.to_string(),
    }
}
