//! What was the state before a record? Named sections of bytes, written in parts, visible as a whole.
//!
//! Flow: [`SnapshotWriter`] takes sections as the caller copies them, on any thread, beside the log;
//! [`SnapshotWriter::finish`] makes the bytes durable; [`Log::publish`](super::Log::publish) gives the
//! file its name. [`SnapshotReader`] looks at every sum as it reads.

use std::sync::Arc;

use crate::base::{Outcome, Problem};

use super::blocks::{self, Block, Blocks};
use super::disk::{Disk, DiskFile};
use super::frame::{self, Content, FILE_HEAD_BYTES, FRAME_HEAD_BYTES, FileHead, FrameKind};
use super::names;
use super::problems::{self, Told};
use super::publish::Written;
use super::scan::{FrameFile, Step};

/// Payload of a frame: what one sum stands for.
const FRAME_BYTES: usize = 1 << 20;
/// Bytes between two syncs: the log's own syncs need not wait behind gigabytes.
const SYNC_BYTES: u64 = 32 << 20;

/// The section that names the blocks which the snapshot needs; it comes first.
const BLOCKS: &str = "blocks";

/// A snapshot being written; nobody sees it before it is published.
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    epoch: u64,
    position: u64,
    file: Box<dyn DiskFile>,
    seed: u64,
    offset: u64,
    synced: u64,
    /// The frame being filled.
    frame: Vec<u8>,
    /// Frames written.
    number: u64,
}

impl SnapshotWriter {
    pub(super) fn begin(
        disk: &Arc<dyn Disk>,
        app: u64,
        epoch: u64,
        position: u64,
    ) -> Outcome<SnapshotWriter> {
        let name = part_name(position);
        let mut file = disk.create(&name).told(disk.as_ref(), &name)?;
        let (head, seed) = FileHead { content: Content::Snapshot, app, position, epoch }.bytes();
        file.append(&head).told(disk.as_ref(), &name)?;
        let mut frame = Vec::with_capacity(FRAME_HEAD_BYTES + FRAME_BYTES);
        frame::begin(&mut frame);
        let (disk, offset) = (disk.clone(), FILE_HEAD_BYTES as u64);
        Ok(SnapshotWriter { disk, epoch, position, file, seed, offset, synced: 0, frame, number: 0 })
    }

    /// Names the blocks without which this snapshot is not whole; before any section.
    /// Errors: LOG-001.
    pub fn blocks(&mut self, all: &[Block]) -> Outcome<()> {
        self.section(BLOCKS, &blocks::listed(all))
    }

    /// A whole section at once.
    /// Errors: LOG-001; the snapshot cannot be finished then.
    pub fn section(&mut self, name: &str, bytes: &[u8]) -> Outcome<()> {
        self.begin_section(name)?;
        self.write(bytes)
    }

    /// Begins a section; [`SnapshotWriter::write`] fills it.
    /// Errors: LOG-001.
    pub fn begin_section(&mut self, name: &str) -> Outcome<()> {
        self.flush()?;
        self.frame.extend_from_slice(name.as_bytes());
        self.put(FrameKind::Section)
    }

    /// More bytes of the section that was begun last; before the first one, of a section without a name.
    /// Errors: LOG-001.
    pub fn write(&mut self, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            let room = (FRAME_HEAD_BYTES + FRAME_BYTES).saturating_sub(self.frame.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.frame.extend_from_slice(now);
            bytes = later;
            if self.frame.len() >= FRAME_HEAD_BYTES + FRAME_BYTES {
                self.put(FrameKind::Bytes)?;
            }
        }
        Ok(())
    }

    /// Makes the bytes durable; hand the result to [`Log::publish`](super::Log::publish).
    /// Errors: LOG-001, also when a sync fails: this snapshot is lost then, the log is not.
    pub fn finish(mut self) -> Outcome<Written> {
        self.flush()?;
        self.put(FrameKind::End)?;
        self.sync()?;
        Ok(Written { disk: self.disk, epoch: self.epoch, position: self.position })
    }

    /// Writes the frame being filled unless it is empty.
    fn flush(&mut self) -> Outcome<()> {
        if self.frame.len() > FRAME_HEAD_BYTES { self.put(FrameKind::Bytes) } else { Ok(()) }
    }

    fn put(&mut self, kind: FrameKind) -> Outcome<()> {
        frame::finish(&mut self.frame, kind, 0, self.number, self.seed, self.offset);
        self.file.append(&self.frame).told(self.disk.as_ref(), &part_name(self.position))?;
        self.offset += self.frame.len() as u64;
        self.number += 1;
        frame::begin(&mut self.frame);
        if self.offset - self.synced >= SYNC_BYTES { self.sync() } else { Ok(()) }
    }

    fn sync(&mut self) -> Outcome<()> {
        self.synced = self.offset;
        self.file.sync().told(self.disk.as_ref(), &part_name(self.position))
    }
}

/// The name of a snapshot that is being written.
pub(super) fn part_name(position: u64) -> String {
    names::part(&names::snapshot(position))
}

/// A piece of a snapshot, in the order in which it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A section with this name begins.
    Section(String),
    /// Bytes of it, about a mebibyte at most.
    Bytes(Vec<u8>),
}

