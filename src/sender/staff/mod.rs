//! Writes to-dos for the executing staff: one JSON line a touch in `todo/<task id>.ndjson`, exactly once, and
//! the same for the ledger's list (`quanke todo`).
//!
//! A person acts on each: adds the customer, sends the message. So a touch is awaited until the to-do is done or
//! a receipt (`quanke receipts`) says so. Who is to do it stands in `staff`: the member to whom the task dealt
//! the user; where it has no staff, the attribute that the settings name (`staff = "owner"`), or the content's
//! key `staff`.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Map, Value};
use toml::Table;

use super::file::{FileSender, Written};
use super::reader::Reader;
use crate::base::{Problem, Problems};
use crate::dispatch::{Batch, Faults, Outcome, Receipt, ReceiptState, Sender, Touch, TouchId};

/// The folder of to-dos, beside `outbox`.
const FOLDER: &str = "todo";
const KEYS: [&str; 2] = ["staff", "phone"];
/// Accounts add friends: these are their limits, unless a task says others.
const QUOTA: &str = "staff.add";

/// The sender `staff`.
pub struct Staff {
    file: FileSender,
    names: Names,
}

/// Which attributes say who is to do it, and by which number the user is reached.
#[derive(Clone)]
struct Names {
    staff: Option<String>,
    phone: Option<String>,
}

/// One thing to do.
#[derive(Serialize)]
struct Todo<'a> {
    touch_id: TouchId,
    task: &'a str,
    run: &'a str,
    batch: u64,
    state: &'static str,
    staff: Option<&'a str>,
    user_id: &'a str,
    phone: Option<&'a str>,
    channel: &'a str,
    due_at: &'a str,
    content: &'a Value,
    fields: &'a Map<String, Value>,
}

impl Staff {
    /// Reads `[senders.NAME]`; `outbox` is the folder of the app beside which `todo` lies.
    /// Errors: SND-001 for every wrong key at once.
    pub fn read(
        name: &str,
        table: &Table,
        outbox: &Path,
        faults: Arc<dyn Faults>,
    ) -> Result<Staff, Problems> {
        let mut reader = Reader::new(name, table, &KEYS);
        let names = Names { staff: reader.text("staff"), phone: reader.text("phone") };
        let (folder, own) = (outbox.with_file_name(FOLDER), names.clone());
        let write: Written = Box::new(move |batch, touch| serde_json::to_vec(&todo(batch, touch, &own)));
        reader.finish(Staff { file: FileSender::writing(name, &folder, faults, write), names })
    }
}

fn todo<'a>(batch: &'a Batch, touch: &'a Touch, names: &Names) -> Todo<'a> {
    let field = |name: &Option<String>| {
        let value = name.as_deref().and_then(|name| touch.fields.get(name));
        value.and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let in_content = touch.content.get("staff").and_then(Value::as_str);
    Todo {
        touch_id: touch.touch_id,
        task: &batch.task,
        run: &batch.run,
        batch: batch.no,
        state: "open",
        staff: touch.staff.as_deref().or_else(|| field(&names.staff)).or(in_content),
        user_id: &touch.user_id,
        phone: field(&names.phone),
        channel: &batch.channel,
        due_at: &touch.due_at,
        content: &touch.content,
        fields: &touch.fields,
    }
}

#[async_trait]
impl Sender for Staff {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn check(&self) -> Result<(), Problem> {
        self.file.check()
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn fields(&self) -> Vec<String> {
        self.names.staff.iter().chain(&self.names.phone).cloned().collect()
    }

    fn is_by_staff(&self) -> bool {
        true
    }

    fn family(&self) -> &str {
        QUOTA
    }

    fn todo(&self, batch: &Batch, touch: &Touch) -> Option<Value> {
        serde_json::to_value(todo(batch, touch, &self.names)).ok()
    }

    fn has_receipts(&self) -> bool {
        true
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        match self.file.send(batch).await {
            Outcome::Answered(receipts) => {
                let awaited = |receipt: Receipt| Receipt { state: ReceiptState::Awaiting, ..receipt };
                Outcome::Answered(receipts.into_iter().map(awaited).collect())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
