//! What does one line of NDJSON say? A small reader that keeps every value as it was written.
//!
//! Numbers stay text, so an id of 20 digits keeps all of them; objects are flattened to paths with
//! dots; arrays stay JSON text. A line is read into a [`JsonRow`] first, so that a line that breaks
//! off leaves nothing behind.

use std::io;
use std::ops::Range;

use super::lines::{Line, Lines};

/// Objects and arrays inside each other, at most.
const DEPTH_MAX: usize = 64;

/// What kind of value a text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool,
    Number,
    Text,
    List,
    /// A CSV field: it may mean anything.
    Written,
}

/// The values of one object, by path, in the order written.
#[derive(Debug, Default)]
pub struct JsonRow {
    /// The line, and behind it what does not stand in it word for word.
    text: String,
    fields: Vec<(Range<usize>, Kind, Range<usize>)>,
}

impl JsonRow {
    /// (path, kind, text) of every value; a path may come twice, the last counts.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Kind, &str)> {
        let part = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.fields.iter().map(move |(path, kind, value)| (part(path), *kind, part(value)))
    }

    /// Reads one line's object, replacing what was there.
    /// Errors: what was expected, and at which column (in bytes, from 1).
    pub fn read(&mut self, line: &str) -> Result<(), String> {
        self.text.clear();
        self.text.push_str(line);
        self.fields.clear();
        let mut scanner = Scanner { text: line, at: 0 };
        let mut path = String::new();
        scanner.blank();
        let read = scanner.expect(b'{', "an object `{…}`").and_then(|()| {
            scanner.object(self, &mut path, 0)?;
            scanner.blank();
            if scanner.at == line.len() { Ok(()) } else { Err("nothing after the object") }
        });
        read.map_err(|what| format!("JSON: expected {what} at column {}", scanner.at + 1))
    }

    /// Where `text` stands when it is put behind the line.
    fn keep(&mut self, text: &str) -> Range<usize> {
        let from = self.text.len();
        self.text.push_str(text);
        from..self.text.len()
    }
}

