//! Writes to-dos for the executing staff: one JSON line a touch in `todo/<task id>.ndjson`, exactly once.
//!
//! A person acts on each: adds the customer, sends the message. So a touch is awaited until a receipt
//! (`quanke receipts`) says that it was done. Who is to do it stands in `staff`: the attribute that the
//! settings name (`staff = "owner"`), or the content's key `staff`.

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

/// The sender `staff`.
pub struct Staff {
    file: FileSender,
    fields: Vec<String>,
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
        let (staff, phone) = (reader.text("staff"), reader.text("phone"));
        let folder = outbox.with_file_name(FOLDER);
        let fields = staff.iter().chain(&phone).cloned().collect();
        let write: Written =
            Box::new(move |batch, touch| line(batch, touch, staff.as_deref(), phone.as_deref()));
        reader.finish(Staff { file: FileSender::writing(name, &folder, faults, write), fields })
    }
}

fn line(
    batch: &Batch,
    touch: &Touch,
    staff: Option<&str>,
    phone: Option<&str>,
) -> serde_json::Result<Vec<u8>> {
    let field = |name: Option<&str>| {
        name.and_then(|name| touch.fields.get(name)).and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let in_content = touch.content.get("staff").and_then(Value::as_str);
    serde_json::to_vec(&Todo {
        touch_id: touch.touch_id,
        task: &batch.task,
        run: &batch.run,
        batch: batch.no,
        state: "open",
        staff: field(staff).or(in_content),
        user_id: &touch.user_id,
        phone: field(phone),
        channel: &batch.channel,
        due_at: &touch.due_at,
        content: &touch.content,
        fields: &touch.fields,
    })
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
        self.fields.clone()
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
