//! How it will be found: a bound selection at one instant, with windows resolved, crowds in hand
//! and a guess at every node.
//!
//! [`Bound::plan`] keeps the shape that was asked, so that every condition gets its own count;
//! [`Plan::rewritten`] gives the same users with less work.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::bound::{
    Bound, BoundFilter, BoundLeaf, BoundMetric, BoundSequence, BoundStep, Compare, Form, Node, RowTest,
    RowWithin, Tested,
};
use super::guess::Guess;
use super::rules;
use crate::base::{Interval, Outcome, Problem, Share, Timestamp, Unit, Window, Zone};
use crate::store::{Bitmap, Snapshot};

/// A selection ready to run at one instant over one snapshot.
#[derive(Debug, Clone)]
pub struct Plan {
    pub root: PlanNode,
    pub as_of: Timestamp,
    pub(super) zone: Zone,
    pub(super) warnings: Vec<Problem>,
}

/// One node: its text, what it does, how many users it may hold.
#[derive(Debug, Clone)]
pub struct PlanNode {
    pub text: String,
    pub form: PlanForm,
    pub guess: Guess,
}

/// What a node does.
#[expect(clippy::large_enum_variant, reason = "a plan is a handful of nodes, most of them leaves")]
#[derive(Debug, Clone)]
pub enum PlanForm {
    All(Vec<PlanNode>),
    Any(Vec<PlanNode>),
    Not(Box<PlanNode>),
    Leaf(PlanLeaf),
}

/// Where one condition is read.
#[derive(Debug, Clone)]
pub enum PlanLeaf {
    Tag(Tested),
    Rows(RowPlan),
    /// Its users in the universe.
    Crowd(Bitmap),
    Edge(EdgePlan),
    Sequence(SequencePlan),
    Sample {
        share: Share,
        salt: String,
    },
    Top {
        count: u64,
        by: String,
    },
}

/// `first E W`, `last E W`, resolved.
#[derive(Debug, Clone)]
pub struct EdgePlan {
    pub is_first: bool,
    /// The rows inside the window; where it is each user's own, all rows up to as-of.
    pub inside: RowPlan,
    /// The rows that nobody may have: those before the window (first) or after it (last). `None`
    /// where each user has a window of their own.
    pub outside: Option<RowPlan>,
}

/// Rows of one user that follow each other, resolved.
#[derive(Debug, Clone)]
pub struct SequencePlan {
    /// The steps that must be done, in their order; at least one.
    pub steps: Vec<BoundStep>,
    /// The step of `then not`.
    pub absent: Option<BoundStep>,
    pub gap: (u32, Unit),
    pub same: Vec<String>,
    pub without: Option<BoundStep>,
    /// The window that the steps lie in; the absent step may come after its end.
    pub span: TimeSpan,
    pub as_of: Timestamp,
}

/// A condition over rows, resolved.
#[derive(Debug, Clone)]
pub struct RowPlan {
    pub source: Source,
    pub filter: Option<BoundFilter>,
    pub metric: BoundMetric,
    pub compare: Compare,
    pub span: TimeSpan,
}

/// Which rows.
#[derive(Debug, Clone)]
pub enum Source {
    /// `None`: any event.
    Events(Option<String>),
    Detail {
        table: String,
        on: Option<String>,
    },
}

/// Since when and until when.
#[derive(Debug, Clone)]
pub enum TimeSpan {
    /// The same for everybody; nothing later than as-of.
    Fixed(Interval),
    /// `[X, X + gap)` of the user's own date or instant, and nothing later than as-of.
    Own { of: String, count: u32, unit: Unit, until: Timestamp },
    /// No window: everything up to as-of, and rows that have no time.
    Until(Timestamp),
    /// Detail rows of a table without a time: all of them.
    Untimed,
}

