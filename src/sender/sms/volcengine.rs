//! Volcengine's SendSms (version 2020-01-01) and SendBatchSms (version 2021-01-01), signed by HMAC-SHA256.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Stamp, canonical, chained, names, sha256};
use super::config::Config;
use super::message::{Message, are_same};
use super::said::{One, Said};

const SERVICE: &str = "volcSMS";
const CONTENT_TYPE: &str = "application/json";

/// The call for these messages, of which there is at least one.
pub fn call(config: &Config, messages: &[Message], tag: &str, stamp: Stamp) -> Call {
    let (query, body) = request(config, messages, tag);
    let date = stamp.text("%Y%m%dT%H%M%SZ");
    let headers = signed_headers(stamp.host, &date, &body);
    let signature = signature(&config.secret, &query, &config.region, &headers);
    let authorization = format!(
        "HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
        config.access_key,
        scope(&date, &config.region),
        names(&headers)
    );
    let sent = headers.into_iter().filter(|(name, _)| *name != "host");
    let headers = sent.chain([("authorization", authorization)]).collect();
    Call { target: format!("/?{query}"), headers, body }
}

/// The signature; `headers` are those of [`signed_headers`].
pub fn signature(secret: &str, query: &str, region: &str, headers: &[(&'static str, String)]) -> String {
    let of =
        |name: &str| headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str());
    let (date, body_sha) = (of("x-date"), of("x-content-sha256"));
    let request = canonical(query, headers, body_sha);
    let text = format!("HMAC-SHA256\n{date}\n{}\n{}", scope(date, region), sha256(request.as_bytes()));
    chained(secret.as_bytes(), &[day_of(date), region, SERVICE, "request", &text])
}

/// The headers that are signed, sorted; `date` is `yyyymmddThhmmssZ`.
pub fn signed_headers(host: &str, date: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", CONTENT_TYPE.to_string()),
        ("host", host.to_string()),
        ("x-content-sha256", sha256(body)),
        ("x-date", date.to_string()),
    ]
}

/// Query and body of a call.
pub fn request(config: &Config, messages: &[Message], tag: &str) -> (String, Vec<u8>) {
    let first = messages.first();
    let variables = |m: &Message| Value::Object(m.variables.clone()).to_string();
    let mut body = json!({
        "SmsAccount": config.account,
        "Sign": first.map(|m| m.sign.as_str()),
        "TemplateID": first.map(|m| m.template.as_str()),
    });
    let query = if are_same(messages) {
        let phones: Vec<&str> = messages.iter().map(|m| m.phone.as_str()).collect();
        body["TemplateParam"] = first.map(variables).into();
        body["PhoneNumbers"] = phones.join(",").into();
        "Action=SendSms&Version=2020-01-01"
    } else {
        let each = |m: &Message| json!({ "PhoneNumber": m.phone, "TemplateParam": variables(m) });
        body["Messages"] = messages.iter().map(each).collect();
        "Action=SendBatchSms&Version=2021-01-01"
    };
    body["Tag"] = tag.into();
    (query.to_string(), serde_json::to_vec(&body).unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    response_metadata: Metadata,
    result: Option<Result>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    error: Option<Fault>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fault {
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Result {
    #[serde(rename = "MessageID", default)]
    ids: Vec<String>,
}

/// What an answer says: message ids in the order of the call, or one code. `None` when it is none of
/// Volcengine's. Ids that are fewer than the numbers leave the rest unknown.
pub fn said(messages: &[Message], answer: &[u8]) -> Option<Said> {
    let Answer { response_metadata, result } = serde_json::from_slice(answer).ok()?;
    if let Some(Fault { code, message }) = response_metadata.error {
        return Some(Said::Whole { code, words: message, id: None });
    }
    let one = |(message, id): (&Message, String)| One {
        phone: message.phone.clone(),
        code: "OK".into(),
        words: String::new(),
        id: (!id.is_empty()).then_some(id),
    };
    Some(Said::Each(messages.iter().zip(result?.ids).map(one).collect()))
}

fn scope(date: &str, region: &str) -> String {
    format!("{}/{region}/{SERVICE}/request", day_of(date))
}

fn day_of(date: &str) -> &str {
    date.split('T').next().unwrap_or(date)
}
