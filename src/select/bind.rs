//! Names looked up, types agreed, every mistake reported at once.

use std::collections::BTreeMap;

use super::ast::{Behaviour, Comparison, Detail, Filter, Leaf, Measure, Metric, Selection, Step, Test};
use super::bound::{Bound, BoundFilter, BoundLeaf, BoundMetric, Compare, Form, Node, RowTest, Tested};
use super::check::{Check, described};
use super::unseen::{Unseen, type_meant};
use crate::base::{Name, Problem, Problems, Type, Window, Zone};
use crate::store::{Catalog, Column, Snapshot, TableFacts};

/// What a selection may speak of.
pub struct Scope<'a> {
    pub snapshot: &'a Snapshot,
    /// Names of the crowds that exist.
    pub crowds: &'a [String],
}

impl Selection {
    /// This selection with its names looked up in `scope`.
    /// Errors: all mistakes at once (SEL-101 … SEL-114), each with its place in the text.
    pub fn bind(&self, scope: &Scope) -> Result<Bound, Problems> {
        let (catalog, zone) = (scope.snapshot.catalog(), scope.snapshot.zone());
        let mut binder = Binder { scope: Some(scope), ..Binder::new(catalog, zone, Unseen::Refused) };
        let root = binder.node(self);
        let Binder { problems, warnings, zone, .. } = binder;
        match root {
            Some(root) if problems.0.is_empty() => Ok(Bound { root, warnings, zone }),
            _ => Err(problems),
        }
    }
}

/// Collects mistakes and goes on; `None` stands for a part that could not be bound.
pub(super) struct Binder<'a> {
    /// What only whole selections need.
    scope: Option<&'a Scope<'a>>,
    pub(super) catalog: &'a Catalog,
    zone: Zone,
    pub(super) unseen: Unseen,
    pub(super) problems: Problems,
    pub(super) warnings: Vec<Problem>,
}

impl<'a> Binder<'a> {
    /// A binder that has found nothing yet.
    pub(super) fn new(catalog: &'a Catalog, zone: Zone, unseen: Unseen) -> Binder<'a> {
        Binder { scope: None, catalog, zone, unseen, problems: Problems::default(), warnings: vec![] }
    }
}

impl Binder<'_> {
    fn node(&mut self, selection: &Selection) -> Option<Node> {
        let form = match selection {
            Selection::All(parts) => Form::All(self.nodes(parts)?),
            Selection::Any(parts) => Form::Any(self.nodes(parts)?),
            Selection::Not(part) => Form::Not(Box::new(self.node(part)?)),
            Selection::Leaf(leaf) => Form::Leaf(self.leaf(leaf)?),
        };
        Some(Node { text: selection.to_string(), form })
    }

    fn nodes(&mut self, parts: &[Selection]) -> Option<Vec<Node>> {
        let nodes: Vec<_> = parts.iter().map(|part| self.node(part)).collect();
        nodes.into_iter().collect()
    }

    fn leaf(&mut self, leaf: &Leaf) -> Option<BoundLeaf> {
        match leaf {
            Leaf::Tag(comparison) => self.tag(comparison),
            Leaf::Behaviour(behaviour) => self.behaviour(behaviour),
            Leaf::Detail(detail) => self.detail(detail),
            Leaf::Crowd(name) => self.crowd(name),
            Leaf::Edge(edge) => self.edge(edge),
            Leaf::Sequence(sequence) => self.sequence(sequence),
            Leaf::Sample { share, salt } => Some(BoundLeaf::Sample { share: *share, salt: salt.clone() }),
            Leaf::Top { count, by } => self.top(*count, by),
        }
    }

    pub(super) fn refuse<T>(&mut self, problem: Problem) -> Option<T> {
        self.problems.push(problem);
        None
    }

    fn tag(&mut self, comparison: &Comparison) -> Option<BoundLeaf> {
        let tested = self.tested(comparison, &self.catalog.attributes, "tag", "SEL-101")?;
        if let Check::WithinOf { of, .. } = &tested.check {
            self.instant_attribute(&Name::new(of.clone()))?;
        }
        self.warn_unseen(&tested, comparison);
        Some(BoundLeaf::Tag(tested))
    }

    /// A comparison on one of `columns`.
    fn tested(
        &mut self,
        comparison: &Comparison,
        columns: &[Column],
        word: &str,
        code: &'static str,
    ) -> Option<Tested> {
        let column = match self.awaited(&comparison.name, columns, word) {
            Some(name) => Column { name, type_of: type_meant(&comparison.test) },
            None => self.column(&comparison.name, columns, word, code)?,
        };
        match Check::new(&column.name, column.type_of, &comparison.test, &self.zone) {
            Ok(check) => Some(Tested { column: column.name, type_of: column.type_of, check }),
            Err(_) if self.unseen == Unseen::Silent => {
                Some(Tested { column: column.name, type_of: column.type_of, check: Check::nothing() })
            }
            Err(problems) => {
                let place = comparison.name.span;
                self.problems
                    .0
                    .extend(problems.into_iter().map(|p| if p.span.is_some() { p } else { p.span(place) }));
                None
            }
        }
    }

