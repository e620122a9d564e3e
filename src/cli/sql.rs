//! `quanke sql`: a question in SQL, its rows as a table, CSV, NDJSON or a file.
//!
//! Rows are written as they come. A table's columns are as wide as the rows of its first block want
//! them; a later block makes them wider, never narrower.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use super::args::Sql;
use super::ask::Text;
use super::door::{Done, Door, Failure};
use super::output::target_of;
use super::session::{Session, usage};
use super::table::{Cell, aligned_from};
use super::words::{grouped, took};
use crate::audience::{Target, write_atomically};
use crate::base::{Problem, Problems, Zone};
use crate::sql::{Answer, Source, ask, csv_cell, json_row, session, text};

/// What sorts and groups may hold before they go to temporary files, unless `--memory` says other.
const MEMORY: u64 = 1 << 30;
/// Deep questions are planned by functions that call themselves.
const STACK_BYTES: usize = 64 << 20;
/// Rows that are looked at to find how wide columns are.
const BLOCK_ROWS: usize = 1_000;
/// How the room `sql` names a text without a file.
const PLACE: &str = "sql:";

/// Asks and writes the rows; the count and the time taken go to stderr.
/// Errors: SQL-…, SEL-… for selections inside, CLI-001 for `--out`.
pub fn run(args: &Sql, session: &mut Session, door: &mut Door) -> Done {
    let target = args.out.as_deref().map(target_of).transpose()?;
    if let Some(Target::Bitmap(_) | Target::Xlsx) = target {
        return Err(usage(
            "--out",
            "rows are no bitmap and no workbook",
            "write .csv, .ndjson or .parquet; `bitmap_agg` gives bitmaps",
        ));
    }
    let source =
        Source::new(session.snapshot()?, session.audiences()?, session.as_of(args.as_of.as_deref())?)?;
    let asked = Text::written("sql", args.query.as_deref(), args.file.as_deref(), session)?;
    let began = session.pace.seconds();
    let done = Question { args, source: &source, text: &asked }.answer(target, door);
    let count = done.map_err(|failure| placed(failure, &asked))?;
    door.warn(&source.warnings());
    let seconds = session.pace.seconds() - began;
    told(args, count, seconds, door)
}

struct Question<'a> {
    args: &'a Sql,
    source: &'a Source,
    text: &'a Text,
}

impl Question<'_> {
    /// Gives the count of rows written.
    fn answer(&self, target: Option<Target>, door: &mut Door) -> Result<u64, Failure> {
        let memory = usize::try_from(self.args.memory.unwrap_or(MEMORY)).unwrap_or(usize::MAX);
        let threads = rayon::current_num_threads();
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        let context = session(self.source, threads, memory)?;
        let text = self.text.text.clone();
        let asked = runtime.spawn(async move { ask(&context, &text).await });
        let answer =
            runtime.block_on(asked).map_err(|error| Problem::bug(format!("planning: {error}")))??;
        let mut rows = Rows { runtime: &runtime, answer, zone: self.source.zone(), count: 0 };
        match (self.args.out.as_deref(), target) {
            (Some(path), Some(target)) => rows.file_at(path, target)?,
            _ if door.is_json => rows.json(&mut BufWriter::new(door.stream()))?,
            _ if self.args.csv => rows.csv(&mut BufWriter::new(door.stream()))?,
            _ => rows.table(door)?,
        }
        Ok(rows.count)
    }
}

/// The rows of an answer, on the way out.
struct Rows<'a> {
    runtime: &'a Runtime,
    answer: Answer,
    zone: Zone,
    count: u64,
}

