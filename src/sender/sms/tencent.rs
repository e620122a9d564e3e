//! Tencent Cloud's SendSms (version 2021-01-11), signed by TC3-HMAC-SHA256.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, Stamp, canonical, chained, names, sha256};
use super::config::Config;
use super::message::Message;
use super::phone::mainland;
use super::said::{One, Said};

const VERSION: &str = "2021-01-11";
const METHOD: &str = "TC3-HMAC-SHA256";
const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// The call for these messages, which differ in their numbers only.
pub fn call(config: &Config, messages: &[Message], tag: &str, stamp: Stamp) -> Call {
    let body = body(config, messages, tag);
    let (seconds, day) = (stamp.now.0.div_euclid(1_000).to_string(), stamp.text("%Y-%m-%d"));
    let headers = signed_headers(stamp.host);
    let signature = signature(&config.secret, &seconds, &day, stamp.host, &body);
    let authorization = format!(
        "{METHOD} Credential={}/{day}/sms/tc3_request, SignedHeaders={}, Signature={signature}",
        config.access_key,
        names(&headers)
    );
    let headers = vec![
        ("authorization", authorization),
        ("content-type", CONTENT_TYPE.to_string()),
        ("x-tc-action", "SendSms".to_string()),
        ("x-tc-version", VERSION.to_string()),
        ("x-tc-timestamp", seconds),
        ("x-tc-region", config.region.clone()),
    ];
    Call { target: "/".into(), headers, body }
}

/// The signature over a body; `day` is the UTC date of `seconds`.
pub fn signature(secret: &str, seconds: &str, day: &str, host: &str, body: &[u8]) -> String {
    let request = canonical("", &signed_headers(host), &sha256(body));
    let text = format!("{METHOD}\n{seconds}\n{day}/sms/tc3_request\n{}", sha256(request.as_bytes()));
    chained(format!("TC3{secret}").as_bytes(), &[day, "sms", "tc3_request", &text])
}

/// The JSON that is posted; the tag comes back in receipts.
pub fn body(config: &Config, messages: &[Message], tag: &str) -> Vec<u8> {
    let first = messages.first();
    let variables: Vec<Value> = first.map(|m| m.variables.values().cloned().collect()).unwrap_or_default();
    let phones: Vec<String> = messages.iter().map(|m| format!("+86{}", m.phone)).collect();
    let body = json!({
        "PhoneNumberSet": phones,
        "SmsSdkAppId": config.app_id,
        "SignName": first.map(|m| m.sign.as_str()),
        "TemplateId": first.map(|m| m.template.as_str()),
        "TemplateParamSet": variables,
        "SessionContext": tag,
    });
    serde_json::to_vec(&body).unwrap_or_default()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    #[serde(default)]
    send_status_set: Vec<Status>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    #[serde(default)]
    serial_no: String,
    phone_number: String,
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fault {
    code: String,
    #[serde(default)]
    message: String,
}

/// What an answer says: a code for each number, or one for the call. `None` when it is none of Tencent's.
pub fn said(answer: &[u8]) -> Option<Said> {
    let Answer { response } = serde_json::from_slice(answer).ok()?;
    if let Some(Fault { code, message }) = response.error {
        return Some(Said::Whole { code, words: message, id: None });
    }
    let one = |status: Status| One {
        phone: mainland(&status.phone_number).unwrap_or_default(),
        code: status.code,
        words: status.message,
        id: (!status.serial_no.is_empty()).then_some(status.serial_no),
    };
    Some(Said::Each(response.send_status_set.into_iter().map(one).collect()))
}

fn signed_headers(host: &str) -> Vec<(&'static str, String)> {
    vec![("content-type", CONTENT_TYPE.to_string()), ("host", host.to_string())]
}
