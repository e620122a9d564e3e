//! Which facts of a batch need no look of their own?
//!
//! Most facts are wanted by no rule; most of the others only have to lie in a log or a track until the watermark
//! passes them. These are gathered and taken kind by kind; a fact that may do more (a late one, a completed
//! A, a B that touches wait for) waits until those before it are taken, and goes its way alone. So everything is
//! as if each had been taken in its turn.

use super::fact::{AHEAD_MAX_MS, EventNo, Facts};
use super::interest::Interest;
use super::shard::{Keyed, Shard};
use super::tracks::TrackNo;

/// Fewer rows are not worth dealing out by kind.
const DEALT_MIN: usize = 64;

/// Room for the numbers of rows.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    /// Rows that some rule wants.
    wanted: Vec<u32>,
    /// Rows that have to lie somewhere only, as they came and by kind.
    plain: Vec<u32>,
    by_kind: Vec<u32>,
    places: Vec<usize>,
}

impl Shard {
    /// The rows of a batch whose users belong to shard `own` of `count`, in their order.
    pub fn facts(&mut self, facts: &Facts, own: usize, count: usize, out: &mut Keyed) {
        let mut room = std::mem::take(&mut self.room);
        let interests = std::mem::take(&mut self.interests);
        want(&interests, facts, &mut room.wanted);
        if count > 1 {
            room.wanted.retain(|row| facts.users[*row as usize] as usize % count == own);
        }
        let wanted = std::mem::take(&mut room.wanted);
        for row in wanted.iter().map(|row| *row as usize) {
            let event = facts.events[row] as usize;
            if self.is_plain(&interests[event], facts, row) {
                room.plain.push(row as u32);
            } else {
                self.take_plain(&interests, facts, &mut room);
                self.fact(&interests[event], event, facts, row, out);
            }
        }
        self.take_plain(&interests, facts, &mut room);
        room.wanted = wanted;
        self.interests = interests;
        self.room = room;
    }

    /// Has the fact to lie somewhere only until the watermark passes it?
    #[inline]
    fn is_plain(&self, interest: &Interest, facts: &Facts, row: usize) -> bool {
        let at = facts.times[row];
        let now = facts.arrivals[row].max(self.now);
        let is_late = self.watermark.is_some_and(|watermark| at < watermark);
        let is_clamped = at > now.saturating_add(AHEAD_MAX_MS) || !self.clamped.is_empty();
        !(interest.is_busy || is_late || is_clamped || self.only.is_some())
    }

    /// Takes the rows that were gathered; facts of two kinds never go to one place.
    fn take_plain(&mut self, interests: &[Interest], facts: &Facts, room: &mut Room) {
        if room.plain.len() < DEALT_MIN {
            for row in room.plain.drain(..) {
                let event = facts.events[row as usize];
                self.take_kind(interests, event, facts, &[row]);
            }
            return;
        }
        deal(&room.plain, facts.events, interests.len(), &mut room.places, &mut room.by_kind);
        room.plain.clear();
        for rows in room.by_kind.chunk_by(|a, b| facts.events[*a as usize] == facts.events[*b as usize]) {
            let Some(first) = rows.first() else { continue };
            self.take_kind(interests, facts.events[*first as usize], facts, rows);
        }
    }

    /// Rows of one event kind go to its tracks and its log.
    fn take_kind(&mut self, interests: &[Interest], event: EventNo, facts: &Facts, rows: &[u32]) {
        let (interest, newest) = (&interests[event as usize], &mut self.newest[event as usize]);
        *newest = rows.iter().map(|row| facts.times[*row as usize]).fold(*newest, i64::max);
        for (mask, track, _) in &interest.tracks {
            if let TrackNo::Plain(n) = track {
                self.tracks.plain[*n].1.add_all(facts, rows, *mask);
            }
        }
        if interest.log != 0 {
            self.logs[event as usize].add_all(facts, rows, interest.log);
        }
    }
}

/// The rows that some rule wants, in their order.
fn want(interests: &[Interest], facts: &Facts, wanted: &mut Vec<u32>) {
    let rows = facts.rows();
    wanted.resize(rows.max(wanted.len()), 0);
    let mut count = 0;
    for (row, (event, mask)) in facts.events.iter().zip(facts.masks).enumerate().take(rows) {
        let any = interests.get(*event as usize).map_or(0, |interest| interest.any);
        // Written always, kept if wanted: there is nothing to guess for the processor.
        wanted[count] = row as u32;
        count += usize::from(mask & any != 0);
    }
    wanted.truncate(count);
}

/// Rows by event kind, each kind's in their order.
fn deal(rows: &[u32], events: &[EventNo], kinds: usize, places: &mut Vec<usize>, dealt: &mut Vec<u32>) {
    let kind = |row: &u32| events[*row as usize] as usize;
    places.clear();
    places.resize(kinds, 0);
    rows.iter().for_each(|row| places[kind(row)] += 1);
    let mut sum = 0;
    for place in places.iter_mut() {
        sum += std::mem::replace(place, sum);
    }
    dealt.clear();
    dealt.resize(rows.len(), 0);
    for row in rows {
        let place = &mut places[kind(row)];
        dealt[*place] = *row;
        *place += 1;
    }
}