/// The texts of a JSON array's items; nulls are left out. `None` if it is no JSON array.
pub fn items(text: &str) -> Option<Vec<String>> {
    let mut scanner = Scanner { text, at: 0 };
    let mut items = Vec::new();
    scanner.blank();
    scanner.expect(b'[', "").ok()?;
    scanner.array(0, &mut |item| items.extend(item)).ok()?;
    scanner.blank();
    (scanner.at == text.len()).then_some(items)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

type Scan = Result<(), &'static str>;

impl Scanner<'_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn blank(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Scan {
        if self.peek() != byte {
            return Err(what);
        }
        self.at += 1;
        Ok(())
    }

    fn since(&self, from: usize) -> &str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// The rest of an object after its `{`.
    fn object(&mut self, row: &mut JsonRow, path: &mut String, depth: usize) -> Scan {
        let prefix = path.len();
        self.members(|scanner| {
            path.truncate(prefix);
            // Mostly a key stands in the line as it is; below another key it needs a path.
            let key = if prefix == 0 { scanner.plain_string() } else { None };
            if key.is_none() {
                if prefix > 0 {
                    path.push('.');
                }
                scanner.string(path)?;
            }
            scanner.colon()?;
            scanner.value(row, key, path, depth)
        })
    }

    /// `member, member … }` with `member` called at each member's key.
    fn members(&mut self, mut member: impl FnMut(&mut Self) -> Scan) -> Scan {
        self.blank();
        if self.peek() == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            member(self)?;
            self.blank();
            match self.peek() {
                b',' => self.at += 1,
                _ => return self.expect(b'}', "`,` or `}`"),
            }
        }
    }

    fn colon(&mut self) -> Scan {
        self.blank();
        self.expect(b':', "`:`")?;
        self.blank();
        Ok(())
    }

    /// One value of a row: objects go deeper, all else is kept under its path, which is `key` of the
    /// line or else `path`.
    fn value(
        &mut self,
        row: &mut JsonRow,
        key: Option<Range<usize>>,
        path: &mut String,
        depth: usize,
    ) -> Scan {
        if self.peek() == b'{' {
            if depth >= DEPTH_MAX {
                return Err("no more than 64 levels");
            }
            if let Some(key) = key {
                path.push_str(self.text.get(key).unwrap_or_default());
            }
            self.at += 1;
            return self.object(row, path, depth + 1);
        }
        let (kind, value) = self.leaf(row, depth)?;
        let key = key.unwrap_or_else(|| row.keep(path));
        row.fields.push((key, kind, value));
        Ok(())
    }

    /// A value that is no object, and where its text stands in the row.
    fn leaf(&mut self, row: &mut JsonRow, depth: usize) -> Result<(Kind, Range<usize>), &'static str> {
        let from = self.at;
        if self.peek() != b'"' {
            return self.skip(depth).map(|kind| (kind, from..self.at));
        }
        if let Some(plain) = self.plain_string() {
            return Ok((Kind::Text, plain));
        }
        let from = row.text.len();
        self.string(&mut row.text)?;
        Ok((Kind::Text, from..row.text.len()))
    }

    /// Passes over one value.
    fn skip(&mut self, depth: usize) -> Result<Kind, &'static str> {
        match self.peek() {
            b'{' | b'[' if depth >= DEPTH_MAX => return Err("no more than 64 levels"),
            b'{' => {
                self.at += 1;
                self.members(|scanner| {
                    scanner.string(&mut String::new())?;
                    scanner.colon()?;
                    scanner.skip(depth + 1).map(|_| ())
                })?;
            }
            b'[' => {
                self.at += 1;
                self.array(depth, &mut |_| {})?;
                return Ok(Kind::List);
            }
            b'"' => self.string(&mut String::new())?,
            b't' => return self.word("true").map(|()| Kind::Bool),
            b'f' => return self.word("false").map(|()| Kind::Bool),
            b'n' => return self.word("null").map(|()| Kind::Null),
            _ => return self.number().map(|()| Kind::Number),
        }
        Ok(Kind::Text)
    }

    /// The rest of an array after its `[`; each item's text is told, `None` for null.
    fn array(&mut self, depth: usize, item: &mut dyn FnMut(Option<String>)) -> Scan {
        self.blank();
        if self.peek() == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blank();
            item(self.item(depth)?);
            self.blank();
            match self.peek() {
                b',' => self.at += 1,
                _ => return self.expect(b']', "`,` or `]`"),
            }
        }
    }

    fn item(&mut self, depth: usize) -> Result<Option<String>, &'static str> {
        let from = self.at;
        if self.peek() == b'"' {
            let mut text = String::new();
            self.string(&mut text)?;
            return Ok(Some(text));
        }
        let kind = self.skip(depth + 1)?;
        Ok((kind != Kind::Null).then(|| self.since(from).to_string()))
    }

    fn word(&mut self, word: &'static str) -> Scan {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(word);
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Scan {
        let from = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err("a value") }
    }

    fn number(&mut self) -> Scan {
        self.at += (self.peek() == b'-') as usize;
        match self.peek() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            self.at += matches!(self.peek(), b'+' | b'-') as usize;
            self.digits()?;
        }
        Ok(())
    }

    /// Passes over a quoted string without escapes; where it stands, or nothing if it is another.
    fn plain_string(&mut self) -> Option<Range<usize>> {
        let from = self.at + 1;
        let rest = self.text.as_bytes().get(from..).filter(|_| self.peek() == b'"')?;
        let to = from + plain_len(rest);
        if self.text.as_bytes().get(to) != Some(&b'"') {
            return None;
        }
        self.at = to + 1;
        Some(from..to)
    }

    /// A quoted string, unescaped onto `out`.
    fn string(&mut self, out: &mut String) -> Scan {
        self.expect(b'"', "a string")?;
        loop {
            let from = self.at;
            let rest = self.text.as_bytes().get(from..).unwrap_or_default();
            self.at += plain_len(rest);
            out.push_str(self.since(from));
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape(out)?,
                _ => return Err("the end of the string `\"`"),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Scan {
        self.at += 1;
        let simple = match self.peek() {
            byte @ (b'"' | b'\\' | b'/') => byte as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                let unit = self.hex()?;
                let letter = self.letter(unit)?;
                out.push(letter);
                return Ok(());
            }
            _ => return Err("an escape"),
        };
        self.at += 1;
        out.push(simple);
        Ok(())
    }

    /// The letter of a UTF-16 unit; the second half of a pair is read if one is needed.
    fn letter(&mut self, unit: u32) -> Result<char, &'static str> {
        if !(0xD800..0xDC00).contains(&unit) {
            return char::from_u32(unit).ok_or("a letter, not half of one");
        }
        self.word("\\u").map_err(|_| "the second half of a letter")?;
        let second = self.hex()?;
        if !(0xDC00..0xE000).contains(&second) {
            return Err("the second half of a letter");
        }
        char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (second - 0xDC00)).ok_or("a letter")
    }

    fn hex(&mut self) -> Result<u32, &'static str> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or("four hex digits")?;
        let mut unit = 0;
        for &digit in digits {
            unit = unit * 16 + (digit as char).to_digit(16).ok_or("four hex digits")?;
        }
        self.at += 4;
        Ok(unit)
    }
}

