//! One call of a gateway as bytes, and the small tools of signing.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::base::Timestamp;

/// A `POST` that is ready to leave.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Path and query: `/?Action=SendSms`.
    pub target: String,
    /// Without `Host`, which the client writes.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// What differs from try to try.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    pub now: Timestamp,
    /// Host and port as in the `Host` header.
    pub host: &'a str,
    /// Never the same twice.
    pub nonce: &'a str,
}

impl Stamp<'_> {
    /// The instant in UTC, in the form that `chrono` describes.
    pub fn text(&self, form: &str) -> String {
        let instant: DateTime<Utc> = DateTime::from_timestamp_millis(self.now.0).unwrap_or_default();
        instant.format(form).to_string()
    }
}

/// The lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// HMAC-SHA256.
pub fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length is a key of HMAC, so the empty answer is never given.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA256 with each answer as the key of the next text; hexadecimal.
pub fn chained(key: &[u8], texts: &[&str]) -> String {
    hex::encode(texts.iter().fold(key.to_vec(), |key, text| hmac(&key, text)))
}

/// A query of RFC 3986: sorted by name, everything escaped but letters, digits and `-_.~`.
pub fn query(pairs: &[(&str, String)]) -> String {
    let mut parts: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| (escaped(name), escaped(value))).collect();
    parts.sort();
    parts.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The canonical request of the three: method, path, query, headers, their names, the body's hash.
pub fn canonical(query: &str, headers: &[(&str, String)], body_sha: &str) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    format!("POST\n/\n{query}\n{lines}\n{}\n{body_sha}", names(headers))
}

/// The names of signed headers, joined as all three want them.
pub fn names(headers: &[(&str, String)]) -> String {
    headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
}

fn escaped(text: &str) -> String {
    let sign = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(sign).collect()
}
