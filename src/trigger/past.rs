//! Which A's happened, in the order of event time?
//!
//! One log an event kind, shared by all rules on it, in parts of one minute (`part.rs`): 24 bytes a fact in memory,
//! a half to a third of that in a block. Rules read sealed parts only; a late fact takes its place in them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::base::UserNo;

use super::fact::Facts;
use super::kept::Kept;
use super::part::{Fact, Own, Part};
use super::{EventId, Texts};

/// No gap is shorter (`task::rule::GAP_MS`), so what a rule reads lies in parts that the watermark has passed.
pub(super) const PART_MS: i64 = 60_000;

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
    /// Grows with every snapshot that is begun: which parts have changed since then?
    pub turn: u64,
}

/// A fact that was kept.
#[derive(Clone, Copy)]
pub(super) struct Added {
    /// Its id is a code of the part's texts.
    pub fact: Fact,
    /// Its place in a sealed part.
    pub place: Option<usize>,
}

impl Default for Log {
    fn default() -> Log {
        Log::of(BTreeMap::new(), i64::MIN / PART_MS, i64::MIN)
    }
}

impl Log {
    pub fn of(parts: BTreeMap<i64, Part>, sealed_to: i64, decided_to: i64) -> Log {
        let count = parts.values().map(Part::len).sum();
        Log { parts, count, spare: Vec::new(), sealed_to, decided_to, turn: 0 }
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
        let part = self.open(number);
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
        let more = part.facts.len() - before;
        self.count += more;
    }

    /// Keeps a fact; its id is a code in `texts`. None if a sealed part had it already.
    pub fn add(&mut self, at: i64, mut fact: Fact, texts: &Texts) -> Option<Added> {
        let number = at.div_euclid(PART_MS);
        fact.offset = at.rem_euclid(PART_MS) as u32;
        if self.is_kept(number, &fact, texts) {
            return None;
        }
        let part = self.open(number);
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
            part.own().same.insert((fact.offset, fact.user, fact.id, column), value);
        }
    }

    /// Seals all parts that end at or before `watermark`; the number of duplicates.
    pub fn seal(&mut self, watermark: i64) -> u64 {
        let to = watermark.div_euclid(PART_MS);
        if to <= self.sealed_to {
            return 0;
        }
        let due = self.parts.range_mut(self.sealed_to.min(to)..to).filter(|(_, part)| !part.is_sealed());
        let dropped: usize = due.map(|(_, part)| part.own().seal(&mut self.spare)).sum();
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
            self.count -= entry.remove().len();
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
        self.part(at)?.place_of(at.rem_euclid(PART_MS) as u32, user, id)
    }

    /// From now on the facts of a minute lie in a block that was written of them; not if they have changed since
    /// the turn began.
    pub fn lay_down(&mut self, number: i64, kept: Kept, turn: u64) {
        if let Some(part) = self.parts.get_mut(&number).filter(|part| part.is_as_before(turn)) {
            *part = Part::in_block(kept);
        }
    }

    /// Puts back a minute that lies in a block; none if there is one already.
    pub fn put_back(&mut self, number: i64, kept: Kept) -> Option<()> {
        let Entry::Vacant(place) = self.parts.entry(number) else { return None };
        self.count += kept.count as usize;
        place.insert(Part::in_block(kept));
        Some(())
    }

    /// Does a block have the fact already? Then it need not be taken into memory.
    fn is_kept(&self, number: i64, fact: &Fact, texts: &Texts) -> bool {
        let part = self.parts.get(&number).filter(|part| part.kept().is_some());
        part.is_some_and(|part| part.place_of(fact.offset, fact.user, &fact.id.whole(texts)).is_some())
    }

    /// The part of a minute, to be changed; made where there is none.
    fn open(&mut self, number: i64) -> &mut Own {
        let part = match self.parts.entry(number) {
            Entry::Occupied(part) => part.into_mut(),
            Entry::Vacant(place) => {
                let is_sealed = number < self.sealed_to;
                let facts = if is_sealed { Vec::new() } else { self.spare.pop().unwrap_or_default() };
                place.insert(Part::of(Own { facts, is_sealed, ..Own::default() }))
            }
        };
        let own = part.own();
        own.changed = self.turn;
        own
    }
}
