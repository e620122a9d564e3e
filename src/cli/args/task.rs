//! Words of tasks: their files, their moves, what became of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Telling;
use crate::cli::words::instant_text;
use crate::dispatch::{Reason, TouchState};

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Read a task file and tell every mistake in it 检查
    #[command(after_help = TASK_CHECK_EXAMPLES)]
    Check { file: String },
    /// Make a draft from a task file 新建
    #[command(after_help = TASK_CREATE_EXAMPLES)]
    Create {
        file: String,
        /// Submit, approve and start it in the same act (tasks.create_starts of quanke.toml)
        #[arg(long)]
        start: bool,
        #[command(flatten)]
        by: By,
    },
    /// Give a task another file: a new version 编辑
    #[command(after_help = TASK_EDIT_EXAMPLES)]
    Edit {
        id: String,
        file: String,
        #[command(flatten)]
        by: By,
    },
    /// Tasks with their states, searched and filtered 列表
    #[command(after_help = TASK_LIST_EXAMPLES)]
    List(TaskList),
    /// One task with its file, its versions and its audit trail 详情
    #[command(after_help = TASK_SHOW_EXAMPLES)]
    Show {
        id: String,
        /// What this version changed against the one before
        #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..))]
        diff: Option<u32>,
    },
    /// The runs to come, each with its reason 排期
    #[command(after_help = TASK_PLAN_EXAMPLES)]
    Plan {
        /// A task file or a task's id
        #[arg(value_name = "FILE|ID")]
        what: String,
        /// Days from now
        #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3660))]
        days: u32,
    },
    /// Who would be stopped by which gate, before anything is sent 预检
    #[command(after_help = TASK_PREFLIGHT_EXAMPLES)]
    Preflight {
        /// A task file or a task's id
        #[arg(value_name = "FILE|ID")]
        what: String,
        /// As if it ran at this instant [default: its next run]
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
    /// Hand a draft in for approval 提交审批
    #[command(after_help = TASK_SUBMIT_EXAMPLES)]
    Submit {
        id: String,
        #[command(flatten)]
        by: By,
    },
    /// Approve a task; the clock starts it at its start 审批通过
    #[command(after_help = TASK_APPROVE_EXAMPLES)]
    Approve {
        id: String,
        #[command(flatten)]
        by: By,
    },
    /// Refuse a task, with a reason 驳回
    #[command(after_help = TASK_REJECT_EXAMPLES)]
    Reject {
        id: String,
        /// Why, for its author
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Start an approved task now, or a failed one again 开始
    #[command(after_help = TASK_START_EXAMPLES)]
    Start {
        id: String,
        #[command(flatten)]
        by: By,
    },
    /// Let nothing go out for a while 暂停
    #[command(after_help = TASK_PAUSE_EXAMPLES)]
    Pause {
        id: String,
        #[command(flatten)]
        why: Why,
    },
    /// Go on after a pause 恢复
    #[command(after_help = TASK_RESUME_EXAMPLES)]
    Resume {
        id: String,
        #[command(flatten)]
        by: By,
    },
    /// Cancel a task of which nothing has gone out yet 取消
    #[command(after_help = TASK_CANCEL_EXAMPLES)]
    Cancel {
        id: String,
        #[command(flatten)]
        why: Why,
    },
    /// End a running task: the rest is not sent 停止
    #[command(after_help = TASK_STOP_EXAMPLES)]
    Stop {
        id: String,
        #[command(flatten)]
        why: Why,
    },
    /// Make a draft with the file of another task 复制
    #[command(after_help = TASK_COPY_EXAMPLES)]
    Copy {
        id: String,
        #[command(flatten)]
        by: By,
    },
    /// Take a task on which nothing runs out of the lists 删除
    #[command(after_help = TASK_DELETE_EXAMPLES)]
    Delete {
        id: String,
        #[command(flatten)]
        why: Why,
    },
    /// What became of every touch; the book balances 报表
    #[command(after_help = TASK_REPORT_EXAMPLES)]
    Report { id: String },
    /// Every touch with its state and reason, as rows 明细
    #[command(after_help = TASK_TOUCHES_EXAMPLES)]
    Touches(Touches),
    /// Whom the tasks of a period hit together 重合
    #[command(after_help = TASK_OVERLAP_EXAMPLES)]
    Overlap(TaskOverlap),
    /// Ask the channel about touches of which nobody knows whether they were taken 核对
    #[command(after_help = TASK_RECONCILE_EXAMPLES)]
    Reconcile { id: String },
    /// Whose its users are: how many each member has, or every word on one user 分配
    #[command(after_help = TASK_STAFF_EXAMPLES)]
    Staff {
        id: String,
        /// The user's external id
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
    /// What became of one user's touches, and why; of a triggered task, what its rule decided 追踪
    #[command(after_help = TASK_TRACE_EXAMPLES)]
    Trace {
        id: String,
        /// The user's external id
        #[arg(long, value_name = "ID")]
        user: String,
    },
}

/// Which touches are listed, and where.
#[derive(Debug, Clone, Args)]
pub struct Touches {
    pub id: String,
    /// Only this run, by its name in the report or its planned local time
    #[arg(long, value_name = "R")]
    pub run: Option<String>,
    /// Only these states: due, withheld, suppressed, held, handed, delivered, refused, unknown
    #[arg(long, value_name = "S", value_delimiter = ',', value_parser = touch_state)]
    pub state: Vec<TouchState>,
    /// Only these reasons, such as holdout, blacklist, cap, late_b
    #[arg(long, value_name = "R", value_delimiter = ',', value_parser = reason)]
    pub reason: Vec<Reason>,
    /// Only this user, by the external id
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// A .csv, .parquet, .xlsx or .ndjson file [default: stdout, as CSV; with --json: NDJSON]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Which tasks are laid over each other.
#[derive(Debug, Clone, Args)]
pub struct TaskOverlap {
    /// Touches that were due at or after this
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub from: String,
    /// Touches that were due before this
    #[arg(long, value_name = "T", value_parser = instant_text)]
    pub to: String,
    /// How many tasks are many for one user
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub min: u32,
    /// Write the users whom at least --min tasks hit: a .csv, .ndjson, .parquet, .xlsx or .roaring file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The N pairs that are most alike [default: 20 in tables; all else]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    #[command(flatten)]
    pub telling: Telling,
}

fn touch_state(text: &str) -> Result<TouchState, String> {
    let found = TouchState::ALL.into_iter().find(|state| state.word() == text);
    found.ok_or_else(|| one_of(TouchState::ALL.map(TouchState::word).as_slice()))
}

fn reason(text: &str) -> Result<Reason, String> {
    let found = Reason::ALL.into_iter().find(|reason| reason.word() == text);
    found.ok_or_else(|| one_of(Reason::ALL.map(Reason::word).as_slice()))
}

fn one_of(words: &[&str]) -> String {
    format!("it can be {}", words.join(", "))
}

/// Who does it.
#[derive(Debug, Clone, Args)]
pub struct By {
    /// Who does it, for the audit trail [default: tasks.by of quanke.toml, else the login's name, else cli]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// Who does it, and why.
#[derive(Debug, Clone, Args)]
pub struct Why {
    /// Why, for the audit trail
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub by: By,
}

/// Which tasks are listed.
#[derive(Debug, Clone, Args)]
pub struct TaskList {
    /// Words in the name, the creator, the group or the names of staff
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,
    /// Only these states, in English or Chinese
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    pub state: Vec<String>,
    /// Only this group 分组
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Only this resource group
    #[arg(long, value_name = "NAME")]
    pub resource_group: Option<String>,
    /// Only this linked activity
    #[arg(long, value_name = "NAME")]
    pub activity: Option<String>,
    /// Tasks on a page
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Which page, from 1
    #[arg(long, value_name = "N", default_value_t = 1, requires = "limit", value_parser = clap::value_parser!(u32).range(1..))]
    pub page: u32,
}

const TASK_CHECK_EXAMPLES: &str = "Examples:\n  quanke task check spring.toml";
const TASK_CREATE_EXAMPLES: &str = "\
Examples:
  quanke task create spring.toml --by 小王 --json
  quanke task create spring.toml --start";
const TASK_EDIT_EXAMPLES: &str = "Examples:\n  quanke task edit t1 spring.toml --by 小王";
const TASK_LIST_EXAMPLES: &str = "\
Examples:
  quanke task list
  quanke task list --search 春季 --state running,已暂停
  quanke task list --group 会员日 --limit 20 --page 2 --json";
const TASK_SHOW_EXAMPLES: &str = "Examples:\n  quanke task show t1\n  quanke task show t1 --diff 2";
const TASK_PLAN_EXAMPLES: &str = "\
Examples:
  quanke task plan weekly.toml --days 30
  quanke task plan t1 --now 2026-03-01T09:00:00+08:00 --json";
const TASK_PREFLIGHT_EXAMPLES: &str = "\
Examples:
  quanke task preflight spring.toml
  quanke task preflight t1 --at 2026-03-02T21:30:00+08:00 --json";
const TASK_SUBMIT_EXAMPLES: &str = "Examples:\n  quanke task submit t1";
const TASK_APPROVE_EXAMPLES: &str = "Examples:\n  quanke task approve t1 --by 老李";
const TASK_REJECT_EXAMPLES: &str = "Examples:\n  quanke task reject t1 --reason 文案有误 --by 老李";
const TASK_START_EXAMPLES: &str = "Examples:\n  quanke task start t1";
const TASK_PAUSE_EXAMPLES: &str = "Examples:\n  quanke task pause t1 --reason 客服忙";
const TASK_RESUME_EXAMPLES: &str = "Examples:\n  quanke task resume t1";
const TASK_CANCEL_EXAMPLES: &str = "Examples:\n  quanke task cancel t1 --reason 活动取消";
const TASK_STOP_EXAMPLES: &str = "Examples:\n  quanke task stop t1";
const TASK_COPY_EXAMPLES: &str = "Examples:\n  quanke task copy t1";
const TASK_DELETE_EXAMPLES: &str = "Examples:\n  quanke task delete t1 --reason 写错了";
const TASK_STAFF_EXAMPLES: &str =
    "Examples:\n  quanke task staff t1\n  quanke task staff t1 --user u10086 --json";
const TASK_RECONCILE_EXAMPLES: &str = "Examples:\n  quanke task reconcile t1 --json";
const TASK_TRACE_EXAMPLES: &str = "\
Examples:
  quanke task trace t1 --user u10086
  quanke task trace t1 --user u10086 --json";

const TASK_REPORT_EXAMPLES: &str = "Examples:\n  quanke task report t1 --json";

const TASK_TOUCHES_EXAMPLES: &str = "\
Examples:
  quanke task touches t1 --out touches.xlsx
  quanke task touches t1 --run 2026-03-02T20:00 --state suppressed --reason blacklist,holdout --out out.csv
  quanke task touches t1 --user u10086 --json";

const TASK_OVERLAP_EXAMPLES: &str = "\
Examples:
  quanke task overlap --from 2026-03-02 --to 2026-03-09
  quanke task overlap --from 2026-03-02 --to 2026-03-09 --min 4 --out often.csv --json";
