//! How many users a node may hold, before it is evaluated: orders the work, never the answer.

use super::bound::{BoundMetric, Tested};
use super::check::Check;
use super::plan::{PlanForm, PlanLeaf, PlanNode, RowPlan, SequencePlan, Source, TimeSpan};
use crate::base::{Outcome, Share, Timestamp};
use crate::store::Snapshot;

/// Users that a node holds: at least `low`, at most `high`, about `likely`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    pub low: u64,
    pub likely: u64,
    pub high: u64,
}

impl Guess {
    /// Known exactly.
    pub fn exact(count: u64) -> Guess {
        Guess { low: count, likely: count, high: count }
    }

    /// From the guesses of the parts and the statistics of the snapshot.
    pub fn of(form: &PlanForm, snapshot: &Snapshot) -> Outcome<Guess> {
        let everyone = snapshot.universe().len();
        Ok(match form {
            PlanForm::All(parts) => all(parts, everyone),
            PlanForm::Any(parts) => any(parts, everyone),
            PlanForm::Not(part) => part.guess.complement(everyone),
            PlanForm::Leaf(leaf) => leaf_guess(leaf, snapshot, everyone)?,
        })
    }

    /// Of everyone else.
    pub fn complement(self, everyone: u64) -> Guess {
        let rest = |n: u64| everyone.saturating_sub(n);
        Guess { low: rest(self.high), likely: rest(self.likely), high: rest(self.low) }
    }
}

/// The conditions of `all`, taken as independent.
fn all(parts: &[PlanNode], everyone: u64) -> Guess {
    let share = |n: u64| n as f64 / everyone.max(1) as f64;
    let likely: f64 = parts.iter().map(|p| share(p.guess.likely)).product();
    let outside: u64 = parts.iter().map(|p| everyone.saturating_sub(p.guess.low)).sum();
    Guess {
        low: everyone.saturating_sub(outside),
        likely: (likely * everyone as f64) as u64,
        high: parts.iter().map(|p| p.guess.high).min().unwrap_or(everyone),
    }
}

fn any(parts: &[PlanNode], everyone: u64) -> Guess {
    let sum = |pick: fn(&Guess) -> u64| parts.iter().map(|p| pick(&p.guess)).fold(0u64, u64::saturating_add);
    Guess {
        low: parts.iter().map(|p| p.guess.low).max().unwrap_or(0),
        likely: sum(|g| g.likely).min(everyone),
        high: sum(|g| g.high).min(everyone),
    }
}

fn leaf_guess(leaf: &PlanLeaf, snapshot: &Snapshot, everyone: u64) -> Outcome<Guess> {
    match leaf {
        PlanLeaf::Tag(tested) => tag(tested, snapshot, everyone),
        PlanLeaf::Crowd(users) => Ok(Guess::exact(users.count())),
        PlanLeaf::Rows(rows) => self::rows(rows, snapshot, everyone),
        PlanLeaf::Edge(edge) => self::rows(&edge.inside, snapshot, everyone),
        PlanLeaf::Sequence(sequence) => self::sequence(sequence, snapshot, everyone),
        PlanLeaf::Sample { share, .. } => Ok(sample(*share, everyone)),
        PlanLeaf::Top { count, .. } => {
            Ok(Guess { low: 0, likely: everyone.min(*count), high: everyone.min(*count) })
        }
    }
}

/// Chance decides between nobody and everyone; a share of nothing or of all leaves it no choice.
fn sample(share: Share, everyone: u64) -> Guess {
    let likely = (everyone as u128 * share.0 as u128 / 1_000_000) as u64;
    let low = if share.0 >= 1_000_000 { everyone } else { 0 };
    Guess { low, likely, high: if share.0 == 0 { 0 } else { everyone } }
}

/// At most those who did the rarest step.
fn sequence(plan: &SequencePlan, snapshot: &Snapshot, everyone: u64) -> Outcome<Guess> {
    let mut rarest = Guess { low: 0, likely: everyone / 2, high: everyone };
    for event in plan.steps.iter().map(|step| step.event.as_deref()) {
        let step = did(event, &plan.span, snapshot, everyone)?;
        rarest = Guess { likely: rarest.likely.min(step.likely), high: rarest.high.min(step.high), ..rarest };
    }
    Ok(Guess { likely: rarest.likely / 3, ..rarest })
}

/// Exact for values with a bitmap each, a third of everyone otherwise.
fn tag(tested: &Tested, snapshot: &Snapshot, everyone: u64) -> Outcome<Guess> {
    let open = Guess { low: 0, likely: everyone / 3, high: everyone };
    let (values, is_any) = match &tested.check {
        Check::Text { values, negated: false } => (values, false),
        Check::AnyOf(values) => (values, true),
        _ => return Ok(open),
    };
    let Some(counts) = snapshot.values_of(&tested.column)? else { return Ok(open) };
    let found: Vec<u64> =
        counts.iter().filter(|(value, _)| values.contains(value)).map(|(_, n)| *n).collect();
    let sum: u64 = found.iter().sum();
    let low = if is_any { found.iter().copied().max().unwrap_or(0) } else { sum };
    Ok(Guess { low, likely: sum.min(everyone), high: sum.min(everyone) })
}

/// Nobody can have done what fewer users did on all days together.
fn rows(plan: &RowPlan, snapshot: &Snapshot, everyone: u64) -> Outcome<Guess> {
    let includes_nothing = plan.metric.is_zero_over_nothing() && plan.compare.fits(0.0);
    let Source::Events(event) = &plan.source else {
        return Ok(Guess { low: 0, likely: everyone / 4, high: everyone });
    };
    let did = did(event.as_deref(), &plan.span, snapshot, everyone)?;
    let is_plain_once = plan.filter.is_none()
        && plan.metric == BoundMetric::Count
        && plan.compare.low <= 1.0
        && !includes_nothing;
    let likely = if is_plain_once { did.likely } else { did.likely / 3 };
    let guess = Guess { likely, ..did };
    Ok(if includes_nothing {
        Guess { low: everyone - did.high, likely: everyone - likely, high: everyone }
    } else {
        guess
    })
}

/// Users who did an event on the days that a window touches.
fn did(event: Option<&str>, span: &TimeSpan, snapshot: &Snapshot, everyone: u64) -> Outcome<Guess> {
    let (mut most, mut sum) = (0, 0);
    for day in snapshot.days().iter().filter(|day| touches(span, snapshot, **day)) {
        let users = snapshot.rollup(*day, event)?.map_or(0, |rollup| rollup.len() as u64);
        (most, sum) = (most.max(users), sum + users);
    }
    Ok(Guess { low: 0, likely: (most + (sum - most) / 4).min(everyone), high: sum.min(everyone) })
}

fn touches(span: &TimeSpan, snapshot: &Snapshot, day: crate::base::Day) -> bool {
    let zone = snapshot.zone();
    let (from, to): (Timestamp, Timestamp) = (zone.start_of(day), zone.start_of(day.plus(1)));
    match span {
        TimeSpan::Fixed(interval) => interval.from < to && from < interval.to,
        TimeSpan::Own { until, .. } | TimeSpan::Until(until) => from <= *until,
        TimeSpan::Untimed => true,
    }
}
