//! What is sent, to whom, when?
//!
//! A task file ([`read`], [`check`]) becomes a [`TaskFile`]: every mistake in it is found at once,
//! each at its line and column. [`Tasks`] keeps tasks with their versions and their audit trail in
//! `meta.db`, and lets them move only as the table in [`State::moves`] says. When a task falls due
//! is said by [`Once`], or by a [`rule`] on what users do; what is said to a user by [`Content`].
//! Nothing is sent here: read `dispatch` next.

mod content;
mod file;
mod life;
mod link;
mod lint;
mod names;
mod odd;
mod policy;
mod reader;
pub mod rule;
mod rule_file;
mod tasks;
mod timing;
mod trigger;

pub use content::{Content, Form, Missing};
pub use file::{Audience, Dispatch, Limits, OnPause, TaskFile, Trigger, Update, read};
pub use life::{Move, State};
pub use link::{LinkText, Links, code_of, touch_id_of};
pub use lint::sms_parts;
pub use names::{Checked, Known, check};
pub use policy::{Limit, OnExceed, Policies};
pub use rule::Rule;
pub use tasks::{MoveRow, Scheduled, Task, Tasks, disk_trouble};
pub use timing::{OnRefreshFailure, Once, REFRESH_LEAD_MS, duration_ms};

#[cfg(test)]
mod tests;