impl Bound {
    /// The plan of this selection at `as_of`, in the shape that was asked.
    /// `crowds` holds the bitmap of every crowd named, resolved once by the caller.
    /// Errors: SEL-105 if a crowd is not among them; a snapshot that cannot be read.
    pub fn plan(
        &self,
        snapshot: &Snapshot,
        crowds: &BTreeMap<String, Arc<RoaringBitmap>>,
        as_of: Timestamp,
    ) -> Outcome<Plan> {
        let mut planner = Planner { snapshot, crowds, as_of, zone: self.zone, warnings: vec![] };
        let root = planner.node(&self.root)?;
        Ok(Plan { root, as_of, zone: self.zone, warnings: planner.warnings })
    }
}

impl Plan {
    /// The same users with less work: nested joins flattened, `not` pushed inwards, cheapest first.
    pub fn rewritten(&self) -> Plan {
        let root = rules::rewrite(self.root.clone());
        Plan { root, warnings: vec![], ..*self }
    }

    /// The plan after each rule that changed it, in order; the last is [`rewritten`](Plan::rewritten).
    pub fn rewrites(&self) -> Vec<(&'static rules::Rule, Plan)> {
        let mut plan = self.clone();
        let mut steps = vec![];
        for rule in rules::RULES {
            let next = Plan { root: (rule.rewrite)(plan.root.clone()), warnings: vec![], ..plan };
            if next.outline() != plan.outline() {
                steps.push((rule, next.clone()));
            }
            plan = next;
        }
        steps
    }

    /// What can be known only with the instant in hand, such as a window before all history.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

struct Planner<'a> {
    snapshot: &'a Snapshot,
    crowds: &'a BTreeMap<String, Arc<RoaringBitmap>>,
    as_of: Timestamp,
    zone: Zone,
    warnings: Vec<Problem>,
}

