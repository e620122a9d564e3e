//! What did DataFusion not like? Its errors as problems: short, placed in the text, with near names.

use std::error::Error;

use arrow::error::ArrowError;
use datafusion::catalog::CatalogProvider;
use datafusion::common::{DataFusionError, SchemaError, Span};
use datafusion::execution::context::SessionContext;

use super::answer::{OPERATORS_MAX, TEXT_BYTES_MAX};
use crate::base::{Kind, Problem, Problems};

/// Near names that are told.
const NEAR_MAX: usize = 5;
/// Characters of DataFusion's words, and of the text at a place, that are told.
const WORDS_MAX: usize = 300;
const EXCERPT_MAX: usize = 60;
/// Where a text that came without a file is said to stand.
const SQL: &str = "sql";

/// The problems of an error that came from this text. Problems of our own that went through DataFusion
/// come out as they were.
pub fn problems(error: DataFusionError, text: &str) -> Problems {
    if let Some(ours) = ours(&error) {
        return ours.clone();
    }
    if let DataFusionError::Collection(all) = error {
        return Problems(all.into_iter().flat_map(|error| problems(error, text).0).collect());
    }
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    problem(error.find_root(), span, text).into()
}

/// As [`problems`], and a table that is not there is told with the names of those that are.
pub fn planning(error: DataFusionError, text: &str, context: &SessionContext) -> Problems {
    let missing = match error.find_root() {
        DataFusionError::Plan(words) => missing_table(words).map(String::from),
        _ => None,
    };
    match missing {
        None => problems(error, text),
        Some(name) => {
            let place = text.find(&name).map_or_else(|| SQL.to_string(), |byte| at_byte(text, byte));
            unknown("table", &name, &tables_of(context)).at(place).into()
        }
    }
}

/// A statement that would change something.
pub fn changing(text: &str) -> Problem {
    Problem::author("SQL-004", "this is no question: it would change something")
        .at(at_byte(text, text.len() - text.trim_start().len()))
        .cure("write `select …`, `with … select …`, `show tables`, `describe TABLE` or `explain …`; write results to a file with --out")
}

/// A text that nobody wrote.
pub fn too_long(bytes: usize) -> Problem {
    let what = format!("the text has {bytes} bytes; more than {TEXT_BYTES_MAX} are not read");
    Problem::author("SQL-001", what)
        .at(SQL)
        .cure("load long lists with `quanke crowd import`, and join `crowds`")
}

/// More operators than [`OPERATORS_MAX`].
pub fn too_deep(operators: usize) -> Problem {
    let what = format!("the text joins {operators} parts; more than {OPERATORS_MAX} are not read");
    Problem::author("SQL-001", what)
        .at(SQL)
        .cure("write a list with `in (…)`, or load it with `quanke crowd import` and join `crowds`")
}

fn ours(error: &DataFusionError) -> Option<&Problems> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(problems) = error.downcast_ref::<Problems>() {
            return Some(problems);
        }
        next = error.source();
    }
    None
}

fn problem(error: &DataFusionError, span: Option<Span>, text: &str) -> Problem {
    let place = || span.map_or_else(|| SQL.to_string(), |span| at(text, span.start.line, span.start.column));
    match error {
        DataFusionError::SQL(error, _) => unreadable(&error.to_string(), text),
        DataFusionError::SchemaError(error, _) => match &**error {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let known: Vec<String> = valid_fields.iter().map(|column| column.name.clone()).collect();
                unknown("column", field.name(), &known).at(place())
            }
            other => unplanned(&other.to_string()).at(place()),
        },
        DataFusionError::Plan(words) if words.starts_with("No SQL statements") => {
            Problem::author("SQL-001", "there is no question in the text").at(SQL).cure("write `select …`")
        }
        DataFusionError::Plan(words) if words.starts_with("Invalid function") => {
            Problem::author("SQL-002", short(words))
                .at(place())
                .cure("docs/sql.md lists our functions; `show functions` all")
        }
        DataFusionError::Plan(words)
        | DataFusionError::NotImplemented(words)
        | DataFusionError::Configuration(words) => unplanned(words).at(place()),
        DataFusionError::ResourcesExhausted(words) => exhausted(words),
        DataFusionError::Execution(words) => computed(words),
        DataFusionError::ArrowError(error, _) => of_arrow(error),
        DataFusionError::IoError(error) => Problem::outside("OUT-001", error.to_string()),
        other => Problem::bug(format!("DataFusion: {}", short(&other.to_string()))),
    }
}

