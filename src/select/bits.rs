//! Comparisons to bits: 64 values become one word without a branch, so that the compiler can use
//! the machine's wide registers.

use arrow::buffer::{BooleanBuffer, Buffer};

/// How new bits meet those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    Set,
    And,
    Or,
}

/// How a word of new bits meets the old one.
#[inline(always)]
pub fn folded(old: u64, new: u64, fold: Fold) -> u64 {
    match fold {
        Fold::Set => new,
        Fold::And => old & new,
        Fold::Or => old | new,
    }
}

/// Keeps the bits that are also in `bits`.
pub fn and_bits(words: &mut [u64], bits: &BooleanBuffer) {
    words.iter_mut().zip(bits.bit_chunks().iter_padded()).for_each(|(word, bits)| *word &= bits);
}

/// One bit per value that fits; shape: as many bits as values.
pub fn bits<T: Copy>(values: &[T], fits: impl Fn(T) -> bool) -> BooleanBuffer {
    let mut words = Vec::with_capacity(values.len() / 64 + 1);
    let (whole, rest) = values.as_chunks::<64>();
    words.extend(whole.iter().map(|chunk| word(chunk, &fits)));
    words.push(rest.iter().enumerate().fold(0, |bits, (at, value)| bits | (fits(*value) as u64) << at));
    BooleanBuffer::new(Buffer::from_vec(words), 0, values.len())
}

/// The bits of 64 values, the first one lowest.
#[inline(always)]
pub fn word<T: Copy>(values: &[T; 64], fits: impl Fn(T) -> bool) -> u64 {
    let mut flags = [0u8; 64];
    flags.iter_mut().zip(values).for_each(|(flag, value)| *flag = fits(*value) as u8);
    let (bytes, _) = flags.as_chunks::<8>();
    bytes.iter().enumerate().fold(0, |bits, (at, eight)| bits | gathered(*eight) << (8 * at))
}

/// Eight flags as eight bits: the product moves flag i to bit 56 + i, and no two meet.
#[inline(always)]
fn gathered(flags: [u8; 8]) -> u64 {
    u64::from_le_bytes(flags).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Calls `look` with the position of every set bit, ascending.
#[inline(always)]
pub fn each_set(words: &[u64], mut look: impl FnMut(usize)) {
    for (at, word) in words.iter().enumerate() {
        let mut rest = *word;
        while rest != 0 {
            look(at * 64 + rest.trailing_zeros() as usize);
            rest &= rest - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_agree_with_asking_each_value(values in prop::collection::vec(any::<i64>(), 0..300), low in any::<i64>()) {
            let found = bits(&values, |value| value >= low);
            let asked: Vec<bool> = values.iter().map(|value| *value >= low).collect();
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), asked.clone());
            let words: Vec<u64> = found.bit_chunks().iter_padded().collect();
            let mut set = vec![];
            each_set(&words, |at| set.push(at));
            prop_assert_eq!(set, (0..asked.len()).filter(|at| asked[*at]).collect::<Vec<_>>());
        }
    }
}
