//! Which groups does the log hold, in order, and where does it stop being whole?
//!
//! Flow: [`FrameFile`] reads the frames of one file; [`Scan`] walks over the segments and judges: a
//! file ends where the next one begins, whatever lies behind that; bytes that are no frame are a cut
//! tail only in the last file and only when no frame follows them. Everything else is damage.

use std::sync::Arc;

use crate::base::{Outcome, Problem};

use super::disk::Disk;
use super::frame::{
    self, Content, FILE_HEAD_BYTES, FRAME_HEAD_BYTES, FileHead, FrameHead, FrameKind, HeadFault,
};
use super::group::{Group, tiles};
use super::names;
use super::problems::{self, Told};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// A file of frames, read from front to back.
pub(super) struct FrameFile {
    disk: Arc<dyn Disk>,
    pub name: String,
    seed: u64,
    /// Where the next frame begins.
    pub offset: u64,
    pub length: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// What comes next in a file.
pub(super) enum Step {
    Frame(FrameHead, Vec<u8>),
    End,
    /// No whole frame, and why.
    Bad(&'static str),
}

impl FrameFile {
    /// Opens a file that should begin with `head`; `None` when it does not.
    /// Errors: LOG-001; LOG-006 when another app or a newer program wrote it.
    pub fn open(disk: &Arc<dyn Disk>, name: &str, head: FileHead) -> Outcome<Option<FrameFile>> {
        let place = disk.place(name);
        let length = disk.length(name).told(disk.as_ref(), name)?;
        let window = disk.read(name, 0, READ_BYTES).told(disk.as_ref(), name)?;
        let seed = match FileHead::read(head.content, &window) {
            Err(HeadFault::Damaged) => return Ok(None),
            Err(HeadFault::Version(found)) => {
                let what = format!("written in form {found}; this program reads {}", frame::VERSION);
                return Err(problems::foreign(&place, &what));
            }
            Ok((found, _)) if found.app != head.app => {
                return Err(problems::foreign(&place, "the file belongs to another app"));
            }
            Ok((found, _)) if found.position != head.position => return Ok(None),
            // Names of snapshots do not say who wrote them.
            Ok((found, _)) if head.content == Content::Segment && found.epoch != head.epoch => {
                return Ok(None);
            }
            Ok((_, seed)) => seed,
        };
        let (disk, name) = (disk.clone(), name.to_string());
        Ok(Some(FrameFile { disk, name, seed, offset: FILE_HEAD_BYTES as u64, length, window, window_at: 0 }))
    }

    /// The frame at the current place; goes behind it when it is whole.
    /// Errors: LOG-001.
    pub fn next(&mut self) -> Outcome<Step> {
        if self.offset >= self.length {
            return Ok(Step::End);
        }
        let (seed, offset) = (self.seed, self.offset);
        let Some(head) = FrameHead::read(self.bytes(offset, FRAME_HEAD_BYTES)?, seed, offset) else {
            return Ok(Step::Bad("no frame begins there"));
        };
        let payload = self.bytes(offset + FRAME_HEAD_BYTES as u64, head.length)?;
        if payload.len() < head.length {
            return Ok(Step::Bad("the frame is cut off"));
        }
        if !head.fits(payload, seed, offset) {
            return Ok(Step::Bad("the sum of the frame is wrong"));
        }
        let payload = payload.to_vec();
        self.offset += (FRAME_HEAD_BYTES + head.length) as u64;
        Ok(Step::Frame(head, payload))
    }

    /// Where the head of a later frame stands behind the current place, and the frame's position.
    /// A writer begins a frame only when the one before is durable.
    /// Errors: LOG-001.
    pub fn find_later(&mut self, position: u64) -> Outcome<Option<(u64, u64)>> {
        let mut at = self.offset + 1;
        while at + FRAME_HEAD_BYTES as u64 <= self.length {
            let seed = self.seed;
            let bytes = self.bytes(at, READ_BYTES)?;
            if let Some(found) = find_head(bytes, at, seed, position) {
                return Ok(Some(found));
            }
            // A head may lie across the end of what was read.
            at += (bytes.len().saturating_sub(FRAME_HEAD_BYTES - 1)).max(1) as u64;
        }
        Ok(None)
    }

    /// Up to `count` bytes; fewer where the file ends.
    fn bytes(&mut self, offset: u64, count: usize) -> Outcome<&[u8]> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = count.min(left);
        let is_there =
            offset >= self.window_at && offset + count as u64 <= self.window_at + self.window.len() as u64;
        if !is_there {
            let wanted = count.max(READ_BYTES.min(left));
            self.window = self.disk.read(&self.name, offset, wanted).told(self.disk.as_ref(), &self.name)?;
            self.window_at = offset;
        }
        let from = (offset - self.window_at) as usize;
        let until = (from + count).min(self.window.len());
        Ok(self.window.get(from..until).unwrap_or_default())
    }
}

/// Offset in the file and position of the first head in `bytes` that belongs to a later frame.
fn find_head(bytes: &[u8], offset: u64, seed: u64, position: u64) -> Option<(u64, u64)> {
    let mut from = 0;
    while let Some(at) = frame::find_magic(bytes, from) {
        let place = offset + at as u64;
        let head = bytes.get(at..).and_then(|rest| FrameHead::read(rest, seed, place));
        if let Some(head) = head.filter(|head| head.position > position) {
            return Some((place, head.position));
        }
        from = at + 1;
    }
    None
}

/// A segment as its name says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub first: u64,
    pub epoch: u64,
}

impl Segment {
    pub fn name(&self) -> String {
        names::segment(self.first, self.epoch)
    }
}

/// What comes next in the log.
pub(super) enum Found {
    Group(Group),
    End(Tail),
}

