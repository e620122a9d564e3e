//! A filter on one row: does it pass, and if not, which tests failed?

use super::check::Settled;
use super::person::{Person, Tested};
use super::{FailedTest, Row};
use crate::base::{Outcome, Zone};
use crate::select::ast::Filter;
use crate::store::Column;

/// A filter whose names are known and whose windows are resolved for one user.
pub enum Sieve {
    All(Vec<Sieve>),
    Any(Vec<Sieve>),
    Not(Box<Sieve>, String),
    Test(Tested),
}

impl Sieve {
    /// `filter` over rows that have `columns`; no filter lets everything pass.
    pub fn new(filter: Option<&Filter>, columns: &[Column], person: &Person) -> Outcome<Sieve> {
        match filter {
            Some(filter) => sieve(filter, columns, person),
            None => Ok(Sieve::All(vec![])),
        }
    }

    /// Does the row pass?
    pub fn passes(&self, row: &Row, zone: &Zone) -> bool {
        match self {
            Sieve::All(parts) => parts.iter().all(|part| part.passes(row, zone)),
            Sieve::Any(parts) => parts.iter().any(|part| part.passes(row, zone)),
            Sieve::Not(part, _) => !part.passes(row, zone),
            Sieve::Test(Tested { column, settled: settled @ Settled::WithinRow { .. }, .. }) => {
                settled.in_row(|other| row.value(other), zone).fits(row.value(column), zone)
            }
            Sieve::Test(tested) => tested.settled.fits(row.value(&tested.column), zone),
        }
    }

    /// The tests that keep the row out, with its values; nothing if it passes.
    pub fn failures(&self, row: &Row, zone: &Zone) -> Vec<FailedTest> {
        if self.passes(row, zone) {
            return vec![];
        }
        match self {
            Sieve::All(parts) | Sieve::Any(parts) => {
                parts.iter().flat_map(|part| part.failures(row, zone)).collect()
            }
            Sieve::Not(part, text) => {
                let value = match &**part {
                    Sieve::Test(tested) => row.value(&tested.column).cloned(),
                    _ => None,
                };
                vec![FailedTest { test: text.clone(), value }]
            }
            Sieve::Test(tested) => {
                let value = row.value(&tested.column).cloned();
                vec![FailedTest { test: tested.text.clone(), value }]
            }
        }
    }

    /// The columns that it looks at, each once, in the order of the text.
    pub fn columns(&self) -> Vec<String> {
        let mut columns = vec![];
        self.add_columns(&mut columns);
        columns
    }

    fn add_columns(&self, columns: &mut Vec<String>) {
        match self {
            Sieve::All(parts) | Sieve::Any(parts) => parts.iter().for_each(|part| part.add_columns(columns)),
            Sieve::Not(part, _) => part.add_columns(columns),
            Sieve::Test(tested) => {
                add(columns, &tested.column);
                if let Settled::WithinRow { of, .. } = &tested.settled {
                    add(columns, of);
                }
            }
        }
    }
}

impl Row {
    /// The value of a column that the condition names.
    pub fn value(&self, column: &str) -> Option<&crate::base::Value> {
        self.values.iter().find(|(name, _)| name == column).and_then(|(_, value)| value.as_ref())
    }
}

/// Adds a name that is not there yet.
pub fn add(columns: &mut Vec<String>, column: &str) {
    if !columns.iter().any(|one| one == column) {
        columns.push(column.to_string());
    }
}

fn sieve(filter: &Filter, columns: &[Column], person: &Person) -> Outcome<Sieve> {
    let several = |parts: &[Filter]| -> Outcome<Vec<Sieve>> {
        parts.iter().map(|part| sieve(part, columns, person)).collect()
    };
    Ok(match filter {
        Filter::All(parts) => Sieve::All(several(parts)?),
        Filter::Any(parts) => Sieve::Any(several(parts)?),
        Filter::Not(part) => Sieve::Not(Box::new(sieve(part, columns, person)?), filter.to_string()),
        Filter::Test(comparison) => {
            Sieve::Test(person.tested(comparison, columns, "SEL-103", "property or column")?)
        }
    })
}
