//! One question, and its rows as they come.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use futures::StreamExt;

use super::mistakes::{changing, planning, problems, too_deep, too_long};
use crate::base::Problems;

/// A longer question is no question of a person; what is deeper than this allows could exhaust the stack.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Each operator may lie inside the one before it, and plans are walked by functions that call themselves.
pub const OPERATORS_MAX: usize = 3_000;

/// The rows of an answer, batch by batch.
pub struct Answer {
    text: String,
    schema: SchemaRef,
    rows: SendableRecordBatchStream,
}

/// Plans and starts one question that only reads. Run it where the stack is deep (a worker thread of 16 MiB
/// and more) when the text is not one's own.
/// Errors: SQL-001 to SQL-004 for the text, SEL-… for a selection in it.
pub async fn ask(context: &SessionContext, text: &str) -> Result<Answer, Problems> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(too_long(text.len()).into());
    }
    let operators = operators_in(text);
    if operators > OPERATORS_MAX {
        return Err(too_deep(operators).into());
    }
    let refuse = |error| planning(error, text, context);
    let plan = context.state().create_logical_plan(text).await.map_err(refuse)?;
    let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    reading.verify_plan(&plan).map_err(|_| changing(text))?;
    let frame = context.execute_logical_plan(plan).await.map_err(refuse)?;
    let rows = frame.execute_stream().await.map_err(refuse)?;
    Ok(Answer { text: text.to_string(), schema: rows.schema(), rows })
}

/// Operators and words that join, each of which may make the plan one step deeper; none where the text cannot
/// be taken apart, which the parser tells better.
fn operators_in(text: &str) -> usize {
    let joins = [
        Keyword::AND,
        Keyword::OR,
        Keyword::NOT,
        Keyword::UNION,
        Keyword::EXCEPT,
        Keyword::INTERSECT,
        Keyword::JOIN,
    ];
    let is_operator = |token: &Token| match token {
        Token::Word(word) => joins.contains(&word.keyword),
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        _ => false,
    };
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize();
    tokens.map_or(0, |tokens| tokens.iter().filter(|token| is_operator(token)).count())
}

impl Answer {
    /// Names and types of the columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; nothing after the last.
    /// Errors: SQL-005 for a value that cannot be computed, SQL-006 when memory is out, STO-… and CRD-…
    /// when a file is damaged.
    pub async fn next(&mut self) -> Option<Result<RecordBatch, Problems>> {
        let batch = self.rows.next().await?;
        Some(batch.map_err(|error| problems(error, &self.text)))
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Answer({:?})", self.schema)
    }
}
