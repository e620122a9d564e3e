//! What type has a column of text? Every value is a piece of evidence; the whole input decides.

use super::instant;
use super::json::{self, Kind};
use crate::base::Type;

/// How many known values of a column look like what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    bool_count: u64,
    integer_count: u64,
    float_count: u64,
    date_count: u64,
    instant_count: u64,
    list_count: u64,
    text_count: u64,
}

impl Evidence {
    /// One more value.
    pub fn add(&mut self, kind: Kind, text: &str) {
        let count = match look(kind, text) {
            None => return,
            Some(Type::Bool) => &mut self.bool_count,
            Some(Type::Integer) => &mut self.integer_count,
            Some(Type::Float) => &mut self.float_count,
            Some(Type::Date) => &mut self.date_count,
            Some(Type::Instant) => &mut self.instant_count,
            Some(Type::List) => &mut self.list_count,
            Some(Type::Text) => &mut self.text_count,
        };
        *count += 1;
    }

    /// What another file saw.
    pub fn merge(&mut self, other: &Evidence) {
        self.bool_count += other.bool_count;
        self.integer_count += other.integer_count;
        self.float_count += other.float_count;
        self.date_count += other.date_count;
        self.instant_count += other.instant_count;
        self.list_count += other.list_count;
        self.text_count += other.text_count;
    }

    /// The type that fits most values (the narrower one if two fit the same), when at least one
    /// fits, more fit than not, and those that do not are at most one or a tenth of all; else
    /// text. `None` if no value is known.
    pub fn decide(&self) -> Option<Type> {
        let fits = [
            (self.list_count, Type::List),
            (self.instant_count + self.date_count, Type::Instant),
            (self.date_count, Type::Date),
            (self.float_count + self.integer_count, Type::Float),
            (self.integer_count, Type::Integer),
            (self.bool_count, Type::Bool),
        ];
        let known = self.known();
        // Of equals `max_by_key` gives the last, and the narrower types stand later.
        let (count, best) = fits.into_iter().max_by_key(|(count, _)| *count)?;
        let misfits = known - count;
        let is_clear = count > misfits && misfits <= (known / 10).max(1);
        (known > 0).then_some(if is_clear { best } else { Type::Text })
    }

    fn known(&self) -> u64 {
        let numbers = self.integer_count + self.float_count;
        let times = self.date_count + self.instant_count;
        self.bool_count + numbers + times + self.list_count + self.text_count
    }
}

/// What one value looks like; `None` is a missing value.
fn look(kind: Kind, text: &str) -> Option<Type> {
    Some(match kind {
        Kind::Null => return None,
        Kind::Bool => Type::Bool,
        Kind::Number => number(text),
        Kind::List => Type::List,
        // JSON says what is a number; only times have no form of their own there.
        Kind::Text => time(text).unwrap_or(Type::Text),
        Kind::Written => return written(text),
    })
}

fn written(text: &str) -> Option<Type> {
    let trimmed = text.trim();
    Some(match trimmed.as_bytes().first() {
        None if text.is_empty() => return None,
        Some(b'0'..=b'9') => time(trimmed).unwrap_or_else(|| number(trimmed)),
        Some(b'-' | b'.') => number(trimmed),
        Some(b't' | b'T' | b'f' | b'F') if is_bool(trimmed) => Type::Bool,
        Some(b'[') if json::items(trimmed).is_some() => Type::List,
        _ => Type::Text,
    })
}

fn is_bool(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

fn time(text: &str) -> Option<Type> {
    let bytes = text.as_bytes();
    let is_dated = bytes.first().is_some_and(u8::is_ascii_digit) && bytes.get(4) == Some(&b'-');
    match is_dated {
        true if instant::day(bytes).is_some() => Some(Type::Date),
        true if instant::is_instant(bytes) => Some(Type::Instant),
        _ => None,
    }
}

/// Integer, float, or text where a number would lose something: leading zeros, more digits than
/// 64 bits hold, beyond the floats.
fn number(text: &str) -> Type {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let is_padded = matches!(digits, [b'0', b'0'..=b'9', ..]);
    if is_padded || digits.is_empty() {
        return Type::Text;
    }
    if digits.iter().all(u8::is_ascii_digit) {
        return if text.parse::<i64>().is_ok() { Type::Integer } else { Type::Text };
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Type::Float,
        _ => Type::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(kind: Kind, values: &[&str]) -> Option<Type> {
        let mut evidence = Evidence::default();
        values.iter().for_each(|value| evidence.add(kind, value));
        evidence.decide()
    }

    #[test]
    fn the_type_that_fits_most_is_taken() {
        let csv = |values: &[&str]| decided(Kind::Written, values);
        assert_eq!(csv(&["1", "-2", " 3 ", ""]), Some(Type::Integer));
        assert_eq!(csv(&["1", "2", "x"]), Some(Type::Integer));
        assert_eq!(csv(&["1", "x"]), Some(Type::Text));
        assert_eq!(csv(&["1", "2", "3", "x", "y"]), Some(Type::Text));
        assert_eq!(csv(&["1", "2", "3", "4", "5", "6", "7", "8", "9", "0.5"]), Some(Type::Float));
        assert_eq!(csv(&["1e5", ".5"]), Some(Type::Float));
        assert_eq!(csv(&["00123", "00124"]), Some(Type::Text));
        assert_eq!(csv(&["+86", "+1"]), Some(Type::Text));
        assert_eq!(csv(&["99999999999999999999"; 3]), Some(Type::Text));
        assert_eq!(csv(&["inf", "nan"]), Some(Type::Text));
        assert_eq!(csv(&["true", "FALSE", "true"]), Some(Type::Bool));
        assert_eq!(csv(&["2026-03-01", "2026-02-28"]), Some(Type::Date));
        assert_eq!(csv(&["2026-03-01", "2026-02-28 10:00"]), Some(Type::Instant));
        assert_eq!(csv(&["2026-02-30", "2026-13-01"]), Some(Type::Text));
        assert_eq!(csv(&["[\"a\"]", "[]"]), Some(Type::List));
        assert_eq!(csv(&["", ""]), None);
        assert_eq!(csv(&["上海"]), Some(Type::Text));
    }

    #[test]
    fn json_texts_are_no_numbers() {
        assert_eq!(decided(Kind::Text, &["1", "2"]), Some(Type::Text));
        assert_eq!(decided(Kind::Text, &["2026-03-01T10:00:00Z"]), Some(Type::Instant));
        assert_eq!(decided(Kind::Number, &["1", "2.5"]), Some(Type::Float));
        assert_eq!(decided(Kind::List, &["[1]"]), Some(Type::List));
    }
}
