//! Words of the command that takes what channels say later.

use clap::{Args, ValueEnum};

/// Receipts to book.
#[derive(Debug, Args)]
pub struct Receipts {
    /// Files of receipts, one JSON object a line or the lists that a gateway posts (- for stdin)
    #[arg(value_name = "PATH", required = true, num_args = 1..)]
    pub paths: Vec<String>,
    /// In whose form they are
    #[arg(long, value_enum, default_value = "quanke")]
    pub shape: ReceiptShape,
}

/// Whose receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReceiptShape {
    /// {"touch_id", "state", "reason"?, "at"?}
    Quanke,
    Aliyun,
    Tencent,
    Volcengine,
}

pub(super) const RECEIPTS_EXAMPLES: &str = "\
Examples:
  quanke receipts receipts.ndjson
  quanke receipts - --shape aliyun --json";
