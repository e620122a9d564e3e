//! What is handed to a sender at once, and by which name?

use std::fmt::{self, Write};

use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use crate::base::{Outcome, Problem, UserNo};

use super::ledger::Seat;

/// The name of a touch: 128 bits, the same on every retry and every machine (semantics 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TouchId(pub [u8; 16]);

/// A name that a channel has for a touch, as later receipts will use it: a hash, so that no phone number
/// lies in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(pub [u8; 16]);

/// Gives the touches of one run their names.
#[derive(Clone)]
pub struct TouchNames {
    prefix: Sha256,
}

/// One message to one user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    pub touch_id: TouchId,
    /// Its place in a trigger's run; in a run of the calendar there is none, and the user's number is its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<Seat>,
    pub user_no: UserNo,
    pub user_id: String,
    /// Who of the task's staff has the user, by id; nobody where the task has no staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<String>,
    /// The planned reach, RFC 3339 with milliseconds and offset.
    pub due_at: String,
    /// The content of the task, filled for this user.
    pub content: Value,
    /// The user's values that went into the content, by attribute.
    pub fields: Map<String, Value>,
}

/// The touches that one sender takes at once. Its touches never change from try to try.
/// A sender sees the batches of a run in the order of their numbers, and when it first sees
/// batch `n`, all up to `n` − [`super::WAVE_BATCHES`] have had their answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub task: String,
    /// `<task>@<planned local time>`, or `<task>@<local day>` of a trigger.
    pub run: String,
    /// Counts from 1 within the run.
    pub no: u64,
    pub channel: String,
    /// 1 at the first try; more when an earlier try may have left something behind.
    pub attempt: u32,
    pub touches: Vec<Touch>,
}

impl TouchNames {
    /// Names for the touches of (app, task, epoch, occurrence, channel).
    pub fn of(app: &str, task: &str, epoch: u32, occurrence: &str, channel: &str) -> TouchNames {
        let mut prefix = Sha256::new();
        for part in [app, task, &epoch.to_string(), occurrence, channel] {
            add_part(&mut prefix, part);
        }
        TouchNames { prefix }
    }

    /// The name of the touch to one user, by the external id.
    pub fn touch_id(&self, user_id: &str) -> TouchId {
        let mut hasher = self.prefix.clone();
        add_part(&mut hasher, user_id);
        TouchId(first_half(&hasher.finalize()))
    }
}

impl Touch {
    /// Its place in its run.
    pub fn seat(&self) -> Seat {
        self.seat.unwrap_or(self.user_no)
    }
}

impl Batch {
    /// The idempotency key of the whole batch: a hash over its touch ids, in hexadecimal.
    pub fn key(&self) -> String {
        let mut hasher = Sha256::new();
        self.touches.iter().for_each(|touch| hasher.update(touch.touch_id.0));
        TouchId(first_half(&hasher.finalize())).to_string()
    }

    /// What a channel may echo in later receipts: 32 letters and digits, of the run and the number.
    pub fn tag(&self) -> String {
        tag_of(&self.run, self.no)
    }
}

/// The tag of batch `no` of a run, before the batch is made.
pub(super) fn tag_of(run: &str, no: u64) -> String {
    hex(&Handle::of(&[run, &no.to_string()]).0)
}

impl Handle {
    /// The handle of these parts, in this order.
    pub fn of(parts: &[&str]) -> Handle {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| add_part(&mut hasher, part));
        Handle(first_half(&hasher.finalize()))
    }
}

impl From<TouchId> for Handle {
    fn from(id: TouchId) -> Handle {
        Handle(id.0)
    }
}

impl TouchId {
    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<TouchId> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(TouchId(bytes))
    }
}

impl fmt::Display for TouchId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Serialize for TouchId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for TouchId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TouchId, D::Error> {
        let text = String::deserialize(deserializer)?;
        TouchId::parse(&text).ok_or_else(|| serde::de::Error::custom("not a touch id"))
    }
}

/// The touches of each batch as bytes for the ledger: JSON under zstd.
pub(super) fn packed(batches: &[Vec<Touch>]) -> Outcome<Vec<Vec<u8>>> {
    let pack = |packer: &mut std::io::Result<Compressor>, touches: &Vec<Touch>| {
        let json = serde_json::to_vec(touches)
            .map_err(|e| Problem::bug(format!("a batch cannot be written: {e}")))?;
        let packer = packer.as_mut().map_err(|e| Problem::bug(format!("zstd cannot begin: {e}")))?;
        Ok(packer.compress(&json)?)
    };
    batches.par_iter().map_init(|| Compressor::new(1), pack).collect()
}

/// The touches that [`packed`] wrote.
pub(super) fn unpacked(bytes: &[u8]) -> Outcome<Vec<Touch>> {
    let json = zstd::decode_all(bytes)?;
    serde_json::from_slice(&json)
        .map_err(|e| Problem::bug(format!("a batch in the ledger cannot be read: {e}")))
}

/// Each part with its length before it, so that no two tuples give the same bytes.
fn add_part(hasher: &mut Sha256, part: &str) {
    hasher.update((part.len() as u64).to_le_bytes());
    hasher.update(part.as_bytes());
}

fn first_half(hash: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    half
}

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