    pub(super) fn column(
        &mut self,
        name: &Name,
        columns: &[Column],
        word: &str,
        code: &'static str,
    ) -> Option<Column> {
        let real = self.real(&name.text);
        if let Some(column) = columns.iter().find(|c| c.name == name.text || c.name == real) {
            return Some(column.clone());
        }
        let known: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        self.unknown(code, word, name, &known)
    }

    /// The name behind an alias of `catalog.toml`.
    pub(super) fn real<'n>(&'n self, name: &'n str) -> &'n str {
        self.catalog.aliases.get(name).map_or(name, String::as_str)
    }

    fn unknown<T>(&mut self, code: &'static str, word: &str, name: &Name, known: &[&str]) -> Option<T> {
        let what = format!("there is no {word} `{}`{}", name.text, listed(known));
        self.refuse(Problem::author(code, what).cure(advice(&name.text, known, word)).span(name.span))
    }

    /// A value no user has is worth a warning; in a tag closed by `catalog.toml` it is a mistake.
    fn warn_unseen(&mut self, tested: &Tested, comparison: &Comparison) {
        let asked = match &tested.check {
            Check::Text { values, .. }
            | Check::AnyOf(values)
            | Check::AllOf(values)
            | Check::NoneOf(values) => values,
            _ => return,
        };
        if let Some(closed) = self.catalog.closed.get(&tested.column) {
            let known: Vec<&str> = closed.iter().map(String::as_str).collect();
            for value in asked.iter().filter(|value| !closed.contains(value)) {
                self.problems
                    .push(no_value("SEL-108", &tested.column, value, &known).span(comparison.name.span));
            }
            return;
        }
        let values = self.scope.map(|scope| scope.snapshot.values_of(&tested.column));
        let Some(Ok(Some(values))) = values else { return };
        let seen: BTreeMap<&str, u64> =
            values.iter().map(|(value, count)| (value.as_str(), *count)).collect();
        let known: Vec<&str> = seen.keys().copied().collect();
        for value in asked.iter().filter(|value| !seen.contains_key(value.as_str())) {
            self.warnings.push(no_value("SEL-150", &tested.column, value, &known).span(comparison.name.span));
        }
    }

    fn behaviour(&mut self, behaviour: &Behaviour) -> Option<BoundLeaf> {
        let event = self.event(&behaviour.step);
        let properties = self.catalog.properties.clone();
        let rows =
            self.rows(&behaviour.step.filter, &behaviour.measure, &behaviour.window, &properties, "property");
        Some(BoundLeaf::Behaviour { event: event?, rows: rows? })
    }

    pub(super) fn event(&mut self, step: &Step) -> Option<Option<String>> {
        let Some(name) = &step.event else { return Some(None) };
        let catalog = self.catalog;
        let names = [name.text.as_str(), self.real(&name.text)];
        let found = names.into_iter().find(|n| catalog.events.contains_key(*n)).map(String::from);
        match found {
            Some(found) => Some(Some(found)),
            None if self.unseen != Unseen::Refused => Some(Some(self.not_seen(name, "event"))),
            None => {
                let known: Vec<&str> = catalog.events.keys().map(String::as_str).collect();
                self.unknown("SEL-102", "event", name, &known)
            }
        }
    }

    fn rows(
        &mut self,
        filter: &Option<Filter>,
        measure: &Option<Measure>,
        window: &Option<Window>,
        columns: &[Column],
        word: &str,
    ) -> Option<RowTest> {
        let filter = match filter {
            Some(filter) => self.filter(filter, columns, word).map(Some),
            None => Some(None),
        };
        let measured = match measure {
            Some(measure) => self.measure(measure, columns, word),
            None => Some((BoundMetric::Count, Compare::AT_LEAST_ONE)),
        };
        let window = self.window(window);
        let (metric, compare) = measured?;
        Some(RowTest { filter: filter?, metric, compare, window: window? })
    }

    pub(super) fn filter(&mut self, filter: &Filter, columns: &[Column], word: &str) -> Option<BoundFilter> {
        let mut several = |parts: &[Filter]| -> Option<Vec<BoundFilter>> {
            let bound: Vec<_> = parts.iter().map(|part| self.filter(part, columns, word)).collect();
            bound.into_iter().collect()
        };
        Some(match filter {
            Filter::All(parts) => BoundFilter::All(several(parts)?),
            Filter::Any(parts) => BoundFilter::Any(several(parts)?),
            Filter::Not(part) => BoundFilter::Not(Box::new(self.filter(part, columns, word)?)),
            Filter::Test(comparison) => self.row_test(comparison, columns, word)?,
        })
    }

