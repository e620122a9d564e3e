//! What can be written on the command line: one grammar, `quanke <noun or verb> … [options]`.
//!
//! Options stand anywhere after the command. The help of every command ends with examples.

mod asking;
mod backtest;
mod compact;
mod crowd;
mod insight;
mod receipts;
mod running;
mod serving;
mod staff;
mod suppress;
mod task;
mod user;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::packages::Bitmap;
use super::words::{bytes_of, instant_text};
pub use asking::*;
pub use backtest::*;
pub use compact::*;
pub use crowd::{Crowd, GuardWord, Import, Update};
pub use insight::*;
use receipts::RECEIPTS_EXAMPLES;
pub use receipts::{ReceiptShape, Receipts};
use running::RUN_EXAMPLES;
pub use running::{Live, Run};
use serving::SERVE_EXAMPLES;
pub use serving::Serve;
pub use staff::{Staff, StaffImport, Todo, TodoList, TodoState};
pub use suppress::{Suppress, SuppressAdd, SuppressRemove};
pub use task::{By, Task, TaskList, TaskOverlap, Touches, Why};
pub use user::User;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "quanke",
    version,
    about = "圈客: sync customers, circle an audience exactly, dispatch once",
    max_term_width = 110,
    after_help = ROOT_EXAMPLES
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Common {
    /// The folder that holds everything of this project [env: QUANKE_HOME] [default: ./quanke-home]
    #[arg(long, global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// The app inside the home; apps never see each other's data
    #[arg(long, global = true, value_name = "ID", default_value = "default")]
    pub app: String,
    /// One JSON document on stdout (NDJSON for rows); problems too
    #[arg(long, global = true)]
    pub json: bool,
    /// Stands for the wall clock, such as 2026-03-01T12:00:00+08:00
    #[arg(long, global = true, value_name = "T", value_parser = instant_text)]
    pub now: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load users, events or detail rows 导入
    #[command(subcommand)]
    Ingest(Ingest),
    /// Named audiences and their versions 人群包
    #[command(subcommand)]
    Crowd(Crowd),
    /// Look at every stored file, and make lost or damaged roll-ups and indexes again 整理
    #[command(after_help = COMPACT_EXAMPLES)]
    Compact(Compact),
    /// What is sent to whom, and when 任务
    #[command(subcommand)]
    Task(Task),
    /// What single users got 用户
    #[command(subcommand)]
    User(User),
    /// Users whom no task reaches until an instant 勿触达
    #[command(subcommand)]
    Suppress(Suppress),
    /// Move the clock: everything that falls due on the way happens, in order
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// What a trigger task would have done on stored history; sends nothing 回测
    #[command(after_help = BACKTEST_EXAMPLES)]
    Backtest(Backtest),
    /// Book what channels said later 回执
    #[command(after_help = RECEIPTS_EXAMPLES)]
    Receipts(Receipts),
    /// Who carries tasks out, and how much each may do 员工
    #[command(subcommand)]
    Staff(Staff),
    /// What the staff has to do for each user 待办
    #[command(subcommand)]
    Todo(Todo),
    /// Follow the clock as it runs, with doors for live events 服务
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serve),
    /// Count the users who fit, at every node of the selection 预估
    #[command(after_help = ESTIMATE_EXAMPLES)]
    Estimate(Estimate),
    /// Write out the users who fit 圈选
    #[command(after_help = SELECT_EXAMPLES)]
    Select(Select),
    /// Show how a selection is found, or why one user is in or out 计划与原因
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// What the users who fit are like: counts by their attributes 画像
    #[command(after_help = PROFILE_EXAMPLES)]
    Profile(Profile),
    /// Who entered and who left a selection between two instants 对比
    #[command(after_help = DIFF_SELECTION_EXAMPLES)]
    Diff(Diff),
    /// The size of a selection at one instant after the other 趋势
    #[command(after_help = TREND_EXAMPLES)]
    Trend(Trend),
    /// Ask anything else, in SQL over users, events, detail tables and crowds 查询
    #[command(after_help = SQL_EXAMPLES)]
    Sql(Sql),
    /// Make a small, lively home from nothing and run the main job on it 演示
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(Demo),
    /// Print a script that completes commands in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// The command's own word, to name this process to others.
    pub fn word(&self) -> &'static str {
        match self {
            Command::Ingest(_) => "ingest",
            Command::Crowd(_) => "crowd",
            Command::Compact(_) => "compact",
            Command::Task(_) => "task",
            Command::User(_) => "user",
            Command::Suppress(_) => "suppress",
            Command::Run(_) => "run",
            Command::Backtest(_) => "backtest",
            Command::Receipts(_) => "receipts",
            Command::Staff(_) => "staff",
            Command::Todo(_) => "todo",
            Command::Serve(_) => "serve",
            Command::Demo(_) => "demo",
            Command::Estimate(_) => "estimate",
            Command::Select(_) => "select",
            Command::Explain(_) => "explain",
            Command::Profile(_) => "profile",
            Command::Diff(_) => "diff",
            Command::Trend(_) => "trend",
            Command::Sql(_) => "sql",
            Command::Completions { .. } => "completions",
        }
    }
}

