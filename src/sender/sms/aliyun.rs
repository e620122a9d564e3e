//! Aliyun's SendSms and SendBatchSms (version 2017-05-25), signed by ACS3-HMAC-SHA256.

use serde::Deserialize;
use serde_json::Value;

use super::call::{Call, Stamp, canonical, chained, names, query, sha256};
use super::config::Config;
use super::message::{Message, are_same};
use super::said::Said;

const VERSION: &str = "2017-05-25";
const METHOD: &str = "ACS3-HMAC-SHA256";

/// The call for these messages, of which there is at least one; parameters go in the query.
pub fn call(config: &Config, messages: &[Message], tag: &str, stamp: Stamp) -> Call {
    let (action, pairs) = parameters(messages, tag);
    let query = query(&pairs);
    let headers = signed_headers(action, stamp);
    let signature = signature(&config.secret, &query, &headers);
    let authorization = format!(
        "{METHOD} Credential={},SignedHeaders={},Signature={signature}",
        config.access_key,
        names(&headers)
    );
    let sent = headers.into_iter().filter(|(name, _)| *name != "host");
    let headers = sent.chain([("authorization", authorization)]).collect();
    Call { target: format!("/?{query}"), headers, body: Vec::new() }
}

/// The signature over a query without a body; `headers` are sorted.
pub fn signature(secret: &str, query: &str, headers: &[(&'static str, String)]) -> String {
    let request = canonical(query, headers, &sha256(b""));
    chained(secret.as_bytes(), &[&format!("{METHOD}\n{}", sha256(request.as_bytes()))])
}

/// The headers that are signed, sorted.
pub fn signed_headers(action: &str, stamp: Stamp) -> Vec<(&'static str, String)> {
    vec![
        ("host", stamp.host.to_string()),
        ("x-acs-action", action.to_string()),
        ("x-acs-content-sha256", sha256(b"")),
        ("x-acs-date", stamp.text("%Y-%m-%dT%H:%M:%SZ")),
        ("x-acs-signature-nonce", stamp.nonce.to_string()),
        ("x-acs-version", VERSION.to_string()),
    ]
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    biz_id: String,
}

/// What an answer says: one code for the whole call. `None` when it is none of Aliyun's.
pub fn said(answer: &[u8]) -> Option<Said> {
    let Answer { code, message, biz_id } = serde_json::from_slice(answer).ok()?;
    Some(Said::Whole { code, words: message, id: (!biz_id.is_empty()).then_some(biz_id) })
}

fn parameters(messages: &[Message], tag: &str) -> (&'static str, Vec<(&'static str, String)>) {
    let first = messages.first();
    let template = first.map(|m| m.template.clone()).unwrap_or_default();
    let list = |of: &dyn Fn(&Message) -> String| Value::from_iter(messages.iter().map(of)).to_string();
    if are_same(messages) {
        let phones = messages.iter().map(|m| m.phone.as_str()).collect::<Vec<_>>().join(",");
        let mut pairs = vec![
            ("PhoneNumbers", phones),
            ("SignName", first.map(|m| m.sign.clone()).unwrap_or_default()),
            ("TemplateCode", template),
            ("OutId", tag.to_string()),
        ];
        pairs.extend(first.filter(|m| !m.variables.is_empty()).map(|m| ("TemplateParam", json(m))));
        return ("SendSms", pairs);
    }
    let variables: Vec<Value> = messages.iter().map(|m| Value::Object(m.variables.clone())).collect();
    let pairs = vec![
        ("PhoneNumberJson", list(&|m| m.phone.clone())),
        ("SignNameJson", list(&|m| m.sign.clone())),
        ("TemplateCode", template),
        ("TemplateParamJson", Value::from(variables).to_string()),
        ("OutId", tag.to_string()),
    ];
    ("SendBatchSms", pairs)
}

fn json(message: &Message) -> String {
    Value::Object(message.variables.clone()).to_string()
}
