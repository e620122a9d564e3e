//! What can be recovered from the files as they lie there? Looks only, changes nothing.
//!
//! Flow: names → the segments that count → the newest whole snapshot → every group after it. Damage is
//! a finding here, not an error, so that a person can be told what is whole before deciding.

use std::sync::Arc;

use crate::base::{Outcome, Problem};

use super::disk::Disk;
use super::frame::app_hash;
use super::group::Group;
use super::names::{self, FileName};
use super::problems::{self, Told};
use super::reader::Reader;
use super::scan::{Cut, Found, Scan, Segment};
use super::snapshot::{self, SnapshotReader};

/// What lies in the folder of a log.
pub struct Survey {
    /// The first record to be replayed: the snapshot's position, 0 without one.
    pub start: u64,
    /// The newest whole snapshot.
    pub snapshot: Option<u64>,
    /// The position after the last whole record; with damage, of what is whole before it.
    pub end: u64,
    /// The newest epoch that any writer had; 0 when there was none.
    pub epoch: u64,
    /// The last write, when it did not finish.
    pub cut: Option<Cut>,
    /// LOG-010 for a cut tail, LOG-011 or LOG-020 for each snapshot that was passed over, LOG-003 for damage before
    /// the snapshot that is used.
    pub notes: Vec<Problem>,
    /// LOG-003, LOG-004, LOG-005 or LOG-020: what keeps the log from being used beyond `end`.
    pub damage: Option<Problem>,
    pub(super) files: Files,
    /// The last group, unless it is certain that the disk has it for good.
    pub(super) last: Option<Group>,
    disk: Arc<dyn Disk>,
    app: u64,
}

/// Looks at the log of `app` in a folder, as if nothing stood at or after record `up_to`.
/// `known`: somebody acted on all records before it, so they must be there.
/// Errors: LOG-001 when it cannot be read, LOG-006 when it is another app's or a newer program's.
pub fn survey(disk: &Arc<dyn Disk>, app: &str, known: u64, up_to: Option<u64>) -> Outcome<Survey> {
    let files = Files::list(disk.as_ref())?;
    let mut survey = Survey {
        start: 0,
        snapshot: None,
        end: 0,
        epoch: files.newest_epoch(),
        cut: None,
        notes: Vec::new(),
        damage: None,
        files,
        last: None,
        disk: disk.clone(),
        app: app_hash(app),
    };
    survey.choose_snapshot(up_to.unwrap_or(u64::MAX))?;
    survey.walk(up_to)?;
    if survey.damage.is_none() && up_to.is_none() {
        survey.damage = survey.shortage(known);
    }
    survey.name_the_cause();
    Ok(survey)
}

impl Survey {
    /// The groups from record `from` to `end`.
    /// Errors: LOG-004 when `from` is in no file any more.
    pub fn read(&self, from: u64) -> Outcome<Reader> {
        Reader::open(&self.disk, self.app, &self.files.accepted(self.end), from, self.end)
    }

    /// The first record that a file still has.
    pub fn first(&self) -> u64 {
        self.files.accepted(self.end).first().map_or(self.start, |segment| segment.first)
    }

    /// The newest whole snapshot, if there is one.
    /// Errors: LOG-001.
    pub fn open_snapshot(&self) -> Outcome<Option<SnapshotReader>> {
        self.snapshot.map(|position| SnapshotReader::open(&self.disk, self.app, position)).transpose()
    }

    fn choose_snapshot(&mut self, most: u64) -> Outcome<()> {
        for position in self.files.snapshots.iter().rev().copied().filter(|position| *position <= most) {
            match snapshot::fault(&self.disk, self.app, position)? {
                Some(fault) => self.notes.push(fault),
                None => {
                    (self.snapshot, self.start) = (Some(position), position);
                    break;
                }
            }
        }
        self.end = self.start;
        Ok(())
    }

    /// Reads every group from `start` on; damage is kept as a finding.
    fn walk(&mut self, up_to: Option<u64>) -> Outcome<()> {
        let segments = self.files.accepted(up_to.unwrap_or(u64::MAX));
        if segments.is_empty() && self.start > 0 && up_to != Some(self.start) {
            self.damage = Some(problems::missing(&self.disk.place(""), self.start, u64::MAX));
            return Ok(());
        }
        match self.walk_over(&segments, up_to) {
            Err(problem) if is_damage(&problem) => self.damage = Some(problem),
            other => other?,
        }
        Ok(())
    }

    fn walk_over(&mut self, segments: &[Segment], up_to: Option<u64>) -> Outcome<()> {
        let mut scan = Scan::open(&self.disk, self.app, segments, self.start)?;
        self.end = scan.position;
        while up_to.is_none_or(|up_to| scan.position < up_to) {
            match scan.next()? {
                Found::Group(group) => {
                    self.end = scan.position;
                    self.last = scan.is_in_last().then_some(group);
                }
                Found::End(tail) => {
                    self.last.take_if(|_| tail.is_closed);
                    self.note_cut(tail.cut);
                    break;
                }
            }
        }
        self.notes.append(&mut scan.passed);
        self.stop_at(up_to)
    }

