//! Evidence as lines: the verdict, the conditions that decide, the tree with what proves each node.

use super::{Why, shown};
use crate::base::{Interval, Timestamp, Zone};
use crate::select::evidence::{
    Absence, Attempt, Break, EdgeFacts, End, Evidence, Facts, FailedRow, Instance, Near, Row, RowFacts,
    SequenceFacts, Span,
};

/// The whole answer for people.
pub fn tree(why: &Why) -> String {
    let mut lines = Lines { zone: why.zone, out: vec![] };
    let verdict = if why.evidence.holds { "in" } else { "out" };
    lines.put(0, format!("{} is {verdict}  as of {}", why.id, why.zone.text(why.as_of)));
    lines.put(0, "because");
    for leaf in why.evidence.because() {
        lines.put(1, format!("{} {}", mark(leaf), leaf.node));
    }
    lines.put(0, "");
    lines.node(&why.evidence, 0);
    lines.out.join("\n")
}

fn mark(evidence: &Evidence) -> &'static str {
    if evidence.holds { "✓" } else { "✗" }
}

struct Lines {
    zone: Zone,
    out: Vec<String>,
}

impl Lines {
    fn put(&mut self, depth: usize, text: impl AsRef<str>) {
        self.out.push(format!("{}{}", "  ".repeat(depth), text.as_ref()));
    }

    fn node(&mut self, evidence: &Evidence, depth: usize) {
        self.put(depth, format!("{} {}", mark(evidence), evidence.label));
        self.facts(evidence, depth + 2);
        evidence.children.iter().for_each(|child| self.node(child, depth + 1));
    }

    fn facts(&mut self, evidence: &Evidence, depth: usize) {
        match &evidence.facts {
            Facts::Join => {}
            Facts::Tag(tag) => {
                self.put(depth, format!("`{}` is {}", tag.tag, shown(tag.value.as_ref(), &self.zone)));
                tag.span.iter().for_each(|span| self.span(span, depth));
            }
            Facts::Crowd { no, as_of, .. } => {
                let is = if evidence.holds { "is in" } else { "is not in" };
                self.put(depth, format!("{is} version {no}, as of {}", self.zone.text(*as_of)));
            }
            Facts::Rows(rows) => self.rows(rows, evidence.holds, depth),
            Facts::Edge(edge) => self.edge(edge, depth),
            Facts::Sequence(sequence) => self.sequence(sequence, depth),
            Facts::Absence(absence) => self.absence(absence, depth),
            Facts::Sample { place, below } => {
                self.put(depth, format!("place {place} of 1000000; the sample is the places below {below}"));
            }
            Facts::Top { by, value, rank, count, cut } => {
                let value = shown(value.as_ref(), &self.zone);
                let rank = rank.map_or("no rank".into(), |rank| format!("rank {rank}"));
                let cut = cut.as_ref().map_or("everyone with a value is in".into(), |cut| {
                    format!("place {count} has {}", shown(Some(cut), &self.zone))
                });
                self.put(depth, format!("`{by}` is {value}: {rank} of the {count} wanted; {cut}"));
            }
        }
    }

    fn rows(&mut self, rows: &RowFacts, holds: bool, depth: usize) {
        let value = shown(rows.value.as_ref(), &self.zone);
        self.put(depth, format!("{} is {value}; wanted {}", rows.metric, rows.wanted));
        self.span(&rows.span, depth);
        if rows.unmeasured > 0 {
            self.put(depth, format!("{} of the rows that passed have no value to measure", rows.unmeasured));
        }
        rows.rows.iter().for_each(|row| self.row("row", row, depth));
        let more = rows.passed - rows.rows.len() as u64;
        if more > 0 {
            self.put(depth, format!("and {more} more rows"));
        }
        if !holds || rows.passed == 0 {
            self.near(&rows.near, depth);
        }
    }

    fn edge(&mut self, edge: &EdgeFacts, depth: usize) {
        let word = if edge.is_first { "first" } else { "last" };
        match &edge.row {
            Some(row) => self.row(word, row, depth),
            None => {
                self.put(depth, format!("no {word} row up to as-of"));
                self.near(&edge.near, depth);
            }
        }
        self.span(&edge.span, depth);
    }

    fn sequence(&mut self, sequence: &SequenceFacts, depth: usize) {
        self.span(&sequence.span, depth);
        match &sequence.attempt {
            Some(attempt) => self.attempt(attempt, sequence, depth),
            None => self.put(depth, format!("step 1 of {} never happened", sequence.steps.len())),
        }
        sequence.near.iter().for_each(|near| self.near(near, depth));
    }

