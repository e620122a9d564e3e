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

use crate::base::{Problem, Timestamp};
use crate::dispatch::{Batch, Outcome, Sender};

pub use config::Config;
pub use request::{body, receipts, signature};

/// The answer of a server is read up to here; more cannot be receipts of one batch.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// What a channel asks for by `Retry-After` counts up to here.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

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
        let client = client(&config)?;
        Ok(Webhook { config, client, clock })
    }

    async fn post(&self, batch: &Batch) -> Result<Response, Outcome> {
        let body = body(batch);
        let stamp = (self.clock)().0.div_euclid(1_000).to_string();
        let mut request = self
            .client
            .post(&self.config.url)
            .header("Content-Type", "application/json; charset=utf-8")
            .header("Idempotency-Key", batch.key())
            .header("X-Quanke-Timestamp", &stamp);
        if let Some(secret) = &self.config.secret {
            request = request.header("X-Quanke-Signature", signature(secret, &stamp, &body));
        }
        request.body(body).send().await.map_err(|error| self.no_answer(error))
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

    fn no_answer(&self, error: reqwest::Error) -> Outcome {
        let what = causes(&error);
        if error.is_builder() {
            return Outcome::Refused(self.problem("SND-001", what).cure("mend the URL"));
        }
        if error.is_connect() {
            return Outcome::TryLater { after: Duration::ZERO, why: self.problem("SND-003", what) };
        }
        Outcome::Unknown(self.problem("SND-006", what).cure(CURE_UNKNOWN))
    }

    fn problem(&self, code: &'static str, what: String) -> Problem {
        Problem::outside(code, what).at(format!("sender {} {}", self.config.name, self.config.shown_url()))
    }
}

const CURE_UNKNOWN: &str =
    "look at the receiver: it may have the batch; the same ids can be handed over again";

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

    fn parallel(&self) -> usize {
        self.config.parallel
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        match self.post(batch).await {
            Ok(response) => self.read(batch, response).await,
            Err(outcome) => outcome,
        }
    }
}

/// The proxy variables of the environment are not read: what is below `main` sees no environment.
fn client(config: &Config) -> Result<Client, Problem> {
    let builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(config.connect_timeout)
        .timeout(config.timeout)
        .user_agent(concat!("quanke/", env!("CARGO_PKG_VERSION")));
    // A second installation in one process is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = if config.is_plain() { builder.tls_backend_preconfigured(no_tls()) } else { builder };
    builder
        .build()
        .map_err(|error| super::wrong(&config.name, causes(&error), "install the system's CA certificates"))
}

/// For plain `http://`: no certificate is ever asked for, so none is loaded.
fn no_tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

async fn bytes_of(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| causes(&error))? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// `Retry-After` in seconds; the form with a date is rare and is taken as absent.
fn retry_after(response: &Response) -> Duration {
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let seconds = header.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    Duration::from_secs(seconds).min(RETRY_AFTER_MAX)
}

/// An error with what led to it. The URL is left out: its query may hold a key.
fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        "no answer in time".to_string()
    } else {
        "the connection failed".to_string()
    };
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        text.push_str(&format!(": {found}"));
        cause = found.source();
    }
    text
}

#[cfg(test)]
pub(super) mod tests;
