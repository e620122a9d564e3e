//! The engine on its log, with snapshots and starts in between, against the engine alone.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use quanke::base::Timestamp;
use quanke::trigger::log::SimulatedDisk;
use quanke::trigger::{Columns, Decision, End, Entry, EventId, IdCode, Numbered, Opened, Place, Triggers};
use roaring::RoaringBitmap;

use crate::model::{Event, Input};
use crate::random::logs;
use crate::run::play;

/// What happens to the log between two records.
#[derive(Debug, Clone, Copy)]
enum Between {
    /// A snapshot, here and now.
    Snapshot,
    /// A snapshot begins on another thread; what comes next happens beside it.
    Begin,
    /// What the other thread has done is taken over, as far as it is.
    GoOn,
    /// The process ends and starts again.
    Restart,
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![Just(Between::Snapshot), Just(Between::Begin), Just(Between::GoOn), Just(Between::Restart)]
}

struct Life {
    disk: SimulatedDisk,
    triggers: Triggers,
    left: Vec<Numbered>,
}

impl Life {
    fn open(disk: SimulatedDisk, mut left: Vec<Numbered>) -> Life {
        let known = left.last().map(|one| one.place);
        let opened = Triggers::open(Arc::new(disk.clone()), "default", known, 1).unwrap();
        let Opened { triggers, again, notes } = opened;
        assert_eq!((notes, again.first()), (vec![], None), "all that was decided has left before");
        left.extend(again);
        Life { disk, triggers, left }
    }

    fn taken(&self) -> Option<Place> {
        self.left.last().map(|one| one.place)
    }

    fn take(&mut self, input: &Input) {
        self.triggers.take(entry(input), Timestamp(0)).unwrap();
        self.left.extend(self.triggers.commit().unwrap());
    }

    fn act(mut self, between: Between) -> Life {
        let taken = self.taken();
        match between {
            Between::Snapshot => self.triggers.snapshot(taken).unwrap(),
            Between::Begin => self.triggers.begin_snapshot(taken).unwrap(),
            Between::GoOn => self.triggers.snapshot_if_due(taken).unwrap(),
            Between::Restart => {
                let Life { disk, triggers, left } = self;
                drop(triggers);
                return Life::open(disk, left);
            }
        }
        self
    }
}

fn entry(input: &Input) -> Entry {
    match input {
        Input::Event(event) => Entry::Facts { source: 0, read_to: 0, columns: Box::new(columns(event)) },
        Input::Watermark(to) => Entry::Watermark { source: 0, to: Timestamp(*to) },
        Input::Tick(now) => Entry::Tick { now: Timestamp(*now) },
        Input::Install(task, version) => Entry::Install { task: *task, version: version.clone() },
        Input::Command(task, command) => Entry::Command { task: *task, command: *command },
        Input::History(task, counts) => Entry::History { task: *task, counts: counts.clone() },
        Input::Audience(task, users) => {
            let users =
                users.as_ref().map(|users| Arc::new(users.iter().copied().collect::<RoaringBitmap>()));
            Entry::Audience { task: *task, users }
        }
    }
}

fn columns(event: &Event) -> Columns {
    let mut columns = Columns::default();
    columns.users.push(event.user);
    columns.times.push(event.time);
    columns.arrivals.push(event.arrival);
    columns.events.push(event.event);
    columns.masks.push(event.mask);
    columns.ids.push(match &event.id {
        EventId::Unnamed(place) => IdCode::unnamed(*place),
        id => IdCode::of(&id.to_string(), &mut columns.texts),
    });
    columns.same = event.same.iter().map(|value| vec![*value]).collect();
    columns
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    // proves: S2.47
    #[test]
    fn snapshots_and_starts_anywhere_change_nothing(
        log in logs(60),
        between in vec((0..70usize, between()), 0..12),
    ) {
        let mut expected = play(&log, 1, 1);
        expected.retain(|decision| !matches!(decision.end, End::Cancelled | End::Joined));
        let mut life = Life::open(SimulatedDisk::new(1), Vec::new());
        for (place, input) in log.iter().enumerate() {
            life.take(input);
            for (_, between) in between.iter().filter(|(at, _)| *at == place) {
                life = life.act(*between);
            }
        }
        let digest = life.triggers.state().digest();
        let life = life.act(Between::Snapshot).act(Between::Restart);
        prop_assert_eq!(life.triggers.state().digest(), digest);
        let decided: Vec<Decision> = life.left.into_iter().map(|one| one.decision).collect();
        prop_assert_eq!(decided, expected);
    }
}
