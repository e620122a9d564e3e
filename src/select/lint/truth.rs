//! Is a branch always empty, or always everyone, whatever the data?
//!
//! Truth goes up from the leaves; what is said is said once, where it begins.

use super::clash::exclude;
use super::scene::{Scene, flat, warning};
use super::truth_of_leaf::of_leaf;
use crate::base::Problem;
use crate::select::ast::{Leaf, Selection};

/// What is sure of a node before the data is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    Nobody,
    Everyone,
    Open,
}

impl Truth {
    fn negated(self) -> Truth {
        match self {
            Truth::Nobody => Truth::Everyone,
            Truth::Everyone => Truth::Nobody,
            Truth::Open => Truth::Open,
        }
    }
}

/// SEL-152 for branches that are always empty, SEL-153 for those that are always everyone, SEL-156 for
/// filters that no row passes.
pub fn look(selection: &Selection, scene: &Scene, found: &mut Vec<Problem>) {
    truth(selection, scene, found);
}

/// What is sure of a selection; what is told is added to `found`.
pub fn truth(selection: &Selection, scene: &Scene, found: &mut Vec<Problem>) -> Truth {
    match selection {
        Selection::Leaf(leaf) => of_leaf(leaf, selection, scene, found),
        Selection::Not(part) => truth(part, scene, found).negated(),
        Selection::All(_) => join(selection, Truth::Nobody, scene, found),
        Selection::Any(_) => join(selection, Truth::Everyone, scene, found),
    }
}

/// `settles`: a part with this truth gives it to the whole join.
fn join(selection: &Selection, settles: Truth, scene: &Scene, found: &mut Vec<Problem>) -> Truth {
    let parts = flat(selection);
    let truths: Vec<Truth> = parts.iter().map(|part| truth(part, scene, found)).collect();
    if truths.contains(&settles) {
        return settles;
    }
    let pair = pairs(&parts).find(|(a, b)| {
        let is_opposite = opposite(a, b);
        is_opposite || (settles == Truth::Nobody && clash(a, b, scene))
    });
    match pair {
        Some((a, b)) => {
            found.push(told(settles, a, b));
            settles
        }
        None if truths.iter().all(|truth| *truth == settles.negated()) && !truths.is_empty() => {
            settles.negated()
        }
        None => Truth::Open,
    }
}

fn told(settles: Truth, a: &Selection, b: &Selection) -> Problem {
    match settles {
        Truth::Nobody => {
            let what = format!("nobody can satisfy both `{a}` and `{b}`, so this part is always empty");
            warning("SEL-152", b, what, "join them with `or`, or leave one of them out")
        }
        _ => {
            let what = format!("everyone satisfies `{a}` or `{b}`, so this part changes nothing");
            warning("SEL-153", b, what, "leave it out, or join the two with `and`")
        }
    }
}

fn pairs<'p, 's>(parts: &'p [&'s Selection]) -> impl Iterator<Item = (&'s Selection, &'s Selection)> + 'p {
    let later = |at: usize| parts.iter().skip(at + 1).copied();
    parts.iter().enumerate().flat_map(move |(at, a)| later(at).map(move |b| (*a, b)))
}

/// `x` and `not x`.
fn opposite(a: &Selection, b: &Selection) -> bool {
    let is_not = |a: &Selection, b: &Selection| matches!(a, Selection::Not(inner) if **inner == *b);
    is_not(a, b) || is_not(b, a)
}

/// Two comparisons of one tag that no value satisfies together.
fn clash(a: &Selection, b: &Selection, scene: &Scene) -> bool {
    let (Selection::Leaf(Leaf::Tag(a)), Selection::Leaf(Leaf::Tag(b))) = (a, b) else { return false };
    let attributes = &scene.catalog().attributes;
    match (scene.check(a, attributes), scene.check(b, attributes)) {
        (Some((a, of_a)), Some((b, of_b))) => a == b && exclude(&of_a, &of_b),
        _ => false,
    }
}
