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
    /// The bits that rules want of each event kind, and whether its facts may do more than lie somewhere.
    kinds: Vec<(u64, bool)>,
    /// Rows that some rule wants.
    wanted: Vec<u32>,
    /// Rows that have to lie somewhere only, as they came and by kind.
    plain: Vec<u32>,
    by_kind: Vec<u32>,
    places: Vec<usize>,
}

/// The event times for which a fact of a batch may be plain.
#[derive(Clone, Copy)]
struct Bounds {
    watermark: i64,
    now: i64,
    /// Nothing is plain: one user is looked at, or facts that were clamped may come again.
    is_none: bool,
}

impl Shard {
    /// The rows of a batch whose users belong to shard `own` of `count`, in their order.
    pub fn facts(&mut self, facts: &Facts, own: usize, count: usize, out: &mut Keyed) {
        let mut room = std::mem::take(&mut self.room);
        let interests = std::mem::take(&mut self.interests);
        room.want(&interests, facts);
        if count > 1 {
            room.wanted.retain(|row| facts.users[*row as usize] as usize % count == own);
        }
        let wanted = std::mem::take(&mut room.wanted);
        let mut bounds = self.bounds();
        for row in wanted.iter().map(|row| *row as usize) {
            let event = facts.events[row] as usize;
            if !room.kinds[event].1 && bounds.hold(facts, row) {
                room.plain.push(row as u32);
            } else {
                self.take_plain(&interests, facts, &mut room);
                self.fact(&interests[event], event, facts, row, out);
                bounds = self.bounds();
            }
        }
        self.take_plain(&interests, facts, &mut room);
        room.wanted = wanted;
        self.interests = interests;
        self.room = room;
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            watermark: self.watermark.unwrap_or(i64::MIN),
            now: self.now,
            is_none: self.only.is_some() || !self.clamped.is_empty(),
        }
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
        room.deal(facts.events);
        let mut from = 0;
        for (event, to) in room.places.iter().enumerate() {
            if from < *to {
                self.take_kind(interests, event as EventNo, facts, &room.by_kind[from..*to]);
            }
            from = *to;
        }
        room.plain.clear();
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

impl Bounds {
    /// Is a fact neither behind the watermark nor too far ahead of its arrival?
    #[inline]
    fn hold(self, facts: &Facts, row: usize) -> bool {
        let (at, now) = (facts.times[row], facts.arrivals[row].max(self.now));
        !self.is_none & (at >= self.watermark) & (at <= now.saturating_add(AHEAD_MAX_MS))
    }
}

impl Room {
    /// Finds the rows that some rule wants, in their order.
    fn want(&mut self, interests: &[Interest], facts: &Facts) {
        let (kinds, wanted) = (&mut self.kinds, &mut self.wanted);
        kinds.clear();
        kinds.extend(interests.iter().map(|interest| (interest.any, interest.is_busy)));
        let rows = facts.rows();
        wanted.resize(rows, 0);
        let mut count = 0;
        for (row, (event, mask)) in facts.events[..rows].iter().zip(&facts.masks[..rows]).enumerate() {
            let any = kinds.get(*event as usize).map_or(0, |kind| kind.0);
            // Written always, kept if wanted: there is nothing to guess for the processor.
            wanted[count] = row as u32;
            count += usize::from(mask & any != 0);
        }
        wanted.truncate(count);
    }

    /// Deals the plain rows out by event kind, each kind's in their order; `places` are the ends then.
    fn deal(&mut self, events: &[EventNo]) {
        let Room { kinds, plain, by_kind, places, .. } = self;
        let kind = |row: &u32| events[*row as usize] as usize;
        places.clear();
        places.resize(kinds.len(), 0);
        plain.iter().for_each(|row| places[kind(row)] += 1);
        let mut sum = 0;
        for place in places.iter_mut() {
            sum += std::mem::replace(place, sum);
        }
        by_kind.resize(plain.len(), 0);
        for row in plain.iter() {
            let place = &mut places[kind(row)];
            by_kind[*place] = *row;
            *place += 1;
        }
    }
}