/// A snapshot being read.
pub struct SnapshotReader {
    disk: Arc<dyn Disk>,
    app: u64,
    file: FrameFile,
    place: String,
    number: u64,
    is_over: bool,
    /// A piece that was looked at and is still to be given.
    ahead: Option<Piece>,
}

impl SnapshotReader {
    /// Errors: LOG-001, LOG-006, LOG-011 when the head is damaged.
    pub(super) fn open(disk: &Arc<dyn Disk>, app: u64, position: u64) -> Outcome<SnapshotReader> {
        let name = names::snapshot(position);
        let place = disk.place(&name);
        let head = FileHead { content: Content::Snapshot, app, position, epoch: 0 };
        let Some(file) = FrameFile::open(disk, &name, head)? else {
            return Err(problems::bad_snapshot(&place, "the head of the file is not as it was written"));
        };
        let disk = disk.clone();
        Ok(SnapshotReader { disk, app, file, place, number: 0, is_over: false, ahead: None })
    }

    /// The next piece; `None` at the end, which is there only when the snapshot is whole.
    /// Errors: LOG-001, LOG-011 at the first byte that is not as it was written.
    pub fn next_piece(&mut self) -> Outcome<Option<Piece>> {
        if self.ahead.is_some() {
            return Ok(self.ahead.take());
        }
        if self.is_over {
            return Ok(None);
        }
        match self.file.next()? {
            Step::Frame(head, payload) if head.position == self.number => {
                self.number += 1;
                self.piece(head.kind, payload)
            }
            Step::Frame(..) => Err(self.damaged("a part is missing")),
            Step::End => Err(self.damaged("the end is missing")),
            Step::Bad(what) => Err(self.damaged(what)),
        }
    }

    /// The blocks that the snapshot names; to be asked before anything else.
    /// Errors: as [`SnapshotReader::next_piece`].
    pub fn blocks(&mut self) -> Outcome<Vec<Block>> {
        let mut bytes = Vec::new();
        self.ahead = self.next_piece()?;
        if self.ahead != Some(Piece::Section(BLOCKS.to_string())) {
            return Ok(Vec::new());
        }
        self.ahead = None;
        while let Some(piece) = self.next_piece()? {
            match piece {
                Piece::Bytes(more) => bytes.extend_from_slice(&more),
                Piece::Section(_) => {
                    self.ahead = Some(piece);
                    break;
                }
            }
        }
        blocks::read_list(&bytes).ok_or_else(|| self.damaged("the list of blocks is not whole"))
    }

    /// A file of blocks that the snapshot names.
    /// Errors: LOG-001, LOG-006, LOG-020.
    pub fn open_blocks(&self, file: u64) -> Outcome<Blocks> {
        Blocks::open(&self.disk, self.app, file)
    }

    /// All sections by name, in the order in which they were written.
    /// Errors: as [`SnapshotReader::next_piece`].
    pub fn sections(mut self) -> Outcome<Vec<(String, Vec<u8>)>> {
        let mut all: Vec<(String, Vec<u8>)> = Vec::new();
        while let Some(piece) = self.next_piece()? {
            match (piece, all.last_mut()) {
                (Piece::Section(name), _) => all.push((name, Vec::new())),
                (Piece::Bytes(bytes), Some((_, section))) => section.extend_from_slice(&bytes),
                (Piece::Bytes(bytes), None) => all.push((String::new(), bytes)),
            }
        }
        Ok(all)
    }

    fn piece(&mut self, kind: FrameKind, payload: Vec<u8>) -> Outcome<Option<Piece>> {
        match kind {
            FrameKind::Section => {
                let name = String::from_utf8(payload).map_err(|_| self.damaged("a name is no text"))?;
                Ok(Some(Piece::Section(name)))
            }
            FrameKind::Bytes => Ok(Some(Piece::Bytes(payload))),
            FrameKind::End => {
                self.is_over = true;
                Ok(None)
            }
            _ => Err(self.damaged("a part does not belong there")),
        }
    }

    fn damaged(&self, what: &str) -> Problem {
        problems::bad_snapshot(&self.place, &format!("at byte {}: {what}", self.file.offset))
    }
}

/// What is wrong with a snapshot; `None` when it is whole.
/// Errors: LOG-001, LOG-006.
pub(super) fn fault(disk: &Arc<dyn Disk>, app: u64, position: u64) -> Outcome<Option<Problem>> {
    match read_through(disk, app, position) {
        Ok(()) => Ok(None),
        Err(problem) if ["LOG-011", "LOG-020"].contains(&problem.code) => Ok(Some(problem)),
        Err(problem) => Err(problem),
    }
}

fn read_through(disk: &Arc<dyn Disk>, app: u64, position: u64) -> Outcome<()> {
    let mut reader = SnapshotReader::open(disk, app, position)?;
    let blocks = reader.blocks()?;
    while reader.next_piece()?.is_some() {}
    blocks::check_all(disk, app, &blocks)
}

/// The blocks that a snapshot names. Errors: LOG-001, LOG-006, LOG-011.
pub(super) fn blocks_of(disk: &Arc<dyn Disk>, app: u64, position: u64) -> Outcome<Vec<Block>> {
    SnapshotReader::open(disk, app, position)?.blocks()
}
