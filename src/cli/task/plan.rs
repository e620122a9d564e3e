//! When will a task run?

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::checked;
use crate::base::Problem;
use crate::cli::door::{Done, Door};
use crate::cli::session::Session;
use crate::task::{Plan, PlannedRun, State, Task, plan};

const DAY_MS: i64 = 86_400_000;

/// `task plan FILE|ID`: what is a file is read as one.
pub fn run(what: &str, days: u32, session: &Session, door: &mut Door) -> Done {
    let from = session.environment.now;
    let to = from.plus(i64::from(days) * DAY_MS);
    if Path::new(what).is_file() {
        let snapshot = session.snapshot()?;
        let found = checked(what, &snapshot, &session.audiences()?, session)?;
        door.warn(&found.warnings);
        return tell(&plan(&found.file, &session.settings.zone, from, to), None, door);
    }
    let task = session.tasks()?.task(what)?;
    tell(&plan(&task.file, &task.zone, from, to), Some(&task), door)
}

fn tell(plan: &Plan, task: Option<&Task>, door: &mut Door) -> Done {
    let mut document = serde_json::to_value(plan).map_err(|e| Problem::bug(e.to_string()))?;
    if let (Some(task), Value::Object(all)) = (task, &mut document) {
        all.insert("task".to_string(), json!(task.id));
        all.insert("state".to_string(), json!(task.state));
    }
    door.answer(document, || text(plan, task))
}

fn text(plan: &Plan, task: Option<&Task>) -> String {
    let mut text = format!("{} to {}, {}\n", plan.from, plan.to, plan.zone);
    if let Some(task) = task {
        let _ =
            writeln!(text, "{} '{}'  {}{}", task.id, task.file.name, task.state, what_holds_it(task.state));
    }
    if let Some(waits_for) = &plan.waits_for {
        let _ = writeln!(text, "no run by the calendar; waits for {waits_for}");
    } else if plan.runs.is_empty() {
        let _ = writeln!(text, "no run");
    }
    plan.runs.iter().for_each(|run| line(&mut text, run));
    for left in &plan.left_out {
        let _ = writeln!(text, "  no run {}: {}", left.planned, left.why);
    }
    if plan.is_cut {
        text.push_str("  … more; ask for fewer days\n");
    }
    text
}

fn line(text: &mut String, run: &PlannedRun) {
    let _ = write!(text, "  {} {}  {}", run.at, run.weekday, run.reason);
    if let Some(at) = &run.refresh_at {
        let _ = write!(text, "; audience made anew at {at}");
    }
    text.push('\n');
    for note in &run.notes {
        let _ = writeln!(text, "      {note}");
    }
}

fn what_holds_it(state: State) -> &'static str {
    match state {
        State::Approved | State::Running => "",
        State::Paused => ": what falls due before the resume is not sent",
        State::Failed => ": nothing runs before it is started again",
        State::Ended | State::Cancelled => ": nothing runs any more",
        State::Draft | State::PendingApproval | State::Rejected => ": nothing runs before it is approved",
    }
}
