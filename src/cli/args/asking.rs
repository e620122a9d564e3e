//! Asking on the command line: how many, who, why.

use clap::Args;

use super::super::words::{instant_text, seconds_of};
use super::{Asked, Output};

#[derive(Debug, Args)]
pub struct Estimate {
    #[command(flatten)]
    pub asked: Asked,
    /// Look at the data as of this instant [default: now]
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub as_of: Option<String>,
    /// Evaluate N times and tell each time taken (runs_ms)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repeat: Option<u32>,
    /// Evaluate every run anew, not from an earlier run's result
    #[arg(long)]
    pub no_cache: bool,
    /// After so long (`1s`, `250ms`), give an interval from a sample of the users instead of the exact
    /// number; left out, the answer is always exact
    #[arg(long, value_name = "TIME", value_parser = seconds_of)]
    pub budget: Option<f64>,
}

#[derive(Debug, Args)]
pub struct Select {
    #[command(flatten)]
    pub asked: Asked,
    #[command(flatten)]
    pub output: Output,
    /// Look at the data as of this instant [default: now]
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub as_of: Option<String>,
    /// Only measure: find the users N times, tell each time taken (runs_ms), write nothing
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repeat: Option<u32>,
}

#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    pub asked: Asked,
    /// Why this user is in or out, with the rows that prove it
    #[arg(long, value_name = "ID", conflicts_with = "verbose")]
    pub user: Option<String>,
    /// Rows shown as proof of one condition [default: 5]
    #[arg(long, value_name = "N", requires = "user")]
    pub rows: Option<usize>,
    /// The plan rewrite by rewrite, with bytes read and time per node
    #[arg(long)]
    pub verbose: bool,
    /// Look at the data as of this instant [default: now]
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub as_of: Option<String>,
}
