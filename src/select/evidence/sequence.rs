//! `did A then B …`: the chain that proves it, or the one that came nearest.

use super::person::Person;
use super::story::{Placed, Story};
use super::{Attempt, Break, Facts, SequenceFacts};
use crate::base::Outcome;
use crate::select::ast::Sequence;

/// Truth and the chain found.
pub fn facts(asked: &Sequence, person: &Person) -> Outcome<(bool, Facts)> {
    let story = Story::new(asked, person)?;
    let attempt = best(&story);
    let holds = attempt.as_ref().is_some_and(|attempt| attempt.broke.is_none());
    let short = match &attempt {
        None => Some(0),
        Some(attempt) if attempt.broke == Some(Break::Short) => Some(attempt.chain.len()),
        Some(_) => None,
    };
    let facts = SequenceFacts {
        near: short.and_then(|step| story.near(step)),
        counts: story.steps.iter().map(|rows| rows.len() as u64).collect(),
        span: story.span,
        gap: story.gap_text,
        steps: story.texts,
        attempt,
    };
    Ok((holds, Facts::Sequence(facts)))
}

/// A match if there is one, else the try that came farthest; of equals the latest.
fn best(story: &Story) -> Option<Attempt> {
    let tries = story.steps.first()?.iter().map(|start| attempt(story, start));
    tries.max_by_key(|attempt| (attempt.broke.is_none(), attempt.chain.len()))
}

/// The earliest chain from `start`: none from there ends sooner or leaves less between.
fn attempt(story: &Story, start: &Placed) -> Attempt {
    let chain = story.chain(start);
    let deadline = story.deadline(start.at);
    let last = chain.last().map_or(start.at, |row| row.at);
    let broke = if let Some(name) = story.unknown(&start.row) {
        Some(Break::Unknown(name.clone()))
    } else if chain.len() < story.steps.len() {
        Some(Break::Short)
    } else if last > deadline {
        Some(Break::Late)
    } else {
        story.between(start.at, last).cloned().map(Break::Between)
    };
    Attempt { chain: chain.into_iter().map(|placed| placed.row.clone()).collect(), deadline, broke }
}
