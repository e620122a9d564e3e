//! Which A's happened, in the order of event time?
//!
//! One log an event kind, shared by all rules on it: 24 bytes a fact, in parts of one minute. A part grows in
//! the order of arrival until the watermark passes its end; then it is sealed: sorted by (time, user, event id),
//! with duplicates gone. Rules read sealed parts only; a late fact takes its place in them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hashbrown::HashMap;

use crate::base::UserNo;

use super::fact::Facts;
use super::sorting::sort_facts;
use super::{EventId, IdCode, Texts};

/// No gap is shorter (`task::rule::GAP_MS`), so what a rule reads lies in parts that the watermark has passed.
pub(super) const PART_MS: i64 = 60_000;

/// One A, without the minute that it lies in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fact {
    /// Milliseconds since its part began.
    pub offset: u32,
    pub user: UserNo,
    pub id: IdCode,
    pub mask: u64,
}

/// The facts of one minute.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub facts: Vec<Fact>,
    pub texts: Texts,
    pub is_sealed: bool,
    /// Correlation values, by place in the log's `same` list, of the facts that have one.
    pub same: HashMap<(u32, UserNo, IdCode, u8), u128>,
}

/// All facts of one event kind that some rule may read.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub parts: BTreeMap<i64, Part>,
    /// How many facts lie in all parts.
    pub count: usize,
    /// Room that sealed parts gave back, for the next ones.
    spare: Vec<Vec<Fact>>,
    /// Parts before this minute are sealed.
    pub sealed_to: i64,
    /// No rule has decided an A at or after this.
    pub decided_to: i64,
}

/// A fact that was kept.
#[derive(Clone, Copy)]
pub(super) struct Added {
    /// Its id is a code of the part's texts.
    pub fact: Fact,
    /// Its place in a sealed part.
    pub place: Option<usize>,
}

impl Fact {
    /// The event time, in a part.
    pub fn at(&self, part: i64) -> i64 {
        part * PART_MS + self.offset as i64
    }
}

impl Part {
    fn order(&self, a: &Fact, b: &Fact) -> Ordering {
        (a.offset, a.user).cmp(&(b.offset, b.user)).then_with(|| a.id.order(b.id, &self.texts))
    }

    /// Sorts, drops duplicates; the number of duplicates. `spare` lends room and gets what is left over.
    fn seal(&mut self, spare: &mut Vec<Vec<Fact>>) -> usize {
        let mut facts = std::mem::take(&mut self.facts);
        let mut room = spare.pop().unwrap_or_default();
        sort_facts(&mut facts, &mut room, &self.texts);
        let before = facts.len();
        facts.dedup_by(|b, a| (a.offset, a.user, a.id) == (b.offset, b.user, b.id));
        let dropped = before - facts.len();
        self.is_sealed = true;
        keep_room(spare, room);
        if facts.capacity() > ROOM_MAX {
            facts.shrink_to_fit();
            self.facts = facts;
        } else {
            self.facts = facts.as_slice().to_vec();
            keep_room(spare, facts);
        }
        dropped
    }

    /// The first offset in `[from, to)` of a fact with a bit of `mask`. A search that grows long ends early, with
    /// an offset before which there is none.
    fn next(&self, from: u32, to: u32, mask: u64) -> Option<u32> {
        let is_ours = |fact: &&Fact| from <= fact.offset && fact.offset < to && fact.mask & mask != 0;
        if !self.is_sealed {
            let is_long = self.facts.len() > SEARCHED_MAX;
            let least = || self.facts.iter().filter(is_ours).map(|fact| fact.offset).min();
            return if is_long { Some(from) } else { least() };
        }
        let first = self.facts.partition_point(|fact| fact.offset < from);
        let rest = self.facts.get(first..).unwrap_or_default();
        let beyond = rest.get(SEARCHED_MAX).map(|fact| fact.offset).filter(|offset| *offset < to);
        rest.iter().take(SEARCHED_MAX).find(is_ours).map(|fact| fact.offset).or(beyond)
    }

    /// Puts a late fact at its place, which it gives; none if it is there already.
    fn insert(&mut self, fact: Fact) -> Option<usize> {
        let place = self.facts.binary_search_by(|f| self.order(f, &fact)).err()?;
        self.facts.insert(place, fact);
        Some(place)
    }

    /// The facts of one user at one offset, in a sealed part.
    pub fn tied(&self, offset: u32, user: UserNo) -> &[Fact] {
        let from = self.facts.partition_point(|f| (f.offset, f.user) < (offset, user));
        let rest = self.facts.get(from..).unwrap_or_default();
        let count = rest.iter().take_while(|f| (f.offset, f.user) == (offset, user)).count();
        &rest[..count]
    }
}

impl Default for Log {
    fn default() -> Log {
        Log::of(BTreeMap::new(), i64::MIN / PART_MS, i64::MIN)
    }
}

impl Log {
    pub fn of(parts: BTreeMap<i64, Part>, sealed_to: i64, decided_to: i64) -> Log {
        let count = parts.values().map(|part| part.facts.len()).sum();
        Log { parts, count, spare: Vec::new(), sealed_to, decided_to }
    }

