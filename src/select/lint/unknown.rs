//! `gender != '女'` leaves out everyone whose gender is not known; how many are they?

use super::scene::{Scene, flat, warning};
use crate::base::{Name, Outcome, Problem};
use crate::select::ast::{Comparison, Leaf, Op, Selection, Test};
use crate::select::bind::Scope;
use crate::select::run::Counted;

/// SEL-157, unless the author has thought of it: `is known` or `is missing` of the same tag stands in
/// the same join.
pub fn look(selection: &Selection, _: &Counted, scene: &Scene, found: &mut Vec<Problem>) -> Outcome<()> {
    let parts = flat(selection);
    for part in &parts {
        match part {
            Selection::Leaf(Leaf::Tag(asked)) if is_other(&asked.test) => {
                if !parts.iter().any(|other| asks_if_known(other, &asked.name)) {
                    left_out(asked, part, scene, found)?;
                }
            }
            Selection::Leaf(_) => {}
            // Under a `not` the unknown are taken in, not left out.
            Selection::Not(inner) if matches!(**inner, Selection::Leaf(_)) => {}
            Selection::Not(inner) => look_inside(inner, scene, found)?,
            join => look_inside(join, scene, found)?,
        }
    }
    Ok(())
}

fn look_inside(selection: &Selection, scene: &Scene, found: &mut Vec<Problem>) -> Outcome<()> {
    let nothing = Counted { node: String::new(), label: String::new(), count: 0, children: vec![] };
    look(selection, &nothing, scene, found)
}

fn is_other(test: &Test) -> bool {
    matches!(test, Test::Compare(Op::NotEqual, _) | Test::NotIn(_))
}

fn asks_if_known(selection: &Selection, name: &Name) -> bool {
    let asks = |asked: &Comparison| asked.name == *name && matches!(asked.test, Test::Known | Test::Missing);
    match selection {
        Selection::Leaf(Leaf::Tag(asked)) => asks(asked),
        Selection::Not(inner) => asks_if_known(inner, name),
        _ => false,
    }
}

fn left_out(asked: &Comparison, part: &Selection, scene: &Scene, found: &mut Vec<Problem>) -> Outcome<()> {
    let unknown = unknown(&asked.name, scene)?;
    if unknown > 0 {
        let (tag, everyone) = (&asked.name, scene.snapshot.universe().len());
        let what =
            format!("`{part}` leaves out the {unknown} of {everyone} users who have no `{tag}` at all");
        let cure = "write `not … = …` (or `not … in …`) to take them in, or add `and … is known` to say so";
        found.push(warning("SEL-157", part, what, cure));
    }
    Ok(())
}

/// Users without a value of the tag.
fn unknown(name: &Name, scene: &Scene) -> Outcome<u64> {
    let missing = Comparison { name: name.clone(), test: Test::Missing };
    let asked = Selection::Leaf(Leaf::Tag(missing));
    // A name that is not known has been told already.
    let Ok(bound) = asked.bind(&Scope { snapshot: scene.snapshot, crowds: &[] }) else { return Ok(0) };
    let plan = bound.plan(scene.snapshot, &Default::default(), scene.as_of)?;
    Ok(plan.users(scene.snapshot)?.len())
}
