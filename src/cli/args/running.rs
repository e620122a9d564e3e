//! Words of the command that moves the clock.

use clap::Args;

use super::{Format, instant_text};

#[derive(Debug, Args)]
pub struct Run {
    /// Where the clock goes; it starts at the later of --now and the last run's end
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub until: String,
    /// Live events that come on the way: NDJSON, Arrow or Parquet, in the order in which they came (- for stdin)
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub events: Vec<String>,
    #[command(flatten)]
    pub live: Live,
}

/// How live events are read.
#[derive(Debug, Clone, Args)]
pub struct Live {
    /// The format of --events, when the extension does not tell
    #[arg(long, value_enum, requires = "events")]
    pub format: Option<Format>,
    /// Zone of instants of --events written without one [default: the project's]
    #[arg(long, value_name = "ZONE", requires = "events")]
    pub zone: Option<String>,
    /// Their column (or path with dots) for ours, such as --map uid=user_id
    #[arg(long, value_name = "THEIRS=OURS", value_parser = mapping, requires = "events")]
    pub map: Vec<(String, String)>,
}

pub(super) fn mapping(text: &str) -> Result<(String, String), String> {
    let (theirs, ours) = text.split_once('=').ok_or("write THEIRS=OURS, such as uid=user_id")?;
    Ok((theirs.to_string(), ours.to_string()))
}

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  quanke run --until 2026-03-02T21:00:00+08:00
  quanke run --now 2026-03-02T19:00:00+08:00 --until 2026-03-02T21:00:00+08:00 --json";
