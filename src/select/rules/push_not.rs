//! `not not a` becomes `a`. Nothing else is pushed: `not` is one and-not on bits already read, and
//! `not (a or b)` costs no more than `not a and not b`.

use crate::select::plan::{PlanForm, PlanNode};

/// No `not` stands directly in a `not`.
pub fn rewrite(node: PlanNode) -> PlanNode {
    let PlanNode { text, form, guess } = super::parts(node, rewrite);
    match form {
        PlanForm::Not(inner) => match inner.form {
            PlanForm::Not(twice) => *twice,
            form => {
                let inner = PlanNode { text: inner.text, form, guess: inner.guess };
                PlanNode { text, form: PlanForm::Not(Box::new(inner)), guess }
            }
        },
        form => PlanNode { text, form, guess },
    }
}
