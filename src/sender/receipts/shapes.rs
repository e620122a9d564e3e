//! How does each gateway write a receipt? One function for each shape; the keys are those of its documents.

use serde_json::Value;

use crate::dispatch::{Handle, ReceiptState, ReceiptWord, TouchId};
use crate::sender::sms::{id_handle, mainland, tag_handle};
use crate::sender::word::state_of;

type Found = Result<ReceiptWord, String>;

/// `touch_id`, `state`, `reason`.
pub fn quanke(item: &Value) -> Found {
    let touch_id = text(item, "touch_id").and_then(TouchId::parse).ok_or("`touch_id` is no touch id")?;
    let written = text(item, "state").unwrap_or_default();
    let state = state_of(written)
        .ok_or_else(|| format!("`state` is `{written}`; it can be delivered, refused, unknown, awaiting"))?;
    let reason = text(item, "reason").map(str::to_string);
    Ok(ReceiptWord { handles: vec![Handle::from(touch_id)], state, reason })
}

/// `phone_number`, `success`, `err_code`, `err_msg`, `biz_id`, `out_id`.
pub fn aliyun(item: &Value) -> Found {
    let is_ok = item.get("success").and_then(Value::as_bool).ok_or("`success` is missing")?;
    word(item, ("phone_number", "out_id", "biz_id"), is_ok, &["err_code", "err_msg"])
}

/// `mobile`, `report_status`, `errmsg`, `description`, `sid`, `ext`.
pub fn tencent(item: &Value) -> Found {
    let is_ok = match text(item, "report_status") {
        Some("SUCCESS") => true,
        Some("FAIL") => false,
        _ => return Err("`report_status` is neither SUCCESS nor FAIL".into()),
    };
    word(item, ("mobile", "ext", "sid"), is_ok, &["errmsg", "description"])
}

/// `mobile`, `status_code`, `description`, `message_id`, `ext`.
pub fn volcengine(item: &Value) -> Found {
    let code = item.get("status_code").map(|code| code.as_str().map_or(code.to_string(), str::to_string));
    let code = code.ok_or("`status_code` is missing")?;
    word(item, ("mobile", "ext", "message_id"), code == "0", &["status_code", "description"])
}

/// A word by number and tag, or by number and the gateway's id.
fn word(item: &Value, (phone, tag, id): (&str, &str, &str), is_ok: bool, why: &[&str]) -> Found {
    let phone =
        text(item, phone).and_then(mainland).ok_or_else(|| format!("`{phone}` is no mobile number"))?;
    let by_tag = text(item, tag).map(|tag| tag_handle(tag, &phone));
    let handles: Vec<Handle> =
        by_tag.into_iter().chain(text(item, id).map(|id| id_handle(id, &phone))).collect();
    if handles.is_empty() {
        return Err(format!("it has neither `{tag}` nor `{id}`"));
    }
    let words: Vec<&str> = why.iter().filter_map(|key| text(item, key)).collect();
    let reason = (!is_ok && !words.is_empty()).then(|| words.join(" "));
    let state = if is_ok { ReceiptState::Delivered } else { ReceiptState::Refused };
    Ok(ReceiptWord { handles, state, reason })
}

fn text<'v>(item: &'v Value, key: &str) -> Option<&'v str> {
    item.get(key)?.as_str().filter(|text| !text.is_empty())
}
