//! How are many A's of one rule decided together?
//!
//! The last B's of all users of a run are looked up first, one after the other without waiting for any: memory
//! answers many such questions at once. For most rules all other questions (is the task over, paused, late,
//! which crowd decides) have one answer for the whole run. Where they have not, each A is asked alone
//! (`decide.rs`), with its last B already near.

use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::base::{Timestamp, UserNo};
use crate::task::rule::{Again, Reach};

use super::decide::{A, Deciding};
use super::decision::{Decision, End, Occurrence, Reason};
use super::fact::Version;
use super::part::Part;
use super::past::PART_MS;
use super::read::Span;
use super::tracks::TrackNo;

/// So many A's are looked up at once that their answers stay near.
const RUN: usize = 1_024;

/// Room for the places of the A's of a run and the last B's of their users.
#[derive(Debug, Clone, Default)]
pub(super) struct Asking {
    picked: Vec<usize>,
    /// Those that nothing cancels.
    left: Vec<usize>,
    newest: Vec<i64>,
}

/// Some facts of a part, by their places.
pub(super) struct Run<'a> {
    pub number: i64,
    pub part: &'a Part,
    pub places: Range<usize>,
}

/// What has one answer for all A's of a run: it fires and is released at once, for these users.
struct Alike {
    users: Option<Arc<RoaringBitmap>>,
    is_first: bool,
    is_self: bool,
}

/// How often each end was reached in a run.
#[derive(Default)]
struct Ends {
    fired: u64,
    cancelled: u64,
    joined: u64,
    audience: u64,
}

