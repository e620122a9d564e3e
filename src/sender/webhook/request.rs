//! A batch as bytes, and an answer as receipts; no network here.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::dispatch::{Batch, Receipt, ReceiptState, TouchId};
use crate::sender::line::Line;

/// What is posted. It has nothing that differs from try to try.
#[derive(Serialize)]
struct Body<'a> {
    task: &'a str,
    run: &'a str,
    batch: u64,
    channel: &'a str,
    touches: Vec<Line<'a>>,
}

/// The body of a batch: JSON, UTF-8.
pub fn body(batch: &Batch) -> Vec<u8> {
    let touches = batch.touches.iter().map(|touch| Line::of(batch, touch)).collect();
    let body = Body { task: &batch.task, run: &batch.run, batch: batch.no, channel: &batch.channel, touches };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// HMAC-SHA256 over `timestamp.body`, hexadecimal. Unit of the stamp: seconds since 1970.
pub fn signature(secret: &str, stamp: &str, body: &[u8]) -> String {
    // A key of any length is a key of HMAC, so the empty text is never given.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(stamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut text = String::new();
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Named { receipts: Vec<Word> },
    Bare(Vec<Word>),
}

#[derive(Deserialize)]
struct Word {
    touch_id: String,
    state: String,
    #[serde(default)]
    reason: Option<String>,
}

/// The receipts in the answer to a batch that was taken (2xx): `{"receipts": […]}` or a bare list
/// of `{touch_id, state, reason?}`. Those of strange touches are left out; an answer that is
/// something else has none. `is_delivered` fills in for the touches that are not named.
pub fn receipts(batch: &Batch, answer: &[u8], is_delivered: bool) -> Vec<Receipt> {
    let words = match serde_json::from_slice::<Answer>(answer) {
        Ok(Answer::Named { receipts } | Answer::Bare(receipts)) => receipts,
        Err(_) => Vec::new(),
    };
    let known: std::collections::HashSet<TouchId> =
        batch.touches.iter().map(|touch| touch.touch_id).collect();
    let mut found: std::collections::HashMap<TouchId, Receipt> =
        words.into_iter().filter_map(receipt).collect();
    found.retain(|touch_id, _| known.contains(touch_id));
    let state = if is_delivered { ReceiptState::Delivered } else { ReceiptState::Awaiting };
    let unnamed = |touch_id| Receipt { touch_id, state, reason: None };
    batch.touches.iter().map(|t| found.remove(&t.touch_id).unwrap_or_else(|| unnamed(t.touch_id))).collect()
}

fn receipt(word: Word) -> Option<(TouchId, Receipt)> {
    let touch_id = TouchId::parse(&word.touch_id)?;
    let state = match word.state.as_str() {
        "delivered" => ReceiptState::Delivered,
        "refused" => ReceiptState::Refused,
        "unknown" => ReceiptState::Unknown,
        _ => ReceiptState::Awaiting,
    };
    Some((touch_id, Receipt { touch_id, state, reason: word.reason }))
}
