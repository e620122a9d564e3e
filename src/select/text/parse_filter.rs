//! Filters, comparisons and values.
//!
//! A filter is greedy: it takes every join whose right side is not the beginning of a leaf of its
//! own ([`LEAF_STARTS`]); everything else that is not a comparison ends it.

use super::lexer::{Kind, moment_in_text};
use super::parser::{Failed, Parsed, Parser, is_word};
use super::problems::mistake;
use super::words::{LEAF_STARTS, METRICS};
use crate::base::{Moment, Name, Window};
use crate::select::ast::{Comparison, Filter, Literal, Op, Test, Written};

/// Where a filter may go on, or what may follow it, after a mistake in it.
const AFTER_FILTER: &[&str] = &["then", "within", "same", "without", "from", "today", "yesterday", "on"];

/// Words of other languages and what they are called here.
const FOREIGN: &[(&str, &str)] = &[
    ("like", "`contains 'x'`, `starts with 'x'` or `ends with 'x'`"),
    ("regexp", "`matches 'pattern'`"),
    ("rlike", "`matches 'pattern'`"),
    ("equals", "`=`"),
    ("eq", "`=`"),
    ("exists", "`is known`"),
    ("null", "`is missing`"),
    ("包含", "`contains 'x'` or `has any of ('x')`"),
    ("等于", "`=`"),
    ("大于", "`>`"),
    ("小于", "`<`"),
];

/// Words that may follow a name, for near names.
const OPERATORS: &[&str] = &[
    "between",
    "in",
    "has",
    "is",
    "contains",
    "starts",
    "ends",
    "matches",
    "anniversary",
    "before",
    "after",
    "from",
    "within",
    "today",
    "yesterday",
    "this",
    "last",
    "not",
];

const OPS: &[(&str, Op)] = &[
    ("=", Op::Equal),
    ("!=", Op::NotEqual),
    ("<", Op::Less),
    ("<=", Op::LessEqual),
    (">", Op::Greater),
    (">=", Op::GreaterEqual),
];

