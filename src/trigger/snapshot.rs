//! How is the whole state written down, and read back?
//!
//! A snapshot is a version number and every field; what follows from the others (what rules want of each event
//! kind, who waits by user) is made again. Equal states have equal bytes, so their hash is the digest by
//! which a replay is checked. Damage is the business of whoever stores the bytes; bytes that are no snapshot
//! are refused.

use std::sync::Arc;

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128;

use crate::base::{Day, Timestamp, UserNo, Zone};
use crate::task::rule::{Absence, Again, AudienceAt, Count, LateB, OnEnd, Per, Reach, Rule, WhenPast};

use super::batch::Room;
use super::book::{Book, Counts};
use super::decision::Occurrence;
use super::fact::{Predicate, Version};
use super::interest::Interest;
use super::keep::{Bytes, Keep, keep_fields, keep_words};
use super::newest::Newest;
use super::outs::Outs;
use super::pages::Pages;
use super::part::{Fact, Own, Part};
use super::past::Log;
use super::seen::{Minute, Seen};
use super::shard::{Oddities, Shard};
use super::task::{Live, Queued, Task};
use super::together::Asking;
use super::track::{Folded, Key, Track};
use super::tracks::{TrackNo, Tracks};
use super::waiting::{Due, Touch, Waiting};
use super::{EventId, IdCode, State, Texts};

/// Changes with the form of the bytes.
const FORM: u32 = 3;
/// The form before: the same bytes, all minutes among them.
const FORM_BEFORE: u32 = 2;

impl State {
    /// The whole state as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = Vec::new();
        FORM.put(&mut out);
        self.now.put(&mut out);
        self.watermark.put(&mut out);
        self.sources.put(&mut out);
        self.shards.put(&mut out);
        out
    }

    /// The state that [`State::snapshot`] wrote; none if the bytes are of another form, or not whole.
    pub fn restore(bytes: &[u8]) -> Option<State> {
        let from = &mut Bytes(bytes);
        if ![FORM, FORM_BEFORE].contains(&u32::take(from)?) {
            return None;
        }
        let state = State {
            now: Keep::take(from)?,
            watermark: Keep::take(from)?,
            sources: Keep::take(from)?,
            shards: Keep::take(from)?,
        };
        (from.0.is_empty() && !state.shards.is_empty()).then_some(state)
    }

    /// Equal states have equal digests, however they were reached.
    pub fn digest(&self) -> u128 {
        xxh3_128(&self.snapshot())
    }
}

impl Keep for Shard {
    fn put(&self, out: &mut Vec<u8>) {
        self.tasks.put(out);
        self.logs.put(out);
        self.tracks.put(out);
        self.waiting.put(out);
        self.seen.put(out);
        self.clamped.put(out);
        self.newest.put(out);
        self.oddities.put(out);
        self.watermark.put(out);
        self.now.put(out);
        self.is_tracing.put(out);
        self.only.put(out);
    }

    fn take(from: &mut Bytes) -> Option<Shard> {
        let tasks: Vec<Task> = Keep::take(from)?;
        let shard = Shard {
            interests: Interest::all(&tasks),
            outs: Vec::new(),
            room: Room::default(),
            asking: Asking::default(),
            tasks,
            logs: Keep::take(from)?,
            tracks: Keep::take(from)?,
            waiting: Keep::take(from)?,
            seen: Keep::take(from)?,
            clamped: Keep::take(from)?,
            newest: Keep::take(from)?,
            oddities: Keep::take(from)?,
            watermark: Keep::take(from)?,
            now: Keep::take(from)?,
            is_tracing: Keep::take(from)?,
            only: Keep::take(from)?,
        };
        shard.is_whole().then_some(shard)
    }
}

impl Shard {
    /// Does every number that names a place name one that is there?
    fn is_whole(&self) -> bool {
        let wanted = self.interests.len();
        let has_track = |live: &Live| match live.track {
            Some(TrackNo::Plain(n)) => n < self.tracks.plain.len(),
            Some(TrackNo::Keyed(n)) => n < self.tracks.keyed.len(),
            None => live.is_done || live.spec.absent().is_none(),
        };
        self.logs.len() >= wanted
            && self.newest.len() >= wanted
            && self.tasks.iter().flat_map(|task| &task.versions).all(has_track)
    }
}

keep_fields!(Oddities { clamped, duplicates, late });