    /// Keeps rows of a batch that lie at or after the watermark: those with a bit of `mask`, in their order.
    pub fn add_all(&mut self, facts: &Facts, rows: &[u32], mask: u64) {
        let minute = |row: u32| facts.times[row as usize].div_euclid(PART_MS);
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let number = minute(*first);
            let count = rest.iter().take_while(|row| minute(**row) == number).count();
            let (run, others) = rest.split_at(count);
            self.add_run(number, facts, run, mask);
            rest = others;
        }
    }

    /// Rows of one minute.
    fn add_run(&mut self, number: i64, facts: &Facts, rows: &[u32], mask: u64) {
        let part = open(&mut self.parts, &mut self.spare, number, self.sealed_to);
        let before = part.facts.len();
        let start = number * PART_MS;
        for row in rows.iter().map(|row| *row as usize) {
            if facts.masks[row] & mask == 0 {
                continue;
            }
            let mut id = facts.ids[row];
            if id.is_text() {
                id = id.moved(facts.texts, &mut part.texts);
            }
            let offset = (facts.times[row] - start) as u32;
            part.facts.push(Fact { offset, user: facts.users[row], id, mask: facts.masks[row] });
        }
        self.count += part.facts.len() - before;
    }

    /// Keeps a fact; its id is a code in `texts`. None if a sealed part had it already.
    pub fn add(&mut self, at: i64, mut fact: Fact, texts: &Texts) -> Option<Added> {
        let number = at.div_euclid(PART_MS);
        let part = open(&mut self.parts, &mut self.spare, number, self.sealed_to);
        fact.offset = at.rem_euclid(PART_MS) as u32;
        if fact.id.is_text() {
            fact.id = fact.id.moved(texts, &mut part.texts);
        }
        if part.is_sealed {
            let place = part.insert(fact)?;
            self.count += 1;
            return Some(Added { fact, place: Some(place) });
        }
        part.facts.push(fact);
        self.count += 1;
        Some(Added { fact, place: None })
    }

    /// Keeps a correlation value of a fact that was added.
    pub fn keep_same(&mut self, at: i64, fact: &Fact, column: u8, value: u128) {
        if let Some(part) = self.parts.get_mut(&at.div_euclid(PART_MS)) {
            part.same.insert((fact.offset, fact.user, fact.id, column), value);
        }
    }

    /// Seals all parts that end at or before `watermark`; the number of duplicates.
    pub fn seal(&mut self, watermark: i64) -> u64 {
        let to = watermark.div_euclid(PART_MS);
        if to <= self.sealed_to {
            return 0;
        }
        let due = self.parts.range_mut(self.sealed_to.min(to)..to).filter(|(_, part)| !part.is_sealed);
        let dropped: usize = due.map(|(_, part)| part.seal(&mut self.spare)).sum();
        self.sealed_to = to;
        self.count -= dropped;
        dropped as u64
    }

    /// Forgets all parts that end at or before `horizon`.
    pub fn forget(&mut self, horizon: i64) {
        while let Some(entry) = self.parts.first_entry() {
            if (entry.key() + 1) * PART_MS > horizon {
                break;
            }
            self.count -= entry.remove().facts.len();
        }
    }

    /// The first instant in `[from, to)` of a fact with a bit of `mask`, or one before it if that takes long to
    /// find; none if there is no such fact.
    pub fn next(&self, from: i64, to: i64, mask: u64) -> Option<i64> {
        let parts = self.parts.range(from.div_euclid(PART_MS)..);
        let mut near = parts.take_while(|(number, _)| **number * PART_MS < to);
        near.find_map(|(number, part)| {
            let start = number * PART_MS;
            let offset = |at: i64| (at - start).clamp(0, PART_MS) as u32;
            Some(start + part.next(offset(from), offset(to), mask)? as i64)
        })
    }

    /// The part that holds an instant.
    pub fn part(&self, at: i64) -> Option<&Part> {
        self.parts.get(&at.div_euclid(PART_MS))
    }

    /// The place of a fact in the part that holds `at`, which is sealed.
    pub fn place(&self, at: i64, user: UserNo, id: &EventId) -> Option<usize> {
        let part = self.part(at)?;
        let id = IdCode::find(id, &part.texts)?;
        let fact = Fact { offset: at.rem_euclid(PART_MS) as u32, user, id, mask: 0 };
        part.facts.binary_search_by(|other| part.order(other, &fact)).ok()
    }
}

/// The part of a minute, made where there is none.
fn open<'a>(
    parts: &'a mut BTreeMap<i64, Part>,
    spare: &mut Vec<Vec<Fact>>,
    number: i64,
    sealed_to: i64,
) -> &'a mut Part {
    match parts.entry(number) {
        Entry::Occupied(part) => part.into_mut(),
        Entry::Vacant(place) => {
            let is_sealed = number < sealed_to;
            let facts = if is_sealed { Vec::new() } else { spare.pop().unwrap_or_default() };
            place.insert(Part { facts, is_sealed, ..Part::default() })
        }
    }
}

/// So many facts of a part are looked at to find the next one of a rule.
const SEARCHED_MAX: usize = 4_096;

/// Facts for which a part's room is kept for the next part; a larger one goes back to the system.
const ROOM_MAX: usize = 65_536;
/// Parts whose room is kept.
const ROOMS_MAX: usize = 3;

fn keep_room(spare: &mut Vec<Vec<Fact>>, mut room: Vec<Fact>) {
    if spare.len() < ROOMS_MAX && room.capacity() > 0 && room.capacity() <= ROOM_MAX {
        room.clear();
        spare.push(room);
    }
}
