//! What is a file of users, to the command line? Its format, its encoding, and what its numbers are.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::args;
use super::door::Failure;
use super::session::usage;
use crate::audience::Numbering;
use crate::audience::package::{self, Form, Package};

/// The format of a crowd's file, when the extension does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Parquet,
    Csv,
    Ndjson,
    /// Arrow IPC; read only
    Arrow,
    /// Portable Roaring, 32 bits
    Roaring,
    /// Portable Roaring, 64 bits
    Roaring64,
    /// ClickHouse groupBitmap state over UInt32
    Clickhouse32,
    /// ClickHouse groupBitmap state over UInt64
    Clickhouse64,
    /// Doris BITMAP; StarRocks has the same
    #[value(alias = "starrocks")]
    Doris,
    /// Decimal numbers between commas, brackets or white space
    Numbers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// Bytes as they are
    Raw,
    Base64,
    Hex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Ids {
    /// This home's own user numbers
    UserNo,
    /// User ids that are numbers
    UserId,
}

/// What a bitmap's file holds, and what its numbers are.
#[derive(Debug, Clone, Args)]
pub struct Bitmap {
    /// The file's format, when the extension does not tell: parquet, csv, ndjson, arrow, or a bitmap: roaring,
    /// roaring64, clickhouse32, clickhouse64, doris, starrocks, numbers
    #[arg(long, value_enum, hide_possible_values = true)]
    pub format: Option<Format>,
    /// How the bytes are written down, when the extension (.base64, .hex) does not tell: raw, base64, hex
    #[arg(long, value_enum, hide_possible_values = true, help_heading = HEADING)]
    pub encoding: Option<Encoding>,
    /// What the numbers are: user_no (the default for roaring), user_id
    #[arg(long, value_enum, hide_possible_values = true, help_heading = HEADING)]
    pub ids: Option<Ids>,
    /// The numbers are the values of this integer attribute
    #[arg(long, value_name = "ATTRIBUTE", conflicts_with = "ids", help_heading = HEADING)]
    pub number_column: Option<String>,
}

const HEADING: &str = "Bitmaps";

/// A file of users, as the command line describes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Rows, of this format if it was said; with a numbering their ids are numbers.
    Rows(Option<args::Format>, Option<Numbering>),
    /// A bitmap of numbers.
    Bitmap(Package, Numbering),
}

impl Bitmap {
    /// What the file at `path` holds, by the options or else its extension.
    /// Errors: CLI-001 for options that do not go together, or numbers of which nobody said what
    /// they are.
    pub fn content(&self, path: Option<&Path>) -> Result<Content, Failure> {
        let by_name = path.and_then(Package::of);
        match self.format.map(Format::split).transpose() {
            Err(row) => self.rows(Some(row)),
            Ok(Some(form)) => {
                let encoding = by_name.filter(|package| package.form == form).map(|package| package.encoding);
                self.bitmap(Package { form, encoding: encoding.unwrap_or_default() })
            }
            Ok(None) => by_name.map_or_else(|| self.rows(None), |package| self.bitmap(package)),
        }
    }

    fn bitmap(&self, by_name: Package) -> Result<Content, Failure> {
        let encoding = self.encoding.map_or(by_name.encoding, Encoding::of);
        let package = Package { encoding, ..by_name };
        let ours = matches!(package.form, Form::Roaring | Form::Roaring64);
        match self.numbering() {
            Some(numbering) => Ok(Content::Bitmap(package, numbering)),
            None if ours => Ok(Content::Bitmap(package, Numbering::UserNo)),
            None => Err(nameless(package.form)),
        }
    }

    fn rows(&self, format: Option<args::Format>) -> Result<Content, Failure> {
        if self.encoding.is_some() {
            let cure = "leave --encoding out, or name a bitmap's format";
            return Err(usage("--encoding", "only the bytes of a bitmap are encoded", cure));
        }
        Ok(Content::Rows(format, self.numbering()))
    }

    fn numbering(&self) -> Option<Numbering> {
        match (&self.number_column, self.ids) {
            (Some(name), _) => Some(Numbering::Column(name.clone())),
            (None, Some(Ids::UserNo)) => Some(Numbering::UserNo),
            (None, Some(Ids::UserId)) => Some(Numbering::UserId),
            (None, None) => None,
        }
    }
}

impl Format {
    /// A bitmap's form, or else the format of rows.
    fn split(self) -> Result<Form, args::Format> {
        match self {
            Format::Parquet => Err(args::Format::Parquet),
            Format::Csv => Err(args::Format::Csv),
            Format::Ndjson => Err(args::Format::Ndjson),
            Format::Arrow => Err(args::Format::Arrow),
            Format::Roaring => Ok(Form::Roaring),
            Format::Roaring64 => Ok(Form::Roaring64),
            Format::Clickhouse32 => Ok(Form::ClickHouse32),
            Format::Clickhouse64 => Ok(Form::ClickHouse64),
            Format::Doris => Ok(Form::Doris),
            Format::Numbers => Ok(Form::Numbers),
        }
    }
}

impl Encoding {
    fn of(self) -> package::Encoding {
        match self {
            Encoding::Raw => package::Encoding::Raw,
            Encoding::Base64 => package::Encoding::Base64,
            Encoding::Hex => package::Encoding::Hex,
        }
    }
}

/// The numbers of another system's bitmap are not ours, so a default would name strangers.
fn nameless(form: Form) -> Failure {
    let what = "nobody said what the numbers of this bitmap are";
    let cure = "say `--number-column ATTRIBUTE` (an integer attribute holds them), `--ids user_id` (the user \
                ids are the numbers) or `--ids user_no` (this home wrote them)";
    usage(format!("--format {}", form.word()), what, cure)
}
