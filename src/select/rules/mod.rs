//! Rewrites of a plan, one small file each. Each keeps one promise, tested on random selections:
//! the same users before and after.

mod cheapest_first;
mod flatten;
mod push_not;

use super::plan::{PlanForm, PlanNode};

/// One rewrite, and why it is done.
pub struct Rule {
    pub name: &'static str,
    pub why: &'static str,
    pub rewrite: fn(PlanNode) -> PlanNode,
}

/// All rewrites, in their order.
pub const RULES: &[Rule] = &[
    Rule { name: "push_not", why: "`not not a` is `a`", rewrite: push_not::rewrite },
    Rule {
        name: "flatten",
        why: "joins of the same kind are one join, a join of one part is that part",
        rewrite: flatten::rewrite,
    },
    Rule {
        name: "cheapest_first",
        why: "what leaves few users and costs little comes first, so that empty chunks end early",
        rewrite: cheapest_first::rewrite,
    },
];

/// The plan after all rewrites.
pub fn rewrite(node: PlanNode) -> PlanNode {
    RULES.iter().fold(node, |node, rule| (rule.rewrite)(node))
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
