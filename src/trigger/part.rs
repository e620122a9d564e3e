//! Which A's happened in one minute? In memory while facts come, in a block of a file once it has come to rest.
//!
//! A minute grows in the order of arrival until the watermark passes its end; then it is sealed: sorted by (time,
//! user, event id), with duplicates gone. A sealed minute that a snapshot has written down lies in the block from
//! then on; a late fact takes it back into memory.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Range;

use hashbrown::HashMap;

use crate::base::UserNo;

use super::kept::Kept;
use super::past::PART_MS;
use super::sorting::sort_facts;
use super::{EventId, IdCode, Texts};

/// So many facts of a part are looked at to find the next one of a rule.
const SEARCHED_MAX: usize = 4_096;
/// Facts for which a part's room is kept for the next part; a larger one goes back to the system.
const ROOM_MAX: usize = 65_536;
/// Parts whose room is kept.
const ROOMS_MAX: usize = 3;

/// One A, without the minute that it lies in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fact {
    /// Milliseconds since its part began.
    pub offset: u32,
    pub user: UserNo,
    pub id: IdCode,
    pub mask: u64,
}

/// The facts of one minute in memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Own {
    pub facts: Vec<Fact>,
    pub texts: Texts,
    pub is_sealed: bool,
    /// Correlation values, by place in the log's `same` list, of the facts that have one.
    pub same: HashMap<(u32, UserNo, IdCode, u8), u128>,
    /// The log's turn at the last change; says nothing about the facts.
    pub changed: u64,
}

/// The facts of one minute.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// Empty where they lie in a block.
    own: Own,
    kept: Option<Box<Kept>>,
}

impl Fact {
    /// The event time, in a part.
    pub fn at(&self, part: i64) -> i64 {
        part * PART_MS + self.offset as i64
    }
}

impl Own {
    fn order(&self, a: &Fact, b: &Fact) -> Ordering {
        (a.offset, a.user).cmp(&(b.offset, b.user)).then_with(|| a.id.order(b.id, &self.texts))
    }

    /// Sorts, drops duplicates; the number of duplicates. `spare` lends room and gets what is left over.
    pub fn seal(&mut self, spare: &mut Vec<Vec<Fact>>) -> usize {
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

    /// Puts a late fact at its place, which it gives; none if it is there already.
    pub fn insert(&mut self, fact: Fact) -> Option<usize> {
        let place = self.facts.binary_search_by(|f| self.order(f, &fact)).err()?;
        self.facts.insert(place, fact);
        Some(place)
    }

    /// The places of the facts of one user at one offset, once it is sealed.
    pub fn tied(&self, offset: u32, user: UserNo) -> Range<usize> {
        let from = self.facts.partition_point(|fact| (fact.offset, fact.user) < (offset, user));
        let rest = self.facts.get(from..).unwrap_or_default();
        from..from + rest.iter().take_while(|fact| (fact.offset, fact.user) == (offset, user)).count()
    }

    /// The least offset in `[from, to)` of a fact with a bit of `mask`, not sorted yet; a search that grows long
    /// gives an offset before which there is none.
    fn least(&self, from: u32, to: u32, mask: u64) -> Option<u32> {
        let is_ours = |fact: &&Fact| from <= fact.offset && fact.offset < to && fact.mask & mask != 0;
        match self.facts.len() > SEARCHED_MAX {
            true => Some(from),
            false => self.facts.iter().filter(is_ours).map(|fact| fact.offset).min(),
        }
    }
}

impl Part {
    /// A part in memory.
    pub fn of(own: Own) -> Part {
        Part { own, kept: None }
    }

    /// A part in a block.
    pub fn in_block(kept: Kept) -> Part {
        Part { own: Own::default(), kept: Some(Box::new(kept)) }
    }

    /// The block that it lies in.
    pub fn kept(&self) -> Option<&Kept> {
        self.kept.as_deref()
    }

    pub fn is_sealed(&self) -> bool {
        self.kept.is_some() || self.own.is_sealed
    }

    /// Has it not changed since a turn of the log began?
    pub fn is_as_before(&self, turn: u64) -> bool {
        self.is_sealed() && self.kept.is_none() && self.own.changed < turn
    }

