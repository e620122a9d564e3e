//! Did it help? Two shares, their difference, and how far chance alone can move it.
//!
//! Each share has Wilson's score interval; their difference has Newcombe's hybrid of both (his method 10,
//! without continuity correction), which stays sensible for few users and for shares of 0 and 1:
//!
//! ```text
//! wilson(k, n)  p = k / n,  centre (p + z²/2n) / (1 + z²/n),  half z·√(p(1−p)/n + z²/4n²) / (1 + z²/n)
//! difference    d = p₁ − p₂,  low = d − √((p₁−l₁)² + (u₂−p₂)²),  high = d + √((u₁−p₁)² + (p₂−l₂)²)
//! ```
//! Source: R. G. Newcombe, Statistics in Medicine 17 (1998), pages 857 to 872 and 873 to 890.

use serde::Serialize;

/// Two-sided 95%: the 97.5% point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// The 80% point: a difference that is there shall be found in four of five trials.
const Z_POWER: f64 = 0.841_621_233_572_914_3;
/// Cochran's rule: fewer expected in a cell of the table tell next to nothing.
const EXPECTED_MIN: f64 = 5.0;

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Part {
    pub hits: u64,
    pub of: u64,
}

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Limits {
    pub low: f64,
    pub high: f64,
}

/// What the comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// One side has nobody: there is nothing to compare.
    NoComparison,
    /// So few that fewer than five conversions, or five of the contrary, are to be expected on one side.
    TooSmall,
    /// The interval holds 0: it may be chance.
    MayBeChance,
    /// The interval lies above 0.
    Up,
    /// The interval lies below 0.
    Down,
}

/// The treated beside those who were withheld.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lift {
    /// Share of the treated less share of the withheld.
    pub difference: f64,
    /// 95% limits of the difference.
    pub limits: Limits,
    /// The difference as a part of the share of the withheld; none where that is 0.
    pub relative: Option<f64>,
    /// The least difference that groups of these sizes would show in four of five trials.
    pub detectable: f64,
    pub verdict: Verdict,
}

