//! A selection that knows the catalog: names are looked up, types agree.

use super::check::Check;
use crate::base::{Problem, Share, Timestamp, Type, Unit, Window, Zone};

/// A bound selection: what was asked, ready to be planned at any instant.
#[derive(Debug, Clone)]
pub struct Bound {
    pub(super) root: Node,
    pub(super) warnings: Vec<Problem>,
    pub(super) zone: Zone,
}

impl Bound {
    /// What the author should know though it is no mistake: values never seen, windows that begin
    /// before the first event.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The crowds referred to, each once, in the order of the text.
    pub fn crowds(&self) -> Vec<&str> {
        let mut names = vec![];
        self.root.visit(&mut |leaf| match leaf {
            BoundLeaf::Crowd(name) if !names.contains(&name.as_str()) => names.push(name.as_str()),
            _ => {}
        });
        names
    }
}

/// The shape of the selection, each node with the text it was written as.
#[derive(Debug, Clone)]
pub struct Node {
    pub text: String,
    pub form: Form,
}

/// What a node does.
#[expect(clippy::large_enum_variant, reason = "a selection is a handful of nodes, most of them leaves")]
#[derive(Debug, Clone)]
pub enum Form {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Leaf(BoundLeaf),
}

impl Node {
    /// Calls `look` on every leaf, in the order of the text.
    pub fn visit<'a>(&'a self, look: &mut impl FnMut(&'a BoundLeaf)) {
        match &self.form {
            Form::All(nodes) | Form::Any(nodes) => nodes.iter().for_each(|node| node.visit(look)),
            Form::Not(node) => node.visit(look),
            Form::Leaf(leaf) => look(leaf),
        }
    }
}

/// One condition with its names and types settled.
#[derive(Debug, Clone)]
pub enum BoundLeaf {
    Tag(Tested),
    /// Rows of behaviour: `events` is `None` for any event.
    Behaviour {
        event: Option<String>,
        rows: RowTest,
    },
    /// Rows of a detail table; `on` is the time column that the window looks at.
    Detail {
        table: String,
        on: Option<String>,
        rows: RowTest,
    },
    Crowd(String),
    /// The user's first (or last) row of all history that passes `step` lies in `window`.
    Edge {
        is_first: bool,
        step: BoundStep,
        window: Window,
    },
    Sequence(BoundSequence),
    Sample {
        share: Share,
        salt: String,
    },
    /// The `count` users of the universe with the greatest value of the tag `by`.
    Top {
        count: u64,
        by: String,
    },
}

/// `EVENT [where FILTER]`; no event is any event.
#[derive(Debug, Clone)]
pub struct BoundStep {
    pub event: Option<String>,
    pub filter: Option<BoundFilter>,
}

/// Rows of one user that follow each other (semantics 2.7 and 2.8).
#[derive(Debug, Clone)]
pub struct BoundSequence {
    /// The steps that must be done, in their order; at least one.
    pub steps: Vec<BoundStep>,
    /// The step of `then not`.
    pub absent: Option<BoundStep>,
    pub gap: (u32, Unit),
    /// Properties whose values are known and equal over all steps.
    pub same: Vec<String>,
    /// What must not happen between the first step and the last.
    pub without: Option<BoundStep>,
    pub window: Option<Window>,
}

/// A column and the check on it.
#[derive(Debug, Clone)]
pub struct Tested {
    pub column: String,
    pub type_of: Type,
    pub check: Check,
}

/// A condition over a user's rows: filter, then metric, then comparison (semantics 2.1).
#[derive(Debug, Clone)]
pub struct RowTest {
    pub filter: Option<BoundFilter>,
    pub metric: BoundMetric,
    pub compare: Compare,
    pub window: Option<Window>,
}

/// A filter on one row.
#[derive(Debug, Clone)]
pub enum BoundFilter {
    All(Vec<BoundFilter>),
    Any(Vec<BoundFilter>),
    Not(Box<BoundFilter>),
    Test(Tested),
    Within(RowWithin),
}

/// `paid_at within 7 days of X` on one row: the instant of `column` lies in `[X, X + gap)`.
#[derive(Debug, Clone)]
pub struct RowWithin {
    pub column: String,
    pub begin: Begin,
    pub count: u32,
    pub unit: Unit,
    /// Nothing later counts; the plan puts its as-of here.
    pub until: Timestamp,
}

/// Where the X of `within … of X` stands, when a row is tested.
#[derive(Debug, Clone, PartialEq)]
pub enum Begin {
    /// A tag of the user who did the row.
    Tag(String),
    /// Another column of the same row.
    Column(String),
}

impl BoundFilter {
    /// Calls `look` on every test and every `within … of …`, in the order of the text.
    fn visit<'a>(&'a self, look: &mut impl FnMut(Tests<'a>)) {
        match self {
            BoundFilter::All(filters) | BoundFilter::Any(filters) => {
                filters.iter().for_each(|f| f.visit(look))
            }
            BoundFilter::Not(filter) => filter.visit(look),
            BoundFilter::Test(tested) => look(Tests::One(tested)),
            BoundFilter::Within(within) => look(Tests::Within(within)),
        }
    }

    /// Calls `look` on the name of every column of the row that the filter reads; some come twice.
    pub fn columns<'a>(&'a self, look: &mut impl FnMut(&'a str)) {
        self.visit(&mut |test| match test {
            Tests::One(tested) => look(&tested.column),
            Tests::Within(within) => {
                look(&within.column);
                if let Begin::Column(name) = &within.begin {
                    look(name);
                }
            }
        });
    }

    /// Calls `look` on every test of a value by itself.
    pub fn tests<'a>(&'a self, look: &mut impl FnMut(&'a Tested)) {
        self.visit(&mut |test| {
            if let Tests::One(tested) = test {
                look(tested);
            }
        });
    }

    /// Calls `look` on every tag that the filter reads of the user who did the row.
    pub fn tags<'a>(&'a self, look: &mut impl FnMut(&'a str)) {
        self.visit(&mut |test| {
            if let Tests::Within(RowWithin { begin: Begin::Tag(name), .. }) = test {
                look(name);
            }
        });
    }
}

/// A leaf of a filter.
enum Tests<'a> {
    One(&'a Tested),
    Within(&'a RowWithin),
}

/// What is measured over the rows that pass.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundMetric {
    Count,
    Days,
    Sum(String),
    Avg(String),
    Min(String),
    Max(String),
    Distinct(String),
}

impl BoundMetric {
    /// The property it measures.
    pub fn property(&self) -> Option<&str> {
        match self {
            BoundMetric::Count | BoundMetric::Days => None,
            BoundMetric::Sum(p)
            | BoundMetric::Avg(p)
            | BoundMetric::Min(p)
            | BoundMetric::Max(p)
            | BoundMetric::Distinct(p) => Some(p),
        }
    }

    /// Over no rows: 0, or no value at all (semantics 2.1).
    pub fn is_zero_over_nothing(&self) -> bool {
        !matches!(self, BoundMetric::Avg(_) | BoundMetric::Min(_) | BoundMetric::Max(_))
    }
}

/// The comparison of a metric: one closed range of floats, or everything outside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compare {
    pub low: f64,
    pub high: f64,
    pub negated: bool,
}

impl Compare {
    /// The default: at least one row.
    pub const AT_LEAST_ONE: Compare = Compare { low: 1.0, high: f64::INFINITY, negated: false };

    /// Does a measured value satisfy it?
    #[inline]
    pub fn fits(&self, value: f64) -> bool {
        ((self.low <= value) & (value <= self.high)) != self.negated
    }
}
