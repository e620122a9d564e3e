//! When is a record safe? After [`Log::commit`], and not before.
//!
//! Flow: [`Log::append`] gives a record its position and keeps it in memory; [`Log::commit`] writes all
//! that wait as one group and syncs once; what it returns is durable. [`Log::publish`] makes a snapshot
//! visible and takes away what nobody needs any more.
//!
//! What the disk refuses before a sync can be tried again. After a sync that failed nothing is known of
//! the disk, so the log stops: every later call gives the same problem.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Outcome, Problem, Timestamp};

use super::beside::Beside;
use super::disk::{Disk, DiskFile};
use super::frame::{
    self, Content, FILE_HEAD_BYTES, FRAME_HEAD_BYTES, FileHead, FrameKind, PAYLOAD_BYTES_MAX,
};
use super::group::{self, Group, RECORD_HEAD_BYTES};
use super::names;
use super::problems::{self, Told};
use super::publish::{Shown, Unneeded, Written};
use super::reader::Reader;
use super::scan::Segment;
use super::snapshot::{SnapshotReader, SnapshotWriter};
use super::survey::Files;

/// How many snapshots are kept: the one before makes up for a damaged one.
const SNAPSHOTS_KEPT: usize = 2;

/// A record has its position, and would be lost in a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number: dense, from 0.
    pub position: u64,
}

/// All records before a position will be there after any crash; decisions that they caused may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Durable {
    /// The position after the last durable record.
    pub until: u64,
}

/// When to write and where to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a segment, after which the next one begins; one larger group still fits.
    pub segment_bytes: u64,
    /// Waiting bytes that are worth a sync.
    pub group_bytes: usize,
    /// Milliseconds that a record may wait.
    pub wait_ms: i64,
}

impl Default for Limits {
    /// 64 MiB a segment, a sync for 1 MiB or after 5 ms.
    fn default() -> Limits {
        Limits { segment_bytes: 64 << 20, group_bytes: 1 << 20, wait_ms: 5 }
    }
}

/// The one writer of a log.
pub struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) app: u64,
    pub(super) epoch: u64,
    pub(super) limits: Limits,
    /// Segments that count, in order; the last one is the current one.
    pub(super) segments: Vec<Segment>,
    /// Positions of snapshots that are kept, in order.
    pub(super) snapshots: Vec<u64>,
    /// What readers still need, by name.
    marks: BTreeMap<String, u64>,
    /// `None` when nothing may be put behind its last byte.
    file: Option<SegmentFile>,
    /// The group being filled: room for a head, then records.
    frame: Vec<u8>,
    count: u32,
    since: Option<Timestamp>,
    durable: u64,
    /// Why nothing can be done any more.
    stopped: Option<Problem>,
}

struct SegmentFile {
    name: String,
    file: Box<dyn DiskFile>,
    seed: u64,
    offset: u64,
}

impl Log {
    /// A log that goes on at record `durable`; it has no file yet.
    pub(super) fn new(disk: &Arc<dyn Disk>, app: u64, epoch: u64, limits: Limits, durable: u64) -> Log {
        let mut frame = Vec::with_capacity(limits.group_bytes.min(PAYLOAD_BYTES_MAX) + FRAME_HEAD_BYTES);
        frame::begin(&mut frame);
        Log {
            disk: disk.clone(),
            app,
            epoch,
            limits,
            segments: Vec::new(),
            snapshots: Vec::new(),
            marks: BTreeMap::new(),
            file: None,
            frame,
            count: 0,
            since: None,
            durable,
            stopped: None,
        }
    }

    /// Gives a record its position and lets it wait for the next commit. `kind` and `bytes` are the
    /// caller's; `now` is a clock that does not go back.
    /// Errors: LOG-008 when it does not fit beside those that wait; LOG-002 or LOG-007 once the log has
    /// stopped. The record has no position then.
    pub fn append(&mut self, kind: u16, bytes: &[u8], now: Timestamp) -> Outcome<Appended> {
        self.check_running()?;
        let waiting = self.waiting_bytes();
        if waiting.saturating_add(RECORD_HEAD_BYTES).saturating_add(bytes.len()) > PAYLOAD_BYTES_MAX {
            return Err(problems::too_large(bytes.len(), waiting, PAYLOAD_BYTES_MAX));
        }
        let position = self.end();
        group::put(&mut self.frame, kind, bytes);
        self.count += 1;
        self.since.get_or_insert(now);
        Ok(Appended { position })
    }

    /// Writes the records that wait as one group and returns when they are durable.
    /// Errors: LOG-001 when the disk refused to write (the records still wait; commit again later);
    /// LOG-002 when it could not make them safe, LOG-007 when another writer has taken over: the log
    /// has stopped.
    pub fn commit(&mut self) -> Outcome<Durable> {
        self.check_running()?;
        if self.count > 0 {
            self.write_group()?;
        }
        Ok(self.durable())
    }

