//! Posts a batch as signed JSON to a URL.
//!
//! `config.rs` reads the settings, `request.rs` turns a batch into bytes and an answer into
//! receipts without a network, this file drives the road. The body and the `Idempotency-Key` are
//! the same on every try; only the time stamp and so the signature differ.

mod config;
mod request;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Response, StatusCode};

use super::http::{CURE_UNKNOWN, bytes_of, client, no_answer, retry_after};
use crate::base::{Problem, Timestamp};
use crate::dispatch::{Batch, Outcome, Receipt, Sender};

pub use config::Config;
pub use request::{body, question, receipts, signature, words};

/// The sender `webhook`.
pub struct Webhook {
    config: Config,
    client: Client,
    clock: fn() -> Timestamp,
}

impl Webhook {
    /// A webhook that is ready to send; no network is touched. `clock` stamps the signatures.
    /// Errors: SND-001 when no TLS can be set up.
    pub fn new(config: Config, clock: fn() -> Timestamp) -> Result<Webhook, Problem> {
        let client = client(&config.name, &config.url, config.times)?;
        Ok(Webhook { config, client, clock })
    }

    async fn post(&self, url: &str, key: &str, body: Vec<u8>) -> reqwest::Result<Response> {
        let stamp = (self.clock)().0.div_euclid(1_000).to_string();
        let mut request = self
            .client
            .post(url)
            .header("Content-Type", "application/json; charset=utf-8")
            .header("Idempotency-Key", key)
            .header("X-Quanke-Timestamp", &stamp);
        if let Some(secret) = &self.config.secret {
            request = request.header("X-Quanke-Signature", signature(secret, &stamp, &body));
        }
        request.body(body).send().await
    }

    async fn read(&self, batch: &Batch, response: Response) -> Outcome {
        let status = response.status();
        let after = retry_after(&response);
        if !status.is_success() {
            return self.refused(status, after);
        }
        match bytes_of(response).await {
            Ok(bytes) => Outcome::Answered(receipts(batch, &bytes, self.config.is_delivered_when_taken)),
            Err(why) => Outcome::Unknown(self.problem("SND-006", why).cure(CURE_UNKNOWN)),
        }
    }

    /// What an error status means. Where a server may have worked before it failed, a channel
    /// without idempotent keys must not be tried again.
    fn refused(&self, status: StatusCode, after: Duration) -> Outcome {
        let busy = |code| matches!(code, 408 | 425 | 429 | 503);
        let what = format!("it answered {status}");
        match status.as_u16() {
            code if busy(code) => Outcome::TryLater { after, why: self.problem("SND-005", what) },
            500..600 if self.config.is_idempotent => {
                Outcome::TryLater { after, why: self.problem("SND-005", what) }
            }
            500..600 => Outcome::Unknown(self.problem("SND-006", what).cure(CURE_UNKNOWN)),
            _ => Outcome::Refused(
                self.problem("SND-004", what).cure("mend the URL, the secret or the content"),
            ),
        }
    }

    fn problem(&self, code: &'static str, what: String) -> Problem {
        Problem::outside(code, what).at(self.config.place())
    }
}

#[async_trait]
impl Sender for Webhook {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn is_idempotent(&self) -> bool {
        self.config.is_idempotent
    }

    fn has_receipts(&self) -> bool {
        true
    }

    fn parallel(&self) -> usize {
        self.config.parallel
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        match self.post(&self.config.url, &batch.key(), body(batch)).await {
            Ok(response) => self.read(batch, response).await,
            Err(error) => no_answer(&error, &self.config.place()),
        }
    }

    fn can_reconcile(&self) -> bool {
        self.config.reconcile_url.is_some()
    }

    async fn reconcile(&self, batch: &Batch) -> Option<Vec<Receipt>> {
        let url = self.config.reconcile_url.as_deref()?;
        let response = self.post(url, &batch.key(), question(batch)).await.ok()?;
        let is_answer = response.status().is_success();
        let bytes = bytes_of(response).await.ok().filter(|_| is_answer)?;
        Some(words(batch, &bytes))
    }
}

#[cfg(test)]
pub(super) mod tests;
