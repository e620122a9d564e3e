//! `did A then B … within GAP`, `did A then not B within GAP`: does any chain of a user's rows fit?
//!
//! ```text
//! rows of each step ──▶ users of a chunk with every step ──▶ their hits, in time ──▶ Chain::holds
//! (steps.rs)            (a register a step)                  (one user)              (pure)
//! ```
//!
//! What a chain is, is decided in docs/decisions/006-sequences.md. [`Chain`] looks at each hit once:
//! for every step it keeps how long the chains that reached it may still go on, and of several only
//! the one that may go on longest, since all of them stop at the same things.

use super::fold::OwnWindows;
use super::plan::SequencePlan;
use super::source::first_of;
use super::steps::{self, StepPart};
use crate::base::{CHUNK_USERS, Outcome, Timestamp, Unit, Zone, ahead};
use crate::store::{Register, Snapshot};

/// The role of a row that passes the step of `then not`.
pub const ABSENT: u32 = u32::MAX;
/// The role of a row that passes the step of `without`.
pub const WITHOUT: u32 = u32::MAX - 1;
/// The code of `same` where nothing is asked.
pub const ANY_VALUE: u32 = u32::MAX;

/// A row of one user that passes a step; a row that passes several comes once for each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Hit {
    /// Epoch milliseconds.
    pub at: i64,
    /// The number of the step from 0, or [`ABSENT`], [`WITHOUT`].
    pub role: u32,
    /// Equal for rows of the same event …
    pub event: u32,
    /// … which stand in this order at the same time.
    pub place: u32,
    /// Equal where all values of `same` are.
    pub same: u32,
}

/// What is asked of one user's hits.
#[derive(Debug, Clone, Copy)]
pub struct Chain {
    /// Steps that must be done; at least one.
    pub steps: u32,
    /// Is there a step that must not follow?
    pub is_last_absent: bool,
    /// From the first step to the last; or from the last one done to the end of the wait.
    pub gap: (u32, Unit),
    pub as_of: Timestamp,
    pub zone: Zone,
}

/// How far the chains of a user have come.
struct Reached {
    /// Until when a chain that did step i may go on; the latest of all.
    until: Vec<Option<i64>>,
    /// When the earliest wait for the absent step ends.
    waiting: Option<i64>,
}

impl Chain {
    /// Is there any chain? `hits` are one user's, ascending by time, with equal `same`.
    pub fn holds(&self, hits: &[Hit]) -> bool {
        let mut reached = Reached { until: vec![None; self.steps as usize], waiting: None };
        let mut groups = hits.chunk_by(|a, b| a.at == b.at);
        groups.any(|group| self.completes(&mut reached, group))
            || reached.waiting.is_some_and(|end| end <= self.as_of.0)
    }

    /// Takes in all hits of one instant; is a chain complete?
    fn completes(&self, reached: &mut Reached, group: &[Hit]) -> bool {
        let Some(at) = group.first().map(|hit| hit.at) else { return false };
        let has = |role: u32| group.iter().any(|hit| hit.role == role);
        let is_broken = has(WITHOUT);
        if waited(reached, at, has(ABSENT), is_broken) {
            return true;
        }
        let last = self.steps.saturating_sub(1);
        if self.is_at_last(reached, at) && has(last) {
            if !self.is_last_absent {
                return true;
            }
            // What must not come between comes between the first step and the end of the wait.
            let is_cut = is_broken && last > 0;
            if !is_cut && group.iter().any(|hit| hit.role == last && !is_cancelled(hit, group)) {
                let end = self.end(at);
                reached.waiting = Some(reached.waiting.map_or(end, |other| other.min(end)));
            }
        }
        self.go_on(reached, at, has, is_broken);
        false
    }

    /// May a chain that was begun before `at` do its last step now?
    fn is_at_last(&self, reached: &Reached, at: i64) -> bool {
        match self.steps.checked_sub(2) {
            Some(before) => reached.until.get(before as usize).copied().flatten() >= Some(at),
            None => true,
        }
    }

    /// Chains do their next step, end, begin; from the last step back, so that each moves once.
    fn go_on(&self, reached: &mut Reached, at: i64, has: impl Fn(u32) -> bool, is_broken: bool) {
        let until = &mut reached.until;
        for step in (1..until.len().saturating_sub(1)).rev() {
            if has(step as u32) {
                until[step] = until[step].max(until[step - 1]);
            }
        }
        if is_broken {
            until.fill(None);
        }
        if let Some(begun) = until.first_mut().filter(|_| has(0)) {
            *begun = (*begun).max(Some(self.end(at)));
        }
    }

