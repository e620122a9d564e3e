//! How is each fire of a backtest written? One row: CSV, NDJSON or Parquet.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder, TimestampMillisecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use crate::audience::Target;
use crate::base::{Outcome, Problem, Timestamp, Type, Zone};
use crate::dispatch::backtest::Tried;
use crate::store::arrow_type;

const TITLES: [&str; 6] = ["user_id", "occurrence", "base", "reach", "touch_id", "end"];
/// Rows that are put together in one batch of Parquet.
const BATCH_ROWS: usize = 65_536;

/// Where rows go. Instants are RFC 3339 in the task's zone, in Parquet UTC milliseconds.
pub enum Rows<'f> {
    Csv(Box<csv::Writer<BufWriter<&'f mut File>>>, Zone),
    Ndjson(BufWriter<&'f mut File>, Zone),
    Parquet(Box<Columns<'f>>),
}

/// Rows on their way into a Parquet file.
pub struct Columns<'f> {
    writer: ArrowWriter<&'f mut File>,
    schema: SchemaRef,
    texts: [StringBuilder; 4],
    instants: [TimestampMillisecondBuilder; 2],
    count: usize,
}

impl<'f> Rows<'f> {
    /// Begins a file. Errors: OUT-001.
    pub fn new(target: Target, file: &'f mut File, zone: Zone) -> Outcome<Rows<'f>> {
        Ok(match target {
            Target::Csv => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(file));
                writer.write_record(TITLES).map_err(unwritten)?;
                Rows::Csv(Box::new(writer), zone)
            }
            Target::Parquet => Rows::Parquet(Box::new(Columns::new(file)?)),
            Target::Ndjson | Target::Bitmap(_) | Target::Xlsx => Rows::Ndjson(BufWriter::new(file), zone),
        })
    }

    /// Writes one fire. Errors: OUT-001.
    pub fn add(&mut self, fire: &Tried) -> Outcome<()> {
        let touch_id = fire.touch_id.map(|id| id.to_string());
        match self {
            Rows::Csv(writer, zone) => {
                let (base, reach) = (zone.text(fire.base), zone.text(fire.reach));
                let id = touch_id.unwrap_or_default();
                let row = [fire.user_id, fire.occurrence, &base, &reach, &id, fire.end];
                writer.write_record(row).map_err(unwritten)
            }
            Rows::Ndjson(out, zone) => {
                let row = json!({ "user_id": fire.user_id, "occurrence": fire.occurrence,
                    "base": zone.text(fire.base), "reach": zone.text(fire.reach), "touch_id": touch_id,
                    "end": fire.end });
                Ok(writeln!(out, "{row}")?)
            }
            Rows::Parquet(columns) => columns.add(fire, touch_id.as_deref()),
        }
    }

    /// Writes what is left. Errors: OUT-001.
    pub fn finish(self) -> Outcome<()> {
        match self {
            Rows::Csv(mut writer, _) => Ok(writer.flush()?),
            Rows::Ndjson(mut out, _) => Ok(out.flush()?),
            Rows::Parquet(columns) => columns.finish(),
        }
    }
}

impl<'f> Columns<'f> {
    fn new(file: &'f mut File) -> Outcome<Columns<'f>> {
        let field = |name: &&str| match *name {
            "base" | "reach" => Field::new(*name, arrow_type(Type::Instant), false),
            name => Field::new(name, DataType::Utf8, name == "touch_id"),
        };
        let schema = Arc::new(Schema::new(TITLES.iter().map(field).collect::<Vec<_>>()));
        let writer = ArrowWriter::try_new(file, schema.clone(), None).map_err(broken)?;
        let (texts, instants) = (Default::default(), [instants(), instants()]);
        Ok(Columns { writer, schema, texts, instants, count: 0 })
    }

    fn add(&mut self, fire: &Tried, touch_id: Option<&str>) -> Outcome<()> {
        let values = [Some(fire.user_id), Some(fire.occurrence), touch_id, Some(fire.end)];
        self.texts.iter_mut().zip(values).for_each(|(column, value)| column.append_option(value));
        let times: [Timestamp; 2] = [fire.base, fire.reach];
        self.instants.iter_mut().zip(times).for_each(|(column, at)| column.append_value(at.0));
        self.count += 1;
        if self.count < BATCH_ROWS { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Outcome<()> {
        let [user_id, occurrence, touch_id, end] =
            self.texts.each_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let [base, reach] = self.instants.each_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let columns = vec![user_id, occurrence, base, reach, touch_id, end];
        self.count = 0;
        let batch = RecordBatch::try_new(self.schema.clone(), columns);
        let batch = batch.map_err(|error| Problem::bug(format!("rows of fires: {error}")))?;
        self.writer.write(&batch).map_err(broken)
    }

    fn finish(mut self) -> Outcome<()> {
        self.flush()?;
        self.writer.close().map(drop).map_err(broken)
    }
}

fn instants() -> TimestampMillisecondBuilder {
    TimestampMillisecondBuilder::new().with_data_type(arrow_type(Type::Instant))
}

fn unwritten(error: csv::Error) -> Problem {
    Problem::from(std::io::Error::from(error))
}

fn broken(error: parquet::errors::ParquetError) -> Problem {
    Problem::from(std::io::Error::other(error))
}
