//! What became of a task's touches? The book per run and in total, as JSON and as a table.

use std::fmt::Write;

use serde::Serialize;

use crate::base::{Outcome, Timestamp};
use crate::task::Task;

use super::book::Book;
use super::goals::GoalReport;
use super::ledger::{Ledger, Run};
use super::state::RunState;
use super::triggered::{FiredReport, Triggered};
use super::variants::VariantReport;

/// Everything that `task report --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub task: String,
    pub name: String,
    pub state: crate::task::State,
    /// The state's Chinese name.
    pub state_name: String,
    pub cause: Option<String>,
    pub runs: Vec<RunReport>,
    pub total: Book,
    /// Of a task with variants: the book of each, as [`super::by_variant`] finds them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantReport>,
    /// Of a trigger task: what its trigger says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<FiredReport>,
    /// Of a task with a goal: whether it came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<GoalReport>,
    /// Crowds that the task asks and that need a look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crowds: Vec<CrowdNote>,
}

/// A crowd that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrowdNote {
    pub crowd: String,
    /// `stale` or `held`.
    pub mark: String,
    pub why: String,
}

/// One run of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    pub run: String,
    /// RFC 3339, in the task's zone; so are the others.
    pub planned_at: String,
    pub state: String,
    /// Did everything that should go out go out? (S1.7)
    pub is_pushed: bool,
    pub cause: Option<String>,
    pub as_of: Option<String>,
    pub data_version: Option<u64>,
    pub crowd_version: Option<String>,
    pub task_version: u32,
    /// Users in the audience; fires of a trigger's run.
    pub audience: u64,
    pub batches: u64,
    /// Of a trigger task: touches that were out when the B came that would have cancelled them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contradicted: Option<i64>,
    #[serde(flatten)]
    pub book: Book,
}

impl Report {
    /// The report of a task; `triggered` is empty for a task that the calendar starts. The rows are counted
    /// anew and must agree with the counts that the commits kept. Errors: DSP-004 when they do not, OUT-030.
    pub fn of(task: &Task, ledger: &Ledger, triggered: &Triggered) -> Outcome<Report> {
        let runs: Vec<RunReport> = ledger
            .runs_of(&task.id)?
            .iter()
            .map(|run| run_report(task, ledger, run))
            .collect::<Outcome<_>>()?;
        let total = Book::total(runs.iter().map(|run| &run.book));
        let contradicted = runs.iter().filter_map(|run| run.contradicted).sum();
        let trigger = task.rule().map(|_| FiredReport::of(triggered, contradicted));
        Ok(Report {
            task: task.id.clone(),
            name: task.file.name.clone(),
            state: task.state,
            state_name: task.state.chinese().into(),
            cause: task.cause.clone(),
            runs,
            total,
            variants: Vec::new(),
            trigger,
            goal: None,
            crowds: Vec::new(),
        })
    }

    /// The same as a table for a terminal.
    pub fn table(&self) -> String {
        let mut text = format!("{} {}  {} {}\n", self.task, self.name, self.state_name, self.state.word());
        if let Some(cause) = &self.cause {
            let _ = writeln!(text, "cause  {cause}");
        }
        for run in &self.runs {
            let _ = writeln!(
                text,
                "\n{}  {}  audience {}  batches {}",
                run.run, run.state, run.audience, run.batches
            );
            if let Some(cause) = &run.cause {
                let _ = writeln!(text, "  cause  {cause}");
            }
            text.push_str(&book_lines(&run.book));
            if let Some(count) = run.contradicted.filter(|count| *count > 0) {
                let _ = writeln!(text, "  contradicted by a late B  {count}");
            }
        }
        if self.runs.len() != 1 {
            text.push_str("\ntotal\n");
            text.push_str(&book_lines(&self.total));
        }
        for VariantReport { variant, book } in &self.variants {
            let _ = writeln!(text, "\nvariant {variant}");
            text.push_str(&book_lines(book));
        }
        if let Some(trigger) = &self.trigger {
            text.push_str(&trigger.table());
        }
        if let Some(goal) = &self.goal {
            text.push_str(&goal.table());
        }
        for CrowdNote { crowd, mark, why } in &self.crowds {
            let _ = writeln!(text, "\ncrowd '{crowd}' is {mark}: {why}");
        }
        text
    }
}

fn run_report(task: &Task, ledger: &Ledger, run: &Run) -> Outcome<RunReport> {
    let (counts, recount) = (ledger.counts(run)?, ledger.recount(run)?);
    let is_fired = task.rule().is_some();
    let mut book = Book::of(run.due, &recount);
    book.balanced &= counts == recount;
    book.balanced &= !is_fired || ledger.recount_contradicted(run)? == run.contradicted;
    book.check()?;
    let is_holding = run.state == RunState::Done && book.held > 0;
    let text = |at: Timestamp| task.zone.text(at);
    Ok(RunReport {
        run: run.name(),
        planned_at: text(run.planned_at),
        state: if is_holding { "holding".into() } else { run.state.word().into() },
        is_pushed: run.state == RunState::Done && !is_holding,
        cause: run.cause.clone(),
        as_of: run.as_of.map(text),
        data_version: run.data_version,
        crowd_version: run.crowd_version.clone(),
        task_version: run.version,
        audience: run.size,
        batches: run.batch_count,
        contradicted: is_fired.then_some(run.contradicted),
        book,
    })
}

fn book_lines(book: &Book) -> String {
    let rows = [
        ("due", book.due),
        ("  withheld", book.withheld),
        ("  suppressed", book.suppressed),
        ("  held", book.held),
        ("  handed", book.handed),
        ("    delivered", book.delivered),
        ("    refused", book.refused),
        ("    unknown", book.unknown),
        ("    awaiting", book.awaiting),
    ];
    let mut text = String::new();
    for (name, count) in rows {
        let _ = writeln!(
            text,
            "  {name:<18}{count:>12}{}",
            if name == "  suppressed" { reasons(book) } else { String::new() }
        );
    }
    let _ =
        writeln!(text, "  {}", if book.balanced { "the book balances" } else { "THE BOOK DOES NOT BALANCE" });
    text
}

fn reasons(book: &Book) -> String {
    let named = book.suppressed_by.iter().filter(|(_, count)| count.as_i64() != Some(0));
    let words: Vec<String> = named.map(|(reason, count)| format!("{reason} {count}")).collect();
    if words.is_empty() { String::new() } else { format!("  ({})", words.join(", ")) }
}
