//! `first E W`, `last E W`: in whose window lies the first (last) row of all history?
//!
//! A window that is the same for everybody needs no times: somebody's first row lies in it when one
//! of their rows does and none lies before it. Only where each user has a window of their own is the
//! time of the first row looked for.

use super::bound::{BoundMetric, Compare};
use super::fold::{OwnWindows, Rows, Scratch};
use super::plan::{EdgePlan, TimeSpan};
use super::source::{self, Part};
use crate::base::{CHUNK_USERS, Interval, Outcome, Timestamp, Zone};
use crate::store::{Register, Snapshot};

/// The rows of a plan, read once before the chunks are walked.
pub struct Edges<'a> {
    pub plan: &'a EdgePlan,
    inside: Vec<Part>,
    outside: Vec<Part>,
}

impl<'a> Edges<'a> {
    /// Errors: a file that cannot be read.
    pub fn read(plan: &'a EdgePlan, snapshot: &Snapshot) -> Outcome<Edges<'a>> {
        let inside = source::event_parts(&plan.inside, snapshot)?;
        let outside = plan.outside.as_ref().map_or(Ok(vec![]), |rows| source::event_parts(rows, snapshot))?;
        Ok(Edges { plan, inside, outside })
    }

    /// Writes the users of a chunk who fit; `own` are their windows where each has one.
    pub fn users_of(
        &self,
        chunk: u32,
        own: Option<&OwnWindows>,
        zone: &Zone,
        scratch: &mut Scratch,
        out: &mut Register,
    ) {
        let rows = |parts| Rows { parts, chunk, own: None, zone };
        if let Some(own) = own {
            return self.own_edges(&rows(&self.inside), own, scratch, out);
        }
        let mut did = |parts, out: &mut Register| {
            rows(parts).users(&BoundMetric::Count, &Compare::AT_LEAST_ONE, scratch, out);
        };
        did(&self.inside, out);
        if !out.is_empty() {
            let mut outside = Box::new(Register::new());
            did(&self.outside, &mut outside);
            out.and_not(&outside);
        }
    }

    fn own_edges(&self, rows: &Rows, own: &OwnWindows, scratch: &mut Scratch, out: &mut Register) {
        // Rows later than as-of are not cut off by an own window if they come last.
        let until = match self.plan.inside.span {
            TimeSpan::Own { until, .. } => until.0,
            _ => i64::MAX,
        };
        let is_first = self.plan.is_first;
        let nothing = if is_first { i64::MAX } else { i64::MIN };
        let mut edges = vec![nothing; CHUNK_USERS as usize];
        rows.each_time(scratch, |place, at| {
            let edge = &mut edges[place as usize];
            if at <= until {
                *edge = if is_first { at.min(*edge) } else { at.max(*edge) };
            }
        });
        out.clear();
        for (place, (window, edge)) in own.iter().zip(edges).enumerate() {
            let fits = |window: &Interval| edge != nothing && window.holds(Timestamp(edge));
            if window.as_ref().is_some_and(fits) {
                out.set(place as u16);
            }
        }
    }
}
