//! What is one version of a crowd, and which one does an evaluation at an instant see?

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::Timestamp;

/// How far a version is (semantics 3.1); only a complete one is seen by selections and tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Computing,
    Complete,
    /// Its selection could not be evaluated; the cause is kept.
    Failed,
    /// The process that made it ended before it was done.
    Cancelled,
    /// Its size jumped beyond the guard: it waits for a person.
    Held,
    /// It was held, and a person or a later version took it away.
    Discarded,
}

impl State {
    /// The word in tables, JSON and talk.
    pub fn word(self) -> &'static str {
        match self {
            State::Computing => "computing",
            State::Complete => "complete",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Held => "held",
            State::Discarded => "discarded",
        }
    }

    pub(super) fn of(word: &str) -> Option<State> {
        let all = [State::Computing, State::Complete, State::Failed, State::Cancelled];
        all.into_iter().chain([State::Held, State::Discarded]).find(|state| state.word() == word)
    }
}

/// One version of a crowd; a complete one never changes.
#[derive(Debug, Clone, PartialEq)]
pub struct CrowdVersion {
    /// Counted from 1 within the crowd, failed attempts included.
    pub no: u32,
    pub as_of: Timestamp,
    pub made_at: Timestamp,
    /// Which of the crowd's rules made it, counted from 1; 0 for an upload.
    pub rule_version: u32,
    /// Users in it.
    pub size: u64,
    /// How long its evaluation took, in milliseconds.
    pub duration_ms: u64,
    /// The data version that it was evaluated on.
    pub data_version: u64,
    pub state: State,
    /// The bitmap's file below the app's folder; empty unless complete or held.
    pub file: String,
    /// Why it failed, or is held; else empty.
    pub cause: String,
    /// The versions of other crowds that it was made from: crowd name → version.
    pub uses: BTreeMap<String, u32>,
    pub(super) checksum: String,
}

/// The version that an evaluation at `as_of` sees (semantics 1.2): the newest complete one with
/// as-of ≤ ours; if all are later, the oldest, and the answer's second part says so.
/// Nothing when there is no complete version.
pub fn resolve(versions: &[CrowdVersion], as_of: Timestamp) -> Option<(&CrowdVersion, bool)> {
    let complete = || versions.iter().filter(|v| v.state == State::Complete);
    let newest = complete().filter(|v| v.as_of <= as_of).max_by_key(|v| (v.as_of, v.no));
    match newest {
        Some(version) => Some((version, false)),
        None => complete().min_by_key(|v| (v.as_of, v.no)).map(|version| (version, true)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn version(no: u32, as_of: i64, state: State) -> CrowdVersion {
        CrowdVersion {
            no,
            as_of: Timestamp(as_of),
            made_at: Timestamp(as_of),
            rule_version: 1,
            size: 0,
            duration_ms: 0,
            data_version: 1,
            state,
            file: String::new(),
            cause: String::new(),
            uses: BTreeMap::new(),
            checksum: String::new(),
        }
    }

    #[test]
    fn the_newest_version_not_after_ours_is_seen() {
        let versions = [
            version(1, 10, State::Complete),
            version(2, 20, State::Complete),
            version(3, 20, State::Complete),
            version(4, 30, State::Failed),
            version(5, 40, State::Computing),
        ];
        let seen = |as_of| resolve(&versions, Timestamp(as_of)).map(|(v, is_later)| (v.no, is_later));
        assert_eq!(seen(100), Some((3, false)));
        assert_eq!(seen(20), Some((3, false)));
        assert_eq!(seen(19), Some((1, false)));
        assert_eq!(seen(9), Some((1, true)));
        assert_eq!(resolve(&versions[3..], Timestamp(100)), None);
    }

    proptest! {
        /// The slow twin: walk over all, keep the better one.
        #[test]
        fn resolving_agrees_with_walking(list in prop::collection::vec((0..20i64, 0..3u8), 0..12), as_of in -1..21i64) {
            let state = |n| if n == 0 { State::Failed } else { State::Complete };
            let versions: Vec<_> = list.iter().enumerate().map(|(i, (at, n))| version(i as u32, *at, state(*n))).collect();
            let mut best: Option<&CrowdVersion> = None;
            for v in versions.iter().filter(|v| v.state == State::Complete) {
                let better = match best {
                    None => true,
                    Some(b) if b.as_of.0 > as_of => v.as_of.0 <= as_of || v.as_of < b.as_of,
                    Some(b) => v.as_of.0 <= as_of && v.as_of >= b.as_of,
                };
                if better { best = Some(v) }
            }
            let found = resolve(&versions, Timestamp(as_of));
            prop_assert_eq!(found.map(|(v, _)| v.no), best.map(|v| v.no));
            prop_assert_eq!(found.map(|(_, later)| later), best.map(|v| v.as_of.0 > as_of));
        }
    }
}
