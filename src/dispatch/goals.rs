//! Did what a task is made for come about, more often than without it?
//!
//! A touch converts when its user does the goal in `[due, due + within)`. Those who were withheld were due too
//! and got nothing: what they do shows what would have come about anyway. A touch whose window has not ended is
//! open, and counts on neither side. In a run, and over all runs, a user counts once and converts with any touch.
//!
//! Users who passed the holdout and were suppressed behind it are on neither side.

use std::collections::BTreeMap;
use std::fmt::Write;

use roaring::RoaringBitmap;
use serde::Serialize;

use crate::audience::{Past, Predicate};
use crate::base::{Day, Outcome, Problem, Timestamp, UserNo};
use crate::store::Snapshot;
use crate::task::{Goal, Task};

use super::ledger::{Ledger, Run};
use super::lift::{Lift, Limits, Part, Verdict};
use super::state::TouchState;

/// Whether the goal of a task came about; in shares, 0.1 is 10%.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoalReport {
    /// `EVENT [where FILTER]`
    pub event: String,
    pub within_ms: i64,
    /// RFC 3339: events up to here are known.
    pub as_of: String,
    #[serde(flatten)]
    pub total: Comparison,
    pub runs: Vec<GoalRun>,
}

/// The same of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GoalRun {
    pub run: String,
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Those whose touch was handed over beside those from whom it was withheld.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    pub handed: Arm,
    pub withheld: Arm,
    /// Nothing where one side has nobody.
    pub lift: Option<Lift>,
    pub verdict: Verdict,
    /// The verdict in words.
    pub says: String,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arm {
    /// Users with a touch whose window has ended.
    pub users: u64,
    pub converted: u64,
    pub share: Option<f64>,
    /// 95% limits of the share.
    pub limits: Option<Limits>,
    /// Touches whose window has not ended.
    pub open: u64,
}

/// Users of one side, and those of them who converted.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Side {
    pub users: RoaringBitmap,
    pub converted: RoaringBitmap,
    pub open: u64,
}

/// The touches of a run, waiting for the goal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Watch {
    within_ms: i64,
    /// When all touches were due, where the calendar ran.
    due: Option<Timestamp>,
    /// Else the touches whose window has ended, by user and planned reach; the third says withheld.
    dues: Vec<(UserNo, Timestamp, bool)>,
    pub handed: Side,
    pub withheld: Side,
}

impl Watch {
    /// Nobody yet. `due` is the planned reach of all touches, where they have one together.
    pub fn new(within_ms: i64, due: Option<Timestamp>) -> Watch {
        let (handed, withheld) = (Side::default(), Side::default());
        Watch { within_ms, due, dues: Vec::new(), handed, withheld }
    }

    /// A touch, with its planned reach and whether it was withheld; it is looked at as of an instant.
    pub fn add(&mut self, (user, due, is_withheld): (UserNo, Timestamp, bool), as_of: Timestamp) {
        let ends = due.plus(self.within_ms);
        let is_alone = self.due.is_none();
        let side = self.side(is_withheld);
        if ends > as_of {
            side.open += 1;
            return;
        }
        side.users.insert(user);
        if is_alone {
            self.dues.push((user, due, is_withheld));
        }
    }

    /// Every touch is there.
    pub fn begin(&mut self) {
        self.dues.sort_unstable();
    }

    fn side(&mut self, is_withheld: bool) -> &mut Side {
        if is_withheld { &mut self.withheld } else { &mut self.handed }
    }

    /// A user did the goal.
    pub fn hit(&mut self, user: UserNo, at: Timestamp) {
        let within_ms = self.within_ms;
        let counts = |due: Timestamp| due <= at && at < due.plus(within_ms);
        if let Some(due) = self.due {
            if counts(due) {
                for side in [&mut self.handed, &mut self.withheld] {
                    if side.users.contains(user) {
                        side.converted.insert(user);
                    }
                }
            }
            return;
        }
        let first = self.dues.partition_point(|(known, ..)| *known < user);
        let own: Vec<bool> = self
            .dues
            .iter()
            .skip(first)
            .take_while(|(known, ..)| *known == user)
            .filter(|(_, due, _)| counts(*due))
            .map(|(.., is_withheld)| *is_withheld)
            .collect();
        for is_withheld in own {
            self.side(is_withheld).converted.insert(user);
        }
    }
}

