//! What is the state of ClickHouse's `groupBitmap`?
//!
//! A byte tells the kind. 0: few numbers, a count (LEB128) and each in the column's width. 1: many, a
//! length (LEB128) and a portable Roaring bitmap, of 32 bits for `UInt32`, of 64 for `UInt64`.
//!
//! A file holds one state. `FORMAT RowBinary` writes those of several rows one behind the other, but
//! then a set of the wrong width could read as a row of other sets, so we refuse them.

use std::io::Write;

use roaring::{RoaringBitmap, RoaringTreemap};

use super::bytes::Bytes;
use super::{Buckets, Given, portable};
use crate::base::Outcome;

/// ClickHouse keeps up to so many numbers as a small set, and refuses a longer one.
const SMALL_MAX: u64 = 32;
const SMALL: u8 = 0;
const LARGE: u8 = 1;

/// Bytes of one number of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Four = 4,
    Eight = 8,
}

impl Width {
    fn other(self) -> Width {
        match self {
            Width::Four => Width::Eight,
            Width::Eight => Width::Four,
        }
    }
}

/// Reads one state.
/// Errors: CRD-030.
pub fn read(value: &[u8], width: Width) -> Outcome<Given> {
    let mut bytes = Bytes::new(value);
    let given = match bytes.u8()? {
        SMALL => small(&mut bytes, width)?,
        LARGE => large(&mut bytes, width)?,
        kind => return Err(bytes.wrong(format!("the kind of a state is 0 or 1, not {kind}"))),
    };
    bytes.end()?;
    Ok(given)
}

fn small(bytes: &mut Bytes, width: Width) -> Outcome<Given> {
    let count = bytes.varint()?;
    if count > SMALL_MAX {
        return Err(bytes.wrong(format!("a small set has at most {SMALL_MAX} numbers, not {count}")));
    }
    if bytes.left() as u64 == count * width.other() as u64 && count > 0 {
        let bits = width.other() as u64 * 8;
        return Err(bytes.wrong(format!("the numbers are of {bits} bits: `--format clickhouse{bits}`")));
    }
    let mut numbers = RoaringTreemap::new();
    for _ in 0..count {
        numbers.insert(bytes.number(width as u64)?);
    }
    Ok(Given { numbers, read: count })
}

fn large(bytes: &mut Bytes, width: Width) -> Outcome<Given> {
    let length = bytes.varint()?;
    let bitmap = bytes.take(length)?;
    let read = match width {
        Width::Four => portable::read32(bitmap),
        Width::Eight => portable::read64(bitmap),
    };
    read.map_err(|problem| bytes.wrong(format!("in the bitmap that ends here: {}", problem.what)))
}

/// Writes a state over `UInt32`.
/// Errors: OUT-001.
pub fn write32(numbers: &RoaringBitmap, out: &mut dyn Write) -> Outcome<()> {
    if numbers.len() <= SMALL_MAX {
        return write_small(numbers.len(), numbers.iter().map(u32::to_le_bytes), out);
    }
    head(LARGE, numbers.serialized_size() as u64, out)?;
    portable::write32(numbers, out)
}

/// Writes a state over `UInt64`.
/// Errors: OUT-001.
pub fn write64(numbers: &Buckets, out: &mut dyn Write) -> Outcome<()> {
    if numbers.len() <= SMALL_MAX {
        return write_small(numbers.len(), numbers.iter().map(u64::to_le_bytes), out);
    }
    head(LARGE, portable::size64(numbers), out)?;
    portable::write64(numbers, out)
}

fn write_small<const WIDTH: usize>(
    count: u64,
    numbers: impl Iterator<Item = [u8; WIDTH]>,
    out: &mut dyn Write,
) -> Outcome<()> {
    head(SMALL, count, out)?;
    for number in numbers {
        out.write_all(&number)?;
    }
    Ok(())
}

fn head(kind: u8, count: u64, out: &mut dyn Write) -> Outcome<()> {
    out.write_all(&[kind])?;
    write_varint(count, out)
}

/// Writes a LEB128 number: seven bits a byte, the lowest first.
/// Errors: OUT-001.
pub fn write_varint(mut number: u64, out: &mut dyn Write) -> Outcome<()> {
    while number >= 0x80 {
        out.write_all(&[(number as u8 & 0x7f) | 0x80])?;
        number >>= 7;
    }
    Ok(out.write_all(&[number as u8])?)
}
