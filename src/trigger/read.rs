//! Which A's fall due as the watermark moves?
//!
//! A rule is a cursor: at watermark `w` it has decided every A before `w − gap`. Nothing else is kept for a
//! window: no timer, no entry.

use std::ops::Range;
use std::sync::Arc;

use super::decide::{A, Deciding};
use super::fact::Version;
use super::part::Part;
use super::past::{Log, PART_MS};
use super::together::{Asking, Run};

/// The A's of one version that fall due now: event times `[from, to)`.
pub(super) struct Span {
    pub slot: usize,
    pub spec: Arc<Version>,
    from: i64,
    to: i64,
}

/// A task's rules read their logs on, to the A's whose deadline lies before `watermark`.
pub(super) fn read_on(deciding: &mut Deciding, logs: &mut [Log], watermark: i64, asking: &mut Asking) {
    let due = spans(deciding, logs, watermark);
    match due.as_slice() {
        [] => {}
        [span] => {
            let Some(log) = logs.get(span.spec.did.event as usize) else { return };
            for (number, part, places) in parts(log, span) {
                deciding.windows(span, Run { number, part, places }, asking);
            }
        }
        _ => read_together(deciding, logs, &due),
    }
}

/// Several versions of one task: their A's in the order of their deadlines, since limits span versions.
fn read_together(deciding: &mut Deciding, logs: &[Log], spans: &[Span]) {
    let mut due: Vec<(i64, &Span, A)> = Vec::new();
    for span in spans {
        let Some(log) = logs.get(span.spec.did.event as usize) else { continue };
        for (number, part, places) in parts(log, span) {
            let ours = places.filter(|place| part.mask(*place) & span.spec.did.mask() != 0);
            due.extend(
                ours.map(|place| A::of(number, part, place)).map(|a| (a.at + span.spec.gap(), span, a)),
            );
        }
    }
    due.sort_by_key(|(deadline, span, _)| (*deadline, span.slot));
    for (_, span, a) in due {
        deciding.window(span.slot, &span.spec, a, false);
    }
}

/// What falls due for each version; their cursors move behind it.
fn spans(deciding: &mut Deciding, logs: &mut [Log], watermark: i64) -> Vec<Span> {
    let task = &mut *deciding.task;
    let mut found = Vec::new();
    for slot in 0..task.versions.len() {
        let live = &task.versions[slot];
        if live.is_done || live.track.is_none() {
            continue;
        }
        let cursor = watermark.saturating_sub(live.spec.gap());
        let (from, to) = task.range(live);
        let (from, to) = (from.max(live.cursor), to.min(cursor));
        if let Some(log) = logs.get_mut(live.spec.did.event as usize) {
            log.decided_to = log.decided_to.max(cursor);
        }
        if from < to {
            found.push(Span { slot, spec: live.spec.clone(), from, to });
        }
        let live = &mut task.versions[slot];
        live.cursor = cursor.max(live.cursor);
    }
    found
}

/// The facts of a span, part by part, as places in the order of (time, user, event id).
fn parts<'a>(log: &'a Log, span: &Span) -> impl Iterator<Item = (i64, &'a Part, Range<usize>)> {
    let (from, to) = (span.from, span.to);
    let numbers = from.div_euclid(PART_MS)..=(to - 1).div_euclid(PART_MS);
    log.parts.range(numbers).map(move |(number, part)| {
        let start = number * PART_MS;
        let place = |at: i64| part.place_from((at - start) as u32);
        let first = if from <= start { 0 } else { place(from) };
        let end = if to >= start + PART_MS { part.len() } else { place(to) };
        (*number, part, first..end)
    })
}
