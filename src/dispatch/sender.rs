//! What does the shared loop ask of every channel?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::Problem;

use super::batch::{Batch, TouchId};

/// One channel. It turns a batch into what its road wants and says what became of it; batching,
/// retries and the ledger are not its business.
#[async_trait]
pub trait Sender: Send + Sync {
    /// The name by which task files call it.
    fn name(&self) -> &str;

    /// Could it send now, as far as can be told without sending?
    fn check(&self) -> Result<(), Problem>;

    /// Does a second hand-over of the same touch ids do nothing more? Only then may a batch
    /// without an answer be handed over again.
    fn is_idempotent(&self) -> bool;

    /// How many batches it takes side by side.
    fn parallel(&self) -> usize {
        1
    }

    /// Hands a batch over. Never panics, whatever the content.
    async fn send(&self, batch: &Batch) -> Outcome;
}

/// The senders that are set up, by name.
pub type Senders = BTreeMap<String, Arc<dyn Sender>>;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was taken. Touches without a receipt are awaiting one.
    Answered(Vec<Receipt>),
    /// It was not taken; another try is welcome, not before `after`.
    TryLater { after: Duration, why: Problem },
    /// It will never be taken like this.
    Refused(Problem),
    /// The bytes left and no answer came: nobody knows.
    Unknown(Problem),
}

/// The channel's word on one touch.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    pub touch_id: TouchId,
    pub state: ReceiptState,
    pub reason: Option<String>,
}

/// What a receipt can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptState {
    Delivered,
    Refused,
    Unknown,
    /// Taken; the word on it comes later.
    Awaiting,
}

impl Receipt {
    /// A receipt that says "delivered".
    pub fn delivered(touch_id: TouchId) -> Receipt {
        Receipt { touch_id, state: ReceiptState::Delivered, reason: None }
    }
}
