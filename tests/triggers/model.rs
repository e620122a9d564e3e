//! The definition of trigger rules, without anything clever: every event stays in one list, every question is
//! asked by looking through all of it.
//!
//! What happened is a list too (`counted`, `reached`, `fires`, `out`): the past as a person would write
//! it down. Slow on purpose, and shared with no line of the engine.

use quanke::base::{Timestamp, Zone};
use quanke::task::rule::{Again, AudienceAt, Count, LateB, OnEnd, Per, Reach, WhenPast};
use quanke::trigger::{Command, Decision, End, EventId, Occurrence, Predicate, Reason, TaskNo, Version};

const HOUR: i64 = 3_600_000;

/// An event as it was delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub user: u32,
    pub time: i64,
    pub arrival: i64,
    pub event: u16,
    pub mask: u64,
    pub id: EventId,
    pub same: [u128; 2],
}

/// A record of the log, with events on their own.
#[derive(Debug, Clone)]
pub enum Input {
    Event(Event),
    Watermark(i64),
    Tick(i64),
    Install(TaskNo, Box<Version>),
    Command(TaskNo, Command),
    /// None: everyone.
    Audience(TaskNo, Option<Vec<u32>>),
    /// A's from before the task: user, period, how many.
    History(TaskNo, Vec<(u32, i32, u32)>),
}

/// An event that is kept: with its time put right.
#[derive(Debug, Clone)]
struct Known {
    at: i64,
    event: Event,
}

#[derive(Debug, Clone)]
struct Slot {
    spec: Version,
    from: i64,
    to: i64,
}

#[derive(Debug, Clone, Default)]
struct Task {
    no: TaskNo,
    slots: Vec<Slot>,
    is_stopped: bool,
    paused: Option<i64>,
    pauses: Vec<(i64, i64)>,
    started: Option<i64>,
    ended: Option<i64>,
    audiences: Vec<(i64, Option<Vec<u32>>)>,
    /// User, period, of A's that counted.
    counted: Vec<(u32, i64)>,
    /// Version, A, and whether it completed the count.
    decided: Vec<(usize, u32, i64, EventId, bool)>,
    /// Version, user, A: windows that reached their deadline.
    reached: Vec<(usize, u32, i64)>,
    /// User, base: fires under limits.
    fires: Vec<(u32, i64)>,
    /// Version, A: touches that are out and not contradicted.
    out: Vec<(usize, Known)>,
    waiting: Vec<Touch>,
}

#[derive(Debug, Clone)]
struct Touch {
    slot: usize,
    a: Known,
    occurrence: Occurrence,
    base: i64,
    reach: i64,
    is_held: bool,
}

impl Touch {
    fn of(slot: usize, a: &Known, occurrence: Occurrence, base: i64) -> Touch {
        Touch { slot, a: a.clone(), occurrence, base, reach: 0, is_held: false }
    }
}

/// All that happened.
#[derive(Debug, Clone)]
pub struct Model {
    now: i64,
    watermark: Option<i64>,
    events: Vec<Known>,
    tasks: Vec<Task>,
    said: Vec<Decision>,
}

impl Model {
    pub fn new() -> Model {
        Model { now: i64::MIN, watermark: None, events: Vec::new(), tasks: Vec::new(), said: Vec::new() }
    }

    /// What is decided by one more record, sorted.
    pub fn step(&mut self, input: &Input) -> Vec<Decision> {
        match input {
            Input::Event(event) => self.event(event),
            Input::Watermark(to) => self.move_watermark(*to),
            Input::Tick(now) => self.tick(*now),
            Input::Install(no, spec) => self.install(*no, spec),
            Input::Command(no, command) => self.command(*no, *command),
            Input::History(no, counts) => {
                let task = self.tasks.iter_mut().find(|task| task.no == *no);
                let before = counts.iter().flat_map(|(user, period, count)| {
                    std::iter::repeat_n((*user, i64::from(*period)), *count as usize)
                });
                task.into_iter().for_each(|task| task.counted.extend(before.clone()));
            }
            Input::Audience(no, users) => {
                let now = self.now;
                if let Some(task) = self.tasks.iter_mut().find(|task| task.no == *no) {
                    task.audiences.push((now, users.clone()));
                }
            }
        }
        let mut said = std::mem::take(&mut self.said);
        said.sort();
        said
    }

