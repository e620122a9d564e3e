//! How numbers, sizes, durations and instants are written and read at the door.

use crate::audience::{Every, Which};
use crate::base::{Timestamp, Unit, Zone};

/// A bare number below this (1973) is a slip, such as a year, and no epoch time.
const EPOCH_SECONDS_MIN: i64 = 100_000_000;

/// Checks that `text` is an instant; it is kept as text because its zone is known later.
/// Errors: words for the usage message.
pub fn instant_text(text: &str) -> Result<String, String> {
    let is_slip = text.trim().parse::<i64>().is_ok_and(|number| number.abs() < EPOCH_SECONDS_MIN);
    match Timestamp::parse(text, &Zone::default()) {
        Some(at) if at.is_in_calendar() && !is_slip => Ok(text.to_string()),
        _ => Err("write 2026-03-01, 2026-03-01T12:00:00 or 2026-03-01T12:00:00+08:00".to_string()),
    }
}

/// Checks that `text` names a version: its number, or an instant.
/// Errors: words for the usage message.
pub fn which_text(text: &str) -> Result<String, String> {
    if version_no(text).is_some() {
        return Ok(text.to_string());
    }
    instant_text(text).map_err(|_| "write the number of a version, or 2026-03-01T12:00:00+08:00".to_string())
}

/// The version that a checked text names; a small bare number is a version's, not an epoch time.
pub fn which(text: &str, zone: &Zone) -> Option<Which> {
    match version_no(text) {
        Some(no) => Some(Which::No(no)),
        None => Timestamp::parse(text, zone).map(Which::At),
    }
}

fn version_no(text: &str) -> Option<u32> {
    text.trim().parse().ok().filter(|no| (*no as i64) < EPOCH_SECONDS_MIN)
}

/// Reads a step of time: `90s`, `20m`, `2h`, `1d`, `1w`, `1month`, `1year`.
/// Errors: words for the usage message.
pub fn every(text: &str) -> Result<Every, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count = text[..digits].parse().ok().filter(|count| *count > 0);
    let unit = match text[digits..].trim() {
        "s" => Some(Unit::Second),
        "m" => Some(Unit::Minute),
        "h" => Some(Unit::Hour),
        "d" => Some(Unit::Day),
        "w" => Some(Unit::Week),
        "month" | "months" => Some(Unit::Month),
        "year" | "years" => Some(Unit::Year),
        _ => None,
    };
    let step = count.zip(unit).map(|(count, unit)| Every { count, unit });
    step.ok_or_else(|| "write a step such as 20m, 2h, 1d, 1w or 1month".to_string())
}

/// Reads a size in bytes: `512MiB`, `2GiB`, `2GB`, `1000000`.
/// Errors: words for the usage message.
pub fn bytes_of(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: Option<u64> = text[..digits].parse().ok();
    let unit = unit_of(text[digits..].trim());
    let size = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    size.ok_or_else(|| "write a size such as 512MiB or 2GiB".to_string())
}

fn unit_of(word: &str) -> Option<u64> {
    Some(match word.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return None,
    })
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes in its largest unit: `12 B`, `3.4 KiB`, `1.2 GiB`.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut found = (bytes as f64, "B");
    for unit in units {
        if found.0 < 1_024.0 {
            break;
        }
        found = (found.0 / 1_024.0, unit);
    }
    if found.1 == "B" { format!("{bytes} B") } else { format!("{:.1} {}", found.0, found.1) }
}

/// A signed change: `+1,200`, `-3`, `0`.
pub fn change(number: i64) -> String {
    let sign = match number.signum() {
        1 => "+",
        -1 => "-",
        _ => "",
    };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// Time taken, for people: `3.2 ms`, `1.2 s`, `2 min 5 s`.
pub fn took(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.1} s"),
        s => format!("{} min {} s", (s / 60.0) as u64, (s % 60.0) as u64),
    }
}

/// An age in milliseconds, for people, in its largest unit: `5m`, `3h`, `12d`; `now` below a minute.
pub fn age(millis: i64) -> String {
    match millis {
        ms if ms < 60_000 => "now".to_string(),
        ms if ms < 3_600_000 => format!("{}m", ms / 60_000),
        ms if ms < 86_400_000 => format!("{}h", ms / 3_600_000),
        ms => format!("{}d", ms / 86_400_000),
    }
}

/// `part` of `whole` in percent: `12.34%`; a dash of nothing.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_string() } else { format!("{:.2}%", part as f64 * 100.0 / whole as f64) }
}

/// A length of time such as `250ms`, `1s`, `2m`, in seconds.
/// Errors: what is wrong with the text.
pub fn seconds_of(text: &str) -> Result<f64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("write a time such as `250ms`, `1s` or `2m`".to_string()),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{number}` is no number"))?;
    Ok(number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(change(1_200), "+1,200");
        assert_eq!(change(-3), "-3");
        assert_eq!(change(0), "0");
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(bytes_of("2GiB"), Ok(2 << 30));
        assert_eq!(bytes_of("512 mib"), Ok(512 << 20));
        assert_eq!(bytes_of("2GB"), Ok(2_000_000_000));
        assert_eq!(bytes_of("77"), Ok(77));
        for bad in ["", "GiB", "-1", "2 PiB", "99999999999999999999", "99999999999GiB", "两GiB"] {
            assert!(bytes_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn steps_and_versions_are_read() {
        assert_eq!(every("1d"), Ok(Every { count: 1, unit: Unit::Day }));
        assert_eq!(every("2 months"), Ok(Every { count: 2, unit: Unit::Month }));
        for bad in ["", "d", "0d", "1x", "-1d", "99999999999d"] {
            assert!(every(bad).is_err(), "{bad}");
        }
        let zone = Zone::default();
        assert_eq!(which("7", &zone), Some(Which::No(7)));
        assert_eq!(which("1772337600", &zone), Some(Which::At(Timestamp(1_772_337_600_000))));
        assert!(which_text("soon").is_err() && which_text("2026-03-01").is_ok());
    }

    #[test]
    fn sizes_are_said_in_their_largest_units() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1_023), "1023 B");
        assert_eq!(size(3 << 20), "3.0 MiB");
        assert_eq!(size(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(["250ms", "1s", "1.5m", "0s"].map(seconds_of), [Ok(0.25), Ok(1.0), Ok(90.0), Ok(0.0)]);
        for bad in ["", "1", "s", "-1s", "1h", "1.2.3s", "两s"] {
            assert!(seconds_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_said_in_their_largest_units() {
        assert_eq!(took(0.0032), "3.2 ms");
        assert_eq!(took(1.23), "1.2 s");
        assert_eq!(took(125.0), "2 min 5 s");
        assert_eq!(age(59_000), "now");
        assert_eq!(age(3 * 3_600_000), "3h");
        assert_eq!(percent(1, 8), "12.50%");
    }
}
