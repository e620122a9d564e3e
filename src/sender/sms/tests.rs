//! The three gateways: signatures against known ones, and a server on loopback that checks them and
//! misbehaves.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::*;
use crate::base::Zone;
use crate::sender::tests::{batch, send};
use crate::sender::webhook::tests::{Manner, Seen, Server};

const NOW: &str = "2026-01-02T03:04:05Z";

fn now() -> Timestamp {
    Timestamp::parse(NOW, &Zone::default()).unwrap()
}

fn config(shape: &str, url: &str, more: &str) -> Config {
    let text = format!(
        "kind = \"sms\"\nshape = \"{shape}\"\nurl = \"{url}\"\naccess_key = \"TESTAK\"\nsecret = \"TESTSK\"\n\
         sign = \"测试\"\ntemplate = \"T_1\"\naccount = \"acc\"\napp_id = \"1400000000\"\ntimeout = \"5s\"\n\
         parallel = 1\n{more}"
    );
    Config::read("短信", &toml::from_str(&text).unwrap(), &|_| None).unwrap()
}

/// A gateway at a server's address.
pub fn gateway(shape: &str, server: &Server, more: &str) -> Sms {
    let url = server.url.split("hook").next().unwrap();
    Sms::new(config(shape, url, more), now, &Policies::shipped().unwrap()).unwrap()
}

/// A server that checks the signature and takes everything.
pub fn good(shape: &str) -> Manner {
    match shape {
        "aliyun" => Manner::By(aliyun_takes),
        "tencent" => Manner::By(tencent_takes),
        _ => Manner::By(volcengine_takes),
    }
}

fn of(seen: &Seen, name: &str) -> String {
    seen.header(name).unwrap_or_default().to_string()
}

fn query_of(seen: &Seen) -> String {
    seen.head[0].split([' ', '?']).nth(2).unwrap_or_default().to_string()
}

fn is_signed(seen: &Seen, signature: &str) -> bool {
    of(seen, "authorization").ends_with(&format!("Signature={signature}"))
}

fn aliyun_takes(seen: &Seen) -> String {
    let stamp = Stamp { now: now(), host: &of(seen, "host"), nonce: &of(seen, "x-acs-signature-nonce") };
    let headers = aliyun::signed_headers(
        if query_of(seen).contains("PhoneNumberJson") { "SendBatchSms" } else { "SendSms" },
        stamp,
    );
    let is_right = is_signed(seen, &aliyun::signature("TESTSK", &query_of(seen), &headers))
        && of(seen, "x-acs-date") == NOW;
    let code = if is_right { "OK" } else { "SignatureDoesNotMatch" };
    json!({"Code": code, "Message": "m", "BizId": "biz-1", "RequestId": "r"}).to_string()
}

fn tencent_takes(seen: &Seen) -> String {
    let known =
        tencent::signature("TESTSK", "1767323045", "2026-01-02", &of(seen, "host"), seen.body.as_bytes());
    if !is_signed(seen, &known) || of(seen, "x-tc-timestamp") != "1767323045" {
        return json!({"Response": {"Error": {"Code": "AuthFailure.SignatureFailure"}, "RequestId": "r"}})
            .to_string();
    }
    tencent_each(seen, &|_| "Ok")
}

fn tencent_each(seen: &Seen, code: &dyn Fn(usize) -> &'static str) -> String {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let one = |(n, phone): (usize, &Value)| {
        json!({"SerialNo": format!("s-{n}"), "PhoneNumber": phone, "Fee": 1, "SessionContext": body["SessionContext"],
               "Code": code(n), "Message": "m", "IsoCode": "CN"})
    };
    let set: Vec<Value> = body["PhoneNumberSet"].as_array().unwrap().iter().enumerate().map(one).collect();
    json!({"Response": {"SendStatusSet": set, "RequestId": "r"}}).to_string()
}

fn volcengine_takes(seen: &Seen) -> String {
    let headers = volcengine::signed_headers(&of(seen, "host"), &of(seen, "x-date"), seen.body.as_bytes());
    let is_right = is_signed(seen, &volcengine::signature("TESTSK", &query_of(seen), "cn-north-1", &headers));
    let metadata = json!({"RequestId": "r", "Action": "SendSms"});
    if !is_right {
        return json!({"ResponseMetadata": {"Error": {"Code": "RE:0002", "Message": "sign"}}}).to_string();
    }
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let count = body["Messages"]
        .as_array()
        .map_or_else(|| body["PhoneNumbers"].as_str().unwrap().split(',').count(), Vec::len);
    let ids: Vec<String> = (0..count).map(|n| format!("m-{n}")).collect();
    json!({"ResponseMetadata": metadata, "Result": {"MessageID": ids}}).to_string()
}

