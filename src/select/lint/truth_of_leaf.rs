//! Is one condition always empty, or always everyone, whatever the data?

use super::clash::{exclude, is_empty};
use super::scene::{Scene, warning};
use super::truth::Truth;
use crate::base::{Interval, Problem, Type, Window};
use crate::select::ast::{Filter, Leaf, Measure, Metric, Selection, Step, Test};
use crate::select::check::Check;
use crate::store::Column;

/// What is sure of a leaf; `selection` is the leaf with its place.
pub fn of_leaf(leaf: &Leaf, selection: &Selection, scene: &Scene, found: &mut Vec<Problem>) -> Truth {
    let properties = &scene.catalog().properties;
    let mut look = Look { selection, scene, found };
    match leaf {
        Leaf::Tag(comparison) => look.tag(comparison),
        Leaf::Behaviour(asked) => {
            let has_rows = look.step(&asked.step, properties) & look.window(asked.window.as_ref());
            look.measured(asked.measure.as_ref(), asked.window.as_ref(), has_rows)
        }
        Leaf::Detail(asked) => {
            let columns = scene.columns_of(&asked.table);
            let has_rows = look.filter(asked.filter.as_ref(), columns) & look.window(asked.window.as_ref());
            look.measured(asked.measure.as_ref(), asked.window.as_ref(), has_rows)
        }
        Leaf::Edge(asked) => {
            let has_rows = look.step(&asked.step, properties) & look.window(Some(&asked.window));
            nobody_unless(has_rows)
        }
        Leaf::Sequence(asked) => {
            let must = asked.steps.len() - usize::from(asked.is_last_absent && !asked.steps.is_empty());
            let passed: Vec<bool> = asked.steps.iter().map(|step| look.step(step, properties)).collect();
            let has_rows = passed.iter().take(must).all(|passed| *passed);
            nobody_unless(look.window(asked.window.as_ref()) & has_rows)
        }
        Leaf::Sample { share, .. } if share.0 == 0 => look.nobody("the share is nothing"),
        Leaf::Sample { share, .. } if share.0 == 1_000_000 => look.everyone("the share is everyone"),
        Leaf::Crowd(_) | Leaf::Sample { .. } | Leaf::Top { .. } => Truth::Open,
    }
}

fn nobody_unless(has_rows: bool) -> Truth {
    if has_rows { Truth::Open } else { Truth::Nobody }
}

struct Look<'a, 'b> {
    selection: &'a Selection,
    scene: &'a Scene<'a>,
    found: &'b mut Vec<Problem>,
}

impl Look<'_, '_> {
    fn nobody(&mut self, why: &str) -> Truth {
        let what = format!("`{}` is always empty: {why}", self.selection);
        let cure = "check the values and dates of this condition";
        self.found.push(warning("SEL-152", self.selection, what, cure));
        Truth::Nobody
    }

    fn everyone(&mut self, why: &str) -> Truth {
        let what = format!("`{}` holds for everyone: {why}", self.selection);
        let cure = "leave it out, or write `>= 1` if those who did it at all are meant";
        self.found.push(warning("SEL-153", self.selection, what, cure));
        Truth::Everyone
    }

    fn tag(&mut self, comparison: &crate::select::ast::Comparison) -> Truth {
        let Some((_, check)) = self.scene.check(comparison, &self.scene.catalog().attributes) else {
            return Truth::Open;
        };
        match &comparison.test {
            Test::Inside(window) => nobody_unless(self.window(Some(window))),
            _ if is_empty(&check) => self.nobody("no value can satisfy it"),
            _ => Truth::Open,
        }
    }

    /// Can rows lie in the window? A window without an instant is told.
    fn window(&mut self, window: Option<&Window>) -> bool {
        let Some(interval) = self.scene.interval(window).filter(Interval::is_empty) else { return true };
        let why = if interval.from > self.scene.as_of {
            let (from, as_of) = (self.scene.zone.text(interval.from), self.scene.zone.text(self.scene.as_of));
            format!("its window begins at {from}, later than as-of ({as_of})")
        } else {
            "its window ends before it begins".to_string()
        };
        let what = format!("no row can count in `{}`: {why}", self.selection);
        let cure = "check the dates, or ask as of a later instant";
        self.found.push(warning("SEL-152", self.selection, what, cure));
        false
    }

    fn step(&mut self, step: &Step, properties: &[Column]) -> bool {
        self.filter(step.filter.as_ref(), properties)
    }

    /// Can a row pass the filter? One that none can pass is told.
    fn filter(&mut self, filter: Option<&Filter>, columns: &[Column]) -> bool {
        let Some(filter) = filter else { return true };
        let Some(why) = impossible(filter, columns, self.scene) else { return true };
        let what = format!("no row can pass the filter of `{}`: {why}", self.selection);
        let cure = "all tests of a filter hold on the same row; join them with `or`, or ask for two rows";
        self.found.push(warning("SEL-156", self.selection, what, cure));
        false
    }

