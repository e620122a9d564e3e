//! How does any sender get a rate? By another around it, which has a bucket and says all else as the inner
//! one does.

use std::sync::Arc;

use async_trait::async_trait;

use crate::base::Problem;
use crate::dispatch::{Batch, Bucket, Handle, Outcome, Receipt, Sender, Touch};

/// A sender with a rate.
pub struct Paced {
    inner: Arc<dyn Sender>,
    bucket: Bucket,
}

impl Paced {
    /// `inner`, as fast as `bucket` lets it.
    pub fn new(inner: Arc<dyn Sender>, bucket: Bucket) -> Paced {
        Paced { inner, bucket }
    }
}

#[async_trait]
impl Sender for Paced {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn check(&self) -> Result<(), Problem> {
        self.inner.check()
    }

    fn is_idempotent(&self) -> bool {
        self.inner.is_idempotent()
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        self.inner.send(batch).await
    }

    fn parallel(&self) -> usize {
        self.inner.parallel()
    }

    fn bucket(&self) -> Option<&Bucket> {
        Some(&self.bucket)
    }

    fn policy(&self) -> &str {
        self.inner.policy()
    }

    fn fields(&self) -> Vec<String> {
        self.inner.fields()
    }

    fn takes(&self, touch: &Touch) -> Result<(), String> {
        self.inner.takes(touch)
    }

    fn fits(&self, batch: &[Touch], next: &Touch) -> bool {
        self.inner.fits(batch, next)
    }

    fn has_receipts(&self) -> bool {
        self.inner.has_receipts()
    }

    fn handle(&self, tag: &str, touch: &Touch) -> Option<Handle> {
        self.inner.handle(tag, touch)
    }

    fn is_by_staff(&self) -> bool {
        self.inner.is_by_staff()
    }

    fn family(&self) -> &str {
        self.inner.family()
    }

    fn todo(&self, batch: &Batch, touch: &Touch) -> Option<serde_json::Value> {
        self.inner.todo(batch, touch)
    }

    fn can_reconcile(&self) -> bool {
        self.inner.can_reconcile()
    }

    async fn reconcile(&self, batch: &Batch) -> Option<Vec<Receipt>> {
        self.inner.reconcile(batch).await
    }
}
