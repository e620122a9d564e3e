//! Two steps that follow each other: `did A then B within GAP`, `did A then not B within GAP`.
//!
//! Nearly all sequences have two steps, and these need no rows to be gathered. Days are walked in
//! order with one instant kept per user: going forward, the last A so far; going back, the next B.
//! Where B is any event, each A is looked up in the first and last instants of its user's days. The
//! general matcher (`sequence`) says the same of every one of them.

use std::sync::Arc;

use super::bits::each_set;
use super::bound::{BoundMetric, BoundStep, Compare};
use super::fold::Scratch;
use super::plan::{RowPlan, SequencePlan, Source, TimeSpan};
use super::source::{self, Part, PartRows, RowTimes, Scanned};
use crate::base::{Day, Interval, Outcome, Timestamp};
use crate::store::{Register, Snapshot, Spans, Times, Told};

/// A plan of two steps with its rows, read before the chunks are walked.
pub struct Pair {
    first: Vec<Part>,
    gap_ms: i64,
    then: Then,
}

/// Days with who was active when, ascending.
type Active = Vec<(Day, Arc<Spans>)>;

/// What may come after the first step.
enum Then {
    Done(Vec<Part>),
    Absent {
        parts: Vec<Part>,
        as_of: i64,
    },
    /// Any event up to `until`, on the days that have some.
    Any {
        days: Vec<(Day, Arc<Spans>)>,
        until: i64,
    },
}

impl Pair {
    /// `None`: the plan has more to it than two steps of known events in a window for everybody.
    /// Errors: a file that cannot be read.
    pub fn read(plan: &SequencePlan, snapshot: &Snapshot) -> Outcome<Option<Pair>> {
        let (Some((first, second)), Some(gap_ms)) = (steps(plan), gap_ms(plan)) else { return Ok(None) };
        let is_plain = plan.same.is_empty() && plan.without.is_none();
        let Some(window) = window(plan).filter(|_| is_plain && first.event.is_some()) else {
            return Ok(None);
        };
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
        let others: &[Part] = match &then {
            Then::Done(parts) | Then::Absent { parts, .. } => parts,
            Then::Any { .. } => &[],
        };
        let is_near = first.iter().chain(others).all(has_near_times);
        Ok(is_near.then_some(Pair { first, gap_ms, then }))
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
            Then::Any { days, until } => {
                return self.followed_by_any(days, *until, chunk, snapshot, scratch, out);
            }
        }
        Ok(())
    }

    /// Forward through the days: a B fits if the last A before it is near enough.
    fn followed(&self, parts: &[Part], chunk: u32, scratch: &mut Scratch, out: &mut Register) {
        let mut state = scratch.take_pairs();
        let users = state.filled(Firsts::NONE);
        let (mut of_first, mut of_second) = (Kept::default(), Kept::default());
        for (first, second) in by_day(&self.first, parts) {
            let a = of_first.rows(first, chunk, scratch);
            let b = of_second.rows(second, chunk, scratch);
            // Backwards, so that the first one of a user stays.
            a.each_back(|place, at| users[place as usize].today = at);
            let words = out.words_mut();
            let mut unclear = false;
            b.each(|place, at| {
                // Without a branch: what comes next cannot be foreseen.
                let Firsts { before, today } = users[place as usize];
                let earliest = at.saturating_sub(self.gap_ms);
                let fits = (before >= earliest) | ((today < at) & (today >= earliest));
                words[place as usize / 64] |= (fits as u64) << (place % 64);
                unclear |= (today < earliest) & !fits;
            });
            if unclear {
                self.followed_on_a_day(&a, &b, out);
            }
            a.each(|place, at| users[place as usize] = Firsts { before: at, today: i64::MAX });
        }
        scratch.give_pairs(state);
    }

    /// Where the first A of a day is too early for a B, a later one of the same day may not be.
    fn followed_on_a_day(&self, a: &Rows, b: &Rows, out: &mut Register) {
        let mut from = 0;
        b.each(|place, at| {
            from += a.places[from..].iter().take_while(|one| **one < place).count();
            let same_user =
                a.places[from..].iter().zip(&a.after[from..]).take_while(|(one, _)| **one == place);
            let mut times = same_user.map(|(_, after)| a.base + *after as i64);
            if times.any(|time| time < at && time >= at.saturating_sub(self.gap_ms)) {
                out.set(place);
            }
        });
    }

    /// Back through the days: an A fits if the next B at or after it is too far, and that is certain.
    fn not_followed(
        &self,
        parts: &[Part],
        as_of: i64,
        chunk: u32,
        scratch: &mut Scratch,
        out: &mut Register,
    ) {
        let mut state = scratch.take_pairs();
        let next = state.filled(Firsts::NONE);
        let (mut of_first, mut of_second) = (Kept::default(), Kept::default());
        for (first, second) in by_day(&self.first, parts).into_iter().rev() {
            let a = of_first.rows(first, chunk, scratch);
            let b = of_second.rows(second, chunk, scratch);
            let mut to = b.places.len();
            for (place, after) in a.places.iter().zip(a.after).rev() {
                let at = a.base + *after as i64;
                let end = at.saturating_add(self.gap_ms);
                if end > as_of || out.holds(*place) {
                    continue;
                }
                to -= b.places[..to].iter().rev().take_while(|one| *one > place).count();
                let same_day = b.places[..to].iter().zip(&b.after[..to]).rev();
                let later =
                    same_day.take_while(|(one, after)| *one == place && b.base + **after as i64 >= at);
                let soonest =
                    later.last().map_or(next[*place as usize].today, |(_, after)| b.base + *after as i64);
                if soonest > end {
                    out.set(*place);
                }
            }
            b.each_back(|place, at| next[place as usize].today = at);
        }
        scratch.give_pairs(state);
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
        let mut kept = Kept::default();
        for part in &self.first {
            let Some(day) = part.day else { continue };
            let from = days.partition_point(|(one, _)| *one < day);
            let a = kept.rows(Some(part), chunk, scratch);
            let inside = self.inside(&days[from..], &a, until, chunk);
            for (place, after) in a.places.iter().zip(a.after) {
                let at = a.base + *after as i64;
                let end = at.saturating_add(self.gap_ms).min(until);
                // Without an early end: the looks do not wait for each other then.
                let did = inside.iter().fold(out.holds(*place), |did, users| did | users.holds(*place));
                if did || any_in(&days[from..], chunk, *place, at, end, snapshot)? {
                    out.set(*place);
                }
            }
        }
        Ok(())
    }
}

