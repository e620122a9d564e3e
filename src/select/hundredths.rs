//! Whole hundredths and the floats nearest to them: money compared without rounding.

use crate::store::HUNDREDTHS;

/// The closed range of whole hundredths whose floats lie in `[low, high]`.
pub fn range(low: f64, high: f64) -> (i64, i64) {
    (first(low), last(high))
}

/// The float nearest to so many hundredths.
pub fn float(whole: i64) -> f64 {
    whole as f64 / HUNDREDTHS
}

/// The least number of hundredths whose float is at least `low`.
fn first(low: f64) -> i64 {
    if low.is_nan() {
        return i64::MAX;
    }
    let near = (low * HUNDREDTHS).ceil() as i64;
    let candidates = near.saturating_sub(2)..=near.saturating_add(2);
    candidates.into_iter().find(|whole| float(*whole) >= low).unwrap_or(near)
}

/// The greatest number of hundredths whose float is at most `high`.
fn last(high: f64) -> i64 {
    if high.is_nan() {
        return i64::MIN;
    }
    let near = (high * HUNDREDTHS).floor() as i64;
    let candidates = near.saturating_sub(2)..=near.saturating_add(2);
    candidates.into_iter().rev().find(|whole| float(*whole) <= high).unwrap_or(near)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_holds_exactly_the_hundredths_between(low in -10_000i64..10_000, high in -10_000i64..10_000, a in 0u8..3, b in 0u8..3) {
            let near = |whole: i64, side: u8| match side {
                0 => float(whole).next_down(),
                1 => float(whole),
                _ => float(whole).next_up(),
            };
            let (low, high) = (near(low, a), near(high, b));
            let (from, to) = range(low, high);
            for whole in -10_010..10_010 {
                prop_assert_eq!(from <= whole && whole <= to, low <= float(whole) && float(whole) <= high, "{}", whole);
            }
        }
    }

    #[test]
    fn ends_without_end() {
        assert_eq!(range(f64::NEG_INFINITY, f64::INFINITY), (i64::MIN, i64::MAX));
        assert_eq!(range(f64::NAN, 1.0).0, i64::MAX);
    }
}
