//! On how many days is each user there? Counters whose bits lie in planes: one word of each plane
//! counts for 64 users at once.

use multiversion::multiversion;

use super::bound::Compare;
use crate::store::Register;

/// Planes, and the greatest number of days they count.
const PLANES: usize = 9;
pub const MOST: usize = (1 << PLANES) - 1;

/// Writes the users who are in so many of the `days` that the number satisfies `compare`.
pub fn days(days: &[&Register], compare: &Compare, out: &mut Register) {
    let (low, high) = (compare.low.ceil().max(0.0), compare.high.floor().min(MOST as f64));
    if low > high {
        out.words_mut().fill(if compare.negated { u64::MAX } else { 0 });
        return;
    }
    let (low, high) = (low as u32, high as u32);
    match days.len() {
        0..=7 => tally::<3>(days, low, high, out.words_mut()),
        8..=31 => tally::<5>(days, low, high, out.words_mut()),
        32..=127 => tally::<7>(days, low, high, out.words_mut()),
        _ => tally::<PLANES>(days, low, high, out.words_mut()),
    }
    if compare.negated {
        out.complement();
    }
}

/// Words counted together: one register of 512 bits.
const LANES: usize = 8;

/// `P` planes, enough for all days.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn tally<const P: usize>(days: &[&Register], low: u32, high: u32, out: &mut [u64; 1024]) {
    for (block, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut planes = [[0u64; LANES]; P];
        for day in days {
            let mut carry = day.words().as_chunks::<LANES>().0[block];
            for plane in &mut planes {
                for lane in 0..LANES {
                    let both = plane[lane] & carry[lane];
                    plane[lane] ^= carry[lane];
                    carry[lane] = both;
                }
            }
        }
        for (lane, out) in out.iter_mut().enumerate() {
            *out = at_least(&planes, lane, low) & !at_least(&planes, lane, high.saturating_add(1));
        }
    }
}

/// One bit per counter that is at least `least`; nothing is above what the planes can count.
#[inline(always)]
fn at_least<const P: usize>(planes: &[[u64; LANES]; P], lane: usize, least: u32) -> u64 {
    if least >> P > 0 {
        return 0;
    }
    // From the lowest plane up: a higher plane decides unless it is equal.
    planes.iter().enumerate().fold(u64::MAX, |lower, (plane, bits)| match least >> plane & 1 {
        1 => bits[lane] & lower,
        _ => bits[lane] | lower,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn planes_agree_with_counting(
            sets in prop::collection::vec(prop::collection::vec(0u16..900, 0..200), 0..70),
            low in prop_oneof![-1.0f64..80.0, Just(0.0), Just(5.0)], wide in prop_oneof![0.0f64..40.0, Just(f64::INFINITY)], negated: bool,
        ) {
            let registers: Vec<Register> = sets.iter().map(|set| {
                let mut register = Register::new();
                set.iter().for_each(|at| register.set(*at));
                register
            }).collect();
            let compare = Compare { low, high: low + wide, negated };
            let mut out = Register::new();
            days(&registers.iter().collect::<Vec<_>>(), &compare, &mut out);
            for at in 0..1_000 {
                let count = registers.iter().filter(|register| register.holds(at)).count();
                prop_assert_eq!(out.holds(at), compare.fits(count as f64), "{} days", count);
            }
        }
    }
}
