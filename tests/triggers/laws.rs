//! The engine against the definition, and laws that need no definition.

use proptest::collection::vec;
use proptest::prelude::*;
use quanke::base::Timestamp;
use quanke::task::rule::{Count, Per, Reach};
use quanke::trigger::{Decision, End, EventId, Occurrence, Predicate, State};

use crate::model::{Event, Input, Model};
use crate::random::{MINUTE, START, logs};
use crate::run::{play, play_on, step};
use crate::stream::{mix, one_rule};

const CASES: u32 = 12_000;

/// So many random logs; `make soak` asks for more by PROPTEST_CASES.
fn cases(share: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    ProptestConfig { cases: (cases / share).max(1), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1))]

    // proves: S2.31 S2.38 S2.39 S2.40 S2.41 S2.42 S2.43 S2.44 S2.45 S2.46 S2.47 S2.48 S2.49 S2.50
    #[test]
    fn every_record_gives_what_the_definition_says(log in logs(60)) {
        let (mut model, mut state) = (Model::new(), State::new(1));
        state.say_quiet_ends();
        for (place, input) in log.iter().enumerate() {
            let mut decided = Vec::new();
            step(&mut state, input, &mut decided);
            decided.sort();
            prop_assert_eq!(&decided, &model.step(input), "record {} {:?}", place, input);
        }
    }
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn shards_and_batches_change_nothing(log in logs(60), shards in 1..5usize, rows in 1..50usize) {
        let (mut many, mut one) = (State::new(shards), State::new(1));
        many.say_quiet_ends();
        one.say_quiet_ends();
        prop_assert_eq!(play_on(&mut many, &log, rows), play_on(&mut one, &log, 1));
        for task in 1..3 {
            prop_assert_eq!(many.counts(task), one.counts(task));
        }
        prop_assert_eq!(many.oddities(), one.oddities());
        prop_assert_eq!((many.pending(), many.waiting()), (one.pending(), one.waiting()));
    }
}

