//! What does the shared loop ask of every channel?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::base::Problem;

use super::batch::{Batch, Handle, Touch, TouchId};
use super::bucket::Bucket;

/// One channel. It turns a batch into what its road wants and says what became of it; batching,
/// rate, retries and the ledger are not its business. Five methods must be written; the others are for
/// channels that have more to say.
#[async_trait]
pub trait Sender: Send + Sync {
    /// The name by which task files call it.
    fn name(&self) -> &str;

    /// Could it send now, as far as can be told without sending?
    fn check(&self) -> Result<(), Problem>;

    /// Does a second hand-over of the same touch ids do nothing more? Only then may a batch
    /// without an answer be handed over again.
    fn is_idempotent(&self) -> bool;

    /// Hands a batch over. Never panics, whatever the content.
    async fn send(&self, batch: &Batch) -> Outcome;

    /// How many batches it takes side by side.
    fn parallel(&self) -> usize {
        1
    }

    /// How fast it may be used; no limit when there is none.
    fn bucket(&self) -> Option<&Bucket> {
        None
    }

    /// Whose limits and words its contents must keep: the first part of ids in `limits/*.toml`, such as
    /// `sms.aliyun`; empty for none.
    fn policy(&self) -> &str {
        ""
    }

    /// Attributes of users that it needs beside those in the content, such as the phone number.
    fn fields(&self) -> Vec<String> {
        Vec::new()
    }

    /// Can this touch go out at all? Why not is for the log; the touch is suppressed as `missing`.
    fn takes(&self, _touch: &Touch) -> Result<(), String> {
        Ok(())
    }

    /// May `next` go into one batch with these, which already do? For roads that carry only so many, or
    /// only what is alike, in one call.
    fn fits(&self, _batch: &[Touch], _next: &Touch) -> bool {
        true
    }

    /// Do receipts come later? Then the ledger keeps the touch ids, so that they find their touches.
    fn has_receipts(&self) -> bool {
        false
    }

    /// By which name a later receipt will call this touch, when not by its touch id. `tag` is that of
    /// its batch.
    fn handle(&self, _tag: &str, _touch: &Touch) -> Option<Handle> {
        None
    }

    /// Does a batch hold the touches of one member of the staff only?
    fn is_by_staff(&self) -> bool {
        false
    }

    /// By which family of dated limits of accounts (`limits/staff.toml`) the staff of its tasks are limited, when
    /// a task does not say; empty for none.
    fn family(&self) -> &str {
        ""
    }

    /// What a member of the staff has to do for this touch, where a person acts on it. The ledger keeps it until
    /// it is done.
    fn todo(&self, _batch: &Batch, _touch: &Touch) -> Option<serde_json::Value> {
        None
    }

    /// Can it be asked what became of touches?
    fn can_reconcile(&self) -> bool {
        false
    }

    /// What does the channel know of these touches, of which nobody knows whether they were taken?
    /// `None`: it cannot tell, or not now. A touch without a receipt stays as it is.
    async fn reconcile(&self, _batch: &Batch) -> Option<Vec<Receipt>> {
        None
    }
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
    /// The channel's own name of the touch, when later receipts will use it.
    pub handle: Option<Handle>,
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
        Receipt::of(touch_id, ReceiptState::Delivered)
    }

    /// A receipt without a reason.
    pub fn of(touch_id: TouchId, state: ReceiptState) -> Receipt {
        Receipt { touch_id, state, reason: None, handle: None }
    }

    /// A receipt that says "refused", and why.
    pub fn refused(touch_id: TouchId, reason: impl Into<String>) -> Receipt {
        Receipt { reason: Some(reason.into()), ..Receipt::of(touch_id, ReceiptState::Refused) }
    }
}
