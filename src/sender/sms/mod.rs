//! Sends short messages through a gateway, in the request shape of Aliyun, Tencent Cloud or Volcengine.
//!
//! `config.rs` reads the settings, `message.rs` turns a touch into a message, a file for each shape turns
//! messages into a signed call and an answer into codes, `codes.rs` says what a code means and `said.rs`
//! what the batch comes to; all that without a network. This file drives the road.
//!
//! None of the three knows idempotency keys: what had no answer is unknown. The tag of the batch is echoed
//! in receipts, so that they settle also what had no answer.

mod aliyun;
mod call;
mod codes;
mod config;
mod message;
mod phone;
mod said;
mod tencent;
mod volcengine;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Response, StatusCode};

use super::http::{CURE_UNKNOWN, bytes_of, client, no_answer, retry_after};
use crate::base::{Problem, Timestamp};
use crate::dispatch::{Batch, Handle, Outcome, Policies, Receipt, ReceiptState, Sender, Touch};

pub use call::{Call, Stamp};
pub use config::{Config, Shape};
pub use message::Message;
pub use phone::mainland;
pub use said::{id_handle, tag_handle};

/// The sender `sms`.
pub struct Sms {
    config: Config,
    client: Client,
    clock: fn() -> Timestamp,
    /// Host and port, as signed.
    host: String,
    /// Most numbers in a call that says the same to all.
    same_max: usize,
    /// Most numbers in a call with variables for each.
    differing_max: usize,
}

impl Sms {
    /// A gateway that is ready; no network is touched. `clock` stamps the signatures, `policies` say how
    /// many numbers a call takes. Errors: SND-001 when no TLS can be set up.
    pub fn new(config: Config, clock: fn() -> Timestamp, policies: &Policies) -> Result<Sms, Problem> {
        let client = client(&config.name, &config.url, config.times)?;
        let most = |what: &str| policies.max(&format!("{}.{what}", config.shape.policy()));
        let (same_max, differing_max) = match (config.is_single, config.shape) {
            (true, _) => (1, 1),
            // Tencent has no call with variables for each number.
            (false, Shape::Tencent) => (most("call_same"), 1),
            (false, _) => (most("call_same"), most("call_differing")),
        };
        let host = host_of(&config.url);
        Ok(Sms { config, client, clock, host, same_max, differing_max })
    }

    /// The call for these messages, at this instant.
    pub fn call(&self, messages: &[Message], tag: &str, attempt: u32) -> Call {
        let now = (self.clock)();
        let phone = messages.first().map_or("", |message| message.phone.as_str());
        // A call for all and one for its first number alone may come in the same millisecond.
        let nonce = call::sha256(format!("{tag} {attempt} {phone} {} {}", messages.len(), now.0).as_bytes());
        let stamp = Stamp { now, host: &self.host, nonce: nonce.get(..32).unwrap_or(&nonce) };
        match self.config.shape {
            Shape::Aliyun => aliyun::call(&self.config, messages, tag, stamp),
            Shape::Tencent => tencent::call(&self.config, messages, tag, stamp),
            Shape::Volcengine => volcengine::call(&self.config, messages, tag, stamp),
        }
    }

    /// One call; when its one code may mean only some of the numbers, each once more by itself: a refused
    /// call took none.
    async fn hand(&self, messages: &[Message], batch: &Batch) -> Outcome {
        let said = match self.exchange(messages, batch).await {
            Ok(said) => said,
            Err(outcome) => return outcome,
        };
        if !said::is_unclear(&self.config, &said, messages.len()) {
            return said::outcome(&self.config, messages, &said);
        }
        let mut receipts = Vec::with_capacity(messages.len());
        for message in messages {
            receipts.push(self.hand_one(message, batch).await);
        }
        Outcome::Answered(receipts)
    }

    async fn hand_one(&self, message: &Message, batch: &Batch) -> Receipt {
        let alone = std::slice::from_ref(message);
        let outcome = match self.exchange(alone, batch).await {
            Ok(said) => said::outcome(&self.config, alone, &said),
            Err(outcome) => outcome,
        };
        let state = match &outcome {
            Outcome::Unknown(_) => ReceiptState::Unknown,
            _ => ReceiptState::Refused,
        };
        match outcome {
            Outcome::Answered(receipts) => {
                receipts.into_iter().next().unwrap_or(Receipt::of(message.touch_id, ReceiptState::Unknown))
            }
            Outcome::TryLater { why, .. } | Outcome::Refused(why) | Outcome::Unknown(why) => {
                Receipt { reason: Some(why.what), ..Receipt::of(message.touch_id, state) }
            }
        }
    }

