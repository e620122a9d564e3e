//! Which A's happened, in the order of event time?
//!
//! One log an event kind, shared by all rules on it: 24 bytes a fact, in parts of one minute. A part grows in
//! the order of arrival until the watermark passes its end; then it is sealed: sorted by (time, user, event id),
//! with duplicates gone. Rules read sealed parts only; a late fact takes its place in them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::base::UserNo;

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
    /// Parts before this minute are sealed.
    pub sealed_to: i64,
    /// No rule has decided an A at or after this.
    pub decided_to: i64,
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

    /// Sorts, drops duplicates, gives memory back; the number of duplicates.
    fn seal(&mut self) -> u64 {
        let mut facts = std::mem::take(&mut self.facts);
        facts.sort_by(|a, b| self.order(a, b));
        let before = facts.len();
        facts.dedup_by(|b, a| (a.offset, a.user, a.id) == (b.offset, b.user, b.id));
        facts.shrink_to_fit();
        self.facts = facts;
        self.is_sealed = true;
        (before - self.facts.len()) as u64
    }

    /// Puts a late fact at its place; false if it is there already.
    fn insert(&mut self, fact: Fact) -> bool {
        let found = self.facts.binary_search_by(|f| self.order(f, &fact));
        match found {
            Ok(_) => false,
            Err(place) => {
                self.facts.insert(place, fact);
                true
            }
        }
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
        Log { parts: BTreeMap::new(), sealed_to: i64::MIN / PART_MS, decided_to: i64::MIN }
    }
}

impl Log {
    /// Keeps a fact; its id is a code in `texts`. Gives its place in the part's texts, and false if
    /// a sealed part had it already.
    pub fn add(&mut self, at: i64, mut fact: Fact, texts: &Texts) -> (Fact, bool) {
        let number = at.div_euclid(PART_MS);
        let part = self
            .parts
            .entry(number)
            .or_insert_with(|| Part { is_sealed: number < self.sealed_to, ..Part::default() });
        fact.offset = at.rem_euclid(PART_MS) as u32;
        if fact.id.is_text() {
            fact.id = fact.id.moved(texts, &mut part.texts);
        }
        if part.is_sealed {
            let is_new = part.insert(fact);
            return (fact, is_new);
        }
        part.facts.push(fact);
        (fact, true)
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
        let dropped = due.map(|(_, part)| part.seal()).sum();
        self.sealed_to = to;
        dropped
    }

    /// Forgets all parts that end at or before `horizon`.
    pub fn forget(&mut self, horizon: i64) {
        while let Some(entry) = self.parts.first_entry() {
            if (entry.key() + 1) * PART_MS > horizon {
                break;
            }
            entry.remove();
        }
    }

    /// The part that holds an instant.
    pub fn part(&self, at: i64) -> Option<&Part> {
        self.parts.get(&at.div_euclid(PART_MS))
    }

    /// The code of an id in the part that holds `at`.
    pub fn code(&self, at: i64, id: &EventId) -> Option<IdCode> {
        IdCode::find(id, &self.part(at)?.texts)
    }
}
