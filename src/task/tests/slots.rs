//! The next run against slow twins: a scan minute by minute over the jumps of awkward clocks, and fields of
//! cron expressions asked one by one.

use chrono::{Datelike, Duration, NaiveDateTime, NaiveTime, Timelike};
use proptest::prelude::*;

use super::*;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

const AWKWARD: [&str; 16] = [
    "America/New_York",
    "Europe/London",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "Asia/Tehran",
    "Africa/Casablanca",
    "America/Sao_Paulo",
    "Asia/Gaza",
    "Pacific/Apia",
    "America/Caracas",
    "Asia/Pyongyang",
    "Antarctica/Troll",
    "America/Havana",
    "Pacific/Kwajalein",
    "Asia/Amman",
    "America/Scoresbysund",
];

type Takes = Box<dyn Fn(NaiveDateTime) -> bool>;

/// A rule, and which minutes of a clock it takes.
fn rules() -> Vec<(Cycle, Takes)> {
    let time = |h, m| NaiveTime::from_hms_opt(h, m, 0).unwrap();
    let times = |times: &[(u32, u32)], on: Days| Cycle::Times {
        times: times.iter().map(|(h, m)| time(*h, *m)).collect(),
        on,
    };
    let cron = |text: &str| Cycle::Cron(Cron::parse(text).unwrap());
    let at = |t: NaiveDateTime| (t.hour(), t.minute());
    vec![
        (
            times(&[(0, 0), (0, 30), (2, 30)], Days::Every),
            Box::new(move |t| [(0, 0), (0, 30), (2, 30)].contains(&at(t))),
        ),
        (times(&[(1, 30), (23, 59)], Days::Every), Box::new(move |t| [(1, 30), (23, 59)].contains(&at(t)))),
        (
            times(&[(2, 0), (3, 0)], Days::Weekdays([0, 6].into())),
            Box::new(move |t| {
                [(2, 0), (3, 0)].contains(&at(t)) && matches!(t.weekday().num_days_from_monday(), 0 | 6)
            }),
        ),
        (
            times(&[(0, 15), (12, 0)], Days::Month([MonthDay::Last, MonthDay::Day(30)].into())),
            Box::new(move |t| {
                let is_last = (t.date() + Duration::days(1)).day() == 1;
                [(0, 15), (12, 0)].contains(&at(t)) && (is_last || t.day() == 30)
            }),
        ),
        (cron("*/20 0-3 * * *"), Box::new(|t| t.minute() % 20 == 0 && t.hour() <= 3)),
        (cron("0 10 * * * SUN"), Box::new(|t| t.minute() == 10 && t.weekday().num_days_from_sunday() == 0)),
    ]
}

/// What the clock shows at each minute of `[from, to)`, and at the one before.
fn readings(zone: &Zone, from: Timestamp, to: Timestamp) -> Vec<(i64, NaiveDateTime)> {
    let minutes = (from.0 - MINUTE_MS..to.0).step_by(MINUTE_MS as usize);
    minutes.map(|at| (at, zone.local(Timestamp(at)))).collect()
}

/// Runs by the definition: the furthest reading of the clock passes planned times; what it passes at one
/// instant is one run, by the earliest name.
fn scanned(takes: &Takes, shown: &[(i64, NaiveDateTime)]) -> Vec<(i64, NaiveDateTime)> {
    let mut runs = Vec::new();
    let mut furthest = shown[0].1;
    for (at, shown) in shown.iter().skip(1).copied() {
        let mut passed = furthest + Duration::minutes(1);
        let mut first = None;
        while passed <= shown {
            first = first.or_else(|| takes(passed).then_some(passed));
            passed += Duration::minutes(1);
        }
        runs.extend(first.map(|local| (at, local)));
        furthest = furthest.max(shown);
    }
    runs
}

fn asked(zone: &Zone, cycle: &Cycle, from: Timestamp, to: Timestamp) -> Vec<(i64, NaiveDateTime)> {
    let refresh = Refresh { is_before: false, on_failure: OnRefreshFailure::Latest };
    let trigger = Trigger::Repeat(Repeat { cycle: cycle.clone(), refresh, overlap: Overlap::Queue });
    let first = trigger.slot_after(from.plus(-1), zone);
    let slots = std::iter::successors(first, |slot| trigger.slot_after(slot.at, zone));
    slots.take_while(|slot| slot.at < to).map(|slot| (slot.at.0, slot.local)).collect()
}

