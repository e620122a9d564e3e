//! Behaviours and detail rows: which rows count, what they measure, and which nearly counted.

use super::filter::{Sieve, add};
use super::history;
use super::measure::Gauge;
use super::person::Person;
use super::{Facts, FailedRow, Near, Row, RowFacts, Span};
use crate::base::Problem;
use crate::base::{Outcome, Timestamp, Type, Zone};
use crate::select::ast::{Behaviour, Detail};

/// Truth and rows of `did EVENT …`.
pub fn behaviour(asked: &Behaviour, person: &Person) -> Outcome<(bool, Facts)> {
    let event = asked.step.event.as_ref().map(|name| person.event(name)).transpose()?;
    let properties = &person.catalog().properties;
    let sieve = Sieve::new(asked.step.filter.as_ref(), properties, person)?;
    let gauge = Gauge::new(asked.measure.as_ref(), properties, person)?;
    let span = person.span(asked.window.as_ref())?;
    let rows = history::events(person, event, &columns(&sieve, &gauge))?;
    Ok(judged(&rows, &sieve, &gauge, span, person))
}

/// Truth and rows of `has TABLE …`.
pub fn detail(asked: &Detail, person: &Person) -> Outcome<(bool, Facts)> {
    let (table, facts) = person.table(&asked.table)?;
    let named = history::columns_of(facts);
    let sieve = Sieve::new(asked.filter.as_ref(), &named, person)?;
    let gauge = Gauge::new(asked.measure.as_ref(), &named, person)?;
    let on = match &asked.on {
        Some(name) => {
            let column = person.column(name, &facts.columns, "SEL-103", "column")?;
            if !matches!(column.type_of, Type::Date | Type::Instant) {
                return Err(Problem::author("SEL-114", format!("`{name}` is no time")).span(name.span));
            }
            Some(column.name.as_str())
        }
        None => facts.time.as_deref(),
    };
    let span = person.span(asked.window.as_ref())?;
    let rows = history::details(person, table, facts, on, &columns(&sieve, &gauge))?;
    Ok(judged(&rows, &sieve, &gauge, span, person))
}

/// The rows that did not count: outside the window, or stopped by the filter.
pub fn near(rows: &[Row], sieve: &Sieve, span: &Span, as_of: Timestamp, zone: &Zone) -> Near {
    let mut near = Near { rows: rows.len() as u64, ..Near::default() };
    for row in rows {
        match (sieve.passes(row, zone), span.holds(row.at)) {
            (true, true) => {}
            (true, false) => {
                near.outside += 1;
                near.later += row.at.is_some_and(|at| at > as_of) as u64;
                near.outside_latest = Some(row.clone());
            }
            (false, true) => {
                near.failed += 1;
                near.failed_latest = Some(FailedRow { row: row.clone(), tests: vec![] });
            }
            (false, false) => {}
        }
    }
    if let Some(failed) = &mut near.failed_latest {
        failed.tests = sieve.failures(&failed.row, zone);
    }
    near
}

fn columns(sieve: &Sieve, gauge: &Gauge) -> Vec<String> {
    let mut columns = sieve.columns();
    gauge.column.iter().for_each(|column| add(&mut columns, column));
    columns
}

/// `rows` ascending by time.
fn judged(rows: &[Row], sieve: &Sieve, gauge: &Gauge, span: Span, person: &Person) -> (bool, Facts) {
    let zone = &person.zone;
    let near = near(rows, sieve, &span, person.asked.as_of, zone);
    let passes = |row: &&Row| sieve.passes(row, zone) && span.holds(row.at);
    let mut passed: Vec<&Row> = rows.iter().rev().filter(passes).collect();
    let counted: Vec<&Row> = passed.iter().copied().filter(|row| gauge.counts(row)).collect();
    let value = gauge.measured(&counted, zone);
    let holds = gauge.fits(value.as_ref(), zone);
    gauge.sort(&mut passed);
    let facts = RowFacts {
        span,
        metric: gauge.metric_text.clone(),
        value,
        wanted: gauge.wanted.clone(),
        passed: passed.len() as u64,
        unmeasured: (passed.len() - counted.len()) as u64,
        rows: passed.into_iter().take(person.asked.rows_max).cloned().collect(),
        near,
    };
    (holds, Facts::Rows(facts))
}