impl Part {
    /// The share; of nobody there is none.
    pub fn share(&self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// The 95% limits of the share behind it (Wilson's score interval).
    pub fn limits(&self) -> Option<Limits> {
        let (p, n) = (self.share()?, self.of as f64);
        let (z2, scale) = (Z * Z, 1.0 + Z * Z / n);
        let centre = (p + z2 / (2.0 * n)) / scale;
        let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / scale;
        let low = if self.hits == 0 { 0.0 } else { centre - half };
        let high = if self.hits == self.of { 1.0 } else { centre + half };
        Some(Limits { low, high })
    }

    fn and(&self, other: &Part) -> Part {
        Part { hits: self.hits + other.hits, of: self.of + other.of }
    }
}

impl Lift {
    /// Compares the treated with the withheld; nothing where one side has nobody.
    pub fn of(treated: Part, withheld: Part) -> Option<Lift> {
        let (p, q) = (treated.share()?, withheld.share()?);
        let (of_p, of_q) = (treated.limits()?, withheld.limits()?);
        let low = p - q - (p - of_p.low).hypot(of_q.high - q);
        let high = p - q + (of_p.high - p).hypot(q - of_q.low);
        let limits = Limits { low, high };
        Some(Lift {
            difference: p - q,
            limits,
            relative: (q > 0.0).then(|| (p - q) / q),
            detectable: detectable(treated, withheld),
            verdict: verdict(treated, withheld, limits),
        })
    }
}

fn detectable(treated: Part, withheld: Part) -> f64 {
    let p = treated.and(&withheld).share().unwrap_or(0.0);
    let spread = (p * (1.0 - p) * (1.0 / treated.of as f64 + 1.0 / withheld.of as f64)).sqrt();
    ((Z + Z_POWER) * spread).min(1.0)
}

fn verdict(treated: Part, withheld: Part, limits: Limits) -> Verdict {
    let p = treated.and(&withheld).share().unwrap_or(0.0);
    let expected = [treated, withheld].map(|part| part.of as f64 * p.min(1.0 - p));
    match limits {
        _ if expected.iter().any(|count| *count < EXPECTED_MIN) => Verdict::TooSmall,
        Limits { low, .. } if low > 0.0 => Verdict::Up,
        Limits { high, .. } if high < 0.0 => Verdict::Down,
        _ => Verdict::MayBeChance,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(hits: u64, of: u64) -> Part {
        Part { hits, of }
    }

    fn rounded(limits: Limits) -> (f64, f64) {
        let round = |x: f64| (x * 1e4).round() / 1e4 + 0.0;
        (round(limits.low), round(limits.high))
    }

    /// Newcombe (1998) pages 857 to 872, table I, method 3.
    #[test]
    fn the_published_limits_of_one_share() {
        let published = [
            ((81, 263), (0.2553, 0.3662)),
            ((15, 148), (0.0624, 0.1605)),
            ((0, 20), (0.0, 0.1611)),
            ((1, 29), (0.0061, 0.1718)),
        ];
        for ((hits, of), limits) in published {
            assert_eq!(rounded(part(hits, of).limits().unwrap()), limits, "{hits}/{of}");
        }
    }

    /// Newcombe (1998) pages 873 to 890, table II, method 10.
    #[test]
    fn the_published_limits_of_a_difference() {
        let published = [
            ((56, 70), (48, 80), (0.0524, 0.3339)),
            ((9, 10), (3, 10), (0.1705, 0.8090)),
            ((6, 7), (2, 7), (0.0582, 0.8062)),
            ((5, 56), (0, 29), (-0.0381, 0.1926)),
            ((0, 10), (0, 20), (-0.1611, 0.2775)),
            ((0, 10), (0, 10), (-0.2775, 0.2775)),
            ((10, 10), (0, 20), (0.6791, 1.0)),
            ((10, 10), (0, 10), (0.6075, 1.0)),
        ];
        for ((a, m), (b, n), limits) in published {
            let found = Lift::of(part(a, m), part(b, n)).unwrap();
            assert_eq!(rounded(found.limits), limits, "{a}/{m} - {b}/{n}");
        }
    }

    #[test]
    fn what_is_too_small_is_said() {
        let verdict = |treated, withheld| Lift::of(treated, withheld).map(|lift| lift.verdict);
        assert_eq!(verdict(part(50, 1_000), part(0, 0)), None);
        assert_eq!(verdict(part(300, 1_000), part(1, 10)), Some(Verdict::TooSmall));
        assert_eq!(verdict(part(0, 1_000), part(0, 1_000)), Some(Verdict::TooSmall), "nobody converted");
        assert_eq!(verdict(part(300, 1_000), part(29, 100)), Some(Verdict::MayBeChance));
        assert_eq!(verdict(part(300, 1_000), part(150, 1_000)), Some(Verdict::Up));
        assert_eq!(verdict(part(150, 1_000), part(300, 1_000)), Some(Verdict::Down));
        let lift = Lift::of(part(300, 1_000), part(150, 1_000)).unwrap();
        assert!((lift.relative.unwrap() - 1.0).abs() < 1e-12 && lift.detectable < 0.15);
        assert_eq!(Lift::of(part(3, 9), part(0, 9)).unwrap().relative, None);
    }

    proptest! {
        #[test]
        fn limits_hold_the_difference_and_turn_with_the_sides((m, n) in (1u64..400, 1u64..400), (a, b) in (0.0..=1.0, 0.0..=1.0)) {
            let (treated, withheld) = (part((a * m as f64) as u64, m), part((b * n as f64) as u64, n));
            let one = Lift::of(treated, withheld).unwrap();
            let other = Lift::of(withheld, treated).unwrap();
            prop_assert!(-1.0 <= one.limits.low && one.limits.low <= one.difference);
            prop_assert!(one.difference <= one.limits.high && one.limits.high <= 1.0 + 1e-12);
            prop_assert!((one.limits.low + other.limits.high).abs() < 1e-12);
            let larger = Lift::of(part(treated.hits * 4, m * 4), part(withheld.hits * 4, n * 4)).unwrap();
            prop_assert!(larger.limits.high - larger.limits.low < one.limits.high - one.limits.low);
        }
    }
}
