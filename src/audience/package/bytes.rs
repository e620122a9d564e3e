//! What comes next? A walk over bytes from outside that never reads beyond their end.

use roaring::RoaringBitmap;

use crate::base::{Outcome, Problem};

/// Bytes, and how far they are read.
pub struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    /// At the beginning of `all`.
    pub fn new(all: &'a [u8]) -> Bytes<'a> {
        Bytes { all, at: 0 }
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.all.len().saturating_sub(self.at)
    }

    /// The next `count` bytes.
    /// Errors: CRD-030 when there are fewer.
    pub fn take(&mut self, count: u64) -> Outcome<&'a [u8]> {
        let taken = usize::try_from(count).ok().and_then(|count| self.rest().get(..count));
        let taken = taken
            .ok_or_else(|| self.wrong(format!("{count} more bytes should follow, {} do", self.left())))?;
        self.at += taken.len();
        Ok(taken)
    }

    /// Errors: CRD-030 at the end.
    pub fn u8(&mut self) -> Outcome<u8> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    /// Little-endian. Errors: CRD-030 at the end.
    pub fn u32(&mut self) -> Outcome<u32> {
        Ok(self.number(4)? as u32)
    }

    /// Little-endian. Errors: CRD-030 at the end.
    pub fn u64(&mut self) -> Outcome<u64> {
        self.number(8)
    }

    /// A little-endian number of `width` bytes, at most 8. Errors: CRD-030 at the end.
    pub fn number(&mut self, width: u64) -> Outcome<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// A LEB128 number: seven bits a byte, the lowest first.
    /// Errors: CRD-030 at the end, or when it does not fit in 64 bits.
    pub fn varint(&mut self) -> Outcome<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(self.u8()?);
            let part = byte & 0x7f;
            if (part << shift) >> shift != part {
                break;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.wrong("a length does not fit in 64 bits"))
    }

    /// A portable Roaring bitmap, looked at in full.
    /// Errors: CRD-030 when it is none.
    pub fn bitmap(&mut self) -> Outcome<RoaringBitmap> {
        let mut rest = self.rest();
        let read = RoaringBitmap::deserialize_from(&mut rest);
        let bitmap = read.map_err(|error| self.wrong(format!("no Roaring bitmap starts here: {error}")))?;
        self.at = self.all.len() - rest.len();
        Ok(bitmap)
    }

    /// Nothing may be left.
    /// Errors: CRD-030.
    pub fn end(&self) -> Outcome<()> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.wrong(format!("the value ends here, but {left} bytes follow"))),
        }
    }

    /// CRD-030 at this byte.
    pub fn wrong(&self, what: impl std::fmt::Display) -> Problem {
        wrong(format!("byte {} of {}: {what}", self.at, self.all.len()))
    }

    fn rest(&self) -> &'a [u8] {
        self.all.get(self.at..).unwrap_or_default()
    }
}

/// The file is not of its form: CRD-030, without a place yet.
pub fn wrong(what: impl Into<String>) -> Problem {
    Problem::data("CRD-030", what)
        .cure("check --format and --encoding, or export the package again; nothing was changed")
}
