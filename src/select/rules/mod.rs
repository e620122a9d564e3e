//! Rewrites of a plan, one small file each. Each keeps one promise, tested on random selections:
//! the same users before and after.

mod cheapest_first;
mod flatten;
mod push_not;

use super::plan::{PlanForm, PlanNode};

/// A rewrite: the same users, found with less work.
pub type Rule = fn(PlanNode) -> PlanNode;

/// All rewrites with their names, in the order in which they are done. Each may be done alone.
pub const RULES: [(&str, Rule); 3] = [
    ("push_not", push_not::rewrite),
    ("flatten", flatten::rewrite),
    ("cheapest_first", cheapest_first::rewrite),
];

/// The node after all rewrites.
pub fn rewrite(node: PlanNode) -> PlanNode {
    RULES.iter().fold(node, |node, (_, rule)| rule(node))
}

/// The same node with `change` done to each of its parts.
fn parts(node: PlanNode, change: impl Fn(PlanNode) -> PlanNode) -> PlanNode {
    let PlanNode { text, form, guess } = node;
    let form = match form {
        PlanForm::All(nodes) => PlanForm::All(nodes.into_iter().map(change).collect()),
        PlanForm::Any(nodes) => PlanForm::Any(nodes.into_iter().map(change).collect()),
        PlanForm::Not(node) => PlanForm::Not(Box::new(change(*node))),
        leaf => leaf,
    };
    PlanNode { text, form, guess }
}