    /// Commits if enough bytes wait or the oldest record has waited long enough.
    /// Errors: as [`Log::commit`].
    pub fn commit_if_due(&mut self, now: Timestamp) -> Outcome<Durable> {
        let is_full = self.waiting_bytes() >= self.limits.group_bytes;
        let is_due = is_full || self.due_at().is_some_and(|at| at <= now);
        if is_due { self.commit() } else { Ok(self.durable()) }
    }

    /// When the records that wait should be committed at the latest; `None` when none wait.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.since.map(|since| Timestamp(since.0.saturating_add(self.limits.wait_ms)))
    }

    /// What is durable.
    pub fn durable(&self) -> Durable {
        Durable { until: self.durable }
    }

    /// The position that the next record gets.
    pub fn end(&self) -> u64 {
        self.durable + u64::from(self.count)
    }

    /// The fencing token of this writer.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Bytes that wait for the next commit.
    pub fn waiting_bytes(&self) -> usize {
        self.frame.len().saturating_sub(FRAME_HEAD_BYTES)
    }

    /// The durable records from `from` on.
    /// Errors: LOG-004 when they are gone, LOG-001, LOG-003 for a damaged file.
    pub fn read(&self, from: u64) -> Outcome<Reader> {
        Reader::open(&self.disk, self.app, &self.segments, from, self.durable)
    }

    /// A reader of this name needs the records from `position` on: no clean-up takes them. Marks are
    /// not stored; set them again before the first [`Log::publish`] after a start.
    pub fn keep(&mut self, reader: &str, position: u64) {
        self.marks.insert(reader.to_string(), position);
    }

    /// The reader of this name needs nothing any more.
    pub fn release(&mut self, reader: &str) {
        self.marks.remove(reader);
    }

    /// Begins a snapshot of the state before record `position`; it may be written on another thread
    /// while the log goes on.
    /// Errors: LOG-001.
    pub fn snapshot(&self, position: u64) -> Outcome<SnapshotWriter> {
        self.check_running()?;
        SnapshotWriter::begin(&self.disk, self.app, self.epoch, position)
    }

    /// Reads a snapshot.
    /// Errors: LOG-001, LOG-011 when it is damaged.
    pub fn open_snapshot(&self, position: u64) -> Outcome<SnapshotReader> {
        SnapshotReader::open(&self.disk, self.app, position)
    }

    /// Makes a finished snapshot visible, keeps it and the one before, and takes away older ones and
    /// the segments that neither they nor a [mark](Log::keep) need.
    /// Errors: LOG-001 when the disk refused (the snapshot may be tried again), LOG-002 and LOG-007
    /// when the log has stopped, BUG-001 when records before its position are not durable.
    pub fn publish(&mut self, written: Written) -> Outcome<()> {
        self.check_running()?;
        if written.position > self.durable {
            return Err(Problem::bug(format!(
                "a snapshot before record {} is to be seen when the log is durable before {}",
                written.position, self.durable
            )));
        }
        let shown = written.show().inspect_err(|problem| self.stop_if_lost(problem))?;
        self.note(shown).take_away();
        Ok(())
    }

    /// A snapshot can be seen; gives what nobody needs any more.
    pub fn note(&mut self, shown: Shown) -> Unneeded {
        self.snapshots.retain(|position| *position != shown.position);
        self.snapshots.push(shown.position);
        self.snapshots.sort_unstable();
        let surplus = self.snapshots.len().saturating_sub(SNAPSHOTS_KEPT);
        self.snapshots.drain(..surplus);
        self.unneeded()
    }

    /// A snapshot that was made beside the log failed; some problems are the log's too.
    pub fn stop_if_lost(&mut self, problem: &Problem) {
        if ["LOG-002", "LOG-007"].contains(&problem.code) {
            self.stopped = Some(problem.clone());
        }
    }

    /// The position of the newest snapshot.
    pub fn newest_snapshot(&self) -> Option<u64> {
        self.snapshots.last().copied()
    }

    /// What another thread needs to make a snapshot of all that is durable now.
    pub fn beside(&self) -> Beside {
        Beside {
            disk: self.disk.clone(),
            app: self.app,
            epoch: self.epoch,
            segments: self.segments.clone(),
            snapshot: self.newest_snapshot(),
            position: self.durable,
        }
    }

    /// Commits, and says in the log that this is its end: a later start then knows that nothing may
    /// be missing from the last file.
    /// Errors: as [`Log::commit`].
    pub fn close(mut self) -> Outcome<Durable> {
        let durable = self.commit()?;
        if let Some(file) = &mut self.file {
            frame::begin(&mut self.frame);
            frame::finish(&mut self.frame, FrameKind::Closed, 0, durable.until, file.seed, file.offset);
            file.file.append(&self.frame).told(self.disk.as_ref(), &file.name)?;
            file.file
                .sync()
                .map_err(|e| problems::not_synced(&self.disk.place(&file.name), &e, self.durable))?;
        }
        Ok(durable)
    }

    /// Starts the current segment at `first`, with a group that is written once more.
    pub(super) fn begin_segment(&mut self, first: u64, again: Option<&Group>) -> Outcome<()> {
        // Should the rename be done although it is refused, the old file must not grow any more.
        self.file = None;
        let segment = Segment { first, epoch: self.epoch };
        let (name, part) = (segment.name(), names::part(&segment.name()));
        let mut file = self.begin_file(&part, name.clone(), first)?;
        if let Some(group) = again {
            let bytes = framed(group, &file);
            file.append(&bytes).told(self.disk.as_ref(), &part)?;
        }
        file.file.sync().map_err(|error| self.stop_unsynced(&part, &error))?;
        self.disk.rename(&part, &name).told(self.disk.as_ref(), &name)?;
        self.sync_folder()?;
        self.segments.retain(|other| other.first < first);
        self.segments.push(segment);
        self.file = Some(file);
        Ok(())
    }

    fn begin_file(&self, part: &str, name: String, position: u64) -> Outcome<SegmentFile> {
        let head = FileHead { content: Content::Segment, app: self.app, position, epoch: self.epoch };
        let (head, seed) = head.bytes();
        let file = self.disk.create(part).told(self.disk.as_ref(), part)?;
        let mut file = SegmentFile { name, file, seed, offset: 0 };
        file.append(&head).told(self.disk.as_ref(), part)?;
        Ok(file)
    }

    fn write_group(&mut self) -> Outcome<()> {
        self.turn_if_full()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        frame::finish(&mut self.frame, FrameKind::Group, self.count, self.durable, file.seed, file.offset);
        if let Err(error) = file.append(&self.frame) {
            // A part of the group may lie there; the next one goes into a new file.
            let place = self.disk.place(&file.name);
            self.file = None;
            return Err(problems::failed(&place, &error));
        }
        if let Err(error) = file.file.sync() {
            let name = file.name.clone();
            return Err(self.stop_unsynced(&name, &error));
        }
        self.check_epoch()?;
        self.durable = self.end();
        self.count = 0;
        self.since = None;
        frame::begin(&mut self.frame);
        Ok(())
    }

    /// There is a file with room for the group afterwards.
    fn turn_if_full(&mut self) -> Outcome<()> {
        let room = |file: &SegmentFile| {
            let is_empty = file.offset == FILE_HEAD_BYTES as u64;
            is_empty || file.offset + self.frame.len() as u64 <= self.limits.segment_bytes
        };
        if self.file.as_ref().is_some_and(room) { Ok(()) } else { self.begin_segment(self.durable, None) }
    }

    /// Whoever claims the log first looks for a newer claim after its writes, and reads what is there
    /// after its claim: so either we see the claim, or the other one sees our group.
    fn check_epoch(&mut self) -> Outcome<()> {
        let newest = Files::list(self.disk.as_ref()).map(|files| files.newest_epoch());
        let stop = match newest {
            Ok(newest) if newest <= self.epoch => return Ok(()),
            Ok(newest) => problems::fenced(&self.disk.place(""), self.epoch, newest),
            // The group is in the file: it may not be written a second time.
            Err(problem) => problem,
        };
        self.stopped = Some(stop.clone());
        Err(stop)
    }

    fn sync_folder(&mut self) -> Outcome<()> {
        let synced = self.disk.sync_folder();
        synced.map_err(|error| self.stop_unsynced("", &error))
    }

    fn stop_unsynced(&mut self, name: &str, error: &std::io::Error) -> Problem {
        let problem = problems::not_synced(&self.disk.place(name), error, self.durable);
        self.stopped = Some(problem.clone());
        problem
    }

    fn check_running(&self) -> Outcome<()> {
        self.stopped.clone().map_or(Ok(()), Err)
    }

    /// What neither a kept snapshot nor a mark needs; the log itself does not look at it any more.
    fn unneeded(&mut self) -> Unneeded {
        let needed = self.needed_from();
        let ends = self.segments.iter().skip(1).map(|next| next.first);
        let gone = ends.filter(|end| *end <= needed).count();
        let kept = self.segments.split_off(gone);
        let oldest = kept.first().map_or(0, |segment| segment.first);
        self.segments = kept;
        let (disk, app, snapshots) = (self.disk.clone(), self.app, self.snapshots.clone());
        Unneeded { disk, app, snapshots, oldest }
    }

    /// The first record that a start after a crash, or a reader, may ask for.
    fn needed_from(&self) -> u64 {
        let by_snapshots = match self.snapshots.as_slice() {
            [before, _newest] => *before,
            _ => 0,
        };
        self.marks.values().copied().min().unwrap_or(u64::MAX).min(by_snapshots)
    }
}

impl SegmentFile {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.file.append(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// A group as a frame for the end of a file.
fn framed(again: &Group, file: &SegmentFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::begin(&mut bytes);
    let mut count = 0;
    for record in again.records() {
        group::put(&mut bytes, record.kind, record.bytes);
        count += 1;
    }
    frame::finish(&mut bytes, FrameKind::Group, count, again.from(), file.seed, file.offset);
    bytes
}