fn of_arrow(error: &ArrowError) -> Problem {
    match error {
        ArrowError::IoError(words, _) => Problem::outside("OUT-001", short(words)),
        other => computed(&other.to_string()),
    }
}

fn unreadable(words: &str, text: &str) -> Problem {
    let words = words
        .trim_start_matches("sql parser error: ")
        .trim_start_matches("ParserError(\"")
        .trim_end_matches("\")");
    let (what, place) = match words.rsplit_once(" at Line: ") {
        Some((what, place)) => (what, numbers(place)),
        None => (words, None),
    };
    let place = place.map_or_else(|| SQL.to_string(), |(line, column)| at(text, line, column));
    Problem::author("SQL-001", short(what))
        .at(place)
        .cure("mend the text there; names with blanks or symbols stand in \"…\", values in '…'")
}

/// `3, Column: 14`.
fn numbers(place: &str) -> Option<(u64, u64)> {
    let (line, column) = place.split_once(", Column: ")?;
    Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
}

fn unplanned(words: &str) -> Problem {
    Problem::author("SQL-003", short(words))
        .at(SQL)
        .cure("`describe TABLE` tells names and types; docs/sql.md has examples")
}

fn computed(words: &str) -> Problem {
    Problem::data("SQL-005", short(words))
        .at(SQL)
        .cure("leave such rows out with `where`, or use try_cast(… as …) and nullif(…, 0)")
}

fn exhausted(words: &str) -> Problem {
    Problem::new("SQL-006", Kind::Outside, short(words))
        .at(SQL)
        .cure("ask for fewer columns, groups or days, or give more memory with --memory")
}

fn unknown(kind: &str, name: &str, known: &[String]) -> Problem {
    let mut near: Vec<(usize, &String)> = known
        .iter()
        .map(|one| (strsim::damerau_levenshtein(&one.to_lowercase(), &name.to_lowercase()), one))
        .collect();
    near.sort_unstable();
    near.dedup();
    let names: Vec<String> = near.iter().take(NEAR_MAX).map(|(_, name)| format!("`{name}`")).collect();
    let there = if names.is_empty() {
        "there are none".to_string()
    } else {
        format!("there is {}", names.join(", "))
    };
    Problem::author("SQL-002", format!("no {kind} `{name}`; {there}"))
        .cure("names are as the data has them; put them in \"…\" when they have blanks or symbols")
}

/// `table 'datafusion.public.userss' not found` -> `userss`.
fn missing_table(words: &str) -> Option<&str> {
    let name = words.strip_prefix("table '")?.split_once("' not found")?.0;
    name.rsplit('.').next()
}

fn tables_of(context: &SessionContext) -> Vec<String> {
    let config = context.copied_config();
    let names = &config.options().catalog;
    let of = |catalog: std::sync::Arc<dyn CatalogProvider>| catalog.schema(&names.default_schema);
    let schema = context.catalog(&names.default_catalog).and_then(of);
    schema.map(|schema| schema.table_names()).unwrap_or_default()
}

/// `sql:LINE:COLUMN  the words there`; both count from 1, columns in characters.
fn at(text: &str, line: u64, column: u64) -> String {
    let words = text.lines().nth(line.saturating_sub(1) as usize).unwrap_or_default();
    let rest: String = words.chars().skip(column.saturating_sub(1) as usize).take(EXCERPT_MAX).collect();
    format!("{SQL}:{line}:{column}  {rest}").trim_end().to_string()
}

fn at_byte(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    at(text, before.matches('\n').count() as u64 + 1, column as u64)
}

/// The first sentence or two, on one line.
fn short(words: &str) -> String {
    let words = words.replace("datafusion.public.", "");
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
