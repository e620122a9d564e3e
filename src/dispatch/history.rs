//! How often did each user do A before the task began (`count_history`, semantics 5.2)?
//!
//! Only the counting period in which the task begins matters: what was done in an earlier one completes
//! no count any more. A's own period (`from`) holds for history too.

use std::collections::BTreeMap;

use crate::audience::{Past, Predicate};
use crate::base::{Outcome, Problem, Timestamp, UserNo, Zone};
use crate::store::Snapshot;
use crate::task::rule::{Count, Rule};
use crate::trigger::{Counted, period, period_start};

/// Takes one A of history.
pub type EachA<'a> = &'a mut dyn FnMut(UserNo, Timestamp);

/// The A's before `begins_at` that count for a rule, by user and counting period. `look` calls back for every
/// A with time in the span `[from, to)` that it is given.
/// Errors: those of `look`.
pub fn counted(
    rule: &Rule,
    zone: &Zone,
    begins_at: Timestamp,
    look: impl FnOnce((Timestamp, Timestamp), EachA) -> Outcome<()>,
) -> Outcome<Vec<Counted>> {
    let mut counts: BTreeMap<(UserNo, i32), u32> = BTreeMap::new();
    if let Some(span) = span(rule, zone, begins_at) {
        look(span, &mut |user, at| {
            let count = counts.entry((user, period(rule.count, at, zone))).or_insert(0);
            *count = count.saturating_add(1);
        })?;
    }
    Ok(counts.into_iter().map(|((user, period), count)| (user, period, count)).collect())
}

/// Calls back for every stored A (`EVENT [where FILTER]`) with time in `[from, to)`, of users who are known.
/// Errors: SEL-… when the filter cannot be read any more, STO-002.
pub fn stored(
    did: &str,
    (from, to): (Timestamp, Timestamp),
    snapshot: &Snapshot,
    each: EachA,
) -> Outcome<()> {
    let read = Predicate::read(did, snapshot);
    let (filter, _) = read.map_err(|problems| {
        let first = problems.0.into_iter().next();
        first.unwrap_or_else(|| Problem::bug("a filter without a problem"))
    })?;
    let mut past = Past::new(vec![filter]);
    for day in past.days(from, to, snapshot) {
        past.on(day, (from, to), snapshot)?.events.iter().for_each(|a| each(a.user, a.at));
    }
    Ok(())
}

/// Where the A's lie that count; none if history does not count, or does not matter.
fn span(rule: &Rule, zone: &Zone, begins_at: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let is_each = rule.absence.is_some() && rule.count == Count::Every(1);
    let own = rule.from.unwrap_or(Timestamp(i64::MIN));
    let period = period_start(rule.count, begins_at, zone).unwrap_or(Timestamp(i64::MIN));
    let from = own.max(period);
    (rule.count_history && !is_each && from < begins_at).then_some((from, begins_at))
}
