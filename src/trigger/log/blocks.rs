//! Which bytes never change and are shared by several snapshots? Blocks: written once, then mapped.
//!
//! Flow: [`BlocksWriter`] puts blocks one behind the other and says where each lies ([`Block`]);
//! [`BlocksWriter::finish`] makes them durable and gives the file its name. A snapshot names the blocks that it
//! needs ([`SnapshotWriter::blocks`](super::SnapshotWriter::blocks)); it is whole only when they are. [`Blocks`]
//! maps a file and gives blocks out of it. A file goes when no kept snapshot names a block of it.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::{Outcome, Problem};

use super::disk::{Disk, DiskFile};
use super::frame::{self, Content, FILE_HEAD_BYTES, FileHead, HeadFault};
use super::names;
use super::problems::{self, Told};

/// Bytes that are handed to the disk at once.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes between two syncs: the log's own syncs need not wait behind gigabytes.
const SYNC_BYTES: u64 = 32 << 20;
/// Bytes of a block in the list of a snapshot.
const LISTED_BYTES: usize = 28;

/// Where bytes lie, and their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The position in the name of the file.
    pub file: u64,
    pub offset: u64,
    pub length: u32,
    pub sum: u64,
}

/// A file of blocks being written; nobody sees it before it is finished.
pub struct BlocksWriter {
    disk: Arc<dyn Disk>,
    position: u64,
    file: Box<dyn DiskFile>,
    seed: u64,
    /// Bytes of the file, with those that wait in `buffer`.
    length: u64,
    synced: u64,
    buffer: Vec<u8>,
}

impl BlocksWriter {
    pub(super) fn begin(disk: &Arc<dyn Disk>, app: u64, epoch: u64, position: u64) -> Outcome<BlocksWriter> {
        let name = names::part(&names::blocks(position));
        let file = disk.create(&name).told(disk.as_ref(), &name)?;
        let (head, seed) = FileHead { content: Content::Blocks, app, position, epoch }.bytes();
        let (disk, buffer) = (disk.clone(), head.to_vec());
        Ok(BlocksWriter { disk, position, file, seed, length: FILE_HEAD_BYTES as u64, synced: 0, buffer })
    }

    /// Puts a block behind the last one.
    /// Errors: LOG-001; the file cannot be finished then.
    pub fn put(&mut self, bytes: &[u8]) -> Outcome<Block> {
        let (offset, length) = (self.length, bytes.len() as u32);
        let sum = frame::sum(bytes, self.seed, offset);
        self.buffer.extend_from_slice(bytes);
        self.length += u64::from(length);
        if self.buffer.len() >= WRITE_BYTES {
            self.write()?;
        }
        Ok(Block { file: self.position, offset, length, sum })
    }

    /// Makes all blocks durable under the name of the file.
    /// Errors: LOG-001, also when a sync fails: these blocks are lost then, the log is not.
    pub fn finish(mut self) -> Outcome<()> {
        self.write()?;
        let name = names::blocks(self.position);
        let part = names::part(&name);
        self.file.sync().told(self.disk.as_ref(), &part)?;
        self.disk.rename(&part, &name).told(self.disk.as_ref(), &name)?;
        self.disk.sync_folder().told(self.disk.as_ref(), &name)
    }

    fn write(&mut self) -> Outcome<()> {
        let name = names::part(&names::blocks(self.position));
        self.file.append(&self.buffer).told(self.disk.as_ref(), &name)?;
        self.buffer.clear();
        if self.length - self.synced < SYNC_BYTES {
            return Ok(());
        }
        self.synced = self.length;
        self.file.sync().told(self.disk.as_ref(), &name)
    }
}

/// A file of blocks, mapped.
pub struct Blocks {
    bytes: Bytes,
    seed: u64,
    place: String,
}

impl Blocks {
    /// Errors: LOG-001, LOG-006; LOG-020 when the file is not there or its head is damaged.
    pub(super) fn open(disk: &Arc<dyn Disk>, app: u64, position: u64) -> Outcome<Blocks> {
        let name = names::blocks(position);
        let place = disk.place(&name);
        let bytes = match disk.map(&name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(problems::bad_blocks(&place, "the file is not there"));
            }
            other => other.told(disk.as_ref(), &name)?,
        };
        match FileHead::read(Content::Blocks, &bytes) {
            Ok((head, _)) if head.app != app => {
                Err(problems::foreign(&place, "the file belongs to another app"))
            }
            Ok((head, seed)) if head.position == position => Ok(Blocks { bytes, seed, place }),
            Err(HeadFault::Version(found)) => {
                let what = format!("written in form {found}; this program reads {}", frame::VERSION);
                Err(problems::foreign(&place, &what))
            }
            _ => Err(problems::bad_blocks(&place, "the head of the file is not as it was written")),
        }
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The bytes of a block, which stay where they are; their sum is not looked at.
    /// Errors: LOG-020 when the file ends before.
    pub fn get(&self, block: &Block) -> Outcome<Bytes> {
        let from = usize::try_from(block.offset).unwrap_or(usize::MAX);
        let until = from.saturating_add(block.length as usize);
        if until > self.bytes.len() {
            return Err(self.damaged(block, "the file ends there"));
        }
        Ok(self.bytes.slice(from..until))
    }

    /// Errors: LOG-020 when the bytes of a block are not as they were written.
    pub fn check(&self, block: &Block) -> Outcome<()> {
        match frame::sum(&self.get(block)?, self.seed, block.offset) == block.sum {
            true => Ok(()),
            false => Err(self.damaged(block, "the sum is wrong")),
        }
    }

    fn damaged(&self, block: &Block, what: &str) -> Problem {
        problems::bad_blocks(&self.place, &format!("at byte {}: {what}", block.offset))
    }
}

/// The list of blocks that a snapshot names, as bytes.
pub(super) fn listed(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks.len() * LISTED_BYTES);
    for block in blocks {
        bytes.extend_from_slice(&block.file.to_le_bytes());
        bytes.extend_from_slice(&block.offset.to_le_bytes());
        bytes.extend_from_slice(&block.length.to_le_bytes());
        bytes.extend_from_slice(&block.sum.to_le_bytes());
    }
    bytes
}

/// The blocks of such a list; none if it is no such list.
pub(super) fn read_list(bytes: &[u8]) -> Option<Vec<Block>> {
    let (all, rest) = bytes.as_chunks::<LISTED_BYTES>();
    let whole = |bytes: &[u8], at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let block = |bytes: &[u8; LISTED_BYTES]| {
        let length = frame::u32_at(bytes, 16)?;
        Some(Block { file: whole(bytes, 0)?, offset: whole(bytes, 8)?, length, sum: whole(bytes, 20)? })
    };
    if rest.is_empty() { all.iter().map(block).collect() } else { None }
}

/// Looks at the sums of all blocks of a list. Errors: LOG-001, LOG-006, LOG-020 at the first that is wrong.
pub(super) fn check_all(disk: &Arc<dyn Disk>, app: u64, blocks: &[Block]) -> Outcome<()> {
    let mut sorted = blocks.to_vec();
    sorted.sort_unstable_by_key(|block| (block.file, block.offset));
    for of_file in sorted.chunk_by(|a, b| a.file == b.file) {
        let file = Blocks::open(disk, app, of_file[0].file)?;
        of_file.iter().try_for_each(|block| file.check(block))?;
    }
    Ok(())
}
