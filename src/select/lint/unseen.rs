//! A condition over rows found nobody: does its filter ask for a value that no row has?

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use super::scene::{Scene, warning};
use crate::base::{Outcome, Problem};
use crate::select::ast::{Filter, Leaf, Op, Selection, Step, Test, Written};
use crate::select::run::Counted;

/// Rows looked at for one event or table, at most: a warning is not worth more time.
const ROWS_MAX: u64 = 5_000_000;
/// Values listed.
const LISTED_MAX: usize = 12;

/// SEL-158, for leaves that count 0.
pub fn look(selection: &Selection, tree: &Counted, scene: &Scene, found: &mut Vec<Problem>) -> Outcome<()> {
    match selection {
        Selection::All(parts) | Selection::Any(parts) => {
            parts.iter().zip(&tree.children).try_for_each(|(part, tree)| look(part, tree, scene, found))
        }
        Selection::Not(part) => match tree.children.first() {
            Some(tree) => look(part, tree, scene, found),
            None => Ok(()),
        },
        Selection::Leaf(leaf) if tree.count == 0 => leaf_look(leaf, selection, scene, found),
        Selection::Leaf(_) => Ok(()),
    }
}

fn leaf_look(leaf: &Leaf, part: &Selection, scene: &Scene, found: &mut Vec<Problem>) -> Outcome<()> {
    for (filter, rows) in filters(leaf) {
        for (column, values) in asked(filter) {
            let Some(seen) = seen(rows, column, scene)? else { continue };
            for value in values.into_iter().filter(|value| !seen.contains(*value)) {
                let what = format!("no row of `{}` has `{column}` = `{value}`{}", rows.name(), listed(&seen));
                found.push(warning("SEL-158", part, what, "check the spelling against the values listed"));
            }
        }
    }
    Ok(())
}

/// Where rows are looked for.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Event(&'a str),
    Table(&'a str),
}

impl Kind<'_> {
    fn name(&self) -> &str {
        match self {
            Kind::Event(name) | Kind::Table(name) => name,
        }
    }
}

/// The filters of a leaf with the rows that they are asked of; `any` event is passed over.
fn filters(leaf: &Leaf) -> Vec<(&Filter, Kind<'_>)> {
    match leaf {
        Leaf::Behaviour(asked) => step(&asked.step).into_iter().collect(),
        Leaf::Edge(asked) => step(&asked.step).into_iter().collect(),
        Leaf::Sequence(asked) => asked.steps.iter().filter_map(step).collect(),
        Leaf::Detail(asked) => {
            asked.filter.iter().map(|filter| (filter, Kind::Table(asked.table.text.as_str()))).collect()
        }
        _ => vec![],
    }
}

fn step(step: &Step) -> Option<(&Filter, Kind<'_>)> {
    Some((step.filter.as_ref()?, Kind::Event(&step.event.as_ref()?.text)))
}

/// The texts that a filter must meet: those of `=` and `in` that no `not` or `or` stands around.
fn asked(filter: &Filter) -> Vec<(&str, Vec<&str>)> {
    match filter {
        Filter::All(parts) => parts.iter().flat_map(asked).collect(),
        Filter::Test(comparison) => {
            let literals = match &comparison.test {
                Test::Compare(Op::Equal, literal) => std::slice::from_ref(literal),
                Test::In(literals) => literals.as_slice(),
                _ => &[],
            };
            let texts = literals.iter().filter_map(|literal| match &literal.value {
                Written::Text(text) => Some(text.as_str()),
                _ => None,
            });
            vec![(comparison.name.text.as_str(), texts.collect())]
        }
        Filter::Any(_) | Filter::Not(_) => vec![],
    }
}

/// The texts of a column over all rows; nothing where it is no text or there are too many rows.
fn seen(rows: Kind, column: &str, scene: &Scene) -> Outcome<Option<BTreeSet<String>>> {
    let catalog = scene.catalog();
    let column = catalog.resolve(column);
    let mut texts = BTreeSet::new();
    match rows {
        Kind::Event(event) => {
            let event = catalog.resolve(event);
            if catalog.events.get(event).is_none_or(|facts| facts.rows > ROWS_MAX) {
                return Ok(None);
            }
            for day in scene.snapshot.days() {
                let rows = scene.snapshot.rows(*day, event, &[column])?;
                let columns = rows.map_or(vec![], |rows| rows.columns);
                if !columns.iter().flatten().all(|column| add(column, &mut texts)) {
                    return Ok(None);
                }
            }
        }
        Kind::Table(table) => {
            let table = catalog.resolve(table);
            if catalog.tables.get(table).is_none_or(|facts| facts.rows > ROWS_MAX) {
                return Ok(None);
            }
            for chunk in 0..scene.snapshot.chunk_count() {
                let rows = scene.snapshot.detail(table, chunk, &[column])?;
                let columns = rows.map_or(vec![], |rows| rows.columns);
                if !columns.iter().flatten().all(|column| add(column, &mut texts)) {
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some(texts))
}

/// Adds the texts of a column; false where it holds none.
fn add(column: &ArrayRef, texts: &mut BTreeSet<String>) -> bool {
    let is_text = match column.data_type() {
        DataType::Utf8 => true,
        DataType::Dictionary(_, values) => **values == DataType::Utf8,
        _ => false,
    };
    let Ok(plain) = cast(column, &DataType::Utf8) else { return false };
    let Some(words) = plain.as_string_opt::<i32>().filter(|_| is_text) else { return false };
    for word in words.iter().flatten() {
        if !texts.contains(word) {
            texts.insert(word.to_string());
        }
    }
    true
}

fn listed(seen: &BTreeSet<String>) -> String {
    let some: Vec<&str> = seen.iter().take(LISTED_MAX).map(String::as_str).collect();
    match seen.len() {
        0 => "; none has a value there".into(),
        n if n > LISTED_MAX => format!("; seen are {} and {} more", some.join(", "), n - LISTED_MAX),
        _ => format!("; seen are {}", some.join(", ")),
    }
}
