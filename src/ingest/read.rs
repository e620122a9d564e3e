//! How does a file become frames? Columns of up to 65,536 rows, in the plan's order, values as
//! the file has them; rows that could not even be read apart.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch, StringArray};

use super::columnar::{self, Batches, Leaf};
use super::content::Input;
use super::csv::{self, CsvRows};
use super::json::{self, JsonLines, Kind};
use super::lines::Lines;
use super::plan::Plan;
use super::survey::{Paths, Survey};
use super::text::TextColumn;
use super::{BATCH_ROWS, Format};
use crate::base::Outcome;

/// Text in one frame, at most about this much: offsets have 32 bits, and memory is not endless.
const FRAME_BYTES: usize = 64 << 20;

/// A row that could not be read at all.
#[derive(Debug, Clone)]
pub struct Spoiled {
    pub row: u64,
    pub line: Option<u64>,
    pub code: &'static str,
    pub reason: String,
    pub raw: String,
}

/// Where the rows of a frame stood, both counted from 1.
#[derive(Debug, Clone)]
pub enum Numbers {
    /// The first row; the others follow.
    From(u64),
    /// Row and line of each.
    Each(Vec<(u64, u64)>),
}

impl Numbers {
    /// Row and, in text, line of the frame's row `n`.
    pub fn of(&self, n: usize) -> (u64, Option<u64>) {
        match self {
            Numbers::From(first) => (first + n as u64, None),
            Numbers::Each(rows) => rows.get(n).map_or((0, None), |(row, line)| (*row, Some(*line))),
        }
    }
}

/// Some rows of a file.
#[derive(Debug)]
pub struct Frame {
    pub row_count: usize,
    /// In the plan's order; `None` where the file has no such column.
    pub columns: Vec<Option<ArrayRef>>,
    pub numbers: Numbers,
    pub spoiled: Vec<Spoiled>,
}

/// Reads one file's frames.
pub struct Reader {
    input: Arc<Input>,
    plan: Arc<Plan>,
    rows: Rows,
    taken: Arc<AtomicU64>,
    row: u64,
}

enum Rows {
    Csv {
        rows: Box<CsvRows>,
        columns: Vec<Option<usize>>,
    },
    Json {
        rows: Box<JsonLines>,
        paths: Paths,
        columns: Vec<Option<usize>>,
    },
    Columnar {
        batches: Batches,
        rest: Option<RecordBatch>,
        leaves: Vec<(Leaf, usize)>,
        row_total: Option<u64>,
    },
}

impl Reader {
    /// Opens a file that was surveyed. Errors: ING-006, OUT-001.
    pub fn open(input: Arc<Input>, survey: &Survey, plan: Arc<Plan>) -> Outcome<Reader> {
        let taken = Arc::new(AtomicU64::new(0));
        let rows = match input.format {
            Format::Csv => csv_rows(&input, survey, &plan, taken.clone())?,
            Format::Ndjson => json_rows(&input, survey, &plan, taken.clone())?,
            Format::Parquet | Format::Arrow => columnar_rows(&input, survey, &plan, taken.clone())?,
        };
        Ok(Reader { input, plan, rows, taken, row: 0 })
    }

    /// Bytes taken from disk since the last call.
    pub fn taken(&self) -> u64 {
        self.taken.swap(0, Ordering::Relaxed)
    }

    /// Rows read so far, bad ones among them.
    pub fn row_count(&self) -> u64 {
        self.row
    }

    /// The next rows. Errors: ING-006 when the file breaks off, OUT-001.
    pub fn next(&mut self) -> Outcome<Option<Frame>> {
        let mut sheet = Sheet::new(self.plan.names.len(), self.row);
        let frame = match &mut self.rows {
            Rows::Csv { rows, columns } => {
                csv_frame(rows, columns, &mut sheet).map_err(|error| self.input.read_problem(error))?;
                sheet.frame()?
            }
            Rows::Json { rows, paths, columns } => {
                json_frame(rows, paths, columns, &mut sheet)
                    .map_err(|error| self.input.read_problem(error))?;
                sheet.frame()?
            }
            Rows::Columnar { .. } => self.columnar_frame()?,
        };
        let Some(mut frame) = frame else { return Ok(None) };
        self.row += (frame.row_count + frame.spoiled.len()) as u64;
        self.add_partitions(&mut frame);
        Ok(Some(frame))
    }

