//! Which name has which number? Numbers are given in the order of the log, so a replay gives the same ones.

use std::sync::Arc;

use crate::base::{Outcome, Problem};

use super::TaskNo;
use super::entry::Entry;
use super::fact::{EventNo, Predicate, SourceNo};
use super::keep::{Bytes, Keep, keep_fields};

/// Filters of one event that can be in force at the same time.
const BITS: u8 = 64;

/// Names with their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// By [`EventNo`]; the empty name is any event.
    events: Vec<Arc<str>>,
    predicates: Vec<(Predicate, Arc<str>)>,
    /// By [`TaskNo`].
    tasks: Vec<Arc<str>>,
    /// By column of `Facts::same`.
    properties: Vec<Arc<str>>,
    /// By [`SourceNo`].
    sources: Vec<Source>,
    followed: i64,
}

/// A source of live events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: Arc<str>,
    /// Everything up to this place has been taken.
    pub read_to: u64,
    pub is_gone: bool,
}

impl Names {
    /// Takes what an entry of the log says about names.
    pub(super) fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Event { name } => self.events.push(name.clone()),
            Entry::Predicate { predicate, text } => {
                self.predicates.retain(|(one, _)| one != predicate);
                self.predicates.push((*predicate, text.clone()));
            }
            Entry::Task { id } => self.tasks.push(id.clone()),
            Entry::Property { name } => self.properties.push(name.clone()),
            Entry::Source { name } => {
                self.sources.push(Source { name: name.clone(), read_to: 0, is_gone: false });
            }
            Entry::Facts { source, read_to, .. } => {
                if let Some(source) = self.sources.get_mut(*source as usize) {
                    source.read_to = source.read_to.max(*read_to);
                }
            }
            Entry::Gone { source } => {
                if let Some(source) = self.sources.get_mut(*source as usize) {
                    source.is_gone = true;
                }
            }
            Entry::Followed { no } => self.followed = (*no).max(self.followed),
            _ => {}
        }
    }

    /// The number of an event; `None`: any event.
    pub fn event(&self, name: Option<&str>) -> Option<EventNo> {
        place(&self.events, name.unwrap_or("")).and_then(|place| EventNo::try_from(place).ok())
    }

    /// The predicates, with their texts as they were given.
    pub fn predicates(&self) -> &[(Predicate, Arc<str>)] {
        &self.predicates
    }

    /// The number of a task.
    pub fn task(&self, id: &str) -> Option<TaskNo> {
        place(&self.tasks, id).and_then(|place| TaskNo::try_from(place).ok())
    }

    /// The id of a task.
    pub fn task_id(&self, no: TaskNo) -> Option<&str> {
        self.tasks.get(no as usize).map(|id| &**id)
    }

    /// The correlation properties, by column.
    pub fn properties(&self) -> &[Arc<str>] {
        &self.properties
    }

    /// The sources so far, by number.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The audit trail has been followed up to this row.
    pub fn followed(&self) -> i64 {
        self.followed
    }

    /// The bit of a filter of an event: the one that it has, else a free one; `used` are those that must
    /// keep their meaning. Errors: TRG-001 when none is free.
    pub(super) fn bit(&self, event: EventNo, text: &str, used: &[Predicate]) -> Outcome<(Predicate, bool)> {
        let known = self.predicates.iter().find(|(one, known)| one.event == event && &**known == text);
        if let Some((predicate, _)) = known {
            return Ok((*predicate, true));
        }
        let is_taken = |bit: &u8| used.contains(&Predicate { event, bit: *bit });
        let is_new =
            |bit: &u8| !self.predicates.iter().any(|(one, _)| *one == Predicate { event, bit: *bit });
        // A bit that never meant anything first: waiting facts carry the meaning of the others.
        let free = (0..BITS).find(is_new).or_else(|| (0..BITS).find(|bit| !is_taken(bit)));
        let bit = free.ok_or_else(|| {
            let what = format!(
                "{BITS} different filters of one event are in force, and there is no room for one more"
            );
            Problem::author("TRG-001", what)
                .cure("end a task whose filter nobody needs, or write filters alike")
        })?;
        Ok((Predicate { event, bit }, false))
    }

    pub(super) fn source_no(&self) -> SourceNo {
        self.sources.len() as SourceNo
    }

    pub(super) fn event_count(&self) -> usize {
        self.events.len()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out);
        out
    }

    pub(super) fn of(bytes: &[u8]) -> Option<Names> {
        let from = &mut Bytes(bytes);
        Names::take_from(from).filter(|_| from.0.is_empty())
    }

    fn take_from(from: &mut Bytes) -> Option<Names> {
        <Names as Keep>::take(from)
    }
}

fn place(all: &[Arc<str>], name: &str) -> Option<usize> {
    all.iter().position(|one| &**one == name)
}

keep_fields!(Names { events, predicates, tasks, properties, sources, followed });
keep_fields!(Source { name, read_to, is_gone });
