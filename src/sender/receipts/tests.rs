//! Receipts of the four shapes find the touches that were sent.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dispatch::{Handle, ReceiptState, TouchId};
use crate::sender::sms::{Shape as Gateway, id_handle, tag_handle};

fn one(shape: Shape, item: Value) -> ReceiptWord {
    let mut found = read(shape, item.to_string().as_bytes()).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0).unwrap()
}

#[test]
fn our_own_shape_names_the_touch() {
    let id = "00112233445566778899aabbccddeeff";
    let word = one(Shape::Quanke, json!({"touch_id": id, "state": "refused", "reason": "空号", "at": "x"}));
    assert_eq!(word.handles, [Handle::from(TouchId::parse(id).unwrap())]);
    assert_eq!((word.state, word.reason.as_deref()), (ReceiptState::Refused, Some("空号")));
    let both = json!([{"touch_id": id, "state": "delivered"}, {"touch_id": "x", "state": "delivered"},
                      {"touch_id": id, "state": "read"}, 7]);
    let found = read(Shape::Quanke, both.to_string().as_bytes()).unwrap();
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, false]);
    assert_eq!(read(Shape::Quanke, b"{\"touch_id\"").unwrap_err().code, "SND-010");
}

#[test]
fn each_gateway_names_it_by_tag_and_by_id() {
    let both = |tag: &str, id: &str| vec![tag_handle(tag, "13800000000"), id_handle(id, "13800000000")];
    let aliyun = json!({"phone_number": "13800000000", "success": true, "err_code": "DELIVRD", "biz_id": "b", "out_id": "o"});
    let word = one(Shape::Sms(Gateway::Aliyun), aliyun);
    assert_eq!((word.handles, word.state, word.reason), (both("o", "b"), ReceiptState::Delivered, None));
    let tencent = json!({"mobile": "13800000000", "nationcode": "86", "report_status": "FAIL",
                         "errmsg": "MK:0008", "description": "blacklist", "sid": "s"});
    let word = one(Shape::Sms(Gateway::Tencent), tencent);
    assert_eq!((word.handles, word.state), (vec![id_handle("s", "13800000000")], ReceiptState::Refused));
    assert_eq!(word.reason.as_deref(), Some("MK:0008 blacklist"));
    let volcengine = json!({"mobile": "+8613800000000", "status_code": "0", "message_id": "m", "ext": "t"});
    let word = one(Shape::Sms(Gateway::Volcengine), volcengine);
    assert_eq!((word.handles, word.state), (both("t", "m"), ReceiptState::Delivered));
}

#[test]
fn what_lacks_its_keys_is_told() {
    for gateway in [Gateway::Aliyun, Gateway::Tencent, Gateway::Volcengine] {
        for item in [
            json!({}),
            json!(null),
            json!("x"),
            json!({"success": true}),
            json!({"report_status": "SUCCESS", "status_code": 0, "success": true, "mobile": "13800000000", "phone_number": "13800000000"}),
        ] {
            let found = read(Shape::Sms(gateway), item.to_string().as_bytes()).unwrap();
            assert!(found[0].is_err(), "{gateway:?} {item}");
        }
    }
    assert_eq!(Shape::of("tencent"), Some(Shape::Sms(Gateway::Tencent)));
    assert_eq!((Shape::of("quanke"), Shape::of("huawei")), (Some(Shape::Quanke), None));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), word in "quanke|aliyun|tencent|volcengine") {
        let _ = read(Shape::of(&word).unwrap(), &bytes);
    }
}
