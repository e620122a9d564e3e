//! Instants, local days, and the zone that ties them together.

use chrono::{
    DateTime, Datelike, Duration, FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime,
    TimeZone, Utc,
};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// A calendar day: days since 1970-01-01. Which instants it spans depends on the [`Zone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

impl Day {
    /// The day of a calendar date.
    pub fn of(date: NaiveDate) -> Day {
        Day((date - NaiveDate::default()).num_days() as i32)
    }

    /// The calendar date.
    pub fn date(self) -> NaiveDate {
        NaiveDate::default().checked_add_signed(Duration::days(self.0 as i64)).unwrap_or(NaiveDate::MAX)
    }

    /// Reads `2026-03-01`; nothing else.
    pub fn parse(text: &str) -> Option<Day> {
        NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok().map(Day::of)
    }

    /// `n` days later.
    pub fn plus(self, n: i32) -> Day {
        Day(self.0.saturating_add(n))
    }

    /// The Monday of its week.
    pub fn monday(self) -> Day {
        self.plus(-(self.date().weekday().num_days_from_monday() as i32))
    }

    /// The first of its month.
    pub fn first_of_month(self) -> Day {
        self.plus(-(self.date().day0() as i32))
    }

    /// The same day `n` months later; the month's last day where there is no such day.
    pub fn plus_months(self, n: i32) -> Day {
        let date = self.date();
        let months = chrono::Months::new(n.unsigned_abs());
        let moved = if n < 0 { date.checked_sub_months(months) } else { date.checked_add_months(months) };
        Day::of(moved.unwrap_or(date))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.date().format("%Y-%m-%d"))
    }
}

/// A point in time as a person writes it: a date, perhaps a clock time, perhaps an offset.
/// Without an offset it is local time; a bare date is its local midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub day: Day,
    pub time: Option<NaiveTime>,
    pub offset: Option<FixedOffset>,
}

impl Moment {
    /// Reads `2026-03-01`, `2026-03-01 10:00`, `2026-03-01T10:00:00.250`, `…Z`, `…+08:00`.
    pub fn parse(text: &str) -> Option<Moment> {
        let text = text.trim();
        if let Some(day) = Day::parse(text) {
            return Some(Moment { day, time: None, offset: None });
        }
        let zoned = [
            "%Y-%m-%dT%H:%M:%S%.f%#z",
            "%Y-%m-%d %H:%M:%S%.f%#z",
            "%Y-%m-%dT%H:%M%#z",
            "%Y-%m-%d %H:%M%#z",
            "%Y-%m-%d %H:%M:%S%.f %#z",
        ];
        let with_offset = if text.ends_with(['Z', 'z']) {
            format!("{}+00:00", &text[..text.len() - 1])
        } else {
            text.to_string()
        };
        if let Some(at) = zoned.iter().find_map(|f| DateTime::parse_from_str(&with_offset, f).ok()) {
            let local = at.naive_local();
            return Some(Moment {
                day: Day::of(local.date()),
                time: Some(local.time()),
                offset: Some(*at.offset()),
            });
        }
        let plain = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        let local = plain.iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())?;
        Some(Moment { day: Day::of(local.date()), time: Some(local.time()), offset: None })
    }

    /// The instant meant.
    pub fn instant(&self, zone: &Zone) -> Timestamp {
        let local = self.day.date().and_time(self.time.unwrap_or(NaiveTime::MIN));
        match self.offset {
            Some(offset) => Timestamp((local - offset).and_utc().timestamp_millis()),
            None => zone.instant(local),
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}", self.day)?;
        if let Some(time) = self.time {
            write!(f, "T{}", time.format("%H:%M:%S%.3f").to_string().trim_end_matches(".000"))?;
        }
        match self.offset {
            Some(offset) => write!(f, "{offset}"),
            None => Ok(()),
        }
    }
}

/// An IANA zone and its calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl Default for Zone {
    fn default() -> Zone {
        Zone(chrono_tz::Asia::Shanghai)
    }
}

impl Zone {
    /// By its IANA name, such as `Asia/Shanghai`.
    pub fn named(name: &str) -> Option<Zone> {
        name.parse().ok().map(Zone)
    }

    /// The IANA name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// The instant of a local time: the first of the two in an overlap, the first instant after
    /// in a gap (semantics 4.2).
    pub fn instant(&self, local: NaiveDateTime) -> Timestamp {
        let found = match self.0.from_local_datetime(&local) {
            MappedLocalTime::Single(at) => at,
            MappedLocalTime::Ambiguous(first, second) => first.min(second),
            MappedLocalTime::None => return self.after_gap(local),
        };
        Timestamp(found.timestamp_millis())
    }

    /// The end of the gap that swallows `local`: no zone's gap is longer than a day and a bit.
    fn after_gap(&self, local: NaiveDateTime) -> Timestamp {
        let offset_before = self.0.offset_from_utc_datetime(&(local - Duration::hours(30)));
        let (mut low, mut high) = (local - Duration::hours(54), local + Duration::hours(54));
        let fixed = chrono::Offset::fix(&offset_before);
        let is_before =
            |utc: NaiveDateTime| chrono::Offset::fix(&self.0.offset_from_utc_datetime(&utc)) == fixed;
        low = low.max(local - Duration::hours(30));
        while high - low > Duration::milliseconds(1) {
            let middle = low + (high - low) / 2;
            if is_before(middle) { low = middle } else { high = middle }
        }
        Timestamp(high.and_utc().timestamp_millis())
    }

