//! What time is it, when the machine's clock may be set? A reading never goes back and never leaps unproved.
//!
//! Two clocks are read: the wall clock, which somebody may set, and the seconds since the start, which nobody
//! can. Where they part by more than a minute, the wall clock was set. Set back, it is passed over: time goes
//! on by the seconds. Set forward, it must say so for some seconds before it is believed (the machine may have
//! slept). Smaller steps back: time stands until the clock has caught up.

use std::sync::{Mutex, PoisonError};

use crate::base::{Pace, Timestamp};

/// Both clocks may part by so much; more is a step.
const STEP_MS: i64 = 60_000;
/// A clock that was set forward is believed after it has said so for this long.
const PROOF_MS: i64 = 10_000;

/// The clock of a server.
pub struct Steady<'a> {
    wall: fn() -> Timestamp,
    pace: &'a dyn Pace,
    /// A rehearsal: so many milliseconds pass in one, from this instant on.
    speed: u32,
    inner: Mutex<Inner>,
}

/// What was read so far. All in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Inner {
    /// The wall clock that this server started at, and what it calls that instant.
    begin: (i64, i64),
    wall: i64,
    seconds: i64,
    reading: i64,
    /// Since when the wall clock is ahead by a step.
    doubt: Option<i64>,
    /// What the wall clock says beyond the reading, when it is not believed.
    apart: i64,
}

impl<'a> Steady<'a> {
    /// A clock that calls the present `now` and runs `speed` times as fast as the wall clock.
    pub fn new(wall: fn() -> Timestamp, pace: &'a dyn Pace, now: Timestamp, speed: u32) -> Steady<'a> {
        let (at, seconds) = (wall().0, milliseconds(pace));
        let inner = Inner { begin: (at, now.0), wall: at, seconds, reading: at, doubt: None, apart: 0 };
        Steady { wall, pace, speed, inner: Mutex::new(inner) }
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = inner.read((self.wall)().0, milliseconds(self.pace));
        let (from, now) = inner.begin;
        Timestamp(now.saturating_add((reading - from).saturating_mul(i64::from(self.speed))))
    }

    /// By how much the wall clock is ahead of (behind, if below 0) what is believed, in milliseconds.
    pub fn apart_ms(&self) -> i64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).apart
    }
}

fn milliseconds(pace: &dyn Pace) -> i64 {
    (pace.seconds() * 1e3) as i64
}

impl Inner {
    /// The reading when the wall clock says `wall` and so many milliseconds have passed since some point.
    fn read(&mut self, wall: i64, seconds: i64) -> i64 {
        let passed = (seconds - self.seconds).max(0);
        let expected = self.reading.saturating_add(passed);
        let apart = wall.saturating_sub(expected);
        self.doubt = if apart > STEP_MS { self.doubt.or(Some(seconds)) } else { None };
        let is_proved = self.doubt.is_some_and(|since| seconds - since >= PROOF_MS);
        let is_step = apart.abs() > STEP_MS && !is_proved;
        self.reading = if is_step { expected } else { wall.max(self.reading) };
        self.apart = wall.saturating_sub(self.reading);
        (self.wall, self.seconds) = (wall, seconds);
        if is_proved {
            self.doubt = None;
        }
        self.reading
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inner() -> Inner {
        Inner { begin: (0, 0), wall: 0, seconds: 0, reading: 0, doubt: None, apart: 0 }
    }

    #[test]
    fn the_wall_clock_is_followed_while_it_walks() {
        let mut clock = inner();
        assert_eq!(clock.read(100, 90), 100);
        assert_eq!(clock.read(95, 95), 100, "a small step back: time stands");
        assert_eq!(clock.read(30_000, 20_000), 30_000);
    }

    #[test]
    fn a_clock_set_back_is_passed_over() {
        let mut clock = inner();
        clock.read(1_000, 1_000);
        assert_eq!(clock.read(-3_600_000, 2_000), 2_000);
        assert_eq!(clock.read(-3_599_000, 3_000), 3_000, "time goes on by the seconds");
        assert!(clock.apart < -STEP_MS);
    }

    #[test]
    fn a_clock_set_forward_needs_proof() {
        let mut clock = inner();
        clock.read(1_000, 1_000);
        assert_eq!(clock.read(3_601_000, 2_000), 2_000);
        assert_eq!(clock.read(3_608_000, 9_000), 9_000, "not yet");
        assert_eq!(clock.read(3_611_000, 12_000), 3_611_000, "it has said so for ten seconds");
        let mut clock = inner();
        clock.read(3_601_000, 2_000);
        assert_eq!(clock.read(5_000, 5_000), 5_000, "a slip that was mended");
        assert_eq!(clock.read(3_611_000, 12_000), 12_000, "the next one is a new one");
    }

    proptest! {
        #[test]
        fn a_reading_never_goes_back_nor_leaps_unproved(steps in prop::collection::vec((-200_000i64..200_000, 0i64..3_000), 1..60)) {
            let (mut clock, mut wall, mut seconds, mut last) = (inner(), 0, 0, 0);
            for (set, passed) in steps {
                wall += set + passed;
                seconds += passed;
                let before = clock.doubt;
                let reading = clock.read(wall, seconds);
                prop_assert!(reading >= last);
                let is_proved = before.is_some_and(|since| seconds - since >= PROOF_MS);
                prop_assert!(is_proved || reading - last <= passed + STEP_MS);
                last = reading;
            }
        }
    }
}