impl GoalReport {
    /// How the goal of a task came about as of an instant, over what the store has.
    /// Errors: SEL-… when the goal cannot be read any more, STO-002, OUT-030.
    pub fn of(
        task: &Task,
        goal: &Goal,
        ledger: &Ledger,
        snapshot: &Snapshot,
        as_of: Timestamp,
    ) -> Outcome<GoalReport> {
        let mut done = Done::of(goal, snapshot)?;
        let (mut handed, mut withheld) = (Side::default(), Side::default());
        let mut runs = Vec::new();
        for run in ledger.runs_of(&task.id)?.iter().filter(|run| run.due > 0) {
            let mut watch = watched(task, goal, ledger, run, as_of)?;
            if let Some((first, last)) = span(task, ledger, run)? {
                let span = (first, last.plus(goal.within_ms).min(as_of.plus(1)));
                done.each(span, &mut |user, at| watch.hit(user, at))?;
            }
            runs.push(GoalRun {
                run: run.name(),
                comparison: Comparison::of(&watch.handed, &watch.withheld),
            });
            handed.add(&watch.handed);
            withheld.add(&watch.withheld);
        }
        Ok(GoalReport {
            event: goal.event.clone(),
            within_ms: goal.within_ms,
            as_of: task.zone.text(as_of),
            total: Comparison::of(&handed, &withheld),
            runs,
        })
    }

    /// The same as lines for a terminal.
    pub fn table(&self) -> String {
        let within = length(self.within_ms);
        let mut text = format!("\ngoal  {} within {within}, as of {}\n", self.event, self.as_of);
        let _ = writeln!(
            text,
            "  {:<10}{:>12}{:>12}{:>10}  {:<20}{:>12}",
            "", "users", "converted", "share", "95% limits", "still open"
        );
        text.push_str(&self.total.lines());
        for run in self.runs.iter().filter(|_| self.runs.len() > 1) {
            let Comparison { handed, withheld, .. } = &run.comparison;
            let _ = writeln!(text, "  {}  handed {}  withheld {}", run.run, handed.short(), withheld.short());
        }
        text
    }
}

impl Side {
    fn add(&mut self, other: &Side) {
        self.users |= &other.users;
        self.converted |= &other.converted;
        self.open += other.open;
    }

    fn part(&self) -> Part {
        Part { hits: self.converted.len(), of: self.users.len() }
    }

    fn arm(&self) -> Arm {
        let part = self.part();
        Arm {
            users: part.of,
            converted: part.hits,
            share: part.share(),
            limits: part.limits(),
            open: self.open,
        }
    }
}

impl Comparison {
    fn of(handed: &Side, withheld: &Side) -> Comparison {
        let lift = Lift::of(handed.part(), withheld.part());
        let (handed, withheld) = (handed.arm(), withheld.arm());
        let verdict = lift.map_or(Verdict::NoComparison, |lift| lift.verdict);
        let says = says(&handed, &withheld, lift);
        Comparison { handed, withheld, lift, verdict, says }
    }

    fn lines(&self) -> String {
        let mut text = self.handed.line("handed") + &self.withheld.line("withheld");
        if let Some(lift) = &self.lift {
            let relative = lift
                .relative
                .map_or(String::new(), |part| format!(", {:+.1}% of the withheld", part * 100.0));
            let Limits { low, high } = lift.limits;
            let _ = writeln!(
                text,
                "  lift      {:+.2} points{relative}; 95% limits {:+.2} to {:+.2} points",
                lift.difference * 100.0,
                low * 100.0,
                high * 100.0
            );
        }
        let _ = writeln!(text, "  {}", self.says);
        text
    }
}

impl Arm {
    fn line(&self, name: &str) -> String {
        let limits = self.limits.map_or("-".to_string(), |Limits { low, high }| {
            format!("{:.2}% to {:.2}%", low * 100.0, high * 100.0)
        });
        format!(
            "  {name:<10}{:>12}{:>12}{:>10}  {limits:<20}{:>12}\n",
            self.users,
            self.converted,
            self.percent(),
            self.open
        )
    }

