//! What proves the truth of one condition for one user: plain values, to be shown at any door.

use crate::base::{Interval, Timestamp, Value};

/// What a node found.
#[derive(Debug, Clone, PartialEq)]
pub enum Facts {
    /// `all`, `any`, `not`: the children tell.
    Join,
    Tag(TagFacts),
    /// The version of the crowd that was asked.
    Crowd {
        name: String,
        no: u32,
        as_of: Timestamp,
    },
    /// Behaviours and detail rows.
    Rows(RowFacts),
    /// The first or last row of all history.
    Edge(EdgeFacts),
    Sequence(SequenceFacts),
    /// `did A then not B`.
    Absence(Absence),
    /// The user's place among a million, and the limit below which users are in.
    Sample {
        place: u32,
        below: u32,
    },
    /// The user's place by an attribute: 1 is the highest value; nothing without a value.
    Top {
        by: String,
        value: Option<Value>,
        rank: Option<u64>,
        /// Places that are in.
        count: u64,
        /// The value of the last place that is in; nothing when fewer users have a value.
        cut: Option<Value>,
    },
}

/// The value that the user has.
#[derive(Debug, Clone, PartialEq)]
pub struct TagFacts {
    pub tag: String,
    /// An empty list is no value.
    pub value: Option<Value>,
    /// The window that the value was compared with, if the condition has one.
    pub span: Option<Span>,
}

/// Since when and until when, for this user.
#[derive(Debug, Clone, PartialEq)]
pub enum Span {
    /// No window: everything up to as-of, and rows that have no time.
    Until(Timestamp),
    /// Half-open; nothing later than as-of is inside.
    Window(Interval),
    /// `within … of X`: half-open from the user's own X.
    Own { of: String, interval: Interval },
    /// `within … of X`, and the user has no X: nothing fits.
    Missing { of: String },
}

impl Span {
    /// Is a row of this instant inside? A row without one is inside only where there is no window.
    pub fn holds(&self, at: Option<Timestamp>) -> bool {
        match self {
            Span::Until(until) => at.is_none_or(|at| at <= *until),
            Span::Window(interval) | Span::Own { interval, .. } => at.is_some_and(|at| interval.holds(at)),
            Span::Missing { .. } => false,
        }
    }
}

/// One event or detail row of the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The event, or the table.
    pub name: String,
    /// Event id, or key of the detail row.
    pub id: Option<String>,
    /// The instant that the window looks at.
    pub at: Option<Timestamp>,
    /// What the condition names, in its order; nothing where the row has no value.
    pub values: Vec<(String, Option<Value>)>,
}

/// A row that failed its filter, and the tests that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedRow {
    pub row: Row,
    pub tests: Vec<FailedTest>,
}

/// A test of a filter with the value that failed it.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedTest {
    pub test: String,
    pub value: Option<Value>,
}

/// A condition over rows: filter, then metric, then comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct RowFacts {
    pub span: Span,
    /// Such as `count`, `sum(amount)`.
    pub metric: String,
    /// What was measured; `avg`, `min` and `max` over no rows are nothing.
    pub value: Option<Value>,
    /// The comparison, such as `>= 3`.
    pub wanted: String,
    /// Rows inside the window that passed the filter.
    pub passed: u64,
    /// Those of them without the measured value: they add nothing.
    pub unmeasured: u64,
    /// Some of the rows that passed, the newest first (for `min` and `max`: the row that has it first).
    pub rows: Vec<Row>,
    pub near: Near,
}

/// The rows that did not count, and why.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Near {
    /// Rows of the event or table at any time.
    pub rows: u64,
    /// Rows that passed the filter and lie outside the window; those later than as-of are among them.
    pub outside: u64,
    /// The latest of them.
    pub outside_latest: Option<Row>,
    /// Rows that passed the filter and are later than as-of.
    pub later: u64,
    /// Rows inside the window that failed the filter.
    pub failed: u64,
    /// The latest of them.
    pub failed_latest: Option<FailedRow>,
}

/// `first E` or `last E` of all history up to as-of.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeFacts {
    pub is_first: bool,
    pub span: Span,
    /// The first or last row that passed the filter.
    pub row: Option<Row>,
    /// Rows that passed the filter up to as-of.
    pub passed: u64,
    pub near: Near,
}

/// `did A then B …`: the chain found, or the one that came nearest.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceFacts {
    pub span: Span,
    /// The gap as it was asked, such as `24 hours`.
    pub gap: String,
    /// The steps as they were asked.
    pub steps: Vec<String>,
    /// Rows inside the window that passed the filter of their step, per step.
    pub counts: Vec<u64>,
    /// Nothing when no row fits the first step.
    pub attempt: Option<Attempt>,
    /// Rows of the step that was not reached, when one was not.
    pub near: Option<Near>,
}

/// One try at a sequence, from one row of the first step.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// One row for each step reached.
    pub chain: Vec<Row>,
    /// The instant by which the last step must happen, itself included.
    pub deadline: Timestamp,
    /// Why it is no match; nothing for a match.
    pub broke: Option<Break>,
}

/// Why a chain is no match.
#[derive(Debug, Clone, PartialEq)]
pub enum Break {
    /// No row of the next step follows.
    Short,
    /// The last step came after the deadline.
    Late,
    /// A row that must not lie between first and last step does.
    Between(Row),
    /// `same`: the first row has no value of this property.
    Unknown(String),
}

/// `did A then not B`: what became of each A, the latest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Absence {
    pub span: Span,
    pub gap: String,
    /// The steps as they were asked; the last is the one that must not follow.
    pub steps: Vec<String>,
    /// Chains of the steps that must happen: nobody did the last, somebody did, the time is not over.
    pub alone: u64,
    pub followed: u64,
    pub undecided: u64,
    /// Some of them, those that decide first.
    pub instances: Vec<Instance>,
    /// Rows of the first step, when there is no instance.
    pub near: Option<Near>,
}

/// One instance of an A that B must not follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub chain: Vec<Row>,
    /// A gap after the last row of the chain, itself included.
    pub deadline: Timestamp,
    pub end: End,
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The deadline has passed and nothing followed.
    Alone,
    /// This row followed in time.
    Followed(Row),
    /// The deadline is later than as-of.
    Undecided,
    /// A row that must not lie between does.
    Between(Row),
}
