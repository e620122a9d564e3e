//! Selections and their leaves: tags, behaviours, sequences, detail data, crowds, shares.

use super::lexer::Kind;
use super::parser::{Parsed, Parser, is_word};
use super::problems::mistake;
use super::words::{LEAF_STARTS, METRICS, WINDOW_STARTS};
use crate::base::{Name, Share};
use crate::select::ast::{Behaviour, Detail, Edge, Leaf, Selection, Sequence, Step};

/// Words that belong to a leaf, in their order; behind a complete leaf they stand too late.
const PARTS: &[&str] = &["where", "on", "then", "same", "without"];

impl Parser<'_> {
    /// A whole selection up to the end of the text.
    pub(super) fn whole_selection(&mut self) -> Selection {
        let selection = self.selection();
        while !self.is_end() {
            self.unopened();
            if self.is_any(&["and", "or"]) {
                self.advance();
                self.selection();
            } else {
                self.skip_to_join(&[]);
            }
        }
        selection
    }

    /// A whole step up to the end of the text.
    pub(super) fn whole_step(&mut self) -> Step {
        let step = self.step("the text").unwrap_or(Step { event: None, filter: None });
        self.nothing_more("`EVENT [where FILTER]`");
        step
    }

    fn selection(&mut self) -> Selection {
        self.joined("or", Parser::is, Parser::conjunction, Selection::Any)
    }

    fn conjunction(&mut self) -> Selection {
        self.joined("and", Parser::is, Parser::condition, Selection::All)
    }

    /// One condition and its end; after a mistake the tokens up to the next join are skipped.
    fn condition(&mut self) -> Selection {
        let read = self.negation();
        if read.is_err() || self.ended().is_err() {
            self.skip_to_join(&[]);
        }
        read.unwrap_or(Selection::All(vec![]))
    }

    /// `not` and what it takes: one leaf or bracket; with its bracket it is one level.
    fn negation(&mut self) -> Parsed<Selection> {
        if self.take("not") {
            let inner = if self.is("(") { self.negation() } else { self.nested(Parser::negation) };
            return inner.map(|inner| Selection::Not(Box::new(inner)));
        }
        if self.at_collected() {
            return self.collected(Parser::selection, [Selection::All, Selection::Any]);
        }
        match self.is("(") {
            true => self.bracketed(Parser::selection),
            false => self.leaf().map(Selection::Leaf),
        }
    }

    /// A condition is over: a join, a bracket or the end must follow.
    fn ended(&mut self) -> Parsed<()> {
        if self.is_end() || self.is_any(&["and", "or", ")"]) {
            return Ok(());
        }
        if self.is_any(PARTS) || self.is_any(METRICS) || (self.is_any(WINDOW_STARTS)) {
            let what = format!("`{}` stands behind a complete condition", self.written());
            let cure = "the order is fixed, each part once: EVENT, `where …`, metric, window; in a sequence: \
                        steps, `within …`, `same …`, `without … between`, window";
            return self.wrong("SEL-009", what, cure);
        }
        if self.is(",") {
            let what = "expected `and`, `or` or the end; found `,`".to_string();
            return self.wrong(
                "SEL-005",
                what,
                "join conditions with `and` or `or`; write large numbers without commas: `1000`",
            );
        }
        let is_slip = self.hint(&["and", "or", "where", "count", "in", "then", "within"]).is_some();
        let begins = self.is_any(LEAF_STARTS)
            || self.is_any(&["(", "not"])
            || matches!(self.kind(), Kind::Word(_) | Kind::Name(_));
        if begins && !is_slip {
            let what = format!("expected `and`, `or` or the end; {}", self.found());
            return self.wrong("SEL-005", what, "join the two conditions with `and` or `or`");
        }
        self.unexpected("`and`, `or` or the end", &["and", "or", "where", "count", "in", "then", "within"])
    }

    fn leaf(&mut self) -> Parsed<Leaf> {
        match self.kind() {
            Kind::Keyword("did") => self.behaviour(),
            Kind::Keyword("first" | "last") => self.edge().map(Leaf::Edge),
            Kind::Keyword("has") => self.detail().map(Leaf::Detail),
            Kind::Keyword("crowd") => self.crowd(),
            Kind::Keyword("sample") => self.sample(),
            Kind::Keyword("top") => self.top(),
            Kind::Word(_) | Kind::Name(_) => self.comparison().map(Leaf::Tag),
            _ => self.no_condition(),
        }
    }

    /// Neither a name nor a word that begins a condition.
    pub(super) fn no_condition<T>(&mut self) -> Parsed<T> {
        if let Kind::Text(text) = self.kind() {
            let cure = format!("'…' is a value; write the name bare or as \"{text}\"");
            return self.wrong("SEL-008", format!("expected a condition; {}, a value", self.found()), cure);
        }
        if matches!(self.kind(), Kind::Keyword(_)) && !self.is_any(&["and", "or", "not"]) {
            return self.reserved("a condition");
        }
        self.unexpected("a condition such as `gender = '女'` or `did pay`", &[])
    }

    /// A word of the language where a name is `expected`.
    fn reserved<T>(&mut self, expected: &str) -> Parsed<T> {
        let written = self.written();
        let what = format!("expected {expected}; `{written}` is a word of the language");
        self.wrong("SEL-007", what, format!("write \"{written}\" if it is a name"))
    }

    /// A name: bare or `"…"`. `of` says whose name, for the message.
    pub(super) fn name(&mut self, of: &str) -> Parsed<Name> {
        let text = match self.kind() {
            Kind::Word(text) => text.clone(),
            Kind::Name(text) if !text.is_empty() => text.clone(),
            Kind::Keyword(_) => return self.reserved(&format!("the name of {of}")),
            Kind::Text(text) => {
                let cure = format!("'…' is a value; write the name bare or as \"{text}\"");
                return self.wrong(
                    "SEL-008",
                    format!("expected the name of {of}; {}, a value", self.found()),
                    cure,
                );
            }
            _ => return self.unexpected(&format!("the name of {of}"), &[]),
        };
        let span = self.span();
        self.advance();
        Ok(Name { text, span })
    }

    /// `EVENT [where FILTER]` behind `word`.
    fn step(&mut self, word: &str) -> Parsed<Step> {
        if self.is("not") && word == "did" {
            let cure = "write `not did EVENT` (`非 做过 EVENT`)";
            return self.wrong("SEL-009", "`not` stands before the condition, not inside".into(), cure);
        }
        let event = if self.take("any") { None } else { Some(self.name("an event")?) };
        Ok(Step { event, filter: self.where_filter() })
    }

    /// `did …`: a behaviour, or a sequence when `then` follows.
    fn behaviour(&mut self) -> Parsed<Leaf> {
        self.advance();
        let step = self.step("did")?;
        if self.is("then") {
            return self.sequence(step).map(Leaf::Sequence);
        }
        let measure = self.measure()?;
        Ok(Leaf::Behaviour(Behaviour { step, measure, window: self.window_if_any()? }))
    }

    /// `A then B … within GAP [same PROP] [without X between] [WINDOW]`
    fn sequence(&mut self, first: Step) -> Parsed<Sequence> {
        let mut steps = vec![first];
        let mut is_last_absent = false;
        while self.is("then") {
            if is_last_absent {
                let what = "only the last step of a sequence can be `not`".to_string();
                return self.wrong(
                    "SEL-009",
                    what,
                    "for a step that must not happen on the way write `without X between`",
                );
            }
            self.advance();
            is_last_absent = self.take("not");
            steps.push(self.step("then")?);
        }
        let gap = self.gap()?;
        let same = if self.take("same") { self.names()? } else { vec![] };
        let without = if self.take("without") { Some(self.between_step()?) } else { None };
        Ok(Sequence { steps, is_last_absent, gap, same, without, window: self.window_if_any()? })
    }

    /// `within 24 hours`: the first `within` of a sequence.
    fn gap(&mut self) -> Parsed<(u32, crate::base::Unit)> {
        if !self.is("within") {
            let what = format!("a sequence needs the time it may take; {}", self.found());
            return self.wrong("SEL-010", what, "write `within 24 hours` right behind the last step");
        }
        self.advance();
        let gap = self.duration()?;
        if self.is("of") {
            let what = "the first `within` of a sequence is its gap and has no `of`".to_string();
            return self.wrong(
                "SEL-010",
                what,
                "write the gap first: `within 24 hours within 7 days of register_time`",
            );
        }
        Ok(gap)
    }

    /// `a, b`
    fn names(&mut self) -> Parsed<Vec<Name>> {
        let mut names = vec![self.name("a property")?];
        while self.take(",") {
            names.push(self.name("a property")?);
        }
        Ok(names)
    }

    /// `X between` of `without X between`.
    fn between_step(&mut self) -> Parsed<Step> {
        let step = self.step("without")?;
        self.need("between", "without refund between")?;
        Ok(step)
    }

    /// `first E WINDOW`, `last E WINDOW`
    fn edge(&mut self) -> Parsed<Edge> {
        let is_first = self.is("first");
        self.advance();
        let step = self.step("first")?;
        if !self.is_any(WINDOW_STARTS) {
            let what = format!("`first` and `last` need a time; {}", self.found());
            let cure =
                "write `in last 7 days`, `before 2026-01-31`, `after …` or `from … to …` behind the event";
            return self.wrong("SEL-010", what, cure);
        }
        Ok(Edge { is_first, step, window: self.window()? })
    }

    /// `has TABLE [where FILTER] [METRIC op value] [[on COLUMN] WINDOW]`
    fn detail(&mut self) -> Parsed<Detail> {
        self.advance();
        if self.is_any(&["any", "all", "none"]) && is_word(self.ahead(1), "of") {
            let what = format!("`has {} of` follows a tag", self.written());
            return self.wrong("SEL-010", what, "write the tag first: `interests has any of ('a', 'b')`");
        }
        let table = self.name("a detail table")?;
        let filter = self.where_filter();
        let measure = self.measure()?;
        let on = if self.take("on") { Some(self.name("a time column")?) } else { None };
        let window = match on {
            Some(_) => Some(self.window()?),
            None => self.window_if_any()?,
        };
        Ok(Detail { table, filter, measure, on, window })
    }

    /// `crowd '名称'`; a bare or `"…"` name is read as well.
    fn crowd(&mut self) -> Parsed<Leaf> {
        self.advance();
        let text = match self.kind() {
            Kind::Text(text) | Kind::Name(text) | Kind::Word(text) if !text.is_empty() => text.clone(),
            _ => return self.unexpected("the name of a crowd, as in `crowd '高价值'`", &[]),
        };
        let span = self.span();
        self.advance();
        Ok(Leaf::Crowd(Name { text, span }))
    }

    /// `sample 10% salt 's'`
    fn sample(&mut self) -> Parsed<Leaf> {
        self.advance();
        let share = self.share()?;
        if !self.is("salt") {
            let what = format!("a sample needs a salt; {}", self.found());
            return self.wrong(
                "SEL-010",
                what,
                "write `salt 'a word'`: the same word always picks the same users",
            );
        }
        self.advance();
        let Kind::Text(salt) = self.kind() else {
            return self.unexpected("the salt in quotes, as in `salt 'spring'`", &[]);
        };
        let salt = salt.clone();
        self.advance();
        Ok(Leaf::Sample { share, salt })
    }

    /// `10%`, no finer than a share can be.
    fn share(&mut self) -> Parsed<Share> {
        let (number, span) = (self.written(), self.span());
        if !matches!(self.kind(), Kind::Integer(_) | Kind::Float(_)) {
            return self.unexpected("a share, as in `sample 10% salt 's'`", &[]);
        }
        self.advance();
        self.need("%", "sample 10% salt 's'")?;
        match read_share(number) {
            Some(share) => Ok(share),
            None => {
                let what = format!("`{number}%` is not a share");
                let cure = "write 0% to 100%, with at most four decimals";
                self.fail(mistake("SEL-004", span, what, cure))
            }
        }
    }

    /// `top 10000 by balance`
    fn top(&mut self) -> Parsed<Leaf> {
        self.advance();
        let count = match self.kind() {
            Kind::Integer(count) if *count > 0 => count.unsigned_abs(),
            _ => return self.unexpected("a whole number above 0, as in `top 10000 by balance`", &[]),
        };
        self.advance();
        self.need("by", "top 10000 by balance")?;
        Ok(Leaf::Top { count, by: self.name("an attribute")? })
    }
}

/// A share in percent, exactly: `10`, `0.25`.
pub(in crate::select) fn read_share(percent: &str) -> Option<Share> {
    let share = Share::parse(&format!("{percent}%"))?;
    let wanted: f64 = percent.trim().parse().ok()?;
    (share.0 as f64 / 10_000.0 == wanted).then_some(share)
}