impl Parser<'_> {
    /// A whole filter up to the end of the text.
    pub(super) fn whole_filter(&mut self) -> Filter {
        let filter = self.filter();
        if self.is_any(&["and", "or"]) {
            self.leaf_inside_filter();
        } else {
            self.nothing_more("`and`, `or` or the end of the filter");
        }
        filter
    }

    /// The text must end here.
    pub(super) fn nothing_more(&mut self, expected: &str) {
        if self.is(")") {
            self.unopened();
        } else if !self.is_end() {
            let _: Parsed<()> = self.unexpected(expected, &["and", "or", "where"]);
        }
    }

    /// `where FILTER`, if it stands here.
    pub(super) fn where_filter(&mut self) -> Option<Filter> {
        self.take("where").then(|| self.filter())
    }

    fn filter(&mut self) -> Filter {
        self.joined("or", Parser::filter_goes_on, Parser::filter_conjunction, Filter::Any)
    }

    fn filter_conjunction(&mut self) -> Filter {
        self.joined("and", Parser::filter_goes_on, Parser::filter_condition, Filter::All)
    }

    /// Does the join here belong to the filter? Its right side, past `not` and brackets, decides.
    fn filter_goes_on(&self, join: &'static str) -> bool {
        let mut n = 1;
        while is_word(self.ahead(n), "not") || is_word(self.ahead(n), "(") || self.is_collected_ahead(n) {
            n += 1;
        }
        self.is(join) && !LEAF_STARTS.iter().any(|word| is_word(self.ahead(n), word))
    }

    fn is_collected_ahead(&self, n: usize) -> bool {
        let is_collector = is_word(self.ahead(n), "all") || is_word(self.ahead(n), "any");
        is_collector && is_word(self.ahead(n + 1), "(")
    }

    /// One condition of a filter; after a mistake the tokens up to the next join are skipped.
    fn filter_condition(&mut self) -> Filter {
        self.filter_negation().unwrap_or_else(|Failed| {
            self.skip_to_join(&[AFTER_FILTER, METRICS].concat());
            Filter::All(vec![])
        })
    }

    fn filter_negation(&mut self) -> Parsed<Filter> {
        if self.take("not") {
            let inner = match self.is("(") {
                true => self.filter_negation(),
                false => self.nested(Parser::filter_negation),
            };
            return inner.map(|inner| Filter::Not(Box::new(inner)));
        }
        if self.at_collected() {
            return self.collected(Parser::filter_inside, [Filter::All, Filter::Any]);
        }
        match self.kind() {
            Kind::Sign("(") => self.bracketed(Parser::filter_inside),
            Kind::Word(_) | Kind::Name(_) => self.comparison().map(Filter::Test),
            Kind::Keyword(word) if LEAF_STARTS.contains(word) => {
                self.leaf_inside_filter();
                Err(Failed)
            }
            _ => self.no_condition(),
        }
    }

    /// A filter inside its own bracket: a join that would end it is a mistake there.
    fn filter_inside(&mut self) -> Filter {
        let filter = self.filter();
        if self.is_any(&["and", "or"]) {
            self.leaf_inside_filter();
            while !self.is_end() && !self.is(")") {
                self.skip_one();
            }
        }
        filter
    }

    /// A leaf such as `did x` stands here, or behind the join here, where only properties can.
    fn leaf_inside_filter(&mut self) {
        let is_leaf = |n: &usize| LEAF_STARTS.iter().any(|word| is_word(self.ahead(*n), word));
        let n = (0..self.tokens_left()).find(is_leaf).unwrap_or(0);
        let what = format!("a filter compares properties of one row; {}", self.found_at(n));
        let cure =
            "end the filter first by a bracket around its whole condition: `(did pay where a = 1) and (…)`";
        self.note(mistake("SEL-011", self.span_at(n), what, cure));
    }

    /// `NAME test`
    pub(super) fn comparison(&mut self) -> Parsed<Comparison> {
        let written = self.written();
        let name = self.name("a tag or property")?;
        let test = self.test(&name, written)?;
        Ok(Comparison { name, test })
    }

    fn test(&mut self, name: &Name, written: &str) -> Parsed<Test> {
        if let Some(op) = self.op() {
            return Ok(Test::Compare(op, self.literal()?));
        }
        match self.kind() {
            Kind::Keyword("between") => self.between(),
            Kind::Keyword("in") if is_word(self.ahead(1), "(") => {
                self.advance();
                self.list().map(Test::In)
            }
            Kind::Keyword("in") if !is_word(self.ahead(1), "last") => {
                self.advance();
                self.unexpected(
                    "`(…)` or `last …`, as in `city in ('a', 'b')` or `t in last 7 days`",
                    &["last"],
                )
            }
            Kind::Keyword("not") => self.not_in(),
            Kind::Keyword("has") => self.has_of(),
            Kind::Keyword("is") => self.presence(),
            Kind::Keyword("contains" | "matches" | "starts" | "ends") => self.text_test(),
            Kind::Keyword("anniversary") => self.anniversary(),
            _ if self.at_window() => self.inside(),
            _ => self.no_test(name, written),
        }
    }

    /// Steps over a comparison sign.
    pub(super) fn op(&mut self) -> Option<Op> {
        let (_, op) = OPS.iter().find(|(sign, _)| self.is(sign))?;
        self.advance();
        Some(*op)
    }

    /// `between x and y`
    pub(super) fn between(&mut self) -> Parsed<Test> {
        self.advance();
        let low = self.literal();
        // Also after a bad low end the `and` is this one, not a join.
        self.need("and", "between 18 and 35")?;
        let high = self.literal()?;
        Ok(Test::Between(low?, high))
    }

    fn not_in(&mut self) -> Parsed<Test> {
        self.advance();
        if self.is("in") && is_word(self.ahead(1), "(") {
            self.advance();
            return self.list().map(Test::NotIn);
        }
        let what = format!("behind a name only `in (…)` follows `not`; {}", self.found());
        self.wrong("SEL-013", what, "put `not` before the whole condition: `not age between 18 and 35`")
    }

    /// `has any of (…)`, `has all of (…)`, `has none of (…)`
    fn has_of(&mut self) -> Parsed<Test> {
        self.advance();
        let make = match self.kind() {
            Kind::Keyword("any") => Test::HasAny,
            Kind::Keyword("all") => Test::HasAll,
            Kind::Keyword("none") => Test::HasNone,
            _ => {
                return self
                    .unexpected("`any of (…)`, `all of (…)` or `none of (…)`", &["any", "all", "none"]);
            }
        };
        self.advance();
        self.need("of", "interests has any of ('a', 'b')")?;
        self.list().map(make)
    }

    /// `is missing`, `is known`
    fn presence(&mut self) -> Parsed<Test> {
        self.advance();
        let test = match self.kind() {
            Kind::Keyword("missing") => Test::Missing,
            Kind::Keyword("known") => Test::Known,
            Kind::Keyword("not") => {
                let cure = "write `is known` for `is not missing`, `is missing` for `is not known`";
                return self.wrong("SEL-013", "`is not` is not a test".into(), cure);
            }
            Kind::Word(word) if word.eq_ignore_ascii_case("null") => {
                return self.wrong("SEL-013", "there is no `null`".into(), "write `is missing`");
            }
            _ => return self.unexpected("`missing` or `known`", &["missing", "known"]),
        };
        self.advance();
        Ok(test)
    }

    /// `contains 'x'`, `starts with 'x'`, `ends with 'x'`, `matches 'x'`
    fn text_test(&mut self) -> Parsed<Test> {
        let make = match self.kind() {
            Kind::Keyword("contains") => Test::Contains,
            Kind::Keyword("matches") => Test::Matches,
            Kind::Keyword("starts") => Test::StartsWith,
            _ => Test::EndsWith,
        };
        let is_pair = self.is_any(&["starts", "ends"]);
        self.advance();
        if is_pair {
            self.need("with", "name starts with 'A'")?;
        }
        self.literal().map(make)
    }

    /// `anniversary today`, `anniversary in next 7 days`
    fn anniversary(&mut self) -> Parsed<Test> {
        self.advance();
        if self.take("today") {
            return Ok(Test::Anniversary { days_ahead: 0 });
        }
        let expected = "`today` or `in next 7 days`";
        if !(self.is("in") && is_word(self.ahead(1), "next")) {
            return self.unexpected(expected, &["today", "in"]);
        }
        self.advance();
        self.advance();
        let span = self.span();
        match self.duration()? {
            (days_ahead, crate::base::Unit::Day) => Ok(Test::Anniversary { days_ahead }),
            _ => self.fail(mistake(
                "SEL-004",
                span,
                "an anniversary is asked for in days".into(),
                format!("write {expected}"),
            )),
        }
    }

    fn inside(&mut self) -> Parsed<Test> {
        let window: Window = self.window()?;
        Ok(Test::Inside(window))
    }

    /// A name alone, or with something behind it that is no test.
    fn no_test<T>(&mut self, name: &Name, written: &str) -> Parsed<T> {
        let what = format!("expected a comparison behind the name `{}`; {}", name.text, self.found());
        let here = self.written();
        let foreign = FOREIGN.iter().find(|(word, _)| word.eq_ignore_ascii_case(here));
        let slip = || {
            super::words::glued(written)
                .map(|(word, rest)| format!("if `{word}` is meant, put a space behind it: `{word} {rest}`"))
        };
        let cure = match foreign {
            Some((_, ours)) => format!("write {ours}"),
            None => self.hint(OPERATORS).or_else(slip).unwrap_or_else(|| {
                "write `= != < <= > >=`, `between x and y`, `in (…)`, `is known`, `contains 'x'`, `in last 7 days` …".into()
            }),
        };
        self.wrong("SEL-013", what, cure)
    }

    /// `(value, value …)`, at least one.
    fn list(&mut self) -> Parsed<Vec<Literal>> {
        let open = self.span();
        self.need("(", "in ('a', 'b')")?;
        if self.is(")") {
            return self.wrong(
                "SEL-010",
                "the list is empty".into(),
                "write at least one value: `in ('a', 'b')`",
            );
        }
        let mut values = vec![];
        loop {
            match self.literal() {
                Ok(value) => values.push(value),
                Err(Failed) => self.skip_to_comma(),
            }
            if !self.take(",") {
                break;
            }
        }
        self.close(open, "`,` or `)`");
        Ok(values)
    }

    fn skip_to_comma(&mut self) {
        while !self.is_end() && !self.is_any(&[",", ")"]) {
            self.skip_one();
        }
    }

    /// A value: `'女'`, `18`, `-0.5`, `true`, `2026-01-01`.
    pub(super) fn literal(&mut self) -> Parsed<Literal> {
        let value = match self.kind() {
            Kind::Text(text) => Written::Text(text.clone()),
            Kind::Integer(number) => Written::Integer(*number),
            Kind::Float(number) => Written::Float(*number),
            Kind::Moment(moment) => Written::Moment(*moment),
            Kind::Keyword("true") => Written::Bool(true),
            Kind::Keyword("false") => Written::Bool(false),
            Kind::Word(text) | Kind::Name(text) => {
                let value = Written::Text(text.clone());
                self.unquoted();
                value
            }
            _ => return self.unexpected("a value such as `'女'`, `18`, `true` or `2026-01-31`", &[]),
        };
        let span = self.span();
        self.advance();
        Ok(Literal { value, span })
    }

    /// A name where a value is expected: told, and read as the text that was meant.
    fn unquoted(&mut self) {
        let (Kind::Word(text) | Kind::Name(text)) = self.kind() else { return };
        let cure = format!("write '{}' if it is a value", text.replace('\'', "''"));
        let what = format!("expected a value; {}, a name", self.found());
        self.note(mistake("SEL-008", self.span(), what, cure));
    }

    /// A date or clock time, bare or in quotes.
    pub(super) fn moment(&mut self) -> Parsed<Moment> {
        let moment = match self.kind() {
            Kind::Moment(moment) => Some(*moment),
            Kind::Text(text) => moment_in_text(text),
            _ => None,
        };
        let Some(moment) = moment else {
            return self.unexpected("a date or time such as `2026-01-31` or `2026-01-31T10:00:00`", &[]);
        };
        self.advance();
        Ok(moment)
    }
}
