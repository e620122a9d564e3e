//! `first E W`, `last E W`: the first or last row of all history up to as-of, and is it in the window?

use super::filter::Sieve;
use super::person::Person;
use super::rows::near;
use super::{EdgeFacts, Facts, Row, Span, history};
use crate::base::Outcome;
use crate::select::ast::Edge;

/// Truth, and the row that decides.
pub fn facts(asked: &Edge, person: &Person) -> Outcome<(bool, Facts)> {
    let event = asked.step.event.as_ref().map(|name| person.event(name)).transpose()?;
    let sieve = Sieve::new(asked.step.filter.as_ref(), &person.catalog().properties, person)?;
    let span = person.span(Some(&asked.window))?;
    let rows = history::events(person, event, &sieve.columns())?;
    let known = Span::Until(person.asked.as_of);
    let passed: Vec<&Row> =
        rows.iter().filter(|row| sieve.passes(row, &person.zone) && known.holds(row.at)).collect();
    let row = if asked.is_first { passed.first() } else { passed.last() };
    let holds = row.is_some_and(|row| span.holds(row.at));
    let facts = EdgeFacts {
        is_first: asked.is_first,
        row: row.map(|row| (*row).clone()),
        passed: passed.len() as u64,
        near: near(&rows, &sieve, &known, person.asked.as_of, &person.zone),
        span,
    };
    Ok((holds, Facts::Edge(facts)))
}