/// How many bytes come before the first quote, backslash or control character; eight are looked at
/// at a time.
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let (words, _) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let (quote, slash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
        // A byte's high bit is set where it is zero, or below 0x20; only the first of them is sure.
        let zero = (quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash);
        let found = (zero | (word.wrapping_sub(ONES * 0x20) & !word)) & HIGH;
        if found != 0 {
            return n * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_end = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
    let done = words.len() * 8;
    let rest = bytes.get(done..).unwrap_or_default();
    done + rest.iter().position(is_end).unwrap_or(rest.len())
}

/// One step through an NDJSON file.
pub enum Step {
    /// The row was read into [`JsonLines::row`].
    Row,
    /// The line could not be read, for this reason; its text is in [`JsonLines::line`].
    Spoiled(&'static str, String),
    End,
}

/// The objects of a file, one a line; blank lines are passed over.
pub struct JsonLines {
    lines: Lines,
    pub line: Line,
    pub row: JsonRow,
}

impl JsonLines {
    /// Objects of `lines`.
    pub fn new(lines: Lines) -> JsonLines {
        JsonLines { lines, line: Line::default(), row: JsonRow::default() }
    }

    /// Passes over the lines up to number `line`. Errors: the reader's own.
    pub fn skip_to(&mut self, line: u64) -> io::Result<()> {
        while self.line.number < line && self.lines.next(&mut self.line)? {}
        Ok(())
    }

    /// Is a whole line at hand, without waiting for the source?
    pub fn has_line(&self) -> bool {
        self.lines.has_line()
    }

    /// The next row. Errors: the reader's own.
    pub fn step(&mut self) -> io::Result<Step> {
        while self.lines.next(&mut self.line)? {
            if self.line.is_cut {
                return Ok(Step::Spoiled("ING-108", "the line is longer than 16 MiB".into()));
            }
            if self.line.is_blank() {
                continue;
            }
            return Ok(match std::str::from_utf8(self.line.body()) {
                Err(_) => Step::Spoiled("ING-109", "the line is not UTF-8".into()),
                Ok(text) => match self.row.read(text) {
                    Ok(()) => Step::Row,
                    Err(why) => Step::Spoiled("ING-107", why),
                },
            });
        }
        Ok(Step::End)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn read(line: &str) -> Result<Vec<(String, Kind, String)>, String> {
        let mut row = JsonRow::default();
        row.read(line)?;
        Ok(row.fields().map(|(path, kind, text)| (path.into(), kind, text.into())).collect())
    }

    #[test]
    fn values_are_kept_as_written() {
        let fields = read(
            r#" {"a" : 12345678901234567890.50, "p":{"x":"\u4e0a\n\ud83d\ude00","y":[1, "b"]},"n":null} "#,
        );
        let expected = [
            ("a", Kind::Number, "12345678901234567890.50"),
            ("p.x", Kind::Text, "上\n😀"),
            ("p.y", Kind::List, r#"[1, "b"]"#),
            ("n", Kind::Null, "null"),
        ];
        let fields = fields.unwrap();
        let fields: Vec<_> = fields.iter().map(|(p, k, t)| (p.as_str(), *k, t.as_str())).collect();
        assert_eq!(fields, expected);
    }

    #[test]
    fn broken_lines_say_where() {
        assert_eq!(read(r#"{"a":1"#).unwrap_err(), "JSON: expected `,` or `}` at column 7");
        assert_eq!(read(r#"{"a":tru}"#).unwrap_err(), "JSON: expected true at column 6");
        assert_eq!(read("u1").unwrap_err(), "JSON: expected an object `{…}` at column 1");
        assert!(read(&("{\"a\":".repeat(70) + "1" + &"}".repeat(70))).is_err());
        assert!(read(&format!("{{\"a\":{}{}}}", "[".repeat(70), "]".repeat(70))).is_err());
    }

    #[test]
    fn items_are_texts_without_nulls() {
        assert_eq!(
            items(r#" ["a", 1.50, null, true, {"x":[]}] "#).unwrap(),
            ["a", "1.50", "true", r#"{"x":[]}"#]
        );
        assert_eq!(items("[]").unwrap(), [""; 0]);
        assert_eq!(items("[1,]"), None);
        assert_eq!(items("a|b"), None);
    }

    /// The slow twin: what serde_json reads, flattened.
    fn flatten(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    flatten(&path, value, out);
                }
            }
            Value::String(text) => out.push((path.into(), text.clone())),
            other => out.push((path.into(), other.to_string())),
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec(("[a-z\"\\\\上]{1,3}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(value in proptest::collection::vec(values(), 1..5)) {
            let object: Value = Value::Object(value.into_iter().enumerate().map(|(n, v)| (format!("k{n}"), v)).collect());
            let mut expected = Vec::new();
            flatten("", &object, &mut expected);
            let found: Vec<(String, String)> =
                read(&object.to_string()).unwrap().into_iter().map(|(path, _, text)| (path, text)).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn eight_at_a_time_finds_what_one_by_one_does(bytes in prop::collection::vec(prop_oneof![4 => 0x1eu8..0x24, 2 => 0x5au8..0x5e, 3 => any::<u8>()], 0..40)) {
            let slow = bytes.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            prop_assert_eq!(plain_len(&bytes), slow.unwrap_or(bytes.len()));
        }

        #[test]
        fn it_takes_and_refuses_what_serde_json_does(line in "[{}\\[\\]\":,0-9eE.\\-+ truefalsn\\\\u]{0,24}") {
            let text = format!("{{{line}}}");
            let twin = serde_json::from_str::<Value>(&text);
            let is_out_of_range = twin.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            prop_assert!(is_out_of_range || twin.is_ok() == read(&text).is_ok(), "{}", text);
        }
    }
}
