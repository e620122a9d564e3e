//! All B's that some rule asks about: one track a predicate, or a predicate and a correlation property.

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::base::UserNo;

use super::fact::Predicate;
use super::track::Track;

/// Where a rule's B's are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackNo {
    Plain(usize),
    /// By user and correlation value.
    Keyed(usize),
}

/// Who did B: the user, and the hash of the correlation value where the rule names a property (0: none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub user: UserNo,
    pub same: u128,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Tracks {
    pub plain: Vec<(Predicate, Track<u32>)>,
    pub keyed: Vec<((Predicate, u8), Track<u128>)>,
}

impl Tracks {
    /// The track of a predicate, made where there is none; `same` is the column of B's correlation values.
    pub fn open(&mut self, b: Predicate, same: Option<u8>, folded_to: i64) -> TrackNo {
        match same {
            None => TrackNo::Plain(place(&mut self.plain, b, |track| track.to = folded_to)),
            Some(same) => TrackNo::Keyed(place(&mut self.keyed, (b, same), |track| track.to = folded_to)),
        }
    }

    pub fn look_ahead(&mut self, track: TrackNo) {
        match track {
            TrackNo::Plain(n) => self.plain[n].1.look_ahead(),
            TrackNo::Keyed(n) => self.keyed[n].1.look_ahead(),
        }
    }

    /// A B came; one without the correlation value that is asked for cancels nothing.
    pub fn add(&mut self, track: TrackNo, who: Who, at: i64) {
        match track {
            TrackNo::Plain(n) => self.plain[n].1.add(who.user, at),
            TrackNo::Keyed(n) if who.same != 0 => self.keyed[n].1.add(who.key(), at),
            TrackNo::Keyed(_) => {}
        }
    }

    /// The last B at or before `at`.
    #[inline]
    pub fn last_until(&self, track: TrackNo, who: Who, at: i64) -> Option<i64> {
        match track {
            TrackNo::Plain(n) => self.plain[n].1.last_until(who.user, at),
            TrackNo::Keyed(_) if who.same == 0 => None,
            TrackNo::Keyed(n) => self.keyed[n].1.last_until(who.key(), at),
        }
    }

    /// Is a B known in `(after, until]`?
    pub fn any_within(&self, track: TrackNo, who: Who, after: i64, until: i64) -> bool {
        match track {
            TrackNo::Plain(n) => self.plain[n].1.any_within(who.user, after, until),
            TrackNo::Keyed(_) if who.same == 0 => false,
            TrackNo::Keyed(n) => self.keyed[n].1.any_within(who.key(), after, until),
        }
    }

    /// The start of the first tick that waits to be folded.
    pub fn next_tick(&self) -> Option<i64> {
        let plain = self.plain.iter().filter_map(|(_, track)| track.next_tick());
        plain.chain(self.keyed.iter().filter_map(|(_, track)| track.next_tick())).min()
    }

    pub fn fold(&mut self, to: i64) {
        self.plain.iter_mut().for_each(|(_, track)| track.fold(to));
        self.keyed.iter_mut().for_each(|(_, track)| track.fold(to));
    }

    pub fn forget(&mut self, horizon: i64) {
        self.plain.iter_mut().for_each(|(_, track)| track.forget(horizon));
        self.keyed.iter_mut().for_each(|(_, track)| track.forget(horizon));
    }
}

impl Who {
    fn key(self) -> u128 {
        xxh3_128_with_seed(&self.same.to_le_bytes(), self.user as u64)
    }
}

fn place<K: PartialEq, T: Default>(all: &mut Vec<(K, T)>, key: K, begin: impl FnOnce(&mut T)) -> usize {
    if let Some(found) = all.iter().position(|(known, _)| *known == key) {
        return found;
    }
    let mut new = T::default();
    begin(&mut new);
    all.push((key, new));
    all.len() - 1
}
