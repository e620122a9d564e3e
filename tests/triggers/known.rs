//! Known answers: a stream whose every value is an integer hash of (seed, column, row), so that the same
//! arguments give the same events everywhere.

use quanke::base::Timestamp;
use quanke::task::rule::Again;
use quanke::trigger::{Decision, End, Facts, IdCode, Record, State, Texts};

use crate::stream::{A_NOT_B, Stream, one_rule};

/// Fires of "A, then no B within 20 minutes, each", closed at both ends, found by other engines.
// proves: S2.47 S2.49
#[test]
fn a_million_events_on_whole_minutes_give_59_910_fires() {
    assert_eq!(fires(&Stream::of(1_000_000, 100_000, 60_000)), 59_910);
}

/// Rules on every kind, with filters by the masks' bits; so large batches are taken kind by kind.
#[test]
fn batches_of_any_size_leave_the_same_state_and_decisions() {
    let stream = Stream::of(20_000, 500, 1_000);
    let (whole, small) = (many(&stream, 5_000, 1), many(&stream, 7, 1));
    assert!(whole.1.len() > 1_000);
    assert_eq!(whole, small);
    assert_eq!(many(&stream, 5_000, 3).1, small.1);
}

/// The digest at the end and all decisions, the watermark moved after every 5,000 events.
fn many(stream: &Stream, rows: usize, shards: usize) -> (u128, Vec<Decision>) {
    let (mut state, mut out) = (State::new(shards), Vec::new());
    for task in 0..12u16 {
        let mut version = one_rule((task % 5, task + 1, 1 + 7 * task as i64));
        version.rule.absence.iter_mut().for_each(|absence| {
            absence.again = [Again::Each, Again::First, Again::Restart][usize::from(task % 7) / 3];
        });
        state.step(Record::Install { task: task.into(), version: Box::new(version) }, &mut out);
        state.step(Record::Audience { task: task.into(), users: None }, &mut out);
    }
    for from in (0..stream.times.len()).step_by(5_000) {
        for from in (from..from + 5_000).step_by(rows) {
            let to = (from + rows).min((from / 5_000 + 1) * 5_000);
            stream.facts(&mut state, from..to, &mut out);
        }
        let newest = stream.times[..from + 5_000].iter().max().copied().unwrap_or(0);
        state.step(Record::Tick { now: Timestamp(newest) }, &mut out);
        state.step(Record::Watermark { source: 0, to: Timestamp(newest - 60_000) }, &mut out);
    }
    (state.digest(), out)
}

fn fires(stream: &Stream) -> usize {
    let mut state = State::new(1);
    let mut out = Vec::new();
    state.step(Record::Install { task: 0, version: Box::new(one_rule(A_NOT_B)) }, &mut out);
    state.step(Record::Audience { task: 0, users: None }, &mut out);
    for from in (0..stream.times.len()).step_by(65_536) {
        let to = (from + 65_536).min(stream.times.len());
        stream.step(&mut state, from..to, &mut out);
    }
    let end = stream.times.iter().max().copied().unwrap_or(0) + 30 * 60_000;
    state.step(Record::Watermark { source: 0, to: Timestamp(end) }, &mut out);
    out.iter().filter(|decision| matches!(decision.end, End::Fired { .. })).count()
}

impl Stream {
    /// A batch, and the watermark after it.
    fn step(&self, state: &mut State, rows: std::ops::Range<usize>, out: &mut Vec<Decision>) {
        let newest = self.times[..rows.end].iter().max().copied().unwrap_or(0);
        self.facts(state, rows, out);
        state.step(Record::Watermark { source: 0, to: Timestamp(newest - 60_000) }, out);
    }

    fn facts(&self, state: &mut State, rows: std::ops::Range<usize>, out: &mut Vec<Decision>) {
        let ids: Vec<IdCode> = self.ids[rows.clone()].iter().map(|id| IdCode::number(*id)).collect();
        let facts = Facts {
            users: &self.users[rows.clone()],
            times: &self.times[rows.clone()],
            arrivals: &self.arrivals[rows.clone()],
            events: &self.kinds[rows.clone()],
            masks: &vec![1; rows.len()],
            ids: &ids,
            texts: &Texts::default(),
            same: &[],
        };
        state.step(Record::Facts { source: 0, facts }, out);
    }
}
