//! "At 20:00" in zones whose clocks jump, against a clock that is watched minute by minute.

use quanke::base::{Timestamp, Zone};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// 2000-01-01 and 2041-01-01, in UTC.
const YEARS: (i64, i64) = (946_684_800_000, 2_240_524_800_000);
const AWKWARD: [&str; 14] = [
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Europe/Dublin",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Asia/Gaza",
    "Africa/Cairo",
    "Pacific/Chatham",
    "America/Caracas",
    "Asia/Pyongyang",
    "Asia/Shanghai",
];

/// The offset of a zone at an instant, in milliseconds.
fn offset(zone: &Zone, at: i64) -> i64 {
    zone.local(Timestamp(at)).and_utc().timestamp_millis() - at
}

/// Every instant at which the offset changes, to the minute: found by looking at every hour.
fn transitions(zone: &Zone) -> Vec<i64> {
    let hours = (YEARS.0..YEARS.1).step_by(HOUR as usize);
    let changed = hours.filter(|at| offset(zone, *at) != offset(zone, *at + HOUR));
    changed
        .filter_map(|at| {
            (at..=at + HOUR).step_by(MINUTE as usize).find(|m| offset(zone, *m) != offset(zone, at))
        })
        .collect()
}

/// The first minute at or after `base` at which the clock reaches `minute_of_day` for the first time that day:
/// shows it, or jumps over it.
fn watched(zone: &Zone, base: i64, minute_of_day: i64) -> i64 {
    let day = 24 * HOUR;
    let local = |at: i64| at + offset(zone, at);
    // The furthest that the clock has shown: what it shows again after going back does not count.
    let mut furthest = local(base - 3 * day);
    let mut at = base - 3 * day;
    loop {
        at += MINUTE;
        let now = local(at);
        let reached = |shown: i64| (shown - minute_of_day * MINUTE).div_euclid(day);
        if now > furthest {
            if reached(now) > reached(furthest) && at >= base {
                return at;
            }
            furthest = now;
        }
    }
}

// proves: S2.44
#[test]
fn local_times_around_every_change_of_the_clock_are_those_of_a_watched_clock() {
    let mut checked = 0;
    for name in AWKWARD {
        let zone = Zone::named(name).unwrap();
        for change in transitions(&zone) {
            let shown = (change + offset(&zone, change)).div_euclid(MINUTE).rem_euclid(1440);
            for (before, ahead) in [(26 * 60, 0), (90, -30), (0, 0), (45, 15), (0, -30), (-20, -15)] {
                let base = change - before * MINUTE;
                let minute = (shown + ahead).rem_euclid(1440);
                let found = zone.next_at(Timestamp(base), minute as u32 * 60, 0).0;
                assert_eq!(found, watched(&zone, base, minute), "{name} {change} {before} {ahead}");
                checked += 1;
            }
        }
    }
    assert!(checked > 4_000, "{checked}");
}
