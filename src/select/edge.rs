//! `first E W`, `last E W`: in whose window lies the first (last) row of all history?
//!
//! A window that is the same for everybody needs no times: somebody's first row lies in it when one
//! of their rows does and none lies before it. Only where each user has a window of their own is the
//! time of the first row looked for.

use super::bound::{BoundMetric, Compare};
use super::fold::{self, OwnWindows, Scratch};
use super::plan::{EdgePlan, TimeSpan};
use super::source::{self, Part, first_of};
use crate::base::{CHUNK_USERS, Interval, Outcome, Timestamp};
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

    /// The users of a chunk who fit; `own` are their windows where each has one.
    pub fn users_of(&self, chunk: u32, own: Option<&OwnWindows>, scratch: &mut Scratch) -> Register {
        if let Some(own) = own {
            return own_edges(self.plan, &self.inside, chunk, own);
        }
        let mut did = |parts: &[Part]| {
            fold::users_of(&BoundMetric::Count, &Compare::AT_LEAST_ONE, parts, chunk, None, scratch)
        };
        let mut users = did(&self.inside);
        if !users.is_empty() {
            users.and_not(&did(&self.outside));
        }
        users
    }
}

fn own_edges(plan: &EdgePlan, parts: &[Part], chunk: u32, own: &OwnWindows) -> Register {
    // Of rows kept with their times those later than as-of are not cut off: an own window does that
    // for a row that counts, but not for one that would come last.
    let until = match plan.inside.span {
        TimeSpan::Own { until, .. } => until.0,
        _ => i64::MAX,
    };
    let nothing = if plan.is_first { i64::MAX } else { i64::MIN };
    let mut edges = vec![nothing; CHUNK_USERS as usize];
    for part in parts {
        for row in part.range(chunk) {
            let (Some(user), Some(at)) = (part.users.get(row), part.times.get(row)) else { continue };
            let edge = &mut edges[(user - first_of(chunk)) as usize];
            if *at <= until {
                *edge = if plan.is_first { *at.min(edge) } else { *at.max(edge) };
            }
        }
    }
    let mut users = Register::new();
    for (place, (window, edge)) in own.iter().zip(edges).enumerate() {
        let fits = |window: &Interval| edge != nothing && window.holds(Timestamp(edge));
        if window.as_ref().is_some_and(fits) {
            users.set(place as u16);
        }
    }
    users
}
