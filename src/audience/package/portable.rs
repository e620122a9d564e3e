//! What is portable Roaring, of 32 and of 64 bits?
//!
//! 32 bits: the format of the Roaring specification. 64 bits: how many parts (u64), then each part's
//! upper 32 bits (u32), ascending, and a 32-bit bitmap of its lower ones. All little-endian.

use std::io::Write;

use roaring::{RoaringBitmap, RoaringTreemap};

use super::bytes::Bytes;
use super::{Buckets, Given};
use crate::base::Outcome;

/// The least that a part takes: its upper bits, and a bitmap without containers.
const PART_BYTES_MIN: u64 = 4 + 8;

/// Reads a 32-bit bitmap that fills `value`.
/// Errors: CRD-030.
pub fn read32(value: &[u8]) -> Outcome<Given> {
    let mut bytes = Bytes::new(value);
    let bitmap = bytes.bitmap()?;
    bytes.end()?;
    Ok(Given::of(widened(bitmap)))
}

/// Reads a 64-bit bitmap that fills `value`.
/// Errors: CRD-030.
pub fn read64(value: &[u8]) -> Outcome<Given> {
    let mut bytes = Bytes::new(value);
    let count = bytes.u64()?;
    let numbers = parts(&mut bytes, count, Bytes::bitmap)?;
    bytes.end()?;
    Ok(Given::of(numbers))
}

/// Reads `count` parts, each its upper bits and what `bitmap` reads.
/// Errors: CRD-030 when there cannot be so many, or they are not in order.
pub fn parts<'a>(
    bytes: &mut Bytes<'a>,
    count: u64,
    bitmap: impl Fn(&mut Bytes<'a>) -> Outcome<RoaringBitmap>,
) -> Outcome<RoaringTreemap> {
    if count > bytes.left() as u64 / PART_BYTES_MIN {
        return Err(
            bytes.wrong(format!("{count} parts do not fit in the {} bytes that follow", bytes.left()))
        );
    }
    let mut parts: Vec<(u32, RoaringBitmap)> = Vec::new();
    for _ in 0..count {
        let high = bytes.u32()?;
        if parts.last().is_some_and(|(last, _)| *last >= high) {
            return Err(bytes.wrong("the parts are not in ascending order"));
        }
        parts.push((high, bitmap(bytes)?));
    }
    Ok(RoaringTreemap::from_bitmaps(parts))
}

/// 32-bit numbers among 64-bit ones.
pub fn widened(bitmap: RoaringBitmap) -> RoaringTreemap {
    RoaringTreemap::from_bitmaps([(0, bitmap)])
}

/// Writes a 32-bit bitmap.
/// Errors: OUT-001.
pub fn write32(bitmap: &RoaringBitmap, out: &mut dyn Write) -> Outcome<()> {
    Ok(bitmap.serialize_into(out)?)
}

/// Writes a 64-bit bitmap.
/// Errors: OUT-001.
pub fn write64(numbers: &Buckets, out: &mut dyn Write) -> Outcome<()> {
    out.write_all(&(numbers.0.len() as u64).to_le_bytes())?;
    write_parts(numbers, out)
}

/// Writes the parts without their count.
/// Errors: OUT-001.
pub fn write_parts(numbers: &Buckets, out: &mut dyn Write) -> Outcome<()> {
    for (high, bitmap) in &numbers.0 {
        out.write_all(&high.to_le_bytes())?;
        write32(bitmap, out)?;
    }
    Ok(())
}

/// Bytes that [`write64`] writes.
pub fn size64(numbers: &Buckets) -> u64 {
    8 + numbers.0.values().map(|bitmap| 4 + bitmap.serialized_size() as u64).sum::<u64>()
}
