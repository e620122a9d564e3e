//! How does a sealed minute lie in a file? As narrow columns that are read where they lie.
//!
//! A block is a head, then the columns of the facts in their order: milliseconds, users, ids, masks, each as
//! many bytes wide as its largest difference from its least value needs; then the correlation values, the ends
//! of the id texts and the texts. Where a column has one value only it takes no room at all. The sum of the bytes
//! is the business of whoever stores them; bytes that are no block are refused.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::UserNo;

use super::log::Block;
use super::part::{Fact, Own};
use super::{EventId, IdCode, Texts};

/// Numbers of facts, of texts, of correlation values; the widths; the least values.
const HEAD_BYTES: usize = 64;
const COLUMNS: usize = 5;
/// Place of the fact, column of the property, value.
const SAME_BYTES: usize = 21;
/// A narrow number is read as eight bytes, also the last one.
const SLACK_BYTES: usize = 8;

/// Numbers as differences from the least of them.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    least: u64,
    from: u32,
    /// Bytes of a number.
    width: u8,
}

/// A sealed minute as it lies in a block.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    bytes: Bytes,
    /// Where it lies; none if it is in memory only.
    pub block: Option<Block>,
    pub count: u32,
    text_count: u32,
    same_count: u32,
    offsets: Column,
    users: Column,
    ids: Column,
    masks: Column,
    text_ends: Column,
    same_from: u32,
    texts_from: u32,
}

impl Column {
    #[inline]
    fn get(&self, bytes: &[u8], place: usize) -> u64 {
        let from = self.from as usize + place * self.width as usize;
        let whole = bytes.get(from..).and_then(|rest| rest.first_chunk());
        let mask = u64::MAX.checked_shr(64 - 8 * u32::from(self.width)).unwrap_or(0);
        self.least.wrapping_add(whole.map_or(0, |bytes| u64::from_le_bytes(*bytes)) & mask)
    }

