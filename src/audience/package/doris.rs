//! What is a `BITMAP` of Doris and of StarRocks?
//!
//! A byte tells the code, the rest is little-endian. We write the codes 0 to 4, which every version of
//! both reads, and read all that either writes.

use std::io::Write;

use roaring::{RoaringBitmap, RoaringTreemap};

use super::bytes::Bytes;
use super::clickhouse::write_varint;
use super::{Buckets, Given, portable};
use crate::base::Outcome;

const EMPTY: u8 = 0;
const SINGLE32: u8 = 1;
const BITMAP32: u8 = 2;
const SINGLE64: u8 = 3;
/// A count of parts (LEB128), then each part as in 64-bit Roaring.
const BITMAP64: u8 = 4;
/// A count (u8), then u64 each.
const SET: u8 = 5;
/// A count (u32), then u64 each.
const SET_V2: u8 = 10;
/// As 2 and 4, with bitmaps in CRoaring's own form.
const BITMAP32_V2: u8 = 12;
const BITMAP64_V2: u8 = 13;

/// CRoaring's own form: a plain list (a count, then u32 each) …
const OWN_LIST: u8 = 1;
/// … or a portable bitmap.
const OWN_BITMAP: u8 = 2;

/// Reads one bitmap.
/// Errors: CRD-030.
pub fn read(value: &[u8]) -> Outcome<Given> {
    let mut bytes = Bytes::new(value);
    let given = coded(&mut bytes)?;
    bytes.end()?;
    Ok(given)
}

fn coded(bytes: &mut Bytes) -> Outcome<Given> {
    let numbers = match bytes.u8()? {
        EMPTY => RoaringTreemap::new(),
        SINGLE32 => RoaringTreemap::from([u64::from(bytes.u32()?)]),
        SINGLE64 => RoaringTreemap::from([bytes.u64()?]),
        BITMAP32 => portable::widened(bytes.bitmap()?),
        BITMAP64 => many(bytes, Bytes::bitmap)?,
        BITMAP32_V2 => portable::widened(own(bytes)?),
        BITMAP64_V2 => many(bytes, own)?,
        SET => {
            let count = bytes.u8()?.into();
            return set(bytes, count);
        }
        SET_V2 => {
            let count = bytes.u32()?.into();
            return set(bytes, count);
        }
        code => return Err(bytes.wrong(format!("there is no bitmap of code {code}"))),
    };
    Ok(Given::of(numbers))
}

fn many<'a>(
    bytes: &mut Bytes<'a>,
    bitmap: impl Fn(&mut Bytes<'a>) -> Outcome<RoaringBitmap>,
) -> Outcome<RoaringTreemap> {
    let count = bytes.varint()?;
    portable::parts(bytes, count, bitmap)
}

fn set(bytes: &mut Bytes, count: u64) -> Outcome<Given> {
    let numbers = list(bytes, count, 8)?;
    Ok(Given { numbers: numbers.collect(), read: count })
}

fn own(bytes: &mut Bytes) -> Outcome<RoaringBitmap> {
    match bytes.u8()? {
        OWN_LIST => {
            let count = bytes.u32()?.into();
            Ok(list(bytes, count, 4)?.map(|number| number as u32).collect())
        }
        OWN_BITMAP => bytes.bitmap(),
        kind => Err(bytes.wrong(format!("a bitmap starts with 1 or 2 here, not {kind}"))),
    }
}

/// `count` numbers of `width` bytes each.
fn list<'a>(bytes: &mut Bytes<'a>, count: u64, width: usize) -> Outcome<impl Iterator<Item = u64> + use<'a>> {
    let list = bytes.take(count.saturating_mul(width as u64))?;
    let number = |part: &[u8]| part.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte));
    Ok(list.chunks_exact(width).map(number))
}

/// Writes one bitmap.
/// Errors: OUT-001.
pub fn write(numbers: &Buckets, out: &mut dyn Write) -> Outcome<()> {
    let first = numbers.iter().next();
    match (first, numbers.len(), numbers.only_low()) {
        (None, ..) => Ok(out.write_all(&[EMPTY])?),
        (Some(first), 1, _) => single(first, out),
        (Some(_), _, Some(low)) => {
            out.write_all(&[BITMAP32])?;
            portable::write32(low, out)
        }
        (Some(_), _, None) => {
            out.write_all(&[BITMAP64])?;
            write_varint(numbers.0.len() as u64, out)?;
            portable::write_parts(numbers, out)
        }
    }
}

fn single(number: u64, out: &mut dyn Write) -> Outcome<()> {
    match u32::try_from(number) {
        Ok(number) => {
            out.write_all(&[SINGLE32])?;
            Ok(out.write_all(&number.to_le_bytes())?)
        }
        Err(_) => {
            out.write_all(&[SINGLE64])?;
            Ok(out.write_all(&number.to_le_bytes())?)
        }
    }
}
