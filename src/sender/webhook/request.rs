//! A batch as bytes, and an answer as receipts; no network here.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::dispatch::{Batch, Receipt, ReceiptState, TouchId};
use crate::sender::line::Line;
use crate::sender::word::{self, Word};

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

/// The question what became of touches: `{"touch_ids": […]}`.
pub fn question(batch: &Batch) -> Vec<u8> {
    let ids: Vec<TouchId> = batch.touches.iter().map(|touch| touch.touch_id).collect();
    serde_json::to_vec(&serde_json::json!({ "touch_ids": ids })).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Named { receipts: Vec<Word> },
    Bare(Vec<Word>),
}

/// The receipts in the answer to a batch that was taken (2xx): `{"receipts": […]}` or a bare list
/// of `{touch_id, state, reason?}`. Those of strange touches are left out; an answer that is
/// something else has none. `is_delivered` fills in for the touches that are not named.
pub fn receipts(batch: &Batch, answer: &[u8], is_delivered: bool) -> Vec<Receipt> {
    let state = if is_delivered { ReceiptState::Delivered } else { ReceiptState::Awaiting };
    word::for_all(batch, words(batch, answer), state)
}

/// The receipts in an answer, without those of strange touches; one for a touch, the last said.
pub fn words(batch: &Batch, answer: &[u8]) -> Vec<Receipt> {
    let words = match serde_json::from_slice::<Answer>(answer) {
        Ok(Answer::Named { receipts } | Answer::Bare(receipts)) => receipts,
        Err(_) => Vec::new(),
    };
    word::of_batch(batch, words)
}
