//! Insight on the command line: profiles, comparisons, sizes over time.

use std::path::PathBuf;

use clap::Args;

use super::super::words::{every, instant_text};
use super::Asked;
use crate::audience::Every;
use crate::select::profile::{self, Dimension};

/// In which form tables are told.
#[derive(Debug, Clone, Args)]
pub struct Telling {
    /// The rows as CSV on stdout
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Draw a picture into this .svg file too
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Several dimensions of one `--by`.
#[derive(Debug, Clone)]
pub struct By(pub Vec<Dimension>);

fn by(text: &str) -> Result<By, String> {
    profile::dimensions(text).map(By)
}

#[derive(Debug, Args)]
pub struct Profile {
    #[command(flatten)]
    pub asked: Asked,
    /// What to count by: A,B apart, A*B crossed, A:20 in about 20 bins; may be given more than once
    #[arg(long, required = true, value_name = "A,B*C,D:20", value_parser = by)]
    pub by: Vec<By>,
    /// Look at the data as of this instant [default: now]
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub as_of: Option<String>,
    /// The N largest groups of each dimension [default: all; 20 of a text or list in tables]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    /// Evaluate and count N times and tell each time taken (runs_ms)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repeat: Option<u32>,
    /// Evaluate every run anew, not from an earlier run's result
    #[arg(long)]
    pub no_cache: bool,
    #[command(flatten)]
    pub telling: Telling,
}

#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    pub asked: Asked,
    /// The earlier instant
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub from: String,
    /// The later instant [default: now]
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub to: Option<String>,
    /// Write user_id,change (entered or left) to a .csv, .ndjson or .parquet file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Trend {
    #[command(flatten)]
    pub asked: Asked,
    /// The first instant
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub from: String,
    /// No instant after this [default: now]
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub to: Option<String>,
    /// From one instant to the next: 20m, 2h, 1d, 1w, 1month; days and longer keep the clock time
    #[arg(long, value_name = "STEP", default_value = "1d", value_parser = every)]
    pub every: Every,
    #[command(flatten)]
    pub telling: Telling,
}

#[derive(Debug, Args)]
pub struct Overlap {
    /// The crowds, up to 200
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    pub names: Vec<String>,
    /// Every listed crowd that has a version
    #[arg(long)]
    pub all: bool,
    /// The N pairs that are most alike [default: 20 in tables; all else]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    #[command(flatten)]
    pub telling: Telling,
}

#[derive(Debug, Args)]
pub struct History {
    pub name: String,
    #[command(flatten)]
    pub telling: Telling,
}

pub const PROFILE_EXAMPLES: &str = "\
Texts, lists and flags are counted by value; so are integers with at most 32 values. Other integers,
numbers, dates and instants fall into bins [from, to) with round edges (widths of 1, 2 or 5 times a power
of ten; hours, days, weeks, months, quarters, years), about 10 for numbers and 12 for times unless A:N
says otherwise (age:100 has a bin for each year); the edges span the middle 99 % of all users, and what lies outside has an open bin.
A user with several values counts under each. `-` is who has none. Index 100 is as everyone (TGI).

Examples:
  quanke profile \"did pay in last 30 days\" --by gender,province,city*vip_level
  quanke profile \"人群包 '高价值'\" --by balance:20,register_time --svg vip.svg
  quanke profile -f women.sel --by interests --top 10 --csv";

pub const DIFF_SELECTION_EXAMPLES: &str = "\
Examples:
  quanke diff \"did pay in last 7 days\" --from 2026-02-22 --to 2026-03-01
  quanke diff -f active.sel --from 2026-02-01 --out changes.csv";

pub const TREND_EXAMPLES: &str = "\
Examples:
  quanke trend \"did pay in last 7 days\" --from 2026-02-01 --to 2026-03-01 --every 1d
  quanke trend -f active.sel --from 2025-03-01 --every 1month --svg active.svg";

pub const OVERLAP_EXAMPLES: &str = "\
Examples:
  quanke crowd overlap 高价值 新客 黑名单
  quanke crowd overlap --all --svg overlap.svg --csv";

pub const HISTORY_EXAMPLES: &str = "\
Examples:
  quanke crowd history 高价值
  quanke crowd history 高价值 --svg size.svg";
