//! Which A's fall due as the watermark moves?
//!
//! A rule is a cursor: at watermark `w` it has decided every A before `w − gap`. Nothing else is kept for a
//! window: no timer, no entry.

use std::sync::Arc;

use super::decide::{A, Deciding};
use super::fact::Version;
use super::past::{Log, PART_MS};

/// The A's of one version that fall due now: event times `[from, to)`.
struct Span {
    slot: usize,
    spec: Arc<Version>,
    from: i64,
    to: i64,
}

/// A task's rules read their logs on, to the A's whose deadline lies before `watermark`.
pub(super) fn read_on(deciding: &mut Deciding, logs: &mut [Log], watermark: i64) {
    let mut due = spans(deciding, logs, watermark);
    match due.pop() {
        Some(span) if due.is_empty() => {
            let Some(log) = logs.get(span.spec.did.event as usize) else { return };
            each_a(log, &span, |a| deciding.window(span.slot, &span.spec, a, false));
        }
        Some(span) => {
            due.push(span);
            read_together(deciding, logs, &due);
        }
        None => {}
    }
}

/// Several versions of one task: their A's in the order of their deadlines, since limits span versions.
fn read_together(deciding: &mut Deciding, logs: &[Log], spans: &[Span]) {
    let mut due: Vec<(i64, &Span, A)> = Vec::new();
    for span in spans {
        let Some(log) = logs.get(span.spec.did.event as usize) else { continue };
        each_a(log, span, |a| due.push((a.at + span.spec.gap(), span, a)));
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
        let spec = live.spec.clone();
        let cursor = watermark.saturating_sub(spec.gap());
        let (from, to) = task.range(live);
        let (from, to) = (from.max(live.cursor), to.min(cursor));
        task.versions[slot].cursor = cursor.max(task.versions[slot].cursor);
        if let Some(log) = logs.get_mut(spec.did.event as usize) {
            log.decided_to = log.decided_to.max(cursor);
        }
        if from < to {
            found.push(Span { slot, spec, from, to });
        }
    }
    found
}

/// The A's of a span, in the order of (time, user, event id).
fn each_a<'a>(log: &'a Log, span: &Span, mut then: impl FnMut(A<'a>)) {
    let mask = span.spec.did.mask();
    for (number, part) in log.parts.range(span.from.div_euclid(PART_MS)..=(span.to - 1).div_euclid(PART_MS)) {
        let start = number * PART_MS;
        let (from, to) = ((span.from - start).max(0) as u32, (span.to - start).min(PART_MS) as u32);
        let first = part.facts.partition_point(|fact| fact.offset < from);
        for fact in part.facts[first..].iter().take_while(|fact| fact.offset < to) {
            if fact.mask & mask != 0 {
                then(A { at: fact.at(*number), fact: *fact, part });
            }
        }
    }
}
