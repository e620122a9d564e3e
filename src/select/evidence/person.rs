//! One user: the attributes, the windows of the user's own, and the names that a selection speaks of.

use std::sync::Arc;

use super::check::Settled;
use super::{Asked, Span, value};
use crate::base::{CHUNK_USERS, Interval, Name, Outcome, Problem, UserNo, Value, Window, Zone, ahead};
use crate::select::ast::Comparison;
use crate::select::check::Check;
use crate::store::{Attributes, Catalog, Column, TableFacts};

/// The user asked about.
pub struct Person<'a> {
    pub asked: &'a Asked<'a>,
    pub user: UserNo,
    pub zone: Zone,
    attributes: Option<Arc<Attributes>>,
}

/// A comparison whose column is known and whose windows are resolved.
pub struct Tested {
    pub text: String,
    pub column: String,
    pub settled: Settled,
    pub span: Option<Span>,
}

impl<'a> Person<'a> {
    /// Errors: a chunk file that cannot be read.
    pub fn new(user: UserNo, asked: &'a Asked<'a>) -> Outcome<Person<'a>> {
        let attributes = asked.snapshot.attributes(user / CHUNK_USERS)?;
        Ok(Person { asked, user, zone: asked.snapshot.zone(), attributes })
    }

    /// The user's id outside.
    pub fn id(&self) -> &str {
        self.asked.snapshot.ids().text(self.user)
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Outcome<Option<Value>> {
        let Some(attributes) = &self.attributes else { return Ok(None) };
        let column = attributes.column(name)?;
        Ok(column.and_then(|column| value::value(column, (self.user % CHUNK_USERS) as usize)))
    }

    /// The attribute meant by a name or an alias.
    pub fn tag(&self, name: &Name) -> Outcome<&'a Column> {
        self.column(name, &self.catalog().attributes, "SEL-101", "tag")
    }

    /// The event meant by a name or an alias.
    pub fn event(&self, name: &Name) -> Outcome<&'a str> {
        let catalog = self.catalog();
        let names = [name.text.as_str(), catalog.resolve(&name.text)];
        let found = names.iter().find_map(|name| catalog.events.get_key_value(*name));
        found.map(|(event, _)| event.as_str()).ok_or_else(|| unknown("SEL-102", "event", name))
    }

    /// The detail table meant by a name or an alias.
    pub fn table(&self, name: &Name) -> Outcome<(&'a str, &'a TableFacts)> {
        let catalog = self.catalog();
        let names = [name.text.as_str(), catalog.resolve(&name.text)];
        let found = names.iter().find_map(|name| catalog.tables.get_key_value(*name));
        found
            .map(|(table, facts)| (table.as_str(), facts))
            .ok_or_else(|| unknown("SEL-104", "detail table", name))
    }

    /// The column meant by a name or an alias.
    pub fn column<'c>(
        &self,
        name: &Name,
        columns: &'c [Column],
        code: &'static str,
        word: &str,
    ) -> Outcome<&'c Column> {
        let real = self.catalog().resolve(&name.text);
        let found = columns.iter().find(|column| column.name == name.text || column.name == real);
        found.ok_or_else(|| unknown(code, word, name))
    }

    /// A comparison on one of `columns`, settled for this user.
    pub fn tested(
        &self,
        comparison: &Comparison,
        columns: &[Column],
        code: &'static str,
        word: &str,
    ) -> Outcome<Tested> {
        let column = self.column(&comparison.name, columns, code, word)?;
        let check = Check::new(&column.name, column.type_of, &comparison.test, &self.zone).map_err(first)?;
        let (settled, span) = match &check {
            Check::WithinOf { of, count, unit } if self.is_of_row(of, columns) => {
                let of = self.column(&Name::new(of.clone()), columns, code, word)?.name.clone();
                let until = self.asked.as_of;
                (Settled::WithinRow { of, count: *count, unit: *unit, until }, None)
            }
            Check::WithinOf { of, count, unit } => {
                let window = Window::Within { count: *count, unit: *unit, of: Name::new(of.clone()) };
                let span = self.span(Some(&window))?;
                (Settled::Within(interval(&span)), Some(span))
            }
            Check::Inside(window) => (self.at(&check, column), Some(self.span(Some(window))?)),
            _ => (self.at(&check, column), None),
        };
        Ok(Tested { text: comparison.to_string(), column: column.name.clone(), settled, span })
    }

    /// The window as this user sees it; no window is everything up to as-of.
    pub fn span(&self, window: Option<&Window>) -> Outcome<Span> {
        let as_of = self.asked.as_of;
        Ok(match window {
            None => Span::Until(as_of),
            Some(Window::Within { count, unit, of }) => {
                let of = self.tag(of)?.name.clone();
                let from = self.attribute(&of)?.and_then(|value| value::instant(&value, &self.zone));
                match from {
                    Some(from) => {
                        let to = ahead(from, *count, *unit, &self.zone).min(as_of.plus(1));
                        Span::Own { of, interval: Interval { from, to } }
                    }
                    None => Span::Missing { of },
                }
            }
            Some(window) => Span::Window(window.interval(as_of, &self.zone).unwrap_or(Interval::ALWAYS)),
        })
    }

    /// Names and types.
    pub fn catalog(&self) -> &'a Catalog {
        self.asked.snapshot.catalog()
    }

    /// X of `within … of X` is a tag, as in every window; only where no tag has that name is it
    /// another column of the row.
    fn is_of_row(&self, of: &str, columns: &[Column]) -> bool {
        let real = self.catalog().resolve(of);
        let has = |columns: &[Column]| columns.iter().any(|column| column.name == of || column.name == real);
        !has(&self.catalog().attributes) && has(columns)
    }

    fn at(&self, check: &Check, column: &Column) -> Settled {
        Settled::Check(check.at(column.type_of, self.asked.as_of, &self.zone))
    }
}

fn interval(span: &Span) -> Option<Interval> {
    match span {
        Span::Own { interval, .. } | Span::Window(interval) => Some(*interval),
        Span::Until(_) | Span::Missing { .. } => None,
    }
}

fn unknown(code: &'static str, word: &str, name: &Name) -> Problem {
    Problem::author(code, format!("there is no {word} `{}`", name.text)).span(name.span)
}

/// Binding tells all problems of a test; here one is enough to stop.
pub fn first(problems: Vec<Problem>) -> Problem {
    problems.into_iter().next().unwrap_or_else(|| Problem::bug("a refusal without a problem"))
}