    fn row_test(&mut self, comparison: &Comparison, columns: &[Column], word: &str) -> Option<BoundFilter> {
        let tested = self.tested(comparison, columns, word, "SEL-103")?;
        match &comparison.test {
            Test::Inside(Window::Within { count, unit, of }) => {
                self.row_within(tested.column, (*count, *unit), of, columns)
            }
            _ => Some(BoundFilter::Test(tested)),
        }
    }

    fn measure(
        &mut self,
        measure: &Measure,
        columns: &[Column],
        word: &str,
    ) -> Option<(BoundMetric, Compare)> {
        let (metric, type_of) = self.metric(&measure.metric, columns, word)?;
        match Check::new(&metric_text(&metric), type_of, &measure.test, &self.zone) {
            Ok(check) => match compare_of(&check) {
                Some(compare) => Some((metric, compare)),
                None => self.refuse(Problem::author(
                    "SEL-106",
                    format!("`{}` takes a comparison with one value or `between`", metric_text(&metric)),
                )),
            },
            Err(problems) => {
                self.problems.0.extend(problems);
                None
            }
        }
    }

    /// The metric and the type of what it gives.
    fn metric(&mut self, metric: &Metric, columns: &[Column], word: &str) -> Option<(BoundMetric, Type)> {
        let (make, name): (fn(String) -> BoundMetric, &Name) = match metric {
            Metric::Count => return Some((BoundMetric::Count, Type::Float)),
            Metric::Days => return Some((BoundMetric::Days, Type::Float)),
            Metric::Sum(name) => (BoundMetric::Sum, name),
            Metric::Avg(name) => (BoundMetric::Avg, name),
            Metric::Min(name) => (BoundMetric::Min, name),
            Metric::Max(name) => (BoundMetric::Max, name),
            Metric::Distinct(name) => (BoundMetric::Distinct, name),
        };
        let column = self.column(name, columns, word, "SEL-103")?;
        let is_time = matches!(column.type_of, Type::Date | Type::Instant);
        let fits = match metric {
            Metric::Distinct(_) => column.type_of != Type::List,
            Metric::Min(_) | Metric::Max(_) => column.type_of.is_number() || is_time,
            _ => column.type_of.is_number(),
        };
        if !fits {
            let what =
                format!("`{}` is {}; it cannot be measured so", column.name, described(column.type_of));
            let cure = "take a number, or ask `distinct(…)` or `count`";
            return self.refuse(Problem::author("SEL-113", what).cure(cure).span(name.span));
        }
        let is_distinct = matches!(metric, Metric::Distinct(_));
        let type_of = if is_time && !is_distinct { column.type_of } else { Type::Float };
        Some((make(column.name), type_of))
    }

    pub(super) fn window(&mut self, window: &Option<Window>) -> Option<Option<Window>> {
        let Some(window) = window else { return Some(None) };
        let Window::Within { count, unit, of } = window else { return Some(Some(window.clone())) };
        let of = Name::new(self.instant_attribute(of)?);
        Some(Some(Window::Within { count: *count, unit: *unit, of }))
    }

    /// The user's own instant, in `within 7 days of X`.
    pub(super) fn instant_attribute(&mut self, of: &Name) -> Option<String> {
        let catalog = self.catalog;
        self.instant_of(of, &catalog.attributes, "tag", "SEL-101")
    }

    /// A column that a window can begin at.
    pub(super) fn instant_of(
        &mut self,
        of: &Name,
        columns: &[Column],
        word: &str,
        code: &'static str,
    ) -> Option<String> {
        if let Some(name) = self.awaited(of, columns, word) {
            return Some(name);
        }
        let column = self.column(of, columns, word, code)?;
        // Of a batch whose column has another type, no row fits: it has no instant there.
        if matches!(column.type_of, Type::Date | Type::Instant) || self.unseen == Unseen::Silent {
            return Some(column.name);
        }
        let what = format!(
            "`{}` is {}; a window begins at a date or an instant",
            column.name,
            described(column.type_of)
        );
        self.refuse(
            Problem::author("SEL-106", what)
                .cure(format!("name a {word} that holds a date or an instant"))
                .span(of.span),
        )
    }