/// How the log ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The writer said that it was done.
    pub is_closed: bool,
    /// File, offset and bytes behind the last whole frame.
    pub cut: Option<Cut>,
}

/// Bytes of a write that did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Name of the file.
    pub file: String,
    /// The first byte that is left out.
    pub offset: u64,
    /// How many bytes are left out.
    pub bytes: u64,
}

/// A walk over the groups of the segments, from the one that holds a position on.
pub(super) struct Scan {
    disk: Arc<dyn Disk>,
    app: u64,
    segments: Vec<Segment>,
    /// The current one.
    at: usize,
    file: Option<FrameFile>,
    /// The record that comes next.
    pub position: u64,
    is_closed: bool,
    /// The first record that is asked for.
    from: u64,
    /// Damage before that record: nobody needs those bytes now.
    pub passed: Vec<Problem>,
    /// The file may not end in bytes that are no frame: a reader looks at durable records only.
    pub is_durable: bool,
}

impl Scan {
    /// From the segment that holds record `from` on. `segments` are in order.
    /// Errors: LOG-004 when no segment begins at or before `from`; and as [`Scan::next`].
    pub fn open(disk: &Arc<dyn Disk>, app: u64, segments: &[Segment], from: u64) -> Outcome<Scan> {
        let at = segments.iter().rposition(|segment| segment.first <= from);
        let (at, position) = match (at, segments.first()) {
            (Some(at), _) => (at, segments.get(at).map_or(from, |segment| segment.first)),
            (None, Some(first)) => {
                return Err(problems::missing(&disk.place(&first.name()), from, first.first));
            }
            (None, None) => (0, from),
        };
        let (disk, segments) = (disk.clone(), segments.to_vec());
        let mut scan = Scan {
            disk,
            app,
            segments,
            at,
            file: None,
            position,
            is_closed: false,
            from,
            passed: Vec::new(),
            is_durable: false,
        };
        scan.open_file()?;
        Ok(scan)
    }

    /// The next group, or how the log ends.
    /// Errors: LOG-001, LOG-003 for damage, LOG-004 for records that are in no file, LOG-006.
    pub fn next(&mut self) -> Outcome<Found> {
        loop {
            while self.limit().is_some_and(|limit| self.position >= limit) {
                self.at += 1;
                self.open_file()?;
            }
            let Some(file) = &mut self.file else { return Ok(Found::End(Tail::default())) };
            match file.next()? {
                Step::Frame(head, payload) => {
                    if let Some(group) = self.group(head, payload)? {
                        return Ok(Found::Group(group));
                    }
                }
                Step::End => return self.end(),
                Step::Bad(what) => {
                    if let Some(found) = self.bad(what)? {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// Does no segment come after the current one?
    pub fn is_in_last(&self) -> bool {
        self.limit().is_none()
    }

    /// Where the next segment begins, if there is one.
    fn limit(&self) -> Option<u64> {
        self.segments.get(self.at + 1).map(|segment| segment.first)
    }

    fn open_file(&mut self) -> Outcome<()> {
        let Some(segment) = self.segments.get(self.at) else { return Ok(()) };
        let (name, position, epoch) = (segment.name(), segment.first, segment.epoch);
        let head = FileHead { content: Content::Segment, app: self.app, position, epoch };
        self.file = FrameFile::open(&self.disk, &name, head)?;
        self.is_closed = false;
        match self.file {
            Some(_) => Ok(()),
            // A segment gets its name when its head is durable.
            None => Err(problems::damaged(
                &self.disk.place(&name),
                0,
                "the head of the file is not as it was written",
                position,
            )),
        }
    }

    /// The group of a frame; `None` for the mark of a closed log.
    fn group(&mut self, head: FrameHead, payload: Vec<u8>) -> Outcome<Option<Group>> {
        self.is_closed = head.kind == FrameKind::Closed;
        if self.is_closed {
            return Ok(None);
        }
        if head.kind != FrameKind::Group || head.position != self.position || !tiles(&payload, head.count) {
            return Err(self.damaged("the frame does not belong there"));
        }
        let until = head.position.saturating_add(u64::from(head.count));
        self.position = self.limit().map_or(until, |limit| until.min(limit));
        Ok(Some(Group::new(head.position, self.position, payload)))
    }

    fn end(&self) -> Outcome<Found> {
        let Some(file) = &self.file else { return Ok(Found::End(Tail::default())) };
        match self.limit() {
            Some(limit) => Err(problems::missing(&self.disk.place(&file.name), self.position, limit)),
            None => Ok(Found::End(Tail { is_closed: self.is_closed, cut: None })),
        }
    }

    /// How the log ends there; `None` when the walk goes on behind bytes that nobody needs.
    fn bad(&mut self, what: &str) -> Outcome<Option<Found>> {
        let damage = self.damaged(what);
        let (is_last, position) = (self.is_in_last(), self.position);
        let Some(file) = &mut self.file else { return Ok(Some(Found::End(Tail::default()))) };
        match file.find_later(position)? {
            Some((offset, position)) if position <= self.from => {
                (file.offset, self.position) = (offset, position);
                self.passed.push(damage);
                Ok(None)
            }
            None if is_last && !self.is_durable => {
                let (file, offset, bytes) = (file.name.clone(), file.offset, file.length - file.offset);
                let cut = Some(Cut { file, offset, bytes });
                Ok(Some(Found::End(Tail { is_closed: self.is_closed, cut })))
            }
            _ => Err(damage),
        }
    }

    fn damaged(&self, what: &str) -> Problem {
        let (name, offset) = self.file.as_ref().map_or(("", 0), |file| (file.name.as_str(), file.offset));
        problems::damaged(&self.disk.place(name), offset, what, self.position)
    }
}