    /// Puts numbers behind `out`; least value and width.
    fn put(all: impl Iterator<Item = u64> + Clone, out: &mut Vec<u8>) -> (u64, u8) {
        let (least, most) = all.clone().fold((u64::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
        let least = least.min(most);
        let width = (64 - (most - least).leading_zeros()).div_ceil(8) as usize;
        all.for_each(|n| out.extend_from_slice(&(n - least).to_le_bytes()[..width]));
        (least, width as u8)
    }
}

impl Own {
    /// A sealed minute as a block.
    pub fn to_block(&self) -> Vec<u8> {
        let facts = &self.facts;
        let mut out = vec![0; HEAD_BYTES];
        let mut columns = vec![
            Column::put(facts.iter().map(|fact| u64::from(fact.offset)), &mut out),
            Column::put(facts.iter().map(|fact| u64::from(fact.user)), &mut out),
            Column::put(facts.iter().map(|fact| fact.id.0), &mut out),
            Column::put(facts.iter().map(|fact| fact.mask), &mut out),
        ];
        let same = self.same_by_place();
        for (place, column, value) in &same {
            out.extend_from_slice(&place.to_le_bytes());
            out.push(*column);
            out.extend_from_slice(&value.to_le_bytes());
        }
        let texts = self.texts.all();
        let ends = texts.iter().scan(0u64, |end, text| {
            *end += text.len() as u64;
            Some(*end)
        });
        columns.push(Column::put(ends, &mut out));
        texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        out.extend_from_slice(&[0; SLACK_BYTES]);
        write_head(&mut out, [facts.len(), texts.len(), same.len()], &columns);
        out
    }

    /// The correlation values by the place of the fact and the column of the property.
    fn same_by_place(&self) -> Vec<(u32, u8, u128)> {
        let mut all: Vec<(u32, u8, u128)> = Vec::with_capacity(self.same.len());
        for ((offset, user, id, column), value) in &self.same {
            let tied = self.tied(*offset, *user);
            let place = tied.into_iter().find(|place| self.facts[*place].id == *id);
            all.extend(place.map(|place| (place as u32, *column, *value)));
        }
        all.sort_unstable();
        all
    }
}

fn write_head(out: &mut [u8], counts: [usize; 3], columns: &[(u64, u8)]) {
    for (n, count) in counts.into_iter().enumerate() {
        out[4 * n..][..4].copy_from_slice(&(count as u32).to_le_bytes());
    }
    for (n, (least, width)) in columns.iter().enumerate() {
        out[12 + n] = *width;
        out[24 + 8 * n..][..8].copy_from_slice(&least.to_le_bytes());
    }
}

impl Kept {
    /// The minute of a block; none if the bytes are no block.
    pub fn of(bytes: Bytes, block: Option<Block>) -> Option<Kept> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let count = |n: usize| Some(u32::from_le_bytes(*head.get(4 * n..)?.first_chunk()?));
        let (facts, text_count, same_count) = (count(0)?, count(1)?, count(2)?);
        let mut from = HEAD_BYTES;
        let mut columns = [Column::default(); COLUMNS];
        let mut same_from = 0;
        for (n, column) in columns.iter_mut().enumerate() {
            let is_texts = n + 1 == COLUMNS;
            if is_texts {
                same_from = u32::try_from(from).ok()?;
                from = from.checked_add(same_count as usize * SAME_BYTES)?;
            }
            let width = *head.get(12 + n).filter(|width| **width <= 8)?;
            let least = u64::from_le_bytes(*head.get(24 + 8 * n..)?.first_chunk()?);
            *column = Column { least, from: u32::try_from(from).ok()?, width };
            from += if is_texts { text_count } else { facts } as usize * width as usize;
        }
        let [offsets, users, ids, masks, text_ends] = columns;
        let texts_from = u32::try_from(from).ok()?;
        let kept = Kept {
            bytes,
            block,
            count: facts,
            text_count,
            same_count,
            offsets,
            users,
            ids,
            masks,
            text_ends,
            same_from,
            texts_from,
        };
        kept.is_whole().then_some(kept)
    }

    /// Do the columns and texts fill the block, and are the texts texts?
    fn is_whole(&self) -> bool {
        let ends = (0..self.text_count as usize).map(|n| self.text_end(n));
        let length = self.text_end((self.text_count as usize).wrapping_sub(1));
        let is_full = self.texts_from as u64 + length + SLACK_BYTES as u64 == self.bytes.len() as u64;
        is_full
            && ends.is_sorted()
            && (0..self.text_count as usize).all(|n| std::str::from_utf8(self.text_bytes(n)).is_ok())
    }

    /// Where a text ends behind the beginning of the first one; 0 before the first.
    fn text_end(&self, n: usize) -> u64 {
        if n < self.text_count as usize { self.text_ends.get(&self.bytes, n) } else { 0 }
    }

    fn text_bytes(&self, n: usize) -> &[u8] {
        let from = self.texts_from as usize + self.text_end(n.wrapping_sub(1)) as usize;
        let until = self.texts_from as usize + self.text_end(n) as usize;
        self.bytes.get(from..until).unwrap_or_default()
    }

    fn text(&self, n: usize) -> Arc<str> {
        Arc::from(std::str::from_utf8(self.text_bytes(n)).unwrap_or_default())
    }

    #[inline]
    pub fn offset(&self, place: usize) -> u32 {
        self.offsets.get(&self.bytes, place) as u32
    }

    #[inline]
    pub fn user(&self, place: usize) -> UserNo {
        self.users.get(&self.bytes, place) as u32
    }

    #[inline]
    pub fn mask(&self, place: usize) -> u64 {
        self.masks.get(&self.bytes, place)
    }

    #[inline]
    pub fn fact(&self, place: usize) -> Fact {
        let id = IdCode(self.ids.get(&self.bytes, place));
        Fact { offset: self.offset(place), user: self.user(place), id, mask: self.mask(place) }
    }

    /// An id on its own.
    pub fn id(&self, code: IdCode) -> EventId {
        match code.text_place() {
            Some(place) => EventId::Text(self.text(place)),
            None => code.whole(&Texts::default()),
        }
    }

    /// The value of a fact in a column of correlation properties; 0: none.
    pub fn same(&self, place: usize, column: u8) -> u128 {
        let wanted = (place as u32, column);
        let (mut from, mut until) = (0, self.same_count as usize);
        while from < until {
            let middle = (from + until) / 2;
            let (key, value) = self.same_at(middle);
            match key.cmp(&wanted) {
                std::cmp::Ordering::Equal => return value,
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => until = middle,
            }
        }
        0
    }

    fn same_at(&self, n: usize) -> ((u32, u8), u128) {
        let from = self.same_from as usize + n * SAME_BYTES;
        let found = self.bytes.get(from..).and_then(|rest| rest.first_chunk::<SAME_BYTES>());
        let [a, b, c, d, column, value @ ..] = found.unwrap_or(&[0; SAME_BYTES]);
        ((u32::from_le_bytes([*a, *b, *c, *d]), *column), u128::from_le_bytes(*value))
    }

    /// The same minute in memory, where it may change.
    pub fn to_own(&self) -> Own {
        let facts: Vec<Fact> = (0..self.count as usize).map(|place| self.fact(place)).collect();
        let key = |place: u32, column: u8| {
            let fact = facts.get(place as usize)?;
            Some((fact.offset, fact.user, fact.id, column))
        };
        let same = (0..self.same_count as usize).map(|n| self.same_at(n));
        let same = same.filter_map(|((place, column), value)| Some((key(place, column)?, value))).collect();
        let texts = Texts::of((0..self.text_count as usize).map(|n| self.text(n)).collect());
        Own { facts, texts, is_sealed: true, same, changed: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::keep::Keep;
    use super::super::part::Part;
    use super::*;

    fn bytes(own: &Own) -> Vec<u8> {
        let mut out = Vec::new();
        own.put(&mut out);
        out
    }

    fn id() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => (0..30u64).prop_map(|n| n.to_string()),
            1 => any::<u64>().prop_map(|n| n.to_string()),
            2 => prop::sample::select(vec!["", "a", "订单-7", "0b"]).prop_map(str::to_string),
        ]
    }

    fn minutes() -> impl Strategy<Value = Own> {
        let user = prop_oneof![4 => 0..4u32, 1 => any::<u32>()];
        let fact = (0..60_000u32, user, id(), any::<u64>(), 0..3u128);
        (prop::collection::vec(fact, 0..60), 1..30_000u32).prop_map(|(facts, coarse)| {
            let mut own = Own::default();
            for (offset, user, id, mask, same) in facts {
                let id = IdCode::of(&id, &mut own.texts);
                let fact = Fact { offset: offset / coarse * coarse, user, id, mask };
                own.facts.push(fact);
                if same > 0 {
                    own.same.insert((fact.offset, user, id, same as u8), same << 90);
                }
            }
            own.seal(&mut Vec::new());
            own
        })
    }

    proptest! {
        #[test]
        fn a_minute_in_a_block_is_the_minute_in_memory(own in minutes(), probe in 0..60_000u32, bit in 0..64u32) {
            let kept = Kept::of(own.to_block().into(), None).unwrap();
            prop_assert_eq!(bytes(&kept.to_own()), bytes(&own));
            let (plain, laid) = (Part::of(own), Part::in_block(kept));
            prop_assert_eq!(laid.len(), plain.len());
            for place in 0..plain.len() {
                let fact = plain.fact(place);
                prop_assert_eq!(laid.fact(place), fact);
                prop_assert_eq!((laid.offset(place), laid.user(place), laid.mask(place)), (fact.offset, fact.user, fact.mask));
                prop_assert_eq!(laid.id(fact.id), plain.id(fact.id));
                prop_assert_eq!(laid.tied(fact.offset, fact.user), plain.tied(fact.offset, fact.user));
                prop_assert_eq!(laid.place_of(fact.offset, fact.user, &plain.id(fact.id)), Some(place));
                for column in 0..4 {
                    prop_assert_eq!(laid.same(place, column), plain.same(place, column));
                }
            }
            prop_assert_eq!(laid.place_from(probe), plain.place_from(probe));
            for to in [probe, probe + 1_000, 60_000] {
                prop_assert_eq!(laid.next(probe, to, 1 << bit), plain.next(probe, to, 1 << bit));
            }
        }

        #[test]
        fn bytes_that_are_no_block_never_panic(own in minutes(), cut in 0..2_000usize, flip in 0..2_000usize) {
            let mut block = own.to_block();
            prop_assert!(Kept::of(block[..cut.min(block.len() - 1)].to_vec().into(), None).is_none());
            let place = flip % block.len();
            block[place] ^= 1 << (flip % 8);
            // Read or refused: whoever stores the bytes has their sum.
            if let Some(kept) = Kept::of(block.into(), None) {
                (0..kept.count.min(100) as usize).for_each(|place| drop(kept.id(kept.fact(place).id)));
            }
        }
    }

    #[test]
    fn a_window_takes_eight_bytes() {
        let mut own = Own::default();
        for n in 0..2_300u32 {
            let id = IdCode::number(7_000_000_000 + u64::from(n));
            own.facts.push(Fact {
                offset: n * 26,
                user: n.wrapping_mul(2_654_435_761) % 100_000_000,
                id,
                mask: 1,
            });
        }
        own.seal(&mut Vec::new());
        let each = own.to_block().len() as f64 / 2_300.0;
        assert!(each < 8.1, "{each} bytes: two of the time, four of the user, two of the id");
    }
}
