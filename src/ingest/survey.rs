//! What is in a file? Its columns, and their types or the evidence for them.
//!
//! Parquet and Arrow files say their types. A text file is read once from end to end, unless the
//! types of all its columns are settled already.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::content::Input;
use super::csv::{self, CsvRows};
use super::infer::Evidence;
use super::json::{self, JsonLines, Kind};
use super::lines::Lines;
use super::{Format, Request, Shape, columnar};
use crate::base::{Outcome, Pace, Problem, Problems, Type};

/// More columns than this are keys that should have been values.
pub const COLUMNS_MAX: usize = 4096;

/// The struct whose fields are columns of their own.
pub const PROPERTIES: &str = "properties.";

/// How a column's type is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The file says it; `None` for a column that can only be null.
    Typed(Option<Type>),
    /// The values speak for it.
    Looked(Evidence),
}

/// One column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// As the file has it: a header, or a path with dots.
    pub path: String,
    /// As we call it.
    pub name: String,
    pub known: Known,
}

/// What was seen of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    pub columns: Vec<Seen>,
    /// Without a header and without a row that could be read, a file lacks no column.
    pub is_empty: bool,
    /// A crowd CSV without a header: its first row is data.
    pub is_headless: bool,
}

/// Looks at one file; what is read of text files is told to `pace`.
/// Errors: ING-003, ING-004, ING-005, ING-006, ING-008, OUT-001.
pub fn survey(input: &Input, request: &Request, pace: &dyn Pace) -> Result<Survey, Problems> {
    let mut survey = match input.format {
        Format::Csv => csv_survey(input, request, pace)?,
        Format::Ndjson => json_survey(input, request, pace)?,
        Format::Parquet | Format::Arrow => columnar_survey(input)?,
    };
    rename_only_column(&mut survey, request);
    let names = survey.columns.iter().map(|column| column.name.as_str());
    check_names(names).map_err(|problem| problem.at(input.name.as_str()))?;
    Ok(survey)
}

/// A crowd's only column is the users, whatever its name.
fn rename_only_column(survey: &mut Survey, request: &Request) {
    if let (Shape::Members { user }, [only]) = (&request.shape, survey.columns.as_mut_slice()) {
        only.name.clone_from(user);
    }
}

/// Errors: ING-005 for names that come twice, ING-008 when they are too many.
pub fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Outcome<()> {
    let mut seen = HashSet::new();
    let twice: Vec<String> =
        names.filter(|name| !seen.insert(*name)).map(|name| format!("`{name}`")).collect();
    if seen.len() > COLUMNS_MAX {
        return Err(too_many());
    }
    if twice.is_empty() {
        return Ok(());
    }
    Err(Problem::data("ING-005", format!("two columns have the same name: {}", twice.join(", ")))
        .cure("give each column its own name in the file's header"))
}

fn too_many() -> Problem {
    Problem::data("ING-008", format!("there are more than {COLUMNS_MAX} columns"))
        .cure("put keys that differ from row to row into values: `{\"key\": …, \"value\": …}`")
}

/// Column names of paths: fields of `properties` lose that word where no other column has the name.
pub fn names_of<'a>(paths: &[&'a str]) -> Vec<&'a str> {
    let all: HashSet<&str> = paths.iter().copied().collect();
    let short = |path: &&'a str| {
        path.strip_prefix(PROPERTIES).filter(|short| !short.is_empty() && !all.contains(short))
    };
    paths.iter().map(|path| short(path).unwrap_or(path)).collect()
}

/// The columns of a Parquet or Arrow file. Errors: ING-006 when it is damaged.
pub fn columnar_survey(input: &Input) -> Outcome<Survey> {
    let leaves = columnar::leaves(input)?;
    let paths: Vec<&str> = leaves.iter().map(|leaf| leaf.path.as_str()).collect();
    let seen = |(leaf, name): (&columnar::Leaf, &str)| Seen {
        path: leaf.path.clone(),
        name: name.to_string(),
        known: Known::Typed(columnar::type_of(&leaf.data_type)),
    };
    let columns = leaves.iter().zip(names_of(&paths)).map(seen).collect();
    Ok(Survey { columns, ..Survey::default() })
}

/// Bytes taken from disk so far, told to a `Pace` now and then.
struct Meter<'a> {
    taken: Arc<AtomicU64>,
    rows: u64,
    pace: &'a dyn Pace,
}