    /// The first instant at or after `from` whose clock shows `second_of_day`, `days` local days later; a
    /// clock time in a gap is the first instant after it, one in an overlap the first of the two only
    /// (semantics 5.9).
    pub fn next_at(&self, from: Timestamp, second_of_day: u32, days: u32) -> Timestamp {
        let time = NaiveTime::from_num_seconds_from_midnight_opt(second_of_day, 0).unwrap_or_default();
        let today = self.day_of(from);
        let on = |day: Day| self.instant(day.date().and_time(time));
        let first = (-1..3).map(|n| today.plus(n)).find(|day| on(*day) >= from).unwrap_or(today);
        on(first.plus(days.min(i32::MAX as u32) as i32))
    }

    /// The first instant of a local day.
    pub fn start_of(&self, day: Day) -> Timestamp {
        self.instant(day.date().and_time(NaiveTime::MIN))
    }

    /// The local day of an instant.
    pub fn day_of(&self, at: Timestamp) -> Day {
        Day::of(self.local(at).date())
    }

    /// The local time of an instant.
    pub fn local(&self, at: Timestamp) -> NaiveDateTime {
        at.utc().with_timezone(&self.0).naive_local()
    }

    /// RFC 3339 with milliseconds and a numeric offset.
    pub fn text(&self, at: Timestamp) -> String {
        at.utc().with_timezone(&self.0).format("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }
}

impl Timestamp {
    /// Instants beyond the calendar count as its ends, two days inside so that every zone can show
    /// them.
    fn utc(self) -> DateTime<Utc> {
        const MARGIN_MS: i64 = 2 * 86_400_000;
        let first = DateTime::<Utc>::MIN_UTC.timestamp_millis() + MARGIN_MS;
        let last = DateTime::<Utc>::MAX_UTC.timestamp_millis() - MARGIN_MS;
        DateTime::from_timestamp_millis(self.0.clamp(first, last)).unwrap_or_default()
    }

    /// Is it within the years that a calendar can show (about 262,000 each way)?
    pub fn is_in_calendar(self) -> bool {
        DateTime::from_timestamp_millis(self.0).is_some()
    }

    /// Reads what [`Moment::parse`] reads, or epoch seconds, milliseconds or microseconds.
    pub fn parse(text: &str, zone: &Zone) -> Option<Timestamp> {
        match text.trim().parse::<i64>() {
            Ok(number) => Some(Timestamp::of_epoch(number)),
            Err(_) => Moment::parse(text).map(|moment| moment.instant(zone)),
        }
    }

    /// Epoch seconds (below 10^11), milliseconds (below 10^14) or microseconds, told by size.
    pub fn of_epoch(number: i64) -> Timestamp {
        match number.unsigned_abs() {
            0..100_000_000_000 => Timestamp(number * 1_000),
            100_000_000_000..100_000_000_000_000 => Timestamp(number),
            _ => Timestamp(number.div_euclid(1_000)),
        }
    }

    /// `ms` milliseconds later.
    pub fn plus(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: &str) -> String {
        let zone = Zone::named(zone).unwrap();
        zone.text(Timestamp::parse(text, &zone).unwrap())
    }

    #[test]
    fn times_are_read_in_every_form() {
        let shanghai = "Asia/Shanghai";
        let noon = "2026-03-01T12:00:00.000+08:00";
        for text in [
            "2026-03-01 12:00",
            "2026-03-01T12:00:00",
            "2026-03-01T04:00:00Z",
            "2026-03-01T12:00:00.000+08:00",
            "2026-03-01T12:00+0800",
            "1772337600",
            "1772337600000",
            "1772337600000000",
        ] {
            assert_eq!(at(text, shanghai), noon, "{text}");
        }
        assert_eq!(at("2026-03-01", shanghai), "2026-03-01T00:00:00.000+08:00");
        for bad in ["", "soon", "2026-13-01", "2026-02-30", "12:00"] {
            assert!(Timestamp::parse(bad, &Zone::default()).is_none(), "{bad}");
        }
    }

    #[test]
    fn gaps_give_the_first_instant_after_and_overlaps_the_first_of_two() {
        assert_eq!(at("2026-03-08 02:30", "America/New_York"), "2026-03-08T03:00:00.000-04:00");
        assert_eq!(at("2026-11-01 01:30", "America/New_York"), "2026-11-01T01:30:00.000-04:00");
        assert_eq!(at("2018-11-04", "America/Sao_Paulo"), "2018-11-04T01:00:00.000-02:00");
        assert_eq!(at("2011-12-30 10:00", "Pacific/Apia"), "2011-12-31T00:00:00.000+14:00");
    }

    #[test]
    fn no_instant_is_too_far_to_be_shown() {
        for zone in ["Asia/Shanghai", "America/New_York"].map(|name| Zone::named(name).unwrap()) {
            for at in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
                assert!(!zone.text(Timestamp(at)).is_empty());
                let day = zone.day_of(Timestamp(at));
                assert!(zone.start_of(day) <= zone.start_of(day.plus(1)));
            }
        }
    }

    #[test]
    fn months_end_where_the_month_ends() {
        let day = Day::parse("2026-03-31").unwrap();
        assert_eq!(day.plus_months(-1).to_string(), "2026-02-28");
        assert_eq!(day.monday().to_string(), "2026-03-30");
        assert_eq!(day.first_of_month().to_string(), "2026-03-01");
    }
}
