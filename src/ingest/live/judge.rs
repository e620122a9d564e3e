//! Are these lines good events? For a door, which must answer line by line before anything is stored.
//!
//! [`Judge::check`] asks of lines in memory what every load asks of its rows, and remembers the types of
//! properties from one call to the next. Lines that were found good are read again by [`Live::of_lines`],
//! which then finds them good as well.

use std::collections::BTreeMap;
use std::io::Cursor;

use super::{Ask, Feed, Live, ndjson};
use crate::base::Outcome;
use crate::ingest::rejects::{Refusal, Rejects};
use crate::ingest::{Counts, Settled};

use super::arrival::Arrivals;

/// What was found of some lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// Numbers of the good lines, from 1, in order.
    pub accepted: Vec<u64>,
    /// The others, without blank ones, in order.
    pub refused: Vec<Refusal>,
}

/// Looks at lines as they come.
pub struct Judge {
    ask: Ask,
    types: BTreeMap<String, Settled>,
    rejects: Option<Rejects>,
}

impl Judge {
    /// Refused lines also go to `ask.rejects`; `ask.types` are the types settled so far.
    pub fn new(ask: Ask) -> Judge {
        let types = ask.types.clone();
        Judge { types, rejects: Some(Rejects::new(ask.rejects.clone()).heard()), ask }
    }

    /// Looks at lines, each with its `\n`.
    /// Errors: OUT-001 when refused lines cannot be written down.
    pub fn check(&mut self, lines: Vec<u8>) -> Outcome<Judged> {
        let mut live = Live::of_lines(self.ask.clone(), 0, lines);
        live.types = std::mem::take(&mut self.types);
        live.rejects = self.rejects.take().unwrap_or_else(|| Rejects::new(self.ask.rejects.clone()).heard());
        let judged = judged(&mut live);
        (self.types, self.rejects) = (live.types, Some(live.rejects));
        judged
    }
}

fn judged(live: &mut Live) -> Outcome<Judged> {
    let mut accepted = Vec::new();
    while let Some(batch) = live.next_batch()? {
        accepted.extend(batch.positions);
    }
    Ok(Judged { accepted, refused: live.rejects.take_heard() })
}

impl Live {
    /// Lines that are at hand; line n has position `base + n`. What is bad goes to `ask.rejects`.
    pub fn of_lines(ask: Ask, base: u64, lines: Vec<u8>) -> Live {
        let feed = ndjson::Feed::new("door", Box::new(Cursor::new(lines)), &ask.map);
        Live {
            arrivals: Arrivals::new(ask.clock),
            rejects: Rejects::new(ask.rejects.clone()),
            types: ask.types.clone(),
            counts: Counts::default(),
            base,
            read_to: base,
            feeds: vec![Feed::Lines(Box::new(feed))],
            ask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Timestamp, Zone};

    fn judge(folder: &std::path::Path) -> Judge {
        Judge::new(Ask {
            paths: vec![],
            format: None,
            zone: Zone::default(),
            map: BTreeMap::new(),
            types: BTreeMap::new(),
            rejects: folder.join("rejects/serve.ndjson"),
            after: 0,
            clock: Timestamp(0),
            unnamed: None,
            is_eager: false,
        })
    }

    fn refused(judged: &Judged) -> Vec<(u64, &str)> {
        judged.refused.iter().map(|one| (one.line, one.code)).collect()
    }

    #[test]
    fn every_line_is_judged_and_types_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut judge = judge(folder.path());
        let good = r#"{"user_id":"u1","event":"pay","time":"2026-03-01T10:00:00+08:00","amount":5}"#;
        let lines = format!("{good}\nno json\n\n{{\"user_id\":\"u1\",\"event\":\"pay\"}}\n{good}\n");
        let found = judge.check(lines.into_bytes()).unwrap();
        assert_eq!(found.accepted, [1, 5]);
        assert_eq!(refused(&found).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
        let other = good.replace("\"amount\":5", "\"amount\":\"much\"") + "\n";
        let found = judge.check(other.into_bytes()).unwrap();
        assert_eq!(
            (found.accepted, refused(&Judged { accepted: vec![], refused: found.refused })),
            (vec![], vec![(1, "ING-106")])
        );
        let written = std::fs::read_dir(folder.path().join("rejects")).unwrap().count();
        assert_eq!(written, 1, "one file for all refused lines");
    }
}