    fn short(&self) -> String {
        let open = if self.open > 0 { format!(", {} open", self.open) } else { String::new() };
        format!("{} of {} ({}{open})", self.converted, self.users, self.percent())
    }

    fn percent(&self) -> String {
        self.share.map_or("-".to_string(), |share| format!("{:.2}%", share * 100.0))
    }
}

/// In the largest unit that it is a whole number of.
fn length(ms: i64) -> String {
    let units = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")];
    let (size, word) = units.into_iter().find(|(size, _)| ms % size == 0).unwrap_or((1_000, "second"));
    let count = ms / size;
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// What an operator may conclude, and what not.
fn says(handed: &Arm, withheld: &Arm, lift: Option<Lift>) -> String {
    let Some(lift) = lift else {
        let open = handed.open + withheld.open;
        let who = if withheld.users == 0 { "withheld" } else { "handed anything" };
        let rest = if open > 0 { format!("; {open} touches are still open") } else { String::new() };
        return format!("nobody was {who} whose window has ended: there is nothing to compare{rest}");
    };
    let points = lift.detectable * 100.0;
    match lift.verdict {
        Verdict::TooSmall if handed.converted + withheld.converted == 0 => {
            "nobody converted, on neither side: there is nothing to compare".to_string()
        }
        Verdict::TooSmall if withheld.users <= handed.users => format!(
            "the holdout is too small: of {} users withheld fewer than five conversions (or misses) are to be expected, so the lift says next to nothing",
            withheld.users
        ),
        Verdict::TooSmall => {
            format!("too few were handed anything ({} users): the lift says next to nothing", handed.users)
        }
        Verdict::Up => "who got it converted more often, beyond what chance does".to_string(),
        Verdict::Down => "who got it converted less often, beyond what chance does".to_string(),
        Verdict::MayBeChance | Verdict::NoComparison => format!(
            "this may be chance: with {} users withheld a difference shows from about {points:.2} points on",
            withheld.users
        ),
    }
}

fn watched(task: &Task, goal: &Goal, ledger: &Ledger, run: &Run, as_of: Timestamp) -> Outcome<Watch> {
    let due = task.is_scheduled().then_some(run.planned_at);
    let mut watch = Watch::new(goal.within_ms, due);
    let mut add = |user, state: TouchState, due: Option<Timestamp>| {
        let is_withheld = state == TouchState::Withheld;
        let due = due.filter(|_| is_withheld || state.is_handed());
        due.into_iter().for_each(|due| watch.add((user, due, is_withheld), as_of));
        Ok(())
    };
    match due {
        Some(_) => ledger.each_touch(run, |seat, cell| add(seat, cell.state, due))?,
        None => ledger.each_row(task, run, |row| add(row.user, row.state, row.due_at))?,
    }
    watch.begin();
    Ok(watch)
}

/// The first and the last planned reach of a run.
fn span(task: &Task, ledger: &Ledger, run: &Run) -> Outcome<Option<(Timestamp, Timestamp)>> {
    if task.is_scheduled() { Ok(Some((run.planned_at, run.planned_at))) } else { ledger.fires_span(run) }
}

/// Who did the goal when, day by day; days are kept while runs after one another look at the same ones.
struct Done<'a> {
    past: Past,
    snapshot: &'a Snapshot,
    days: BTreeMap<Day, Vec<(UserNo, Timestamp)>>,
}

