//! The slow twin of the forms that put rows or users in order: first and last, sequences, top.
//!
//! It writes down every chain of rows there is and asks of each, word by word, what semantics 2.7
//! and 2.8 and docs/decisions/006-sequences.md say.

use quanke::base::{Timestamp, ahead};
use quanke::select::ast::{Edge, Sequence, Step};

use super::oracle::{inside, instant, number, passes_step};
use super::world::{Row, World};

/// Does the user's first (last) row of all history up to as-of lie in the window?
pub fn edge_holds(world: &World, user: usize, asked: &Edge) -> bool {
    let rows = rows_of(world, user).into_iter().filter(|row| passes_step(world, row, &asked.step));
    let times = rows.map(at);
    let edge = if asked.is_first { times.min() } else { times.max() };
    edge.is_some_and(|edge| inside(world, &asked.window, edge, &world.users[user].values))
}

/// Is there any chain of the user's rows that fits?
pub fn sequence_holds(world: &World, user: usize, asked: &Sequence) -> bool {
    let (steps, absent) = match asked.steps.split_last() {
        Some((last, steps)) if asked.is_last_absent => (steps, Some(last)),
        _ => (asked.steps.as_slice(), None),
    };
    let rows = rows_of(world, user);
    let is_inside = |row: &&Row| {
        let window = asked.window.as_ref();
        window.is_none_or(|window| inside(world, window, at(row), &world.users[user].values))
    };
    let inside: Vec<&Row> = rows.iter().copied().filter(is_inside).collect();
    let chains = chains(world, &inside, steps);
    chains.iter().any(|chain| chain_fits(world, &rows, asked, absent, chain))
}

/// The rows of a user up to as-of, those of one instant in the order in which they are kept: by
/// event id, then by arrival.
fn rows_of(world: &World, user: usize) -> Vec<&Row> {
    let mut rows: Vec<&Row> = world.events.iter().filter(|row| row.user == user).collect();
    rows.retain(|row| row.at.is_some_and(|at| at <= world.as_of));
    rows.sort_by_key(|row| (row.at, row.id.clone()));
    rows
}

fn at(row: &Row) -> Timestamp {
    row.at.expect("events have a time")
}

/// Every list of rows, one for each step, each strictly later than the one before.
fn chains<'a>(world: &World, rows: &[&'a Row], steps: &[Step]) -> Vec<Vec<&'a Row>> {
    let Some((last, before)) = steps.split_last() else { return vec![vec![]] };
    let mut found = vec![];
    for chain in chains(world, rows, before) {
        for row in rows.iter().filter(|row| passes_step(world, row, last)) {
            if chain.last().is_none_or(|before| at(before) < at(row)) {
                found.push([chain.as_slice(), &[*row]].concat());
            }
        }
    }
    found
}

fn chain_fits(world: &World, rows: &[&Row], asked: &Sequence, absent: Option<&Step>, chain: &[&Row]) -> bool {
    let (first, last) = (chain[0], chain[chain.len() - 1]);
    let gap_from = |row: &Row| ahead(at(row), asked.gap.0, asked.gap.1, &world.zone);
    let is_same = |row: &Row| {
        asked.same.iter().all(|name| {
            let value = |row: &Row| row.values.get(&name.text).cloned();
            value(row).is_some() && value(row) == value(first)
        })
    };
    if at(last) > gap_from(first) || !chain.iter().all(|row| is_same(row)) {
        return false;
    }
    // The chain ends with its last step; where that one must not follow, with the end of the wait.
    let end = if absent.is_some() { gap_from(last) } else { at(last) };
    if end > world.as_of {
        return false;
    }
    let cuts = |row: &&Row| asked.without.as_ref().is_some_and(|step| passes_step(world, row, step));
    if rows.iter().filter(|row| cuts(row)).any(|row| at(first) < at(row) && at(row) < end) {
        return false;
    }
    let Some(absent) = absent else { return true };
    let place = |row: &Row| rows.iter().position(|other| std::ptr::eq(*other, row));
    !rows.iter().filter(|row| passes_step(world, row, absent) && is_same(row)).any(|row| {
        let is_after = if row.name == last.name { place(row) > place(last) } else { at(last) <= at(row) };
        is_after && at(row) <= end
    })
}

/// The users (by place) with the greatest values; equals in the order of their ids.
pub fn top(world: &World, count: u64, by: &str) -> Vec<usize> {
    let value = |user: &usize| {
        let value = world.users[*user].values.get(by)?;
        instant(world, value).map(|at| at.0 as f64).or(number(value))
    };
    let mut users: Vec<usize> = (0..world.users.len()).filter(|user| value(user).is_some()).collect();
    users.sort_by(|a, b| {
        let by_value = value(b).partial_cmp(&value(a)).expect("values can be compared");
        by_value.then_with(|| world.users[*a].id.cmp(&world.users[*b].id))
    });
    users.truncate(count as usize);
    users
}
