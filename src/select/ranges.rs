//! Which values lie in a closed range? 64 of them become one word.
//!
//! Where the processor has 512-bit registers, a comparison gives the bits of a register at once;
//! elsewhere the compiler makes what it can of plain code. The choice is made when the program runs.

use multiversion::multiversion;

use super::bits::{Fold, folded, word};

/// A number that can be compared many at a time.
pub trait Wide: Copy + PartialOrd {
    /// The bits of 64 values inside `low..=high`, the first one lowest.
    ///
    /// # Safety
    /// The processor has AVX-512 F, BW and VL.
    #[cfg(target_arch = "x86_64")]
    unsafe fn word_of_512(values: &[Self; 64], low: Self, high: Self) -> u64;
}

/// One bit per value inside `low..=high` (outside it if `negated`); `out` has a word per 64 values.
pub fn in_range<T: Wide>(values: &[T], low: T, high: T, negated: bool, fold: Fold, out: &mut [u64]) {
    #[cfg(target_arch = "x86_64")]
    if has_512() {
        // Sound: the processor has just said that it has these instructions.
        return unsafe { in_range_512(values, low, high, negated, fold, out) };
    }
    in_range_plain(values, low, high, negated, fold, out);
}

#[cfg(target_arch = "x86_64")]
fn has_512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
}

#[multiversion(targets("x86_64+avx2", "x86_64+sse4.2"))]
fn in_range_plain<T: Wide>(values: &[T], low: T, high: T, negated: bool, fold: Fold, out: &mut [u64]) {
    let (whole, rest) = values.as_chunks::<64>();
    for (out, chunk) in out.iter_mut().zip(whole) {
        *out = folded(*out, word(chunk, |value| ((low <= value) & (value <= high)) != negated), fold);
    }
    last_word(rest, out.get_mut(whole.len()), low, high, negated, fold);
}

/// What is left when no 64 values are.
#[inline(always)]
fn last_word<T: Wide>(rest: &[T], out: Option<&mut u64>, low: T, high: T, negated: bool, fold: Fold) {
    let fits = |value: T| ((low <= value) & (value <= high)) != negated;
    if let (Some(out), false) = (out, rest.is_empty()) {
        let found = rest.iter().enumerate().fold(0, |bits, (at, value)| bits | (fits(*value) as u64) << at);
        *out = folded(*out, found, fold);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn in_range_512<T: Wide>(values: &[T], low: T, high: T, negated: bool, fold: Fold, out: &mut [u64]) {
    let (whole, rest) = values.as_chunks::<64>();
    let flip = if negated { u64::MAX } else { 0 };
    for (out, chunk) in out.iter_mut().zip(whole) {
        // Sound: this function is only called where the processor has these instructions.
        let found = unsafe { T::word_of_512(chunk, low, high) } ^ flip;
        *out = folded(*out, found, fold);
    }
    last_word(rest, out.get_mut(whole.len()), low, high, negated, fold);
}

/// `Wide` by the instructions that load, repeat and compare a register of `$lanes` values.
macro_rules! wide {
    ($name:ty, $lanes:literal, $load:ident, $repeat:ident, $cast:ty, $at_least:ident, $at_most:ident) => {
        impl Wide for $name {
            #[cfg(target_arch = "x86_64")]
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn word_of_512(values: &[$name; 64], low: $name, high: $name) -> u64 {
                use std::arch::x86_64::*;
                let (low, high) = ($repeat(low as $cast), $repeat(high as $cast));
                let mut bits = 0;
                for (at, lanes) in values.as_chunks::<$lanes>().0.iter().enumerate() {
                    // Sound: the array has exactly as many bytes as the register.
                    let lanes = unsafe { $load(lanes.as_ptr().cast()) };
                    let inside = $at_least(lanes, low) & $at_most(lanes, high);
                    bits |= (inside as u64) << (at * $lanes);
                }
                bits
            }
        }
    };
}

wide!(u8, 64, _mm512_loadu_epi8, _mm512_set1_epi8, i8, _mm512_cmpge_epu8_mask, _mm512_cmple_epu8_mask);
wide!(i8, 64, _mm512_loadu_epi8, _mm512_set1_epi8, i8, _mm512_cmpge_epi8_mask, _mm512_cmple_epi8_mask);
wide!(u16, 32, _mm512_loadu_epi16, _mm512_set1_epi16, i16, _mm512_cmpge_epu16_mask, _mm512_cmple_epu16_mask);
wide!(i16, 32, _mm512_loadu_epi16, _mm512_set1_epi16, i16, _mm512_cmpge_epi16_mask, _mm512_cmple_epi16_mask);
wide!(u32, 16, _mm512_loadu_epi32, _mm512_set1_epi32, i32, _mm512_cmpge_epu32_mask, _mm512_cmple_epu32_mask);
wide!(i32, 16, _mm512_loadu_epi32, _mm512_set1_epi32, i32, _mm512_cmpge_epi32_mask, _mm512_cmple_epi32_mask);
wide!(i64, 8, _mm512_loadu_epi64, _mm512_set1_epi64, i64, _mm512_cmpge_epi64_mask, _mm512_cmple_epi64_mask);
wide!(f64, 8, _mm512_loadu_pd, _mm512_set1_pd, f64, at_least_pd, at_most_pd);

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn at_least_pd(a: std::arch::x86_64::__m512d, b: std::arch::x86_64::__m512d) -> u8 {
    std::arch::x86_64::_mm512_cmp_pd_mask::<{ std::arch::x86_64::_CMP_GE_OQ }>(a, b)
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn at_most_pd(a: std::arch::x86_64::__m512d, b: std::arch::x86_64::__m512d) -> u8 {
    std::arch::x86_64::_mm512_cmp_pd_mask::<{ std::arch::x86_64::_CMP_LE_OQ }>(a, b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees<T: Wide + std::fmt::Debug>(values: &[T], low: T, high: T) -> Result<(), TestCaseError> {
        for (fold, negated) in [(Fold::Set, false), (Fold::And, true), (Fold::Or, false)] {
            let before: Vec<u64> = (0..values.len().div_ceil(64)).map(|at| 0x5555_3333 << (at % 7)).collect();
            let (mut found, mut plain) = (before.clone(), before.clone());
            in_range(values, low, high, negated, fold, &mut found);
            in_range_plain(values, low, high, negated, fold, &mut plain);
            prop_assert_eq!(&found, &plain);
            for (row, value) in values.iter().enumerate() {
                let fits = (low <= *value && *value <= high) != negated;
                let old = before[row / 64] >> (row % 64) & 1 == 1;
                let expected = match fold {
                    Fold::Set => fits,
                    Fold::And => fits && old,
                    Fold::Or => fits || old,
                };
                prop_assert_eq!(found[row / 64] >> (row % 64) & 1 == 1, expected);
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn every_kernel_agrees_with_asking_each_value(values in prop::collection::vec(any::<i64>(), 0..200), low: i64, high: i64) {
            macro_rules! as_type {
                ($($name:ty),*) => { $(agrees(&values.iter().map(|v| *v as $name).collect::<Vec<_>>(), low as $name, high as $name)?;)* };
            }
            as_type!(u8, i8, u16, i16, u32, i32, i64, f64);
            agrees(&[f64::NAN; 70], f64::NEG_INFINITY, f64::INFINITY)?;
        }
    }
}
