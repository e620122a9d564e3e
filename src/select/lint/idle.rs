//! Which conditions changed nothing, as the counts show?
//!
//! An `all` holds no user that one of its parts does not; where it holds as many as one part, it *is*
//! that part, and the others changed nothing. So with `any` the other way round.

use super::scene::{Scene, warning};
use crate::base::{Outcome, Problem};
use crate::select::ast::Selection;
use crate::select::run::Counted;

/// SEL-159. It is true of this data at this instant; nothing is said of empty joins.
pub fn look(selection: &Selection, tree: &Counted, scene: &Scene, found: &mut Vec<Problem>) -> Outcome<()> {
    match selection {
        Selection::All(parts) | Selection::Any(parts) => {
            found.extend(told(selection, parts, tree, scene.snapshot.universe().len()));
            parts.iter().zip(&tree.children).try_for_each(|(part, tree)| look(part, tree, scene, found))
        }
        Selection::Not(part) => match tree.children.first() {
            Some(tree) => look(part, tree, scene, found),
            None => Ok(()),
        },
        Selection::Leaf(_) => Ok(()),
    }
}

fn told(join: &Selection, parts: &[Selection], tree: &Counted, everyone: u64) -> Option<Problem> {
    if parts.len() < 2 || tree.count == 0 || tree.count == everyone {
        return None;
    }
    let enough = tree.children.iter().position(|child| child.count == tree.count)?;
    let others: Vec<String> = parts
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != enough)
        .map(|(_, part)| format!("`{part}`"))
        .collect();
    let first = parts.iter().enumerate().find(|(at, _)| *at != enough).map(|(_, part)| part)?;
    let (enough, others, count) = (parts.get(enough)?, others.join(", "), tree.count);
    let what = match join {
        Selection::All(_) => {
            format!("{others} changed nothing here: all {count} users of `{enough}` satisfy it")
        }
        _ => format!("{others} changed nothing here: `{enough}` alone has all {count} users"),
    };
    let cure = "nothing, if that is as expected on this data; else check the values";
    Some(warning("SEL-159", first, what, cure))
}
