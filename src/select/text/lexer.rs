//! From characters to tokens: names, words of the language, values, signs.
//!
//! Every token knows its bytes. What cannot be read is noted as a problem and becomes a token all
//! the same: the one that was most likely meant, or [`Kind::Bad`], over which the parser is silent.

use chrono::Timelike;

use super::problems::{PROBLEMS_MAX, excerpt, mistake};
use super::words::{continues_name, keyword, starts_name, unit_behind_number};
use crate::base::{Moment, Problem, Span, Unit};

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A bare name.
    Word(String),
    /// A word of the language, in its English spelling.
    Keyword(&'static str),
    /// `"…"`
    Name(String),
    /// `'…'`
    Text(String),
    Integer(i64),
    Float(f64),
    /// `2026-01-01`, `2026-01-01T10:00:00+08:00`
    Moment(Moment),
    /// `20m`: a number with its unit behind it.
    Duration(u32, Unit),
    /// A sign in its plain form.
    Sign(&'static str),
    /// Could not be read; its problem is noted already.
    Bad,
    End,
}

/// One token and its bytes.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Span,
}

/// All tokens of `text`, the last one [`Kind::End`], and what could not be read.
pub(super) fn lex(text: &str) -> (Vec<Token>, Vec<Problem>) {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), problems: Vec::new() };
    while let Some(c) = lexer.peek().filter(|_| lexer.problems.len() < PROBLEMS_MAX) {
        lexer.token(c);
    }
    lexer.push(text.len(), Kind::End);
    (lexer.tokens, lexer.problems)
}

/// As written, as meant, and whether the writing is that of another language. Longer ones first.
const SIGNS: &[(&str, &str, bool)] = &[
    ("<=", "<=", false),
    (">=", ">=", false),
    ("!=", "!=", false),
    ("！=", "!=", false),
    ("！＝", "!=", false),
    ("＜＝", "<=", false),
    ("＜=", "<=", false),
    ("＞＝", ">=", false),
    ("＞=", ">=", false),
    ("==", "=", true),
    ("<>", "!=", true),
    ("=>", ">=", true),
    ("=<", "<=", true),
    ("&&", "and", true),
    ("||", "or", true),
    ("≤", "<=", false),
    ("≥", ">=", false),
    ("≠", "!=", false),
    ("=", "=", false),
    ("＝", "=", false),
    ("<", "<", false),
    ("＜", "<", false),
    (">", ">", false),
    ("＞", ">", false),
    ("(", "(", false),
    ("（", "(", false),
    (")", ")", false),
    ("）", ")", false),
    (",", ",", false),
    ("，", ",", false),
    ("、", ",", false),
    ("%", "%", false),
    ("％", "%", false),
    ("!", "not", true),
    ("！", "not", true),
];

