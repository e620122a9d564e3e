//! A channel's word on one touch as JSON, the same for every channel that speaks JSON.

use std::collections::HashMap;

use serde::Deserialize;

use crate::dispatch::{Batch, Receipt, ReceiptState, TouchId};

/// `{"touch_id", "state", "reason"?}`; the state is `delivered`, `refused`, `unknown` or `awaiting`, and
/// what is none of these counts as `awaiting`.
#[derive(Deserialize)]
pub struct Word {
    pub touch_id: String,
    pub state: String,
    #[serde(default)]
    pub reason: Option<String>,
}

/// The state that a word names.
pub fn state_of(word: &str) -> Option<ReceiptState> {
    match word {
        "delivered" => Some(ReceiptState::Delivered),
        "refused" => Some(ReceiptState::Refused),
        "unknown" => Some(ReceiptState::Unknown),
        "awaiting" => Some(ReceiptState::Awaiting),
        _ => None,
    }
}

/// The receipts for touches of `batch`, in its order; of several for one touch the last. Strangers and
/// ids that are none are left out.
pub fn of_batch(batch: &Batch, words: Vec<Word>) -> Vec<Receipt> {
    let mut found: HashMap<TouchId, Receipt> = words.into_iter().filter_map(receipt).collect();
    batch.touches.iter().filter_map(|touch| found.remove(&touch.touch_id)).collect()
}

/// One receipt for every touch of `batch`: its own, or `state` where there is none.
pub fn for_all(batch: &Batch, receipts: Vec<Receipt>, state: ReceiptState) -> Vec<Receipt> {
    let mut found: HashMap<TouchId, Receipt> = receipts.into_iter().map(|r| (r.touch_id, r)).collect();
    let unnamed = |touch_id| Receipt::of(touch_id, state);
    batch.touches.iter().map(|t| found.remove(&t.touch_id).unwrap_or_else(|| unnamed(t.touch_id))).collect()
}

fn receipt(word: Word) -> Option<(TouchId, Receipt)> {
    let touch_id = TouchId::parse(&word.touch_id)?;
    let state = state_of(&word.state).unwrap_or(ReceiptState::Awaiting);
    Some((touch_id, Receipt { reason: word.reason, ..Receipt::of(touch_id, state) }))
}
