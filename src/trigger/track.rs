//! When did this user last do B, as of an instant?
//!
//! B's wait in ticks until the watermark passes them; then they are folded, in the order of time, into one
//! number a user: the last B. Each folded B remembers the one before it, so that the question can also be
//! asked for an instant a little back: walk from the last B to the one before until the instant is reached.
//! Folded B's are kept only as long as such an instant can be asked for.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::fact::Facts;
use super::pages::Pages;
use super::sorting::sort_bs;

/// B's are folded in steps of at most this many milliseconds.
pub(super) const TICK_MS: i64 = 4_096;
/// Times in the arrays count from an epoch, which moves before they outgrow 32 bits (49 days) and always
/// leaves room for the longest gap and grace behind the watermark.
const EPOCH_AHEAD_MS: i64 = 47 * 86_400_000;
const EPOCH_BEHIND_MS: i64 = 42 * 86_400_000;

/// Who does B: a user, or a user with a correlation value.
pub(super) trait Key: Copy + Ord + std::hash::Hash {
    type Last: Last<Self>;
}

/// The last B of every key, as milliseconds since the epoch; 0 is never.
pub(super) trait Last<K>: Default + Clone {
    fn get(&self, key: K) -> u32;
    fn set(&mut self, key: K, value: u32) {
        self.replace(key, value);
    }
    /// Sets the value, gives the one before.
    fn replace(&mut self, key: K, value: u32) -> u32;
    /// Moves the epoch; what lies before it is forgotten.
    fn shift(&mut self, by: u32);
}

impl Key for u32 {
    type Last = Pages;
}

impl Key for u128 {
    type Last = HashMap<u128, u32>;
}

impl Last<u32> for Pages {
    fn get(&self, key: u32) -> u32 {
        Pages::get(self, key)
    }

    fn replace(&mut self, key: u32, value: u32) -> u32 {
        std::mem::replace(self.at(key), value)
    }

    fn shift(&mut self, by: u32) {
        self.each(|value| *value = value.saturating_sub(by));
    }
}

impl Last<u128> for HashMap<u128, u32> {
    fn get(&self, key: u128) -> u32 {
        HashMap::get(self, &key).copied().unwrap_or(0)
    }

    fn replace(&mut self, key: u128, value: u32) -> u32 {
        self.insert(key, value).unwrap_or(0)
    }

    fn shift(&mut self, by: u32) {
        self.retain(|_, value| {
            *value = value.saturating_sub(by);
            *value != 0
        });
    }
}

/// A B that is folded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Folded<K> {
    /// Milliseconds since the tick began.
    pub offset: u32,
    /// The key's B before this one, since the epoch; 0 is none that is known.
    pub before: u32,
    pub key: K,
}

/// All B's of one predicate.
#[derive(Debug, Clone)]
pub(super) struct Track<K: Key> {
    pub last: K::Last,
    /// Of the values in `last` and `before`; none until something was folded.
    pub epoch: Option<i64>,
    /// Ticks with their folded B's, sorted by (offset, key).
    pub folded: BTreeMap<i64, Vec<Folded<K>>>,
    /// Ticks with B's at or after the watermark, in the order of arrival.
    pub open: BTreeMap<i64, Vec<(u32, K)>>,
    /// Everything before this is folded.
    pub to: i64,
    /// Times of open B's by key, where somebody asks about the time ahead of the watermark.
    pub ahead: Option<HashMap<K, Vec<i64>>>,
    /// Room for sorting.
    pub room: Vec<(u32, K)>,
}

impl<K: Key> Default for Track<K> {
    fn default() -> Track<K> {
        Track {
            last: K::Last::default(),
            epoch: None,
            folded: BTreeMap::new(),
            open: BTreeMap::new(),
            to: i64::MIN,
            ahead: None,
            room: Vec::new(),
        }
    }
}