/// Quotes that other programs make of `'` and `"`: opening, closing, is it a name.
const CURLY: &[(char, char, bool)] = &[
    ('‘', '’', false),
    ('’', '’', false),
    ('＇', '＇', false),
    ('“', '”', true),
    ('”', '”', true),
    ('＂', '＂', true),
    ('「', '」', false),
];

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    problems: Vec<Problem>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads one token, or skips one piece of white space, that begins with `c`.
    fn token(&mut self, c: char) {
        let next_is_digit = || self.rest()[c.len_utf8()..].starts_with(|c: char| c.is_ascii_digit());
        match c {
            '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
            c if c.is_whitespace() || c == '\u{feff}' => self.at += c.len_utf8(),
            '\'' | '"' => self.quoted(c),
            '0'..='9' => self.number(),
            '-' if next_is_digit() => self.number(),
            c if starts_name(c) => self.word(),
            c => match CURLY.iter().find(|(open, ..)| *open == c) {
                Some((open, close, is_name)) => self.curly(*open, *close, *is_name),
                None => self.sign(),
            },
        }
    }

    /// The token from here on to `end`.
    fn push(&mut self, end: usize, kind: Kind) {
        self.tokens.push(Token { kind, span: Span { from: self.at, to: end } });
        self.at = end;
    }

    /// A problem with the text from here on to `end`.
    fn note(&mut self, code: &'static str, end: usize, what: String, cure: impl Into<String>) {
        let span = Span { from: self.at, to: end };
        self.problems.push(mistake(code, span, what, cure));
    }

    /// The end of the run of characters that satisfy `inside`, from `start` on.
    fn run(&self, start: usize, inside: impl Fn(char) -> bool) -> usize {
        let rest = self.text.get(start..).unwrap_or_default();
        start + rest.find(|c| !inside(c)).unwrap_or(rest.len())
    }

    fn word(&mut self) {
        let end = self.run(self.at, continues_name);
        let word = &self.text[self.at..end];
        let kind = keyword(word).map_or_else(|| Kind::Word(word.to_string()), Kind::Keyword);
        self.push(end, kind);
    }

    /// `'…'` or `"…"`; the quote itself is written twice.
    fn quoted(&mut self, quote: char) {
        let make = if quote == '"' { Kind::Name } else { Kind::Text };
        match unquote(self.rest(), quote) {
            Some((inside, length)) => self.push(self.at + length, make(inside)),
            None => self.unclosed(quote, make),
        }
    }

    /// Nothing closes the quote: the line is taken as its inside, so that the rest is still read.
    fn unclosed(&mut self, quote: char, make: fn(String) -> Kind) {
        let end = self.run(self.at, |c| c != '\n');
        let inside = self.text[self.at + 1..end].to_string();
        let what = format!("the quote {quote} is opened here and never closed");
        self.note("SEL-003", end, what, format!("close it with {quote}; a {quote} inside is written twice"));
        self.push(end, make(inside));
    }

    /// `‘…’`, `“…”` and their like: read as if they were plain, with a problem.
    fn curly(&mut self, open: char, close: char, is_name: bool) {
        let line_end = self.run(self.at, |c| c != '\n');
        let start = self.at + open.len_utf8();
        let inside = self.text[start..line_end].split_once(close).map(|(inside, _)| inside.to_string());
        let end = inside.as_ref().map_or(line_end, |text| start + text.len() + close.len_utf8());
        let what = format!("{open} is not a quote of the language");
        let cure =
            "quote a value with plain ' ' and a name with plain \" \" (switch the input method to English)";
        self.note("SEL-002", end, what, cure);
        let make = if is_name { Kind::Name } else { Kind::Text };
        self.push(end, inside.map_or(Kind::Bad, make));
    }

    fn sign(&mut self) {
        let rest = self.rest();
        let Some((written, meant, is_foreign)) = SIGNS.iter().find(|(sign, ..)| rest.starts_with(sign))
        else {
            return self.stranger();
        };
        let end = self.at + written.len();
        if *is_foreign {
            self.note(
                "SEL-002",
                end,
                format!("`{written}` is not a sign of the language"),
                format!("write `{meant}`"),
            );
        }
        self.push(end, keyword(meant).map_or(Kind::Sign(meant), Kind::Keyword));
    }

    /// Characters that mean nothing here; a run of them is one problem.
    fn stranger(&mut self) {
        let is_sign = |c: char| SIGNS.iter().any(|(sign, ..)| sign.starts_with(c));
        let is_quote = |c: char| c == '\'' || c == '"' || CURLY.iter().any(|(open, ..)| *open == c);
        let known =
            |c: char| c.is_whitespace() || c.is_alphanumeric() || is_sign(c) || is_quote(c) || c == '#';
        let first = self.at + self.peek().map_or(0, char::len_utf8);
        let end = self.run(first, |c| !known(c) && !starts_name(c));
        let found = excerpt(&self.text[self.at..end], 20);
        let cure = "remove it, or quote it: '…' for a value, \"…\" for a name";
        self.note("SEL-002", end, format!("`{}` has no meaning here", found.escape_debug()), cure);
        self.push(end, Kind::Bad);
    }

    /// A number, a duration such as `20m`, or a date.
    fn number(&mut self) {
        if is_date_like(self.rest()) {
            return self.moment();
        }
        let (mut end, is_whole) = number_end(self.rest());
        end += self.at;
        let glued_end = self.run(end, continues_name);
        if glued_end > end {
            return self.duration(end, glued_end, is_whole);
        }
        let text = &self.text[self.at..end];
        let kind = match is_whole {
            true => text.parse().ok().map(Kind::Integer),
            false => text.parse().ok().filter(|f: &f64| f.is_finite()).map(Kind::Float),
        };
        let kind = kind.unwrap_or_else(|| {
            let cure = "whole numbers go to 9223372036854775807; a longer one may be text: quote it";
            self.note("SEL-004", end, format!("the number `{}` is too large", excerpt(text, 40)), cure);
            Kind::Bad
        });
        self.push(end, kind);
    }

    /// A number with letters right behind it: its unit, or a mistake.
    fn duration(&mut self, number_end: usize, end: usize, is_whole: bool) {
        let unit = unit_behind_number(&self.text[number_end..end]);
        let count = self.text[self.at..number_end].parse().ok().filter(|_| is_whole);
        if let (Some(count), Some(unit)) = (count, unit) {
            return self.push(end, Kind::Duration(count, unit));
        }
        let what = format!("`{}` is neither a number nor a name", excerpt(&self.text[self.at..end], 40));
        let cure = "numbers have digits only (`1000`), durations read `90s 20m 2h 7d`, \
                    a name that begins with a digit is quoted: \"…\"";
        self.note("SEL-004", end, what, cure);
        self.push(end, Kind::Bad);
    }

    fn moment(&mut self) {
        let end = self.moment_end();
        let text = &self.text[self.at..end];
        let kind = Moment::parse(text).map(|moment| Kind::Moment(to_millis(moment))).unwrap_or_else(|| {
            let what = format!("`{}` is not a date or time of the calendar", excerpt(text, 40));
            let cure =
                "write `2026-01-31`, `2026-01-31T10:00:00` or `2026-01-31T10:00:00+08:00`; text is quoted";
            self.note("SEL-004", end, what, cure);
            Kind::Bad
        });
        self.push(end, kind);
    }

    /// The end of a date with an optional clock time, behind a `T` or one space.
    fn moment_end(&self) -> usize {
        let inside =
            |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | '+' | 'T' | 'Z' | 't' | 'z');
        let end = self.run(self.at, inside);
        let clock = self.text[end..].strip_prefix(' ').unwrap_or_default();
        let hour = clock.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_clock = hour.len() < clock.len() && hour.starts_with(':');
        let is_bare_date = !self.text[self.at..end].contains(['T', 't', ':']);
        if is_clock && is_bare_date { self.run(end + 1, inside) } else { end }
    }
}

