//! Rewrites of a plan, one small file each. Each keeps one promise, tested on random selections:
//! the same users before and after.

mod cheapest_first;
mod flatten;
mod push_not;

use super::plan::{PlanForm, PlanNode};

/// All rewrites, in their order.
pub fn rewrite(node: PlanNode) -> PlanNode {
    cheapest_first::rewrite(flatten::rewrite(push_not::rewrite(node)))
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
