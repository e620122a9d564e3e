//! `did A then not B`: what became of each A.
//!
//! An instance is a row of the last step that must happen, with the chain that leads to it; the wait
//! for B lasts a gap from there. What must not come between cuts it up to the end of the wait.

use super::facts::{End, Instance};
use super::person::Person;
use super::story::{Placed, Story};
use super::{Absence, Facts};
use crate::base::{Outcome, Timestamp};
use crate::select::ast::Sequence;

/// Truth, and the instances of A with their ends.
pub fn facts(asked: &Sequence, person: &Person) -> Outcome<(bool, Facts)> {
    let story = Story::new(asked, person)?;
    let as_of = person.asked.as_of;
    let mut all: Vec<Instance> =
        lasts(&story).iter().rev().filter_map(|a| instance(&story, a, as_of)).collect();
    let count = |wanted: fn(&End) -> bool| all.iter().filter(|one| wanted(&one.end)).count() as u64;
    let (alone, undecided) = (count(|end| *end == End::Alone), count(|end| *end == End::Undecided));
    let followed = count(|end| matches!(end, End::Followed(_)));
    let near = if all.is_empty() { story.near(0) } else { None };
    all.sort_by_key(|one| one.end != End::Alone);
    all.truncate(person.asked.rows_max);
    let facts = Absence {
        span: story.span,
        gap: story.gap_text,
        steps: story.texts,
        alone,
        followed,
        undecided,
        instances: all,
        near,
    };
    Ok((alone > 0, Facts::Absence(facts)))
}

/// The rows of the last step that must happen.
fn lasts(story: &Story) -> &[Placed] {
    let at = story.steps.len().checked_sub(2);
    at.and_then(|at| story.steps.get(at)).map_or(&[], |rows| rows.as_slice())
}

/// The chain that ends with `last`, and how the wait ended; nothing where there is no such chain.
fn instance(story: &Story, last: &Placed, as_of: Timestamp) -> Option<Instance> {
    if story.unknown(&last.row).is_some() {
        return None;
    }
    let chain = story.chain_to(last)?;
    let first = chain.first().map_or(last.at, |row| row.at);
    let deadline = story.deadline(last.at);
    let end = match (story.between(first, deadline), follower(story, last, deadline)) {
        (Some(row), _) => End::Between(row.clone()),
        (None, Some(row)) => End::Followed(row.row.clone()),
        (None, None) if deadline > as_of => End::Undecided,
        (None, None) => End::Alone,
    };
    Some(Instance { chain: chain.into_iter().map(|placed| placed.row.clone()).collect(), deadline, end })
}

/// The first row of the absent step from `last` up to the deadline, both ends inside.
fn follower<'s>(story: &'s Story, last: &Placed, deadline: Timestamp) -> Option<&'s Placed> {
    let rows = story.steps.last()?;
    let later = rows.iter().skip(rows.partition_point(|row| row.at < last.at));
    let mut inside = later.take_while(|row| row.at <= deadline);
    inside.find(|row| row.follows(last) && story.is_same(&last.row, &row.row))
}
