//! Which crowds does a selection use, and may it be saved under this name?
//!
//! The rules of all crowds are a graph; a cycle in it could never be refreshed, so it is refused
//! when it would be saved, and the path is named.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Name, Outcome, Problem};
use crate::select::ast::{Leaf, Selection};

/// The longest name that a list still shows well, in characters.
const NAME_CHARS_MAX: usize = 100;

/// What each crowd's rule uses: crowd name → names.
pub type Graph = BTreeMap<String, BTreeSet<String>>;

/// The crowds that a selection names, in the order of their first place in it.
pub fn crowds_in(selection: &Selection) -> Vec<&Name> {
    let mut found = Vec::new();
    gather(selection, &mut found);
    found
}

fn gather<'s>(selection: &'s Selection, found: &mut Vec<&'s Name>) {
    match selection {
        Selection::All(parts) | Selection::Any(parts) => parts.iter().for_each(|part| gather(part, found)),
        Selection::Not(part) => gather(part, found),
        Selection::Leaf(Leaf::Crowd(name)) if !found.contains(&name) => found.push(name),
        Selection::Leaf(_) => {}
    }
}

/// What is wrong with a crowd's name; nothing for a good one. CRD-001.
pub fn name_problem(name: &str) -> Option<Problem> {
    let what = match name {
        n if n.trim().is_empty() => "a crowd needs a name",
        n if n.trim() != n => "a crowd's name neither begins nor ends with a blank",
        n if n.chars().count() > NAME_CHARS_MAX => "a crowd's name has at most 100 characters",
        n if n.chars().any(char::is_control) => {
            "a crowd's name has no control characters (line breaks, tabs)"
        }
        _ => return None,
    };
    let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
    Some(Problem::author("CRD-001", what).at(format!("crowd {shown:?}")).cure("choose another name"))
}

/// Refuses a rule that would make `name` depend on itself.
/// Errors: CRD-005 with the path, such as `a → b → a`.
pub fn refuse_cycle(graph: &Graph, name: &str, uses: &BTreeSet<String>) -> Outcome<()> {
    let mut with = graph.clone();
    with.insert(name.to_string(), uses.clone());
    let Some(path) = path_back(&with, name) else { return Ok(()) };
    let what = format!("a crowd cannot depend on itself: {}", path.join(" → "));
    let cure = "take one of these crowds out of the other's selection";
    Err(Problem::author("CRD-005", what).at(format!("crowd '{name}'")).cure(cure))
}

/// A shortest path from `start` to itself.
fn path_back(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut paths = std::collections::VecDeque::from([vec![start.to_string()]]);
    while let Some(path) = paths.pop_front() {
        let uses = path.last().and_then(|name| graph.get(name));
        for next in uses.into_iter().flatten() {
            let longer: Vec<String> = path.iter().chain([next]).cloned().collect();
            if next == start {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                paths.push_back(longer);
            }
        }
    }
    None
}

/// Who uses `name` directly.
pub fn users_of(graph: &Graph, name: &str) -> Vec<String> {
    graph.iter().filter(|(_, uses)| uses.contains(name)).map(|(user, _)| user.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let set = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        edges.iter().map(|(name, uses)| (name.to_string(), set(uses))).collect()
    }

    #[test]
    fn a_cycle_is_refused_and_its_path_named() {
        let known = graph(&[("甲", &["乙"]), ("乙", &["丙"]), ("丙", &[])]);
        let uses = |name: &str| BTreeSet::from([name.to_string()]);
        let found = refuse_cycle(&known, "丙", &uses("甲")).unwrap_err();
        assert_eq!(found.code, "CRD-005");
        assert!(found.what.ends_with("丙 → 甲 → 乙 → 丙"), "{}", found.what);
        assert!(refuse_cycle(&known, "自", &uses("自")).unwrap_err().what.ends_with("自 → 自"));
        assert!(refuse_cycle(&known, "丁", &uses("甲")).is_ok());
    }

    #[test]
    fn names_are_ordinary_text_without_control_characters() {
        for good in ["高价值", "VIP 2026", "a", &"名".repeat(100)] {
            assert!(name_problem(good).is_none(), "{good}");
        }
        for bad in ["", "  ", " a", "a\nb", "a\u{7}", &"名".repeat(101)] {
            assert_eq!(name_problem(bad).unwrap().code, "CRD-001", "{bad:?}");
        }
    }

    #[test]
    fn crowds_of_a_selection_are_found_at_every_depth_and_once() {
        let crowd = |name: &str| Selection::Leaf(Leaf::Crowd(Name::new(name)));
        let inner = Selection::Any(vec![crowd("b"), Selection::Not(Box::new(crowd("a")))]);
        let selection = Selection::All(vec![crowd("a"), inner]);
        let names: Vec<&str> = crowds_in(&selection).iter().map(|n| n.text.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
