//! Do the lengths in an Arrow file fit into it? Asked before anything is allocated by them.
//!
//! The reader of the format takes memory for whatever length a message names; a damaged file may
//! name gigabytes. So the lengths are added up first, without reading what they span.

use std::io::{Read, Seek, SeekFrom};

use arrow::ipc::{Block, root_as_footer, root_as_message};

/// What stands before a message's length; older writers leave it out.
const CONTINUATION: u32 = u32::MAX;

/// The bytes of the trailer of an Arrow file: the footer's length and `ARROW1`.
const TRAILER_BYTES: u64 = 10;

/// Checks the lengths of a stream or, with `is_file`, of the blocks a file's footer names.
/// Errors: what does not fit, in words.
pub fn check(mut file: impl Read + Seek, is_file: bool) -> Result<(), String> {
    let size = file.seek(SeekFrom::End(0)).map_err(words)?;
    if is_file { check_footer(&mut file, size) } else { check_stream(&mut file, size) }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn check_footer(file: &mut (impl Read + Seek), size: u64) -> Result<(), String> {
    let trailer_at = size.checked_sub(TRAILER_BYTES).ok_or("the footer is missing")?;
    let length = number_at(file, trailer_at)? as u64;
    let footer_at = trailer_at.checked_sub(length).ok_or("the footer is longer than the file")?;
    let footer = bytes_at(file, footer_at, length)?;
    let footer = root_as_footer(&footer).map_err(words)?;
    let blocks = footer.recordBatches().into_iter().chain(footer.dictionaries()).flatten();
    if blocks.into_iter().all(|block| end_of(block).is_some_and(|end| end <= size)) {
        return Ok(());
    }
    Err("a block reaches beyond the end".into())
}

fn end_of(block: &Block) -> Option<u64> {
    let (at, body) = (u64::try_from(block.offset()).ok()?, u64::try_from(block.bodyLength()).ok()?);
    at.checked_add(u64::try_from(block.metaDataLength()).ok()?)?.checked_add(body)
}

/// Walks from message to message, up to an end mark or the end of the file.
fn check_stream(file: &mut (impl Read + Seek), size: u64) -> Result<(), String> {
    let mut at = 0;
    while at < size {
        let first = number_at(file, at)?;
        let (length, from) =
            if first == CONTINUATION { (number_at(file, at + 4)?, at + 8) } else { (first, at + 4) };
        if length == 0 {
            return Ok(());
        }
        let body_at = from + length as u64;
        if body_at > size {
            return Err("a message reaches beyond the end".into());
        }
        let message = bytes_at(file, from, length as u64)?;
        let body = root_as_message(&message).map_err(words)?.bodyLength();
        let body = u64::try_from(body).map_err(words)?;
        at =
            body_at.checked_add(body).filter(|end| *end <= size).ok_or("a message reaches beyond the end")?;
    }
    Ok(())
}

fn number_at(file: &mut (impl Read + Seek), at: u64) -> Result<u32, String> {
    let mut bytes = [0; 4];
    file.seek(SeekFrom::Start(at)).map_err(words)?;
    file.read_exact(&mut bytes).map_err(words)?;
    Ok(u32::from_le_bytes(bytes))
}

/// `length` bytes, which the caller has found to lie in the file.
fn bytes_at(file: &mut (impl Read + Seek), at: u64, length: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at)).map_err(words)?;
    let count = file.take(length).read_to_end(&mut bytes).map_err(words)?;
    if count as u64 == length { Ok(bytes) } else { Err("the file ends too early".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn lengths_beyond_the_end_are_found_at_once() {
        let stream = |bytes: &[u8]| check(Cursor::new(bytes.to_vec()), false);
        assert_eq!(stream(b"\xff\xff\xff\xff\0\0\0\x70..."), Err("a message reaches beyond the end".into()));
        assert_eq!(stream(b"\xff\xff\xff\xff\0\0\0\0"), Ok(()));
        assert!(stream(b"\xff\xff\xff").is_err());
        let file = |bytes: &[u8]| check(Cursor::new(bytes.to_vec()), true);
        assert_eq!(
            file(b"ARROW1\0\0\xff\xff\xff\x7fARROW1"),
            Err("the footer is longer than the file".into())
        );
        assert_eq!(file(b"ARROW1"), Err("the footer is missing".into()));
    }
}
