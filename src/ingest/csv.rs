//! Which fields has the next CSV row? RFC 4180 with quotes, over lines.
//!
//! A line without a quote is split at its delimiters. A quote that is never closed costs one row,
//! not the rest of the file: after 4 MiB the first line is given up and reading goes on behind it.

use std::io;
use std::ops::Range;

use super::lines::{Line, Lines};

/// A row longer than this is taken for a quote that nobody closed.
const ROW_BYTES_MAX: usize = 4 << 20;

/// One step through a CSV file.
pub enum Step {
    /// The fields were read.
    Row,
    /// The row could not be read: code and reason.
    Spoiled(&'static str, String),
    End,
}

/// The rows of a CSV file; blank lines are passed over.
pub struct CsvRows {
    lines: Lines,
    delimiter: u8,
    /// Fields that each row must have; 0 before it is known.
    width: usize,
    line: Line,
    /// Fields lie in `text` if the row has quotes, in the line itself if not.
    has_quotes: bool,
    text: Vec<u8>,
    fields: Vec<Range<usize>>,
}

impl CsvRows {
    /// Rows of `lines`, split at commas until [`CsvRows::first`] knows better.
    pub fn new(lines: Lines) -> CsvRows {
        let (line, text, fields) = Default::default();
        CsvRows { lines, delimiter: b',', width: 0, line, has_quotes: false, text, fields }
    }

    /// Reads the first row, which settles the delimiter and the number of fields.
    pub fn first(&mut self) -> io::Result<Step> {
        let mut skipped = Vec::new();
        while self.lines.next(&mut self.line)? {
            skipped.push(self.line.clone());
            if !self.line.is_blank() {
                self.delimiter = delimiter_of(self.line.body());
                break;
            }
        }
        self.lines.give_back(skipped);
        let step = self.step()?;
        self.width = self.fields.len();
        Ok(step)
    }

    /// Reads the row just read once more: it was not a header.
    pub fn repeat(&mut self) {
        self.lines.give_back(vec![self.line.clone()]);
    }

    /// Where the row begins, counted from 1.
    pub fn line_number(&self) -> u64 {
        self.line.number
    }

    /// The line or lines of the row as they stand.
    pub fn raw(&self) -> &[u8] {
        self.line.body()
    }

    /// Fields in the row.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Field `n`, empty if there is none.
    pub fn field(&self, n: usize) -> &str {
        let bytes = if self.has_quotes { &self.text } else { &self.line.bytes };
        let field = self.fields.get(n).and_then(|range| bytes.get(range.clone()));
        field.and_then(|field| std::str::from_utf8(field).ok()).unwrap_or_default()
    }

    /// Reads the next row. Errors: the reader's own.
    pub fn step(&mut self) -> io::Result<Step> {
        self.fields.clear();
        while self.lines.next(&mut self.line)? {
            if self.line.is_cut {
                return Ok(Step::Spoiled("ING-108", "the line is longer than 16 MiB".into()));
            }
            if !self.line.body().is_empty() {
                return self.split();
            }
        }
        Ok(Step::End)
    }

    fn split(&mut self) -> io::Result<Step> {
        self.has_quotes = self.line.bytes.contains(&b'"');
        let is_closed = if self.has_quotes { self.split_quoted()? } else { self.split_plain() };
        if std::str::from_utf8(&self.line.bytes).is_err() {
            return Ok(Step::Spoiled("ING-109", "the row is not UTF-8".into()));
        }
        if !is_closed {
            return Ok(Step::Spoiled("ING-107", "a quote is opened and never closed".into()));
        }
        if self.width != 0 && self.fields.len() != self.width {
            let why = format!("the row has {} fields, the first row {}", self.fields.len(), self.width);
            return Ok(Step::Spoiled("ING-107", why));
        }
        Ok(Step::Row)
    }

    fn split_plain(&mut self) -> bool {
        let mut from = 0;
        for field in self.line.body().split(|&byte| byte == self.delimiter) {
            self.fields.push(from..from + field.len());
            from += field.len() + 1;
        }
        true
    }

    /// False if a quote stays open; then only the first line is taken.
    fn split_quoted(&mut self) -> io::Result<bool> {
        let mut splitter = Splitter { delimiter: self.delimiter, state: State::Start, from: 0 };
        self.text.clear();
        splitter.line(&self.line, &mut self.text, &mut self.fields);
        let mut more: Vec<Line> = Vec::new();
        while splitter.state == State::Quoted {
            let mut next = Line::default();
            let is_full = self.text.len() > ROW_BYTES_MAX;
            if is_full || !self.lines.next(&mut next)? || next.is_cut {
                self.lines.give_back(more);
                return Ok(false);
            }
            splitter.line(&next, &mut self.text, &mut self.fields);
            more.push(next);
        }
        more.iter().for_each(|line| self.line.bytes.extend_from_slice(&line.bytes));
        splitter.end(&self.text, &mut self.fields);
        Ok(true)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Plain,
    Quoted,
    /// A quote inside quotes: the end, or the first of two.
    Quote,
}

/// Splits a row that has quotes, line by line.
struct Splitter {
    delimiter: u8,
    state: State,
    from: usize,
}

impl Splitter {
    fn line(&mut self, line: &Line, text: &mut Vec<u8>, fields: &mut Vec<Range<usize>>) {
        let body = line.body();
        for &byte in body {
            self.byte(byte, text, fields);
        }
        if self.state == State::Quoted {
            text.extend_from_slice(line.bytes.get(body.len()..).unwrap_or_default());
        }
    }