    fn measured(&mut self, measure: Option<&Measure>, window: Option<&Window>, has_rows: bool) -> Truth {
        let Some(measure) = measure else { return nobody_unless(has_rows) };
        let Some(reach) = Reach::of(measure, self.scene) else { return Truth::Open };
        if !has_rows {
            let is_zero = !matches!(measure.metric, Metric::Avg(_) | Metric::Min(_) | Metric::Max(_));
            return if is_zero && reach.fits(0.0) { Truth::Everyone } else { Truth::Nobody };
        }
        let most = match measure.metric {
            Metric::Days => self.scene.interval(window).map_or(f64::INFINITY, |i| self.days(i)),
            _ => f64::INFINITY,
        };
        let metric = &measure.metric;
        match reach.truth(most) {
            Truth::Nobody if most.is_finite() && reach.truth(f64::INFINITY) == Truth::Open => {
                self.nobody(&format!("its window has {most} days"))
            }
            Truth::Nobody => self.nobody(&format!("`{metric}` cannot be so")),
            Truth::Everyone => self.everyone(&format!("`{metric}` is always so")),
            Truth::Open => Truth::Open,
        }
    }

    /// The local days that an interval touches.
    fn days(&self, interval: Interval) -> f64 {
        if interval.from == Interval::ALWAYS.from {
            return f64::INFINITY;
        }
        let (first, last) =
            (self.scene.zone.day_of(interval.from), self.scene.zone.day_of(interval.to.plus(-1)));
        (last.0 as f64 - first.0 as f64) + 1.0
    }
}

/// The values that a comparison of a metric lets through.
struct Reach {
    low: f64,
    high: f64,
    negated: bool,
    /// Whole and never below 0.
    is_counted: bool,
}

impl Reach {
    /// Nothing for metrics that are no numbers.
    fn of(measure: &Measure, scene: &Scene) -> Option<Reach> {
        let check = Check::new("the metric", Type::Float, &measure.test, &scene.zone).ok()?;
        let Check::Real { ranges, negated } = check else { return None };
        let (low, high) = *ranges.first()?;
        let is_counted = matches!(measure.metric, Metric::Count | Metric::Days | Metric::Distinct(_));
        Some(Reach { low, high, negated, is_counted })
    }

    fn fits(&self, value: f64) -> bool {
        (self.low <= value && value <= self.high) != self.negated
    }

    /// Over a metric that is at most `most`.
    fn truth(&self, most: f64) -> Truth {
        let (low, high) = match self.is_counted {
            true => (self.low.max(0.0).ceil(), self.high.min(most).floor()),
            false => (self.low, self.high),
        };
        let is_all = self.is_counted && low <= 0.0 && self.high >= most && self.low <= self.high;
        match (low > high, is_all, self.negated) {
            (true, _, false) => Truth::Nobody,
            (true, _, true) if self.is_counted => Truth::Everyone,
            (_, true, false) => Truth::Everyone,
            (_, true, true) => Truth::Nobody,
            _ => Truth::Open,
        }
    }
}

/// Why no row passes a filter; nothing if one may.
fn impossible(filter: &Filter, columns: &[Column], scene: &Scene) -> Option<String> {
    match filter {
        Filter::Test(comparison) => {
            let (_, check) = scene.check(comparison, columns)?;
            is_empty(&check).then(|| format!("no value satisfies `{comparison}`"))
        }
        Filter::All(parts) => {
            let parts = flat(parts);
            let inner = parts.iter().find_map(|part| impossible(part, columns, scene));
            inner.or_else(|| {
                let later = |at: usize| parts.iter().skip(at + 1).copied();
                let mut pairs = parts.iter().enumerate().flat_map(|(at, a)| later(at).map(move |b| (*a, b)));
                let (a, b) = pairs.find(|(a, b)| clash(a, b, columns, scene))?;
                Some(format!("no value satisfies both `{a}` and `{b}`"))
            })
        }
        Filter::Any(parts) if !parts.is_empty() => {
            let inner: Option<Vec<String>> =
                parts.iter().map(|part| impossible(part, columns, scene)).collect();
            inner.and_then(|reasons| reasons.into_iter().next())
        }
        Filter::Any(_) | Filter::Not(_) => None,
    }
}

fn flat(parts: &[Filter]) -> Vec<&Filter> {
    parts.iter().flat_map(unfolded).collect()
}

fn unfolded(part: &Filter) -> Vec<&Filter> {
    match part {
        Filter::All(parts) => flat(parts),
        part => vec![part],
    }
}

fn clash(a: &Filter, b: &Filter, columns: &[Column], scene: &Scene) -> bool {
    let is_not = |a: &Filter, b: &Filter| matches!(a, Filter::Not(inner) if **inner == *b);
    if is_not(a, b) || is_not(b, a) {
        return true;
    }
    let (Filter::Test(a), Filter::Test(b)) = (a, b) else { return false };
    match (scene.check(a, columns), scene.check(b, columns)) {
        (Some((a, of_a)), Some((b, of_b))) => a == b && exclude(&of_a, &of_b),
        _ => false,
    }
}
