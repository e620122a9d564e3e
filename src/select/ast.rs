//! What was asked: a plain value that prints as text and reads back the same.
//!
//! Nothing here knows which names exist; [`bind`](super::bind) looks them up.

use crate::base::{Moment, Name, Share, Unit, Window};

/// A question about users.
#[expect(
    clippy::large_enum_variant,
    reason = "a selection is a handful of nodes, and leaves are most of them"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Selection {
    /// `a and b and c`; of nothing: everyone.
    All(Vec<Selection>),
    /// `a or b or c`; of nothing: nobody.
    Any(Vec<Selection>),
    /// `not a`: everyone else.
    Not(Box<Selection>),
    Leaf(Leaf),
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    /// `gender = '女'`
    Tag(Comparison),
    /// `did pay where amount > 100 count >= 3 in last 30 days`
    Behaviour(Behaviour),
    /// `first pay in last 7 days`, `last pay before 2026-01-01`
    Edge(Edge),
    /// `did a then b within 24 hours same item_id without c between in last 7 days`
    Sequence(Sequence),
    /// `has orders where amount > 100 count >= 2 on paid_at in last 30 days`
    Detail(Detail),
    /// `crowd '高价值'`
    Crowd(Name),
    /// `sample 10% salt 's'`
    Sample { share: Share, salt: String },
    /// `top 10000 by balance`
    Top { count: u64, by: Name },
}

/// A name and what its value must satisfy.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub name: Name,
    pub test: Test,
}

/// What a value must satisfy; a missing value satisfies nothing but `Missing` and `HasNone`.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    Compare(Op, Literal),
    /// Both ends inside.
    Between(Literal, Literal),
    In(Vec<Literal>),
    NotIn(Vec<Literal>),
    HasAny(Vec<Literal>),
    HasAll(Vec<Literal>),
    HasNone(Vec<Literal>),
    Missing,
    Known,
    Contains(Literal),
    StartsWith(Literal),
    EndsWith(Literal),
    Matches(Literal),
    /// A date or instant inside a window (`in last 7 days`, `before D`, `from D to D`).
    Inside(Window),
    /// The day comes round today or within so many days: `anniversary today` is 0, `in next 7 days` is 7.
    Anniversary {
        days_ahead: u32,
    },
}

/// `= != < <= > >=`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Op {
    /// Does it ask which value comes first?
    pub fn is_order(self) -> bool {
        !matches!(self, Op::Equal | Op::NotEqual)
    }
}

/// A value as written; its type is settled when the name is looked up.
#[derive(Debug, Clone)]
pub struct Literal {
    pub value: Written,
    pub span: crate::base::Span,
}

impl PartialEq for Literal {
    fn eq(&self, other: &Literal) -> bool {
        self.value == other.value
    }
}

/// The forms a value can be written in.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Moment(Moment),
}

/// A condition on the properties of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Test(Comparison),
}

/// `EVENT [where FILTER]`
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `None` is `any` (`任意`): any event.
    pub event: Option<Name>,
    pub filter: Option<Filter>,
}

/// `did STEP [METRIC op value] [WINDOW]`
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    pub step: Step,
    /// Left out: `count >= 1`.
    pub measure: Option<Measure>,
    pub window: Option<Window>,
}

/// `first | last STEP WINDOW`
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    pub is_first: bool,
    pub step: Step,
    pub window: Window,
}

/// `did STEP then [not] STEP … within GAP [same PROP] [without STEP between] [WINDOW]`
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    pub steps: Vec<Step>,
    /// `then not B`: the last step must not follow.
    pub is_last_absent: bool,
    pub gap: (u32, Unit),
    pub same: Vec<Name>,
    pub without: Option<Step>,
    pub window: Option<Window>,
}

/// `has TABLE [where FILTER] [METRIC op value] [[on COLUMN] WINDOW]`
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    pub table: Name,
    pub filter: Option<Filter>,
    pub measure: Option<Measure>,
    /// Left out: the `--time` column given at ingest.
    pub on: Option<Name>,
    pub window: Option<Window>,
}

/// `sum(amount) >= 500`
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    pub metric: Metric,
    /// Only [`Test::Compare`] and [`Test::Between`] with numbers (for `min` / `max` of dates: moments).
    pub test: Test,
}

/// What is measured over the rows that pass the filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Metric {
    Count,
    /// Distinct local days.
    Days,
    Sum(Name),
    Avg(Name),
    Min(Name),
    Max(Name),
    Distinct(Name),
}
