//! What does a gateway's answer make of a batch?

use std::collections::HashMap;
use std::time::Duration;

use super::codes::{Meaning, meaning, source};
use super::config::Config;
use super::message::Message;
use crate::base::Problem;
use crate::dispatch::{Handle, Outcome, Receipt, ReceiptState};
use crate::sender::http::CURE_UNKNOWN;

/// Longer than the shared loop has patience: the run stops and what waits stays.
const UNTIL_SOMEBODY_LOOKS: Duration = Duration::from_secs(86_400);

/// An answer, before its codes are understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// One code for all numbers of the call, and the id of what was taken.
    Whole { code: String, words: String, id: Option<String> },
    /// A code for each number; numbers that are not named are unknown.
    Each(Vec<One>),
}

/// The answer on one number.
#[derive(Debug, Clone, PartialEq)]
pub struct One {
    pub phone: String,
    pub code: String,
    pub words: String,
    pub id: Option<String>,
}

/// The name of a touch by the tag of its batch and its number.
pub fn tag_handle(tag: &str, phone: &str) -> Handle {
    Handle::of(&["sms tag", tag, phone])
}

/// The name of a touch by the gateway's message id and its number.
pub fn id_handle(id: &str, phone: &str) -> Handle {
    Handle::of(&["sms id", id, phone])
}

/// Does one code stand for several numbers, of which perhaps only one is meant?
pub fn is_unclear(config: &Config, said: &Said, message_count: usize) -> bool {
    let Said::Whole { code, .. } = said else { return false };
    message_count > 1 && meaning(config.shape, code) == Meaning::Refused
}

/// The outcome of a call with these messages.
pub fn outcome(config: &Config, messages: &[Message], said: &Said) -> Outcome {
    match said {
        Said::Whole { code, words, id } => whole(config, messages, (code, words), id.as_deref()),
        Said::Each(ones) => each(config, messages, ones),
    }
}

fn whole(config: &Config, messages: &[Message], (code, words): (&str, &str), id: Option<&str>) -> Outcome {
    match meaning(config.shape, code) {
        Meaning::Taken => Outcome::Answered(messages.iter().map(|m| taken(m, id)).collect()),
        Meaning::Refused if messages.len() == 1 => Outcome::Answered(
            messages.iter().map(|m| Receipt::refused(m.touch_id, reason(code, words))).collect(),
        ),
        Meaning::Refused | Meaning::Author => Outcome::Refused(refused(config, code, words)),
        other => waits(config, other, code, words),
    }
}

/// Each number by its own code. When none was taken and all may come again, the batch waits as a whole.
fn each(config: &Config, messages: &[Message], ones: &[One]) -> Outcome {
    let meant = |one: &One| meaning(config.shape, &one.code);
    let may_come_again = |one: &One| matches!(meant(one), Meaning::Later | Meaning::Stop);
    if let Some(first) =
        ones.first().filter(|_| ones.len() == messages.len() && ones.iter().all(may_come_again))
    {
        return waits(config, meant(first), &first.code, &first.words);
    }
    let by_phone: HashMap<&str, &One> = ones.iter().map(|one| (one.phone.as_str(), one)).collect();
    let receipt = |message: &Message| match by_phone.get(message.phone.as_str()) {
        None => unknown(message, "the answer does not name this number"),
        Some(one) => match meant(one) {
            Meaning::Taken => taken(message, one.id.as_deref()),
            Meaning::Unknown => unknown(message, &reason(&one.code, &one.words)),
            _ => Receipt::refused(message.touch_id, reason(&one.code, &one.words)),
        },
    };
    Outcome::Answered(messages.iter().map(receipt).collect())
}

fn waits(config: &Config, meaning: Meaning, code: &str, words: &str) -> Outcome {
    let problem = |snd, what: String| Problem::outside(snd, what).at(config.place());
    let told = reason(code, words);
    match meaning {
        Meaning::Later => Outcome::TryLater {
            after: Duration::ZERO,
            why: problem("SND-005", format!("the gateway is busy: {told}")),
        },
        Meaning::Stop => {
            let cure = "mend what the code names, then `quanke task start`: nothing of this batch has gone";
            let why = problem("SND-009", format!("the gateway takes nothing for now: {told}")).cure(cure);
            Outcome::TryLater { after: UNTIL_SOMEBODY_LOOKS, why }
        }
        _ => Outcome::Unknown(problem("SND-006", format!("the gateway failed: {told}")).cure(CURE_UNKNOWN)),
    }
}

fn refused(config: &Config, code: &str, words: &str) -> Problem {
    let cure = format!(
        "look the code up ({}); mend the template, its variables or the numbers",
        source(config.shape)
    );
    Problem::outside("SND-008", format!("the gateway refused: {}", reason(code, words)))
        .at(config.place())
        .cure(cure)
}

fn taken(message: &Message, id: Option<&str>) -> Receipt {
    let handle = id.map(|id| id_handle(id, &message.phone));
    Receipt { handle, ..Receipt::of(message.touch_id, ReceiptState::Awaiting) }
}

fn unknown(message: &Message, why: &str) -> Receipt {
    Receipt { reason: Some(why.to_string()), ..Receipt::of(message.touch_id, ReceiptState::Unknown) }
}

fn reason(code: &str, words: &str) -> String {
    if words.is_empty() { code.to_string() } else { format!("{code} {words}") }
}