    fn end(&self, at: i64) -> i64 {
        ahead(Timestamp(at), self.gap.0, self.gap.1, &self.zone).0
    }
}

/// Did a wait end before the hits at `at`, or does it end in vain with them? An absent step at the
/// very end of the wait still counts as done; what must not come between is not between there.
fn waited(reached: &mut Reached, at: i64, is_done: bool, is_broken: bool) -> bool {
    let is_over = reached.waiting.is_some_and(|end| end < at || (end == at && !is_done));
    if !is_over && (is_done || is_broken) {
        reached.waiting = None;
    }
    is_over
}

/// Is the absent step done at the same instant? An event never cancels itself, nor those of the same
/// event that come after it.
fn is_cancelled(hit: &Hit, group: &[Hit]) -> bool {
    let cancels = |other: &&Hit| other.event != hit.event || other.place > hit.place;
    group.iter().filter(|other| other.role == ABSENT).any(|other| cancels(&other))
}

/// A plan with its rows, read once before the chunks are walked.
pub struct Sequences<'a> {
    pub plan: &'a SequencePlan,
    parts: Vec<StepPart>,
    chain: Chain,
}

impl<'a> Sequences<'a> {
    /// Errors: a file that cannot be read.
    pub fn read(plan: &'a SequencePlan, snapshot: &Snapshot) -> Outcome<Sequences<'a>> {
        let chain = Chain {
            steps: plan.steps.len() as u32,
            is_last_absent: plan.absent.is_some(),
            gap: plan.gap,
            as_of: plan.as_of,
            zone: snapshot.zone(),
        };
        Ok(Sequences { plan, parts: steps::read(plan, snapshot)?, chain })
    }

    /// The users of a chunk who fit; `own` are their windows where each has one.
    pub fn users_of(&self, chunk: u32, own: Option<&OwnWindows>) -> Register {
        let ranges: Vec<(&StepPart, std::ops::Range<usize>)> =
            self.parts.iter().map(|part| (part, part.range(chunk))).collect();
        let asked = self.with_every_step(chunk, &ranges);
        let mut users = Register::new();
        if asked.is_empty() {
            return users;
        }
        let (mut hits, ends) = gathered(chunk, &ranges, &asked, own);
        let mut from = 0;
        for place in asked.iter() {
            let to = ends[place as usize];
            if self.holds_for(&mut hits[from..to]) {
                users.set(place);
            }
            from = to;
        }
        users
    }

    /// Users with rows of each step that must be done: nobody else can fit.
    fn with_every_step(&self, chunk: u32, ranges: &[(&StepPart, std::ops::Range<usize>)]) -> Register {
        let mut all = Register::full();
        for role in 0..self.plan.steps.len() as u32 {
            let mut some = Register::new();
            for (part, rows) in ranges.iter().filter(|(part, _)| part.role == role) {
                part.users[rows.clone()].iter().for_each(|user| some.set((user - first_of(chunk)) as u16));
            }
            all.and(&some);
        }
        all
    }

    /// Does any chain of one user's hits fit? Chains of different values of `same` are apart; what
    /// must not come between cuts all of them.
    fn holds_for(&self, hits: &mut [Hit]) -> bool {
        if self.plan.same.is_empty() {
            hits.sort_by_key(|hit| hit.at);
            return self.chain.holds(hits);
        }
        hits.sort_by_key(|hit| (hit.same, hit.at));
        let (keyed, cutting) = hits.split_at(hits.partition_point(|hit| hit.same != ANY_VALUE));
        let mut alike = keyed.chunk_by(|a, b| a.same == b.same);
        if cutting.is_empty() {
            return alike.any(|alike| self.chain.holds(alike));
        }
        alike.any(|alike| {
            let mut together = [alike, cutting].concat();
            together.sort_by_key(|hit| hit.at);
            self.chain.holds(&together)
        })
    }
}

/// The hits of the users asked for, user by user; shape: `ends[i]` is the end of those of user i of
/// the chunk, if asked for.
fn gathered(
    chunk: u32,
    ranges: &[(&StepPart, std::ops::Range<usize>)],
    asked: &Register,
    own: Option<&OwnWindows>,
) -> (Vec<Hit>, Vec<usize>) {
    let first = first_of(chunk);
    let each = |look: &mut dyn FnMut(usize, &StepPart, usize)| {
        for (part, rows) in ranges {
            for row in rows.clone() {
                let place = (part.users[row] - first) as usize;
                if asked.holds(place as u16) && is_inside(own, place, part, row) {
                    look(place, part, row);
                }
            }
        }
    };
    let mut ends = vec![0; CHUNK_USERS as usize];
    each(&mut |place, _, _| ends[place] += 1);
    let mut total = 0;
    for place in asked.iter() {
        // From counts to where each user's hits begin; putting the hits there makes them ends.
        total += std::mem::replace(&mut ends[place as usize], total);
    }
    let mut hits = vec![Hit::default(); total];
    each(&mut |place, part, row| {
        hits[ends[place]] = Hit {
            at: part.times[row],
            role: part.role,
            event: part.event,
            place: part.place(row),
            same: part.same(row),
        };
        ends[place] += 1;
    });
    (hits, ends)
}

/// Does a row lie in the window of its user? Only the steps that must be done have to.
fn is_inside(own: Option<&OwnWindows>, place: usize, part: &StepPart, row: usize) -> bool {
    let Some(own) = own.filter(|_| part.role != ABSENT && part.role != WITHOUT) else { return true };
    own.get(place).copied().flatten().is_some_and(|window| window.holds(Timestamp(part.times[row])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain(steps: u32, is_last_absent: bool, minutes: u32) -> Chain {
        let gap = (minutes, Unit::Minute);
        Chain { steps, is_last_absent, gap, as_of: Timestamp(10 * MINUTE_MS), zone: Zone::default() }
    }

    const MINUTE_MS: i64 = 60_000;

    /// Every list of hits with one for each step, each strictly later than the one before.
    fn lists(hits: &[Hit], steps: u32) -> Vec<Vec<Hit>> {
        let Some(last) = steps.checked_sub(1) else { return vec![vec![]] };
        let mut found = vec![];
        for list in lists(hits, last) {
            for hit in hits.iter().filter(|hit| hit.role == last) {
                if list.last().is_none_or(|before| before.at < hit.at) {
                    found.push([list.as_slice(), &[*hit]].concat());
                }
            }
        }
        found
    }

    fn fits(chain: &Chain, hits: &[Hit], list: &[Hit]) -> bool {
        let (first, last) = (list[0], list[list.len() - 1]);
        let end = if chain.is_last_absent { chain.end(last.at) } else { last.at };
        let is_cut = hits.iter().any(|hit| hit.role == WITHOUT && first.at < hit.at && hit.at < end);
        let is_after = |hit: &Hit| match hit.event == last.event {
            true => (hit.at, hit.place) > (last.at, last.place),
            false => hit.at >= last.at,
        };
        let is_done = hits.iter().any(|hit| hit.role == ABSENT && is_after(hit) && hit.at <= end);
        last.at <= chain.end(first.at)
            && end <= chain.as_of.0
            && !is_cut
            && !(chain.is_last_absent && is_done)
    }

    fn hits() -> impl Strategy<Value = Vec<Hit>> {
        let role = prop::sample::select(vec![0, 0, 1, 1, 2, ABSENT, WITHOUT]);
        // Half a minute apart or a millisecond, so that gaps are met exactly.
        let at = (0i64..20, prop::sample::select(vec![0, 0, 0, 1])).prop_map(|(half, ms)| half * 30_000 + ms);
        let hit = (at, role, 0u32..2, 0u32..4).prop_map(|(at, role, event, place)| Hit {
            at,
            role,
            event,
            place,
            same: 0,
        });
        prop::collection::vec(hit, 0..14).prop_map(|mut hits| {
            hits.sort_by_key(|hit| hit.at);
            hits
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn one_look_at_each_hit_finds_what_all_lists_find(hits in hits(), steps in 1u32..4, absent: bool, minutes in 1u32..5) {
            let chain = chain(steps, absent || steps == 1, minutes);
            let found = lists(&hits, steps).iter().any(|list| fits(&chain, &hits, list));
            prop_assert_eq!(chain.holds(&hits), found);
        }
    }

    #[test]
    fn a_gap_of_a_month_may_close_earlier_for_a_later_start() {
        let at = |text: &str| Timestamp::parse(text, &Zone::default()).unwrap().0;
        let hit = |text: &str, role| Hit { at: at(text), role, ..Hit::default() };
        let chain = Chain { gap: (1, Unit::Month), as_of: Timestamp(i64::MAX), ..chain(2, false, 1) };
        let (early, late) = (hit("2026-01-30 23:00", 0), hit("2026-01-31 01:00", 0));
        let end = hit("2026-02-28 12:00", 1);
        assert!(chain.holds(&[early, late, end]) && !chain.holds(&[late, end]));
    }
}
