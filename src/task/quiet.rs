//! When must nobody be disturbed? Quiet hours are local, and may go over midnight.

use chrono::NaiveTime;

use crate::base::{Timestamp, Zone};

const DAY_MS: i64 = 86_400_000;
/// Ends of quiet hours that are looked at one after the other; several quiet hours that leave no instant
/// between them have no end.
const ENDS_MAX: usize = 64;

/// Local hours `[from, to)` in which nothing goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    pub from: NaiveTime,
    pub to: NaiveTime,
    pub then: Beyond,
}

/// What becomes of a touch that may not go out now, but may later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It waits, and passes all gates again then.
    Hold,
    /// It is suppressed.
    Drop,
}

impl Quiet {
    /// Is it quiet at `at`? The local clock decides, also where it is set back.
    pub fn holds(&self, at: Timestamp, zone: &Zone) -> bool {
        let time = zone.local(at).time();
        match self.from <= self.to {
            true => self.from <= time && time < self.to,
            false => self.from <= time || time < self.to,
        }
    }

    /// The end of the quiet hours in which `at` lies, or an earlier instant at which the clock is set.
    fn end_after(&self, at: Timestamp, zone: &Zone) -> Timestamp {
        let left = (self.to - zone.local(at).time()).num_milliseconds().rem_euclid(DAY_MS);
        let end = at.plus(left.max(1));
        clock_set(at, end, zone).unwrap_or(end)
    }
}

/// The first instant from `at` on at which none of these is quiet; `None` if there is none.
pub fn next_allowed(quiet: &[Quiet], at: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let mut at = at;
    for _ in 0..ENDS_MAX {
        match quiet.iter().find(|quiet| quiet.holds(at, zone)) {
            None => return Some(at),
            Some(quiet) => at = quiet.end_after(at, zone),
        }
    }
    None
}

/// The instant in `(from, to]` from which the zone's offset is another; no zone changes it twice in a day.
fn clock_set(from: Timestamp, to: Timestamp, zone: &Zone) -> Option<Timestamp> {
    let offset = |at: i64| zone.local(Timestamp(at)).and_utc().timestamp_millis() - at;
    let before = offset(from.0);
    if offset(to.0) == before {
        return None;
    }
    let (mut low, mut high) = (from.0, to.0);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(middle) == before { low = middle } else { high = middle }
    }
    Some(Timestamp(high))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quiet(from: &str, to: &str) -> Quiet {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        Quiet { from: time(from), to: time(to), then: Beyond::Hold }
    }

    fn next(quiet: &[Quiet], at: &str, zone: &str) -> String {
        let zone = Zone::named(zone).unwrap();
        let at = Timestamp::parse(at, &zone).unwrap();
        next_allowed(quiet, at, &zone).map_or("never".into(), |at| zone.text(at).replace(":00.000", ""))
    }

    #[test]
    fn quiet_hours_go_over_midnight_and_are_half_open() {
        let night = [quiet("21:00", "08:00")];
        let shanghai = "Asia/Shanghai";
        assert_eq!(next(&night, "2026-03-01 20:59", shanghai), "2026-03-01T20:59+08:00");
        assert_eq!(next(&night, "2026-03-01 21:00", shanghai), "2026-03-02T08:00+08:00");
        assert_eq!(next(&night, "2026-03-02 07:59", shanghai), "2026-03-02T08:00+08:00");
        assert_eq!(next(&night, "2026-03-02 08:00", shanghai), "2026-03-02T08:00+08:00");
        let noon = quiet("12:00", "14:00");
        assert_eq!(next(&[night[0], noon], "2026-03-02 12:30", shanghai), "2026-03-02T14:00+08:00");
        assert_eq!(
            next(&[quiet("08:00", "12:00"), night[0]], "2026-03-01 22:00", shanghai),
            "2026-03-02T12:00+08:00"
        );
        assert_eq!(
            next(&[quiet("08:00", "20:00"), quiet("20:00", "08:00")], "2026-03-01", shanghai),
            "never"
        );
    }

    /// In New York 02:30 is jumped over on 8 March, and 01:30 is shown twice on 1 November.
    #[test]
    fn the_local_clock_decides_where_it_is_set() {
        let york = "America/New_York";
        assert_eq!(next(&[quiet("22:00", "02:30")], "2026-03-07 23:00", york), "2026-03-08T03:00-04:00");
        assert_eq!(next(&[quiet("22:00", "08:00")], "2026-03-07 23:00", york), "2026-03-08T08:00-04:00");
        assert_eq!(next(&[quiet("22:00", "01:30")], "2026-10-31 23:00", york), "2026-11-01T01:30-04:00");
        assert_eq!(
            next(&[quiet("22:00", "01:30")], "2026-11-01T01:10:00-05:00", york),
            "2026-11-01T01:30-05:00"
        );
        assert_eq!(next(&[quiet("22:00", "08:00")], "2026-10-31 23:00", york), "2026-11-01T08:00-05:00");
    }

    /// The twin: minute by minute until it is not quiet. Zones of the last decades change on whole minutes.
    fn slowly(quiet: &[Quiet], at: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let days = 0..4 * 24 * 60;
        let minute = Timestamp(at.0.div_euclid(60_000) * 60_000);
        let later = days.map(|n| minute.plus(n * 60_000).max(at));
        later.into_iter().find(|at| quiet.iter().all(|quiet| !quiet.holds(*at, zone)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn the_next_allowed_instant_is_the_first_of_all(
            zone in prop::sample::select(vec!["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Europe/London"]),
            hours in prop::collection::vec((0u32..1440, 0u32..1440), 1..3),
            near in prop::sample::select(vec!["2026-03-08", "2026-11-01", "2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04"]),
            offset in -100_000_000i64..100_000_000,
        ) {
            let zone = Zone::named(zone).unwrap();
            let time = |minute: u32| NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).unwrap();
            let quiet: Vec<Quiet> = hours
                .iter()
                .filter(|(from, to)| from != to)
                .map(|(from, to)| Quiet { from: time(*from), to: time(*to), then: Beyond::Hold })
                .collect();
            let at = Timestamp::parse(near, &zone).unwrap().plus(offset);
            prop_assert_eq!(next_allowed(&quiet, at, &zone), slowly(&quiet, at, &zone));
        }
    }
}