impl Track<u32> {
    /// B's came that lie at or after the watermark: those rows of a batch that have a bit of `mask`.
    pub fn add_all(&mut self, facts: &Facts, rows: &[u32], mask: u64) {
        let tick = |row: u32| split(facts.times[row as usize]).0;
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let number = tick(*first);
            let count = rest.iter().take_while(|row| tick(**row) == number).count();
            let (run, others) = rest.split_at(count);
            let open = self.open.entry(number).or_default();
            let ours = run.iter().map(|row| *row as usize).filter(|row| facts.masks[*row] & mask != 0);
            open.extend(ours.clone().map(|row| (split(facts.times[row]).1, facts.users[row])));
            if open.is_empty() {
                self.open.remove(&number);
            }
            if let Some(ahead) = &mut self.ahead {
                ours.for_each(|row| ahead.entry(facts.users[row]).or_default().push(facts.times[row]));
            }
            rest = others;
        }
    }

    /// The last B that is folded of each of `users`, of all times; never: long ago.
    pub fn newest_of(&self, users: impl Iterator<Item = u32>, found: &mut Vec<i64>) {
        let epoch = self.epoch.unwrap_or(0);
        let instant = |value: u32| if value == 0 { i64::MIN } else { epoch + value as i64 };
        found.extend(users.map(|user| instant(self.last.get(user))));
    }
}

impl<K: Key> Track<K> {
    /// A B came.
    pub fn add(&mut self, key: K, at: i64) {
        if at < self.to {
            self.add_late(key, at);
            return;
        }
        let (tick, offset) = split(at);
        self.open.entry(tick).or_default().push((offset, key));
        if let Some(ahead) = &mut self.ahead {
            ahead.entry(key).or_default().push(at);
        }
    }

    /// From now on the time ahead of the watermark is asked about too.
    pub fn look_ahead(&mut self) {
        if self.ahead.is_some() {
            return;
        }
        let mut ahead: HashMap<K, Vec<i64>> = HashMap::new();
        for (tick, all) in &self.open {
            for (offset, key) in all {
                ahead.entry(*key).or_default().push(tick * TICK_MS + *offset as i64);
            }
        }
        self.ahead = Some(ahead);
    }

    /// The start of the first tick that waits to be folded.
    pub fn next_tick(&self) -> Option<i64> {
        self.open.keys().next().map(|tick| tick * TICK_MS)
    }

    /// Folds every B before `to`.
    pub fn fold(&mut self, to: i64) {
        while let Some(entry) = self.open.first_entry() {
            let tick = *entry.key();
            if tick * TICK_MS >= to {
                break;
            }
            let mut due = entry.remove();
            let later = split_off(&mut due, (to - tick * TICK_MS).min(TICK_MS) as u32);
            self.fold_tick(tick, due);
            if !later.is_empty() {
                self.open.insert(tick, later);
                break;
            }
        }
        self.to = self.to.max(to);
    }

    /// Forgets folded B's before `horizon`: nobody asks about an instant before it any more.
    pub fn forget(&mut self, horizon: i64) {
        while let Some(entry) = self.folded.first_entry() {
            if (entry.key() + 1) * TICK_MS > horizon {
                break;
            }
            entry.remove();
        }
    }

    /// The key's last B at or before `at` among those that are folded; `at` is not before the horizon.
    pub fn last_until(&self, key: K, at: i64) -> Option<i64> {
        let mut found = self.instant(self.last.get(key))?;
        while found > at {
            found = self.instant(self.find(key, found)?.before)?;
        }
        Some(found)
    }

    /// Did the key do B in `(after, until]`, as far as is known, ahead of the watermark too?
    pub fn any_within(&self, key: K, after: i64, until: i64) -> bool {
        self.last_until(key, until).is_some_and(|at| at > after)
            || self
                .ahead
                .as_ref()
                .and_then(|ahead| ahead.get(&key))
                .is_some_and(|times| times.iter().any(|at| *at > after && *at <= until))
    }