/// Answers: the states of the touches, or which other outcome with which code.
fn told(shape: &str, manner: Manner) -> Result<Vec<ReceiptState>, (&'static str, &'static str)> {
    let server = Server::start(vec![manner]);
    let outcome = send(&gateway(shape, &server, ""), &batch(1, 0..3, json!({})));
    server.finish();
    told_of(outcome)
}

fn told_of(outcome: Outcome) -> Result<Vec<ReceiptState>, (&'static str, &'static str)> {
    match outcome {
        Outcome::Answered(receipts) => Ok(receipts.iter().map(|receipt| receipt.state).collect()),
        Outcome::TryLater { why, .. } => Err(("later", why.code)),
        Outcome::Refused(why) => Err(("refused", why.code)),
        Outcome::Unknown(why) => Err(("unknown", why.code)),
    }
}

#[test]
fn the_signature_of_aliyun_is_the_known_one() {
    let query = call::query(&[
        ("TemplateParam", "{\"code\":\"1\"}".into()),
        ("PhoneNumbers", "13800000000".into()),
        ("SignName", "测试".into()),
        ("TemplateCode", "SMS_1".into()),
        ("OutId", "o-1".into()),
    ]);
    let stamp =
        Stamp { now: now(), host: "dysmsapi.aliyuncs.com", nonce: "00000000000000000000000000000001" };
    let headers = aliyun::signed_headers("SendSms", stamp);
    assert_eq!(
        aliyun::signature("TESTSK", &query, &headers),
        "cf78735ed1064b20d9fc481e4db2e917cebfb90dbf3eab25b3cd70bb5f442a14"
    );
}

#[test]
fn the_signature_of_tencent_is_the_known_one() {
    let body = r#"{"PhoneNumberSet":["+8613800000000"],"SmsSdkAppId":"1400000000","SignName":"测试","TemplateId":"1","TemplateParamSet":["a"],"SessionContext":"o-1"}"#;
    assert_eq!(
        tencent::signature("TESTSK", "1767323045", "2026-01-02", "sms.tencentcloudapi.com", body.as_bytes()),
        "b740d6518404f87d9a2c041319be942b41073da375fcf87f2321f43c959d8b0d"
    );
    let config = Config { template: "1".into(), ..config("tencent", "https://sms.tencentcloudapi.com/", "") };
    let mut sent = batch(1, 0..1, json!({"variables": ["a"]}));
    sent.touches[0].fields["phone"] = json!("13800000000");
    let ours = tencent::body(&config, &message::messages(&sent, &config), "o-1");
    assert_eq!(String::from_utf8(ours).unwrap(), body);
}

#[test]
fn the_signature_of_volcengine_is_the_known_one() {
    let config =
        Config { template: "ST_1".into(), ..config("volcengine", "https://sms.volcengineapi.com/", "") };
    let mut sent = batch(1, 0..1, json!({"variables": {"code": "1"}}));
    sent.touches[0].fields["phone"] = json!("13800000000");
    let (query, body) = volcengine::request(&config, &message::messages(&sent, &config), "o-1");
    assert_eq!(call::sha256(&body), "794dba92cde2aa013b17bca3b5972ea57b42d4c35ba7f4e6fdcc1e4f06dab2dc");
    let headers = volcengine::signed_headers("sms.volcengineapi.com", "20260102T030405Z", &body);
    assert_eq!(
        volcengine::signature("TESTSK", &query, "cn-north-1", &headers),
        "a6ce314d4c5b3938791bb6bf9abe743c93fd30d3961b91e0b6e08c3baa9b234a"
    );
}

// proves: S2.2
#[test]
fn each_gateway_takes_a_signed_call_and_awaits_receipts() {
    for shape in ["aliyun", "tencent", "volcengine"] {
        assert_eq!(told(shape, good(shape)), Ok(vec![ReceiptState::Awaiting; 3]), "{shape}");
        let server = Server::start(vec![good(shape)]);
        let bad = Config { secret: "OTHER".into(), ..gateway(shape, &server, "").config };
        let other = Sms::new(bad, now, &Policies::shipped().unwrap()).unwrap();
        let found = told_of(send(&other, &batch(1, 0..3, json!({}))));
        server.finish();
        assert_eq!(found, Err(("later", "SND-009")), "{shape}: a wrong key stops the run");
    }
}

