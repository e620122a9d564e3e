//! Words of the command that follows the clock as it runs.

use clap::Args;

use super::{bytes_of, instant_text};
use crate::task::duration_ms;

#[derive(Debug, Args)]
pub struct Serve {
    /// The HTTP door: POST /events, GET /healthz, /readyz, /metrics (`none`: no such door)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7700")]
    pub listen: String,
    /// The door for lines of NDJSON: an address, or unix:PATH
    #[arg(long, value_name = "ADDR")]
    pub lines: Option<String>,
    /// Read NDJSON from stdin as well (`-`)
    #[arg(long, value_name = "-", value_parser = ["-"])]
    pub events: Option<String>,
    /// The environment variable with the token that HTTP requests and TCP lines must show
    #[arg(long, value_name = "NAME")]
    pub token_env: Option<String>,
    /// How far events may be behind their arrival and still cancel what waits
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = length_ms)]
    pub lateness: i64,
    /// Bytes of events that may wait; more are turned away (429)
    #[arg(long, value_name = "SIZE", default_value = "64MB", value_parser = bytes_of)]
    pub queue: u64,
    /// Bytes of one request at most
    #[arg(long, value_name = "SIZE", default_value = "8MB", value_parser = bytes_of)]
    pub body: u64,
    /// Zone of instants written without one [default: the project's]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// Their path for ours, such as --map uid=user_id
    #[arg(long, value_name = "THEIRS=OURS", value_parser = super::running::mapping)]
    pub map: Vec<(String, String)>,
    /// End when the clock gets there
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub until: Option<String>,
    /// A rehearsal: from --now on the clock runs so many times as fast as the real one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub speed: u32,
}

fn length_ms(text: &str) -> Result<i64, String> {
    duration_ms(text)
        .filter(|ms| *ms >= 0)
        .ok_or_else(|| "write a length of time, such as 60s or 2m".to_string())
}

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  quanke serve
  quanke serve --listen 0.0.0.0:7700 --token-env QUANKE_TOKEN --lines unix:/run/quanke/events.sock
  tail -F events.ndjson | quanke serve --listen none --events -
  quanke serve --now 2026-03-01T08:00:00+08:00 --speed 600 --until 2026-03-02T08:00:00+08:00";