    pub fn len(&self) -> usize {
        match &self.kept {
            None => self.own.facts.len(),
            Some(kept) => kept.count as usize,
        }
    }

    #[inline]
    pub fn fact(&self, place: usize) -> Fact {
        match &self.kept {
            None => self.own.facts[place],
            Some(kept) => kept.fact(place),
        }
    }

    #[inline]
    pub fn offset(&self, place: usize) -> u32 {
        match &self.kept {
            None => self.own.facts[place].offset,
            Some(kept) => kept.offset(place),
        }
    }

    #[inline]
    pub fn user(&self, place: usize) -> UserNo {
        match &self.kept {
            None => self.own.facts[place].user,
            Some(kept) => kept.user(place),
        }
    }

    #[inline]
    pub fn mask(&self, place: usize) -> u64 {
        match &self.kept {
            None => self.own.facts[place].mask,
            Some(kept) => kept.mask(place),
        }
    }

    /// An id of this part on its own.
    #[inline]
    pub fn id(&self, code: IdCode) -> EventId {
        match &self.kept {
            None => code.whole(&self.own.texts),
            Some(kept) => kept.id(code),
        }
    }

    /// The value of the fact at a place in a column of correlation properties; 0: none.
    pub fn same(&self, place: usize, column: u8) -> u128 {
        match &self.kept {
            None => {
                let fact = &self.own.facts[place];
                self.own.same.get(&(fact.offset, fact.user, fact.id, column)).copied().unwrap_or(0)
            }
            Some(kept) => kept.same(place, column),
        }
    }

    /// The first place of a sealed part whose fact is not before an offset.
    pub fn place_from(&self, offset: u32) -> usize {
        self.partition_point(|place| self.offset(place) < offset)
    }

    /// The places of the facts of one user at one offset, in a sealed part.
    pub fn tied(&self, offset: u32, user: UserNo) -> Range<usize> {
        let key = |place: usize| (self.offset(place), self.user(place));
        let from = self.partition_point(|place| key(place) < (offset, user));
        from..from + (from..self.len()).take_while(|place| key(*place) == (offset, user)).count()
    }

    /// The place of a fact in a sealed part.
    pub fn place_of(&self, offset: u32, user: UserNo, id: &EventId) -> Option<usize> {
        self.tied(offset, user).find(|place| self.id(self.fact(*place).id) == *id)
    }

    /// The first offset in `[from, to)` of a fact with a bit of `mask`. A search that grows long ends early, with
    /// an offset before which there is none.
    pub fn next(&self, from: u32, to: u32, mask: u64) -> Option<u32> {
        if !self.is_sealed() {
            return self.own.least(from, to, mask);
        }
        let first = self.place_from(from);
        let near = first..self.len().min(first + SEARCHED_MAX);
        let found = near
            .clone()
            .take_while(|place| self.offset(*place) < to)
            .find(|place| self.mask(*place) & mask != 0);
        let beyond = || Some(near.end).filter(|end| *end < self.len());
        found.or_else(beyond).map(|place| self.offset(place)).filter(|offset| *offset < to)
    }

    /// The part in memory, where it may change.
    pub fn own(&mut self) -> &mut Own {
        if let Some(kept) = self.kept.take() {
            self.own = kept.to_own();
        }
        &mut self.own
    }

    /// As it lies in memory, for those who only look.
    pub fn to_own(&self) -> Cow<'_, Own> {
        match &self.kept {
            None => Cow::Borrowed(&self.own),
            Some(kept) => Cow::Owned(kept.to_own()),
        }
    }

    fn partition_point(&self, is_before: impl Fn(usize) -> bool) -> usize {
        let (mut from, mut until) = (0, self.len());
        while from < until {
            let middle = (from + until) / 2;
            if is_before(middle) { from = middle + 1 } else { until = middle }
        }
        from
    }
}

fn keep_room(spare: &mut Vec<Vec<Fact>>, mut room: Vec<Fact>) {
    if spare.len() < ROOMS_MAX && room.capacity() > 0 && room.capacity() <= ROOM_MAX {
        room.clear();
        spare.push(room);
    }
}