/// What the rows are.
#[derive(Debug, Subcommand)]
pub enum Ingest {
    /// One row a user: attributes and tags 用户属性与标签
    #[command(after_help = USERS_EXAMPLES)]
    Users {
        #[command(flatten)]
        files: Files,
        /// Column with the user id
        #[arg(long, value_name = "COLUMN", default_value = "user_id")]
        key: String,
        /// What the rows do to users already known
        #[arg(long, value_enum, default_value_t = Mode::Upsert)]
        mode: Mode,
        /// Every row deletes its user
        #[arg(long, conflicts_with = "mode")]
        delete: bool,
    },
    /// One row an event: who did what, when 行为
    #[command(after_help = EVENTS_EXAMPLES)]
    Events {
        #[command(flatten)]
        files: Files,
        /// Column with the user id
        #[arg(long, value_name = "COLUMN", default_value = "user_id")]
        user: String,
        /// Column with the event's name
        #[arg(long, value_name = "COLUMN", default_value = "event")]
        event: String,
        /// Column with the event's time
        #[arg(long, value_name = "COLUMN", default_value = "ts")]
        time: String,
        /// Column with the event's id [default: event_id, if there is one]
        #[arg(long, value_name = "COLUMN")]
        id: Option<String>,
    },
    /// One row a business fact of a user: an order, a coupon, a visit 明细数据
    #[command(after_help = DETAIL_EXAMPLES)]
    Detail {
        /// The table's name, such as orders
        name: String,
        #[command(flatten)]
        files: Files,
        /// Column with the user id
        #[arg(long, value_name = "COLUMN", default_value = "user_id")]
        user: String,
        /// Column that names a row; a later row with the same key replaces it
        #[arg(long, value_name = "COLUMN", default_value = "order_id")]
        key: String,
        /// Column with the row's time, for windows
        #[arg(long, value_name = "COLUMN")]
        time: Option<String>,
    },
}

/// Where rows come from and how they are read.
#[derive(Debug, Clone, Args)]
pub struct Files {
    /// Files, folders (date=…/ partitions included), globs, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    #[command(flatten)]
    pub reading: Reading,
    /// Memory that the load may use
    #[arg(long, value_name = "SIZE", value_parser = bytes_of)]
    pub memory: Option<u64>,
}

