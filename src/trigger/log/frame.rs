//! How do bytes say that they are whole? A head for every file, and frames behind it.
//!
//! Segments and snapshots have the same form: a [`FileHead`] of 48 bytes, then frames of 40 bytes of
//! head and a payload. Numbers are little-endian. The sums of a frame are seeded by the sum of its
//! file's head and by its offset, so that bytes which lay elsewhere before are never taken for a frame
//! of this place: not a copy inside a payload, not what an older file left on the disk.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Bytes of the head of a file.
pub(super) const FILE_HEAD_BYTES: usize = 48;
/// Bytes of the head of a frame.
pub(super) const FRAME_HEAD_BYTES: usize = 40;
/// Payload of a frame at most: it is read into memory as a whole.
pub(super) const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// The form of files that this program writes and reads.
pub(super) const VERSION: u32 = 1;

const FRAME_MAGIC: [u8; 4] = *b"QKFR";

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Segment,
    Snapshot,
    Blocks,
}

impl Content {
    fn magic(self) -> [u8; 8] {
        match self {
            Content::Segment => *b"QUANKELG",
            Content::Snapshot => *b"QUANKESN",
            Content::Blocks => *b"QUANKEBL",
        }
    }
}

/// The first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHead {
    pub content: Content,
    /// Hash of the app's name.
    pub app: u64,
    /// Of a segment: its first record. Of a snapshot: the first record that is not in it.
    pub position: u64,
    /// The fencing token of the writer.
    pub epoch: u64,
}

/// What is wrong with the head of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadFault {
    Damaged,
    Version(u32),
}

impl FileHead {
    /// The 48 bytes, and the seed of the file's frames.
    pub fn bytes(&self) -> ([u8; FILE_HEAD_BYTES], u64) {
        let mut bytes = [0; FILE_HEAD_BYTES];
        bytes[0..8].copy_from_slice(&self.content.magic());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.app.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.position.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.epoch.to_le_bytes());
        let seed = xxh3_64(&bytes[..40]);
        bytes[40..48].copy_from_slice(&seed.to_le_bytes());
        (bytes, seed)
    }

    /// The head that `bytes` begin with, and the seed of the file's frames.
    pub fn read(content: Content, bytes: &[u8]) -> Result<(FileHead, u64), HeadFault> {
        let (Some(summed), Some(seed)) = (bytes.get(..40), u64_at(bytes, 40)) else {
            return Err(HeadFault::Damaged);
        };
        if xxh3_64(summed) != seed || !summed.starts_with(&content.magic()) {
            return Err(HeadFault::Damaged);
        }
        let numbers = (u32_at(bytes, 8), u64_at(bytes, 16), u64_at(bytes, 24), u64_at(bytes, 32));
        match numbers {
            (Some(VERSION), Some(app), Some(position), Some(epoch)) => {
                Ok((FileHead { content, app, position, epoch }, seed))
            }
            (Some(version), ..) => Err(HeadFault::Version(version)),
            _ => Err(HeadFault::Damaged),
        }
    }
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Records of one group commit; `position` is the first one's.
    Group,
    /// The writer has closed the log here; no payload.
    Closed,
    /// A section of a snapshot begins; the payload is its name.
    Section,
    /// Bytes of the section.
    Bytes,
    /// The snapshot is whole; no payload.
    End,
}

impl FrameKind {
    const ALL: [FrameKind; 5] =
        [FrameKind::Group, FrameKind::Closed, FrameKind::Section, FrameKind::Bytes, FrameKind::End];

    /// Counted from 1, so that zeros are no frame.
    fn number(self) -> u16 {
        self as u16 + 1
    }

