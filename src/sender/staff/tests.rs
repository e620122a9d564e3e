//! To-dos are written once, for those who are to do them.

use serde_json::{Value, json};

use super::*;
use crate::dispatch::NoFaults;
use crate::sender::tests::{batch, send};

// proves: S0.17
// proves: S2.1
// proves: S2.54
#[test]
fn a_touch_becomes_one_thing_to_do() {
    let home = tempfile::tempdir().unwrap();
    let table: Table = toml::from_str("kind = \"staff\"\nstaff = \"owner\"\nphone = \"phone\"").unwrap();
    let staff = Staff::read("人工", &table, &home.path().join("outbox"), Arc::new(NoFaults)).unwrap();
    assert_eq!(staff.fields(), ["owner", "phone"]);
    let mut sent = batch(1, 0..2, json!({"text": "加好友", "staff": "小王"}));
    sent.touches[0].fields.insert("owner".into(), "李姐".into());
    sent.touches[0].fields.insert("phone".into(), "13800138000".into());
    for attempt in [1, 2] {
        let Outcome::Answered(receipts) = send(&staff, &Batch { attempt, ..sent.clone() }) else { panic!() };
        assert!(receipts.iter().all(|receipt| receipt.state == ReceiptState::Awaiting));
    }
    let text = std::fs::read_to_string(home.path().join("todo/t1.ndjson")).unwrap();
    let todos: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(todos.len(), 2, "a second hand-over adds nothing");
    assert_eq!((&todos[0]["staff"], &todos[0]["phone"]), (&json!("李姐"), &json!("13800138000")));
    assert_eq!((&todos[1]["staff"], &todos[1]["phone"]), (&json!("小王"), &json!("+86 13800000001")));
    assert_eq!((&todos[0]["state"], &todos[0]["content"]["text"]), (&json!("open"), &json!("加好友")));
}
