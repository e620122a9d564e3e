//! All that is known of one share of the users.
//!
//! Flow: facts go to the tracks (B's), to the logs (A's) or are decided at once (completed A's)
//! ([`Shard::facts`]); as the watermark moves, B's are folded and the cursor of every rule reads on to
//! `watermark − gap` ([`Shard::advance`]); as the clock moves, touches that wait fall due
//! ([`Shard::tick`]).

use hashbrown::HashSet;

use crate::base::UserNo;

use super::EventId;
use super::batch::Room;
use super::decide::Deciding;
use super::decision::{Decision, End, Occurrence, TaskNo};
use super::fact::{Command, EventNo, Version};
use super::interest::Interest;
use super::past::{Log, PART_MS};
use super::read::read_on;
use super::seen::Seen;
use super::task::{Live, Task, Users};
use super::together::Asking;
use super::tracks::Tracks;
use super::waiting::{Due, Waiting};

/// How many facts were not what they seemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oddities {
    /// More than two minutes ahead of their arrival: taken as of the arrival.
    pub clamped: u64,
    /// Delivered before.
    pub duplicates: u64,
    /// Behind the watermark.
    pub late: u64,
}

/// Decisions with the place of each among those of other shards: a row, or a reach instant.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    pub decisions: Vec<Decision>,
    pub keys: Vec<i64>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Shard {
    pub tasks: Vec<Task>,
    pub logs: Vec<Log>,
    pub tracks: Tracks,
    pub waiting: Waiting,
    pub seen: Seen,
    /// Facts that were clamped, by the time that they came with.
    pub clamped: HashSet<(UserNo, i64, EventId)>,
    /// The newest fact of each event kind that some rule wanted.
    pub newest: Vec<i64>,
    pub oddities: Oddities,
    pub watermark: Option<i64>,
    pub now: i64,
    pub is_tracing: bool,
    /// Only this user's facts are looked at; of the others' only the times.
    pub only: Option<UserNo>,
    /// What the last move of the watermark decided, by the place of the task; empty between records.
    pub outs: Vec<Vec<Decision>>,
    /// What the rules want of each event kind; follows from the versions.
    pub interests: Vec<Interest>,
    /// Room for the rows of a batch and for what is asked of many A's together; says nothing between records.
    pub room: Room,
    pub asking: Asking,
}

impl Keyed {
    /// Gives the key to all decisions that have none yet.
    pub fn mark(&mut self, key: i64) {
        self.keys.resize(self.decisions.len(), key);
    }
}

impl Shard {
    pub fn new() -> Shard {
        Shard { now: i64::MIN, ..Shard::default() }
    }

    /// The clock moves: touches that wait fall due.
    pub fn tick(&mut self, now: i64, out: &mut Keyed) {
        self.now = now;
        while let Some((due, touch)) = self.waiting.take_due(now) {
            let of_a = self.place_of_a(&due, touch.slot as usize);
            let Some(place) = self.place(due.task) else { continue };
            let reach = due.reach;
            self.deciding(place, &mut out.decisions).release(due, touch, of_a);
            out.mark(reach);
        }
    }

    /// The watermark moves: rules decide every A whose deadline it passes, task by task.
    pub fn advance(&mut self, watermark: i64, out: &mut Vec<Decision>) {
        let (from, to) = self.seal(watermark);
        if to == watermark {
            self.tracks.fold(to);
            for place in 0..self.tasks.len() {
                self.decide(place, to, out);
            }
        } else {
            self.decide_apart(from, watermark);
            self.outs.iter_mut().for_each(|decided| out.append(decided));
        }
        self.forget_after(from, watermark);
    }

    /// As [`advance`](Shard::advance), a list of decisions a task in `self.outs`, which the caller empties.
    pub fn advance_apart(&mut self, watermark: i64) {
        let (from, _) = self.seal(watermark);
        self.decide_apart(from, watermark);
        self.forget_after(from, watermark);
    }

