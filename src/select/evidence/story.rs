//! The rows of one user that a sequence is looked for in: per step those that pass, in order.

use super::filter::{Sieve, add};
use super::person::Person;
use super::rows::near;
use super::{Near, Row, Span, history};
use crate::base::{Name, Outcome, Timestamp, Unit, Zone, ahead};
use crate::select::ast::{Sequence, Step};
use crate::select::text::duration;

/// A sequence with its rows laid ready.
pub struct Story {
    /// Rows up to as-of that passed the filter of their step, ascending; the steps that must happen
    /// have only rows inside the window.
    pub steps: Vec<Vec<Placed>>,
    /// Rows that must not lie between.
    pub without: Vec<Placed>,
    /// Properties whose values are known and equal over all steps.
    pub same: Vec<String>,
    pub span: Span,
    /// The steps as they were asked.
    pub texts: Vec<String>,
    pub gap_text: String,
    nears: Vec<Near>,
    gap: (u32, Unit),
    zone: Zone,
}

/// A row and its place among all rows of its event: orders rows of the same instant.
#[derive(Debug, Clone)]
pub struct Placed {
    pub row: Row,
    /// A row without an instant is none of a sequence.
    pub at: Timestamp,
    place: usize,
}

impl Placed {
    /// Does `self` follow `other` or share its instant? Two rows of one event have an order even
    /// then, and no row follows itself.
    pub fn follows(&self, other: &Placed) -> bool {
        match self.row.name == other.row.name {
            true => (self.at, self.place) > (other.at, other.place),
            false => self.at >= other.at,
        }
    }
}

impl Story {
    /// Errors: a name that is not known, a file that cannot be read.
    pub fn new(asked: &Sequence, person: &Person) -> Outcome<Story> {
        let same = asked.same.iter().map(|name| property(name, person)).collect::<Outcome<Vec<_>>>()?;
        let span = person.span(asked.window.as_ref())?;
        let known = Span::Until(person.asked.as_of);
        let last = asked.steps.len().saturating_sub(1);
        let mut steps = vec![];
        let mut nears = vec![];
        for (at, step) in asked.steps.iter().enumerate() {
            let span = if asked.is_last_absent && at == last { &known } else { &span };
            let (rows, near) = rows_of(step, &same, span, person)?;
            steps.push(rows);
            nears.push(near);
        }
        let without = match &asked.without {
            Some(step) => rows_of(step, &[], &known, person)?.0,
            None => vec![],
        };
        let texts = asked.steps.iter().map(Step::to_string).collect();
        let gap_text = duration(asked.gap.0, asked.gap.1);
        let (gap, zone) = (asked.gap, person.zone);
        Ok(Story { steps, without, same, span, texts, gap_text, nears, gap, zone })
    }

    /// The last instant, itself included, at which what began at `from` may end.
    pub fn deadline(&self, from: Timestamp) -> Timestamp {
        ahead(from, self.gap.0, self.gap.1, &self.zone)
    }

    /// The rows of a step that did not count.
    pub fn near(&self, step: usize) -> Option<Near> {
        self.nears.get(step).cloned()
    }

    /// The first property of `same` that the row has no value of.
    pub fn unknown(&self, row: &Row) -> Option<&String> {
        self.same.iter().find(|name| row.value(name).is_none())
    }

    /// Are the values of `same` known and equal?
    pub fn is_same(&self, a: &Row, b: &Row) -> bool {
        self.same.iter().all(|name| a.value(name).is_some() && a.value(name) == b.value(name))
    }

    /// From `start`, the earliest row for each further step, each strictly later than the one before;
    /// ends where a step has none.
    pub fn chain<'s>(&'s self, start: &'s Placed) -> Vec<&'s Placed> {
        let mut chain = vec![start];
        for rows in self.steps.iter().skip(1) {
            let before = chain.last().map_or(start.at, |row| row.at);
            let mut later = rows.iter().skip(rows.partition_point(|row| row.at <= before));
            match later.find(|row| self.is_same(&start.row, &row.row)) {
                Some(row) => chain.push(row),
                None => break,
            }
        }
        chain
    }

    /// The chain of all steps but the absent one that ends with `last` and begins latest; nothing if
    /// there is none, or it takes longer than the gap.
    pub fn chain_to<'s>(&'s self, last: &'s Placed) -> Option<Vec<&'s Placed>> {
        let mut chain = vec![last];
        for rows in self.steps.iter().rev().skip(2) {
            let after = chain.last().map_or(last.at, |row| row.at);
            let mut before = rows.iter().take(rows.partition_point(|row| row.at < after)).rev();
            chain.push(before.find(|row| self.is_same(&last.row, &row.row))?);
        }
        chain.reverse();
        let first = chain.first().map_or(last.at, |row| row.at);
        (last.at <= self.deadline(first)).then_some(chain)
    }

    /// A row that must not lie strictly between two instants and does.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> Option<&Row> {
        self.without.iter().find(|row| from < row.at && row.at < to).map(|placed| &placed.row)
    }
}

fn property(name: &Name, person: &Person) -> Outcome<String> {
    let column = person.column(name, &person.catalog().properties, "SEL-103", "property")?;
    Ok(column.name.clone())
}

/// Rows of a step inside `span`, and those that did not count.
fn rows_of(step: &Step, same: &[String], span: &Span, person: &Person) -> Outcome<(Vec<Placed>, Near)> {
    let event = step.event.as_ref().map(|name| person.event(name)).transpose()?;
    let sieve = Sieve::new(step.filter.as_ref(), &person.catalog().properties, person)?;
    let mut columns = sieve.columns();
    same.iter().for_each(|name| add(&mut columns, name));
    let rows = history::events(person, event, &columns)?;
    let near = near(&rows, &sieve, span, person.asked.as_of, &person.zone);
    let passes = |row: &Row| sieve.passes(row, &person.zone) && span.holds(row.at);
    Ok((placed(rows).into_iter().filter(|placed| passes(&placed.row)).collect(), near))
}

fn placed(rows: Vec<Row>) -> Vec<Placed> {
    let mut counts: std::collections::BTreeMap<String, usize> = Default::default();
    let mut one = |row: Row| {
        let count = counts.entry(row.name.clone()).or_default();
        *count += 1;
        let (at, place) = (row.at?, *count);
        Some(Placed { row, at, place })
    };
    rows.into_iter().filter_map(&mut one).collect()
}
