//! Which touches of a rule are out? One bit a fact of the log.
//!
//! A B that comes late asks this: it contradicts what has gone out already.

use std::collections::BTreeMap;

const WORD: usize = u64::BITS as usize;

/// Places of facts in one sealed part of the log, as bits.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Places {
    words: Vec<u64>,
}

/// Places in the log by part.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Outs {
    parts: BTreeMap<i64, Places>,
}

impl Outs {
    /// The places in a part, to add to.
    pub fn part(&mut self, number: i64) -> &mut Places {
        self.parts.entry(number).or_default()
    }

    /// Takes the places of a part out, to be put back.
    pub fn take(&mut self, number: i64) -> Places {
        self.parts.remove(&number).unwrap_or_default()
    }

    pub fn put(&mut self, number: i64, places: Places) {
        if !places.words.is_empty() {
            self.parts.insert(number, places);
        }
    }

    /// A late fact took `place` in a part: those behind it moved on by one.
    pub fn shift(&mut self, number: i64, place: usize) {
        if let Some(places) = self.parts.get_mut(&number) {
            places.shift(place);
        }
    }

    /// The parts between two, both in.
    pub fn between(&mut self, first: i64, last: i64) -> impl Iterator<Item = (i64, &mut Places)> {
        self.parts.range_mut(first..=last).map(|(number, places)| (*number, places))
    }

    /// Forgets the parts before `number`.
    pub fn forget(&mut self, number: i64) {
        self.parts = self.parts.split_off(&number);
    }

    /// The words of every part that has a bit, without empty ones at the end.
    pub fn words(&self) -> BTreeMap<i64, Vec<u64>> {
        let words = |places: &Places| {
            let count = places.words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
            places.words[..count].to_vec()
        };
        let parts = self.parts.iter().map(|(number, places)| (*number, words(places)));
        parts.filter(|(_, words)| !words.is_empty()).collect()
    }

    /// From what [`words`](Outs::words) gave.
    pub fn of(words: BTreeMap<i64, Vec<u64>>) -> Outs {
        Outs { parts: words.into_iter().map(|(number, words)| (number, Places { words })).collect() }
    }
}

impl Places {
    #[inline]
    pub fn set(&mut self, place: usize) {
        if place / WORD >= self.words.len() {
            self.words.resize(place / WORD + 1, 0);
        }
        self.words[place / WORD] |= 1 << (place % WORD);
    }

    pub fn clear(&mut self, place: usize) {
        if let Some(word) = self.words.get_mut(place / WORD) {
            *word &= !(1 << (place % WORD));
        }
    }

    /// All places, from the first.
    pub fn each(&self) -> impl Iterator<Item = usize> {
        let bits = |word: u64| (0..WORD).filter(move |bit| word >> bit & 1 == 1);
        let words = self.words.iter().enumerate().filter(|(_, word)| **word != 0);
        words.flat_map(move |(n, word)| bits(*word).map(move |bit| n * WORD + bit))
    }

    fn shift(&mut self, place: usize) {
        let first = place / WORD;
        let mut carry = 0;
        for (n, word) in self.words.iter_mut().enumerate().skip(first) {
            let kept = if n == first { *word & ((1 << (place % WORD)) - 1) } else { 0 };
            let moved = *word & !kept;
            *word = kept | moved << 1 | carry;
            carry = moved >> (WORD - 1);
        }
        if carry != 0 {
            self.words.push(carry);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    use super::*;

    proptest! {
        #[test]
        fn places_move_on_as_in_a_list_of_numbers(
            all in prop::collection::btree_set(0..200usize, 0..60),
            late in 0..210usize,
            cleared in 0..210usize,
        ) {
            let mut outs = Outs::default();
            all.iter().for_each(|place| outs.part(3).set(*place));
            outs.shift(3, late);
            outs.part(3).clear(cleared);
            let moved = all.iter().map(|place| if *place >= late { place + 1 } else { *place });
            let expected: BTreeSet<usize> = moved.filter(|place| *place != cleared).collect();
            prop_assert_eq!(outs.part(3).each().collect::<BTreeSet<_>>(), expected);
            prop_assert_eq!(Outs::of(outs.words()).words(), outs.words());
        }
    }
}
