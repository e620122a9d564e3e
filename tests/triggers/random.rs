//! Made-up rules and streams: ties, exact boundaries, copies, late and future events, every command.
//!
//! Times lie on a grid of half minutes, so that equal times and exact boundaries are common; a few are a
//! millisecond off.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use quanke::base::{Timestamp, Zone};
use quanke::task::rule::*;
use quanke::trigger::{Command, EventId, Predicate, TaskNo, Version};

use crate::model::{Event, Input};

pub const MINUTE: i64 = 60_000;
/// 2026-03-01 22:00 in Shanghai: midnight, and the end of February's week, are near.
pub const START: i64 = 1_772_373_600_000;

/// Where a command is given, in minutes from the start, and what.
#[derive(Debug, Clone)]
enum Step {
    /// Minutes by which the newest event time moves on, in halves; then an event so far back from it.
    Event {
        on: i64,
        back: i64,
        off: i64,
        delay: i64,
        event: Event,
    },
    /// The last event once more.
    Copy,
    Watermark {
        lag: i64,
    },
    Tick {
        by: i64,
    },
    Command(TaskNo, Command),
    Edit(TaskNo, Box<Version>),
    Audience(TaskNo, Option<Vec<u32>>),
    /// A's of a user from before the task.
    History(TaskNo, u32, u32),
    /// Nothing happens for days.
    Jump {
        days: i64,
    },
}

/// A log of records: two tasks, up to `most` steps.
pub fn logs(most: usize) -> BoxedStrategy<Vec<Input>> {
    (version(), version(), vec(step(), 1..most))
        .prop_map(|(one, two, steps)| {
            let mut log = vec![Input::Tick(START)];
            let counts = BTreeMap::from([(1, one.rule.count), (2, two.rule.count)]);
            for (no, version) in [(1, one), (2, two)] {
                log.push(Input::Install(no, Box::new(version)));
                log.push(Input::Audience(no, None));
            }
            let mut world = World {
                newest: START,
                clock: START,
                last: None,
                all: Vec::new(),
                unnamed: 0,
                version: 1,
                counts,
            };
            steps.into_iter().for_each(|step| world.play(step, &mut log));
            log.push(Input::Tick(world.clock + 3 * MINUTE));
            log.push(Input::Watermark(world.newest + 200 * MINUTE));
            log.push(Input::Tick(world.clock + 36 * 60 * MINUTE));
            log
        })
        .boxed()
}

struct World {
    newest: i64,
    clock: i64,
    last: Option<Event>,
    all: Vec<Event>,
    unnamed: u64,
    version: u32,
    /// How each task counts now.
    counts: BTreeMap<TaskNo, Count>,
}

impl World {
    fn play(&mut self, step: Step, log: &mut Vec<Input>) {
        match step {
            Step::Event { on, back, off, delay, mut event } => {
                self.newest += on * MINUTE / 2;
                event.time = self.newest - back * MINUTE / 2 + off;
                event.arrival = (event.time + delay * MINUTE / 2).max(START);
                if let EventId::Unnamed(place) = &mut event.id {
                    self.unnamed += 1;
                    *place = self.unnamed;
                }
                // The same event has the same content, however often it comes, and comes again later.
                if let Some(known) = self.all.iter().rfind(|known| is_same(known, &event)) {
                    (event.mask, event.same) = (known.mask, known.same);
                    event.arrival = event.arrival.max(known.arrival);
                }
                self.all.push(event.clone());
                self.last = Some(event.clone());
                log.push(Input::Event(event));
            }
            Step::Copy => log.extend(self.last.clone().map(|mut event| {
                event.arrival += MINUTE;
                Input::Event(event)
            })),
            Step::Watermark { lag } => log.push(Input::Watermark(self.newest - lag * MINUTE / 2)),
            Step::Tick { by } => {
                self.clock = (self.clock + by * MINUTE / 2).max(self.newest - 5 * MINUTE);
                log.push(Input::Tick(self.clock));
            }
            Step::Command(no, command) => log.push(Input::Command(no, command)),
            Step::Edit(no, mut version) => {
                self.version += 1;
                version.version = self.version;
                self.counts.insert(no, version.rule.count);
                log.push(Input::Install(no, version));
            }
            Step::Audience(no, users) => log.push(Input::Audience(no, users)),
            Step::History(no, user, count) => {
                let of = self.counts.get(&no).copied().unwrap_or(Count::Every(1));
                let period = quanke::trigger::period(of, Timestamp(self.newest), &Zone::default());
                log.push(Input::History(no, vec![(user, period, count)]));
            }
            Step::Jump { days } => {
                self.newest += days * 24 * 60 * MINUTE;
                self.last = None;
                // The watermark is never days ahead of the clock.
                self.clock = self.clock.max(self.newest - 5 * MINUTE);
                log.push(Input::Tick(self.clock));
            }
        }
    }
}