/// The hours from 2000 to 2040 after which the clock of a zone is another one.
fn jumps(zone: &Zone) -> Vec<Timestamp> {
    let (from, to) = (at("2000-01-01"), at("2040-01-01"));
    let offset = |at: i64| (zone.local(Timestamp(at)).and_utc().timestamp_millis() - at) / MINUTE_MS;
    let hours = (from.0..to.0).step_by(6 * HOUR_MS as usize);
    hours.filter(|at| offset(*at) != offset(at + 6 * HOUR_MS)).map(Timestamp).collect()
}

#[test]
fn the_next_run_agrees_with_a_scan_over_every_jump_of_awkward_clocks() {
    let mut seen = 0;
    for zone in AWKWARD.map(|name| Zone::named(name).unwrap()) {
        for (n, jump) in jumps(&zone).into_iter().enumerate() {
            let (from, to) = (jump.plus(-3 * HOUR_MS), jump.plus(34 * HOUR_MS));
            let shown = readings(&zone, from, to);
            // Each jump is asked with some of the rules, so that a zone meets all of them.
            for (cycle, takes) in rules().into_iter().skip(n % 3).step_by(3) {
                let (found, expected) = (asked(&zone, &cycle, from, to), scanned(&takes, &shown));
                assert_eq!(found, expected, "{} {} {}", zone.name(), zone.text(jump), cycle.words());
            }
            seen += 1;
        }
    }
    assert!(seen > 500, "{seen} jumps");
}

/// One field of a cron expression, and the numbers that it takes.
fn field(least: u32, most: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    let all: Vec<u32> = (least..=most).collect();
    let every = all.clone();
    prop_oneof![
        3 => Just(("*".to_string(), all)),
        2 => (least..=most).prop_map(|n| (n.to_string(), vec![n])),
        1 => (least..=most, least..=most).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            (format!("{a}-{b}"), (a..=b).collect())
        }),
        1 => prop::sample::subsequence(every.clone(), 2..4)
            .prop_map(|list| (list.iter().map(u32::to_string).collect::<Vec<_>>().join(","), list)),
        1 => (2..=9u32).prop_map(move |n| (format!("*/{n}"), every.iter().copied().step_by(n as usize).collect())),
    ]
}

proptest! {
    /// Where day and weekday are both limited (not a bare `*`), either is enough, as everywhere in cron.
    #[test]
    fn cron_agrees_with_asking_every_field(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12), weekday in field(0, 6),
        start in 0..3_000i64,
    ) {
        let text = [&minute, &hour, &day, &month, &weekday].map(|(text, _)| text.as_str()).join(" ");
        let cycle = Cycle::Cron(Cron::parse(&text).unwrap());
        let local = NaiveDateTime::parse_from_str("2026-01-01 00:00", "%Y-%m-%d %H:%M").unwrap() + Duration::hours(start);
        let is_free = |(text, _): &(String, Vec<u32>)| text == "*";
        let takes_day = |t: NaiveDateTime| {
            let by_day = day.1.contains(&t.day());
            let by_weekday = weekday.1.contains(&t.weekday().num_days_from_sunday());
            if is_free(&day) || is_free(&weekday) { by_day && by_weekday } else { by_day || by_weekday }
        };
        let takes = |t: NaiveDateTime| month.1.contains(&t.month()) && takes_day(t);
        let days = (0..400).map(|n| local.date() + Duration::days(n)).filter(|d| takes(d.and_time(NaiveTime::MIN)));
        let minutes = days.flat_map(|d| {
            let (hour, minute) = (&hour.1, &minute.1);
            hour.iter().flat_map(move |h| minute.iter().filter_map(move |m| d.and_hms_opt(*h, *m, 0)))
        });
        let expected = minutes.filter(|t| *t > local).take(1).next();
        let horizon = local + Duration::days(400);
        prop_assert_eq!(cycle.after(local).filter(|t| *t < horizon - Duration::days(1)), expected.filter(|t| *t < horizon - Duration::days(1)), "{}", text);
    }

    /// Runs ascend, none is left out or comes twice, however one asks.
    #[test]
    fn asking_from_anywhere_gives_the_first_run_after(zone in prop::sample::select(AWKWARD.to_vec()), rule in 0..6usize, from in 946_684_800_000i64..2_208_988_800_000) {
        let zone = Zone::named(zone).unwrap();
        let (cycle, _) = rules().swap_remove(rule);
        let runs = asked(&zone, &cycle, Timestamp(from), Timestamp(from).plus(40 * 24 * HOUR_MS));
        prop_assert!(runs.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
        for (n, (at, _)) in runs.iter().enumerate().take(40) {
            let before = n.checked_sub(1).map_or(from, |n| runs[n].0 + 1);
            let middle = Timestamp(before + (at - before) / 2);
            prop_assert_eq!(asked(&zone, &cycle, middle, Timestamp(*at + 1)), vec![runs[n]]);
        }
    }
}