    fn is_wanted(&self, event: &Event) -> bool {
        let slots = self.tasks.iter().flat_map(|task| &task.slots);
        slots.flat_map(|slot| [Some(slot.spec.did), slot.spec.not_done]).flatten().any(|p| holds(p, event))
    }

    fn event(&mut self, event: &Event) {
        if !self.is_wanted(event) {
            return;
        }
        let arrival = event.arrival.max(self.now);
        let at = if event.time > arrival + 120_000 { arrival } else { event.time };
        // The same event again, or one that a bad clock puts where an event of the same name lies.
        let is_copy = |known: &Known| {
            let other = &known.event;
            (other.user, other.event, &other.id) == (event.user, event.event, &event.id)
                && (other.time == event.time || known.at == at)
        };
        if self.events.iter().any(is_copy) {
            return;
        }
        let known = Known { at, event: event.clone() };
        self.events.push(known.clone());
        for place in 0..self.tasks.len() {
            self.answer(place, &known);
        }
        for place in 0..self.tasks.len() {
            for slot in 0..self.tasks[place].slots.len() {
                self.arrive(place, slot, &known, arrival);
            }
        }
    }

    /// B's against touches that wait or are out.
    fn answer(&mut self, place: usize, b: &Known) {
        let waiting = std::mem::take(&mut self.tasks[place].waiting);
        for touch in waiting {
            let spec = self.tasks[place].slots[touch.slot].spec.clone();
            let late_cancels = spec.rule.absence.as_ref().is_some_and(|a| a.late_b == LateB::Cancel);
            let in_time = b.at <= touch.base;
            let counts = in_time || (late_cancels && (b.at <= touch.reach || touch.is_held));
            if is_answer(&spec, &touch.a, b) && counts {
                self.say(place, touch.slot, &touch.a, touch.occurrence, touch.base, End::Withdrawn);
            } else {
                self.tasks[place].waiting.push(touch);
            }
        }
        let out = std::mem::take(&mut self.tasks[place].out);
        for (slot, a) in out {
            let spec = self.tasks[place].slots[slot].spec.clone();
            let due = a.at + gap(&spec);
            if is_answer(&spec, &a, b) && b.at <= due {
                self.say(place, slot, &a, occurrence(&a), due, End::Contradicted);
            } else {
                self.tasks[place].out.push((slot, a));
            }
        }
    }

    /// Completed A's, and A's whose deadline is past.
    fn arrive(&mut self, place: usize, slot: usize, a: &Known, arrival: i64) {
        let spec = self.tasks[place].slots[slot].spec.clone();
        let (from, to) = self.range(place, slot);
        if !holds(spec.did, &a.event) || a.at < from || a.at >= to {
            return;
        }
        if spec.rule.absence.is_some() {
            if self.watermark.is_some_and(|watermark| a.at + gap(&spec) < watermark) {
                self.window(place, slot, a, true, arrival);
            }
        } else if arrival - a.at <= 2 * HOUR {
            let (period, nth) = self.count(place, &spec, a);
            if completes(&spec, nth) {
                let occurrence = Occurrence::Nth { period: period as i32, nth };
                self.settle(place, Touch::of(slot, a, occurrence, a.at), None, arrival);
            }
        }
    }

    fn move_watermark(&mut self, to: i64) {
        let from = self.watermark;
        if from.is_some_and(|from| to <= from) {
            return;
        }
        self.watermark = Some(to);
        for place in 0..self.tasks.len() {
            let mut due: Vec<(i64, usize, Known)> = Vec::new();
            for slot in 0..self.tasks[place].slots.len() {
                due.extend(self.falls_due(place, slot, from, to));
            }
            due.sort_by(|a, b| (a.0, a.1, &a.2.event.id).cmp(&(b.0, b.1, &b.2.event.id)));
            for (_, slot, a) in due {
                self.window(place, slot, &a, false, self.now);
            }
        }
    }

