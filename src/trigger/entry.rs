//! What stands in the log? Every record that the engine takes, and the names behind its numbers, as bytes.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::base::{Timestamp, UserNo};

use super::fact::{Command, EventNo, Facts, Predicate, Record, SourceNo, Version};
use super::keep::{Bytes, Keep, keep_fields, keep_words};
use super::{IdCode, TaskNo, Texts};

/// One record of the log. Names get the next number of their kind when they are first written.
#[derive(Debug, Clone)]
pub enum Entry {
    Event {
        name: Arc<str>,
    },
    /// From here on the bit of the event means this filter.
    Predicate {
        predicate: Predicate,
        text: Arc<str>,
    },
    Task {
        id: Arc<str>,
    },
    /// A correlation property: the next column of [`Facts::same`].
    Property {
        name: Arc<str>,
    },
    Source {
        name: Arc<str>,
    },
    /// `read_to` is the place in the source up to which everything has been taken.
    Facts {
        source: SourceNo,
        read_to: u64,
        columns: Box<Columns>,
    },
    Watermark {
        source: SourceNo,
        to: Timestamp,
    },
    Gone {
        source: SourceNo,
    },
    Tick {
        now: Timestamp,
    },
    Install {
        task: TaskNo,
        version: Box<Version>,
    },
    Command {
        task: TaskNo,
        command: Command,
    },
    Audience {
        task: TaskNo,
        users: Option<Arc<RoaringBitmap>>,
    },
    History {
        task: TaskNo,
        counts: Vec<(UserNo, i32, u32)>,
    },
    /// The audit trail of tasks has been followed up to this row.
    Followed {
        no: i64,
    },
}

/// [`Facts`] of one's own, all columns of one length.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    pub users: Vec<UserNo>,
    pub times: Vec<i64>,
    pub arrivals: Vec<i64>,
    pub events: Vec<EventNo>,
    pub masks: Vec<u64>,
    pub ids: Vec<IdCode>,
    pub texts: Texts,
    pub same: Vec<Vec<u128>>,
}

impl Columns {
    /// How many facts there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Calls `look` with the columns as the engine takes them.
    fn with<T>(&self, look: impl FnOnce(Facts) -> T) -> T {
        let same: Vec<&[u128]> = self.same.iter().map(Vec::as_slice).collect();
        look(Facts {
            users: &self.users,
            times: &self.times,
            arrivals: &self.arrivals,
            events: &self.events,
            masks: &self.masks,
            ids: &self.ids,
            texts: &self.texts,
            same: &same,
        })
    }
}

impl Entry {
    /// Calls `step` with the record for the engine; names are none of its business.
    pub fn record(&self, step: impl FnOnce(Record)) {
        match self {
            Entry::Facts { source, columns, .. } => {
                columns.with(|facts| step(Record::Facts { source: *source, facts }));
            }
            Entry::Watermark { source, to } => step(Record::Watermark { source: *source, to: *to }),
            Entry::Gone { source } => step(Record::Gone { source: *source }),
            Entry::Tick { now } => step(Record::Tick { now: *now }),
            Entry::Install { task, version } => {
                step(Record::Install { task: *task, version: version.clone() });
            }
            Entry::Command { task, command } => step(Record::Command { task: *task, command: *command }),
            Entry::Audience { task, users } => step(Record::Audience { task: *task, users: users.clone() }),
            Entry::History { task, counts } => step(Record::History { task: *task, counts }),
            Entry::Event { .. }
            | Entry::Predicate { .. }
            | Entry::Task { .. }
            | Entry::Property { .. }
            | Entry::Source { .. }
            | Entry::Followed { .. } => {}
        }
    }

    /// What the log keeps: the number of the form, and the bytes.
    pub fn bytes(&self) -> (u16, Vec<u8>) {
        let mut out = Vec::new();
        let kind = match self {
            Entry::Event { name } => put(1, name, &mut out),
            Entry::Predicate { predicate, text } => put(2, &(*predicate, text.clone()), &mut out),
            Entry::Task { id } => put(3, id, &mut out),
            Entry::Property { name } => put(4, name, &mut out),
            Entry::Source { name } => put(5, name, &mut out),
            Entry::Facts { source, read_to, columns } => {
                (*source, *read_to).put(&mut out);
                put(6, &**columns, &mut out)
            }
            Entry::Watermark { source, to } => put(7, &(*source, *to), &mut out),
            Entry::Gone { source } => put(8, source, &mut out),
            Entry::Tick { now } => put(9, now, &mut out),
            Entry::Install { task, version } => {
                task.put(&mut out);
                put(10, &**version, &mut out)
            }
            Entry::Command { task, command } => put(11, &(*task, *command), &mut out),
            Entry::Audience { task, users } => put(12, &(*task, users.clone()), &mut out),
            Entry::History { task, counts } => {
                task.put(&mut out);
                put(13, counts, &mut out)
            }
            Entry::Followed { no } => put(14, no, &mut out),
        };
        (kind, out)
    }

    /// The entry that [`bytes`](Entry::bytes) gave; none if it is of a newer program, or not whole.
    pub fn of(kind: u16, bytes: &[u8]) -> Option<Entry> {
        let from = &mut Bytes(bytes);
        let entry = match kind {
            1 => Entry::Event { name: Keep::take(from)? },
            2 => Entry::Predicate { predicate: Keep::take(from)?, text: Keep::take(from)? },
            3 => Entry::Task { id: Keep::take(from)? },
            4 => Entry::Property { name: Keep::take(from)? },
            5 => Entry::Source { name: Keep::take(from)? },
            6 => Entry::Facts {
                source: Keep::take(from)?,
                read_to: Keep::take(from)?,
                columns: Box::new(Keep::take(from)?),
            },
            7 => Entry::Watermark { source: Keep::take(from)?, to: Keep::take(from)? },
            8 => Entry::Gone { source: Keep::take(from)? },
            9 => Entry::Tick { now: Keep::take(from)? },
            10 => Entry::Install { task: Keep::take(from)?, version: Box::new(Keep::take(from)?) },
            11 => Entry::Command { task: Keep::take(from)?, command: Keep::take(from)? },
            12 => Entry::Audience { task: Keep::take(from)?, users: Keep::take(from)? },
            13 => Entry::History { task: Keep::take(from)?, counts: Keep::take(from)? },
            14 => Entry::Followed { no: Keep::take(from)? },
            _ => return None,
        };
        from.0.is_empty().then_some(entry)
    }
}

fn put(kind: u16, value: &impl Keep, out: &mut Vec<u8>) -> u16 {
    value.put(out);
    kind
}

keep_words!(Command { Start = 0, Pause = 1, Resume = 2, End = 3, Stop = 4 });
keep_fields!(Columns { users, times, arrivals, events, masks, ids, texts, same });
