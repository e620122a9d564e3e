//! Long runs with faults at random: the same promises.

use proptest::prelude::*;

use super::super::Fault;
use super::world::{Act, World};

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0usize..250).prop_map(Act::Append),
        5 => Just(Act::Commit),
        1 => Just(Act::Snapshot),
        1 => Just(Act::Reopen),
        1 => Just(Act::Mark),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::Crash),
        2 => (1u64..8).prop_map(|operations| Fault::Full { operations }),
        2 => Just(Fault::SyncFails),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn whatever_fails_acknowledged_records_are_there(
        seed: u64,
        acts in proptest::collection::vec(act(), 0..120),
        faults in proptest::collection::vec((0u64..120, fault()), 0..12),
    ) {
        let mut world = World::new(seed);
        // A life forgets the faults that did not come, so each life gets its own.
        for (lives, chunk) in acts.chunks(20).enumerate() {
            for (at, fault) in faults.iter().skip(lives * 2).take(2) {
                world.disk.fault_at(world.disk.operations() + at, *fault);
            }
            world.live(chunk);
            if seed % 2 == 0 {
                world.disk.restart();
            }
        }
        world.disk.restart();
        world.live(&[]);
    }
}
