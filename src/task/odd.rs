//! What is odd about a trigger rule, though it is no mistake? One function for each warning.

use crate::base::{Problem, Span, Timestamp};

use super::names::Known;
use super::reader::{Field, Reader};
use super::rule::{Again, Count, OnEnd, Reach};
use super::rule_file::{AbsencePart, RulePart};

/// Windows that may wait at one time before it is worth a word.
const WAITING_MAX: f64 = 10_000_000.0;
/// What one waiting window takes.
const WINDOW_BYTES: f64 = 24.0;
const DAY_MS: f64 = 86_400_000.0;

/// All warnings about a rule of a task valid in `[start, end)`.
pub(super) fn warnings(
    reader: &Reader,
    part: &RulePart,
    period: Option<(Timestamp, Timestamp)>,
    known: &dyn Known,
) -> Vec<Problem> {
    let late = period.and_then(|(start, end)| waits_past_end(part, start, end));
    let found = [b_takes_every_a(part, known), late, many_wait(part, known)];
    found.into_iter().flatten().map(|(problem, span)| reader.placed(problem, span)).collect()
}

type Found = Option<(Problem, Span)>;

/// TSK-017: every A is also a B, so each A ends the window of the one before.
fn b_takes_every_a(part: &RulePart, known: &dyn Known) -> Found {
    let (did, absence) = (part.did.as_ref()?, part.absence.as_ref()?);
    let not_done = absence.not_done.as_ref()?;
    if !known.contains(&not_done.value, &did.value) {
        return None;
    }
    let what = "every event that `did` takes is also one that `not_done` takes: a second A cancels the first, \
                and fires come only after a user's last";
    let cure = "narrow `not_done` with a `where`, or take another event, unless just that is meant";
    Some((Problem::author("TSK-017", what).cure(cure), not_done.span))
}

/// TSK-018: what the last A's begin would still wait when the task ends.
fn waits_past_end(part: &RulePart, start: Timestamp, end: Timestamp) -> Found {
    let (_, last) = part.period(start, end);
    let wait_ms = part.wait_ms();
    if part.on_end == OnEnd::Finish || wait_ms == 0 || last.plus(wait_ms) <= end {
        return None;
    }
    let what = "the last A's of the period would still wait when the task ends; what waits then is dropped";
    let cure = "set `to` earlier than `end` by as much as is waited, or say on_end = \"finish\"";
    let span = part.to.as_ref().map(|to| to.span);
    let gap = part.absence.as_ref().and_then(|absence| absence.gap_ms.as_ref());
    Some((
        Problem::author("TSK-018", what).cure(cure),
        span.or(gap.map(|gap| gap.span)).unwrap_or(part.reach.span),
    ))
}

/// TSK-019: with `each`, every A of the gap waits at the same time.
fn many_wait(part: &RulePart, known: &dyn Known) -> Found {
    let (did, absence) = (part.did.as_ref()?, part.absence.as_ref()?);
    let waiting = waiting(absence, part.count, known.rows_per_day(&did.value))?;
    let what = format!(
        "with again = \"each\" up to {:.0} million windows would wait at one time, which takes {:.1} GB: that \
         many of this event come in one `within`",
        waiting / 1e6,
        waiting * WINDOW_BYTES / 1e9
    );
    let cure = "take again = \"first\" or \"restart\", a shorter `within`, or count only some of the events";
    Some((Problem::author("TSK-019", what).cure(cure), absence.again.span))
}

/// How many windows wait at one time, if that is worth a word.
fn waiting(absence: &AbsencePart, count: Count, rows_per_day: f64) -> Option<f64> {
    let Count::Every(n) = count else { return None };
    let gap_ms = absence.gap_ms.as_ref()?.value;
    let waiting = rows_per_day * gap_ms as f64 / DAY_MS / f64::from(n);
    (absence.again.value == Again::Each && waiting > WAITING_MAX).then_some(waiting)
}

impl RulePart {
    /// From an A to the reach, as far as the rule alone tells.
    fn wait_ms(&self) -> i64 {
        let gap: Option<&Field<i64>> = self.absence.as_ref().and_then(|absence| absence.gap_ms.as_ref());
        let delay_ms = if let Reach::Delay(ms) = self.reach.value { ms } else { 0 };
        gap.map_or(0, |gap| gap.value).saturating_add(delay_ms)
    }
}
