//! How are lines of live events read? A column turns up with the first event that has it; its type is
//! settled by the first batch that shows a value of it, unless it was settled before.

use std::collections::BTreeMap;
use std::io::Read;

use super::{ARRIVAL, EVENT, ID, Planned, TIME, USER};
use crate::base::{Outcome, Problem, Type};
use crate::ingest::convert::Bad;
use crate::ingest::infer::Evidence;
use crate::ingest::json::{JsonLines, Kind, Step};
use crate::ingest::lines::Lines;
use crate::ingest::plan::{Plan, settled_type};
use crate::ingest::read::Sheet;
use crate::ingest::survey::{COLUMNS_MAX, PROPERTIES, Paths};
use crate::ingest::{Column, Settled};

/// The parts of an event, in the order of their column numbers.
const PARTS: [&str; 5] = [USER, EVENT, TIME, ID, ARRIVAL];

/// One source of lines.
pub struct Feed {
    name: String,
    rows: JsonLines,
    map: BTreeMap<String, String>,
    /// Rows read so far, those that could not be read among them.
    row: u64,
    table: Table,
}

/// The columns that have turned up.
#[derive(Default)]
struct Table {
    paths: Paths,
    /// The column of each path; none for paths beyond what a table may have.
    columns: Vec<Option<usize>>,
    seen: Vec<Seen>,
}

struct Seen {
    name: String,
    /// Does this batch have it?
    is_here: bool,
    /// Must its values speak for its type?
    is_open: bool,
    evidence: Evidence,
}

impl Feed {
    /// Lines of `reader`, whose columns `map` renames.
    pub fn new(name: &str, reader: Box<dyn Read + Send>, map: &BTreeMap<String, String>) -> Feed {
        Feed {
            name: name.to_string(),
            rows: JsonLines::new(Lines::new(reader)),
            map: map.clone(),
            row: 0,
            table: Table::new(),
        }
    }

    /// The source's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the last line that was read.
    pub fn end(&self) -> u64 {
        self.rows.line.number
    }

    /// The next lines after line `after`: as many as a batch holds, or as are at hand if `is_eager`.
    /// `types` learns the types that are settled on the way. Errors: OUT-001, ING-006.
    pub fn next(
        &mut self,
        after: u64,
        is_eager: bool,
        types: &mut BTreeMap<String, Settled>,
    ) -> Outcome<Option<Planned>> {
        self.rows.skip_to(after).map_err(|error| self.failed(&error))?;
        let (mut sheet, mut bad) = (Sheet::new(PARTS.len(), self.row), Bad::default());
        self.table.begin(types);
        let mut count = 0;
        while !sheet.is_full() && (!is_eager || count == 0 || self.rows.has_line()) {
            count += 1;
            match self.rows.step().map_err(|error| self.failed(&error))? {
                Step::End => break,
                Step::Row => self.take(&mut sheet, types, &mut bad),
                Step::Spoiled(code, reason) => {
                    sheet.spoil(self.rows.line.number, code, reason, self.rows.line.body());
                }
            }
        }
        let Some(frame) = sheet.frame()? else { return Ok(None) };
        self.row += (frame.row_count + frame.spoiled.len()) as u64;
        Ok(Some(Planned { frame, plan: self.table.plan(types), bad }))
    }

    /// Takes the values of the row that was read.
    fn take(&mut self, sheet: &mut Sheet, types: &BTreeMap<String, Settled>, bad: &mut Bad) {
        let Feed { rows, table, map, .. } = self;
        sheet.row(rows.line.number);
        let row = sheet.row_count() - 1;
        for (position, (path, kind, text)) in rows.row.fields().enumerate() {
            let known =
                table.paths.find(position, path).and_then(|number| table.columns.get(number).copied());
            let column = match known {
                Some(column) => column,
                None => table.add(path, map, types),
            };
            let Some(column) = column else {
                bad.add(row, "ING-008", || {
                    format!("`{path}` is one column too many; {COLUMNS_MAX} are taken")
                });
                continue;
            };
            table.look(column, kind, text, sheet);
            sheet.set(column, Some(text).filter(|_| kind != Kind::Null));
        }
    }

