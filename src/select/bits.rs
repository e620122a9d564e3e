//! Comparisons to bits: 64 values become one word without a branch, so that the compiler can use
//! the machine's wide registers. Each kernel is compiled for several generations of processors;
//! the right one is chosen when the program runs.

use arrow::buffer::{BooleanBuffer, Buffer};
use multiversion::multiversion;

/// How new bits meet those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    Set,
    And,
    Or,
}

/// One bit per value in the closed range (outside it if `negated`); `out` has a word per 64 values.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2", "x86_64+sse4.2"))]
pub fn in_range<T: Copy + PartialOrd>(
    values: &[T],
    low: T,
    high: T,
    negated: bool,
    fold: Fold,
    out: &mut [u64],
) {
    let (whole, rest) = values.as_chunks::<64>();
    let tail = rest.len();
    for (out, chunk) in out.iter_mut().zip(whole) {
        let found = word(chunk, |value| ((low <= value) & (value <= high)) != negated);
        *out = folded(*out, found, fold);
    }
    if let (Some(out), true) = (out.get_mut(whole.len()), tail > 0) {
        let found = rest.iter().enumerate().fold(0, |bits, (at, value)| {
            bits | ((((low <= *value) & (*value <= high)) != negated) as u64) << at
        });
        *out = folded(*out, found, fold);
    }
}

#[inline(always)]
fn folded(old: u64, new: u64, fold: Fold) -> u64 {
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
            let mut words = vec![0; values.len().div_ceil(64)];
            in_range(&values, low, i64::MAX, false, Fold::Set, &mut words);
            let mut set = vec![];
            each_set(&words, |at| set.push(at));
            prop_assert_eq!(set, (0..asked.len()).filter(|at| asked[*at]).collect::<Vec<_>>());
        }
    }
}
