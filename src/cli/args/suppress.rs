//! Words of the list of users whom nobody reaches until an instant.

use clap::{ArgGroup, Args, Subcommand};

use super::By;

/// Whom nobody reaches for a while.
#[derive(Debug, Subcommand)]
pub enum Suppress {
    /// No task reaches these users before an instant 暂停触达
    #[command(after_help = ADD_EXAMPLES)]
    Add(SuppressAdd),
    /// Those for whom that holds now 列表
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Tasks reach these users again 恢复
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(SuppressRemove),
}

/// Who, until when, and why.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true).multiple(true).args(["path", "user", "crowd"])))]
pub struct SuppressAdd {
    /// A CSV of user_id, and perhaps until and reason (- for stdin)
    #[arg(value_name = "FILE")]
    pub path: Option<String>,
    /// A user's external id
    #[arg(long, value_name = "ID")]
    pub user: Vec<String>,
    /// The users who are in a crowd now
    #[arg(long, value_name = "NAME")]
    pub crowd: Option<String>,
    /// Until when, for those of whom the file does not say
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Why, for the list
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub by: By,
}

/// Who is taken off the list.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).multiple(true).args(["path", "user"])))]
pub struct SuppressRemove {
    /// A CSV of user_id (- for stdin)
    #[arg(value_name = "FILE")]
    pub path: Option<String>,
    /// A user's external id
    #[arg(long, value_name = "ID")]
    pub user: Vec<String>,
}

const ADD_EXAMPLES: &str = "\
Examples:
  quanke suppress add --user u10086 --until 2026-04-01 --reason 退群冷静期
  quanke suppress add kicked.csv --until 2026-03-08T20:00:00+08:00
  quanke suppress add --crowd 投诉 --until 2026-06-01 --by 小王";
const LIST_EXAMPLES: &str = "Examples:\n  quanke suppress list --json";
const REMOVE_EXAMPLES: &str = "Examples:\n  quanke suppress remove --user u10086";
