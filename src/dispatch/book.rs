//! Does the book balance? (semantics 6.6)

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Outcome, Problem};

use super::state::{Reason, TouchState};

/// Touches by state and reason, as the ledger counts them.
pub type Counts = BTreeMap<(TouchState, Option<Reason>), i64>;

/// How many touches fell due and what became of them.
///
/// `due = withheld + suppressed + held + handed` and
/// `handed = delivered + refused + unknown + awaiting`.
/// `held` includes `waiting`: touches that wait for their batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Book {
    pub due: i64,
    pub withheld: i64,
    pub suppressed: i64,
    pub held: i64,
    pub handed: i64,
    pub delivered: i64,
    pub refused: i64,
    pub unknown: i64,
    pub awaiting: i64,
    pub waiting: i64,
    /// Every reason in the order of the gates, zeros too.
    pub suppressed_by: Map<String, Value>,
    pub balanced: bool,
}

impl Book {
    /// The book of `counts`, where `due` is how many touches were written.
    pub fn of(due: i64, counts: &Counts) -> Book {
        let sum =
            |state: TouchState| counts.iter().filter(|((s, _), _)| *s == state).map(|(_, n)| n).sum::<i64>();
        let waiting = sum(TouchState::Due);
        let [delivered, refused, unknown, awaiting] =
            [TouchState::Delivered, TouchState::Refused, TouchState::Unknown, TouchState::Handed].map(sum);
        let by = |reason: &Reason| {
            let count = counts.get(&(TouchState::Suppressed, Some(*reason))).copied().unwrap_or(0);
            (reason.word().to_string(), Value::from(count))
        };
        let book = Book {
            due,
            withheld: sum(TouchState::Withheld),
            suppressed: sum(TouchState::Suppressed),
            held: sum(TouchState::Held) + waiting,
            handed: delivered + refused + unknown + awaiting,
            delivered,
            refused,
            unknown,
            awaiting,
            waiting,
            suppressed_by: Reason::ALL.iter().filter(|r| **r != Reason::Holdout).map(by).collect(),
            balanced: true,
        };
        let balanced = book.adds_up() && counts.values().all(|n| *n >= 0);
        Book { balanced, ..book }
    }

    /// The sum of several books.
    pub fn total<'b>(books: impl Iterator<Item = &'b Book>) -> Book {
        books.fold(Book::of(0, &Counts::new()), |sum, book| sum.plus(book))
    }

    /// An error when it does not balance: something is wrong with us, nothing may go on.
    pub fn check(&self) -> Outcome<()> {
        if self.balanced {
            return Ok(());
        }
        let what = format!("the book of a run does not balance: {self:?}");
        Err(Problem { code: "DSP-004", ..Problem::bug(what) })
    }

    fn adds_up(&self) -> bool {
        self.due == self.withheld + self.suppressed + self.held + self.handed
            && self.handed == self.delivered + self.refused + self.unknown + self.awaiting
    }

    fn plus(self, other: &Book) -> Book {
        let mut by = self.suppressed_by;
        for (reason, count) in &other.suppressed_by {
            let before = by.get(reason).and_then(Value::as_i64).unwrap_or(0);
            by.insert(reason.clone(), Value::from(before + count.as_i64().unwrap_or(0)));
        }
        Book {
            due: self.due + other.due,
            withheld: self.withheld + other.withheld,
            suppressed: self.suppressed + other.suppressed,
            held: self.held + other.held,
            handed: self.handed + other.handed,
            delivered: self.delivered + other.delivered,
            refused: self.refused + other.refused,
            unknown: self.unknown + other.unknown,
            awaiting: self.awaiting + other.awaiting,
            waiting: self.waiting + other.waiting,
            suppressed_by: by,
            balanced: self.balanced && other.balanced,
        }
    }
}
