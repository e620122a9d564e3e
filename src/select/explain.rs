//! The plan as a tree a person can read: each node with its count and what was guessed before.

use unicode_width::UnicodeWidthStr;

use super::guess::Guess;
use super::plan::{Plan, PlanForm, PlanNode};
use super::run::Counted;

/// One line of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// 0 at the root.
    pub depth: usize,
    /// `all`, `any`, `not`, or the text of a leaf; `not LEAF` stands in one line.
    pub label: String,
    pub count: u64,
    pub guess: Guess,
}

impl Plan {
    /// The lines of this plan with the counts of its own answer, the root first.
    pub fn lines(&self, tree: &Counted) -> Vec<Line> {
        let mut lines = vec![];
        add(&self.root, tree, 0, &mut lines);
        lines
    }

    /// The shape alone: depth and label of every line.
    pub fn outline(&self) -> Vec<(usize, String)> {
        let mut outline = vec![];
        shape(&self.root, 0, &mut outline);
        outline
    }

    /// The lines as text: two blanks a level, counts in one column, the guess in brackets where it
    /// was not exact.
    pub fn tree(&self, tree: &Counted) -> String {
        let lines = self.lines(tree);
        let width = lines.iter().map(Line::width).max().unwrap_or(0);
        let shown: Vec<String> = lines.iter().map(|line| line.text(width)).collect();
        shown.join("\n")
    }
}

impl Line {
    /// Columns on a terminal up to the end of the label; a Chinese character takes two.
    pub fn width(&self) -> usize {
        2 * self.depth + self.label.width()
    }

    fn text(&self, width: usize) -> String {
        let (indent, pad) = (" ".repeat(2 * self.depth), " ".repeat(width - self.width()));
        let guess = match self.guess {
            Guess { low, high, .. } if low == self.count && high == self.count => String::new(),
            Guess { low, high, .. } => format!(" ({low}..{high})"),
        };
        format!("{indent}{}{pad}  {}{guess}", self.label, self.count)
    }
}

/// The label of a node, and the parts that have lines of their own.
fn label(node: &PlanNode) -> (String, Vec<&PlanNode>) {
    match &node.form {
        PlanForm::All(parts) => ("all".into(), parts.iter().collect()),
        PlanForm::Any(parts) => ("any".into(), parts.iter().collect()),
        PlanForm::Not(part) if matches!(part.form, PlanForm::Leaf(_)) => {
            (format!("not {}", part.text), vec![])
        }
        PlanForm::Not(part) => ("not".into(), vec![part]),
        PlanForm::Leaf(_) => (node.text.clone(), vec![]),
    }
}

fn shape(node: &PlanNode, depth: usize, outline: &mut Vec<(usize, String)>) {
    let (label, parts) = label(node);
    outline.push((depth, label));
    parts.iter().for_each(|part| shape(part, depth + 1, outline));
}

fn add(node: &PlanNode, tree: &Counted, depth: usize, lines: &mut Vec<Line>) {
    let (label, parts) = label(node);
    lines.push(Line { depth, label, count: tree.count, guess: node.guess });
    parts.iter().zip(&tree.children).for_each(|(part, counted)| add(part, counted, depth + 1, lines));
}