impl Planner<'_> {
    fn node(&mut self, node: &Node) -> Outcome<PlanNode> {
        let form = match &node.form {
            Form::All(parts) => PlanForm::All(self.nodes(parts)?),
            Form::Any(parts) => PlanForm::Any(self.nodes(parts)?),
            Form::Not(part) => PlanForm::Not(Box::new(self.node(part)?)),
            Form::Leaf(leaf) => PlanForm::Leaf(self.leaf(leaf)?),
        };
        let guess = Guess::of(&form, self.snapshot)?;
        Ok(PlanNode { text: node.text.clone(), form, guess })
    }

    fn nodes(&mut self, parts: &[Node]) -> Outcome<Vec<PlanNode>> {
        parts.iter().map(|part| self.node(part)).collect()
    }

    fn leaf(&mut self, leaf: &BoundLeaf) -> Outcome<PlanLeaf> {
        Ok(match leaf {
            BoundLeaf::Tag(tested) => PlanLeaf::Tag(self.at(tested)),
            BoundLeaf::Behaviour { event, rows } => {
                let plan = self.rows(Source::Events(event.clone()), rows);
                self.warn_before_history(&plan.span);
                PlanLeaf::Rows(plan)
            }
            BoundLeaf::Detail { table, on, rows } => {
                PlanLeaf::Rows(self.rows(Source::Detail { table: table.clone(), on: on.clone() }, rows))
            }
            BoundLeaf::Crowd(name) => PlanLeaf::Crowd(self.crowd(name)?),
            BoundLeaf::Edge { is_first, step, window } => PlanLeaf::Edge(self.edge(*is_first, step, window)),
            BoundLeaf::Sequence(sequence) => PlanLeaf::Sequence(self.sequence(sequence)),
            BoundLeaf::Sample { share, salt } => PlanLeaf::Sample { share: *share, salt: salt.clone() },
            BoundLeaf::Top { count, by } => PlanLeaf::Top { count: *count, by: by.clone() },
        })
    }

    fn crowd(&self, name: &str) -> Outcome<Bitmap> {
        let missing = || Problem::author("SEL-105", format!("crowd `{name}` has no complete version"));
        let users = self.crowds.get(name).ok_or_else(missing)?;
        Ok(Bitmap::of(&(&**users & self.snapshot.universe())))
    }

    fn at(&self, tested: &Tested) -> Tested {
        Tested { check: tested.check.at(tested.type_of, self.as_of, &self.zone), ..tested.clone() }
    }

    fn rows(&self, source: Source, rows: &RowTest) -> RowPlan {
        let span = match &source {
            Source::Detail { on: None, .. } => TimeSpan::Untimed,
            _ => self.span(rows.window.as_ref()),
        };
        RowPlan {
            source,
            filter: rows.filter.as_ref().map(|filter| self.filter(filter)),
            metric: rows.metric.clone(),
            compare: rows.compare,
            span,
        }
    }

    fn span(&self, window: Option<&Window>) -> TimeSpan {
        match window {
            Some(Window::Within { count, unit, of }) => {
                TimeSpan::Own { of: of.text.clone(), count: *count, unit: *unit, until: self.as_of }
            }
            Some(window) => {
                TimeSpan::Fixed(window.interval(self.as_of, &self.zone).unwrap_or(Interval::ALWAYS))
            }
            None => TimeSpan::Until(self.as_of),
        }
    }

    /// The first row lies in a window when one does and none lies before it; the last, when none
    /// lies after it (up to as-of).
    fn edge(&mut self, is_first: bool, step: &BoundStep, window: &Window) -> EdgePlan {
        let step = self.step(step);
        let span = self.span(Some(window));
        self.warn_before_history(&span);
        let did = |span| RowPlan {
            source: Source::Events(step.event.clone()),
            filter: step.filter.clone(),
            metric: BoundMetric::Count,
            compare: Compare::AT_LEAST_ONE,
            span,
        };
        let outside = match span {
            TimeSpan::Fixed(window) if is_first => Some(Interval { to: window.from, ..Interval::ALWAYS }),
            TimeSpan::Fixed(window) => Some(Interval { from: window.to, to: self.as_of.plus(1) }),
            _ => None,
        };
        EdgePlan { is_first, outside: outside.map(TimeSpan::Fixed).map(did), inside: did(span) }
    }

    fn sequence(&mut self, asked: &BoundSequence) -> SequencePlan {
        let span = self.span(asked.window.as_ref());
        self.warn_before_history(&span);
        SequencePlan {
            steps: asked.steps.iter().map(|step| self.step(step)).collect(),
            absent: asked.absent.as_ref().map(|step| self.step(step)),
            gap: asked.gap,
            same: asked.same.clone(),
            without: asked.without.as_ref().map(|step| self.step(step)),
            span,
            as_of: self.as_of,
        }
    }

    fn step(&self, step: &BoundStep) -> BoundStep {
        BoundStep {
            event: step.event.clone(),
            filter: step.filter.as_ref().map(|filter| self.filter(filter)),
        }
    }

    fn filter(&self, filter: &BoundFilter) -> BoundFilter {
        let several = |parts: &[BoundFilter]| parts.iter().map(|part| self.filter(part)).collect();
        match filter {
            BoundFilter::All(parts) => BoundFilter::All(several(parts)),
            BoundFilter::Any(parts) => BoundFilter::Any(several(parts)),
            BoundFilter::Not(part) => BoundFilter::Not(Box::new(self.filter(part))),
            BoundFilter::Test(tested) => BoundFilter::Test(self.at(tested)),
            BoundFilter::Within(within) => {
                BoundFilter::Within(RowWithin { until: self.as_of, ..within.clone() })
            }
        }
    }

    /// A window that begins before the first event ever loaded may count too little.
    fn warn_before_history(&mut self, span: &TimeSpan) {
        let TimeSpan::Fixed(interval) = span else { return };
        let first = self.snapshot.catalog().events.values().map(|facts| facts.first_at).min();
        let Some(first) =
            first.filter(|first| interval.from > Interval::ALWAYS.from && interval.from < *first)
        else {
            return;
        };
        let what = format!(
            "a window begins at {}, before the first event loaded ({})",
            self.zone.text(interval.from),
            self.zone.text(first)
        );
        let warning =
            Problem::author("SEL-151", what).cure("ingest older events, or ask for a shorter window");
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