    fn attempt(&mut self, attempt: &Attempt, sequence: &SequenceFacts, depth: usize) {
        for (at, row) in attempt.chain.iter().enumerate() {
            self.row(&format!("step {}", at + 1), row, depth);
        }
        let (until, gap) = (self.zone.text(attempt.deadline), &sequence.gap);
        match &attempt.broke {
            None => self.put(depth, format!("all steps within {gap} (until {until})")),
            Some(Break::Short) => {
                let (next, of) = (attempt.chain.len() + 1, sequence.steps.len());
                self.put(depth, format!("step {next} of {of} never followed"));
            }
            Some(Break::Late) => {
                self.put(depth, format!("the last step came after {gap} were over ({until})"));
            }
            Some(Break::Between(row)) => self.row("between", row, depth),
            Some(Break::Unknown(name)) => self.put(depth, format!("step 1 has no `{name}` to be the same")),
        }
    }

    fn absence(&mut self, absence: &Absence, depth: usize) {
        self.span(&absence.span, depth);
        let Absence { alone, followed, undecided, gap, .. } = absence;
        self.put(
            depth,
            format!("within {gap}: {alone} not followed, {followed} followed, {undecided} not over yet"),
        );
        absence.instances.iter().for_each(|one| self.instance(one, depth));
        absence.near.iter().for_each(|near| self.near(near, depth));
    }

    fn instance(&mut self, instance: &Instance, depth: usize) {
        instance.chain.iter().for_each(|row| self.row("row", row, depth));
        let until = self.zone.text(instance.deadline);
        match &instance.end {
            End::Alone => self.put(depth + 1, format!("not followed until {until}")),
            End::Undecided => self.put(depth + 1, format!("open until {until}, later than as-of")),
            End::Followed(row) => self.row("followed by", row, depth + 1),
            End::Between(row) => self.row("between", row, depth + 1),
        }
    }

    /// Only what there is; nothing at all is said in one line.
    fn near(&mut self, near: &Near, depth: usize) {
        if near.rows == 0 {
            self.put(depth, "no such rows at any time");
        }
        if let Some(failed) = &near.failed_latest {
            self.put(depth, format!("{} in the window failed the filter, the latest:", near.failed));
            self.failed(failed, depth + 1);
        }
        if let Some(row) = &near.outside_latest {
            let later = match near.later {
                0 => String::new(),
                later => format!(" ({later} later than as-of)"),
            };
            self.put(
                depth,
                format!("{} passed the filter outside the window{later}, the latest:", near.outside),
            );
            self.row("row", row, depth + 1);
        }
    }

    fn failed(&mut self, failed: &FailedRow, depth: usize) {
        self.row("row", &failed.row, depth);
        for one in &failed.tests {
            self.put(depth, format!("not {}: it is {}", one.test, shown(one.value.as_ref(), &self.zone)));
        }
    }

    fn row(&mut self, word: &str, row: &Row, depth: usize) {
        let at = row.at.map_or("no time".into(), |at| self.zone.text(at));
        let id = row.id.as_deref().map(|id| format!("  {id}")).unwrap_or_default();
        let values: Vec<String> = row
            .values
            .iter()
            .map(|(name, value)| format!("{name}={}", shown(value.as_ref(), &self.zone)))
            .collect();
        let line = format!("{word}  {at}  {}{id}  {}", row.name, values.join(" "));
        self.put(depth, line.trim_end());
    }

    fn span(&mut self, span: &Span, depth: usize) {
        match span {
            Span::Until(as_of) => self.put(depth, format!("window  up to {}", self.zone.text(*as_of))),
            Span::Window(interval) => self.window(interval, "", depth),
            Span::Own { of, interval } => self.window(interval, &format!("  from `{of}`"), depth),
            Span::Missing { of } => {
                self.put(depth, format!("window  none: the user has no `{of}` to begin it"));
            }
        }
    }

    /// Half-open, and said so.
    fn window(&mut self, interval: &Interval, of: &str, depth: usize) {
        let text = |at: Timestamp| self.zone.text(at);
        let line = match (interval.is_empty(), interval.from == Interval::ALWAYS.from) {
            (true, _) => format!("window  empty{of}: nothing can lie in it"),
            (_, true) => format!("window  before {}{of}", text(interval.to)),
            _ => format!("window  {} up to, not including, {}{of}", text(interval.from), text(interval.to)),
        };
        self.put(depth, line);
    }
}
