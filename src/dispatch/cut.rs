//! Which touches go together in a batch, and which cannot go at all?

use crate::base::{Outcome, Timestamp};
use crate::task::Task;

use super::batch::{Batch, Handle, Touch, tag_of};
use super::engine::Engine;
use super::fill::Filled;
use super::forms::Forms;
use super::hand::batches_of;
use super::ledger::{Run, Seat};
use super::sender::Sender;
use super::state::Reason;
use super::touches::WAVE_BATCHES;

/// How many touches to read for a wave: as many as fit in, learned from the wave before.
pub(super) struct Portion {
    size: usize,
    next: usize,
}

impl Portion {
    /// For batches of `task` through `sender`.
    pub fn of(task: &Task, sender: &dyn Sender) -> Portion {
        let burst = sender.bucket().map_or(usize::MAX, |bucket| bucket.burst());
        let size = task.file.dispatch.batch.min(burst);
        Portion { size, next: size * WAVE_BATCHES }
    }

    fn used(&mut self, touches: usize) {
        self.next = (touches * 2).clamp(WAVE_BATCHES, self.size * WAVE_BATCHES);
    }
}

impl Engine<'_> {
    /// Cuts the next wave and marks it as being handed over.
    pub(super) fn cut_wave(
        &self,
        task: &Task,
        run: &Run,
        sender: &dyn Sender,
        (form, portion): (&Forms, &mut Portion),
        now: Timestamp,
    ) -> Outcome<Vec<Batch>> {
        let run = self.ledger.fresh(run)?;
        let touches = self.fitting(task, &run, sender, (form, portion.next), now)?;
        let (batches, left) = grouped(touches, sender, portion.size);
        portion.used(batches.iter().map(Vec::len).sum());
        if !batches.is_empty() {
            let handles = handles(&run, &batches, sender);
            self.faults.step("cut")?;
            self.ledger.cut(&run, &batches, left, &handles, now)?;
        }
        Ok(batches_of(task, &run, batches))
    }

    /// The next touches that can go out. Those that cannot are suppressed on the way.
    fn fitting(
        &self,
        task: &Task,
        run: &Run,
        sender: &dyn Sender,
        (form, limit): (&Forms, usize),
        now: Timestamp,
    ) -> Outcome<Vec<Touch>> {
        loop {
            let Filled { touches, mut lacking } = self.next_touches(task, run, form, limit, now)?;
            let (fit, unfit): (Vec<_>, Vec<_>) = touches.into_iter().partition(|t| sender.takes(t).is_ok());
            lacking.extend(unfit.iter().map(Touch::seat));
            if !lacking.is_empty() {
                self.faults.step("suppress what cannot go")?;
                self.ledger.suppress(run, &lacking, Reason::Missing, now)?;
            }
            if !fit.is_empty() || lacking.is_empty() {
                return Ok(fit);
            }
        }
    }
}

/// At most a wave of batches, those of one member of the staff together where the sender wants that; and the
/// first seat of what is too much, which waits for the next wave.
fn grouped(mut touches: Vec<Touch>, sender: &dyn Sender, size: usize) -> (Vec<Vec<Touch>>, Option<Seat>) {
    let is_by_staff = sender.is_by_staff();
    if is_by_staff {
        touches.sort_by(|a, b| a.staff.cmp(&b.staff));
    }
    let mut batches: Vec<Vec<Touch>> = Vec::new();
    let mut left: Option<Seat> = None;
    for touch in touches {
        let is_full = batches.len() == WAVE_BATCHES;
        let is_alike =
            |batch: &[Touch]| !is_by_staff || batch.first().is_none_or(|first| first.staff == touch.staff);
        let fits = |batch: &&mut Vec<Touch>| {
            left.is_none() && batch.len() < size && is_alike(batch) && sender.fits(batch, &touch)
        };
        match batches.last_mut().filter(fits) {
            Some(batch) => batch.push(touch),
            None if is_full => left = Some(left.map_or(touch.seat(), |seat| seat.min(touch.seat()))),
            None => batches.push(vec![touch]),
        }
    }
    (batches, left)
}

/// The names by which receipts will call the touches of batches that are about to be cut.
fn handles(run: &Run, batches: &[Vec<Touch>], sender: &dyn Sender) -> Vec<(Handle, Seat)> {
    if !sender.has_receipts() {
        return Vec::new();
    }
    let name = run.name();
    let numbered = batches.iter().zip(run.batch_count + 1..);
    let named = |(batch, no): (&Vec<Touch>, u64)| -> Vec<(Handle, Seat)> {
        let tag = tag_of(&name, no);
        let of = |touch: &Touch| {
            let own = sender.handle(&tag, touch);
            [Some(Handle::from(touch.touch_id)), own]
                .into_iter()
                .flatten()
                .map(|h| (h, touch.seat()))
                .collect()
        };
        batch.iter().flat_map(|touch| -> Vec<_> { of(touch) }).collect()
    };
    numbered.flat_map(named).collect()
}
