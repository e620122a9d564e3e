//! In an `all`, what leaves few users and costs little comes first, so that a chunk that is already
//! empty costs nothing more; in an `any` the order does not matter to the work and stays.

use crate::select::plan::{PlanForm, PlanLeaf, PlanNode};

/// The parts of every `all` in the order of (cost class, likely users).
pub fn rewrite(node: PlanNode) -> PlanNode {
    let PlanNode { text, form, guess } = super::parts(node, rewrite);
    let form = match form {
        PlanForm::All(mut nodes) => {
            nodes.sort_by_key(|node| (cost(node), node.guess.likely));
            PlanForm::All(nodes)
        }
        other => other,
    };
    PlanNode { text, form, guess }
}

/// 0: bits that lie ready; 1: a column to compare, ids to hash; 2: rows to count; 3: rows to put in order.
fn cost(node: &PlanNode) -> u8 {
    use crate::select::check::Check;
    match &node.form {
        PlanForm::All(nodes) | PlanForm::Any(nodes) => nodes.iter().map(cost).max().unwrap_or(0),
        PlanForm::Not(node) => cost(node),
        PlanForm::Leaf(PlanLeaf::Crowd(_) | PlanLeaf::Top { .. }) => 0,
        PlanForm::Leaf(PlanLeaf::Sample { .. }) => 1,
        PlanForm::Leaf(PlanLeaf::Tag(tested)) => match tested.check {
            Check::Text { .. } | Check::AnyOf(_) | Check::AllOf(_) | Check::Flag(_) => 0,
            _ => 1,
        },
        PlanForm::Leaf(PlanLeaf::Rows(_) | PlanLeaf::Edge(_)) => 2,
        PlanForm::Leaf(PlanLeaf::Sequence(_)) => 3,
    }
}
