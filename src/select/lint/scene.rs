//! What a check may look at, and the small questions that several of them ask.

use crate::base::{Interval, Name, Problem, Span, Timestamp, Window, Zone};
use crate::select::ast::{Behaviour, Comparison, Detail, Leaf, Selection};
use crate::select::check::Check;
use crate::store::{Catalog, Column, Snapshot};

/// The data and the instant that a selection is asked of.
pub struct Scene<'a> {
    pub snapshot: &'a Snapshot,
    pub as_of: Timestamp,
    pub zone: Zone,
}

impl<'a> Scene<'a> {
    /// Names and types.
    pub fn catalog(&self) -> &'a Catalog {
        self.snapshot.catalog()
    }

    /// The column meant by a name or an alias; nothing if there is none.
    pub fn column<'c>(&self, name: &Name, columns: &'c [Column]) -> Option<&'c Column> {
        let real = self.catalog().resolve(&name.text);
        columns.iter().find(|column| column.name == name.text || column.name == real)
    }

    /// The columns of a detail table, its key aside.
    pub fn columns_of(&self, table: &Name) -> &'a [Column] {
        let names = [table.text.as_str(), self.catalog().resolve(&table.text)];
        let found = names.iter().find_map(|name| self.catalog().tables.get(*name));
        found.map_or(&[], |facts| facts.columns.as_slice())
    }

    /// The check of a comparison at this instant, with its column; nothing where it does not fit.
    pub fn check(&self, comparison: &Comparison, columns: &[Column]) -> Option<(String, Check)> {
        let column = self.column(&comparison.name, columns)?;
        let check = Check::new(&column.name, column.type_of, &comparison.test, &self.zone).ok()?;
        Some((column.name.clone(), check.at(column.type_of, self.as_of, &self.zone)))
    }

    /// The instants of a window, where they are the same for everybody.
    pub fn interval(&self, window: Option<&Window>) -> Option<Interval> {
        window?.interval(self.as_of, &self.zone)
    }
}

/// The place of a selection in the text: that of its first name.
pub fn place(selection: &Selection) -> Option<Span> {
    match selection {
        Selection::All(parts) | Selection::Any(parts) => parts.iter().find_map(place),
        Selection::Not(part) => place(part),
        Selection::Leaf(leaf) => name_of(leaf).map(|name| name.span).filter(|span| span.to > span.from),
    }
}

/// The name that a leaf begins with.
pub fn name_of(leaf: &Leaf) -> Option<&Name> {
    match leaf {
        Leaf::Tag(comparison) => Some(&comparison.name),
        Leaf::Behaviour(Behaviour { step, .. }) => step.event.as_ref(),
        Leaf::Edge(edge) => edge.step.event.as_ref(),
        Leaf::Sequence(sequence) => sequence.steps.iter().find_map(|step| step.event.as_ref()),
        Leaf::Detail(Detail { table, .. }) => Some(table),
        Leaf::Crowd(name) => Some(name),
        Leaf::Top { by, .. } => Some(by),
        Leaf::Sample { .. } => None,
    }
}

/// A warning at the place of a selection.
pub fn warning(code: &'static str, selection: &Selection, what: String, cure: &str) -> Problem {
    let problem = Problem::author(code, what).cure(cure);
    match place(selection) {
        Some(span) => problem.span(span),
        None => problem.at(selection.to_string()),
    }
}

/// The parts of a join, those of joins of the same kind inside it among them.
pub fn flat(selection: &Selection) -> Vec<&Selection> {
    match selection {
        Selection::All(parts) => parts.iter().flat_map(|part| unfolded(part, true)).collect(),
        Selection::Any(parts) => parts.iter().flat_map(|part| unfolded(part, false)).collect(),
        one => vec![one],
    }
}

fn unfolded(part: &Selection, in_all: bool) -> Vec<&Selection> {
    match part {
        Selection::All(_) if in_all => flat(part),
        Selection::Any(_) if !in_all => flat(part),
        part => vec![part],
    }
}

/// Calls `look` on the selection and all its parts, but for joins that [`flat`] takes with another.
pub fn visit<'s>(selection: &'s Selection, look: &mut impl FnMut(&'s Selection)) {
    look(selection);
    match selection {
        Selection::All(_) | Selection::Any(_) => {
            flat(selection).into_iter().for_each(|part| visit(part, look));
        }
        Selection::Not(part) => visit(part, look),
        Selection::Leaf(_) => {}
    }
}
