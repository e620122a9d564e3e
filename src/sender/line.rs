//! One touch as JSON, the same for every channel that speaks JSON.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::dispatch::{Batch, Touch, TouchId};

/// The line of contract.md, its keys in this order.
#[derive(Serialize)]
pub struct Line<'a> {
    pub touch_id: TouchId,
    pub task: &'a str,
    pub run: &'a str,
    pub batch: u64,
    pub user_id: &'a str,
    pub channel: &'a str,
    pub due_at: &'a str,
    pub content: &'a Value,
    pub fields: &'a Map<String, Value>,
    /// Only where the task has staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staff: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// The line of one touch of a batch.
    pub fn of(batch: &'a Batch, touch: &'a Touch) -> Line<'a> {
        Line {
            touch_id: touch.touch_id,
            task: &batch.task,
            run: &batch.run,
            batch: batch.no,
            user_id: &touch.user_id,
            channel: &batch.channel,
            due_at: &touch.due_at,
            content: &touch.content,
            fields: &touch.fields,
            staff: touch.staff.as_deref(),
        }
    }
}
