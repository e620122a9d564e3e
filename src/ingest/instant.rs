//! When was it? Local times to instants, fast; the usual text forms without a format string.
//!
//! [`Zone::instant`] and [`Timestamp::parse`] are the slow twins; wherever the fast way is not
//! sure it asks them.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate};

use crate::base::{Day, Timestamp, Zone};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// Instants of event times lie in the years 1970 to 2199: before, there was nothing to record, and
/// later is a unit mistaken (microseconds as milliseconds) or a clock gone wrong.
const TIME_END: i64 = 7_258_118_400_000;

/// Is it a time at which an event can have been?
pub fn is_plausible(ms: i64) -> bool {
    (0..TIME_END).contains(&ms)
}

/// Local times of one zone, with the offset of each day met so far.
pub struct Clock {
    zone: Zone,
    /// The offset in ms, if it is the same all that day.
    days: HashMap<i64, Option<i64>>,
    last: (i64, Option<i64>),
}

impl Clock {
    /// A clock of `zone`.
    pub fn new(zone: Zone) -> Clock {
        Clock { zone, days: HashMap::new(), last: (i64::MIN, None) }
    }

    /// The zone.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// The instant of a local time, both in ms; `None` beyond the calendar.
    pub fn instant(&mut self, local_ms: i64) -> Option<i64> {
        let day = local_ms.div_euclid(DAY_MS);
        if self.last.0 != day {
            let zone = self.zone;
            self.last = (day, *self.days.entry(day).or_insert_with(|| offset_all_day(zone, day)));
        }
        match self.last.1 {
            Some(offset) => local_ms.checked_sub(offset),
            None => slow_instant(self.zone, local_ms),
        }
    }

    /// Reads what [`Timestamp::parse`] reads, and epoch numbers with a fraction.
    pub fn parse(&mut self, text: &str) -> Option<i64> {
        let fast = Written::read(text.as_bytes()).and_then(|written| match written.offset_ms {
            Some(offset) => written.local_ms.checked_sub(offset),
            None => self.instant(written.local_ms),
        });
        fast.or_else(|| self.parse_slowly(text))
    }

    fn parse_slowly(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        if let Ok(number) = text.parse::<i64>() {
            return Some(of_epoch(number));
        }
        // With a sign, chrono reads years so far away that sums with them overflow.
        let is_dated = text.starts_with(|first: char| first.is_ascii_digit());
        let parsed = is_dated.then(|| Timestamp::parse(text, &self.zone)).flatten();
        parsed.map(|at| at.0).or_else(|| of_epoch_float(text.parse().ok()?))
    }
}

/// Epoch seconds, milliseconds or microseconds by size, in ms.
pub fn of_epoch(number: i64) -> i64 {
    Timestamp::of_epoch(number).0
}

/// The same for numbers with a fraction.
pub fn of_epoch_float(number: f64) -> Option<i64> {
    let ms = match number.abs() {
        size if size < 1e11 => number * 1e3,
        size if size < 1e14 => number,
        _ => number / 1e3,
    };
    (ms.abs() < 8e15).then(|| ms.round() as i64)
}

fn slow_instant(zone: Zone, local_ms: i64) -> Option<i64> {
    let local = DateTime::from_timestamp_millis(local_ms)?.naive_utc();
    let is_far = local_ms.unsigned_abs() > 8_000_000_000_000_000;
    (!is_far).then(|| zone.instant(local).0)
}

/// The offset of a local day if every hour of it, and an hour on both sides, has the same.
fn offset_all_day(zone: Zone, day: i64) -> Option<i64> {
    let start = day.checked_mul(DAY_MS)?;
    let offset_at = |hour: i64| {
        let local = start.checked_add(hour * HOUR_MS)?;
        Some(local - slow_instant(zone, local)?)
    };
    let first = offset_at(-1)?;
    (0..=25).all(|hour| offset_at(hour) == Some(first)).then_some(first)
}

/// A date of ten letters, `2026-03-01`.
pub fn day(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let (century, year) = (two(y1, y2)?, two(y3, y4)?);
    let date = NaiveDate::from_ymd_opt((century * 100 + year) as i32, two(m1, m2)?, two(d1, d2)?)?;
    Some(Day::of(date).0)
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
    is_number.then(|| (tens - b'0') as u32 * 10 + (ones - b'0') as u32)
}

/// Does it look like a date with a clock time? Asked while types are inferred.
pub fn is_instant(text: &[u8]) -> bool {
    if Written::read(text).is_some() {
        return true;
    }
    let is_dated =
        text.len() > 10 && text.first().is_some_and(u8::is_ascii_digit) && text.get(4) == Some(&b'-');
    let zone = Zone(chrono_tz::UTC);
    is_dated && std::str::from_utf8(text).is_ok_and(|text| Timestamp::parse(text, &zone).is_some())
}