    fn falls_due(&self, place: usize, slot: usize, from: Option<i64>, to: i64) -> Vec<(i64, usize, Known)> {
        let spec = &self.tasks[place].slots[slot].spec;
        if spec.rule.absence.is_none() {
            return Vec::new();
        }
        let (begin, end) = self.range(place, slot);
        let gap = gap(spec);
        let ours = self.events.iter().filter(|a| {
            let due = a.at + gap;
            holds(spec.did, &a.event)
                && begin <= a.at
                && a.at < end
                && due < to
                && from.is_none_or(|from| due >= from)
        });
        ours.map(|a| (a.at + gap, slot, a.clone())).collect()
    }

    fn window(&mut self, place: usize, slot: usize, a: &Known, is_late: bool, now: i64) {
        let spec = self.tasks[place].slots[slot].spec.clone();
        let due = a.at + gap(&spec);
        let is_each = spec.rule.count == Count::Every(1);
        let note = |completed| (slot, a.event.user, a.at, a.event.id.clone(), completed);
        if is_late && now - due > spec.grace_ms {
            self.tasks[place].decided.push(note(false));
            if is_each {
                let end = if self.is_over(place, slot, due) { End::Ended } else { End::Expired };
                self.say(place, slot, a, occurrence(a), due, end);
            }
            return;
        }
        let completed = is_each || {
            let (_, nth) = self.count(place, &spec, a);
            completes(&spec, nth)
        };
        self.tasks[place].decided.push(note(completed));
        if !completed {
            return;
        }
        let end = if self.joins(place, slot, a, is_late) {
            End::Joined
        } else if self.events.iter().any(|b| is_answer(&spec, a, b) && b.at <= due) {
            End::Cancelled
        } else {
            self.tasks[place].reached.push((slot, a.event.user, a.at));
            self.settle(place, Touch::of(slot, a, occurrence(a), due), Some(due), now);
            return;
        };
        self.say(place, slot, a, occurrence(a), due, end);
    }

    fn joins(&self, place: usize, slot: usize, a: &Known, is_late: bool) -> bool {
        let spec = &self.tasks[place].slots[slot].spec;
        let (user, gap) = (a.event.user, gap(spec));
        let again = spec.rule.absence.as_ref().map_or(Again::Each, |absence| absence.again);
        let reached = |from: i64, to: i64| {
            let mut all = self.tasks[place].reached.iter();
            all.any(|(s, u, at)| (*s, *u) == (slot, user) && from <= *at && *at <= to)
        };
        match again {
            Again::Each => false,
            Again::First => reached(a.at - gap, if is_late { a.at + gap } else { a.at }),
            Again::Restart => {
                self.is_restarted(place, slot, a) || (is_late && reached(a.at - gap, a.at + gap))
            }
        }
    }

    /// Does a later A of the user, up to the deadline, complete the count?
    fn is_restarted(&self, place: usize, slot: usize, a: &Known) -> bool {
        let task = &self.tasks[place];
        let spec = &task.slots[slot].spec;
        let (from, to) = self.range(place, slot);
        let mut later: Vec<&Known> = self.events.iter().filter(|o| holds(spec.did, &o.event)).collect();
        later.retain(|o| o.event.user == a.event.user && from <= o.at && o.at < to);
        later.retain(|o| (o.at, &o.event.id) > (a.at, &a.event.id) && o.at <= a.at + gap(spec));
        later.sort_by(|x, y| (x.at, &x.event.id).cmp(&(y.at, &y.event.id)));
        let mut ahead: Vec<i64> = Vec::new();
        later.iter().any(|o| {
            let known = task
                .decided
                .iter()
                .find(|(s, u, at, id, _)| (*s, *u, *at, id) == (slot, o.event.user, o.at, &o.event.id));
            if let Some((.., completed)) = known {
                return *completed;
            }
            let period = period(spec, o.at);
            ahead.push(period);
            let before = task.counted.iter().filter(|c| **c == (o.event.user, period)).count();
            let extra = ahead.iter().filter(|p| **p == period).count();
            completes(spec, (before + extra) as u32)
        })
    }

