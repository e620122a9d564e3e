//! From one bit per row to one bit per user, 64 rows at a time.
//!
//! Rows are sorted by user, so the bits on users' last rows, taken together, are one bit for each user who
//! has rows, in order; laid out again over those users they are a register. Processors with BMI2 do either
//! in one instruction (`pext`, `pdep`); elsewhere rows are looked at one by one (`fold`).

use arrow::buffer::BooleanBuffer;

use crate::store::Register;

/// Adds to `out` the users on whose last row a bit of `rows` stands. `lasts` tells the last rows, `who` the
/// users who have rows, as many as there are last rows. Gives false, and does nothing, where the processor
/// has no instructions for it.
pub fn spread(rows: &[u64], lasts: &BooleanBuffer, who: &Register, out: &mut Register) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("popcnt") {
        // Sound: the processor has just said that it has these instructions.
        unsafe { spread_bmi2(rows, lasts, who, out) };
        return true;
    }
    false
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi2,popcnt")]
fn spread_bmi2(rows: &[u64], lasts: &BooleanBuffer, who: &Register, out: &mut Register) {
    use std::arch::x86_64::{_pdep_u64, _pext_u64};
    let chunks = lasts.bit_chunks();
    let mut rows = rows.iter().zip(chunks.iter_padded());
    // One bit per user with rows, those that are not laid out yet; fewer than 128.
    let (mut waiting, mut count) = (0u128, 0u32);
    for (out, who) in out.words_mut().iter_mut().zip(who.words()) {
        let wanted = who.count_ones();
        while count < wanted {
            let Some((row, last)) = rows.next() else { break };
            waiting |= u128::from(_pext_u64(*row, last)) << count;
            count += last.count_ones();
        }
        *out |= _pdep_u64(waiting as u64, *who);
        waiting >>= wanted;
        count = count.saturating_sub(wanted);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_user_with_a_row_that_passes_is_there(
            rows in prop::collection::vec((prop::sample::select(vec![0u16, 0, 0, 1, 2, 63, 200, 900]), any::<bool>()), 0..700),
            before in prop::collection::vec(any::<u16>(), 0..5),
        ) {
            // Steps from user to user; 0 is one more row of the same one.
            let mut place = 0u16;
            let places: Vec<u16> = rows.iter().map(|(step, _)| { place = place.saturating_add(*step); place }).collect();
            let is_last = |row: usize| places.get(row + 1) != places.get(row);
            let lasts = BooleanBuffer::collect_bool(places.len(), is_last);
            let (mut who, mut out, mut expected) = (Register::new(), Register::new(), Register::new());
            before.iter().for_each(|place| { out.set(*place); expected.set(*place); });
            let mut bits = vec![0u64; places.len().div_ceil(64)];
            for (row, (_, passes)) in rows.iter().enumerate() {
                who.set(places[row]);
                if *passes && is_last(row) {
                    bits[row / 64] |= 1 << (row % 64);
                    expected.set(places[row]);
                }
            }
            if spread(&bits, &lasts, &who, &mut out) {
                prop_assert_eq!(out.words(), expected.words());
            }
        }
    }
}