    /// Columns that stand in the path, where the file itself has none of that name.
    fn add_partitions(&self, frame: &mut Frame) {
        for (name, value) in &self.input.partitions {
            let number = self.plan.names.iter().position(|known| known == name);
            let Some(column) = number.and_then(|number| frame.columns.get_mut(number)) else { continue };
            if column.is_none() && !self.has_column(name) {
                *column = Some(Arc::new(StringArray::from(vec![value.as_deref(); frame.row_count])));
            }
        }
    }

    fn has_column(&self, name: &str) -> bool {
        let number = self.plan.names.iter().position(|known| known == name);
        match &self.rows {
            Rows::Csv { columns, .. } | Rows::Json { columns, .. } => columns.contains(&number),
            Rows::Columnar { leaves, .. } => leaves.iter().any(|(_, column)| Some(*column) == number),
        }
    }

    fn columnar_frame(&mut self) -> Outcome<Option<Frame>> {
        let Rows::Columnar { batches, rest, leaves, row_total } = &mut self.rows else { return Ok(None) };
        let batch = loop {
            let left = rest.take();
            let next = if left.is_some() { left } else { columnar::next(&self.input, batches)? };
            match next {
                None => return Ok(None),
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => break batch,
            }
        };
        let row_count = batch.num_rows().min(BATCH_ROWS);
        let more = batch.num_rows() - row_count;
        *rest = (more > 0).then(|| batch.slice(row_count, more));
        let batch = batch.slice(0, row_count);
        if let Some(total) = row_total.filter(|total| *total > 0) {
            let bytes = self.input.bytes as u128 * row_count as u128 / total as u128;
            self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        let mut columns = vec![None; self.plan.names.len()];
        leaves.iter().for_each(|(leaf, number)| columns[*number] = columnar::column(&batch, leaf));
        Ok(Some(Frame { row_count, columns, numbers: Numbers::From(self.row + 1), spoiled: Vec::new() }))
    }
}

/// The plan's number for each of the file's columns.
fn numbers_of(survey: &Survey, plan: &Plan) -> HashMap<String, usize> {
    let number = |name: &str| plan.names.iter().position(|known| known == name);
    let columns = survey.columns.iter();
    columns.filter_map(|column| Some((column.path.clone(), number(&column.name)?))).collect()
}

fn csv_rows(input: &Input, survey: &Survey, plan: &Plan, taken: Arc<AtomicU64>) -> Outcome<Rows> {
    let mut rows = Box::new(CsvRows::new(Lines::new(input.reader(taken)?)));
    rows.first().map_err(|error| input.read_problem(error))?;
    let numbers = numbers_of(survey, plan);
    let columns = if survey.is_headless {
        rows.repeat();
        vec![Some(plan.user)]
    } else {
        (0..rows.len()).map(|n| numbers.get(rows.field(n).trim()).copied()).collect()
    };
    Ok(Rows::Csv { rows, columns })
}

fn json_rows(input: &Input, survey: &Survey, plan: &Plan, taken: Arc<AtomicU64>) -> Outcome<Rows> {
    let rows = Box::new(JsonLines::new(Lines::new(input.reader(taken)?)));
    let numbers = numbers_of(survey, plan);
    let mut paths = Paths::default();
    let mut columns = Vec::new();
    for column in &survey.columns {
        paths.add(&column.path);
        columns.push(numbers.get(&column.path).copied());
    }
    Ok(Rows::Json { rows, paths, columns })
}

fn columnar_rows(input: &Input, survey: &Survey, plan: &Plan, taken: Arc<AtomicU64>) -> Outcome<Rows> {
    let numbers = numbers_of(survey, plan);
    let wanted = |leaf: Leaf| numbers.get(&leaf.path).copied().map(|number| (leaf, number));
    let leaves: Vec<(Leaf, usize)> = columnar::leaves(input)?.into_iter().filter_map(wanted).collect();
    let needed: Vec<&Leaf> = leaves.iter().map(|(leaf, _)| leaf).collect();
    let (batches, row_total) = columnar::batches(input, &needed, taken)?;
    Ok(Rows::Columnar { batches, rest: None, leaves, row_total })
}

/// A frame of text that grows row by row.
pub struct Sheet {
    columns: Vec<TextColumn>,
    is_used: Vec<bool>,
    numbers: Vec<(u64, u64)>,
    spoiled: Vec<Spoiled>,
    row: u64,
    bytes: usize,
}

impl Sheet {
    /// A sheet of `width` columns; `row` rows came before.
    pub fn new(width: usize, row: u64) -> Sheet {
        let columns = std::iter::repeat_with(TextColumn::default).take(width).collect();
        Sheet { columns, is_used: vec![false; width], numbers: vec![], spoiled: vec![], row, bytes: 0 }
    }

