//! `a and (b and c)` becomes `a and b and c`; a join of one part becomes that part.

use crate::select::plan::{PlanForm, PlanNode};

/// No `all` stands in an `all`, no `any` in an `any`, and none has just one part.
pub fn rewrite(node: PlanNode) -> PlanNode {
    let PlanNode { text, form, guess } = super::parts(node, rewrite);
    let form = match form {
        PlanForm::All(nodes) => PlanForm::All(nodes.into_iter().flat_map(|n| unfold(n, true)).collect()),
        PlanForm::Any(nodes) => PlanForm::Any(nodes.into_iter().flat_map(|n| unfold(n, false)).collect()),
        other => other,
    };
    match form {
        PlanForm::All(mut nodes) | PlanForm::Any(mut nodes) if nodes.len() == 1 => nodes.remove(0),
        form => PlanNode { text, form, guess },
    }
}

fn unfold(node: PlanNode, into_all: bool) -> Vec<PlanNode> {
    match node.form {
        PlanForm::All(nodes) if into_all => nodes,
        PlanForm::Any(nodes) if !into_all => nodes,
        form => vec![PlanNode { text: node.text, form, guess: node.guess }],
    }
}
