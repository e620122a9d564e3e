//! What looking after a home takes.

use clap::Args;

#[derive(Debug, Args)]
pub struct Compact {
    /// Only look: every file that is not as it was written is named, exit 3
    #[arg(long)]
    pub check: bool,
}

pub(super) const COMPACT_EXAMPLES: &str = "\
Roll-ups, bitmaps of values and indexes follow from the rows and are made again from them; rows, users and
ids are in no other file, so those come from a copy of the home.

Examples:
  quanke compact --check
  quanke compact --home shop --app wecom --json";
