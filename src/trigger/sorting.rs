//! How do facts and B's come into the order of time without many comparisons?
//!
//! They arrive nearly in order and their times within a part are small numbers: they are dealt out by those
//! (radix), and only what happened in one millisecond is compared.

use super::Texts;
use super::part::Fact;

/// Shorter lists are sorted by comparing.
const DEALT_MIN: usize = 48;
const DIGIT_BITS: u32 = 8;
const DIGITS: usize = 1 << DIGIT_BITS;

/// Sorts the facts of one part by (time, user, event id); `room` is used for what lies between.
pub(super) fn sort_facts(facts: &mut [Fact], room: &mut Vec<Fact>, texts: &Texts) {
    by_offset(facts, room, |fact| fact.offset);
    for tied in facts.chunk_by_mut(|a, b| a.offset == b.offset).filter(|tied| tied.len() > 1) {
        tied.sort_unstable_by(|a, b| a.user.cmp(&b.user).then_with(|| a.id.order(b.id, texts)));
    }
}

/// Sorts the B's of one tick by (time, who).
pub(super) fn sort_bs<K: Copy + Ord>(bs: &mut [(u32, K)], room: &mut Vec<(u32, K)>) {
    by_offset(bs, room, |(offset, _)| *offset);
    for tied in bs.chunk_by_mut(|a, b| a.0 == b.0).filter(|tied| tied.len() > 1) {
        tied.sort_unstable_by_key(|(_, who)| *who);
    }
}

/// Offsets are below 2^16.
fn by_offset<T: Copy>(all: &mut [T], room: &mut Vec<T>, offset: impl Fn(&T) -> u32) {
    if all.is_sorted_by_key(&offset) {
        return;
    }
    if all.len() < DEALT_MIN {
        all.sort_unstable_by_key(offset);
        return;
    }
    room.clear();
    room.extend_from_slice(all);
    deal(all, room, &offset);
    deal(room, all, |one| offset(one) >> DIGIT_BITS);
}

/// Puts `from` into `to` (of the same length) by the lowest digit of `key`; equal digits stay in their order.
fn deal<T: Copy>(from: &[T], to: &mut [T], key: impl Fn(&T) -> u32) {
    let digit = |one: &T| key(one) as usize % DIGITS;
    let mut places = [0usize; DIGITS];
    from.iter().for_each(|one| places[digit(one)] += 1);
    let mut sum = 0;
    for place in &mut places {
        sum += std::mem::replace(place, sum);
    }
    for one in from {
        let place = &mut places[digit(one)];
        to[*place] = *one;
        *place += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::IdCode;
    use super::*;

    proptest! {
        #[test]
        fn dealt_facts_lie_as_sorted_ones(
            all in prop::collection::vec((0..60_000u32, 0..4u32, 0..3u64), 0..300),
            coarse in 1..20_000u32,
        ) {
            let fact = |(offset, user, id): (u32, u32, u64)| {
                Fact { offset: offset / coarse * coarse, user, id: IdCode::number(id), mask: 1 }
            };
            let mut facts: Vec<Fact> = all.into_iter().map(fact).collect();
            let mut expected = facts.clone();
            expected.sort_by_key(|fact| (fact.offset, fact.user, fact.id.0));
            sort_facts(&mut facts, &mut Vec::new(), &Texts::default());
            prop_assert_eq!(facts, expected);
        }

        #[test]
        fn dealt_bs_lie_as_sorted_ones(mut all in prop::collection::vec((0..4_096u32, 0..9u32), 0..300)) {
            let mut expected = all.clone();
            expected.sort();
            sort_bs(&mut all, &mut Vec::new());
            prop_assert_eq!(all, expected);
        }
    }
}