impl Deciding<'_> {
    /// Decides the A's of a rule among some facts of a part, in their order.
    pub fn windows(&mut self, span: &Span, run: Run, asking: &mut Asking) {
        let mask = span.spec.did.mask();
        for first in run.places.clone().step_by(RUN) {
            asking.pick(run.part, first..run.places.end.min(first + RUN), mask);
            self.ask(span.slot, run.part, asking);
            let (Some(first), Some(last)) = (asking.picked.first(), asking.picked.last()) else { continue };
            match self.alike(span, run.a(*first).at, run.a(*last).at) {
                Some(alike) => self.together(span, &run, asking, &alike),
                None => asking.picked.iter().for_each(|place| {
                    self.window(span.slot, &span.spec, run.a(*place), false);
                }),
            }
        }
    }

    /// The last B's of the users of a run.
    fn ask(&self, slot: usize, part: &Part, asking: &mut Asking) {
        asking.newest.clear();
        if let Some(TrackNo::Plain(track)) = self.task.versions[slot].track {
            let users = asking.picked.iter().map(|place| part.user(*place));
            self.tracks.plain[track].1.newest_of(users, &mut asking.newest);
        }
    }

    /// What all A's between `first` and `last` have in common; none if each is to be asked alone.
    fn alike(&mut self, span: &Span, first: i64, last: i64) -> Option<Alike> {
        let (spec, task) = (&span.spec, &mut *self.task);
        let (due, last_due) = (first + spec.gap(), last + spec.gap());
        let is_open = !task.is_over(spec, last_due) && !task.is_paused_within(due, last_due);
        let is_now = last_due <= self.now && self.now.saturating_sub(due) <= spec.grace();
        let is_plain = spec.is_plain() && !self.is_tracing && is_open && is_now;
        if !is_plain || !task.book.is_one_day(Timestamp(due), Timestamp(last_due), &spec.zone) {
            return None;
        }
        let (from, to) = if spec.is_audience_at_a() { (first, last) } else { (due, last_due) };
        Some(Alike {
            users: task.crowd_within(from, to)?.clone(),
            is_first: spec.again() == Again::First,
            is_self: spec.is_self(),
        })
    }

    fn together(&mut self, span: &Span, run: &Run, asking: &mut Asking, alike: &Alike) {
        let mut ends = Ends::default();
        if alike.is_first {
            self.first_of_each(span, run, asking, alike, &mut ends);
        } else {
            self.each_left(span, run, asking, alike);
            ends.cancelled = (asking.picked.len() - asking.left.len()) as u64;
        }
        let outs = &mut self.task.versions[span.slot].outs;
        let mut places = outs.take(run.number);
        self.out.reserve(2 * asking.left.len());
        for place in &asking.left {
            let a = run.a(*place);
            if alike.admits(a.fact.user) {
                ends.fired += 1;
                places.set(*place);
                self.fire(&span.spec, a);
            } else {
                ends.audience += 1;
                self.push(&span.spec, a, End::Suppressed(Reason::Audience));
            }
        }
        self.task.versions[span.slot].outs.put(run.number, places);
        self.book(span, run, asking, &ends);
    }

    /// Every A opens a window: those that no B cancels.
    fn each_left(&mut self, span: &Span, run: &Run, asking: &mut Asking, alike: &Alike) {
        let gap = span.spec.gap();
        let Asking { picked, newest, left } = asking;
        left.resize(picked.len(), 0);
        let mut count = 0;
        for (place, newest) in picked.iter().zip(newest.iter()) {
            let at = run.at(*place);
            let is_unsure = *newest > at + gap || (alike.is_self && *newest == at);
            let is_cancelled = match is_unsure {
                true => self.is_cancelled(span.slot, &span.spec, run.a(*place)),
                false => *newest >= at,
            };
            // Written always, kept if nothing cancels it: there is nothing to guess for the processor.
            left[count] = *place;
            count += usize::from(!is_cancelled);
        }
        left.truncate(count);
    }

    /// An A may belong to a window of the user that is over now: those that open one and that no B cancels.
    fn first_of_each(&mut self, span: &Span, run: &Run, asking: &mut Asking, alike: &Alike, ends: &mut Ends) {
        let Span { slot, spec, .. } = span;
        asking.left.clear();
        for (place, newest) in asking.picked.iter().zip(&asking.newest) {
            let a = run.a(*place);
            if self.task.versions[*slot].is_within(a.fact.user, a.at, spec.gap()) {
                ends.joined += 1;
                continue;
            }
            let is_unsure = *newest > a.at + spec.gap() || (alike.is_self && *newest == a.at);
            if if is_unsure { self.is_cancelled(*slot, spec, a) } else { *newest >= a.at } {
                ends.cancelled += 1;
            } else {
                self.task.versions[*slot].note_reached(a.fact.user, a.at);
                asking.left.push(*place);
            }
        }
    }

    /// Fired, and released at once.
    #[inline]
    fn fire(&mut self, spec: &Version, a: A) {
        let reach = Timestamp(a.at + spec.gap());
        self.push(spec, a, End::Fired { reach });
        self.push(spec, a, End::Released { reach });
    }

    #[inline]
    fn push(&mut self, spec: &Version, a: A, end: End) {
        let (task, user, version) = (self.task.no, a.fact.user, spec.version);
        let occurrence = Occurrence::A { at: Timestamp(a.at), id: a.part.id(a.fact.id) };
        self.out.push(Decision { task, user, occurrence, version, base: Timestamp(a.at + spec.gap()), end });
    }

    /// Books the ends of a run, which lie on one day.
    fn book(&mut self, span: &Span, run: &Run, asking: &Asking, ends: &Ends) {
        let Some(first) = asking.picked.first() else { return };
        let base = Timestamp(run.a(*first).at + span.spec.gap());
        let counts = self.task.book.on(base, &span.spec.zone);
        counts.fired += ends.fired;
        counts.released += ends.fired;
        counts.cancelled += ends.cancelled;
        counts.joined += ends.joined;
        counts.audience += ends.audience;
    }
}

impl Alike {
    fn admits(&self, user: UserNo) -> bool {
        self.users.as_ref().is_none_or(|users| users.contains(user))
    }
}

impl Version {
    /// A rule that fires at every A left over, and whose touches go at once.
    fn is_plain(&self) -> bool {
        self.is_each()
            && self.again() != Again::Restart
            && self.same.is_none()
            && !self.has_limits()
            && self.rule.reach == Reach::Delay(0)
            && !self.rule.is_rechecked()
    }
}

impl<'a> Run<'a> {
    #[inline]
    fn at(&self, place: usize) -> i64 {
        self.number * PART_MS + i64::from(self.part.offset(place))
    }

    #[inline]
    fn a(&self, place: usize) -> A<'a> {
        A::of(self.number, self.part, place)
    }
}

impl Asking {
    /// The places of facts with a bit of `mask`.
    fn pick(&mut self, part: &Part, places: Range<usize>, mask: u64) {
        self.picked.resize(places.len(), 0);
        let mut count = 0;
        for place in places {
            self.picked[count] = place;
            count += usize::from(part.mask(place) & mask != 0);
        }
        self.picked.truncate(count);
    }
}
