//! The same condition twice in one join: the second changes nothing.

use super::scene::{Scene, flat, visit, warning};
use crate::base::Problem;
use crate::select::ast::Selection;

/// SEL-154.
pub fn look(selection: &Selection, _: &Scene, found: &mut Vec<Problem>) {
    visit(selection, &mut |node| {
        let parts = flat(node);
        for (at, part) in parts.iter().enumerate() {
            if parts.iter().take(at).any(|before| before == part) {
                let what = format!("`{part}` stands twice in the same join; once is enough");
                found.push(warning(
                    "SEL-154",
                    part,
                    what,
                    "leave one out, or mend the one that should differ",
                ));
            }
        }
    });
}
