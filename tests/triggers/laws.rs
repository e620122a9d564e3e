//! The engine against the definition, and laws that need no definition.

use proptest::prelude::*;
use quanke::base::Timestamp;
use quanke::task::rule::{Count, Per, Reach};
use quanke::trigger::{Decision, End, Occurrence, State};

use crate::model::{Event, Input, Model};
use crate::random::{MINUTE, logs};
use crate::run::{play, play_on, step};

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
        prop_assert_eq!(play(&log, shards, rows), play(&log, 1, 1));
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
