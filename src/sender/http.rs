//! What do the channels that speak HTTP have in common? A client, bounded reading, the words for what failed.

use std::time::Duration;

use reqwest::{Client, Response};

use crate::base::Problem;
use crate::dispatch::Outcome;

/// The answer of a server is read up to here; more cannot be receipts of one batch.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// What a channel asks for by `Retry-After` counts up to here.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What to do when nobody knows whether a batch was taken.
pub const CURE_UNKNOWN: &str =
    "look at the receiver: it may have the batch; its receipts, or `quanke task reconcile`, settle it";

/// How long to wait for a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// For the whole exchange.
    pub whole: Duration,
    pub connect: Duration,
}

/// A client for `url`. The proxy variables of the environment are not read: what is below `main`
/// sees no environment. Errors: SND-001 when no TLS can be set up; `name` is the sender's.
pub fn client(name: &str, url: &str, times: Times) -> Result<Client, Problem> {
    let builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(times.connect)
        .timeout(times.whole)
        .user_agent(concat!("quanke/", env!("CARGO_PKG_VERSION")));
    // A second installation in one process is refused and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let is_plain = url.starts_with("http://");
    let builder = if is_plain { builder.tls_backend_preconfigured(no_tls()) } else { builder };
    builder
        .build()
        .map_err(|error| super::wrong(name, causes(&error), "install the system's CA certificates"))
}

/// The whole body, or why it could not be read; never more than a batch can need.
pub async fn bytes_of(mut response: Response) -> Result<Vec<u8>, String> {
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
pub fn retry_after(response: &Response) -> Duration {
    let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let seconds = header.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    Duration::from_secs(seconds).min(RETRY_AFTER_MAX)
}

/// What it means that no answer came: nothing left (SND-003), or nobody knows (SND-006). `place` is
/// where the problem stands.
pub fn no_answer(error: &reqwest::Error, place: &str) -> Outcome {
    let problem = |code| Problem::outside(code, causes(error)).at(place);
    if error.is_builder() {
        return Outcome::Refused(problem("SND-001").cure("mend the URL"));
    }
    if error.is_connect() {
        return Outcome::TryLater { after: Duration::ZERO, why: problem("SND-003") };
    }
    Outcome::Unknown(problem("SND-006").cure(CURE_UNKNOWN))
}

/// Is it an http or https address with a host?
pub fn is_address(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Without the query, which may hold a key.
pub fn shown(url: &str) -> &str {
    url.split('?').next().unwrap_or("")
}

/// An error with what led to it. The URL is left out: its query may hold a key.
pub fn causes(error: &reqwest::Error) -> String {
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

/// For plain `http://`: no certificate is ever asked for, so none is loaded.
fn no_tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}
