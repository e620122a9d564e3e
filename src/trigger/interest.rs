//! What do the rules want of an event kind? Most facts are put aside by one look at this.

use super::fact::{EventNo, Version};
use super::task::{Live, Task};
use super::tracks::TrackNo;
use crate::task::rule::Again;

/// A version of a task: the task's place, the version's place in it, A's bit as a mask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader {
    pub mask: u64,
    pub task: usize,
    pub slot: usize,
}

/// What is wanted of one event kind. Masks are of the bits of facts.
#[derive(Debug, Clone, Default)]
pub(super) struct Interest {
    /// Any rule wants the fact, or did before an edit: its time counts for where the next version begins.
    pub any: u64,
    /// It goes to the log: an A of an absence rule, or a B of one whose A is of this kind too.
    pub log: u64,
    /// Tracks of B's, with the column of their correlation value.
    pub tracks: Vec<(u64, TrackNo, Option<u8>)>,
    pub absences: Vec<Reader>,
    pub restarts: Vec<Reader>,
    pub completed: Vec<Reader>,
    /// Columns of correlation values that the log keeps.
    pub same: Vec<(u64, u8)>,
    /// A fact of it can do more than to lie in a log or a track until the watermark passes it.
    pub is_busy: bool,
}

impl Interest {
    /// For every event kind, by number.
    pub fn all(tasks: &[Task]) -> Vec<Interest> {
        let mut all = Vec::new();
        for (task, known) in tasks.iter().enumerate() {
            for (slot, live) in known.versions.iter().enumerate() {
                for predicate in [Some(live.spec.did), live.spec.absent()].into_iter().flatten() {
                    of(&mut all, predicate.event).any |= predicate.mask();
                }
                if live.is_done {
                    continue;
                }
                if !live.is_past() {
                    let reader = Reader { mask: live.spec.did.mask(), task, slot };
                    want_a(of(&mut all, live.spec.did.event), &live.spec, reader);
                }
                want_b(&mut all, live);
            }
        }
        all
    }
}

fn want_a(interest: &mut Interest, spec: &Version, reader: Reader) {
    interest.is_busy |= spec.absent().is_none() || spec.again() == Again::Restart || spec.same.is_some();
    if spec.absent().is_none() {
        interest.completed.push(reader);
        return;
    }
    interest.log |= reader.mask;
    interest.absences.push(reader);
    if spec.again() == Again::Restart {
        interest.restarts.push(reader);
    }
    interest.same.extend(spec.same.map(|(a, _)| (reader.mask, a)));
}

fn want_b(all: &mut Vec<Interest>, live: &Live) {
    let spec = &live.spec;
    let (Some(b), Some(track)) = (spec.absent(), live.track) else { return };
    let interest = of(all, b.event);
    let column = spec.same.map(|(_, b)| b);
    // Touches that wait are asked about B's as they come.
    interest.is_busy |= spec.asks_ahead() || matches!(track, TrackNo::Keyed(_));
    if !interest.tracks.iter().any(|(_, known, _)| *known == track) {
        interest.tracks.push((b.mask(), track, column));
    }
    if spec.is_self() && !live.is_past() {
        interest.log |= b.mask();
        interest.same.extend(column.map(|column| (b.mask(), column)));
    }
}

fn of(all: &mut Vec<Interest>, event: EventNo) -> &mut Interest {
    let place = event as usize;
    if place >= all.len() {
        all.resize_with(place + 1, Interest::default);
    }
    &mut all[place]
}