    /// Is this the touch's number? Looks at the last digits first, since nearly all differ there.
    fn is_number_of(&self, touch: &Touch, phone: &str) -> bool {
        let written =
            touch.fields.get(&self.config.phone).and_then(serde_json::Value::as_str).unwrap_or_default();
        let end = phone.get(phone.len().saturating_sub(1)..).unwrap_or_default();
        written.trim_end_matches(|c: char| !c.is_ascii_digit()).ends_with(end)
            && mainland(written).is_some_and(|known| known == phone)
    }

    async fn exchange(&self, messages: &[Message], batch: &Batch) -> Result<said::Said, Outcome> {
        let call = self.call(messages, &batch.tag(), batch.attempt);
        let url = format!("{}{}", self.config.url.trim_end_matches('/'), call.target);
        let headers = call.headers.into_iter();
        let request =
            headers.fold(self.client.post(url), |request, (name, value)| request.header(name, value));
        let sent = request.body(call.body).send().await;
        let response = sent.map_err(|error| no_answer(&error, &self.config.place()))?;
        self.read(messages, response).await
    }

    async fn read(&self, messages: &[Message], response: Response) -> Result<said::Said, Outcome> {
        let (status, after) = (response.status(), retry_after(&response));
        let bytes = match bytes_of(response).await {
            Ok(bytes) => bytes,
            Err(why) => return Err(Outcome::Unknown(self.problem("SND-006", why).cure(CURE_UNKNOWN))),
        };
        let said = match self.config.shape {
            Shape::Aliyun => aliyun::said(&bytes),
            Shape::Tencent => tencent::said(&bytes),
            Shape::Volcengine => volcengine::said(messages, &bytes),
        };
        said.ok_or_else(|| self.wordless(status, after))
    }

    /// An answer without a code of the gateway: from a proxy, or from something else at that address.
    fn wordless(&self, status: StatusCode, after: Duration) -> Outcome {
        let what = format!("it answered {status} without a code of {}", self.config.shape.word());
        match status.as_u16() {
            429 | 503 => Outcome::TryLater { after, why: self.problem("SND-005", what) },
            400..500 => Outcome::Refused(self.problem("SND-004", what).cure("mend `url` and `shape`")),
            _ => Outcome::Unknown(self.problem("SND-006", what).cure(CURE_UNKNOWN)),
        }
    }

    fn problem(&self, code: &'static str, what: String) -> Problem {
        Problem::outside(code, what).at(self.config.place())
    }
}

#[async_trait]
impl Sender for Sms {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn is_idempotent(&self) -> bool {
        false
    }

    fn parallel(&self) -> usize {
        self.config.parallel
    }

    fn policy(&self) -> &str {
        self.config.shape.policy()
    }

    fn fields(&self) -> Vec<String> {
        vec![self.config.phone.clone()]
    }

    fn takes(&self, touch: &Touch) -> Result<(), String> {
        Message::of(touch, &self.config).map(|_| ())
    }

    /// Up to one number of messages if each has its own variables, up to another if all say the same. A
    /// number comes once in a call: receipts could not tell its two touches apart.
    fn fits(&self, batch: &[Touch], next: &Touch) -> bool {
        let of = |touch: &Touch| Message::of(touch, &self.config).ok();
        let (Some(first), Some(new)) = (batch.first().and_then(of), of(next)) else { return false };
        if !first.is_kin(&new) || batch.iter().any(|touch| self.is_number_of(touch, &new.phone)) {
            return false;
        }
        // What is longer than `differing_max` was found to be all the same when it grew so long.
        let all_same =
            || batch.len() > self.differing_max || batch.iter().filter_map(of).all(|m| first.is_same(&m));
        batch.len() < self.differing_max || (batch.len() < self.same_max && first.is_same(&new) && all_same())
    }

    fn has_receipts(&self) -> bool {
        true
    }

    fn handle(&self, tag: &str, touch: &Touch) -> Option<Handle> {
        Message::of(touch, &self.config).ok().map(|message| tag_handle(tag, &message.phone))
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        let messages = message::messages(batch, &self.config);
        if messages.is_empty() {
            return Outcome::Answered(Vec::new());
        }
        self.hand(&messages, batch).await
    }
}

/// Host and, where it is not the usual one, port.
fn host_of(url: &str) -> String {
    let Ok(url) = reqwest::Url::parse(url) else { return String::new() };
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
pub(super) mod tests;