impl Pair {
    /// Who did anything on the days that lie wholly in the gap after every one of these rows.
    fn inside<'d>(
        &self,
        days: &'d [(Day, Arc<Spans>)],
        rows: &Rows,
        until: i64,
        chunk: u32,
    ) -> Vec<&'d Register> {
        let ends = rows.after.iter().min().zip(rows.after.iter().max());
        let Some((first, last)) = ends.map(|(a, b)| (rows.base + *a as i64, rows.base + *b as i64)) else {
            return vec![];
        };
        let end = first.saturating_add(self.gap_ms).min(until);
        let days = days.iter().take_while(|(_, spans)| spans.begin() <= end);
        let inside = days.filter(|(_, spans)| spans.begin() > last && spans.end() <= end);
        inside.filter_map(|(_, spans)| spans.users_of(chunk)).collect()
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
    for (day, spans) in days.iter().take_while(|(_, spans)| spans.begin() <= end) {
        let is_done = match spans.tell(chunk, place, at, end) {
            Told::Yes => true,
            Told::No => false,
            Told::Unclear => has_row(*day, chunk, place, at, end, snapshot)?,
        };
        if is_done {
            return Ok(true);
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
fn days(window: Interval, gap_ms: i64, snapshot: &Snapshot) -> Outcome<Option<Active>> {
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

/// Do the rows have times that lie near each other? Only a day beyond the calendar has others.
fn has_near_times(part: &Part) -> bool {
    match &part.rows {
        PartRows::Scanned(Scanned { times: RowTimes::Own(times), .. }) => {
            matches!(&**times, Times::After { .. })
        }
        _ => false,
    }
}

/// The rows of one step in one chunk on one day.
#[derive(Default)]
struct Rows<'a> {
    /// Ascending.
    places: &'a [u16],
    base: i64,
    /// Milliseconds after `base`; ascending for one user.
    after: &'a [u32],
}

impl Rows<'_> {
    /// Calls `look` with the position and the instant of every row.
    #[inline(always)]
    fn each(&self, mut look: impl FnMut(u16, i64)) {
        let rows = self.places.iter().zip(self.after);
        rows.for_each(|(place, after)| look(*place, self.base + *after as i64));
    }

    /// The same from the last row to the first.
    #[inline(always)]
    fn each_back(&self, mut look: impl FnMut(u16, i64)) {
        let rows = self.places.iter().zip(self.after).rev();
        rows.for_each(|(place, after)| look(*place, self.base + *after as i64));
    }
}

/// What is kept of a user's instants while days are walked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Firsts {
    /// The last one of the days before.
    before: i64,
    /// The first one of the day at hand; going back, of the days after it.
    today: i64,
}

impl Firsts {
    const NONE: Firsts = Firsts { before: i64::MIN, today: i64::MAX };
}

/// Room for rows that pass a filter.
#[derive(Default)]
struct Kept {
    places: Vec<u16>,
    after: Vec<u32>,
}

impl Kept {
    /// The rows as they lie, or those that pass.
    fn rows<'a>(&'a mut self, part: Option<&'a Part>, chunk: u32, scratch: &mut Scratch) -> Rows<'a> {
        let Some(PartRows::Scanned(scanned)) = part.map(|part| &part.rows) else { return Rows::default() };
        let RowTimes::Own(times) = &scanned.times else { return Rows::default() };
        let Times::After { base, after, .. } = &**times else { return Rows::default() };
        let range = scanned.strip.users.range(chunk);
        let (places, after) = (&scanned.strip.users.places[range.clone()], &after[range.clone()]);
        let Some(mask) = &scanned.mask else { return Rows { places, base: *base, after } };
        self.places.clear();
        self.after.clear();
        mask.fill(range, scratch.words());
        each_set(scratch.words(), |row| {
            self.places.push(places[row]);
            self.after.push(after[row]);
        });
        Rows { places: &self.places, base: *base, after: &self.after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_meet_on_their_day() {
        let part = |day: i32| Part { day: Some(Day(day)), rows: PartRows::Counted(Default::default()) };
        let (first, second) = ([part(1), part(2), part(5)], [part(2), part(3)]);
        let days: Vec<(Option<i32>, Option<i32>)> = by_day(&first, &second)
            .into_iter()
            .map(|(a, b)| (a.and_then(|a| Some(a.day?.0)), b.and_then(|b| Some(b.day?.0))))
            .collect();
        assert_eq!(days, [(Some(1), None), (Some(2), Some(2)), (None, Some(3)), (Some(5), None)]);
    }
}
