//! How are bytes and numbers written as text? Base64 or hexadecimal digits, a value a line; decimal numbers.

use std::borrow::Cow;
use std::io::{BufWriter, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roaring::RoaringTreemap;

use super::bytes::wrong;
use super::{Encoding, Given};
use crate::base::{Outcome, Problem};

/// Letters of a bad word that are shown.
const SHOWN_MAX: usize = 40;

/// The bytes of one bitmap, and the line that they stand on; 0 if the file is no text.
pub struct Value<'a> {
    pub bytes: Cow<'a, [u8]>,
    line: usize,
}

impl Value<'_> {
    /// The problem with the line.
    pub fn placed(&self, problem: Problem) -> Problem {
        match self.line {
            0 => problem,
            line => Problem { what: format!("line {line}: {}", problem.what), ..problem },
        }
    }
}

/// The values of a file: all its bytes, or what each line encodes. Empty lines are passed over.
/// Errors: CRD-030 when there is no value, or a line is not encoded so.
pub fn values(bytes: &[u8], encoding: Encoding) -> Outcome<Vec<Value<'_>>> {
    let values = match encoding {
        Encoding::Raw if bytes.is_empty() => vec![],
        Encoding::Raw => vec![Value { bytes: bytes.into(), line: 0 }],
        _ => lines(bytes).map(|(line, text)| decoded(line, text, encoding)).collect::<Outcome<_>>()?,
    };
    if values.is_empty() {
        Err(wrong("the file is empty; even a bitmap of nobody has a byte"))
    } else {
        Ok(values)
    }
}

/// Lines that say something, counted from 1, without a byte order mark, white space and quotes
/// around them.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let text = unmarked(bytes);
    let lines = text.split(|byte| *byte == b'\n').map(|line| unquoted(line.trim_ascii()));
    (1..).zip(lines).filter(|(_, line)| !line.is_empty())
}

fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn unquoted(line: &[u8]) -> &[u8] {
    let inside = |mark: &[u8; 1]| line.strip_prefix(mark)?.strip_suffix(mark);
    inside(b"\"").or_else(|| inside(b"'")).unwrap_or(line)
}

fn decoded(line: usize, text: &[u8], encoding: Encoding) -> Outcome<Value<'_>> {
    let bytes = match encoding {
        Encoding::Hex => {
            let digits = text.strip_prefix(b"0x").unwrap_or(text);
            hex::decode(digits).map_err(|error| ("hexadecimal digits", error.to_string()))
        }
        _ => STANDARD.decode(text).map_err(|error| ("base64", error.to_string())),
    };
    let bytes = bytes.map_err(|(what, error)| wrong(format!("line {line} is not {what}: {error}")))?;
    Ok(Value { bytes: bytes.into(), line })
}

/// Writes a value as a line.
/// Errors: OUT-001.
pub fn write(value: &[u8], encoding: Encoding, out: &mut dyn Write) -> Outcome<()> {
    let text = match encoding {
        Encoding::Hex => hex::encode_upper(value),
        _ => STANDARD.encode(value),
    };
    Ok(writeln!(out, "{text}")?)
}

/// Decimal numbers, between commas, brackets or white space. No numbers are a bitmap of nobody.
/// Errors: CRD-030 for the first word that is no number of 64 bits.
pub fn numbers(bytes: &[u8]) -> Outcome<Given> {
    let mut given = Given::default();
    let lines = unmarked(bytes).split(|byte| *byte == b'\n');
    for (line, text) in (1..).zip(lines) {
        let words = text.split(|byte| byte.is_ascii_whitespace() || b",[]\"".contains(byte));
        for word in words.filter(|word| !word.is_empty()) {
            given.numbers.insert(number(word).ok_or_else(|| no_number(line, word))?);
            given.read += 1;
        }
    }
    Ok(given)
}

/// A decimal number of 64 bits, without a sign.
pub fn number(word: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(word).ok().filter(|_| word.iter().all(u8::is_ascii_digit))?;
    digits.parse().ok()
}

fn no_number(line: usize, word: &[u8]) -> Problem {
    let shown: String = String::from_utf8_lossy(word).chars().take(SHOWN_MAX).collect();
    wrong(format!("line {line}: `{shown}` is no number from 0 to {}", u64::MAX))
}

/// Writes the numbers on one line, between commas.
/// Errors: OUT-001.
pub fn write_numbers(numbers: &RoaringTreemap, out: &mut dyn Write) -> Outcome<()> {
    let mut out = BufWriter::new(out);
    let mut between = "";
    for number in numbers {
        write!(out, "{between}{number}")?;
        between = ",";
    }
    writeln!(out)?;
    Ok(out.flush()?)
}
