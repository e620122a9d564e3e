//! From when until when was each user active on a day? The first and the last instant of any event.
//!
//! The last instant is kept to the millisecond, since what is asked after is often a user's last row
//! itself; the first one as a tick, the 65,536th part of the time between the day's first and last
//! event, about 1.3 seconds. What that cannot tell, the rows must.

use std::sync::Arc;

use crate::base::{CHUNK_USERS, Outcome, Timestamp};

use super::register::Register;
use super::strip::Strip;

const USERS: usize = CHUNK_USERS as usize;
const TICKS: i64 = 1 << 16;

/// First and last instants of the users who did anything on a day.
#[derive(Debug)]
pub struct Spans {
    first: i64,
    last: i64,
    /// Milliseconds of a tick.
    tick_ms: i64,
    chunks: Vec<Option<ChunkSpans>>,
}

#[derive(Debug)]
struct ChunkSpans {
    users: Box<Register>,
    /// Users before each word of `users`.
    ranks: Vec<u16>,
    /// The tick of each user's first instant.
    firsts: Vec<u16>,
    /// Milliseconds from the first instant of anybody to each user's last one.
    lasts: Vec<u32>,
}

/// What spans can tell about a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Yes,
    No,
    /// Something happened too near to its ends, or before and after it.
    Unclear,
}

impl Spans {
    /// From the rows of all events of a day, which lie in `[first, last]`; `None` when that is longer
    /// than 49 days, as on the day that holds whatever is beyond the calendar.
    pub(super) fn of(
        chunk_count: u32,
        (first, last): (Timestamp, Timestamp),
        strips: &[Strip],
    ) -> Option<Spans> {
        let long = u32::try_from(last.0.checked_sub(first.0)?).ok()?;
        let tick_ms = long as i64 / TICKS + 1;
        let mut spans = Spans { first: first.0, last: last.0, tick_ms, chunks: vec![] };
        spans.chunks = (0..chunk_count).map(|chunk| spans.chunk(chunk, strips)).collect();
        Some(spans)
    }

    fn chunk(&self, chunk: u32, strips: &[Strip]) -> Option<ChunkSpans> {
        let mut ends = vec![(u16::MAX, 0u32); USERS];
        let mut users = Box::new(Register::new());
        for strip in strips {
            let Some(times) = &strip.times else { continue };
            for row in strip.users.range(chunk) {
                let place = strip.users.places[row];
                let at = times.at(row);
                let (first, last) = &mut ends[place as usize];
                (*first, *last) = ((*first).min(self.tick(at) as u16), (*last).max((at - self.first) as u32));
                users.set(place);
            }
        }
        let ranks = users.words().iter().scan(0u32, |before, word| {
            let rank = *before as u16;
            *before += word.count_ones();
            Some(rank)
        });
        let ranks = ranks.collect();
        let (firsts, lasts) = users.iter().map(|place| ends[place as usize]).unzip();
        (!users.is_empty()).then_some(ChunkSpans { users, ranks, firsts, lasts })
    }

    /// The tick of an instant; below 0 and from 65,536 on it lies beyond the day's events.
    fn tick(&self, at: i64) -> i64 {
        at.saturating_sub(self.first).div_euclid(self.tick_ms)
    }

    /// The first instant of anybody, ms.
    pub fn begin(&self) -> i64 {
        self.first
    }

    /// The last instant of anybody, ms.
    pub fn end(&self) -> i64 {
        self.last
    }

    /// Who did anything.
    pub fn users_of(&self, chunk: u32) -> Option<&Register> {
        self.chunks.get(chunk as usize)?.as_ref().map(|spans| &*spans.users)
    }

    /// Did a user do anything after `after`, until `until` (ms)?
    #[inline]
    pub fn tell(&self, chunk: u32, place: u16, after: i64, until: i64) -> Told {
        let Some((first, last)) = self.of_user(chunk, place) else { return Told::No };
        let (from, to) = (self.tick(after), self.tick(until));
        match () {
            () if until <= after || last <= after || to < first => Told::No,
            () if last <= until => Told::Yes,
            // Beyond the tick in which the stretch begins, and before the one in which it ends.
            () if from < first && first < to => Told::Yes,
            () => Told::Unclear,
        }
    }

