//! Who is asked about? An id of today's users, or why there is none.

use crate::base::{Outcome, Problem, UserNo};
use crate::store::Snapshot;

/// Near ids told when one is not found.
const NEAR_MAX: usize = 3;
/// Characters that a near id may differ in.
const SLIPS_MAX: usize = 2;

/// The number of a user of the universe.
/// Errors: SEL-121 for an id never seen, with near ones; SEL-122 for a user who was deleted, or whose
/// row was replaced away.
pub fn user_of(id: &str, snapshot: &Snapshot) -> Outcome<UserNo> {
    let gone = |what: String| {
        let cure = "load the user again with `quanke ingest users`, or ask about another one";
        Err(Problem::author("SEL-122", what).at(format!("user {id}")).cure(cure))
    };
    match snapshot.find(id) {
        Some(user) => Ok(user),
        None if snapshot.ids().is_deleted(id) => gone(format!("user `{id}` was deleted")),
        None if snapshot.ids().find(id).is_some() => {
            gone(format!("user `{id}` is known, but the newest `--mode replace` load does not have them"))
        }
        None => Err(unknown(id, snapshot)),
    }
}

fn unknown(id: &str, snapshot: &Snapshot) -> Problem {
    let near = near(id, snapshot);
    let what = match near.is_empty() {
        true => format!("there is no user `{id}`, nor one with a similar id"),
        false => format!("there is no user `{id}`; near are {}", near.join(", ")),
    };
    let cure =
        "write the id as it was loaded (ids are text: `00001` is not `1`), or see ids with `quanke select`";
    Problem::author("SEL-121", what).at(format!("user {id}")).cure(cure)
}

/// Ids that differ in one place by few characters, or only in leading zeros, case and blanks.
fn near<'s>(id: &str, snapshot: &'s Snapshot) -> Vec<&'s str> {
    let mut near: Vec<(usize, &str)> = vec![];
    for user in snapshot.universe() {
        let other = snapshot.ids().text(user);
        let slips = slips(id, other);
        if slips <= SLIPS_MAX {
            near.push((slips, other));
            if near.len() > 1_000 {
                shortened(&mut near);
            }
        }
    }
    shortened(&mut near);
    near.into_iter().map(|(_, id)| id).collect()
}

fn shortened(near: &mut Vec<(usize, &str)>) {
    near.sort();
    near.truncate(NEAR_MAX);
}

/// How many characters differ between the common beginning and the common end.
fn slips(a: &str, b: &str) -> usize {
    if plain(a).eq_ignore_ascii_case(plain(b)) {
        return 0;
    }
    let common = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a.as_bytes()[common..], &b.as_bytes()[common..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let differing = a.len().max(b.len()) - end;
    // An id that shares nothing is not near, however short it is.
    if common + end == 0 { usize::MAX } else { differing }
}

fn plain(id: &str) -> &str {
    id.trim().trim_start_matches('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_near_and_another_id_is_not() {
        for (a, b, expected) in [
            ("u10086", "u10085", 1),
            ("u10086", "u1086", 1),
            ("u10086", "u10806", 2),
            ("1", "00001", 0),
            ("U7", "u7 ", 0),
            ("x", "y", usize::MAX),
        ] {
            assert_eq!(slips(a, b), expected, "{a} {b}");
        }
        let mut all = vec![(2, "c"), (0, "a"), (1, "d"), (1, "b")];
        shortened(&mut all);
        assert_eq!(all, [(0, "a"), (1, "b"), (1, "d")]);
    }
}
