//! Words of staff and of what they have to do.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{By, Format, Why};

/// What to do with staff.
#[derive(Debug, Subcommand)]
pub enum Staff {
    /// Take in a list of staff; who is known already is changed where the list says so 导入
    #[command(after_help = STAFF_IMPORT_EXAMPLES)]
    Import(StaffImport),
    /// Everyone with what they may still do today 列表
    #[command(after_help = STAFF_LIST_EXAMPLES)]
    List {
        /// Only this department and those below it
        #[arg(long, value_name = "NAME")]
        department: Option<String>,
    },
    /// One member with their day and their audit trail 详情
    #[command(after_help = STAFF_SHOW_EXAMPLES)]
    Show {
        /// Id, or a name that only one has
        id: String,
    },
    /// A member leaves: their users and open to-dos go to the others of each team, evenly 离职
    #[command(after_help = STAFF_LEAVE_EXAMPLES)]
    Leave {
        id: String,
        #[command(flatten)]
        why: Why,
    },
    /// A member is back 返岗
    #[command(after_help = STAFF_RETURN_EXAMPLES)]
    Return {
        id: String,
        #[command(flatten)]
        why: Why,
    },
    /// Let an account go on that was stopped because too many refused 恢复
    #[command(after_help = STAFF_RESUME_EXAMPLES)]
    Resume {
        id: String,
        #[command(flatten)]
        why: Why,
    },
}

/// A list of staff.
#[derive(Debug, Args)]
pub struct StaffImport {
    /// A .csv, .ndjson or .parquet file with id, and name, department, joined, friends, state as there are (- for
    /// stdin)
    pub path: String,
    /// The file's format, when the extension does not tell
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// More rejected rows than this: nothing changes, exit 1
    #[arg(long, value_name = "N")]
    pub max_rejects: Option<u64>,
    #[command(flatten)]
    pub by: By,
}

/// What to do with to-dos.
#[derive(Debug, Subcommand)]
pub enum Todo {
    /// To-dos, the oldest first 列表
    #[command(after_help = TODO_LIST_EXAMPLES)]
    List(TodoList),
    /// One to-do with all that the channel wrote for it 详情
    #[command(after_help = TODO_SHOW_EXAMPLES)]
    Show { id: u64 },
    /// It is done: its touch is delivered 完成
    #[command(after_help = TODO_DONE_EXAMPLES)]
    Done {
        id: u64,
        /// A file that shows it, such as a screenshot; a copy is kept in the home
        #[arg(long, value_name = "FILE")]
        proof: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// The customer said no: its touch is refused 被拒
    #[command(after_help = TODO_REFUSED_EXAMPLES)]
    Refused {
        id: u64,
        #[command(flatten)]
        why: Why,
    },
    /// Remind of what is overdue, each to-do once a local day 提醒
    #[command(after_help = TODO_REMIND_EXAMPLES)]
    Remind,
}

/// Which to-dos are listed.
#[derive(Debug, Clone, Args)]
pub struct TodoList {
    /// Only those of this member, by id or name
    #[arg(long, value_name = "ID")]
    pub staff: Option<String>,
    /// Only those of this task
    #[arg(long, value_name = "TASK_ID")]
    pub task: Option<String>,
    #[arg(long, value_enum)]
    pub state: Option<TodoState>,
}

/// Where a to-do is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TodoState {
    Open,
    Done,
    Refused,
    /// Open for longer than `todo.overdue` of quanke.toml
    Overdue,
}

const STAFF_IMPORT_EXAMPLES: &str = "\
Examples:
  quanke staff import staff.csv
  quanke staff import hr/staff.parquet --by 人事 --json";
const STAFF_LIST_EXAMPLES: &str =
    "Examples:\n  quanke staff list\n  quanke staff list --department 华东 --json";
const STAFF_SHOW_EXAMPLES: &str = "Examples:\n  quanke staff show s001\n  quanke staff show 张三";
const STAFF_LEAVE_EXAMPLES: &str = "Examples:\n  quanke staff leave s001 --reason 离职";
const STAFF_RETURN_EXAMPLES: &str = "Examples:\n  quanke staff return s001";
const STAFF_RESUME_EXAMPLES: &str = "Examples:\n  quanke staff resume s001 --reason 已核实";
const TODO_LIST_EXAMPLES: &str = "\
Examples:
  quanke todo list
  quanke todo list --staff 张三 --state overdue --json";
const TODO_SHOW_EXAMPLES: &str = "Examples:\n  quanke todo show 7";
const TODO_DONE_EXAMPLES: &str = "Examples:\n  quanke todo done 7 --proof 截图.png --by 张三";
const TODO_REFUSED_EXAMPLES: &str = "Examples:\n  quanke todo refused 7 --reason 号码不存在 --by 张三";
const TODO_REMIND_EXAMPLES: &str = "Examples:\n  quanke todo remind --json";