/// How files are read.
#[derive(Debug, Clone, Args)]
pub struct Reading {
    /// The files' format, when the extension does not tell
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Zone of instants written without one [default: the project's]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// More rejected rows than this: nothing changes, exit 1
    #[arg(long, value_name = "N")]
    pub max_rejects: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Parquet,
    Csv,
    Ndjson,
    Arrow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Replace the rows of the users given
    Upsert,
    /// The files are the whole truth
    Replace,
    /// Change only the columns given
    Patch,
}

/// A selection, written here or in a file.
#[derive(Debug, Clone, Args)]
pub struct Asked {
    /// The selection, such as "gender = '女' and did pay in last 30 days"
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub selection: Option<String>,
    /// Read the selection from a file (- for stdin); # starts a comment
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
}

#[derive(Debug, Args)]
pub struct Sql {
    /// The question, such as "select city, count(*) from users group by city"
    #[arg(required_unless_present = "file", conflicts_with = "file", value_name = "SQL")]
    pub query: Option<String>,
    /// Read the question from a file (- for stdin)
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
    /// Look at the data as of this instant [default: now]
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub as_of: Option<String>,
    /// CSV on stdout instead of a table
    #[arg(long)]
    pub csv: bool,
    /// Write the rows to a .csv, .ndjson or .parquet file
    #[arg(long, value_name = "FILE", conflicts_with = "csv")]
    pub out: Option<PathBuf>,
    /// Memory that sorts and groups may use before they go to temporary files [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = bytes_of)]
    pub memory: Option<u64>,
}

/// Where users are written.
#[derive(Debug, Clone, Args)]
pub struct Output {
    /// ids.csv, .parquet, .ndjson, .xlsx, or a bitmap: .roaring, .clickhouse64, .doris.base64 …; left out: stdout, as
    /// CSV (with --json: NDJSON) unless --format says
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Attributes to write beside the user id
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub columns: Vec<String>,
    #[command(flatten)]
    pub bitmap: Bitmap,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Makes the same world each time
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
}

const DEMO_EXAMPLES: &str = "\
The home is ./quanke-demo unless --home names another; only a home that a demo made is cleared.

Examples:
  quanke demo
  quanke demo --home /tmp/wecom --seed 7";

const ROOT_EXAMPLES: &str = "\
Examples:
  quanke ingest users users.parquet
  quanke ingest events events/ --time ts
  quanke estimate \"性别 = '女' 且 做过 pay count >= 3 in last 30 days\"
  quanke select \"gender = '女' and did pay in last 30 days\" --out ids.csv
  quanke crowd create 高价值 \"balance >= 10000\" --update daily

Exit codes: 0 done; 1 a problem of selection, task or data; 2 wrong use; 3 something outside failed";

const USERS_EXAMPLES: &str = "\
Examples:
  quanke ingest users users.parquet
  quanke ingest users crm/*.csv.gz --key uid --mode patch
  quanke ingest users gone.csv --delete";

const EVENTS_EXAMPLES: &str = "\
Examples:
  quanke ingest events events/                      # date=2026-03-01/… partitions included
  quanke ingest events log.ndjson.zst --user uid --event name --time at --id log_id
  cat log.ndjson | quanke ingest events - --format ndjson --max-rejects 100";

const DETAIL_EXAMPLES: &str = "\
Examples:
  quanke ingest detail orders orders.parquet --time paid_at
  quanke ingest detail coupons coupons.csv --key coupon_id";

const ESTIMATE_EXAMPLES: &str = "\
Examples:
  quanke estimate \"性别 = '女' 且 (省份 in ('上海', '浙江') 或 年龄 between 18 and 35)\"
  quanke estimate \"did pay where amount > 100 count >= 3 in last 30 days\" --as-of 2026-03-01
  quanke estimate -f women.sel --json";

const SELECT_EXAMPLES: &str = "\
Examples:
  quanke select \"非 人群包 '黑名单'\" --out ids.csv
  quanke select -f women.sel --out women.parquet --columns gender,city
  quanke select \"age >= 18\" --json | head";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  quanke explain \"gender = '女' and not did pay in last 30 days\"
  quanke explain \"gender = '女' and not did pay in last 30 days\" --user u10086
  quanke explain -f women.sel --verbose
  quanke explain -f women.sel --as-of 2026-03-01 --json";

const SQL_EXAMPLES: &str = "\
Tables: users, events, crowds, crowd_versions, and each detail table by its name; `show tables` lists them.
Functions beside SQL's own: in_selection, bitmap_agg, bitmap_count, bitmap_and, bitmap_or, bitmap_andnot,
bitmap_contains (docs/sql.md).

Examples:
  quanke sql \"select event, count(*), count(distinct user_no) from events group by event\"
  quanke sql \"select 省份, count(*) from users where in_selection('did pay in last 30 days') group by 省份\"
  quanke sql -f report.sql --as-of 2026-03-01 --out report.parquet";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  quanke completions bash > /etc/bash_completion.d/quanke";