    fn fold_tick(&mut self, tick: i64, mut due: Vec<(u32, K)>) {
        self.move_epoch(tick * TICK_MS);
        sort_bs(&mut due, &mut self.room);
        due.dedup();
        let start = self.since_epoch(tick * TICK_MS);
        let folded = self.folded.entry(tick).or_default();
        folded.reserve(due.len());
        let last = &mut self.last;
        folded.extend(due.iter().map(|(offset, key)| Folded {
            offset: *offset,
            before: last.replace(*key, start + offset),
            key: *key,
        }));
        if let Some(ahead) = &mut self.ahead {
            due.iter().for_each(|(offset, key)| drop_one(ahead, *key, tick * TICK_MS + *offset as i64));
        }
    }

    /// A B before the watermark: it takes its place between its neighbours.
    fn add_late(&mut self, key: K, at: i64) {
        self.move_epoch(at);
        let value = self.since_epoch(at);
        let last = self.last.get(key);
        if value > last {
            self.last.set(key, value);
            self.insert(key, at, last);
            return;
        }
        let mut next = last;
        while let Some(found) = self.instant(next).filter(|found| *found > at) {
            let Some(entry) = self.find_mut(key, found) else { return };
            if entry.before < value {
                let before = std::mem::replace(&mut entry.before, value);
                self.insert(key, at, before);
                return;
            }
            next = entry.before;
        }
    }

    fn insert(&mut self, key: K, at: i64, before: u32) {
        let (tick, offset) = split(at);
        let all = self.folded.entry(tick).or_default();
        let place = all.partition_point(|f| (f.offset, f.key) < (offset, key));
        all.insert(place, Folded { offset, before, key });
    }

    fn find(&self, key: K, at: i64) -> Option<&Folded<K>> {
        let (tick, offset) = split(at);
        let all = self.folded.get(&tick)?;
        let place = all.binary_search_by(|f| (f.offset, f.key).cmp(&(offset, key))).ok()?;
        all.get(place)
    }

    fn find_mut(&mut self, key: K, at: i64) -> Option<&mut Folded<K>> {
        let (tick, offset) = split(at);
        let all = self.folded.get_mut(&tick)?;
        let place = all.binary_search_by(|f| (f.offset, f.key).cmp(&(offset, key))).ok()?;
        all.get_mut(place)
    }

    fn instant(&self, value: u32) -> Option<i64> {
        if value == 0 { None } else { Some(self.epoch? + value as i64) }
    }

    /// An instant long before the epoch is never.
    fn since_epoch(&self, at: i64) -> u32 {
        at.saturating_sub(self.epoch.unwrap_or(at)).clamp(0, u32::MAX as i64) as u32
    }

    /// Makes room for `at`.
    fn move_epoch(&mut self, at: i64) {
        let epoch = *self.epoch.get_or_insert(at - EPOCH_BEHIND_MS);
        if at - epoch < EPOCH_AHEAD_MS {
            return;
        }
        let moved = at - EPOCH_BEHIND_MS;
        let by = (moved - epoch).min(u32::MAX as i64) as u32;
        self.last.shift(by);
        for entry in self.folded.values_mut().flatten() {
            entry.before = entry.before.saturating_sub(by);
        }
        self.epoch = Some(moved);
    }
}

/// The tick of an instant, and the milliseconds since it began.
fn split(at: i64) -> (i64, u32) {
    (at.div_euclid(TICK_MS), at.rem_euclid(TICK_MS) as u32)
}

/// Takes what lies at `offset` or later.
fn split_off<K: Key>(due: &mut Vec<(u32, K)>, offset: u32) -> Vec<(u32, K)> {
    if offset as i64 == TICK_MS {
        return Vec::new();
    }
    let (now, later) = due.drain(..).partition(|(at, _)| *at < offset);
    *due = now;
    later
}

fn drop_one<K: Key>(ahead: &mut HashMap<K, Vec<i64>>, key: K, at: i64) {
    let Some(times) = ahead.get_mut(&key) else { return };
    times.retain(|time| *time != at);
    if times.is_empty() {
        ahead.remove(&key);
    }
}
