//! What is at the end of an outbox file?

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use serde::Deserialize;

use crate::dispatch::{Batch, TouchId, WAVE_BATCHES};

/// Bytes read at once, from the end towards the beginning.
const BLOCK_BYTES: u64 = 1 << 20;

/// The little of a line that the search needs.
#[derive(Deserialize)]
struct Head {
    touch_id: TouchId,
    run: String,
    batch: u64,
}

/// Cuts off what follows the last line end, and gives the length that is left.
pub fn cut_torn_line(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let block = read_before(file, end)?;
        if let Some(place) = block.iter().rposition(|byte| *byte == b'\n') {
            end = end - block.len() as u64 + place as u64 + 1;
            break;
        }
        end -= block.len() as u64;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

/// The touches of `batch` that stand in the first `end` bytes, read from the end backwards.
///
/// The search ends at a line of the same run whose batch is [`WAVE_BATCHES`] or more older: that
/// batch was answered before this one was first handed over, so no line of this one is before it.
pub fn present(file: &mut File, end: u64, batch: &Batch) -> io::Result<HashSet<TouchId>> {
    let wanted: HashSet<TouchId> = batch.touches.iter().map(|touch| touch.touch_id).collect();
    let mut found = HashSet::new();
    let (mut start, mut kept) = (end, Vec::new());
    while start > 0 && found.len() < wanted.len() {
        let mut block = read_before(file, start)?;
        start -= block.len() as u64;
        block.append(&mut kept);
        // The first line of a block may begin in the block before it.
        let whole_from = if start == 0 {
            0
        } else {
            block.iter().position(|b| *b == b'\n').map_or(block.len(), |p| p + 1)
        };
        let whole = block.split_off(whole_from);
        kept = block;
        if note_lines(&whole, batch, &wanted, &mut found) {
            break;
        }
    }
    Ok(found)
}

/// Notes the touches that stand in some whole lines; says whether an old enough line was met.
fn note_lines(lines: &[u8], batch: &Batch, wanted: &HashSet<TouchId>, found: &mut HashSet<TouchId>) -> bool {
    let mut is_old = false;
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(head) = serde_json::from_slice::<Head>(line) else { continue };
        is_old |= head.run == batch.run && head.batch + WAVE_BATCHES as u64 <= batch.no;
        if wanted.contains(&head.touch_id) {
            found.insert(head.touch_id);
        }
    }
    is_old
}

/// The block that ends at byte `end`.
fn read_before(file: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let start = end.saturating_sub(BLOCK_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut block = Vec::new();
    file.take(end - start).read_to_end(&mut block)?;
    Ok(block)
}