impl Rows<'_> {
    fn schema(&self) -> SchemaRef {
        self.answer.schema().clone()
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, Problems> {
        let batch = self.runtime.block_on(self.answer.next()).transpose()?;
        self.count += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Ok(batch)
    }

    fn file_at(&mut self, path: &Path, target: Target) -> Result<(), Problems> {
        let mut failure = None;
        let written = write_atomically(path, |file| {
            let done = match target {
                Target::Parquet => self.parquet(file),
                Target::Ndjson => self.json(&mut BufWriter::new(file)),
                _ => self.csv(&mut BufWriter::new(file)),
            };
            // The first problem stands for all until the file is out of the way.
            done.map_err(|problems| {
                let first = problems.0.first().cloned();
                failure = Some(problems);
                first.unwrap_or_else(|| Problem::bug("a failure without a problem"))
            })
        });
        written.map_err(|problem| failure.unwrap_or_else(|| problem.into()))
    }

    fn json(&mut self, out: &mut dyn Write) -> Result<(), Problems> {
        while let Some(batch) = self.next()? {
            for row in 0..batch.num_rows() {
                writeln!(out, "{}", json_row(&batch, row, self.zone)).map_err(Problem::from)?;
            }
        }
        Ok(out.flush().map_err(Problem::from)?)
    }

    fn csv(&mut self, out: &mut dyn Write) -> Result<(), Problems> {
        let failed = |error: csv::Error| Problem::from(std::io::Error::from(error));
        let mut writer = csv::Writer::from_writer(out);
        let schema = self.schema();
        writer.write_record(schema.fields().iter().map(|field| field.name())).map_err(failed)?;
        while let Some(batch) = self.next()? {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| csv_cell(column, row, self.zone));
                writer.write_record(cells).map_err(failed)?;
            }
        }
        Ok(writer.flush().map_err(Problem::from)?)
    }

    fn parquet(&mut self, file: &mut File) -> Result<(), Problems> {
        let failed = |error: parquet::errors::ParquetError| Problem::outside("OUT-001", error.to_string());
        let mut writer = ArrowWriter::try_new(file, self.schema(), None).map_err(failed)?;
        while let Some(batch) = self.next()? {
            writer.write(&batch).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        Ok(())
    }

    fn table(&mut self, door: &mut Door) -> Result<(), Failure> {
        let head = self.schema().fields().iter().map(|field| Cell::text(field.name())).collect();
        let (mut block, mut widths) = (vec![head], Vec::new());
        while let Some(batch) = self.next()? {
            for row in 0..batch.num_rows() {
                block.push(batch.columns().iter().map(|column| cell(column, row, self.zone)).collect());
                if block.len() >= BLOCK_ROWS {
                    door.stream().write_all(aligned_from(&block, &mut widths).as_bytes())?;
                    block.clear();
                }
            }
        }
        Ok(door.stream().write_all(aligned_from(&block, &mut widths).as_bytes())?)
    }
}

/// A cell of a table; a missing value is a dash.
fn cell(column: &ArrayRef, row: usize, zone: Zone) -> Cell {
    let shown = text(column, row, zone).unwrap_or_else(|| "-".to_string());
    match column.data_type().is_numeric() {
        true => Cell::Number(shown),
        false => Cell::Text(one_line(column.data_type(), shown)),
    }
}

/// A line end would break the table, and a long bitmap its lines.
fn one_line(data_type: &DataType, text: String) -> String {
    const BYTES_SHOWN: usize = 40;
    match data_type {
        DataType::Binary if text.len() > BYTES_SHOWN => {
            format!(
                "{}… {} bytes",
                text.get(..BYTES_SHOWN).unwrap_or_default(),
                grouped(text.len() as u64 / 2)
            )
        }
        _ => text.replace(['\n', '\r', '\t'], " "),
    }
}

fn told(args: &Sql, count: u64, seconds: f64, door: &mut Door) -> Done {
    let file = args.out.as_deref().map(|path| path.display().to_string());
    match (file, door.is_json) {
        (Some(file), true) => door.json(&json!({ "rows": count, "file": file })),
        (Some(file), false) => {
            door.say(&format!("{} rows written to {file}  in {}", grouped(count), took(seconds)));
            Ok(())
        }
        (None, _) => {
            door.say(&format!("{} rows  in {}", grouped(count), took(seconds)));
            Ok(())
        }
    }
}

/// Problems of the text at its file.
fn placed(failure: Failure, text: &Text) -> Failure {
    let one = |problem: Problem| match problem.at.strip_prefix(PLACE) {
        Some(rest) => Problem { at: format!("{}:{rest}", text.file), ..problem },
        None => problem,
    };
    match failure {
        Failure::Found(problems) => Failure::Found(Problems(problems.0.into_iter().map(one).collect())),
        other => other,
    }
}