    fn count(&mut self, place: usize, spec: &Version, a: &Known) -> (i64, u32) {
        let counted = &mut self.tasks[place].counted;
        let one = (a.event.user, period(spec, a.at));
        counted.push(one);
        (one.1, counted.iter().filter(|c| **c == one).count() as u32)
    }

    /// `due`: the deadline, of an absence rule.
    fn settle(&mut self, place: usize, touch: Touch, due: Option<i64>, now: i64) {
        let Touch { slot, a, occurrence, base, .. } = touch;
        let a = &a;
        let task = &self.tasks[place];
        let spec = task.slots[slot].spec.clone();
        let user = a.event.user;
        let reach = reach(&spec, base);
        let paused = task.paused.is_some()
            || due.is_some_and(|due| task.pauses.iter().any(|(from, to)| *from <= due && due < *to));
        let in_force = match (spec.rule.audience_at, due) {
            (AudienceAt::A, _) => Some(a.at),
            (AudienceAt::Fire, due) => due,
        };
        let fires: Vec<i64> = task.fires.iter().filter(|(u, _)| *u == user).map(|(_, at)| *at).collect();
        let limited = spec.rule.fires_max.is_some() || spec.rule.gap_min_ms > 0;
        let end = if task.is_stopped || due.is_some_and(|due| self.is_over(place, slot, due)) {
            Some(End::Ended)
        } else if paused && !spec.is_held_in_pause {
            Some(End::Suppressed(Reason::Paused))
        } else if now - due.or(reach).unwrap_or(now) > spec.grace_ms {
            Some(End::Expired)
        } else if reach.is_none() {
            Some(End::Suppressed(Reason::Past))
        } else if !admits(task, user, in_force) {
            Some(End::Suppressed(Reason::Audience))
        } else if spec.rule.fires_max.is_some_and(|max| fires.len() >= max as usize) {
            Some(End::Suppressed(Reason::FiresMax))
        } else if limited && fires.iter().max().is_some_and(|last| base - last < spec.rule.gap_min_ms) {
            Some(End::Suppressed(Reason::GapMin))
        } else {
            None
        };
        if let Some(end) = end {
            self.say(place, slot, a, occurrence, base, end);
            return;
        }
        let reach = reach.unwrap();
        if limited {
            self.tasks[place].fires.push((user, base));
        }
        self.say(place, slot, a, occurrence.clone(), base, End::Fired { reach: Timestamp(reach) });
        let until = if self.is_held(place, slot, reach, now) { i64::MAX } else { reach };
        let late_cancels = spec.rule.absence.as_ref().is_some_and(|a| a.late_b == LateB::Cancel);
        let answered = |b: &Known| is_answer(&spec, a, b) && base < b.at && b.at <= until;
        if late_cancels && self.events.iter().any(answered) {
            self.say(place, slot, a, occurrence, base, End::Withdrawn);
            return;
        }
        let touch = Touch { slot, a: a.clone(), occurrence, base, reach, is_held: false };
        self.release(place, touch, now);
    }

    fn is_held(&self, place: usize, slot: usize, reach: i64, now: i64) -> bool {
        let task = &self.tasks[place];
        let holds = task.slots[slot].spec.is_held_in_pause;
        reach <= now && task.paused.is_some() && holds && !self.is_over(place, slot, reach)
    }

