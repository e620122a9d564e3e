//! Which tasks does a person look for?

use crate::base::Outcome;

use super::life::State;
use super::register::Member;
use super::tasks::{Task, Tasks};
use super::team::team;

/// What a list shows; empty parts ask for nothing.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Words that must all be in name, creator, group or names of the staff, in whatever case.
    pub keyword: Option<String>,
    pub states: Vec<State>,
    pub group: Option<String>,
    pub resource_group: Option<String>,
    pub activity: Option<String>,
    /// Tasks that are passed over, and shown at most.
    pub offset: usize,
    pub limit: Option<usize>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Found {
    pub tasks: Vec<Task>,
    /// All that fit, on whatever page.
    pub total: usize,
}

impl Tasks {
    /// The tasks that fit, the oldest first; deleted ones never do (S0.11, S0.20, S1.27).
    /// Errors: OUT-030.
    pub fn search(&self, search: &Search) -> Outcome<Found> {
        let (mut tasks, members) = (self.list()?, self.staff().list()?);
        tasks.retain(|task| search.takes(task, &members));
        let total = tasks.len();
        let limit = search.limit.unwrap_or(usize::MAX);
        let tasks = tasks.into_iter().skip(search.offset).take(limit).collect();
        Ok(Found { tasks, total })
    }
}

impl Search {
    fn takes(&self, task: &Task, members: &[Member]) -> bool {
        let is = |asked: &Option<String>, own: &Option<String>| asked.is_none() || asked == own;
        let file = &task.file;
        (self.states.is_empty() || self.states.contains(&task.state))
            && is(&self.group, &file.group)
            && is(&self.resource_group, &file.about.resource_group)
            && is(&self.activity, &file.about.activity)
            && self.keyword.as_ref().is_none_or(|words| has_words(task, words, members))
    }
}

fn has_words(task: &Task, words: &str, members: &[Member]) -> bool {
    let file = &task.file;
    let team = team(&file.about, members).into_iter().map(|member| &member.name);
    let own = [&file.name, &task.creator].into_iter().chain(&file.group).chain(&file.about.staff).chain(team);
    let text = own.map(|name| name.to_lowercase()).collect::<Vec<_>>().join("\n");
    words.to_lowercase().split_whitespace().all(|word| text.contains(word))
}