#[test]
fn variables_of_their_own_go_in_the_batch_call() {
    let content = |n: usize| json!({"variables": {"name": format!("张{n}")}});
    for (shape, action) in [("aliyun", "PhoneNumberJson"), ("volcengine", "SendBatchSms")] {
        let server = Server::start(vec![good(shape)]);
        let mut sent = batch(1, 0..3, json!({}));
        sent.touches.iter_mut().enumerate().for_each(|(n, touch)| touch.content = content(n));
        let found = told_of(send(&gateway(shape, &server, ""), &sent));
        assert_eq!(found, Ok(vec![ReceiptState::Awaiting; 3]), "{shape}");
        assert!(server.finish()[0].head[0].contains(action), "{shape}");
    }
}

#[test]
fn a_code_of_the_whole_call_means_one_thing() {
    let aliyun = |body| told("aliyun", Manner::Answer("400 Bad", body));
    assert_eq!(aliyun(r#"{"Code":"Throttling.User"}"#), Err(("later", "SND-005")));
    assert_eq!(aliyun(r#"{"Code":"isv.AMOUNT_NOT_ENOUGH"}"#), Err(("later", "SND-009")));
    assert_eq!(aliyun(r#"{"Code":"isv.TEMPLATE_PARAMS_ILLEGAL"}"#), Err(("refused", "SND-008")));
    assert_eq!(aliyun(r#"{"Code":"isp.SYSTEM_ERROR"}"#), Err(("unknown", "SND-006")));
    let tencent = |body| told("tencent", Manner::Answer("200 OK", body));
    assert_eq!(
        tencent(r#"{"Response":{"Error":{"Code":"RequestLimitExceeded.Uin"}}}"#),
        Err(("later", "SND-005"))
    );
    assert_eq!(
        tencent(r#"{"Response":{"Error":{"Code":"InternalError.Timeout"}}}"#),
        Err(("unknown", "SND-006"))
    );
    let volcengine = |body| told("volcengine", Manner::Answer("200 OK", body));
    assert_eq!(volcengine(r#"{"ResponseMetadata":{"Error":{"Code":"RE:0010"}}}"#), Err(("later", "SND-009")));
    assert_eq!(
        volcengine(r#"{"ResponseMetadata":{"Error":{"Code":"RE:0500"}}}"#),
        Err(("unknown", "SND-006"))
    );
    assert_eq!(
        volcengine(r#"{"ResponseMetadata":{},"Result":{"MessageID":["m-0"]}}"#),
        Ok(vec![ReceiptState::Awaiting, ReceiptState::Unknown, ReceiptState::Unknown])
    );
}

#[test]
fn a_server_that_misbehaves_is_not_believed() {
    for shape in ["aliyun", "tencent", "volcengine"] {
        for manner in [
            Manner::Close,
            Manner::HalfAnswer,
            Manner::Answer("500 Oops", "<html>"),
            Manner::Answer("200 OK", "{}"),
        ] {
            assert_eq!(told(shape, manner), Err(("unknown", "SND-006")), "{shape}");
        }
        assert_eq!(told(shape, Manner::Answer("429 Busy", "")), Err(("later", "SND-005")), "{shape}");
        assert_eq!(told(shape, Manner::Answer("404 Where", "")), Err(("refused", "SND-004")), "{shape}");
        let server = Server::start(vec![Manner::Stall]);
        let slow = gateway(shape, &server, "");
        let times = crate::sender::http::Times { whole: Duration::from_millis(100), ..slow.config.times };
        let slow = Sms::new(Config { times, ..slow.config }, now, &Policies::shipped().unwrap()).unwrap();
        assert_eq!(told_of(send(&slow, &batch(1, 0..1, json!({})))), Err(("unknown", "SND-006")), "{shape}");
        server.finish();
    }
}

#[test]
fn each_number_has_its_own_code() {
    let mixed = |seen: &Seen| {
        let code = |n| ["Ok", "FailedOperation.PhoneNumberInBlacklist", "InternalError.OtherError"][n];
        tencent_each(seen, &code)
    };
    let found = told("tencent", Manner::By(mixed));
    assert_eq!(found, Ok(vec![ReceiptState::Awaiting, ReceiptState::Refused, ReceiptState::Unknown]));
    let closed = |seen: &Seen| tencent_each(seen, &|_| "FailedOperation.MarketingSendTimeConstraint");
    assert_eq!(
        told("tencent", Manner::By(closed)),
        Err(("later", "SND-009")),
        "nothing was taken, all waits"
    );
}

/// Where one code stands for several numbers, each is asked for by itself.
#[test]
fn one_number_over_its_cap_does_not_cost_the_others() {
    let capped = Manner::Answer("200 OK", r#"{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"触发"}"#);
    let server = Server::start(vec![capped, good("aliyun"), capped, good("aliyun")]);
    let found = send(&gateway("aliyun", &server, ""), &batch(1, 0..3, json!({})));
    let seen = server.finish();
    let nonces: std::collections::HashSet<_> = seen.iter().map(|s| of(s, "x-acs-signature-nonce")).collect();
    assert_eq!(nonces.len(), 4, "no nonce comes twice");
    let Outcome::Answered(receipts) = &found else { panic!("{found:?}") };
    assert!(receipts[1].reason.as_deref().unwrap().contains("isv.BUSINESS_LIMIT_CONTROL"));
    assert_eq!(
        told_of(found),
        Ok(vec![ReceiptState::Awaiting, ReceiptState::Refused, ReceiptState::Awaiting])
    );
}

fn fitted(shape: &str, contents: &[Value]) -> Vec<usize> {
    let policies = Policies::shipped().unwrap();
    let sender = Sms::new(config(shape, "http://127.0.0.1:1/", ""), now, &policies).unwrap();
    let mut batches: Vec<Vec<Touch>> = Vec::new();
    for (mut touch, content) in
        batch(1, 0..contents.len() as u32, json!({})).touches.into_iter().zip(contents)
    {
        touch.content = content.clone();
        match batches.last_mut().filter(|batch| sender.fits(batch, &touch)) {
            Some(batch) => batch.push(touch),
            None => batches.push(vec![touch]),
        }
    }
    batches.iter().map(Vec::len).collect()
}

#[test]
fn a_call_takes_as_many_as_the_gateway_does() {
    let same: Vec<Value> = (0..1_100).map(|_| json!({"variables": {"a": "1"}})).collect();
    let differing: Vec<Value> = (0..250).map(|n| json!({"variables": {"a": n}})).collect();
    assert_eq!(fitted("aliyun", &same), [1_000, 100]);
    assert_eq!(fitted("aliyun", &differing), [100, 100, 50]);
    assert_eq!(fitted("tencent", &same[..250]), [200, 50]);
    assert_eq!(fitted("tencent", &differing[..3]), [1, 1, 1]);
    assert_eq!(fitted("volcengine", &differing), [200, 50]);
    let almost: Vec<Value> = [&same[..100], &differing[..1], &same[..5]].concat();
    assert_eq!(fitted("aliyun", &almost), [100, 6]);
    assert_eq!(fitted("volcengine", &[json!({"template_id": "A"}), json!({"template_id": "B"})]), [1, 1]);
}

#[test]
fn a_number_comes_once_in_a_call_and_must_be_one() {
    let policies = Policies::shipped().unwrap();
    let sender = Sms::new(config("aliyun", "http://127.0.0.1:1/", ""), now, &policies).unwrap();
    let mut touches = batch(1, 0..2, json!({})).touches;
    assert!(sender.fits(&touches[..1], &touches[1]));
    touches[1].fields["phone"] = json!("0086-138-00000000");
    assert!(!sender.fits(&touches[..1], &touches[1]));
    assert!(sender.takes(&touches[1]).is_ok());
    for bad in [json!(""), json!("12345"), Value::Null] {
        touches[1].fields["phone"] = bad;
        assert!(sender.takes(&touches[1]).is_err());
    }
    assert_eq!(sender.fields(), ["phone"]);
}

#[test]
fn all_codes_of_the_table_are_read() {
    assert_eq!(codes::meaning(Shape::Volcengine, "RE:0010"), codes::Meaning::Stop);
    assert_eq!(codes::meaning(Shape::Tencent, "AuthFailure.SecretIdNotFound"), codes::Meaning::Stop);
    assert_eq!(codes::meaning(Shape::Aliyun, "isv.NEW_CODE"), codes::Meaning::Refused);
    let sources: HashMap<&str, String> = [Shape::Aliyun, Shape::Tencent, Shape::Volcengine]
        .map(|shape| (shape.word(), codes::source(shape)))
        .into();
    assert!(sources.values().all(|source| source.len() > 10), "{sources:?}");
}
