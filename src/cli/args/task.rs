//! Words of tasks: their files, their moves, what became of them.

use clap::Subcommand;

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Read a task file and tell every mistake in it 检查
    #[command(after_help = TASK_CHECK_EXAMPLES)]
    Check { file: String },
    /// Make a draft from a task file 新建
    #[command(after_help = TASK_CREATE_EXAMPLES)]
    Create { file: String },
    /// Give a draft or a rejected task another file 编辑
    #[command(after_help = TASK_EDIT_EXAMPLES)]
    Edit { id: String, file: String },
    /// All tasks with their states 列表
    #[command(after_help = TASK_LIST_EXAMPLES)]
    List,
    /// One task with its file and its audit trail 详情
    #[command(after_help = TASK_SHOW_EXAMPLES)]
    Show { id: String },
    /// Hand a draft in for approval 提交审批
    #[command(after_help = TASK_SUBMIT_EXAMPLES)]
    Submit { id: String },
    /// Approve a task; the clock starts it at its start 审批通过
    #[command(after_help = TASK_APPROVE_EXAMPLES)]
    Approve { id: String },
    /// Refuse a task, with a reason 驳回
    #[command(after_help = TASK_REJECT_EXAMPLES)]
    Reject {
        id: String,
        /// Why, for its author
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Start an approved task now, or a failed one again 开始
    #[command(after_help = TASK_START_EXAMPLES)]
    Start { id: String },
    /// Let nothing go out for a while 暂停
    #[command(after_help = TASK_PAUSE_EXAMPLES)]
    Pause { id: String },
    /// Go on after a pause 恢复
    #[command(after_help = TASK_RESUME_EXAMPLES)]
    Resume { id: String },
    /// Cancel a task of which nothing has gone out yet 取消
    #[command(after_help = TASK_CANCEL_EXAMPLES)]
    Cancel {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// End a running task: the rest is not sent 停止
    #[command(after_help = TASK_STOP_EXAMPLES)]
    Stop {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Make a draft with the file of another task 复制
    #[command(after_help = TASK_COPY_EXAMPLES)]
    Copy { id: String },
    /// What became of every touch; the book balances 报表
    #[command(after_help = TASK_REPORT_EXAMPLES)]
    Report { id: String },
    /// Ask the channel about touches of which nobody knows whether they were taken 核对
    #[command(after_help = TASK_RECONCILE_EXAMPLES)]
    Reconcile { id: String },
    /// What a triggered task decided about one user, and why 追踪
    #[command(after_help = TASK_TRACE_EXAMPLES)]
    Trace {
        id: String,
        /// The user's external id
        #[arg(long, value_name = "ID")]
        user: String,
    },
}

const TASK_CHECK_EXAMPLES: &str = "Examples:\n  quanke task check spring.toml";
const TASK_CREATE_EXAMPLES: &str = "Examples:\n  quanke task create spring.toml --json";
const TASK_EDIT_EXAMPLES: &str = "Examples:\n  quanke task edit t1 spring.toml";
const TASK_LIST_EXAMPLES: &str = "Examples:\n  quanke task list";
const TASK_SHOW_EXAMPLES: &str = "Examples:\n  quanke task show t1";
const TASK_SUBMIT_EXAMPLES: &str = "Examples:\n  quanke task submit t1";
const TASK_APPROVE_EXAMPLES: &str = "Examples:\n  quanke task approve t1";
const TASK_REJECT_EXAMPLES: &str = "Examples:\n  quanke task reject t1 --reason 文案有误";
const TASK_START_EXAMPLES: &str = "Examples:\n  quanke task start t1";
const TASK_PAUSE_EXAMPLES: &str = "Examples:\n  quanke task pause t1";
const TASK_RESUME_EXAMPLES: &str = "Examples:\n  quanke task resume t1";
const TASK_CANCEL_EXAMPLES: &str = "Examples:\n  quanke task cancel t1 --reason 活动取消";
const TASK_STOP_EXAMPLES: &str = "Examples:\n  quanke task stop t1";
const TASK_COPY_EXAMPLES: &str = "Examples:\n  quanke task copy t1";
const TASK_RECONCILE_EXAMPLES: &str = "Examples:\n  quanke task reconcile t1 --json";
const TASK_TRACE_EXAMPLES: &str = "\
Examples:
  quanke task trace t1 --user u10086
  quanke task trace t1 --user u10086 --json";

const TASK_REPORT_EXAMPLES: &str = "Examples:\n  quanke task report t1 --json";
