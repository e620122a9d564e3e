//! A made-up stream of user events and the rules that are asked of it; the bench uses it too.
//!
//! Data model: `events` events over 6 hours, 20 kinds by fixed weights, 20 % of events on 1 % of the
//! users, amounts up to 1,000.00. Kind 0 is A (one in ten); half of the A's are followed by a kind 1 (B) within
//! 40 minutes. One in twenty arrives up to a minute late. Every value is a hash of (seed 42, column, row).

use quanke::base::{Timestamp, Zone};
use quanke::task::rule::*;
use quanke::trigger::{Predicate, Version};

const SEED: u64 = 42;
const T0: i64 = 1_700_000_000_000;
const SPAN_MS: i64 = 6 * 3_600_000;
const WEIGHTS: [u64; 20] = [100, 40, 90, 90, 80, 80, 70, 70, 60, 60, 50, 40, 40, 30, 30, 20, 20, 10, 10, 10];

/// A, B and the gap in minutes.
pub const A_NOT_B: (u16, u16, i64) = (0, 1, 20);

/// Events in the order of arrival, as columns.
#[derive(Default)]
pub struct Stream {
    pub users: Vec<u32>,
    pub times: Vec<i64>,
    pub arrivals: Vec<i64>,
    pub kinds: Vec<u16>,
    pub ids: Vec<u64>,
    pub amounts: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Row {
    id: u64,
    user: u64,
    kind: u16,
    amount: u64,
    time: i64,
}

impl Stream {
    /// `events` events of `users` users, times on a grid of `grain` milliseconds.
    pub fn of(events: u64, users: u64, grain: i64) -> Stream {
        let first: Vec<Row> = (0..events).map(|n| row(n, events, users)).collect();
        let follows = first.iter().filter(|a| a.kind == 0 && below(6, a.id, 1000) < 500);
        let follows = follows.enumerate().map(|(place, a)| Row {
            id: events + place as u64,
            kind: 1,
            amount: below(8, a.id, 100_000),
            time: a.time + 1 + below(7, a.id, 40 * 60_000) as i64,
            ..*a
        });
        let mut rows: Vec<(i64, Row)> =
            first.iter().copied().chain(follows).map(|r| on_grid(r, grain)).collect();
        rows.sort_by_key(|(arrival, row)| (*arrival, row.id));
        let mut stream = Stream::default();
        rows.into_iter().take(events as usize).for_each(|(arrival, row)| stream.add(arrival, row));
        stream
    }

    fn add(&mut self, arrival: i64, row: Row) {
        self.users.push(row.user as u32);
        self.times.push(row.time);
        self.arrivals.push(arrival);
        self.kinds.push(row.kind);
        self.ids.push(row.id);
        self.amounts.push(row.amount as u32);
    }
}

/// "A, then no B within the gap", each A its own window.
pub fn one_rule((a, b, minutes): (u16, u16, i64)) -> Version {
    let rule = Rule {
        did: String::new(),
        absence: Some(Absence {
            not_done: String::new(),
            gap_ms: minutes * 60_000,
            again: Again::Each,
            same: None,
            late_b: LateB::Cancel,
        }),
        from: None,
        to: None,
        count: Count::Every(1),
        count_history: false,
        reach: Reach::Delay(0),
        fires_max: None,
        gap_min_ms: 0,
        audience_at: AudienceAt::Fire,
        recheck: None,
        on_end: OnEnd::Drop,
    };
    Version {
        version: 1,
        rule,
        did: Predicate { event: a, bit: 0 },
        not_done: Some(Predicate { event: b, bit: 0 }),
        same: None,
        start: Timestamp(0),
        end: Timestamp(T0 * 2),
        grace_ms: 1_800_000,
        is_held_in_pause: false,
        zone: Zone::default(),
    }
}

/// The finaliser of splitmix64.
pub fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn row(n: u64, events: u64, users: u64) -> Row {
    let is_hot = below(1, n, 1000) < 200;
    let user = if is_hot { below(3, n, (users / 100).max(1)) } else { below(2, n, users) };
    let place = below(4, n, 1000);
    let mut sum = 0;
    let kind = WEIGHTS.iter().take_while(|weight| {
        sum += **weight;
        sum <= place
    });
    let kind = kind.count() as u16;
    Row { id: n, user, kind, amount: below(5, n, 100_000), time: T0 + n as i64 * SPAN_MS / events as i64 }
}

/// The arrival, and the row on the grid.
fn on_grid(mut row: Row, grain: i64) -> (i64, Row) {
    row.time = T0 + (row.time - T0) / grain * grain;
    let is_delayed = below(9, row.id, 1000) < 50;
    let delay = if is_delayed { 1 + below(10, row.id, 60_000) as i64 } else { 0 };
    (row.time + delay, row)
}

/// A whole number below `n` for a row of a column.
fn below(column: u64, row: u64, n: u64) -> u64 {
    let base = mix(SEED * 1_000_003 + column);
    let bits = mix(base.wrapping_add((row + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    ((bits >> 32) * n) >> 32
}
