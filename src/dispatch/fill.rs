//! Which touches wait, whose are they, and what do they say?

use std::borrow::Cow;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::base::{Outcome, Problem, Timestamp, UserNo};
use crate::task::Task;

use super::batch::{Touch, TouchNames};
use super::engine::Engine;
use super::fires::Waiting;
use super::forms::Forms;
use super::ledger::{Run, Seat};
use super::sender::Sender;
use super::state::Reason;

/// Who a touch is for, by which name it goes, and when it was planned to be there.
struct Label<'a> {
    user: UserNo,
    /// Its place in a trigger's run.
    seat: Option<Seat>,
    due_at: Cow<'a, str>,
    names: Cow<'a, TouchNames>,
}

/// Touches that one thread fills at least.
const SHARE_MIN: usize = 256;

/// Touches that are ready, and the seats of those that lack a value which the task insists on.
pub(super) struct Filled {
    pub touches: Vec<Touch>,
    pub lacking: Vec<Seat>,
}

impl Engine<'_> {
    /// The next touches of a run that wait for a batch, filled; at most `limit`.
    pub(super) fn next_touches(
        &self,
        task: &Task,
        run: &Run,
        form: &Forms,
        limit: usize,
        now: Timestamp,
    ) -> Outcome<Filled> {
        if task.rule().is_some() {
            let waiting = self.known_fires(run, limit, now)?;
            let labels = waiting.iter().map(|fire| self.label_of_fire(task, run, fire));
            return self.filled(task, &labels.collect::<Vec<_>>(), form);
        }
        let names = self.names(task, run, &run.occurrence);
        let due_at = task.zone.text(run.planned_at);
        let (due_at, names) = (due_at.as_str(), &names);
        let label = |user: UserNo| Label {
            user,
            seat: None,
            due_at: Cow::Borrowed(due_at),
            names: Cow::Borrowed(names),
        };
        let labels = self.ledger.waiting_seats(run, limit)?.into_iter().map(label);
        self.filled(task, &labels.collect::<Vec<_>>(), form)
    }

    /// How many of these users lack a value which the task insists on, or which the channel needs.
    pub(super) fn lacking(
        &self,
        task: &Task,
        users: &RoaringBitmap,
        (forms, sender): (&Forms, &dyn Sender),
    ) -> Outcome<u64> {
        let names = TouchNames::of(self.app, &task.id, task.epoch, "", &task.file.dispatch.channel);
        let label =
            |user| Label { user, seat: None, due_at: Cow::Borrowed(""), names: Cow::Borrowed(&names) };
        let labels: Vec<Label> = users.iter().map(label).collect();
        let Filled { touches, lacking } = self.filled(task, &labels, forms)?;
        let unfit = touches.iter().filter(|touch| sender.takes(touch).is_err()).count();
        Ok((lacking.len() + unfit) as u64)
    }

    /// The next fires that wait. Those whose user was deleted since are suppressed on the way.
    fn known_fires(&self, run: &Run, limit: usize, now: Timestamp) -> Outcome<Vec<Waiting>> {
        loop {
            let waiting = self.ledger.waiting_fires(run, limit)?;
            let is_gone = |fire: &&Waiting| self.directory.user_id(fire.user).is_none();
            let gone: Vec<Seat> = waiting.iter().filter(is_gone).map(|fire| fire.seat).collect();
            if gone.is_empty() {
                return Ok(waiting);
            }
            self.faults.step("suppress who is gone")?;
            self.ledger.suppress(run, &gone, Reason::Audience, now)?;
        }
    }

    fn label_of_fire(&self, task: &Task, run: &Run, fire: &Waiting) -> Label<'static> {
        let names = Cow::Owned(self.names(task, run, &fire.occurrence));
        let due_at = Cow::Owned(task.zone.text(fire.due_at));
        Label { user: fire.user, seat: Some(fire.seat), due_at, names }
    }

    fn names(&self, task: &Task, run: &Run, occurrence: &str) -> TouchNames {
        TouchNames::of(self.app, &task.id, run.epoch, occurrence, &task.file.dispatch.channel)
    }

    /// Values are read once for each user, in the order in which they are stored; then all cores fill.
    fn filled(&self, task: &Task, labels: &[Label], form: &Forms) -> Outcome<Filled> {
        let mut users: Vec<UserNo> = labels.iter().map(|label| label.user).collect();
        users.sort_unstable();
        users.dedup();
        let values = self.directory.fields(&users, form.fields())?;
        let of = |user| users.binary_search(&user).ok().and_then(|place| values.get(place));
        let staff = self.staff_of(task, &users)?;
        let ids = labels.iter().map(|label| self.id_of(label.user)).collect::<Outcome<Vec<&str>>>()?;
        let fill = |(label, id): (&Label, &str)| {
            let touch = label.touch(id, of(label.user).map_or(&[][..], Vec::as_slice), form);
            let staff = staff.get(&label.user).cloned();
            touch.map(|touch| Touch { staff, ..touch }).ok_or(label.seat())
        };
        let touches = labels.par_iter().with_min_len(SHARE_MIN).zip(ids).map(fill);
        let (touches, lacking) = touches.partition_map(|touch| match touch {
            Ok(touch) => rayon::iter::Either::Left(touch),
            Err(seat) => rayon::iter::Either::Right(seat),
        });
        Ok(Filled { touches, lacking })
    }

    fn id_of(&self, user: UserNo) -> Outcome<&str> {
        let known = self.directory.user_id(user);
        known.ok_or_else(|| Problem::bug(format!("user number {user} lost its id")))
    }
}

impl Label<'_> {
    fn seat(&self) -> Seat {
        self.seat.unwrap_or(self.user)
    }

    /// The touch to this user; `None` when a value is missing on which the task insists.
    fn touch(&self, user_id: &str, values: &[Option<String>], form: &Forms) -> Option<Touch> {
        let touch_id = self.names.touch_id(user_id);
        let (content, fields) = form.fill(user_id, &touch_id.0, values)?;
        Some(Touch {
            touch_id,
            seat: self.seat,
            user_no: self.user,
            user_id: user_id.into(),
            staff: None,
            due_at: self.due_at.clone().into_owned(),
            content,
            fields,
        })
    }
}
