//! Binds the forms that order rows or users: first and last, sequences, top, and the windows of a
//! row's own (`where paid_at within 7 days of X`).

use super::ast::{Edge, Sequence, Step};
use super::bind::Binder;
use super::bound::{Begin, BoundFilter, BoundLeaf, BoundSequence, BoundStep, RowWithin};
use super::check::described;
use super::unseen::Unseen;
use crate::base::{Name, Problem, Timestamp, Type, Unit};
use crate::store::Column;

impl Binder<'_> {
    /// `first E W`, `last E W`
    pub(super) fn edge(&mut self, edge: &Edge) -> Option<BoundLeaf> {
        let step = self.step(&edge.step);
        let window = self.window(&Some(edge.window.clone())).flatten();
        Some(BoundLeaf::Edge { is_first: edge.is_first, step: step?, window: window? })
    }

    /// `did A then [not] B …`; every mistake in it is told, not only the first.
    pub(super) fn sequence(&mut self, asked: &Sequence) -> Option<BoundLeaf> {
        let steps: Vec<_> = asked.steps.iter().map(|step| self.step(step)).collect();
        let same: Vec<_> = asked.same.iter().map(|name| self.same(name)).collect();
        let without = asked.without.as_ref().map(|step| self.step(step));
        let window = self.window(&asked.window);
        let mut steps: Vec<BoundStep> = steps.into_iter().collect::<Option<_>>()?;
        Some(BoundLeaf::Sequence(BoundSequence {
            absent: if asked.is_last_absent { steps.pop() } else { None },
            steps,
            gap: asked.gap,
            same: same.into_iter().collect::<Option<_>>()?,
            without: without.map_or(Some(None), |step| step.map(Some))?,
            window: window?,
        }))
    }

    /// `top 10000 by balance`: what can be put in an order that everybody means.
    pub(super) fn top(&mut self, count: u64, by: &Name) -> Option<BoundLeaf> {
        let catalog = self.catalog;
        let column = self.column(by, &catalog.attributes, "tag", "SEL-101")?;
        if column.type_of.is_number() || matches!(column.type_of, Type::Date | Type::Instant) {
            return Some(BoundLeaf::Top { count, by: column.name });
        }
        let what = format!("`{}` is {}; users are not ranked by it", column.name, described(column.type_of));
        let cure = "rank by a number, a date or an instant";
        self.refuse(Problem::author("SEL-113", what).cure(cure).span(by.span))
    }

    /// `where paid_at within 7 days of X`: X is a tag of the user, as in every window; only where no
    /// tag has that name is it another column of the row.
    pub(super) fn row_within(
        &mut self,
        column: String,
        (count, unit): (u32, Unit),
        of: &Name,
        columns: &[Column],
    ) -> Option<BoundFilter> {
        let catalog = self.catalog;
        let is_of_row = self.has(columns, of) || self.unseen != Unseen::Refused;
        let begin = if !self.has(&catalog.attributes, of) && is_of_row {
            Begin::Column(self.instant_of(of, columns, "column", "SEL-103")?)
        } else {
            Begin::Tag(self.instant_attribute(of)?)
        };
        Some(BoundFilter::Within(RowWithin { column, begin, count, unit, until: Timestamp(i64::MAX) }))
    }

    pub(super) fn step(&mut self, step: &Step) -> Option<BoundStep> {
        let event = self.event(step);
        let catalog = self.catalog;
        let filter = step.filter.as_ref().map(|f| self.filter(f, &catalog.properties, "property"));
        Some(BoundStep { event: event?, filter: filter.map_or(Some(None), |filter| filter.map(Some))? })
    }

    /// A property that all steps share. A list has several values: two can be alike in one only.
    pub(super) fn same(&mut self, name: &Name) -> Option<String> {
        let catalog = self.catalog;
        let column = self.column(name, &catalog.properties, "property", "SEL-103")?;
        if column.type_of != Type::List {
            return Some(column.name);
        }
        let what = format!("`{}` is a list of values; steps cannot be the same in it", column.name);
        let cure = "name a property with one value, or test the list in each step's `where`";
        self.refuse(Problem::author("SEL-113", what).cure(cure).span(name.span))
    }
}