    fn release(&mut self, place: usize, mut touch: Touch, now: i64) {
        let task = &self.tasks[place];
        let (slot, reach) = (touch.slot, touch.reach);
        let spec = &task.slots[slot].spec;
        let was_held = std::mem::replace(&mut touch.is_held, self.is_held(place, slot, reach, now));
        let late_cancels = spec.rule.absence.as_ref().is_some_and(|a| a.late_b == LateB::Cancel);
        let answered = |b: &Known| is_answer(spec, &touch.a, b) && touch.base < b.at;
        if late_cancels && touch.is_held && !was_held && self.events.iter().any(answered) {
            self.say(place, slot, &touch.a, touch.occurrence.clone(), touch.base, End::Withdrawn);
            return;
        }
        let end = if reach > now || touch.is_held {
            self.tasks[place].waiting.push(touch);
            return;
        } else if self.is_over(place, slot, reach) {
            End::Ended
        } else if task.paused.is_some() {
            End::Suppressed(Reason::Paused)
        } else if now - reach > spec.grace_ms {
            End::Expired
        } else if spec.rule.is_rechecked() && !admits(task, touch.a.event.user, None) {
            End::Suppressed(Reason::Audience)
        } else {
            End::Released { reach: Timestamp(reach) }
        };
        if spec.rule.absence.is_some() && matches!(end, End::Released { .. }) {
            self.tasks[place].out.push((slot, touch.a.clone()));
        }
        self.say(place, slot, &touch.a, touch.occurrence, touch.base, end);
    }

    fn tick(&mut self, now: i64) {
        if now <= self.now {
            return;
        }
        self.now = now;
        for place in 0..self.tasks.len() {
            for touch in std::mem::take(&mut self.tasks[place].waiting) {
                if touch.is_held {
                    self.tasks[place].waiting.push(touch);
                } else {
                    self.release(place, touch, now);
                }
            }
        }
    }

    fn install(&mut self, no: TaskNo, spec: &Version) {
        if !self.tasks.iter().any(|task| task.no == no) {
            self.tasks.push(Task { no, ..Task::default() });
        }
        let task = self.tasks.iter().find(|task| task.no == no).unwrap();
        let specs = task.slots.iter().map(|slot| &slot.spec).chain([spec]);
        let kinds: Vec<u16> =
            specs.flat_map(|s| [Some(s.did), s.not_done]).flatten().map(|p| p.event).collect();
        let newest = self.events.iter().filter(|e| kinds.contains(&e.event.event)).map(|e| e.at).max();
        let from = self.now.max(newest.map_or(i64::MIN, |newest| newest + 1));
        let task = self.tasks.iter_mut().find(|task| task.no == no).unwrap();
        task.slots.iter_mut().for_each(|slot| slot.to = slot.to.min(from));
        task.slots.push(Slot { spec: spec.clone(), from, to: i64::MAX });
    }

    fn command(&mut self, no: TaskNo, command: Command) {
        let now = self.now;
        let Some(place) = self.tasks.iter().position(|task| task.no == no) else { return };
        let task = &mut self.tasks[place];
        match command {
            Command::Start => task.started = Some(task.started.map_or(now, |at| at.min(now))),
            Command::End => task.ended = Some(task.ended.map_or(now, |at| at.min(now))),
            Command::Pause => task.paused = task.paused.or(Some(now)),
            Command::Resume => {
                task.pauses.extend(task.paused.take().map(|since| (since, now)));
                for touch in std::mem::take(&mut task.waiting) {
                    if touch.is_held {
                        self.release(place, touch, now);
                    } else {
                        self.tasks[place].waiting.push(touch);
                    }
                }
            }
            Command::Stop => {
                task.is_stopped = true;
                for touch in std::mem::take(&mut task.waiting) {
                    self.say(place, touch.slot, &touch.a, touch.occurrence, touch.base, End::Ended);
                }
            }
        }
    }

    fn is_over(&self, place: usize, slot: usize, due: i64) -> bool {
        let spec = &self.tasks[place].slots[slot].spec;
        let drops = spec.rule.on_end == OnEnd::Drop;
        self.tasks[place].is_stopped || (drops && due >= self.end(place, slot))
    }

    fn end(&self, place: usize, slot: usize) -> i64 {
        let task = &self.tasks[place];
        task.slots[slot].spec.end.0.min(task.ended.unwrap_or(i64::MAX))
    }

