//! Where do doors, porter and keeper meet? One room with a lock; each waits there for the others.
//!
//! ```text
//! door ──enter──▶ Visit ──post──▶ porter: check, stamp, spool, sync ──ready──▶ keeper: time passes
//!   ◀────────────── answer ─────────┘                                   ▲ only as far as silence is proved
//! ```
//!
//! Silence is proved up to the earliest visit under way: whoever is still talking may be saying that somebody
//! did B. It is not proved either while the spool cannot be written or there was no room, nor for as long as
//! the allowed lateness after that: those who were turned away are given that time to come again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::numbers::Numbers;
use super::spool::Item;
use crate::base::{Problem, Timestamp};
use crate::ingest::Refusal;

/// Visits at the same time; more are turned away.
const VISITS_MAX: usize = 1_024;

/// The room.
pub struct Hall {
    state: Mutex<State>,
    /// Posts have come, or the doors are closing.
    porter: Condvar,
    /// Events are ready, or the doors are closing.
    keeper: Condvar,
    bytes_max: u64,
    lateness_ms: i64,
    pub numbers: Numbers,
}

#[derive(Default)]
struct State {
    /// Visits under way, with the instants at which they began.
    visits: BTreeMap<u64, i64>,
    visit_count: u64,
    posts: VecDeque<Post>,
    ready: VecDeque<Item>,
    /// The arrival of events that are not safe yet.
    stamped: Option<i64>,
    /// No event comes in before this.
    clock: i64,
    /// Bytes posted and not taken yet.
    bytes: u64,
    /// The first and the last instant at which somebody was turned away.
    turned_away: Option<(i64, i64)>,
    /// Events up to this place are in the store.
    stored: u64,
    is_ready: bool,
    is_closing: bool,
    is_porter_gone: bool,
    failure: Option<Problem>,
}

/// Somebody is at a door; over when it is dropped.
pub struct Visit {
    hall: Arc<Hall>,
    number: u64,
}

/// Lines that somebody brought.
pub struct Post {
    pub door: u8,
    pub lines: Vec<u8>,
    pub answer: oneshot::Sender<Answer>,
    pub visit: Visit,
}

/// What became of lines.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The good ones are safe.
    Taken { accepted: u64, refused: Vec<Refusal> },
    /// None was taken; come again.
    Failed(Problem),
}

/// Why somebody is turned away at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// The keeper is behind: come again a little later.
    Full,
    /// The server ends.
    Closing,
}

/// What the keeper goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub items: Vec<Item>,
    /// Where the clock may go.
    pub until: Timestamp,
    /// Silence is proved up to here, at most `until`.
    pub silent_to: Timestamp,
}

