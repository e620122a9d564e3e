//! Words of crowds: made, refreshed, compared, confirmed, deleted.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::insight::{HISTORY_EXAMPLES, OVERLAP_EXAMPLES};
use super::{Asked, History, Output, Overlap};
use crate::audience::Guard;
use crate::cli::packages::Bitmap;
use crate::cli::words::{instant_text, which_text};

/// What holds a crowd's versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardWord {
    /// The guard of the settings.
    Default,
    Own(Guard),
}

fn guard(text: &str) -> Result<Guard, String> {
    Guard::parse(text).ok_or_else(|| "write a share such as 50%, or off".to_string())
}

fn guard_or_default(text: &str) -> Result<GuardWord, String> {
    if text.trim() == "default" { Ok(GuardWord::Default) } else { guard(text).map(GuardWord::Own) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Update {
    /// Made once, fixed for ever 一次性
    Once,
    /// Refreshed every day 按天
    Daily,
    /// Refreshed when asked to 按需
    OnDemand,
}

/// Users to upload: a list of ids, or a bitmap.
#[derive(Debug, Args)]
pub struct Import {
    pub name: String,
    /// A file, a folder, a glob, or - for stdin
    pub path: String,
    /// Add to the newest version instead of standing in its place
    #[arg(long)]
    pub append: bool,
    /// Ids never seen before become users
    #[arg(long)]
    pub create: bool,
    /// Column with the user id, or with its number
    #[arg(long, visible_alias = "column", value_name = "COLUMN", default_value = "user_id")]
    pub key: String,
    /// Zone of instants written without one [default: the project's]
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// More rejected rows than this: nothing changes, exit 1
    #[arg(long, value_name = "N")]
    pub max_rejects: Option<u64>,
    #[command(flatten)]
    pub bitmap: Bitmap,
}

/// What to do with crowds.
#[derive(Debug, Subcommand)]
pub enum Crowd {
    /// Upload a list of user ids as a crowd's new version 上传
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(Import),
    /// Save a selection as a crowd and make its first version 新建
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        name: String,
        #[command(flatten)]
        asked: Asked,
        /// When new versions are made [default: on_demand; with --redefine: as it was]
        #[arg(long, value_enum)]
        update: Option<Update>,
        /// Look at the data as of this instant [default: now]
        #[arg(long, value_name = "T", value_parser = instant_text)]
        as_of: Option<String>,
        /// Give a crowd that exists this new selection
        #[arg(long)]
        redefine: bool,
        /// Hold a version whose size jumps by more, such as 50%, or off [default: crowds.guard of quanke.toml]
        #[arg(long, value_name = "SHARE", value_parser = guard)]
        guard: Option<Guard>,
    },
    /// Make a new version from the crowd's selection 更新
    #[command(after_help = REFRESH_EXAMPLES)]
    Refresh {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        name: Option<String>,
        /// Every daily and on-demand crowd, those that others use first
        #[arg(long)]
        all: bool,
        /// Look at the data as of this instant [default: now]
        #[arg(long, value_name = "T", value_parser = instant_text)]
        as_of: Option<String>,
    },
    /// All crowds with size, change and age 列表
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// One crowd with its selection and versions 详情
    #[command(after_help = SHOW_EXAMPLES)]
    Show { name: String },
    /// Write out the users of a version 导出
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        name: String,
        #[command(flatten)]
        output: Output,
        /// The version [default: the newest complete one]
        #[arg(long, value_name = "N")]
        version: Option<u32>,
    },
    /// Who entered and who left between two versions 对比
    #[command(after_help = DIFF_EXAMPLES)]
    Diff {
        name: String,
        /// The older version, by number or instant [default: the one before --to]
        #[arg(long, value_name = "N|T", value_parser = which_text)]
        from: Option<String>,
        /// The newer version, by number or instant [default: the newest complete one]
        #[arg(long, value_name = "N|T", value_parser = which_text)]
        to: Option<String>,
        /// Write user_id,change (entered or left) to a .csv, .ndjson or .parquet file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// What crowds have in common: every pair, and how many crowds each user is in 重合
    #[command(after_help = OVERLAP_EXAMPLES)]
    Overlap(Overlap),
    /// The size of a crowd from version to version, with who entered and left 历史
    #[command(after_help = HISTORY_EXAMPLES)]
    History(History),
    /// Let a version that is held come into force 确认
    #[command(after_help = CONFIRM_EXAMPLES)]
    Confirm { name: String },
    /// Drop a version that is held; the one before stays 丢弃
    #[command(after_help = DISCARD_EXAMPLES)]
    Discard { name: String },
    /// Hold versions of a crowd whose size jumps 守卫
    #[command(after_help = GUARD_EXAMPLES)]
    Guard {
        name: String,
        /// How much it may change at once: 50%, off, or default (crowds.guard of quanke.toml)
        #[arg(value_name = "SHARE", value_parser = guard_or_default)]
        share: GuardWord,
    },
    /// Delete a crowd that nothing uses 删除
    #[command(after_help = DELETE_EXAMPLES)]
    Delete { name: String },
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  quanke crowd import 黑名单 blacklist.csv
  quanke crowd import 黑名单 more.csv --append
  quanke crowd import 新客 leads.csv --create       # unknown ids become users
  quanke crowd import 沉睡 export.parquet --column uid
  quanke crowd import 沉睡 sleeping.clickhouse64 --number-column uid
  quanke crowd import 沉睡 - --format doris --encoding base64 --ids user_id < bitmap.txt";

const CREATE_EXAMPLES: &str = "\
Examples:
  quanke crowd create 高价值 \"balance >= 10000\" --update daily
  quanke crowd create 上海女 \"性别 = '女' 且 city = '上海'\" --update once --as-of 2026-03-01
  quanke crowd create 高价值 \"balance >= 20000\" --redefine";

const REFRESH_EXAMPLES: &str = "\
Examples:
  quanke crowd refresh 高价值
  quanke crowd refresh --all";

const LIST_EXAMPLES: &str = "\
Examples:
  quanke crowd list
  quanke crowd list --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  quanke crowd show 高价值";

const EXPORT_EXAMPLES: &str = "\
Examples:
  quanke crowd export 高价值 --out vip.csv --columns phone,city
  quanke crowd export 高价值 --version 3 --out vip.roaring
  quanke crowd export 高价值 --out vip.doris.base64 --number-column uid";

const DIFF_EXAMPLES: &str = "\
Examples:
  quanke crowd diff 高价值
  quanke crowd diff 高价值 --from 3 --to 7 --out changes.csv
  quanke crowd diff 高价值 --from 2026-02-01 --to 2026-03-01";

const DELETE_EXAMPLES: &str = "\
Examples:
  quanke crowd delete 高价值";

const CONFIRM_EXAMPLES: &str = "\
Examples:
  quanke crowd diff 高价值 --to 7        # what the held version 7 would change
  quanke crowd confirm 高价值";

const DISCARD_EXAMPLES: &str = "\
Examples:
  quanke crowd discard 高价值";

const GUARD_EXAMPLES: &str = "\
Examples:
  quanke crowd guard 高价值 30%
  quanke crowd guard 高价值 off
  quanke crowd guard 高价值 default";
