//! What is a task meant to bring about? `goal = "wecom.contact.added within 7 days"`.
//!
//! An event, with a filter in the words of the selection language if need be, and how long after a touch it
//! still counts for it. The event is looked up where the task is checked.

use crate::base::Problem;

use super::reader::{Field, Reader, Section};
use super::timing::duration_ms;

/// A goal counts for so long at most: a year and a day.
const WITHIN_MAX_MS: i64 = 366 * 86_400_000;
/// Units that are spelled out, with the letter that stands for each.
const UNITS: [(&str, char, i64); 5] =
    [("second", 's', 1), ("minute", 'm', 1), ("hour", 'h', 1), ("day", 'd', 1), ("week", 'd', 7)];
const WITHIN: &str = "within";

/// The event that a task is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// `EVENT [where FILTER]`.
    pub event: String,
    /// It counts in `[due, due + within)` of a touch, in milliseconds.
    pub within_ms: i64,
}

impl Goal {
    /// Reads `EVENT [where FILTER] within DURATION`; what comes before `within` is not looked at.
    pub fn parse(text: &str) -> Option<Goal> {
        let (event, within) = halves(text)?;
        let within_ms = spelled_ms(within).filter(|ms| (1..=WITHIN_MAX_MS).contains(ms))?;
        Some(Goal { event: event.to_string(), within_ms })
    }

    /// The key `goal` of a task file. Errors: TSK-080.
    pub(super) fn read(reader: &mut Reader, top: &Section) -> Option<Field<Goal>> {
        let field = reader.text(top, "goal")?;
        let goal = Goal::parse(&field.value);
        if goal.is_none() {
            reader.report(unreadable(&field.value), field.span);
        }
        goal.map(|value| Field { value, span: field.span })
    }
}

impl Field<Goal> {
    /// The event, at the place of the whole.
    pub(super) fn event(&self) -> Field<String> {
        Field { value: self.value.event.clone(), span: self.span }
    }
}

/// What stands before and after the last `within`: what follows it is a length of time and nothing else.
fn halves(text: &str) -> Option<(&str, &str)> {
    let lower = text.to_ascii_lowercase();
    let ends_word = |rest: &str| rest.starts_with(char::is_whitespace);
    let places = lower.rmatch_indices(WITHIN).map(|(at, _)| at);
    let is_word =
        |at: &usize| lower[..*at].ends_with(char::is_whitespace) && ends_word(&lower[at + WITHIN.len()..]);
    let at = places.into_iter().find(is_word)?;
    let (event, within) = (text[..at].trim(), text[at + WITHIN.len()..].trim());
    (!event.is_empty()).then_some((event, within))
}

/// `7d`, `7 days`, `1 week`, in milliseconds.
fn spelled_ms(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (count, word) = (text[..digits].parse::<i64>().ok()?, text[digits..].trim().to_ascii_lowercase());
    let singular = word.strip_suffix('s').filter(|word| !word.is_empty()).unwrap_or(&word);
    match UNITS.iter().find(|(name, ..)| *name == singular) {
        Some((_, letter, times)) => duration_ms(&format!("{}{letter}", count.checked_mul(*times)?)),
        None => duration_ms(&format!("{count}{word}")),
    }
}

fn unreadable(text: &str) -> Problem {
    let what = format!(
        "`goal` is `{text}`; it must be an event and how long after a touch it counts, up to 366 days"
    );
    Problem::author("TSK-080", what)
        .cure("write goal = \"wecom.contact.added within 7 days\", with `where …` before `within` if need be")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_and_a_length_of_time_are_read() {
        let day = 86_400_000;
        let cases = [
            ("wecom.contact.added within 7 days", "wecom.contact.added", 7 * day),
            ("pay where amount > 100 within 36h", "pay where amount > 100", 36 * 3_600_000),
            ("付款 WITHIN 1 Day", "付款", day),
            (
                "pay where at within 2 days of joined within 1 week",
                "pay where at within 2 days of joined",
                7 * day,
            ),
            ("within_reach within 90s", "within_reach", 90_000),
            ("a   within   20 minutes", "a", 20 * 60_000),
            ("a within 5s", "a", 5_000),
        ];
        for (text, event, within_ms) in cases {
            assert_eq!(Goal::parse(text), Some(Goal { event: event.into(), within_ms }), "{text}");
        }
    }

    #[test]
    fn what_is_no_goal_is_refused() {
        let bad = [
            "",
            "pay",
            "pay within",
            "within 7 days",
            "pay within days",
            "pay within 0d",
            "pay within 367d",
            "pay within 1 month",
            "pay within 7 days of x",
            "pay where a = 'within 7 days'",
            "paywithin 7 days",
            "pay within 99999999999999999999d",
            "pay within -1d",
            "pay within 7 dayss",
        ];
        for text in bad {
            assert_eq!(Goal::parse(text), None, "{text}");
        }
    }
}