    /// Nothing at or after `up_to` counts; it is damage when the log does not reach so far.
    fn stop_at(&mut self, up_to: Option<u64>) -> Outcome<()> {
        let Some(up_to) = up_to else { return Ok(()) };
        if self.end < up_to {
            return Err(problems::too_short(&self.disk.place(""), self.end, up_to, "the question"));
        }
        self.end = up_to;
        self.last = self.last.take().and_then(|group| group.within(0, up_to));
        Ok(())
    }

    fn note_cut(&mut self, cut: Option<Cut>) {
        if let Some(cut) = &cut {
            let place = self.disk.place(&cut.file);
            self.notes.push(problems::cut(&place, cut.offset, cut.bytes, self.end));
        }
        self.cut = cut;
    }

    /// Records are missing only because no snapshot can be used that needs certain blocks: these are the damage.
    fn name_the_cause(&mut self) {
        let cause = self.notes.iter().find(|note| note.code == "LOG-020");
        if let (Some(_), None, Some(cause)) = (&self.damage, self.snapshot, cause) {
            self.damage = Some(cause.clone());
        }
    }

    /// A log that ends before what others know has lost records, however whole it looks.
    fn shortage(&self, known: u64) -> Option<Problem> {
        let (most, who) =
            if self.start >= known { (self.start, "a snapshot") } else { (known, "the ledger") };
        let place = self.cut.as_ref().map_or("", |cut| cut.file.as_str());
        (self.end < most).then(|| problems::too_short(&self.disk.place(place), self.end, most, who))
    }
}

fn is_damage(problem: &Problem) -> bool {
    ["LOG-003", "LOG-004", "LOG-005"].contains(&problem.code)
}

/// The files of the folder that are ours, each kind in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Files {
    pub segments: Vec<Segment>,
    pub snapshots: Vec<u64>,
    pub blocks: Vec<u64>,
    pub claims: Vec<u64>,
    pub parts: Vec<String>,
}

impl Files {
    pub fn list(disk: &dyn Disk) -> Outcome<Files> {
        let mut files = Files::default();
        for name in disk.list().told(disk, "")? {
            match FileName::read(&name) {
                Some(FileName::Segment { first, epoch }) => files.segments.push(Segment { first, epoch }),
                Some(FileName::Snapshot { position }) => files.snapshots.push(position),
                Some(FileName::Blocks { position }) => files.blocks.push(position),
                Some(FileName::Claim { epoch }) => files.claims.push(epoch),
                Some(FileName::Part) => files.parts.push(name),
                None => {}
            }
        }
        files.segments.sort_unstable();
        files.snapshots.sort_unstable();
        Ok(files)
    }

    /// The newest epoch that any writer had; 0 when there was none.
    pub fn newest_epoch(&self) -> u64 {
        let of_segments = self.segments.iter().map(|segment| segment.epoch);
        of_segments.chain(self.claims.iter().copied()).max().unwrap_or(0)
    }

    /// The segments that count, of those that begin before `until`. One that begins where another
    /// does, or later, under an older epoch was written by somebody who had been replaced.
    pub fn accepted(&self, until: u64) -> Vec<Segment> {
        let mut kept: Vec<Segment> = Vec::new();
        for segment in self.segments.iter().filter(|s| s.first < until || until == u64::MAX) {
            match kept.last_mut() {
                Some(last) if segment.epoch < last.epoch => {}
                Some(last) if last.first == segment.first => *last = *segment,
                _ => kept.push(*segment),
            }
        }
        kept
    }

    /// Names of segments, snapshots and blocks that hold only what stands at or after `up_to`; the newest
    /// first, so that a crash between two of them leaves a log that is only shorter.
    pub fn beyond(&self, up_to: u64) -> Vec<String> {
        let segments = self.segments.iter().rev().filter(|segment| segment.first >= up_to);
        let snapshots = self.snapshots.iter().rev().filter(|position| **position > up_to);
        let snapshots = snapshots.map(|position| names::snapshot(*position));
        let blocks = self.blocks.iter().filter(|position| **position > up_to);
        let blocks = blocks.map(|position| names::blocks(*position));
        snapshots.chain(blocks).chain(segments.map(Segment::name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(segments: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut files = Files::default();
        files.segments.extend(segments.iter().map(|&(first, epoch)| Segment { first, epoch }));
        files.segments.sort_unstable();
        files.accepted(u64::MAX).iter().map(|s| (s.first, s.epoch)).collect()
    }

    #[test]
    fn who_has_been_replaced_does_not_count() {
        assert_eq!(accepted(&[(0, 1), (5, 1), (9, 2)]), [(0, 1), (5, 1), (9, 2)]);
        assert_eq!(accepted(&[(0, 1), (5, 2), (5, 1), (9, 1)]), [(0, 1), (5, 2)]);
        assert_eq!(accepted(&[(0, 1), (5, 1), (5, 3)]), [(0, 1), (5, 3)]);
    }
}