    fn of(number: u16) -> Option<FrameKind> {
        FrameKind::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// The first bytes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub kind: FrameKind,
    /// Records of a group; 0 in other frames.
    pub count: u32,
    /// Bytes of payload.
    pub length: usize,
    /// Of a group: its first record. In a snapshot: the number of the frame, from 0.
    pub position: u64,
    sum: u64,
}

impl FrameHead {
    /// The head that `bytes` begin with, if it is one of the frame at this place.
    pub fn read(bytes: &[u8], seed: u64, offset: u64) -> Option<FrameHead> {
        let summed = bytes.get(..32)?;
        if !summed.starts_with(&FRAME_MAGIC) || sum(summed, seed, offset) != u64_at(bytes, 32)? {
            return None;
        }
        let length = usize::try_from(u32_at(bytes, 12)?).ok().filter(|n| *n <= PAYLOAD_BYTES_MAX)?;
        let kind = FrameKind::of(u16::from_le_bytes(bytes.get(4..6)?.try_into().ok()?))?;
        let (count, position) = (u32_at(bytes, 8)?, u64_at(bytes, 16)?);
        Some(FrameHead { kind, count, length, position, sum: u64_at(bytes, 24)? })
    }

    /// Are these the bytes that the head was written for?
    pub fn fits(&self, payload: &[u8], seed: u64, offset: u64) -> bool {
        payload.len() == self.length && sum(payload, seed, offset) == self.sum
    }
}

/// An empty frame: room for the head, to be filled by [`finish`].
pub(super) fn begin(frame: &mut Vec<u8>) {
    frame.clear();
    frame.resize(FRAME_HEAD_BYTES, 0);
}

/// Writes the head of a frame whose payload is complete, for its place in its file.
pub(super) fn finish(frame: &mut [u8], kind: FrameKind, count: u32, position: u64, seed: u64, offset: u64) {
    let Some((head, payload)) = frame.split_at_mut_checked(FRAME_HEAD_BYTES) else { return };
    head[0..4].copy_from_slice(&FRAME_MAGIC);
    head[4..6].copy_from_slice(&kind.number().to_le_bytes());
    head[6..8].copy_from_slice(&[0; 2]);
    head[8..12].copy_from_slice(&count.to_le_bytes());
    head[12..16].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    head[16..24].copy_from_slice(&position.to_le_bytes());
    head[24..32].copy_from_slice(&sum(payload, seed, offset).to_le_bytes());
    let head_sum = sum(&head[..32], seed, offset);
    head[32..40].copy_from_slice(&head_sum.to_le_bytes());
}

/// The first place at or after `from` in `bytes` where the magic of a frame stands.
pub(super) fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(FRAME_MAGIC.len()).position(|window| window == FRAME_MAGIC)?;
    Some(from + found)
}

/// Hash of an app's name, as it stands in the heads of files.
pub(super) fn app_hash(app: &str) -> u64 {
    xxh3_64(app.as_bytes())
}

/// What stands for bytes at a place of a file.
pub(super) fn sum(bytes: &[u8], seed: u64, offset: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed.wrapping_add(offset))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(payload: &[u8], seed: u64, offset: u64) -> Vec<u8> {
        let mut frame = Vec::new();
        begin(&mut frame);
        frame.extend_from_slice(payload);
        finish(&mut frame, FrameKind::Group, 3, 17, seed, offset);
        frame
    }

    #[test]
    fn a_frame_is_read_at_its_place_only() {
        let frame = framed(b"payload", 5, 48);
        let head = FrameHead::read(&frame, 5, 48);
        assert!(head.is_some_and(|h| h.count == 3 && h.position == 17 && h.fits(b"payload", 5, 48)));
        assert_eq!(FrameHead::read(&frame, 5, 49), None);
        assert_eq!(FrameHead::read(&frame, 6, 48), None);
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_found() {
        let frame = framed(b"payload", 5, 48);
        for bit in 0..frame.len() * 8 {
            let mut bytes = frame.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let whole = FrameHead::read(&bytes, 5, 48).is_some_and(|h| h.fits(&bytes[40..], 5, 48));
            assert!(!whole, "bit {bit}");
        }
    }

    #[test]
    fn a_file_head_reads_back_and_every_flipped_bit_is_found() {
        let head = FileHead { content: Content::Segment, app: 1, position: 2, epoch: 3 };
        let (bytes, seed) = head.bytes();
        assert_eq!(FileHead::read(Content::Segment, &bytes), Ok((head, seed)));
        assert_eq!(FileHead::read(Content::Snapshot, &bytes), Err(HeadFault::Damaged));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHead::read(Content::Segment, &bytes), Err(HeadFault::Damaged));
        }
    }
}