    /// Is it as large as a frame may be?
    pub fn is_full(&self) -> bool {
        self.numbers.len() >= BATCH_ROWS || self.spoiled.len() >= BATCH_ROWS || self.bytes >= FRAME_BYTES
    }

    /// Rows begun so far.
    pub fn row_count(&self) -> usize {
        self.numbers.len()
    }

    /// Makes room for one column more, and says that the file has it.
    pub fn use_column(&mut self, column: usize) {
        while self.columns.len() <= column {
            self.columns.push(TextColumn::default());
            self.is_used.push(false);
        }
        self.use_columns(&[Some(column)]);
    }

    /// Begins a row.
    pub fn row(&mut self, line: u64) {
        self.row += 1;
        self.numbers.push((self.row, line));
    }

    /// A value of the newest row; the last that is set counts.
    pub fn set(&mut self, column: usize, text: Option<&str>) {
        let row = self.numbers.len().saturating_sub(1);
        let Some(cells) = self.columns.get_mut(column) else { return };
        match text {
            Some(text) => cells.set(row, text),
            None => cells.clear(row),
        }
        self.bytes += text.map_or(0, str::len);
    }

    /// A row that could not be read.
    pub fn spoil(&mut self, line: u64, code: &'static str, reason: String, raw: &[u8]) {
        self.row += 1;
        self.bytes += raw.len();
        let raw = String::from_utf8_lossy(raw).into_owned();
        self.spoiled.push(Spoiled { row: self.row, line: Some(line), code, reason, raw });
    }

    /// All rows, or none if nothing was read.
    pub fn frame(mut self) -> Outcome<Option<Frame>> {
        let row_count = self.numbers.len();
        if row_count == 0 && self.spoiled.is_empty() {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for (column, is_used) in self.columns.iter_mut().zip(self.is_used) {
            columns.push(if is_used { Some(column.take(row_count)?) } else { None });
        }
        Ok(Some(Frame { row_count, columns, numbers: Numbers::Each(self.numbers), spoiled: self.spoiled }))
    }

    fn use_columns(&mut self, columns: &[Option<usize>]) {
        columns.iter().flatten().filter_map(|&n| self.is_used.get_mut(n).map(|used| *used = true)).count();
    }
}

fn csv_frame(rows: &mut CsvRows, columns: &[Option<usize>], sheet: &mut Sheet) -> std::io::Result<()> {
    sheet.use_columns(columns);
    while !sheet.is_full() {
        match rows.step()? {
            csv::Step::End => break,
            csv::Step::Spoiled(code, reason) => sheet.spoil(rows.line_number(), code, reason, rows.raw()),
            csv::Step::Row => {
                sheet.row(rows.line_number());
                for (n, column) in columns.iter().enumerate() {
                    let text = Some(rows.field(n)).filter(|text| !text.is_empty());
                    column.iter().for_each(|&column| sheet.set(column, text));
                }
            }
        }
    }
    Ok(())
}

fn json_frame(
    rows: &mut JsonLines,
    paths: &mut Paths,
    columns: &[Option<usize>],
    sheet: &mut Sheet,
) -> std::io::Result<()> {
    sheet.use_columns(columns);
    while !sheet.is_full() {
        match rows.step()? {
            json::Step::End => break,
            json::Step::Spoiled(code, reason) => {
                sheet.spoil(rows.line.number, code, reason, rows.line.body())
            }
            json::Step::Row => {
                sheet.row(rows.line.number);
                for (position, (path, kind, text)) in rows.row.fields().enumerate() {
                    let number =
                        paths.find(position, path).and_then(|path| columns.get(path).copied().flatten());
                    let text = Some(text).filter(|_| kind != Kind::Null);
                    number.iter().for_each(|&number| sheet.set(number, text));
                }
            }
        }
    }
    Ok(())
}
