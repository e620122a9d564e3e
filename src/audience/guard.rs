//! How much may a crowd change from one version to the next without anybody looking?
//!
//! A version whose size jumps by more is *held*: it is there, with its users, and nobody sees it until a person
//! confirms it; the version before stays in force. What a person does on purpose (an upload, another selection)
//! is not held.

use std::fmt;

use super::crowds::{Audiences, Made};
use super::version::{CrowdVersion, State};
use crate::base::{Outcome, Problem, Timestamp};

/// A guard of more than this lets everything through but an explosion.
const PERCENT_MAX: f64 = 100_000.0;
const MILLION: u128 = 1_000_000;

/// The part of its size, in millionths, by which a crowd may grow or shrink at once; 0 guards nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard(pub u32);

impl Guard {
    /// Lets every version through.
    pub const OFF: Guard = Guard(0);

    /// Reads `50%`, `12.5 %`, `off`.
    pub fn parse(text: &str) -> Option<Guard> {
        let text = text.trim();
        if text == "off" {
            return Some(Guard::OFF);
        }
        let percent: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
        let millionths = (percent * 1e4).round();
        (percent <= PERCENT_MAX && millionths >= 1.0).then_some(Guard(millionths as u32))
    }

    /// May a crowd of `before` users have `after` now? Of nobody there is no part, so an empty one may grow.
    pub fn allows(self, before: u64, after: u64) -> bool {
        let change = u128::from(before.abs_diff(after)) * MILLION;
        self == Guard::OFF || before == 0 || change <= u128::from(before) * u128::from(self.0)
    }

    /// Why a version is held.
    pub(super) fn cause(self, before: u64, after: u64) -> String {
        format!("{before} → {after} users is a change of more than {self}")
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match *self {
            Guard::OFF => write!(f, "off"),
            Guard(millionths) => write!(f, "{}%", f64::from(millionths) / 1e4),
        }
    }
}

impl Audiences {
    /// The same with a guard for crowds that have none of their own.
    pub fn guarded(self, guard: Option<Guard>) -> Audiences {
        Audiences { guard, ..self }
    }

    /// Gives a crowd a guard of its own; `None`: the one of the settings. Errors: CRD-002 unknown.
    pub fn set_guard(&mut self, name: &str, guard: Option<Guard>) -> Outcome<()> {
        let crowd = self.find(name)?;
        self.registry.change(|change| change.set_guard(crowd.no, guard))
    }

    /// The version that is held is in force from now on. Errors: CRD-002 unknown, CRD-020 none is held.
    pub fn confirm(&mut self, name: &str, now: Timestamp) -> Outcome<Made> {
        let (crowd, held) = self.held(name)?;
        let before = self.newest_of(&crowd)?;
        let version = CrowdVersion { state: State::Complete, made_at: now, cause: String::new(), ..held };
        self.registry.change(|change| change.put_version(crowd.no, &version))?;
        let change = before.map(|before| version.size as i64 - before.size as i64);
        Ok(Made { crowd: crowd.name, version, change, warnings: vec![] })
    }

    /// The version that is held goes; the one before stays in force.
    /// Errors: CRD-002 unknown, CRD-020 none is held.
    pub fn discard(&mut self, name: &str) -> Outcome<CrowdVersion> {
        let (crowd, held) = self.held(name)?;
        let version = CrowdVersion { state: State::Discarded, file: String::new(), ..held };
        self.registry.change(|change| change.put_version(crowd.no, &version))?;
        self.registry.files.remove(crowd.no, version.no)?;
        Ok(version)
    }

    fn held(&self, name: &str) -> Outcome<(super::Crowd, CrowdVersion)> {
        let crowd = self.find(name)?;
        let versions = self.registry.versions(crowd.no)?;
        match versions.into_iter().rev().find(|version| version.state == State::Held) {
            Some(version) => Ok((crowd, version)),
            None => Err(none_held(name)),
        }
    }
}

fn none_held(name: &str) -> Problem {
    Problem::author("CRD-020", format!("no version of crowd '{name}' is held"))
        .at(format!("crowd '{name}'"))
        .cure("see what is held with `quanke crowd list`")
}

/// A version that a run or a selection asked for was made, and is held.
pub(super) fn is_held(made: &Made) -> Problem {
    let (crowd, no) = (&made.crowd, made.version.no);
    Problem::author("CRD-021", format!("version {no} of crowd '{crowd}' is held: {}", made.version.cause))
        .at(format!("crowd '{crowd}'"))
        .cure(format!("look at it (`quanke crowd diff '{crowd}' --to {no}`), then `quanke crowd confirm '{crowd}'` or `quanke crowd discard '{crowd}'`"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn guards_are_read_and_said() {
        for (text, guard, said) in [
            ("50%", Guard(500_000), "50%"),
            (" 12.5 % ", Guard(125_000), "12.5%"),
            ("off", Guard::OFF, "off"),
            ("300%", Guard(3_000_000), "300%"),
        ] {
            assert_eq!(Guard::parse(text), Some(guard), "{text}");
            assert_eq!(guard.to_string(), said);
        }
        for bad in ["", "50", "0%", "-5%", "nan%", "inf%", "1e9%", "0.00001%", "none"] {
            assert_eq!(Guard::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn both_ends_are_allowed_and_an_empty_crowd_may_grow() {
        let guard = Guard::parse("50%").unwrap();
        assert!(guard.allows(100, 150) && guard.allows(100, 50));
        assert!(!guard.allows(100, 151) && !guard.allows(100, 49));
        assert!(guard.allows(0, 1_000_000) && guard.allows(0, 0) && Guard::OFF.allows(1, u64::MAX));
        assert!(!guard.allows(u64::MAX, 0));
    }

    proptest! {
        /// The slow twin: step by step up or down from the old size.
        #[test]
        fn it_agrees_with_counting(before in 1u64..300, after in 0u64..900, percent in 1u32..250) {
            let step = if after < before { -1i64 } else { 1 };
            let mut at = before as i64;
            let mut is_allowed = true;
            while at != after as i64 {
                at += step;
                is_allowed &= (at - before as i64).unsigned_abs() * 100 <= before * u64::from(percent);
            }
            prop_assert_eq!(Guard(percent * 10_000).allows(before, after), is_allowed);
        }
    }
}
