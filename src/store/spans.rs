//! From when until when was each user active on a day? The first and the last instant of any event.

use std::sync::Arc;

use crate::base::{CHUNK_USERS, Outcome, Timestamp};

use super::register::Register;
use super::strip::Strip;

const USERS: usize = CHUNK_USERS as usize;

/// First and last instants of the users who did anything on a day.
#[derive(Debug)]
pub struct Spans {
    base: i64,
    last: i64,
    chunks: Vec<Option<ChunkSpans>>,
}

#[derive(Debug)]
struct ChunkSpans {
    users: Box<Register>,
    /// Users before each word of `users`.
    ranks: Vec<u16>,
    /// Milliseconds after `base`, one pair per user.
    ends: Vec<(u32, u32)>,
}

impl Spans {
    /// From the rows of all events of a day, which lie in `[first, last]`; `None` when that is longer
    /// than 49 days, as on the day that holds whatever is beyond the calendar.
    pub(super) fn of(
        chunk_count: u32,
        (first, last): (Timestamp, Timestamp),
        strips: &[Strip],
    ) -> Option<Spans> {
        u32::try_from(last.0.checked_sub(first.0)?).ok()?;
        let chunks = (0..chunk_count).map(|chunk| ChunkSpans::of(chunk, first.0, strips)).collect();
        Some(Spans { base: first.0, last: last.0, chunks })
    }

    /// The first instant of anybody, ms.
    pub fn begin(&self) -> i64 {
        self.base
    }

    /// The last instant of anybody, ms.
    pub fn end(&self) -> i64 {
        self.last
    }

    /// Who did anything.
    pub fn users_of(&self, chunk: u32) -> Option<&Register> {
        self.chunks.get(chunk as usize)?.as_ref().map(|spans| &*spans.users)
    }

    /// Did a user do anything?
    #[inline]
    pub fn holds(&self, chunk: u32, place: u16) -> bool {
        let spans = self.chunks.get(chunk as usize).and_then(Option::as_ref);
        spans.is_some_and(|spans| spans.users.holds(place))
    }

    /// The first and the last instant of a user, ms; `None` when the user did nothing.
    #[inline]
    pub fn of_user(&self, chunk: u32, place: u16) -> Option<(i64, i64)> {
        let spans = self.chunks.get(chunk as usize)?.as_ref()?;
        let word = place as usize / 64;
        let bits = spans.users.words()[word];
        if bits >> (place % 64) & 1 == 0 {
            return None;
        }
        let before = (bits & ((1 << (place % 64)) - 1)).count_ones() as usize;
        let (first, last) = *spans.ends.get(*spans.ranks.get(word)? as usize + before)?;
        Some((self.base + first as i64, self.base + last as i64))
    }

    pub(super) fn bytes(&self) -> u64 {
        let chunk = |spans: &ChunkSpans| 8 * spans.ends.len() + 2 * spans.ranks.len() + size_of::<Register>();
        self.chunks.iter().flatten().map(|spans| chunk(spans) as u64).sum()
    }
}

impl ChunkSpans {
    fn of(chunk: u32, base: i64, strips: &[Strip]) -> Option<ChunkSpans> {
        let mut ends = vec![(u32::MAX, 0); USERS];
        let mut users = Box::new(Register::new());
        for strip in strips {
            let Some(times) = &strip.times else { continue };
            for row in strip.users.range(chunk) {
                let place = strip.users.places[row];
                let after = (times.at(row) - base) as u32;
                let (first, last) = &mut ends[place as usize];
                (*first, *last) = ((*first).min(after), (*last).max(after));
                users.set(place);
            }
        }
        let ranks = users.words().iter().scan(0u32, |before, word| {
            let rank = *before as u16;
            *before += word.count_ones();
            Some(rank)
        });
        let ranks = ranks.collect();
        let ends: Vec<(u32, u32)> = users.iter().map(|place| ends[place as usize]).collect();
        (!ends.is_empty()).then_some(ChunkSpans { users, ranks, ends })
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
    use std::collections::BTreeMap;
    use std::sync::Arc as Shared;

    use arrow::array::{Int64Array, UInt32Array};
    use proptest::prelude::*;

    use super::super::strip::{Times, Users};
    use super::*;

    fn strip(rows: &[(u32, i64)]) -> Strip {
        let users: UInt32Array = rows.iter().map(|row| row.0).collect::<Vec<_>>().into();
        let times: Int64Array = rows.iter().map(|row| row.1).collect::<Vec<_>>().into();
        Strip { users: Shared::new(Users::of(&users)), times: Some(Shared::new(Times::of(&times))), columns: vec![] }
    }

    proptest! {
        #[test]
        fn spans_agree_with_looking_at_all_rows(events in prop::collection::vec(prop::collection::vec((0u32..150_000, -50i64..5_000), 1..40), 1..4)) {
            let mut expected: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
            let strips: Vec<Strip> = events.into_iter().map(|mut rows| {
                rows.sort_unstable();
                for (user, at) in &rows {
                    let ends = expected.entry(*user).or_insert((*at, *at));
                    *ends = (ends.0.min(*at), ends.1.max(*at));
                }
                strip(&rows)
            }).collect();
            let (first, last) = (Timestamp(-50), Timestamp(5_000));
            let spans = Spans::of(3, (first, last), &strips).unwrap();
            for user in expected.keys().copied().chain(0..200) {
                let found = spans.of_user(user / CHUNK_USERS, (user % CHUNK_USERS) as u16);
                prop_assert_eq!(found, expected.get(&user).copied());
                prop_assert_eq!(spans.holds(user / CHUNK_USERS, (user % CHUNK_USERS) as u16), found.is_some());
            }
            prop_assert!(Spans::of(3, (Timestamp(i64::MIN + 1), last), &strips).is_none());
        }
    }
}