/// One that a bad clock may put where the other lies is the same too.
fn is_same(a: &Event, b: &Event) -> bool {
    let is_ahead = |event: &Event| event.time > event.arrival + 2 * MINUTE;
    let is_at_one_time = a.time == b.time || is_ahead(a) || is_ahead(b);
    (a.user, a.event, &a.id) == (b.user, b.event, &b.id) && is_at_one_time
}

fn step() -> BoxedStrategy<Step> {
    let no = 1..3u32;
    prop_oneof![
        16 => (0..4i64, prop_oneof![6 => Just(0i64), 3 => 0..6i64, 1 => -8..90i64],
               prop_oneof![8 => Just(0i64), 1 => Just(1i64), 1 => Just(-1i64)],
               prop_oneof![6 => Just(0i64), 3 => 0..5i64, 1 => -9..400i64], event())
            .prop_map(|(on, back, off, delay, event)| Step::Event { on, back, off, delay, event }),
        2 => Just(Step::Copy),
        5 => (0..6i64).prop_map(|lag| Step::Watermark { lag }),
        5 => (0..8i64).prop_map(|by| Step::Tick { by }),
        1 => (no.clone(), command()).prop_map(|(no, command)| Step::Command(no, command)),
        1 => (no.clone(), version()).prop_map(|(no, version)| Step::Edit(no, Box::new(version))),
        1 => (no.clone(), 0..3u32, 1..3u32).prop_map(|(no, user, count)| Step::History(no, user, count)),
        1 => (no, prop_oneof![Just(None), vec(0..3u32, 0..3).prop_map(Some)])
            .prop_map(|(no, users)| Step::Audience(no, users)),
        1 => prop_oneof![9 => Just(0i64), 1 => Just(3i64), 1 => Just(48i64)].prop_map(|days| Step::Jump { days }),
    ]
    .boxed()
}

fn event() -> BoxedStrategy<Event> {
    let id = prop_oneof![
        prop::sample::select(vec!["9", "10", "1", "a", "b", "订单"]).prop_map(EventId::of),
        (0..40u64).prop_map(EventId::Number),
        Just(EventId::Unnamed(0)),
    ];
    (0..3u32, 0..2u16, 0..4u64, id, [0..3u128, 0..3u128])
        .prop_map(|(user, event, mask, id, same)| Event { user, time: 0, arrival: 0, event, mask, id, same })
        .boxed()
}

fn command() -> BoxedStrategy<Command> {
    prop_oneof![
        3 => Just(Command::Pause),
        4 => Just(Command::Resume),
        1 => Just(Command::Start),
        1 => Just(Command::End),
        1 => Just(Command::Stop),
    ]
    .boxed()
}

