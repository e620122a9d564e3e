//! `quanke explain`: the plan as lines or as a document; with `--verbose` rewrite by rewrite, with
//! bytes and time.

use serde_json::{Map, Value, json};

use super::table::{Cell, aligned};
use super::words::{grouped, size, took};
use crate::select::plan::Plan;
use crate::select::trace::{Effort, Traced};
use crate::select::{Guess, Line};

/// The plan that ran, and with `--verbose` how it came about.
pub struct Shown<'a> {
    /// As it was asked, before any rewrite.
    pub asked: &'a Plan,
    /// As it ran.
    pub plan: &'a Plan,
    pub traced: &'a Traced,
    pub is_verbose: bool,
}

impl Shown<'_> {
    /// `plan`, and with `--verbose` also `rewrites` and `elapsed_ms`.
    pub fn document(&self) -> Map<String, Value> {
        let lines = self.plan.lines(&self.traced.answer.tree);
        let efforts = &self.traced.efforts;
        let nodes: Vec<Value> =
            lines.iter().zip(efforts).map(|(line, effort)| self.node(line, effort)).collect();
        let mut document = Map::from_iter([("plan".to_string(), Value::from(nodes))]);
        if self.is_verbose {
            document.insert("rewrites".to_string(), self.rewrites());
            document.insert("elapsed_ms".to_string(), json!(millis(self.traced.seconds)));
        }
        document
    }

    /// The tree with counts and guesses; with `--verbose` every stage and a table.
    pub fn text(&self) -> String {
        let tree = self.plan.tree(&self.traced.answer.tree);
        if self.is_verbose { self.stages() } else { tree }
    }

    fn node(&self, line: &Line, effort: &Effort) -> Value {
        let mut node = json!({
            "depth": line.depth,
            "node": line.label,
            "count": line.count,
            "guess": { "low": line.guess.low, "likely": line.guess.likely, "high": line.guess.high },
        });
        if let (true, Value::Object(map)) = (self.is_verbose, &mut node) {
            map.insert("bytes".to_string(), json!(effort.bytes));
            map.insert("ms".to_string(), json!(millis(effort.seconds)));
        }
        node
    }

    fn rewrites(&self) -> Value {
        let line = |(depth, label): (usize, String)| json!({ "depth": depth, "node": label });
        let steps = self.asked.rewrites().into_iter();
        let step = steps.map(|(rule, plan)| {
            let plan: Vec<Value> = plan.outline().into_iter().map(line).collect();
            json!({ "rule": rule.name, "why": rule.why, "plan": plan })
        });
        step.collect()
    }

    fn stages(&self) -> String {
        let mut out = format!("as asked\n{}", outline(self.asked));
        for (rule, plan) in self.asked.rewrites() {
            out += &format!("\n{}: {}\n{}", rule.name, rule.why, outline(&plan));
        }
        out += &format!("\nas it ran, in {}\n{}", took(self.traced.seconds), self.table());
        out
    }

    fn table(&self) -> String {
        let head = ["node", "users", "guessed", "bytes", "time"];
        let mut rows = vec![head.map(Cell::text).to_vec()];
        let lines = self.plan.lines(&self.traced.answer.tree);
        rows.extend(lines.iter().zip(&self.traced.efforts).map(|(line, effort)| row(line, effort)));
        aligned(&rows)
    }
}

fn row(line: &Line, effort: &Effort) -> Vec<Cell> {
    let Guess { low, likely, high } = line.guess;
    let guess = if low == high { grouped(low) } else { format!("{low}..{likely}..{high}") };
    vec![
        Cell::text(format!("{}{}", "  ".repeat(line.depth), line.label)),
        Cell::count(line.count),
        Cell::Number(guess),
        Cell::Number(size(effort.bytes)),
        Cell::Number(took(effort.seconds)),
    ]
}

fn outline(plan: &Plan) -> String {
    plan.outline().iter().map(|(depth, label)| format!("  {}{label}\n", "  ".repeat(*depth))).collect()
}

/// Seconds as milliseconds with three digits after the point.
fn millis(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}