    /// Where the watermark was, and where the first stride on the way to `watermark` ends.
    fn seal(&mut self, watermark: i64) -> (i64, i64) {
        let from = self.watermark.replace(watermark).unwrap_or(i64::MIN);
        for log in &mut self.logs {
            self.oddities.duplicates += log.seal(watermark);
        }
        let tick = self.tracks.next_tick().filter(|tick| *tick < watermark);
        let is_quiet = tick.is_some_and(|tick| tick.saturating_sub(from) > STRIDE_MS);
        (from, if is_quiet { from } else { stride_end(tick, watermark) })
    }

    /// Decides stride by stride: what fell due in a time without B's before the next B is folded, since
    /// folding may move the epoch of the tracks.
    fn decide_apart(&mut self, from: i64, watermark: i64) {
        let mut outs = std::mem::take(&mut self.outs);
        outs.resize_with(self.tasks.len(), Vec::new);
        let mut to = from;
        while to < watermark {
            let tick = self.tracks.next_tick().filter(|tick| *tick < watermark);
            if let Some(tick) = tick.filter(|tick| tick.saturating_sub(to) > STRIDE_MS) {
                outs.iter_mut().enumerate().for_each(|(place, out)| self.decide(place, tick, out));
            }
            to = stride_end(tick, watermark);
            self.tracks.fold(to);
            outs.iter_mut().enumerate().for_each(|(place, out)| self.decide(place, to, out));
        }
        self.outs = outs;
    }

    fn forget_after(&mut self, from: i64, watermark: i64) {
        if from.div_euclid(PART_MS) != watermark.div_euclid(PART_MS) {
            self.forget(watermark);
        }
    }

    /// A version comes into force for A's from `from` on.
    pub fn install(&mut self, no: TaskNo, version: Version, from: i64) {
        let watermark = self.watermark.unwrap_or(i64::MIN);
        let track = version.absent().map(|b| self.tracks.open(b, version.same.map(|(_, b)| b), watermark));
        if let Some(track) = track.filter(|_| version.asks_ahead()) {
            self.tracks.look_ahead(track);
        }
        let place = self.place(no).unwrap_or_else(|| {
            self.tasks.push(Task::new(no));
            self.tasks.len() - 1
        });
        let task = &mut self.tasks[place];
        let cursor = watermark.saturating_sub(version.gap());
        let (event, is_absence) = (version.did.event as usize, track.is_some());
        task.versions.iter_mut().for_each(|live| live.to = live.to.min(from));
        task.versions.push(Live::new(version, from, cursor, track));
        self.interests = Interest::all(&self.tasks);
        self.logs.resize_with(self.interests.len().max(self.logs.len()), Log::default);
        self.newest.resize(self.logs.len(), i64::MIN);
        if let Some(log) = self.logs.get_mut(event).filter(|_| is_absence && watermark != i64::MIN) {
            log.seal(watermark);
            log.decided_to = log.decided_to.max(cursor);
        }
    }

    /// Where the next version of a task would come into force, as far as this shard knows.
    pub fn newest_of(&self, events: &[EventNo]) -> i64 {
        let known = events.iter().filter_map(|event| self.newest.get(*event as usize));
        known.copied().max().unwrap_or(i64::MIN)
    }

    pub fn command(&mut self, no: TaskNo, command: Command, out: &mut Keyed) {
        let now = self.now;
        let Some(place) = self.place(no) else { return };
        let task = &mut self.tasks[place];
        match command {
            Command::Start => task.started = Some(task.started.map_or(now, |at| at.min(now))),
            Command::Pause => task.paused_since = task.paused_since.or(Some(now)),
            Command::End => task.ended = Some(task.ended.map_or(now, |at| at.min(now))),
            Command::Resume => {
                if let Some(since) = task.paused_since.take() {
                    task.pauses.push((since, now));
                }
                self.let_go(place, out);
            }
            Command::Stop => {
                task.is_stopped = true;
                self.drop_all(place, out);
            }
        }
    }

    pub fn audience(&mut self, no: TaskNo, users: Users) {
        let now = self.now;
        if let Some(place) = self.place(no) {
            self.tasks[place].audiences.push((now, users));
        }
    }