    /// The tick of the first instant, and the last one in ms.
    fn of_user(&self, chunk: u32, place: u16) -> Option<(i64, i64)> {
        let spans = self.chunks.get(chunk as usize)?.as_ref()?;
        let word = place as usize / 64;
        let bits = spans.users.words()[word];
        if bits >> (place % 64) & 1 == 0 {
            return None;
        }
        let before = (bits & ((1 << (place % 64)) - 1)).count_ones() as usize;
        let rank = *spans.ranks.get(word)? as usize + before;
        Some((*spans.firsts.get(rank)? as i64, self.first + *spans.lasts.get(rank)? as i64))
    }

    pub(super) fn bytes(&self) -> u64 {
        let chunk =
            |spans: &ChunkSpans| 6 * spans.lasts.len() + 2 * spans.ranks.len() + size_of::<Register>();
        self.chunks.iter().flatten().map(|spans| chunk(spans) as u64).sum()
    }
}

/// What is kept of a day: nothing, where its instants lie too far apart.
pub(super) type Kept = Option<Arc<Spans>>;

impl super::snapshot::Snapshot {
    /// From when until when each user did anything on a day; made once, then kept. `None` when there
    /// are no events, or their instants lie too far apart.
    /// Errors: STO-002 when a file is damaged.
    pub fn spans(&self, day: crate::base::Day) -> Outcome<Option<Arc<Spans>>> {
        let events: Vec<&str> = self.events_on(day).collect();
        let ends = events.iter().filter_map(|event| self.span_on(day, event));
        let ends = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let Some(ends) = ends else { return Ok(None) };
        self.kept_spans(day, || {
            let strips = events.iter().filter_map(|event| self.strip(day, event, &[], true).transpose());
            let strips = strips.collect::<Outcome<Vec<Strip>>>()?;
            Ok(Spans::of(self.chunk_count(), ends, &strips).map(Arc::new))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc as Shared;

    use arrow::array::{Int64Array, UInt32Array};
    use proptest::prelude::*;

    use super::super::strip::{Times, Users};
    use super::*;

    fn strip(rows: &[(u32, i64)]) -> Strip {
        let users: UInt32Array = rows.iter().map(|row| row.0).collect::<Vec<_>>().into();
        let times: Int64Array = rows.iter().map(|row| row.1).collect::<Vec<_>>().into();
        Strip {
            users: Shared::new(Users::of(&users)),
            times: Some(Shared::new(Times::of(&times))),
            columns: vec![],
        }
    }

    proptest! {
        #[test]
        fn what_spans_tell_is_true(
            events in prop::collection::vec(prop::collection::vec((0u32..70_000, -50i64..9_000), 1..40), 1..4),
            wide in prop_oneof![Just(9_000i64), Just(90_000_000)],
            asked in prop::collection::vec((0usize..100, -100i64..9_100, 0i64..3_000), 30),
        ) {
            let stretch = wide / 9_000;
            let mut all: Vec<(u32, i64)> = vec![];
            let strips: Vec<Strip> = events.into_iter().map(|rows| {
                let mut rows: Vec<(u32, i64)> = rows.into_iter().map(|(user, at)| (user, at * stretch)).collect();
                rows.sort_unstable();
                all.extend(&rows);
                strip(&rows)
            }).collect();
            let spans = Spans::of(2, (Timestamp(-50 * stretch), Timestamp(wide)), &strips).unwrap();
            for (which, after, long) in asked {
                let user = all[which % all.len()].0;
                let (after, until) = (after * stretch, (after + long) * stretch);
                let truth = all.iter().any(|(one, at)| *one == user && after < *at && *at <= until);
                match spans.tell(user / CHUNK_USERS, (user % CHUNK_USERS) as u16, after, until) {
                    Told::Yes => prop_assert!(truth),
                    Told::No => prop_assert!(!truth),
                    Told::Unclear => {}
                }
            }
            let nobody = (0..70_000).find(|user| all.iter().all(|row| row.0 != *user)).unwrap();
            prop_assert_eq!(spans.tell(nobody / CHUNK_USERS, (nobody % CHUNK_USERS) as u16, i64::MIN, i64::MAX), Told::No);
        }
    }
}
