//! Two steps that follow each other: `did A then B within GAP`, `did A then not B within GAP`.
//!
//! Nearly all sequences have two steps, and these need no rows to be gathered. Days are walked in
//! order with one instant kept per user: going forward, the last A so far; going back, the next B.
//! Where B is any event, each A is looked up in the first and last instants of its user's days. The
//! general matcher (`sequence`) says the same of every one of them.

use std::sync::Arc;

use super::bits::each_set;
use super::bound::{BoundMetric, BoundStep, Compare};
use super::fold::{Scratch, Slots};
use super::plan::{RowPlan, SequencePlan, Source, TimeSpan};
use super::source::{self, Part, PartRows, RowTimes, Scanned};
use crate::base::{Day, Interval, Outcome, Timestamp};
use crate::store::{Register, Snapshot, Spans, Times};

/// A plan of two steps with its rows, read before the chunks are walked.
pub struct Pair {
    first: Vec<Part>,
    gap_ms: i64,
    then: Then,
}

/// What may come after the first step.
enum Then {
    Done(Vec<Part>),
    Absent { parts: Vec<Part>, as_of: i64 },
    /// Any event up to `until`, on the days that have some.
    Any { days: Vec<(Day, Arc<Spans>)>, until: i64 },
}

impl Pair {
    /// `None`: the plan has more to it than two steps of known events in a window for everybody.
    /// Errors: a file that cannot be read.
    pub fn read(plan: &SequencePlan, snapshot: &Snapshot) -> Outcome<Option<Pair>> {
        let (Some((first, second)), Some(gap_ms)) = (steps(plan), gap_ms(plan)) else { return Ok(None) };
        let is_plain = plan.same.is_empty() && plan.without.is_none();
        let Some(window) = window(plan).filter(|_| is_plain && first.event.is_some()) else { return Ok(None) };
        let then = match (&second.event, &plan.absent) {
            (Some(event), Some(_)) if Some(event) != first.event.as_ref() => {
                let to = window.to.plus(gap_ms).min(plan.as_of.plus(1)).max(window.to);
                let parts = source::timed_parts(&rows(second, Interval { to, ..window }), snapshot)?;
                Then::Absent { parts, as_of: plan.as_of.0 }
            }
            (Some(_), None) => Then::Done(source::timed_parts(&rows(second, window), snapshot)?),
            (None, None) if second.filter.is_none() => match days(window, gap_ms, snapshot)? {
                Some(days) => Then::Any { days, until: window.to.0.saturating_sub(1) },
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let first = source::timed_parts(&rows(first, window), snapshot)?;
        Ok(Some(Pair { first, gap_ms, then }))
    }

    /// Writes the users of a chunk who fit.
    /// Errors: a file that cannot be read.
    pub fn users_of(
        &self,
        chunk: u32,
        snapshot: &Snapshot,
        scratch: &mut Scratch,
        out: &mut Register,
    ) -> Outcome<()> {
        out.clear();
        match &self.then {
            Then::Done(parts) => self.followed(parts, chunk, scratch, out),
            Then::Absent { parts, as_of } => self.not_followed(parts, *as_of, chunk, scratch, out),
            Then::Any { days, until } => return self.followed_by_any(days, *until, chunk, snapshot, scratch, out),
        }
        Ok(())
    }

    /// Forward through the days: a B fits if the last A before it is near enough.
    fn followed(&self, parts: &[Part], chunk: u32, scratch: &mut Scratch, out: &mut Register) {
        let mut latest = Slots::default();
        let latest = latest.filled(i64::MIN);
        let (mut a, mut b) = (Rows::default(), Rows::default());
        for (first, second) in by_day(&self.first, parts) {
            a.take(first, chunk, scratch);
            b.take(second, chunk, scratch);
            let mut from = 0;
            for row in 0..b.len() {
                let (place, at) = (b.place(row), b.at(row));
                if out.holds(place) {
                    continue;
                }
                let earliest = at.saturating_sub(self.gap_ms);
                while from < a.len() && a.place(from) < place {
                    from += 1;
                }
                let mut last = latest[place as usize];
                let mut before = from;
                while before < a.len() && a.place(before) == place && a.at(before) < at {
                    last = a.at(before);
                    before += 1;
                }
                if last >= earliest && last != i64::MIN {
                    out.set(place);
                }
            }
            (0..a.len()).for_each(|row| latest[a.place(row) as usize] = a.at(row));
        }
    }

    /// Back through the days: an A fits if the next B at or after it is too far, and that is certain.
    fn not_followed(&self, parts: &[Part], as_of: i64, chunk: u32, scratch: &mut Scratch, out: &mut Register) {
        let mut next = Slots::default();
        let next = next.filled(i64::MAX);
        let (mut a, mut b) = (Rows::default(), Rows::default());
        let mut days = by_day(&self.first, parts);
        days.reverse();
        for (first, second) in days {
            a.take(first, chunk, scratch);
            b.take(second, chunk, scratch);
            let mut to = b.len();
            for row in (0..a.len()).rev() {
                let (place, at) = (a.place(row), a.at(row));
                let end = at.saturating_add(self.gap_ms);
                if end > as_of || out.holds(place) {
                    continue;
                }
                while to > 0 && b.place(to - 1) > place {
                    to -= 1;
                }
                let mut after = next[place as usize];
                let mut row = to;
                while row > 0 && b.place(row - 1) == place && b.at(row - 1) >= at {
                    after = b.at(row - 1);
                    row -= 1;
                }
                if after > end {
                    out.set(place);
                }
            }
            (0..b.len()).rev().for_each(|row| next[b.place(row) as usize] = b.at(row));
        }
    }

    fn followed_by_any(
        &self,
        days: &[(Day, Arc<Spans>)],
        until: i64,
        chunk: u32,
        snapshot: &Snapshot,
        scratch: &mut Scratch,
        out: &mut Register,
    ) -> Outcome<()> {
        let mut a = Rows::default();
        for part in &self.first {
            let Some(day) = part.day else { continue };
            let from = days.partition_point(|(one, _)| *one < day);
            a.take(Some(part), chunk, scratch);
            for row in 0..a.len() {
                let (place, at) = (a.place(row), a.at(row));
                let end = at.saturating_add(self.gap_ms).min(until);
                if !out.holds(place) && any_in(&days[from..], chunk, place, at, end, snapshot)? {
                    out.set(place);
                }
            }
        }
        Ok(())
    }
}

/// Does the user do anything after `at`, until `end`?
fn any_in(
    days: &[(Day, Arc<Spans>)],
    chunk: u32,
    place: u16,
    at: i64,
    end: i64,
    snapshot: &Snapshot,
) -> Outcome<bool> {
    for (day, spans) in days {
        if spans.begin() > end {
            break;
        }
        match spans.of_user(chunk, place) {
            None => {}
            Some((_, last)) if last <= at => {}
            Some((_, last)) if last <= end => return Ok(true),
            Some((first, _)) if first > at => return Ok(first <= end),
            // Something before and something too late: only the rows tell what is between.
            Some(_) => return has_row(*day, chunk, place, at, end, snapshot),
        }
    }
    Ok(false)
}

fn has_row(day: Day, chunk: u32, place: u16, at: i64, end: i64, snapshot: &Snapshot) -> Outcome<bool> {
    for event in snapshot.events_on(day) {
        let Some(strip) = snapshot.strip(day, event, &[], true)? else { continue };
        let range = strip.users.range(chunk);
        let places = &strip.users.places[range.clone()];
        let of_user = places.partition_point(|one| *one < place)..places.partition_point(|one| *one <= place);
        let Some(times) = &strip.times else { continue };
        if of_user.map(|row| times.at(range.start + row)).any(|time| at < time && time <= end) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The step that must be done first, and the one that must or must not follow.
fn steps(plan: &SequencePlan) -> Option<(&BoundStep, &BoundStep)> {
    match (plan.steps.as_slice(), &plan.absent) {
        ([first], Some(absent)) => Some((first, absent)),
        ([first, second], None) => Some((first, second)),
        _ => None,
    }
}

/// The gap, where it has the same length for everybody.
fn gap_ms(plan: &SequencePlan) -> Option<i64> {
    let (count, unit) = plan.gap;
    Some((count as i64).saturating_mul(unit.millis()?))
}

/// The window of the steps, where it is the same for everybody; nothing later than as-of.
fn window(plan: &SequencePlan) -> Option<Interval> {
    let known = Interval { to: plan.as_of.plus(1), ..Interval::ALWAYS };
    match &plan.span {
        TimeSpan::Fixed(window) => Some(window.and(known)),
        TimeSpan::Until(_) => Some(known),
        _ => None,
    }
}

fn rows(step: &BoundStep, window: Interval) -> RowPlan {
    RowPlan {
        source: Source::Events(step.event.clone()),
        filter: step.filter.clone(),
        metric: BoundMetric::Count,
        compare: Compare::AT_LEAST_ONE,
        span: TimeSpan::Fixed(window),
    }
}

/// The days that the window and a gap after it touch; `None` where one has no spans.
fn days(window: Interval, gap_ms: i64, snapshot: &Snapshot) -> Outcome<Option<Vec<(Day, Arc<Spans>)>>> {
    use rayon::prelude::*;
    let zone = snapshot.zone();
    let reach = Interval { from: window.from, to: Timestamp(window.to.0.saturating_add(gap_ms)) };
    let touched = |day: &&Day| {
        let of_day = Interval { from: zone.start_of(**day), to: zone.start_of(day.plus(1)) };
        !reach.and(of_day).is_empty()
    };
    let touched: Vec<Day> = snapshot.days().iter().filter(touched).copied().collect();
    let spans = touched.par_iter().map(|day| Ok(snapshot.spans(*day)?.map(|spans| (*day, spans))));
    spans.collect()
}

/// The parts of both steps, day by day.
fn by_day<'a>(first: &'a [Part], second: &'a [Part]) -> Vec<(Option<&'a Part>, Option<&'a Part>)> {
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    let mut days = vec![];
    while let Some(day) = [first.peek(), second.peek()].into_iter().flatten().map(|part| part.day).min() {
        days.push((first.next_if(|part| part.day == day), second.next_if(|part| part.day == day)));
    }
    days
}

/// The rows of one step in one chunk on one day: as they lie, or those that pass.
#[derive(Default)]
enum Rows<'a> {
    #[default]
    None,
    All { places: &'a [u16], base: i64, after: &'a [u32] },
    Some { places: Vec<u16>, times: Vec<i64> },
}

impl<'a> Rows<'a> {
    fn take(&mut self, part: Option<&'a Part>, chunk: u32, scratch: &mut Scratch) {
        let rows = part.map(|part| &part.rows);
        let Some(PartRows::Scanned(Scanned { strip, mask, times: RowTimes::Own(times), .. })) = rows else {
            *self = Rows::None;
            return;
        };
        let range = strip.users.range(chunk);
        let places = &strip.users.places[range.clone()];
        if let (None, Times::After { base, after, .. }) = (mask, &**times) {
            *self = Rows::All { places, base: *base, after: &after[range] };
            return;
        }
        let (mut kept, mut at) = (vec![], vec![]);
        let first = range.start;
        let mut keep = |row: usize| {
            kept.push(places[row]);
            at.push(times.at(first + row));
        };
        match mask {
            Some(mask) => {
                mask.fill(range, scratch.words());
                each_set(scratch.words(), keep);
            }
            None => (0..places.len()).for_each(&mut keep),
        }
        *self = Rows::Some { places: kept, times: at };
    }

    #[inline(always)]
    fn len(&self) -> usize {
        match self {
            Rows::None => 0,
            Rows::All { places, .. } => places.len(),
            Rows::Some { places, .. } => places.len(),
        }
    }

    #[inline(always)]
    fn place(&self, row: usize) -> u16 {
        match self {
            Rows::None => 0,
            Rows::All { places, .. } => places[row],
            Rows::Some { places, .. } => places[row],
        }
    }

    #[inline(always)]
    fn at(&self, row: usize) -> i64 {
        match self {
            Rows::None => 0,
            Rows::All { base, after, .. } => base + after[row] as i64,
            Rows::Some { times, .. } => times[row],
        }
    }
}