    fn detail(&mut self, detail: &Detail) -> Option<BoundLeaf> {
        let real = self.real(&detail.table.text).to_string();
        let catalog = self.catalog;
        let found =
            catalog.tables.get_key_value(&detail.table.text).or_else(|| catalog.tables.get_key_value(&real));
        let Some((table, facts)) = found else {
            let known: Vec<&str> = catalog.tables.keys().map(String::as_str).collect();
            return self.unknown("SEL-104", "detail table", &detail.table, &known);
        };
        let columns = named_columns(facts);
        let rows = self.rows(&detail.filter, &detail.measure, &detail.window, &columns, "column");
        let on = match &detail.on {
            Some(name) => self.time_column(name, &facts.columns).map(Some),
            None => Some(facts.time.clone()),
        };
        let (on, rows) = (on?, rows?);
        let needs_time = rows.window.is_some() || rows.metric == BoundMetric::Days;
        if needs_time && on.is_none() {
            let what =
                format!("`{table}` was loaded without a time column, so it has no windows and no days");
            let cure = format!(
                "name one: `on COLUMN` before the window, or load it again with `--time`; it has {}",
                names(&facts.columns)
            );
            return self.refuse(Problem::author("SEL-114", what).cure(cure).span(detail.table.span));
        }
        Some(BoundLeaf::Detail { table: table.clone(), on, rows })
    }

    fn time_column(&mut self, name: &Name, columns: &[Column]) -> Option<String> {
        let column = self.column(name, columns, "column", "SEL-103")?;
        if matches!(column.type_of, Type::Date | Type::Instant) {
            return Some(column.name);
        }
        let what = format!("`{}` is {}, not a date or an instant", column.name, described(column.type_of));
        self.refuse(Problem::author("SEL-114", what).cure("name a time column after `on`").span(name.span))
    }

    fn crowd(&mut self, name: &Name) -> Option<BoundLeaf> {
        let crowds = self.scope.map_or(&[][..], |scope| scope.crowds);
        if crowds.contains(&name.text) {
            return Some(BoundLeaf::Crowd(name.text.clone()));
        }
        let known: Vec<&str> = crowds.iter().map(String::as_str).collect();
        self.unknown("SEL-105", "crowd", name, &known)
    }
}

/// The columns of a table, its key among them.
fn named_columns(facts: &TableFacts) -> Vec<Column> {
    let key = Column { name: facts.key.clone(), type_of: Type::Text };
    let is_there = facts.columns.iter().any(|column| column.name == key.name);
    facts.columns.iter().cloned().chain((!is_there).then_some(key)).collect()
}

fn names(columns: &[Column]) -> String {
    let list: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    list.join(", ")
}

fn metric_text(metric: &BoundMetric) -> String {
    match metric {
        BoundMetric::Count => "count".into(),
        BoundMetric::Days => "days".into(),
        BoundMetric::Sum(p) => format!("sum({p})"),
        BoundMetric::Avg(p) => format!("avg({p})"),
        BoundMetric::Min(p) => format!("min({p})"),
        BoundMetric::Max(p) => format!("max({p})"),
        BoundMetric::Distinct(p) => format!("distinct({p})"),
    }
}

/// A check on a number as one range of floats; instants and days fit a float exactly.
fn compare_of(check: &Check) -> Option<Compare> {
    match check {
        Check::Real { ranges, negated } => match ranges.as_slice() {
            [(low, high)] => Some(Compare { low: *low, high: *high, negated: *negated }),
            _ => None,
        },
        Check::Whole { ranges, negated } => match ranges.as_slice() {
            [(low, high)] => Some(Compare { low: *low as f64, high: *high as f64, negated: *negated }),
            _ => None,
        },
        _ => None,
    }
}

fn no_value(code: &'static str, tag: &str, value: &str, known: &[&str]) -> Problem {
    let what = format!("tag `{tag}` has no value `{value}`{}", listed(known));
    Problem::author(code, what).cure(advice(value, known, "value"))
}

/// SEL-101 for a name that stands in no selection.
pub(super) fn unknown_tag(name: &str, columns: &[Column]) -> Problem {
    let known: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    let what = format!("there is no tag `{name}`{}", listed(&known));
    Problem::author("SEL-101", what).cure(advice(name, &known, "tag"))
}

/// How many known names a problem lists.
const LISTED_MAX: usize = 12;

fn listed(known: &[&str]) -> String {
    match known.len() {
        0 => "; none is known yet".into(),
        n if n <= LISTED_MAX => format!("; known are {}", known.join(", ")),
        n => format!("; known are {} and {} more", known[..LISTED_MAX].join(", "), n - LISTED_MAX),
    }
}

/// The likeliest name meant.
fn advice(name: &str, known: &[&str], word: &str) -> String {
    let near = known.iter().map(|k| (strsim::jaro_winkler(name, k), k)).filter(|(score, _)| *score > 0.75);
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((_, nearest)) => format!("write `{nearest}`, if that is meant"),
        None => format!("check the spelling, or ingest data that has this {word}"),
    }
}