    /// The event times of A's that count.
    fn range(&self, place: usize, slot: usize) -> (i64, i64) {
        let task = &self.tasks[place];
        let Slot { spec, from, to } = &task.slots[slot];
        let start = spec.start.0.min(task.started.unwrap_or(i64::MAX));
        let begin = spec.rule.from.map_or(i64::MIN, |at| at.0);
        let finish = spec.rule.to.map_or(i64::MAX, |at| at.0);
        (start.max(begin).max(*from), self.end(place, slot).min(finish).min(*to))
    }

    fn say(&mut self, place: usize, slot: usize, a: &Known, occurrence: Occurrence, base: i64, end: End) {
        let task = &self.tasks[place];
        let version = task.slots[slot].spec.version;
        let (no, user) = (task.no, a.event.user);
        self.said.push(Decision { task: no, user, occurrence, version, base: Timestamp(base), end });
    }
}

fn holds(predicate: Predicate, event: &Event) -> bool {
    predicate.event == event.event && event.mask >> predicate.bit & 1 == 1
}

/// Is `b` a B that answers this A, were it in time?
fn is_answer(spec: &Version, a: &Known, b: &Known) -> bool {
    let (Some(wanted), Some(_)) = (spec.not_done, &spec.rule.absence) else { return false };
    let is_same = spec.same.is_none_or(|(of_a, of_b)| {
        let value = a.event.same[of_a as usize];
        value != 0 && value == b.event.same[of_b as usize]
    });
    let is_after =
        if spec.did.event == wanted.event { (b.at, &b.event.id) > (a.at, &a.event.id) } else { b.at >= a.at };
    holds(wanted, &b.event) && b.event.user == a.event.user && is_same && is_after
}

/// By the version in force at an instant, or the newest.
fn admits(task: &Task, user: u32, at: Option<i64>) -> bool {
    let in_force = task.audiences.iter().rfind(|(from, _)| at.is_none_or(|at| *from <= at));
    in_force
        .or(task.audiences.first())
        .is_some_and(|(_, users)| users.as_ref().is_none_or(|users| users.contains(&user)))
}

fn gap(spec: &Version) -> i64 {
    spec.rule.absence.as_ref().map_or(0, |absence| absence.gap_ms)
}

fn occurrence(a: &Known) -> Occurrence {
    Occurrence::A { at: Timestamp(a.at), id: a.event.id.clone() }
}

fn completes(spec: &Version, nth: u32) -> bool {
    match spec.rule.count {
        Count::Every(n) => nth.is_multiple_of(n),
        Count::Total { n, .. } => nth == n,
    }
}

fn period(spec: &Version, at: i64) -> i64 {
    let day = spec.zone.day_of(Timestamp(at));
    match spec.rule.count {
        Count::Every(_) | Count::Total { per: Per::Whole, .. } => 0,
        Count::Total { per: Per::Day, .. } => day.0 as i64,
        Count::Total { per: Per::Week, .. } => day.0 as i64 - (day.0 as i64 + 3).rem_euclid(7),
        Count::Total { per: Per::Month, .. } => day.first_of_month().0 as i64,
    }
}

fn reach(spec: &Version, base: i64) -> Option<i64> {
    match spec.rule.reach {
        Reach::Delay(ms) => Some(base + ms),
        Reach::At { second_of_day, plus_days } => Some(at_clock(&spec.zone, base, second_of_day, plus_days)),
        Reach::On { instant, when_past } => match (instant.0 >= base, when_past) {
            (true, _) => Some(instant.0),
            (false, WhenPast::Now) => Some(base),
            (false, WhenPast::Skip) => None,
        },
    }
}

/// Only for zones without changes of the clock; `zones.rs` looks at the others.
fn at_clock(zone: &Zone, base: i64, second_of_day: u32, plus_days: u32) -> i64 {
    let midnight = zone.start_of(zone.day_of(Timestamp(base))).0;
    let today = midnight + second_of_day as i64 * 1_000;
    let first = if today >= base { today } else { today + 24 * HOUR };
    first + plus_days as i64 * 24 * HOUR
}