impl Hall {
    /// A hall with room for `bytes_max` bytes that wait; events may be `lateness_ms` behind. No event comes
    /// in before `clock`; if the server ran before, others may have been turned away since.
    pub fn new(
        bytes_max: u64,
        lateness_ms: i64,
        clock: Timestamp,
        ran_until: Option<Timestamp>,
    ) -> Arc<Hall> {
        let turned_away = ran_until.map(|at| (at.0, clock.0));
        let state = State { clock: clock.0, turned_away, ..State::default() };
        Arc::new(Hall {
            state: Mutex::new(state),
            porter: Condvar::new(),
            keeper: Condvar::new(),
            bytes_max,
            lateness_ms,
            numbers: Numbers::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // What doors do.

    /// Somebody comes to a door. Errors: they are turned away.
    pub fn enter(self: &Arc<Hall>, door: u8) -> Result<Visit, TurnedAway> {
        let mut state = self.state();
        if state.is_closing || state.is_porter_gone {
            return Err(TurnedAway::Closing);
        }
        if state.bytes >= self.bytes_max || state.visits.len() >= VISITS_MAX {
            state.turn_away();
            self.numbers.refused.add(door, 1);
            return Err(TurnedAway::Full);
        }
        Ok(self.visit(&mut state))
    }

    /// A visit that nobody is turned away from: a line of a stream that has begun.
    pub fn enter_anyway(self: &Arc<Hall>) -> Visit {
        self.visit(&mut self.state())
    }

    fn visit(self: &Arc<Hall>, state: &mut State) -> Visit {
        state.visit_count += 1;
        let (number, clock) = (state.visit_count, state.clock);
        state.visits.insert(number, clock);
        Visit { hall: self.clone(), number }
    }

    /// Is there room for more lines?
    pub fn has_room(&self) -> bool {
        self.state().bytes < self.bytes_max
    }

    /// Gives lines to the porter, who answers. When the porter is gone the answer is dropped.
    pub fn post(&self, post: Post) {
        let mut state = self.state();
        if state.is_porter_gone {
            // A visit that ends needs the lock.
            drop(state);
            return drop(post);
        }
        state.bytes += post.lines.len() as u64;
        state.posts.push_back(post);
        self.porter.notify_one();
    }

    /// Somebody who had begun to talk broke off: they may come again.
    pub fn broke_off(&self) {
        self.state().turn_away();
    }

    /// Is everything opened and nothing failing?
    pub fn is_ready(&self) -> bool {
        let state = self.state();
        state.is_ready && !state.is_closing && state.failure.is_none()
    }

    // What the porter does.

    /// The posts that have come, after waiting for one; nothing when the doors are closed and all is done.
    /// A porter who owes a sync does not wait long; nobody waits long for those who talk when the doors close.
    pub fn next_posts(&self, is_owing: bool) -> Option<Vec<Post>> {
        let mut state = self.state();
        let (mut has_waited, mut patience) = (false, FAREWELL_WAITS);
        loop {
            if !state.posts.is_empty() || (is_owing && has_waited) {
                return Some(state.posts.drain(..).collect());
            }
            if state.is_closing && (state.visits.is_empty() || patience == 0) {
                return None;
            }
            patience -= u32::from(state.is_closing);
            let (next, _) = self.porter.wait_timeout(state, WAIT).unwrap_or_else(PoisonError::into_inner);
            (state, has_waited) = (next, true);
        }
    }

    /// Events get their arrival: not before what has happened already. Time stops there until they are ready.
    pub fn stamp(&self, now: Timestamp) -> Timestamp {
        let mut state = self.state();
        let at = now.0.max(state.clock);
        state.clock = at;
        state.stamped.get_or_insert(at);
        Timestamp(at)
    }

    /// Stamped events are safe; `posted` bytes of lines became these.
    pub fn ready(&self, items: Vec<Item>, posted: u64) {
        let mut state = self.state();
        let kept: u64 = items.iter().map(size).sum();
        state.bytes = state.bytes.saturating_sub(posted) + kept;
        state.ready.extend(items);
        state.stamped = None;
        self.keeper.notify_one();
    }

    /// Posts of so many bytes were turned away, since the spool cannot be written. Where the porter owes a
    /// sync, what is stamped waits on.
    pub fn failed(&self, posted: u64, is_owing: bool) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(posted);
        state.stamped = state.stamped.filter(|_| is_owing);
        state.turn_away();
    }

    /// The porter cannot go on; nothing more comes in.
    pub fn porter_gone(&self, failure: Option<Problem>) {
        let mut state = self.state();
        state.is_porter_gone = true;
        state.failure = state.failure.take().or(failure);
        let posts = std::mem::take(&mut state.posts);
        self.keeper.notify_one();
        // A visit that ends needs the lock.
        drop(state);
        drop(posts);
    }

    /// Events up to this place are in the store.
    pub fn stored(&self) -> u64 {
        self.state().stored
    }

    // What the keeper does.

    /// Waits until events are ready, the doors close, or so long.
    pub fn wait(&self, at_most: Duration) {
        let state = self.state();
        if state.ready.is_empty() && !state.is_closing && !state.is_porter_gone {
            let _ = self.keeper.wait_timeout(state, at_most);
        }
    }

    /// The events that are ready, `count` at most, and how far the clock may go.
    pub fn take(&self, now: Timestamp, count: usize) -> Taken {
        let mut state = self.state();
        let some = count.min(state.ready.len());
        let items: Vec<Item> = state.ready.drain(..some).collect();
        state.bytes = state.bytes.saturating_sub(items.iter().map(size).sum());
        let rest = state.ready.front().and(items.last()).map(|item| item.arrival.0);
        let until = rest.or(state.stamped).unwrap_or(now.0.max(state.clock));
        state.clock = state.clock.max(until);
        let silent_to = state.silent_to(until, self.lateness_ms);
        Taken { items, until: Timestamp(until), silent_to: Timestamp(silent_to) }
    }

    /// What was ready is forgotten: the keeper reads it again from the spool.
    pub fn start_again(&self) {
        let mut state = self.state();
        let bytes: u64 = state.ready.iter().map(size).sum();
        state.bytes = state.bytes.saturating_sub(bytes);
        state.ready.clear();
        state.is_ready = false;
    }

    /// The keeper is at work, with events that the spool had; what came meanwhile stands behind them.
    pub fn opened(&self, waiting: Vec<Item>) {
        let mut state = self.state();
        let last = waiting.last().map_or(0, |item| item.place);
        let came = std::mem::take(&mut state.ready);
        state.bytes += waiting.iter().map(size).sum::<u64>();
        state.ready = waiting.into();
        state.ready.extend(came.into_iter().filter(|item| item.place > last));
        state.is_ready = true;
    }

    /// Do the doors close?
    pub fn is_closing(&self) -> bool {
        self.state().is_closing
    }

    /// Events up to this place are in the store.
    pub fn is_stored(&self, place: u64) {
        self.state().stored = place;
    }

    /// Events and bytes that wait.
    pub fn waiting(&self) -> (u64, u64) {
        let state = self.state();
        (state.ready.len() as u64, state.bytes)
    }

    /// Nobody may enter any more.
    pub fn close(&self) {
        self.state().is_closing = true;
        self.porter.notify_all();
        self.keeper.notify_all();
    }

    /// Is the porter done, and everything taken?
    pub fn is_empty(&self) -> bool {
        let state = self.state();
        state.is_porter_gone && state.ready.is_empty()
    }

    /// Has the porter ended before the doors were closed, and why?
    pub fn failure(&self) -> Option<Problem> {
        self.state().failure.clone()
    }
}

/// How long anybody waits before looking around.
const WAIT: Duration = Duration::from_millis(100);
/// So often the porter waits for visits under way when the doors close.
const FAREWELL_WAITS: u32 = 50;

fn size(item: &Item) -> u64 {
    item.line.len() as u64
}

impl State {
    fn turn_away(&mut self) {
        let first = self.turned_away.map_or(self.clock, |(first, _)| first);
        self.turned_away = Some((first, self.clock));
    }

    /// Silence is proved up to here.
    fn silent_to(&mut self, until: i64, lateness_ms: i64) -> i64 {
        if self.turned_away.is_some_and(|(_, last)| until - last > lateness_ms) {
            self.turned_away = None;
        }
        let visits = self.visits.values().copied().min();
        let away = self.turned_away.map(|(first, _)| first);
        [visits, away].into_iter().flatten().fold(until, i64::min)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut state = self.hall.state();
        state.visits.remove(&self.number);
        if state.visits.is_empty() {
            self.hall.porter.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(place: u64, arrival: i64) -> Item {
        Item { place, arrival: Timestamp(arrival), door: 0, line: b"{}".to_vec() }
    }

    fn hall() -> Arc<Hall> {
        Hall::new(10, 1_000, Timestamp(5), None)
    }

    fn times(taken: &Taken) -> (usize, i64, i64) {
        (taken.items.len(), taken.until.0, taken.silent_to.0)
    }

    #[test]
    fn time_goes_on_over_silence() {
        let hall = hall();
        assert_eq!(times(&hall.take(Timestamp(100), 9)), (0, 100, 100));
        assert_eq!(times(&hall.take(Timestamp(50), 9)), (0, 100, 100), "and never back");
    }

    #[test]
    fn silence_is_not_proved_while_somebody_talks() {
        let hall = hall();
        hall.take(Timestamp(100), 9);
        let visit = hall.enter(0).unwrap();
        assert_eq!(times(&hall.take(Timestamp(900), 9)), (0, 900, 100));
        drop(visit);
        assert_eq!(times(&hall.take(Timestamp(901), 9)), (0, 901, 901));
    }

    #[test]
    fn time_stops_at_events_that_are_not_safe_and_at_those_that_wait() {
        let hall = hall();
        assert_eq!(hall.stamp(Timestamp(200)), Timestamp(200));
        assert_eq!(times(&hall.take(Timestamp(300), 9)), (0, 200, 200));
        hall.ready(vec![item(1, 200), item(2, 200), item(3, 250)], 0);
        assert_eq!(times(&hall.take(Timestamp(400), 2)), (2, 200, 200));
        assert_eq!(times(&hall.take(Timestamp(400), 2)), (1, 400, 400));
        assert_eq!(hall.stamp(Timestamp(300)), Timestamp(400), "nothing comes in before what has happened");
    }

    #[test]
    fn who_was_turned_away_is_given_time_to_come_again() {
        let hall = hall();
        hall.ready(vec![Item { line: vec![b' '; 20], ..item(1, 5) }], 0);
        assert_eq!(hall.enter(0).err(), Some(TurnedAway::Full));
        assert!(!hall.has_room());
        hall.take(Timestamp(5), 9);
        assert_eq!(times(&hall.take(Timestamp(1_005), 9)), (0, 1_005, 5));
        assert_eq!(times(&hall.take(Timestamp(1_006), 9)), (0, 1_006, 1_006));
    }

    #[test]
    fn after_an_outage_senders_are_given_time_too() {
        let hall = Hall::new(10, 1_000, Timestamp(9_000), Some(Timestamp(2_000)));
        assert_eq!(times(&hall.take(Timestamp(9_500), 9)), (0, 9_500, 2_000));
        assert_eq!(times(&hall.take(Timestamp(10_001), 9)), (0, 10_001, 10_001));
    }

    #[test]
    fn closed_doors_let_nobody_in_and_those_inside_finish() {
        let hall = hall();
        let visit = hall.enter(0).unwrap();
        hall.close();
        assert_eq!(hall.enter(0).err(), Some(TurnedAway::Closing));
        let (answer, _) = oneshot::channel();
        hall.post(Post { door: 0, lines: vec![], answer, visit });
        let posts = hall.next_posts(false).map(|posts| posts.len());
        assert_eq!((posts, hall.next_posts(false).is_none()), (Some(1), true));
        assert!(!hall.is_ready() && !hall.is_empty());
        hall.porter_gone(None);
        assert!(hall.is_empty());
    }
}
