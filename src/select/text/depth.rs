//! How deep does a tree nest? Bounded, so that no recursion over it can end the stack.

use crate::select::ast::{Filter, Leaf, Selection, Step};

/// Nodes on the longest way from here to a comparison, filters included.
pub(in crate::select) trait Depth {
    fn depth(&self) -> usize;
}

impl Depth for Selection {
    fn depth(&self) -> usize {
        match self {
            Selection::All(parts) | Selection::Any(parts) => 1 + deepest(parts),
            Selection::Not(inner) => 1 + inner.depth(),
            Selection::Leaf(leaf) => 1 + leaf.depth(),
        }
    }
}

impl Depth for Leaf {
    fn depth(&self) -> usize {
        match self {
            Leaf::Behaviour(behaviour) => behaviour.step.depth(),
            Leaf::Edge(edge) => edge.step.depth(),
            Leaf::Sequence(sequence) => {
                deepest(&sequence.steps).max(sequence.without.as_ref().map_or(0, Step::depth))
            }
            Leaf::Detail(detail) => detail.filter.as_ref().map_or(0, Filter::depth),
            Leaf::Tag(_) | Leaf::Crowd(_) | Leaf::Sample { .. } | Leaf::Top { .. } => 0,
        }
    }
}

impl Depth for Step {
    fn depth(&self) -> usize {
        self.filter.as_ref().map_or(0, Filter::depth)
    }
}

impl Depth for Filter {
    fn depth(&self) -> usize {
        match self {
            Filter::All(parts) | Filter::Any(parts) => 1 + deepest(parts),
            Filter::Not(inner) => 1 + inner.depth(),
            Filter::Test(_) => 1,
        }
    }
}

fn deepest(parts: &[impl Depth]) -> usize {
    parts.iter().map(Depth::depth).max().unwrap_or(0)
}
