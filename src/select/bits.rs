//! Comparisons to bits: 64 values become one word without a branch, so that the compiler can use
//! the machine's wide registers.

use arrow::buffer::{BooleanBuffer, Buffer};

/// One bit per value that fits; shape: as many bits as values.
pub fn bits<T: Copy>(values: &[T], fits: impl Fn(T) -> bool) -> BooleanBuffer {
    let mut words = Vec::with_capacity(values.len() / 64 + 1);
    let (whole, rest) = values.as_chunks::<64>();
    words.extend(whole.iter().map(|chunk| word(chunk, &fits)));
    words.push(rest.iter().enumerate().fold(0, |bits, (at, value)| bits | (fits(*value) as u64) << at));
    BooleanBuffer::new(Buffer::from_vec(words), 0, values.len())
}

/// The bits of 64 values, the first one lowest.
#[inline]
pub fn word<T: Copy>(values: &[T; 64], fits: impl Fn(T) -> bool) -> u64 {
    let mut flags = [0u8; 64];
    flags.iter_mut().zip(values).for_each(|(flag, value)| *flag = fits(*value) as u8);
    let (bytes, _) = flags.as_chunks::<8>();
    bytes.iter().enumerate().fold(0, |bits, (at, eight)| bits | gathered(*eight) << (8 * at))
}

/// Eight flags as eight bits: the product moves flag i to bit 56 + i, and no two meet.
#[inline]
fn gathered(flags: [u8; 8]) -> u64 {
    u64::from_le_bytes(flags).wrapping_mul(0x0102_0408_1020_4080) >> 56
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
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), asked);
        }
    }
}