keep_fields!(Own { facts, texts, is_sealed, same } changed: 0);
keep_fields!(Tracks { plain, keyed });
keep_fields!(Seen { minutes });
keep_fields!(Minute { facts, texts });
keep_fields!(Due { reach, task, user, occurrence });
keep_fields!(Touch { slot, base, same, is_held });
keep_fields!(Queued { at, id, completed });
keep_fields!(Predicate { event, bit });
keep_fields!(Task {
    no,
    versions,
    is_stopped,
    paused_since,
    pauses,
    started,
    ended,
    audiences,
    whole,
    periods,
    periods_from,
    limits,
    book,
});
keep_fields!(Live { spec, from, to, cursor, track, is_done, last, reached, queue, outs });
keep_fields!(Version { version, rule, did, not_done, same, start, end, grace_ms, is_held_in_pause, zone });
keep_fields!(Rule {
    did,
    absence,
    from,
    to,
    count,
    count_history,
    reach,
    fires_max,
    gap_min_ms,
    audience_at,
    recheck,
    on_end,
});
keep_fields!(Absence { not_done, gap_ms, again, same, late_b });
keep_words!(Per { Whole = 0, Day = 1, Week = 2, Month = 3 });
keep_words!(Again { First = 0, Restart = 1, Each = 2 });
keep_words!(WhenPast { Skip = 0, Now = 1 });
keep_words!(AudienceAt { Fire = 0, A = 1 });
keep_words!(OnEnd { Drop = 0, Finish = 1 });
keep_words!(LateB { Cancel = 0, Send = 1 });

/// `Keep` by way of another value.
macro_rules! keep_as {
    ($name:ty, $as:ty, $put:expr, $take:expr) => {
        impl Keep for $name {
            fn put(&self, out: &mut Vec<u8>) {
                let put: fn(&$name) -> $as = $put;
                put(self).put(out);
            }
            fn take(from: &mut Bytes) -> Option<Self> {
                let take: fn($as) -> Option<$name> = $take;
                take(<$as>::take(from)?)
            }
        }
    };
}
keep_as!(Timestamp, i64, |at| at.0, |at| Some(Timestamp(at)));
keep_as!(Day, i32, |day| day.0, |day| Some(Day(day)));
keep_as!(IdCode, u64, |id| id.0, |id| Some(IdCode(id)));
keep_as!(Zone, Arc<str>, |zone| Arc::from(zone.name()), |name| Zone::named(&name));
keep_as!(String, Arc<str>, |text| Arc::from(text.as_str()), |text| Some(text.to_string()));
keep_as!(Texts, Vec<Arc<str>>, |texts| texts.all().to_vec(), |all| Some(Texts::of(all)));
keep_as!(Book, Vec<(Day, Counts)>, |book| book.days.clone(), |days| Some(Book::of(days)));
keep_as!(Outs, std::collections::BTreeMap<i64, Vec<u64>>, |outs| outs.words(), |all| Some(Outs::of(all)));
keep_as!(Newest, (HashMap<UserNo, i64>, i64), |newest| newest.kept(), |(all, from)| Some(Newest::of(
    all, from
)));
keep_as!(Arc<Version>, Version, |spec| (**spec).clone(), |spec| Some(Arc::new(spec)));

impl Keep for Counts {
    fn put(&self, out: &mut Vec<u8>) {
        self.clone().fields().into_iter().for_each(|count| count.put(out));
    }

    fn take(from: &mut Bytes) -> Option<Counts> {
        let mut counts = Counts::default();
        for count in counts.fields() {
            *count = Keep::take(from)?;
        }
        Some(counts)
    }
}

impl Keep for Pages {
    fn put(&self, out: &mut Vec<u8>) {
        self.written().count().put(out);
        for (place, values) in self.written() {
            place.put(out);
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
    }

    fn take(from: &mut Bytes) -> Option<Pages> {
        let mut pages = Pages::default();
        for _ in 0..usize::take(from)? {
            let place = u32::take(from)?;
            let (values, _) = from.split(4 * Pages::PAGE)?.as_chunks();
            pages.put_back(place, values.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())?;
        }
        Some(pages)
    }
}

/// Most of a large state: written and read in one piece.
impl Keep for Fact {
    fn put(&self, out: &mut Vec<u8>) {
        let [a, b, c, d] = self.offset.to_le_bytes();
        let [e, f, g, h] = self.user.to_le_bytes();
        out.extend_from_slice(&[a, b, c, d, e, f, g, h]);
        out.extend_from_slice(&self.id.0.to_le_bytes());
        out.extend_from_slice(&self.mask.to_le_bytes());
    }

    fn take(from: &mut Bytes) -> Option<Fact> {
        let bytes = from.split(24)?;
        let whole = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let both = whole(0)?;
        let (offset, user) = (both as u32, (both >> 32) as u32);
        Some(Fact { offset, user, id: IdCode(whole(8)?), mask: whole(16)? })
    }
}

/// As it lies in memory, wherever it lies.
impl Keep for Part {
    fn put(&self, out: &mut Vec<u8>) {
        self.to_own().put(out);
    }

