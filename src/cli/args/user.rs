//! Words of single users.

use clap::Subcommand;

/// What to ask of one user.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Every touch of a user, of all tasks, with its state, reason and time 触达历史
    #[command(after_help = USER_HISTORY_EXAMPLES)]
    History {
        /// The user's external id
        id: String,
    },
}

const USER_HISTORY_EXAMPLES: &str = "\
Examples:
  quanke user history u10086
  quanke user history u10086 --json";
