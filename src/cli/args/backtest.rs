//! Words of trying a task on history.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::words::instant_text;
use super::Telling;

#[derive(Debug, Args)]
pub struct Backtest {
    /// A task file, or the id of a task; with an id, touch ids are those of a live run
    #[arg(value_name = "FILE|TASK_ID")]
    pub task: String,
    /// Stands for the start of the task
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub from: String,
    /// No event from here on counts as A
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub to: String,
    /// The steps of the bars
    #[arg(long, value_enum, default_value = "hour")]
    pub by: Step,
    /// Write each fire and what became of it to a .csv, .ndjson or .parquet file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub telling: Telling,
}

/// A step of local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    Hour,
    Day,
}

pub const BACKTEST_EXAMPLES: &str = "\
Nothing is sent and nothing in the home changes; another process may hold the home meanwhile.
The task's own start and end are not asked: --from and --to stand for them, so that a campaign of next month
can be tried on last month. A's own `from` and `to` hold. See docs/backtest.md.

Examples:
  quanke backtest reminder.toml --from 2026-02-01 --to 2026-03-01
  quanke backtest reminder.toml --from 2026-02-01 --to 2026-03-01 --by day --svg fires.svg
  quanke backtest t1 --from 2026-02-01 --to 2026-03-01 --out fires.ndjson --json";
