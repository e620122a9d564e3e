//! The parser's ground: a cursor over tokens, joins and brackets, and going on after a mistake.
//!
//! Selections and filters share one shape, `a and b or not (c)`, so [`Parser::joined`],
//! [`Parser::bracketed`] and [`Parser::collected`] serve both; `parse_leaf`, `parse_filter` and
//! `parse_window` hold what is special. A mistake is noted, the part it stands in is given up as
//! [`Failed`], and reading goes on at the next join or bracket, so one pass finds all mistakes.

use super::lexer::{Kind, Token, lex};
use super::problems::{PROBLEMS_MAX, excerpt, mistake, near, too_much};
use super::words::glued;
use crate::base::{Problem, Problems, Span};

/// Brackets, `not` and the joins between them may nest so deep; keeps every recursion over the
/// tree, and its JSON twin, far from any stack's end.
pub const DEPTH_MAX: usize = 50;

/// Bytes in one text: room for a list of some ten thousand ids; longer lists are crowds.
pub const LENGTH_MAX: usize = 1 << 20;

/// The part could not be read; why is noted already.
#[derive(Debug)]
pub(super) struct Failed;

pub(super) type Parsed<T> = Result<T, Failed>;

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    problems: Vec<Problem>,
    is_stopped: bool,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Parser<'a> {
        let mut parser =
            Parser { text, tokens: vec![], at: 0, depth: 0, problems: vec![], is_stopped: false };
        if text.len() <= LENGTH_MAX {
            (parser.tokens, parser.problems) = lex(text);
        } else {
            let what = format!("the text has {} bytes; at most {LENGTH_MAX} are read", text.len());
            parser.note(too_much(Span::default(), what));
            parser.is_stopped = true;
        }
        parser
    }

    /// The value, or every problem in the order of the text, one for a place.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Problems> {
        self.problems.sort_by_key(|problem| problem.span);
        self.problems.dedup_by_key(|problem| problem.span.map(|(from, _)| from));
        self.problems.truncate(PROBLEMS_MAX);
        Problems(self.problems).or(value)
    }

    // The cursor.

    pub(super) fn kind(&self) -> &Kind {
        self.ahead(0)
    }

    /// The token `n` places on.
    pub(super) fn ahead(&self, n: usize) -> &Kind {
        self.tokens.get(self.at + n).map_or(&Kind::End, |token| &token.kind)
    }

    /// Tokens from here to the end of the text.
    pub(super) fn tokens_left(&self) -> usize {
        self.tokens.len() - self.at
    }

    /// The bytes of the token here.
    pub(super) fn span(&self) -> Span {
        self.span_at(0)
    }

    /// The bytes of the token `n` places on.
    pub(super) fn span_at(&self, n: usize) -> Span {
        let end = Span { from: self.text.len(), to: self.text.len() };
        self.tokens.get(self.at + n).map_or(end, |token| token.span)
    }

    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len());
    }

    pub(super) fn is_end(&self) -> bool {
        *self.kind() == Kind::End
    }

    /// Is the token here this word or sign?
    pub(super) fn is(&self, word: &str) -> bool {
        is_word(self.kind(), word)
    }

    /// Is the token here one of these words or signs?
    pub(super) fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// Steps over the word if it stands here.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is_here = self.is(word);
        if is_here {
            self.advance();
        }
        is_here
    }

    /// Steps over a word that must stand here.
    pub(super) fn need(&mut self, word: &'static str, example: &str) -> Parsed<()> {
        if self.take(word) {
            Ok(())
        } else {
            self.unexpected(&format!("`{word}`, as in `{example}`"), &[word])
        }
    }

    /// The token here as it is written.
    pub(super) fn written(&self) -> &'a str {
        self.written_at(0)
    }

    fn written_at(&self, n: usize) -> &'a str {
        let Span { from, to } = self.span_at(n);
        self.text.get(from..to).unwrap_or_default()
    }

    // Mistakes.

    /// Notes a problem; reading goes on where it was.
    pub(super) fn note(&mut self, problem: Problem) {
        if !self.is_stopped {
            self.problems.push(problem);
        }
        if self.problems.len() >= PROBLEMS_MAX {
            self.stop();
        }
    }

    /// Notes a problem and gives up the part.
    pub(super) fn fail<T>(&mut self, problem: Problem) -> Parsed<T> {
        self.note(problem);
        Err(Failed)
    }

    /// Gives up the part with a mistake at the token here.
    pub(super) fn wrong<T>(
        &mut self,
        code: &'static str,
        what: String,
        cure: impl Into<String>,
    ) -> Parsed<T> {
        let problem = mistake(code, self.span(), what, cure);
        if *self.kind() == Kind::Bad { Err(Failed) } else { self.fail(problem) }
    }

    /// Gives up the part: something else was `expected` here. `words` could have stood here.
    pub(super) fn unexpected<T>(&mut self, expected: &str, words: &[&str]) -> Parsed<T> {
        let cure = self.hint(words).unwrap_or_else(|| format!("write {expected}"));
        self.wrong("SEL-005", format!("expected {expected}; {}", self.found()), cure)
    }

    /// What stands here, as a half sentence.
    pub(super) fn found(&self) -> String {
        self.found_at(0)
    }

    /// What stands `n` places on, as a half sentence.
    pub(super) fn found_at(&self, n: usize) -> String {
        match self.ahead(n) {
            Kind::End => "the text ends here".into(),
            _ => format!("found `{}`", excerpt(self.written_at(n), 40)),
        }
    }

    /// What the word here may be a slip of: one of `words`, or a Chinese word without its space.
    pub(super) fn hint(&self, words: &[&str]) -> Option<String> {
        let Kind::Word(word) = self.kind() else { return None };
        if let Some(word) = near(word, words.iter().copied()) {
            return Some(format!("did you mean `{word}`?"));
        }
        glued(word).map(|(keyword, rest)| {
            format!("if `{keyword}` is meant, put a space behind it: `{keyword} {rest}`")
        })
    }

    /// Nothing more is read, and nothing more is told.
    fn stop(&mut self) {
        self.at = self.tokens.len();
        self.is_stopped = true;
    }

    // Joins, `not` and brackets.

    /// `part join part …`, as long as `goes_on`; one part alone stays itself.
    pub(super) fn joined<T>(
        &mut self,
        join: &'static str,
        goes_on: fn(&Self, &'static str) -> bool,
        part: fn(&mut Self) -> T,
        wrap: fn(Vec<T>) -> T,
    ) -> T {
        let first = part(self);
        if !goes_on(self, join) {
            return first;
        }
        let mut parts = vec![first];
        while goes_on(self, join) {
            self.advance();
            parts.push(part(self));
        }
        wrap(parts)
    }

    /// What `inside` reads one level deeper.
    pub(super) fn nested<T>(&mut self, inside: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEPTH_MAX {
            let problem =
                too_much(self.span(), format!("brackets and `not` nest more than {DEPTH_MAX} deep"));
            self.note(problem);
            self.stop();
            return Err(Failed);
        }
        self.depth += 1;
        let value = inside(self);
        self.depth -= 1;
        value
    }

    /// `( inside )`; the opening bracket stands here.
    pub(super) fn bracketed<T>(&mut self, inside: fn(&mut Self) -> T) -> Parsed<T> {
        let open = self.span();
        let value = self.nested(|parser| {
            parser.advance();
            Ok(inside(parser))
        })?;
        self.close(open, "`and`, `or` or `)`");
        Ok(value)
    }

    /// Does `all (` or `any (` stand here?
    pub(super) fn at_collected(&self) -> bool {
        self.is_any(&["all", "any"]) && is_word(self.ahead(1), "(")
    }

    /// `all ()`, `any (a)`: the joins of nothing and of one part, which brackets cannot say.
    pub(super) fn collected<T>(
        &mut self,
        inside: fn(&mut Self) -> T,
        wrap: [fn(Vec<T>) -> T; 2],
    ) -> Parsed<T> {
        let [all, any] = wrap;
        let wrap = if self.is("all") { all } else { any };
        self.advance();
        if is_word(self.ahead(1), ")") {
            self.advance();
            self.advance();
            return Ok(wrap(vec![]));
        }
        Ok(wrap(vec![self.bracketed(inside)?]))
    }

    /// The closing bracket for `open`; what stands before it is told and skipped.
    pub(super) fn close(&mut self, open: Span, expected: &str) {
        if self.take(")") {
            return;
        }
        if self.is_end() {
            let what = "this bracket is never closed".to_string();
            return self.note(mistake("SEL-006", open, what, "write `)` where it ends"));
        }
        let _ = self.unexpected::<()>(expected, &["and", "or"]);
        while !self.is_end() && !self.is(")") {
            self.skip_one();
        }
        self.take(")");
    }

    /// A `)` that closes nothing, and what follows it.
    pub(super) fn unopened(&mut self) {
        let what = "this bracket closes nothing".to_string();
        self.note(mistake("SEL-006", self.span(), what, "remove it, or write `(` where the bracket begins"));
        self.advance();
    }

    // Going on after a mistake.

    /// Skips to the next join, the end of this bracket, or one of `stops`.
    pub(super) fn skip_to_join(&mut self, stops: &[&str]) {
        while !self.is_end() && !self.at_join() && !self.is(")") && !self.is_any(stops) {
            self.skip_one();
        }
    }

    /// A join has a condition on its right; before a value stands the `and` of `between x and y`.
    fn at_join(&self) -> bool {
        let is_value =
            matches!(self.ahead(1), Kind::Text(_) | Kind::Integer(_) | Kind::Float(_) | Kind::Moment(_));
        self.is_any(&["and", "or"]) && !is_value
    }

    /// Skips one token; a bracket with its inside.
    pub(super) fn skip_one(&mut self) {
        if self.is("(") { self.skip_bracket() } else { self.advance() }
    }

    fn skip_bracket(&mut self) {
        let mut open = 0usize;
        while !self.is_end() {
            open += usize::from(self.is("("));
            open -= usize::from(self.is(")"));
            self.advance();
            if open == 0 {
                return;
            }
        }
    }
}

/// Is the token this word or sign?
pub(super) fn is_word(kind: &Kind, word: &str) -> bool {
    matches!(kind, Kind::Keyword(found) | Kind::Sign(found) if *found == word)
}
