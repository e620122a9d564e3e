//! The engine against the definition, and laws that need no definition.

use proptest::prelude::*;
use quanke::trigger::State;

use crate::model::{Input, Model};
use crate::random::logs;
use crate::run::{play, step};

const CASES: u32 = 2_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

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
    #![proptest_config(ProptestConfig { cases: CASES / 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shards_and_batches_change_nothing(log in logs(60), shards in 1..5usize, rows in 1..50usize) {
        prop_assert_eq!(play(&log, shards, rows), play(&log, 1, 1));
    }
}