    fn take(from: &mut Bytes) -> Option<Part> {
        Own::take(from).map(Part::of)
    }
}

impl Keep for Log {
    fn put(&self, out: &mut Vec<u8>) {
        self.parts.put(out);
        self.sealed_to.put(out);
        self.decided_to.put(out);
    }

    fn take(from: &mut Bytes) -> Option<Log> {
        Some(Log::of(Keep::take(from)?, Keep::take(from)?, Keep::take(from)?))
    }
}

impl<K: Key + Keep> Keep for Track<K>
where
    K::Last: Keep,
{
    fn put(&self, out: &mut Vec<u8>) {
        self.last.put(out);
        self.epoch.put(out);
        self.folded.put(out);
        self.open.put(out);
        self.to.put(out);
        self.ahead.is_some().put(out);
    }

    fn take(from: &mut Bytes) -> Option<Track<K>> {
        let mut track = Track {
            last: Keep::take(from)?,
            epoch: Keep::take(from)?,
            folded: Keep::take(from)?,
            open: Keep::take(from)?,
            to: Keep::take(from)?,
            ..Track::default()
        };
        if bool::take(from)? {
            track.look_ahead();
        }
        Some(track)
    }
}

impl<K: Keep> Keep for Folded<K> {
    fn put(&self, out: &mut Vec<u8>) {
        self.offset.put(out);
        self.before.put(out);
        self.key.put(out);
    }

    fn take(from: &mut Bytes) -> Option<Folded<K>> {
        Some(Folded { offset: Keep::take(from)?, before: Keep::take(from)?, key: Keep::take(from)? })
    }
}

impl Keep for Waiting {
    fn put(&self, out: &mut Vec<u8>) {
        self.touches.put(out);
        self.held.put(out);
    }

    fn take(from: &mut Bytes) -> Option<Waiting> {
        let mut waiting = Waiting::default();
        for _ in 0..2 {
            let all: std::collections::BTreeMap<Due, Touch> = Keep::take(from)?;
            all.into_iter().for_each(|(due, touch)| waiting.add(due, touch));
        }
        Some(waiting)
    }
}

impl Keep for TrackNo {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            TrackNo::Plain(n) => (0u8, *n).put(out),
            TrackNo::Keyed(n) => (1u8, *n).put(out),
        }
    }

    fn take(from: &mut Bytes) -> Option<TrackNo> {
        match <(u8, usize)>::take(from)? {
            (0, n) => Some(TrackNo::Plain(n)),
            (1, n) => Some(TrackNo::Keyed(n)),
            _ => None,
        }
    }
}

impl Keep for EventId {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            EventId::Number(number) => (0u8, *number).put(out),
            EventId::Text(text) => (1u8, text.clone()).put(out),
            EventId::Unnamed(place) => (2u8, *place).put(out),
        }
    }

    fn take(from: &mut Bytes) -> Option<EventId> {
        match u8::take(from)? {
            0 => Keep::take(from).map(EventId::Number),
            1 => Keep::take(from).map(EventId::Text),
            2 => Keep::take(from).map(EventId::Unnamed),
            _ => None,
        }
    }
}

impl Keep for Occurrence {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Occurrence::Nth { period, nth } => (0u8, *period, *nth).put(out),
            Occurrence::A { at, id } => (1u8, *at, id.clone()).put(out),
        }
    }

    fn take(from: &mut Bytes) -> Option<Occurrence> {
        match u8::take(from)? {
            0 => Some(Occurrence::Nth { period: Keep::take(from)?, nth: Keep::take(from)? }),
            1 => Some(Occurrence::A { at: Keep::take(from)?, id: Keep::take(from)? }),
            _ => None,
        }
    }
}

impl Keep for Count {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Count::Every(n) => (*n, None::<Per>).put(out),
            Count::Total { n, per } => (*n, Some(*per)).put(out),
        }
    }

    fn take(from: &mut Bytes) -> Option<Count> {
        let (n, per) = <(u32, Option<Per>)>::take(from)?;
        Some(per.map_or(Count::Every(n), |per| Count::Total { n, per }))
    }
}

impl Keep for Reach {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Reach::Delay(ms) => (0u8, *ms).put(out),
            Reach::At { second_of_day, plus_days } => (1u8, *second_of_day, *plus_days).put(out),
            Reach::On { instant, when_past } => (2u8, *instant, *when_past).put(out),
        }
    }

    fn take(from: &mut Bytes) -> Option<Reach> {
        match u8::take(from)? {
            0 => Keep::take(from).map(Reach::Delay),
            1 => Some(Reach::At { second_of_day: Keep::take(from)?, plus_days: Keep::take(from)? }),
            2 => Some(Reach::On { instant: Keep::take(from)?, when_past: Keep::take(from)? }),
            _ => None,
        }
    }
}