proptest! {
    #![proptest_config(cases(4))]

    #[test]
    fn a_snapshot_anywhere_changes_nothing(log in logs(60), place in 0..80usize, shards in 1..3usize) {
        let (before, after) = log.split_at(place.min(log.len()));
        let mut whole = State::new(shards);
        let mut decided = play_on(&mut whole, before, 7);
        let mut restored = State::restore(&whole.snapshot()).unwrap();
        prop_assert_eq!(restored.digest(), whole.digest());
        let mut again = decided.clone();
        decided.extend(play_on(&mut whole, after, 7));
        again.extend(play_on(&mut restored, after, 3));
        prop_assert_eq!(&again, &decided);
        prop_assert_eq!(restored.digest(), whole.digest());
    }

    /// What lies in blocks gives the same decisions, the same late ones too, and has the same digest.
    #[test]
    fn minutes_laid_down_anywhere_change_nothing(log in logs(60), places in vec(0..80usize, 1..6), shards in 1..3usize) {
        let (mut plain, mut laid) = (State::new(shards), State::new(shards));
        plain.say_quiet_ends();
        laid.say_quiet_ends();
        let mut from = 0;
        let mut places: Vec<usize> = places.into_iter().map(|place| place.min(log.len())).collect();
        places.sort_unstable();
        for to in places.into_iter().chain([log.len()]) {
            let part = &log[from..to];
            prop_assert_eq!(play_on(&mut laid, part, 5), play_on(&mut plain, part, 5));
            laid.compact();
            prop_assert_eq!((laid.pending(), laid.next_due()), (plain.pending(), plain.next_due()));
            from = to;
        }
        prop_assert_eq!(laid.digest(), plain.digest());
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused(log in logs(30), cut in 0..4_000usize, flip in 0..4_000usize) {
        let mut state = State::new(1);
        play_on(&mut state, &log, 7);
        let mut bytes = state.snapshot();
        prop_assert!(State::restore(&bytes[..cut.min(bytes.len() - 1)]).is_none());
        let place = flip % bytes.len();
        bytes[place] ^= 1 << (flip % 8);
        // Read or refused: whoever stores the bytes has a checksum of them.
        let _ = State::restore(&bytes).map(|changed| changed.pending());
    }

    #[test]
    fn all_times_shifted_is_the_same_shifted(log in logs(60), weeks in -200..200i64) {
        let log: Vec<Input> = log.into_iter().map(without_calendar).collect();
        let by = weeks * 7 * 24 * 60 * MINUTE;
        let moved: Vec<Input> = log.iter().map(|input| shifted(input, by)).collect();
        let expected: Vec<Decision> = play(&log, 1, 5).into_iter().map(|d| shifted_decision(d, by)).collect();
        prop_assert_eq!(play(&moved, 1, 5), expected);
    }

    #[test]
    fn one_user_alone_is_traced_as_among_others(log in logs(60), user in 0..3u32) {
        let mut state = State::tracing(user);
        let alone = play_on(&mut state, &log, 9);
        let among: Vec<Decision> = play(&log, 1, 9).into_iter().filter(|d| d.user == user).collect();
        prop_assert_eq!(alone, among);
    }
}

proptest! {
    #![proptest_config(cases(2))]

    /// What is only counted is decided together, what is said each on its own: the slow twin of the fast way.
    #[test]
    fn ends_that_are_counted_are_those_that_are_said(log in logs(60), rows in 1..50usize) {
        let (mut said, mut counted) = (State::new(1), State::new(1));
        said.say_quiet_ends();
        let mut expected = play_on(&mut said, &log, 1);
        expected.retain(|decision| !matches!(decision.end, End::Cancelled | End::Joined));
        prop_assert_eq!(play_on(&mut counted, &log, rows), expected);
        for task in 1..3 {
            prop_assert_eq!(counted.counts(task), said.counts(task));
        }
        prop_assert_eq!((counted.pending(), counted.waiting()), (said.pending(), said.waiting()));
    }

    #[test]
    fn next_due_is_when_something_is_decided_next(log in logs(60), place in 0..80usize, shards in 1..3usize) {
        let log: Vec<Input> = log.into_iter().map(without_quiet).collect();
        let mut state = State::new(shards);
        state.say_quiet_ends();
        play_on(&mut state, &log[..place.min(log.len())], 9);
        match state.next_due() {
            Some(Timestamp(due)) => {
                let before = play_on(&mut state, &[Input::Tick(due - 1), Input::Watermark(due)], 1);
                prop_assert_eq!(before, vec![]);
                let at = play_on(&mut state, &[Input::Tick(due), Input::Watermark(due + 1)], 1);
                prop_assert!(!at.is_empty(), "nothing at {}", due);
            }
            None => {
                let far = START + 1_000 * 24 * 60 * MINUTE;
                let after = play_on(&mut state, &[Input::Tick(far), Input::Watermark(far)], 1);
                prop_assert_eq!(after, vec![]);
            }
        }
    }

    #[test]
    fn small_steps_of_the_watermark_decide_the_same(log in logs(60), parts in 2..9i64) {
        prop_assert_eq!(sorted(play(&in_small_steps(&log, parts), 1, 9)), sorted(play(&log, 1, 9)));
    }

    /// Of rules of absence; which A a completed rule fires at depends on the order of the log.
    #[test]
    fn facts_in_time_may_come_in_any_order(log in logs(60), seed in 0..1_000u64) {
        let log: Vec<Input> = log.into_iter().map(with_absence).collect();
        prop_assert_eq!(sorted(play(&shuffled(&log, seed), 1, 9)), sorted(play(&log, 1, 9)));
    }

    #[test]
    fn facts_delivered_twice_count_once(log in logs(60), seed in 0..1_000u64) {
        let twice = with_more(&log, seed, |event| match event.id {
            EventId::Unnamed(_) => None,
            _ => Some(event.clone()),
        });
        prop_assert_eq!(play(&twice, 1, 9), play(&log, 1, 9));
    }

    #[test]
    fn what_no_rule_names_changes_nothing(log in logs(60), seed in 0..1_000u64) {
        let more = with_more(&log, seed, |event| Some(Event { event: 7, mask: u64::MAX, ..event.clone() }));
        prop_assert_eq!(play(&more, 1, 9), play(&log, 1, 9));
    }

    #[test]
    fn other_users_change_nothing(log in logs(60), seed in 0..1_000u64) {
        let more = with_more(&log, seed, |event| Some(Event { user: event.user + 90_000, ..event.clone() }));
        let mut decided = play(&more, 2, 9);
        decided.retain(|decision| decision.user < 90_000);
        prop_assert_eq!(decided, play(&log, 1, 9));
    }

    #[test]
    fn renamed_users_get_the_same(log in logs(60), key in 0..50_000u32) {
        let name = |user: u32| (2 - user) * 40_000 + key;
        let renamed: Vec<Input> = log.iter().cloned().map(|input| renamed(input, name)).collect();
        let expected = play(&log, 1, 9).into_iter().map(|one| Decision { user: name(one.user), ..one });
        prop_assert_eq!(sorted(play(&renamed, 1, 9)), sorted(expected.collect()));
    }
}

fn sorted(mut decisions: Vec<Decision>) -> Vec<Decision> {
    decisions.sort();
    decisions
}

/// Rules of which every A, and every touch that falls due, is decided.
fn without_quiet(mut input: Input) -> Input {
    if let Input::Install(_, version) = &mut input {
        (version.rule.count, version.is_held_in_pause) = (Count::Every(1), false);
    }
    input
}

/// Each move of the watermark in several.
fn in_small_steps(log: &[Input], parts: i64) -> Vec<Input> {
    let mut known = None;
    let steps = |input: &Input| {
        let Input::Watermark(to) = *input else { return vec![input.clone()] };
        let from = known.filter(|from| *from < to).unwrap_or(to - 1);
        known = known.max(Some(to));
        (1..=parts).map(|part| Input::Watermark(from + (to - from) * part / parts)).collect()
    };
    log.iter().flat_map(steps).collect()
}

/// Facts neither behind the watermark nor ahead of their arrival change places with those beside them.
fn shuffled(log: &[Input], seed: u64) -> Vec<Input> {
    let (mut out, mut run): (Vec<Input>, Vec<(u64, Input)>) = (Vec::new(), Vec::new());
    let (mut watermark, mut clock) = (i64::MIN, i64::MIN);
    for (place, input) in log.iter().enumerate() {
        match input {
            Input::Event(event) if is_in_time(event, watermark, clock) => {
                run.push((mix(seed + place as u64), input.clone()));
                continue;
            }
            Input::Watermark(to) => watermark = watermark.max(*to),
            Input::Tick(now) => clock = clock.max(*now),
            _ => {}
        }
        run.sort_by_key(|(key, _)| *key);
        out.extend(run.drain(..).map(|(_, input)| input));
        out.push(input.clone());
    }
    out
}

fn is_in_time(event: &Event, watermark: i64, clock: i64) -> bool {
    event.time >= watermark && event.time <= event.arrival.max(clock) + 120_000
}

/// After some events one more that is made from them.
fn with_more(log: &[Input], seed: u64, make: impl Fn(&Event) -> Option<Event>) -> Vec<Input> {
    let mut out = Vec::new();
    for (place, input) in log.iter().enumerate() {
        out.push(input.clone());
        if let Input::Event(event) = input
            && mix(seed + place as u64).is_multiple_of(2)
        {
            out.extend(make(event).map(Input::Event));
        }
    }
    out
}

fn with_absence(mut input: Input) -> Input {
    if let Input::Install(_, version) = &mut input
        && version.rule.absence.is_none()
    {
        version.rule.absence = one_rule((0, 1, 3)).rule.absence;
        version.not_done = Some(Predicate { event: 1, bit: 0 });
    }
    input
}

fn renamed(mut input: Input, name: impl Fn(u32) -> u32) -> Input {
    match &mut input {
        Input::Event(event) => event.user = name(event.user),
        Input::Audience(_, Some(users)) => users.iter_mut().for_each(|user| *user = name(*user)),
        Input::History(_, counts) => counts.iter_mut().for_each(|(user, ..)| *user = name(*user)),
        _ => {}
    }
    input
}

/// Days and months do not move along with a shift by weeks: such rules count in the whole window.
fn without_calendar(mut input: Input) -> Input {
    if let Input::Install(_, version) = &mut input
        && let Count::Total { per, .. } = &mut version.rule.count
    {
        *per = Per::Whole;
    }
    input
}

fn shifted(input: &Input, by: i64) -> Input {
    let later = |at: &Timestamp| Timestamp(at.0 + by);
    match input {
        Input::Event(event) => {
            Input::Event(Event { time: event.time + by, arrival: event.arrival + by, ..event.clone() })
        }
        Input::Watermark(at) => Input::Watermark(at + by),
        Input::Tick(at) => Input::Tick(at + by),
        Input::Install(no, version) => {
            let mut version = version.clone();
            (version.start, version.end) = (later(&version.start), later(&version.end));
            version.rule.from = version.rule.from.as_ref().map(later);
            version.rule.to = version.rule.to.as_ref().map(later);
            if let Reach::On { instant, .. } = &mut version.rule.reach {
                *instant = later(instant);
            }
            Input::Install(*no, version)
        }
        // Rules that are shifted count in the whole window.
        Input::History(no, counts) => {
            Input::History(*no, counts.iter().map(|(user, _, count)| (*user, 0, *count)).collect())
        }
        other => other.clone(),
    }
}

fn shifted_decision(mut decision: Decision, by: i64) -> Decision {
    decision.base.0 += by;
    if let Occurrence::A { at, .. } = &mut decision.occurrence {
        at.0 += by;
    }
    if let End::Fired { reach } | End::Released { reach } = &mut decision.end {
        reach.0 += by;
    }
    decision
}