    fn byte(&mut self, byte: u8, text: &mut Vec<u8>, fields: &mut Vec<Range<usize>>) {
        self.state = match (self.state, byte) {
            (State::Start, b'"') => State::Quoted,
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) => self.keep(byte, text, State::Quoted),
            (State::Quote, b'"') => self.keep(byte, text, State::Quoted),
            _ if byte == self.delimiter => {
                self.end(text, fields);
                State::Start
            }
            _ => self.keep(byte, text, State::Plain),
        };
    }

    fn keep(&self, byte: u8, text: &mut Vec<u8>, state: State) -> State {
        text.push(byte);
        state
    }

    /// A field is over.
    fn end(&mut self, text: &[u8], fields: &mut Vec<Range<usize>>) {
        fields.push(self.from..text.len());
        self.from = text.len();
    }
}

/// Comma, tab or semicolon: the one found most in the first line, outside quotes.
fn delimiter_of(line: &[u8]) -> u8 {
    let mut is_quoted = false;
    let mut counts = [(0, b','), (0, b'\t'), (0, b';')];
    for &byte in line {
        is_quoted ^= byte == b'"';
        counts
            .iter_mut()
            .filter(|(_, delimiter)| *delimiter == byte && !is_quoted)
            .for_each(|(n, _)| *n += 1);
    }
    counts.iter().rev().max_by_key(|(count, _)| *count).map_or(b',', |(_, delimiter)| *delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &[u8]) -> Vec<Result<Vec<String>, String>> {
        let mut rows = CsvRows::new(Lines::new(Box::new(io::Cursor::new(text.to_vec()))));
        let mut all = Vec::new();
        let mut step = rows.first().unwrap();
        loop {
            match step {
                Step::End => return all,
                Step::Row => all.push(Ok((0..rows.len()).map(|n| rows.field(n).to_string()).collect())),
                Step::Spoiled(_, why) => all.push(Err(why)),
            }
            step = rows.step().unwrap();
        }
    }

    fn good(text: &str) -> Vec<Vec<String>> {
        rows(text.as_bytes()).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn quotes_hold_delimiters_and_lines() {
        assert_eq!(good("a,b\r\n\"x,\"\"y\"\"\r\nz\",\n\n"), [["a", "b"], ["x,\"y\"\r\nz", ""]]);
        assert_eq!(good("a;b\n1,5;2"), [["a", "b"], ["1,5", "2"]]);
        assert_eq!(good("a\tb\n1,5\t\"2\""), [["a", "b"], ["1,5", "2"]]);
    }

    #[test]
    fn a_quote_never_closed_costs_one_row() {
        let found = rows(b"a,b\n\"x,1\ny,2\nz,3");
        assert_eq!(found[1], Err("a quote is opened and never closed".into()));
        assert_eq!(found[2..], [Ok(vec!["y".into(), "2".into()]), Ok(vec!["z".into(), "3".into()])]);
    }

    #[test]
    fn ragged_rows_are_told() {
        let found = rows(b"a,b\n1\n1,2,3\n1,2");
        assert_eq!(found[1], Err("the row has 1 fields, the first row 2".into()));
        assert!(found[2].is_err() && found[3].is_ok());
    }

    proptest! {
        /// The slow twin is the csv crate.
        #[test]
        fn it_splits_as_the_csv_crate_does(table in proptest::collection::vec(proptest::collection::vec("[ab\",; \n上]{0,5}", 3), 1..8)) {
            let mut writer = ::csv::Writer::from_writer(Vec::new());
            writer.write_record(["x", "y", "z"]).unwrap();
            table.iter().for_each(|row| writer.write_record(row).unwrap());
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let expected: Vec<Vec<String>> = ::csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes())
                .records().map(|row| row.unwrap().iter().map(String::from).collect()).collect();
            prop_assert_eq!(good(&text), expected);
        }

        #[test]
        fn loose_quotes_are_read_as_the_csv_crate_does(line in "[ab\",]{1,12}") {
            let text = format!("{line}\n");
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> = reader.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect();
            if let [Ok(found), ..] = &rows(text.as_bytes())[..] {
                prop_assert_eq!(found, &expected[0]);
            }
        }
    }
}