impl<'a> Done<'a> {
    fn of(goal: &Goal, snapshot: &'a Snapshot) -> Outcome<Done<'a>> {
        let read = Predicate::read(&goal.event, snapshot);
        let (filter, _) = read.map_err(|problems| {
            let first = problems.0.into_iter().next();
            first.unwrap_or_else(|| Problem::bug("a goal without a problem"))
        })?;
        Ok(Done { past: Past::new(vec![filter]), snapshot, days: BTreeMap::new() })
    }

    /// Calls back for everyone who did it in `[from, to)`.
    fn each(
        &mut self,
        (from, to): (Timestamp, Timestamp),
        each: &mut dyn FnMut(UserNo, Timestamp),
    ) -> Outcome<()> {
        let days = self.past.days(from, to, self.snapshot);
        if let Some(first) = days.first() {
            self.days = self.days.split_off(first);
        }
        for day in days {
            if !self.days.contains_key(&day) {
                let read = self.read(day)?;
                self.days.insert(day, read);
            }
            let done = self.days.get(&day).into_iter().flatten();
            done.filter(|(_, at)| from <= *at && *at < to).for_each(|(user, at)| each(*user, *at));
        }
        Ok(())
    }

    fn read(&mut self, day: Day) -> Outcome<Vec<(UserNo, Timestamp)>> {
        let zone = self.snapshot.zone();
        let whole = (zone.start_of(day), zone.start_of(day.plus(1)));
        let found = self.past.on(day, whole, self.snapshot)?;
        Ok(found.events.iter().map(|event| (event.user, event.at)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Touches = Vec<(u32, i64, bool)>;

    fn watch(touches: &Touches, due: Option<i64>, within_ms: i64, as_of: i64) -> Watch {
        let mut watch = Watch::new(within_ms, due.map(Timestamp));
        for (user, at, is_withheld) in touches {
            watch.add((*user, Timestamp(*at), *is_withheld), Timestamp(as_of));
        }
        watch.begin();
        watch
    }

    /// The slow twin: every touch beside every event.
    fn slow(
        touches: &Touches,
        events: &[(u32, i64)],
        within_ms: i64,
        as_of: i64,
        withheld: bool,
    ) -> (BTreeSet<u32>, BTreeSet<u32>, u64) {
        let own = || touches.iter().filter(|(.., is_withheld)| *is_withheld == withheld);
        let closed = || own().filter(|(_, due, _)| due + within_ms <= as_of);
        let converted = closed().filter(|(user, due, _)| {
            events.iter().any(|(who, at)| who == user && due <= at && *at < due + within_ms)
        });
        (
            closed().map(|touch| touch.0).collect(),
            converted.map(|touch| touch.0).collect(),
            (own().count() - closed().count()) as u64,
        )
    }

    fn agrees(watch: &Watch, touches: &Touches, events: &[(u32, i64)], within_ms: i64, as_of: i64) {
        for (side, withheld) in [(&watch.handed, false), (&watch.withheld, true)] {
            let (users, converted, open) = slow(touches, events, within_ms, as_of, withheld);
            assert_eq!(side.users.iter().collect::<BTreeSet<_>>(), users);
            assert_eq!(side.converted.iter().collect::<BTreeSet<_>>(), converted);
            assert_eq!(side.open, open);
        }
    }

    proptest! {
        #[test]
        fn fires_convert_as_one_by_one(
            touches in prop::collection::vec((0..6u32, 0..40i64, any::<bool>()), 0..20),
            events in prop::collection::vec((0..6u32, 0..60i64), 0..20),
            within_ms in 1..20i64, as_of in 0..60i64,
        ) {
            let mut watch = watch(&touches, None, within_ms, as_of);
            events.iter().for_each(|(user, at)| watch.hit(*user, Timestamp(*at)));
            agrees(&watch, &touches, &events, within_ms, as_of);
        }

        #[test]
        fn a_run_of_the_calendar_converts_as_one_by_one(
            sides in prop::collection::vec(any::<bool>(), 0..8),
            events in prop::collection::vec((0..8u32, 0..60i64), 0..20),
            due in 0..40i64, within_ms in 1..20i64, as_of in 0..60i64,
        ) {
            let touches: Touches = sides.iter().zip(0..).map(|(is_withheld, user)| (user, due, *is_withheld)).collect();
            let mut watch = watch(&touches, Some(due), within_ms, as_of);
            events.iter().for_each(|(user, at)| watch.hit(*user, Timestamp(*at)));
            agrees(&watch, &touches, &events, within_ms, as_of);
        }
    }

    #[test]
    fn the_window_begins_with_the_touch_and_ends_before_its_last_instant() {
        let touches = vec![(1, 100, false), (2, 100, false), (3, 100, true)];
        let mut watch = watch(&touches, Some(100), 10, 110);
        for (user, at) in [(1, 99), (2, 100), (3, 110)] {
            watch.hit(user, Timestamp(at));
        }
        assert_eq!((watch.handed.converted.len(), watch.withheld.converted.len()), (1, 0));
    }
}