/// The inside of the quoted text that `rest` begins with, and the bytes it takes with its quotes.
fn unquote(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut inside = String::new();
    let mut at = quote.len_utf8();
    loop {
        let length = rest.get(at..)?.find(quote)?;
        inside.push_str(&rest[at..at + length]);
        at += length + quote.len_utf8();
        if !rest[at..].starts_with(quote) {
            return Some((inside, at));
        }
        inside.push(quote);
        at += quote.len_utf8();
    }
}

/// Four digits, a hyphen and a digit: nothing else begins so.
fn is_date_like(rest: &str) -> bool {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut behind = rest.bytes().skip(digits);
    digits == 4 && behind.next() == Some(b'-') && behind.next().is_some_and(|b| b.is_ascii_digit())
}

/// The bytes of the number that `rest` begins with, and whether it is a whole one.
fn number_end(rest: &str) -> (usize, bool) {
    let digits = |from: usize| rest.bytes().skip(from).take_while(u8::is_ascii_digit).count();
    let has = |at: usize, signs: &[u8]| rest.as_bytes().get(at).is_some_and(|b| signs.contains(b));
    let start = usize::from(has(0, b"-"));
    let whole = start + digits(start);
    let fraction = if has(whole, b".") { digits(whole + 1) } else { 0 };
    let mut end = if fraction > 0 { whole + 1 + fraction } else { whole };
    if has(end, b"eE") {
        let exponent = end + 1 + usize::from(has(end + 1, b"+-"));
        let length = digits(exponent);
        end = if length > 0 { exponent + length } else { end };
    }
    (end, end == whole)
}