    fn failed(&self, error: &std::io::Error) -> Problem {
        Problem::from(std::io::Error::new(error.kind(), error.to_string())).at(self.name.as_str())
    }
}

impl Table {
    fn new() -> Table {
        let part = |name: &&str| Seen {
            name: name.to_string(),
            is_here: false,
            is_open: false,
            evidence: Evidence::default(),
        };
        Table { seen: PARTS.iter().map(part).collect(), ..Table::default() }
    }

    /// A batch begins.
    fn begin(&mut self, types: &BTreeMap<String, Settled>) {
        for (number, seen) in self.seen.iter_mut().enumerate() {
            seen.is_here = false;
            seen.is_open = number >= PARTS.len() && is_open(&seen.name, types);
            seen.evidence = Evidence::default();
        }
    }

    /// A path that nobody has seen: the column it belongs to, a new one where it has none.
    fn add(
        &mut self,
        path: &str,
        map: &BTreeMap<String, String>,
        types: &BTreeMap<String, Settled>,
    ) -> Option<usize> {
        if self.paths.paths.len() >= COLUMNS_MAX {
            return None;
        }
        let name = name_of(path, map);
        let known = self.seen.iter().position(|seen| seen.name == name);
        let column = known.unwrap_or_else(|| {
            let is_open = is_open(name, types);
            self.seen.push(Seen {
                name: name.to_string(),
                is_here: false,
                is_open,
                evidence: Evidence::default(),
            });
            self.seen.len() - 1
        });
        self.paths.add(path);
        self.columns.push(Some(column));
        Some(column)
    }

    fn look(&mut self, column: usize, kind: Kind, text: &str, sheet: &mut Sheet) {
        let Some(seen) = self.seen.get_mut(column) else { return };
        if !seen.is_here {
            seen.is_here = true;
            sheet.use_column(column);
        }
        if seen.is_open {
            seen.evidence.add(kind, text);
        }
    }

    /// The plan for the batch's columns, whose types are settled now at the latest.
    fn plan(&mut self, types: &mut BTreeMap<String, Settled>) -> Plan {
        let mut plan = Plan {
            names: self.seen.iter().map(|seen| seen.name.clone()).collect(),
            user: 0,
            event: Some(1),
            time: Some(2),
            is_time_required: true,
            id: Some(3),
            arrival: Some(4),
            ..Plan::default()
        };
        for (number, seen) in self.seen.iter().enumerate().skip(PARTS.len()).filter(|(_, seen)| seen.is_here)
        {
            let settled = types.get(&seen.name);
            let Some(type_of) = settled_type(seen.evidence.decide(), settled) else { continue };
            if settled.is_none_or(|settled| settled.type_of != type_of) {
                types.insert(seen.name.clone(), Settled { type_of, is_fixed: false });
            }
            plan.values.push(number);
            plan.columns.push(Column { name: seen.name.clone(), type_of });
        }
        plan
    }
}

/// An integer that is not fixed may yet turn out to be a float.
fn is_open(name: &str, types: &BTreeMap<String, Settled>) -> bool {
    types.get(name).is_none_or(|settled| !settled.is_fixed && settled.type_of == Type::Integer)
}

/// Our name of a path: as the map says, or without the word `properties`, unless an event has a part
/// of that name.
fn name_of<'a>(path: &'a str, map: &'a BTreeMap<String, String>) -> &'a str {
    let short = path.strip_prefix(PROPERTIES).filter(|short| !short.is_empty());
    let ours = map.get(path).or_else(|| map.get(short?));
    match (ours, short) {
        (Some(ours), _) => ours,
        (None, Some(short)) if !PARTS.contains(&short) => short,
        _ => path,
    }
}