fn version() -> BoxedStrategy<Version> {
    let validity =
        (prop_oneof![3 => Just(0i64), 1 => 0..20i64], prop_oneof![3 => Just(100_000i64), 1 => 5..80i64]);
    let waits = (prop_oneof![2 => Just(30i64), 1 => 0..5i64, 1 => Just(600i64)], any::<bool>());
    let same = prop_oneof![3 => Just(None), 1 => Just(Some((0u8, 1u8)))];
    (rule(), 0..2u16, 0..2u8, 0..2u16, 0..2u8, same, validity, waits)
        .prop_map(|(rule, a, a_bit, b, b_bit, same, (start, end), (grace, is_held))| Version {
            version: 1,
            not_done: rule.absence.is_some().then_some(Predicate { event: b, bit: b_bit }),
            rule,
            did: Predicate { event: a, bit: a_bit },
            same,
            start: Timestamp(START + start * MINUTE),
            end: Timestamp(START + end * MINUTE),
            grace_ms: grace * MINUTE,
            is_held_in_pause: is_held,
            zone: Zone::default(),
        })
        .boxed()
}

fn rule() -> BoxedStrategy<Rule> {
    let period = prop_oneof![5 => Just((None, None)), 1 => (0..20i64, 10..60i64).prop_map(|(from, to)| {
        (Some(Timestamp(START + from * MINUTE)), Some(Timestamp(START + to * MINUTE)))
    })];
    let limits = (
        prop_oneof![3 => Just(None), 1 => (1..3u32).prop_map(Some)],
        prop_oneof![3 => Just(0), 1 => 1..10i64],
    );
    let ends = (
        prop_oneof![3 => Just(AudienceAt::Fire), 1 => Just(AudienceAt::A)],
        prop_oneof![2 => Just(None), 1 => any::<bool>().prop_map(Some)],
        prop_oneof![Just(OnEnd::Drop), Just(OnEnd::Finish)],
    );
    (absence(), period, count(), reach(), limits, ends)
        .prop_map(
            |(absence, (from, to), count, reach, (fires_max, gap_min), (audience_at, recheck, on_end))| {
                Rule {
                    did: String::new(),
                    absence,
                    from,
                    to,
                    count,
                    count_history: false,
                    reach,
                    fires_max,
                    gap_min_ms: gap_min * MINUTE,
                    audience_at,
                    recheck,
                    on_end,
                }
            },
        )
        .boxed()
}

fn absence() -> BoxedStrategy<Option<Absence>> {
    let again = prop_oneof![Just(Again::First), Just(Again::Restart), Just(Again::Each)];
    let late_b = prop_oneof![3 => Just(LateB::Cancel), 1 => Just(LateB::Send)];
    let gap = prop_oneof![4 => 1..8i64, 1 => Just(20i64), 1 => Just(3 * 1440i64)];
    let some = (again, late_b, gap).prop_map(|(again, late_b, gap)| {
        Some(Absence { not_done: String::new(), gap_ms: gap * MINUTE, again, same: None, late_b })
    });
    prop_oneof![1 => Just(None), 3 => some].boxed()
}

fn count() -> BoxedStrategy<Count> {
    let per =
        prop_oneof![2 => Just(Per::Whole), 1 => Just(Per::Day), 1 => Just(Per::Week), 1 => Just(Per::Month)];
    prop_oneof![
        3 => Just(Count::Every(1)),
        1 => (2..4u32).prop_map(Count::Every),
        1 => (1..4u32, per).prop_map(|(n, per)| Count::Total { n, per }),
    ]
    .boxed()
}

fn reach() -> BoxedStrategy<Reach> {
    let when_past = prop_oneof![Just(WhenPast::Skip), Just(WhenPast::Now)];
    prop_oneof![
        4 => Just(Reach::Delay(0)),
        3 => (1..20i64).prop_map(|half| Reach::Delay(half * MINUTE / 2)),
        1 => (0..180u32, 0..2u32).prop_map(|(minute, plus_days)| Reach::At {
            second_of_day: (22 * 60 + minute) % 1440 * 60,
            plus_days
        }),
        1 => (0..60i64, when_past).prop_map(|(minute, when_past)| Reach::On {
            instant: Timestamp(START + minute * MINUTE),
            when_past
        }),
    ]
    .boxed()
}
