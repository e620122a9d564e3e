//! What is the next line? Bounded in memory, counted, with its line end left on.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};

/// A longer line is cut: no row of ours needs so much, and memory stays bounded.
pub const LINE_BYTES_MAX: usize = 16 << 20;

/// Lines of a text, the byte order mark taken off.
pub struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    number: u64,
    /// Lines that were taken and given back.
    back: VecDeque<Line>,
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// With its `\n`, if it had one.
    pub bytes: Vec<u8>,
    /// Was it longer than [`LINE_BYTES_MAX`]? Then the rest of it is gone.
    pub is_cut: bool,
}

impl Line {
    /// The line without `\n` or `\r\n`.
    pub fn body(&self) -> &[u8] {
        let body = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        body.strip_suffix(b"\r").unwrap_or(body)
    }

    /// Has it nothing but white space?
    pub fn is_blank(&self) -> bool {
        self.bytes.first().is_none_or(u8::is_ascii_whitespace) && self.bytes.trim_ascii().is_empty()
    }
}

impl Lines {
    /// Lines of `reader`.
    pub fn new(reader: Box<dyn Read + Send>) -> Lines {
        Lines { reader: BufReader::with_capacity(1 << 18, reader), number: 0, back: VecDeque::new() }
    }

    /// Reads the next line into `line`; false at the end.
    pub fn next(&mut self, line: &mut Line) -> io::Result<bool> {
        if let Some(given_back) = self.back.pop_front() {
            *line = given_back;
            return Ok(true);
        }
        line.bytes.clear();
        let count = (&mut self.reader).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line.bytes)?;
        line.is_cut = count == LINE_BYTES_MAX && !line.bytes.ends_with(b"\n");
        if line.is_cut {
            self.reader.skip_until(b'\n')?;
        }
        self.number += (count > 0) as u64;
        line.number = self.number;
        if self.number == 1 && line.bytes.starts_with(b"\xef\xbb\xbf") {
            line.bytes.drain(..3);
        }
        Ok(count > 0)
    }

    /// Is a whole line at hand, without waiting for the source?
    pub fn has_line(&self) -> bool {
        !self.back.is_empty() || self.reader.buffer().contains(&b'\n')
    }

    /// Gives lines back, to be read again in their order.
    pub fn give_back(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.back.push_front(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(Box::new(io::Cursor::new(text.to_vec())));
        let mut line = Line::default();
        std::iter::from_fn(|| lines.next(&mut line).unwrap().then(|| line.clone())).collect()
    }

    #[test]
    fn marks_and_line_ends_are_taken_off() {
        let lines = all(b"\xef\xbb\xbfa\r\n\n \nb");
        assert_eq!(lines.iter().map(Line::body).collect::<Vec<_>>(), [b"a" as &[u8], b"", b" ", b"b"]);
        assert_eq!(lines.iter().map(Line::is_blank).collect::<Vec<_>>(), [false, true, true, false]);
        assert_eq!(lines[3].number, 4);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut text = vec![b'x'; LINE_BYTES_MAX + 10];
        text.extend_from_slice(b"\nnext");
        let lines = all(&text);
        assert!(lines[0].is_cut && lines[0].bytes.len() == LINE_BYTES_MAX);
        assert_eq!((lines.len(), lines[1].body()), (2, b"next" as &[u8]));
    }
}