    /// The next deadline or reach; where that takes long to find, an instant before it.
    pub fn next_due(&self) -> Option<i64> {
        let lives = self.tasks.iter().flat_map(|task| task.versions.iter().map(move |live| (task, live)));
        let waiting = lives.filter(|(_, live)| !live.is_done && live.track.is_some());
        let deadlines = waiting.filter_map(|(task, live)| {
            let log = self.logs.get(live.spec.did.event as usize)?;
            let (from, to) = task.range(live);
            Some(log.next(from.max(live.cursor), to, live.spec.did.mask())? + live.spec.gap())
        });
        let touches = self.waiting.touches.keys().next().map(|due| due.reach);
        deadlines.chain(touches).min()
    }

    /// The place of a task.
    pub fn place(&self, no: TaskNo) -> Option<usize> {
        self.tasks.iter().position(|task| task.no == no)
    }

    /// What a decision about the task at `place` needs, at the shard's clock.
    pub fn deciding<'a>(&'a mut self, place: usize, out: &'a mut Vec<Decision>) -> Deciding<'a> {
        let Shard { tasks, tracks, waiting, now, is_tracing, .. } = self;
        Deciding { task: &mut tasks[place], tracks, waiting, out, now: *now, is_tracing: *is_tracing }
    }

    fn decide(&mut self, place: usize, to: i64, out: &mut Vec<Decision>) {
        let Shard { tasks, tracks, waiting, logs, now, is_tracing, asking, .. } = self;
        let (task, now, is_tracing) = (&mut tasks[place], *now, *is_tracing);
        read_on(&mut Deciding { task, tracks, waiting, out, now, is_tracing }, logs, to, asking);
    }

    /// Touches held in a pause may go now.
    fn let_go(&mut self, place: usize, out: &mut Keyed) {
        for due in self.waiting.of_task(self.tasks[place].no, true) {
            let Some(touch) = self.waiting.take(&due) else { continue };
            let of_a = self.place_of_a(&due, touch.slot as usize);
            let reach = due.reach;
            self.deciding(place, &mut out.decisions).release(due, touch, of_a);
            out.mark(reach);
        }
    }

    fn drop_all(&mut self, place: usize, out: &mut Keyed) {
        for due in self.waiting.of_task(self.tasks[place].no, false) {
            let Some(touch) = self.waiting.take(&due) else { continue };
            self.deciding(place, &mut out.decisions).drop_touch(&due, &touch, End::Ended);
            out.mark(due.reach);
        }
    }

    /// The place, in its part, of the A that a touch is about.
    fn place_of_a(&self, due: &Due, slot: usize) -> Option<usize> {
        let Occurrence::A { at, id } = &due.occurrence else { return None };
        let live = self.tasks.get(self.place(due.task)?)?.versions.get(slot)?;
        self.logs.get(live.spec.did.event as usize)?.place(at.0, due.user, id)
    }

    fn forget(&mut self, watermark: i64) {
        let mut has_retired = false;
        for task in &mut self.tasks {
            let (no, waiting) = (task.no, &self.waiting);
            has_retired |= task.forget(watermark, |slot| waiting.has_touch(no, slot));
        }
        if has_retired {
            self.interests = Interest::all(&self.tasks);
        }
        let lives = || self.tasks.iter().flat_map(|task| &task.versions).filter(|live| !live.is_done);
        for (event, log) in self.logs.iter_mut().enumerate() {
            let readers = lives().filter(|live| live.spec.did.event as usize == event && !live.is_past());
            log.forget(readers.map(|live| live.horizon(watermark)).min().unwrap_or(watermark));
        }
        let grace = lives().map(|live| live.spec.grace()).max().unwrap_or(0);
        self.tracks.forget(watermark.min(self.now).saturating_sub(grace + PART_MS));
        self.seen.forget(self.now);
        self.clamped.retain(|(_, at, _)| *at >= watermark - CLAMPED_KEPT_MS);
    }
}

/// Rules read on in strides of at most this: a longer one has more A's to ask about together, and more B's
/// behind a deadline to step back over.
const STRIDE_MS: i64 = 3_600_000;

fn stride_end(tick: Option<i64>, watermark: i64) -> i64 {
    tick.map_or(watermark, |tick| watermark.min(tick + STRIDE_MS))
}

/// How long a fact that was clamped is known again when it comes once more.
const CLAMPED_KEPT_MS: i64 = 42 * 86_400_000;
