//! Plays a log of records through the engine.

use std::sync::Arc;

use quanke::base::Timestamp;
use quanke::trigger::{Decision, EventId, Facts, IdCode, Record, State, Texts};
use roaring::RoaringBitmap;

use crate::model::{Event, Input};

/// Facts as columns.
#[derive(Default)]
pub struct Batch {
    users: Vec<u32>,
    times: Vec<i64>,
    arrivals: Vec<i64>,
    events: Vec<u16>,
    masks: Vec<u64>,
    ids: Vec<IdCode>,
    texts: Texts,
    same: [Vec<u128>; 2],
}

impl Batch {
    pub fn add(&mut self, event: &Event) {
        self.users.push(event.user);
        self.times.push(event.time);
        self.arrivals.push(event.arrival);
        self.events.push(event.event);
        self.masks.push(event.mask);
        self.ids.push(match &event.id {
            EventId::Unnamed(place) => IdCode::unnamed(*place),
            id => IdCode::of(&id.to_string(), &mut self.texts),
        });
        self.same[0].push(event.same[0]);
        self.same[1].push(event.same[1]);
    }

    pub fn step(&self, state: &mut State, out: &mut Vec<Decision>) {
        let facts = Facts {
            users: &self.users,
            times: &self.times,
            arrivals: &self.arrivals,
            events: &self.events,
            masks: &self.masks,
            ids: &self.ids,
            texts: &self.texts,
            same: &[&self.same[0], &self.same[1]],
        };
        state.step(Record::Facts { source: 0, facts }, out);
    }
}

/// One record, an event as a batch of one.
pub fn step(state: &mut State, input: &Input, out: &mut Vec<Decision>) {
    let record = match input {
        Input::Event(event) => {
            let mut batch = Batch::default();
            batch.add(event);
            return batch.step(state, out);
        }
        Input::Watermark(to) => Record::Watermark { source: 0, to: Timestamp(*to) },
        Input::Tick(now) => Record::Tick { now: Timestamp(*now) },
        Input::Install(task, version) => Record::Install { task: *task, version: version.clone() },
        Input::Command(task, command) => Record::Command { task: *task, command: *command },
        Input::History(task, counts) => Record::History { task: *task, counts },
        Input::Audience(task, users) => Record::Audience {
            task: *task,
            users: users.as_ref().map(|users| Arc::new(users.iter().copied().collect::<RoaringBitmap>())),
        },
    };
    state.step(record, out);
}

/// All decisions of a log, events in batches of up to `rows`.
pub fn play(log: &[Input], shards: usize, rows: usize) -> Vec<Decision> {
    let mut state = State::new(shards);
    state.say_quiet_ends();
    play_on(&mut state, log, rows)
}

/// The rest of a log, on a state that has read its beginning.
pub fn play_on(state: &mut State, log: &[Input], rows: usize) -> Vec<Decision> {
    let (mut out, mut rest) = (Vec::new(), log);
    while let Some(first) = rest.first() {
        let events = rest.iter().take(rows).take_while(|input| matches!(input, Input::Event(_))).count();
        if events == 0 {
            step(state, first, &mut out);
            rest = &rest[1..];
            continue;
        }
        let mut batch = Batch::default();
        for input in &rest[..events] {
            if let Input::Event(event) = input {
                batch.add(event);
            }
        }
        batch.step(state, &mut out);
        rest = &rest[events..];
    }
    out
}
