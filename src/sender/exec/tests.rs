//! Programs that do as they should, and such that die, dawdle and lie.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::dispatch::{Receipt, ReceiptState};
use crate::sender::tests::{batch, send};

/// A sender that runs a shell script, with more settings.
pub fn script(text: &str, more: &str) -> Exec {
    let command = toml::Value::from(vec!["sh".to_string(), "-c".into(), text.into()]);
    let settings = format!("kind = \"exec\"\ncommand = {command}\n{more}");
    Exec::new(Config::read("程序", &toml::from_str(&settings).unwrap()).unwrap())
}

/// A script that gives a receipt of `state` for each line that it reads.
pub fn answering(state: &str) -> String {
    format!(r#"sed -E 's/.*"touch_id":"([0-9a-f]+)".*/{{"touch_id":"\1","state":"{state}"}}/'"#)
}

fn states(outcome: &Outcome) -> Vec<ReceiptState> {
    let Outcome::Answered(receipts) = outcome else { panic!("{outcome:?}") };
    receipts.iter().map(|receipt| receipt.state).collect()
}

fn told(text: &str) -> (&'static str, &'static str) {
    match send(&script(text, "timeout = \"20s\""), &batch(1, 0..3, json!({}))) {
        Outcome::Answered(_) => ("answered", ""),
        Outcome::TryLater { why, .. } => ("later", why.code),
        Outcome::Refused(why) => ("refused", why.code),
        Outcome::Unknown(why) => ("unknown", why.code),
    }
}

#[test]
fn a_program_gets_lines_and_gives_receipts() {
    let sent = batch(1, 0..3, json!({"template": "您好\n\"李\""}));
    let all = send(&script(&answering("delivered"), ""), &sent);
    assert_eq!(states(&all), [ReceiptState::Delivered; 3]);
    let named = send(&script(&format!("{} | head -1", answering("refused")), ""), &sent);
    assert_eq!(states(&named), [ReceiptState::Refused, ReceiptState::Awaiting, ReceiptState::Awaiting]);
    let silent = send(&script("cat >/dev/null", "on_accept = \"delivered\""), &sent);
    assert_eq!(states(&silent), [ReceiptState::Delivered; 3]);
    let quarrel = script("read line; test \"$QUANKE_KEY\" = \"$0\"; test $QUANKE_ATTEMPT = 1 || exit 65", "");
    assert_eq!(states(&send(&quarrel, &sent)), [ReceiptState::Awaiting; 3]);
}

#[test]
fn exit_codes_mean_one_thing_each() {
    assert_eq!(told("exit 75"), ("later", "SND-005"));
    assert_eq!(told("exit 65"), ("refused", "SND-004"));
    assert_eq!(told("exit 78"), ("refused", "SND-004"));
    assert_eq!(told("exit 1"), ("unknown", "SND-006"));
    assert_eq!(told("kill -9 $$"), ("unknown", "SND-006"));
}

#[test]
fn a_program_that_dies_in_the_middle_leaves_unknown_what_it_did_not_answer() {
    let sent = batch(1, 0..3, json!({}));
    let first = &sent.touches[0].touch_id;
    for end in ["exit 1", "exit 75", "kill -9 $$"] {
        let torn = format!(
            "printf '%s\\n' '{{\"touch_id\":\"{first}\",\"state\":\"delivered\"}}'; printf '{{\"touch_id\":'; {end}"
        );
        let found = states(&send(&script(&torn, ""), &sent));
        assert_eq!(found, [ReceiptState::Delivered, ReceiptState::Unknown, ReceiptState::Unknown], "{end}");
    }
}

#[test]
fn a_program_that_dawdles_is_ended_and_what_it_said_counts() {
    let sent = batch(1, 0..2, json!({}));
    let first = &sent.touches[0].touch_id;
    let text = format!("echo '{{\"touch_id\":\"{first}\",\"state\":\"delivered\"}}'; exec sleep 60");
    let dawdler = script(&text, "timeout = \"1s\"");
    assert_eq!(dawdler.config.timeout, Duration::from_secs(1));
    assert_eq!(states(&send(&dawdler, &sent)), [ReceiptState::Delivered, ReceiptState::Unknown]);
}

#[test]
fn big_batches_do_not_stop_the_pipes() {
    let sent = batch(1, 0..500, json!({"template": "长".repeat(2_000)}));
    let echo = script("cat; cat >/dev/null", "");
    assert_eq!(states(&send(&echo, &sent)).len(), 500);
    let deaf = script("exit 0", "");
    assert_eq!(states(&send(&deaf, &sent)).len(), 500);
}

#[test]
fn a_program_that_is_not_there_says_so() {
    let missing = |command: &str| {
        let text = format!("kind = \"exec\"\ncommand = [\"{command}\"]");
        Exec::new(Config::read("x", &toml::from_str(&text).unwrap()).unwrap())
    };
    let sent = batch(1, 0..1, json!({}));
    let outcome = send(&missing("no-such-program-anywhere"), &sent);
    assert!(matches!(outcome, Outcome::TryLater { why, .. } if why.code == "SND-007"));
    assert_eq!(missing("./not/there").check().unwrap_err().code, "SND-007");
    assert!(missing("sh").check().is_ok());
}

#[test]
fn it_can_be_asked_what_became_of_touches() {
    let sent = batch(1, 0..2, json!({}));
    let command = toml::Value::from(vec!["sh".to_string(), "-c".into(), answering("refused")]);
    let asked = script("exit 1", &format!("reconcile = {command}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let found: Vec<Receipt> = runtime.block_on(asked.reconcile(&sent)).unwrap();
    assert!(asked.can_reconcile() && found.iter().all(|r| r.state == ReceiptState::Refused));
    assert_eq!(runtime.block_on(script("exit 0", "").reconcile(&sent)), None);
    assert_eq!(runtime.block_on(script("x", "reconcile = \"false\"").reconcile(&sent)), None);
}
