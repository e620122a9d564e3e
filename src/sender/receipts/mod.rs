//! What do channels say later, and of which touches?
//!
//! [`read`] takes one body (a file's line, or what a gateway posts) apart into words for
//! [`crate::dispatch::Ledger::settle`]: no network, no ledger, so a door of any kind can use it.

mod shapes;

use serde_json::Value;

use crate::base::Problem;
use crate::dispatch::ReceiptWord;

/// In which form receipts come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{"touch_id", "state", "reason"?, "at"?}`, the form of quanke itself.
    Quanke,
    /// What a gateway posts: a list of its reports.
    Sms(super::sms::Shape),
}

/// A receipt that cannot be used: why, and what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Bad {
    pub reason: String,
    pub data: Value,
}

impl Shape {
    /// The shape of `quanke`, `aliyun`, `tencent` or `volcengine`.
    pub fn of(word: &str) -> Option<Shape> {
        if word == "quanke" { Some(Shape::Quanke) } else { super::sms::Shape::of(word).map(Shape::Sms) }
    }
}

/// The receipts in one JSON body: one object, or a list of them. Errors: SND-010 when it is no JSON.
pub fn read(shape: Shape, body: &[u8]) -> Result<Vec<Result<ReceiptWord, Bad>>, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        Problem::data("SND-010", format!("this is no JSON: {error}"))
            .cure("give one JSON object a line, or the list that the gateway posts; --shape names its form")
    })?;
    let items = match value {
        Value::Array(items) => items,
        other => vec![other],
    };
    Ok(items.into_iter().map(|item| word(shape, item)).collect())
}

fn word(shape: Shape, item: Value) -> Result<ReceiptWord, Bad> {
    let found = match shape {
        Shape::Quanke => shapes::quanke(&item),
        Shape::Sms(super::sms::Shape::Aliyun) => shapes::aliyun(&item),
        Shape::Sms(super::sms::Shape::Tencent) => shapes::tencent(&item),
        Shape::Sms(super::sms::Shape::Volcengine) => shapes::volcengine(&item),
    };
    found.map_err(|reason| Bad { reason, data: item })
}

#[cfg(test)]
mod tests;