/// Instants are kept in milliseconds, so finer clock times are cut.
fn to_millis(moment: Moment) -> Moment {
    let cut = |time: chrono::NaiveTime| time.with_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000);
    Moment { time: moment.time.and_then(cut), ..moment }
}

/// A moment as text in a place where only a moment can stand: `'2026-01-01 10:00'`.
pub(in crate::select) fn moment_in_text(text: &str) -> Option<Moment> {
    is_date_like(text.trim()).then(|| Moment::parse(text).map(to_millis)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        lex(text).0.into_iter().map(|token| token.kind).filter(|kind| *kind != Kind::End).collect()
    }

    fn codes(text: &str) -> Vec<&'static str> {
        lex(text).1.iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn numbers_dates_and_durations_tell_themselves_apart() {
        let moment = |text: &str| Kind::Moment(Moment::parse(text).unwrap());
        assert_eq!(
            kinds("-5 1.50 1e3 2E-2"),
            [Kind::Integer(-5), Kind::Float(1.5), Kind::Float(1e3), Kind::Float(2e-2)]
        );
        assert_eq!(
            kinds("20m 7days 1 day")[..2],
            [Kind::Duration(20, Unit::Minute), Kind::Duration(7, Unit::Day)]
        );
        assert_eq!(
            kinds("2026-01-01,2026-01-01T10:00:00+08:00"),
            [moment("2026-01-01"), Kind::Sign(","), moment("2026-01-01T10:00:00+08:00")]
        );
        assert_eq!(
            kinds("2026-01-01 10:00 to 2026-01-02 7")[..3],
            [moment("2026-01-01 10:00"), Kind::Keyword("to"), moment("2026-01-02")]
        );
        for bad in ["1_000", "5and", "2026-13-01", "2026-01", "99999999999999999999", "1e999", "-5m"] {
            assert_eq!(codes(bad), ["SEL-004"], "{bad}");
            assert_eq!(kinds(bad), [Kind::Bad], "{bad}");
        }
    }

    #[test]
    fn quotes_are_doubled_inside() {
        assert_eq!(
            kinds("'it''s' \"a\"\"b\" ''"),
            [Kind::Text("it's".into()), Kind::Name("a\"b".into()), Kind::Text("".into())]
        );
        assert_eq!(kinds("'a # b\nc' # note '\nx"), [Kind::Text("a # b\nc".into()), Kind::Word("x".into())]);
        assert_eq!(codes("'abc\n x"), ["SEL-003"]);
        assert_eq!(kinds("'abc\n x"), [Kind::Text("abc".into()), Kind::Word("x".into())]);
    }

    #[test]
    fn full_width_signs_are_plain_signs_and_strangers_are_told() {
        assert_eq!(kinds("（，）＞＝％"), ["(", ",", ")", ">=", "%"].map(Kind::Sign));
        assert_eq!(codes("（，）＞＝％"), [""; 0]);
        assert_eq!(
            kinds("== && !x"),
            [Kind::Sign("="), Kind::Keyword("and"), Kind::Keyword("not"), Kind::Word("x".into())]
        );
        assert_eq!(codes("== && !x"), ["SEL-002"; 3]);
        assert_eq!(kinds("‘女’ “品牌”"), [Kind::Text("女".into()), Kind::Name("品牌".into())]);
        assert_eq!(codes("@@@ ; \u{200b}"), ["SEL-002"; 3]);
    }
}
