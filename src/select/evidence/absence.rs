//! `did A then not B`: what became of each A.

use super::facts::{End, Instance};
use super::person::Person;
use super::story::{Placed, Story};
use super::{Absence, Facts};
use crate::base::{Outcome, Timestamp};
use crate::select::ast::Sequence;

/// Truth, and the instances of A with their ends.
pub fn facts(asked: &Sequence, person: &Person) -> Outcome<(bool, Facts)> {
    let story = Story::new(asked, person)?;
    let starts = story.steps.first().map_or(&[][..], |rows| rows.as_slice());
    let as_of = person.asked.as_of;
    let mut all: Vec<Instance> =
        starts.iter().rev().filter_map(|start| instance(&story, start, as_of)).collect();
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

/// The steps that must happen, from `start`, and how it ended; nothing where they did not all happen.
fn instance(story: &Story, start: &Placed, as_of: Timestamp) -> Option<Instance> {
    if story.unknown(&start.row).is_some() {
        return None;
    }
    let deadline = story.deadline(start.at);
    let chain = latest_chain(story, start, deadline)?;
    let last = chain.last().copied().unwrap_or(start);
    let end = match (story.between(start.at, last.at), follower(story, start, last, deadline)) {
        (Some(row), _) => End::Between(row.clone()),
        (None, Some(row)) => End::Followed(row.row.clone()),
        (None, None) if deadline > as_of => End::Undecided,
        (None, None) => End::Alone,
    };
    Some(Instance { chain: chain.into_iter().map(|placed| placed.row.clone()).collect(), deadline, end })
}

/// With several steps before the `not`, the last of them as late as it can be: the later it is, the
/// less can follow it in time.
fn latest_chain<'s>(story: &'s Story, start: &'s Placed, deadline: Timestamp) -> Option<Vec<&'s Placed>> {
    let must = story.steps.len().saturating_sub(1);
    let mut chain = story.chain(start, must);
    if chain.len() < must || chain.last().is_some_and(|row| row.at > deadline) {
        return None;
    }
    if must > 1 {
        let earliest = chain.pop()?;
        let barrier = story.without.iter().map(|row| row.at).find(|at| *at > start.at);
        let limit = |row: &&Placed| row.at <= deadline && barrier.is_none_or(|at| row.at <= at);
        let rows = story.steps.get(must - 1)?.iter().rev().filter(limit);
        let latest = rows.into_iter().find(|row| row.at > earliest.at && story.is_same(&start.row, &row.row));
        chain.push(latest.unwrap_or(earliest));
    }
    Some(chain)
}

/// The first row of the last step from `last` up to the deadline, both ends inside.
fn follower<'s>(story: &'s Story, start: &Placed, last: &Placed, deadline: Timestamp) -> Option<&'s Placed> {
    let rows = story.steps.last()?;
    let later = rows.iter().skip(rows.partition_point(|row| row.at < last.at));
    let mut inside = later.take_while(|row| row.at <= deadline);
    inside.find(|row| row.follows(last) && story.is_same(&start.row, &row.row))
}
