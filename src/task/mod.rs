//! What is sent, to whom, when?
//!
//! A task file ([`read`], [`check`]) becomes a [`TaskFile`]: every mistake in it is found at once,
//! each at its line and column. [`Tasks`] keeps tasks with their versions and their audit trail in
//! `meta.db`, and lets them move only as the table in [`State::moves`] says. When a task falls due
//! is said by [`Once`], by a [`Repeat`] with its [`Cycle`] (each run is a [`Slot`]), or by a [`rule`] on
//! what users do; what is said to a user by [`Content`].
//! Nothing is sent here: read `dispatch` next.

mod about;
mod allowance;
mod cap;
mod changes;
mod content;
mod cycle;
mod difference;
mod file;
mod goal;
mod life;
mod limit_file;
mod link;
mod lint;
mod names;
mod odd;
mod plan;
mod policy;
mod quiet;
mod reader;
mod register;
mod repeat_file;
pub mod rule;
mod rule_file;
mod search;
mod slot;
mod staff_limits;
mod tasks;
mod team;
mod timing;
mod trigger;
mod variant;
mod versions;

pub use about::{About, Feature};
pub use allowance::{Allowance, Breaker, Done};
pub use cap::{Cap, Counted, Key, Period, Quota, Scope};
pub use content::{Content, Form, Missing};
pub use cycle::{Cron, Cycle, Days, MonthDay, Push};
pub use difference::{Difference, difference};
pub use file::{Audience, Dispatch, OnPause, TaskFile, Trigger, Update, read};
pub use goal::Goal;
pub use life::{Move, State};
pub use limit_file::{Limits, THEN, calendar, company_limits};
pub use link::{LinkText, Links, code_of, touch_id_of};
pub use lint::sms_parts;
pub use names::{Checked, Known, check};
pub use plan::{LeftOut, Plan, PlannedRun, RUNS_MAX, plan};
pub use policy::{Limit, OnExceed, Policies};
pub use quiet::{Beyond, Quiet, next_allowed};
pub use register::{By, Imported, Member, MemberMove, MemberRow, Register};
pub use rule::Rule;
pub use search::{Found, Search};
pub use slot::Slot;
pub use staff_limits::{NO_QUOTA, StaffLimits, WhenFull};
pub use tasks::{MoveRow, Scheduled, Task, Tasks, disk_trouble};
pub use team::{check_size, has_team, team};
pub use timing::{OnRefreshFailure, Once, Overlap, REFRESH_LEAD_MS, Refresh, Repeat, duration_ms};
pub use variant::{Variant, variant_of};
pub use versions::{InForce, Planned, VersionRow};

#[cfg(test)]
mod tests;
