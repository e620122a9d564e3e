//! What becomes of an event or a property that the data has not shown yet? A selection refuses it;
//! a trigger waits for it.

use super::ast::{Filter, Literal, Test, Written};
use super::bind::Binder;
use super::bound::BoundStep;
use crate::base::{Name, Problem, Problems, Type};
use crate::store::Column;

use super::ast::Step;

/// How a binder takes events and properties that nobody has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unseen {
    /// A mistake: selections look at what is there.
    Refused,
    /// A warning (SEL-160): triggers look at what will come.
    Warned,
    /// Nothing to say: a batch of events lacks a column, or has it with another type.
    Silent,
}

impl Binder<'_> {
    /// The property's name, if it is not among `columns` and may be missing there.
    pub(super) fn awaited(&mut self, name: &Name, columns: &[Column], word: &str) -> Option<String> {
        let may_miss = self.unseen != Unseen::Refused && word != "tag";
        (may_miss && !self.has(columns, name)).then(|| self.not_seen(name, "property"))
    }

    /// The real name of what nobody has seen yet, with a warning where one is due.
    pub(super) fn not_seen(&mut self, name: &Name, word: &str) -> String {
        if self.unseen == Unseen::Warned {
            let what = format!("no {word} `{name}` was seen yet, so its spelling cannot be checked");
            let cure = "go on if it is still to come; otherwise check the spelling";
            self.warnings.push(Problem::author("SEL-160", what).cure(cure).span(name.span));
        }
        self.real(&name.text).to_string()
    }

    /// Is a column of this name, or of the one behind its alias, among them?
    pub(super) fn has(&self, columns: &[Column], name: &Name) -> bool {
        let real = self.real(&name.text);
        columns.iter().any(|column| column.name == name.text || column.name == real)
    }

    /// A property in which rows are to be alike, by itself.
    pub(super) fn same_alone(mut self, name: &Name) -> Result<(String, Vec<Problem>), Problems> {
        let properties = &self.catalog.properties;
        let found = match self.awaited(name, properties, "property") {
            Some(name) => Some(name),
            None => self.same(name),
        };
        self.done(found)
    }

    /// A step by itself: with its warnings, or all its mistakes.
    pub(super) fn step_alone(mut self, step: &Step) -> Result<(BoundStep, Vec<Problem>), Problems> {
        let found = self.step(step);
        self.done(found)
    }

    fn done<T>(self, found: Option<T>) -> Result<(T, Vec<Problem>), Problems> {
        match found {
            Some(found) => self.problems.or((found, self.warnings)),
            None => Err(self.problems),
        }
    }
}

/// The type that a property would have for a test to make sense.
pub(super) fn type_meant(test: &Test) -> Type {
    match test {
        Test::HasAny(_) | Test::HasAll(_) | Test::HasNone(_) => Type::List,
        Test::Inside(_) | Test::Anniversary { .. } => Type::Instant,
        Test::Compare(op, literal) => of_value(literal, op.is_order()),
        Test::Between(low, _) => of_value(low, true),
        Test::In(values) | Test::NotIn(values) => values.first().map_or(Type::Text, |v| of_value(v, false)),
        _ => Type::Text,
    }
}

/// Texts have no order here, so a text in one is an instant in quotes.
fn of_value(literal: &Literal, is_ordered: bool) -> Type {
    match &literal.value {
        Written::Text(_) if is_ordered => Type::Instant,
        Written::Text(_) => Type::Text,
        Written::Integer(_) | Written::Float(_) => Type::Float,
        Written::Bool(_) => Type::Bool,
        Written::Moment(_) => Type::Instant,
    }
}

/// Does every row that passes `inner` surely pass `outer`? False where that cannot be told.
pub(super) fn implies(inner: &Filter, outer: &Filter) -> bool {
    if inner == outer {
        return true;
    }
    match (inner, outer) {
        (_, Filter::All(parts)) => parts.iter().all(|part| implies(inner, part)),
        (Filter::Any(parts), _) => parts.iter().all(|part| implies(part, outer)),
        (_, Filter::Any(parts)) if parts.iter().any(|part| implies(inner, part)) => true,
        (Filter::All(parts), _) => parts.iter().any(|part| implies(part, outer)),
        _ => false,
    }
}