/// A local time in one of the usual forms.
struct Written {
    local_ms: i64,
    offset_ms: Option<i64>,
}

impl Written {
    /// `2026-03-01[T| ]10:00[:00[.250]][Z|+08:00|+0800]`.
    fn read(text: &[u8]) -> Option<Written> {
        let (date, rest) = text.split_at_checked(10)?;
        let day_ms = day(date)? as i64 * DAY_MS;
        let [b'T' | b' ', h1, h2, b':', m1, m2, rest @ ..] = rest else {
            return rest.is_empty().then_some(Written { local_ms: day_ms, offset_ms: None });
        };
        let (hour, minute) = (two(*h1, *h2)?, two(*m1, *m2)?);
        let (second_ms, rest) = seconds(rest)?;
        let offset_ms = offset(rest)?;
        let clock_ms = hour as i64 * HOUR_MS + minute as i64 * 60_000 + second_ms;
        (hour < 24 && minute < 60).then_some(Written { local_ms: day_ms + clock_ms, offset_ms })
    }
}

/// `:30.250` in ms, and what follows.
fn seconds(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b':', s1, s2, rest @ ..] = rest else { return Some((0, rest)) };
    let second = two(*s1, *s2).filter(|second| *second < 60)? as i64;
    let [b'.', rest @ ..] = rest else { return Some((second * 1000, rest)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = rest.split_at_checked(count)?;
    let digit = |n: usize| digits.get(n).map_or(0, |byte| (byte - b'0') as i64);
    let fraction = digit(0) * 100 + digit(1) * 10 + digit(2);
    (1..=9).contains(&count).then_some((second * 1000 + fraction, rest))
}

/// An offset in ms at the end of a text, or none; `None` if something else stands there.
fn offset(rest: &[u8]) -> Option<Option<i64>> {
    let (sign, h1, h2, m1, m2) = match *rest {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            (sign, h1, h2, m1, m2)
        }
        _ => return None,
    };
    let (hours, minutes) = (two(h1, h2)? as i64, two(m1, m2)? as i64);
    let ms = hours * HOUR_MS + minutes * 60_000;
    (hours < 24 && minutes < 60).then_some(Some(if sign == b'-' { -ms } else { ms }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zones() -> impl Strategy<Value = Zone> {
        let names = [
            "Asia/Shanghai",
            "America/New_York",
            "America/Sao_Paulo",
            "Pacific/Apia",
            "Asia/Kathmandu",
            "UTC",
        ];
        prop::sample::select(names.to_vec()).prop_map(|name| Zone::named(name).unwrap())
    }

    fn texts() -> impl Strategy<Value = String> {
        let clock = (
            "[T ]",
            0..26u32,
            0..61u32,
            "(:[0-6][0-9](\\.[0-9]{1,9})?)?",
            "(Z|z|[+-][01][0-9]:?[0-6][0-9]| \\+08:00)?",
        );
        let clock = clock.prop_map(|(t, h, m, s, o)| format!("{t}{h:02}:{m:02}{s}{o}"));
        (1960..2040u32, 0..14u32, 0..33u32, proptest::option::of(clock))
            .prop_map(|(y, m, d, clock)| format!("{y}-{m:02}-{d:02}{}", clock.unwrap_or_default()))
    }

    proptest! {
        #[test]
        fn fast_and_slow_read_the_same(text in texts(), zone in zones()) {
            let slow = Timestamp::parse(&text, &zone).map(|at| at.0);
            prop_assert_eq!(Clock::new(zone).parse(&text), slow, "{}", text);
        }

        #[test]
        fn fast_and_slow_clocks_agree(hours in proptest::collection::vec(-90_000..600_000i64, 1..40), ms in 0..3_600_000i64, zone in zones()) {
            let mut clock = Clock::new(zone);
            for hour in hours {
                let local = hour * HOUR_MS + ms;
                prop_assert_eq!(clock.instant(local), slow_instant(zone, local));
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,40}", number in any::<i64>()) {
            let mut clock = Clock::new(Zone::default());
            clock.parse(&text);
            clock.parse(&number.to_string());
            clock.instant(number);
        }
    }

    #[test]
    fn epochs_may_have_a_fraction() {
        let mut clock = Clock::new(Zone::default());
        assert_eq!(clock.parse("1772337600.25"), Some(1_772_337_600_250));
        assert_eq!(clock.parse("1772337600250.0"), Some(1_772_337_600_250));
        assert_eq!(clock.parse("soon"), None);
        assert_eq!(clock.parse("nan"), None);
        assert!(is_plausible(0) && !is_plausible(-1) && !is_plausible(TIME_END));
    }
}