impl Meter<'_> {
    fn lines<'a>(input: &Input, pace: &'a dyn Pace) -> Outcome<(Lines, Meter<'a>)> {
        let taken = Arc::new(AtomicU64::new(0));
        let lines = Lines::new(input.reader(taken.clone())?);
        Ok((lines, Meter { taken, rows: 0, pace }))
    }

    fn row(&mut self) {
        self.rows += 1;
        if self.rows.is_multiple_of(10_000) {
            self.tell();
        }
    }

    fn tell(&self) {
        self.pace.more(self.taken.swap(0, Ordering::Relaxed));
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

fn csv_survey(input: &Input, request: &Request, pace: &dyn Pace) -> Outcome<Survey> {
    let (lines, mut meter) = Meter::lines(input, pace)?;
    let mut rows = CsvRows::new(lines);
    let mut survey = match rows.first().map_err(|error| input.read_problem(error))? {
        csv::Step::End => return Ok(Survey { is_empty: true, ..Survey::default() }),
        csv::Step::Spoiled(_, why) => return Err(header_problem(&why).at(input.name.as_str())),
        csv::Step::Row => header(&rows, request),
    };
    let looked: Vec<usize> =
        (0..survey.columns.len()).filter(|&n| is_open(&survey.columns[n].name, request)).collect();
    let mut evidence = vec![Evidence::default(); survey.columns.len()];
    while !looked.is_empty() {
        match rows.step().map_err(|error| input.read_problem(error))? {
            csv::Step::End => break,
            csv::Step::Spoiled(..) => {}
            csv::Step::Row => looked.iter().for_each(|&n| evidence[n].add(Kind::Written, rows.field(n))),
        }
        meter.row();
    }
    survey.columns.iter_mut().zip(evidence).for_each(|(column, found)| column.known = Known::Looked(found));
    survey.columns.retain(|column| !column.name.is_empty());
    Ok(survey)
}

fn header_problem(why: &str) -> Problem {
    Problem::data("ING-003", format!("the header cannot be read: {why}"))
        .cure("write the file as UTF-8; from GBK: `iconv -f GBK -t UTF-8 old.csv > new.csv`")
}

/// The columns of the first row; a crowd's only column may have no header.
fn header(rows: &CsvRows, request: &Request) -> Survey {
    let names: Vec<&str> = (0..rows.len()).map(|n| rows.field(n).trim()).collect();
    let is_headless = match &request.shape {
        Shape::Members { user } => names.len() == 1 && names.first() != Some(&user.as_str()),
        _ => false,
    };
    let seen = |name: &&str| Seen {
        path: name.to_string(),
        name: name.to_string(),
        known: Known::Looked(Evidence::default()),
    };
    Survey { columns: names.iter().map(seen).collect(), is_empty: false, is_headless }
}

/// Must the values be looked at to know the type?
fn is_open(name: &str, request: &Request) -> bool {
    let is_part = request.shape.parts().iter().any(|part| part.name == name);
    let is_settled = match request.types.get(name) {
        Some(settled) => settled.is_fixed || settled.type_of != Type::Integer,
        None => false,
    };
    !is_part && !is_settled && !matches!(request.shape, Shape::Members { .. })
}

/// Numbers for paths; rows mostly have the same paths at the same positions.
#[derive(Debug, Default)]
pub struct Paths {
    pub paths: Vec<String>,
    index: HashMap<String, usize>,
    order: Vec<usize>,
}

impl Paths {
    /// The number of a path that stands at `position` in its row.
    pub fn find(&mut self, position: usize, path: &str) -> Option<usize> {
        let usual = self.order.get(position).copied();
        if let Some(usual) = usual.filter(|&n| self.paths.get(n).is_some_and(|known| known == path)) {
            return Some(usual);
        }
        let found = *self.index.get(path)?;
        if position >= self.order.len() {
            self.order.resize(position + 1, found);
        }
        self.order[position] = found;
        Some(found)
    }

    /// A new path's number.
    pub fn add(&mut self, path: &str) -> usize {
        let number = self.paths.len();
        self.paths.push(path.to_string());
        self.index.insert(path.to_string(), number);
        number
    }
}

fn json_survey(input: &Input, request: &Request, pace: &dyn Pace) -> Outcome<Survey> {
    let (lines, mut meter) = Meter::lines(input, pace)?;
    let mut rows = JsonLines::new(lines);
    let mut paths = Paths::default();
    let mut columns: Vec<Looked> = Vec::new();
    let mut is_empty = true;
    loop {
        match rows.step().map_err(|error| input.read_problem(error))? {
            json::Step::End => break,
            json::Step::Spoiled(..) => {}
            json::Step::Row => {
                is_empty = false;
                look(&rows, request, &mut paths, &mut columns)
                    .map_err(|problem| problem.at(input.name.as_str()))?;
            }
        }
        meter.row();
    }
    let all: Vec<&str> = paths.paths.iter().map(String::as_str).collect();
    let seen = |((path, name), looked): ((&&str, &str), &Looked)| Seen {
        path: path.to_string(),
        name: name.to_string(),
        known: Known::Looked(looked.evidence),
    };
    let columns = all.iter().zip(names_of(&all)).zip(&columns).map(seen).collect();
    Ok(Survey { columns, is_empty, is_headless: false })
}

/// A path, and what its values say if they are asked.
struct Looked {
    evidence: Evidence,
    is_open: bool,
}

fn look(rows: &JsonLines, request: &Request, paths: &mut Paths, columns: &mut Vec<Looked>) -> Outcome<()> {
    for (position, (path, kind, text)) in rows.row.fields().enumerate() {
        let number = match paths.find(position, path) {
            Some(number) => number,
            None if columns.len() >= COLUMNS_MAX => return Err(too_many()),
            None => {
                // A path with a dot may yet get another name, so its values are always asked.
                let is_open = path.contains('.') || is_open(path, request);
                columns.push(Looked { evidence: Evidence::default(), is_open });
                paths.add(path)
            }
        };
        if let Some(column) = columns.get_mut(number).filter(|column| column.is_open) {
            column.evidence.add(kind, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_lose_their_word_where_nothing_else_has_the_name() {
        assert_eq!(
            names_of(&["time", "properties.amount", "properties.time", "a.b"]),
            ["time", "amount", "properties.time", "a.b"]
        );
    }

    #[test]
    fn paths_are_found_at_any_position() {
        let mut paths = Paths::default();
        assert_eq!(paths.find(0, "a"), None);
        assert_eq!((paths.add("a"), paths.add("b")), (0, 1));
        for (position, path, number) in [(0, "a", 0), (1, "b", 1), (0, "b", 1), (5, "a", 0), (5, "b", 1)] {
            assert_eq!(paths.find(position, path), Some(number));
        }
    }
}
