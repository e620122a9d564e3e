//! Takes everything, keeps nothing, and says "delivered": for measuring and for rehearsals.

use async_trait::async_trait;

use crate::base::Problem;
use crate::dispatch::{Batch, Outcome, Receipt, Sender};

/// The sender `blackhole`.
pub struct Blackhole {
    name: String,
}

impl Blackhole {
    /// A blackhole by this name.
    pub fn new(name: &str) -> Blackhole {
        Blackhole { name: name.to_string() }
    }
}

#[async_trait]
impl Sender for Blackhole {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        Outcome::Answered(batch.touches.iter().map(|touch| Receipt::delivered(touch.touch_id)).collect())
    }
}
