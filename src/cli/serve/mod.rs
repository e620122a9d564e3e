//! `quanke serve`: what `run` does, on the clock as it runs, with doors for live events.
//!
//! ```text
//! doors (http, lines, stdin) ──▶ hall ──▶ porter: check, spool, sync, answer
//!                                  │
//!                                  ▼
//!                               keeper: numbers for new users, triggers, clock, senders; history now and then
//! ```
//!
//! The keeper works on the thread of the command, the porter on one of its own, the doors on a runtime of
//! theirs. A step that fails is taken as a crash: everything is opened again and goes on from the disk, so
//! there is one way back only. docs/serve.md is for operators, docs/decisions/010-serve.md says why.

mod body;
mod doors;
mod hall;
mod http;
mod keeper;
mod lines;
mod numbers;
mod porter;
mod shelf;
mod spool;
mod steady;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::args::Serve;
use super::door::{Done, Door, Failure};
use super::load::aside;
use super::session::{Session, usage};
use super::trace::TRIGGERS;
use crate::base::{Outcome, Problem, Problems, Timestamp};
use crate::dispatch::Happened;
use crate::ingest::live::{ARRIVAL, Ask, Judge};
use crate::store::Writer;
use crate::trigger::log::RealDisk;

use doors::{Doors, Places};
use hall::{Hall, Taken};
use keeper::{Begun, Keeper, Means};
use porter::Porter;
use spool::Spool;
use steady::Steady;

/// The folder of the spool, in the app's folder.
const SPOOL: &str = "spool";
/// How often the keeper looks around.
const TICK: Duration = Duration::from_millis(50);
/// Events that one step takes.
const STEP_EVENTS: usize = 50_000;
/// After a step that failed.
const REST: Duration = Duration::from_secs(1);
/// Seconds between readings that cost a look into the ledger, and between lines of numbers.
const BOOK_SECONDS: f64 = 2.0;
const TELL_SECONDS: f64 = 60.0;
/// A clock that begins so far from the real one is a rehearsal's: it goes on where the last one ended.
const REHEARSAL_MS: i64 = 60_000;
/// A request may have so many bytes at most: it must fit into a group of the spool.
const BODY_BYTES_MAX: u64 = 16 << 20;

/// Follows the clock until a signal, `--until`, or the end of the only door.
pub fn run(args: &Serve, session: &mut Session, door: &mut Door) -> Done {
    session.must_exist()?;
    let token = token(args, session)?;
    if args.body > BODY_BYTES_MAX {
        return Err(usage(
            "--body",
            "a request may have 16 MB at most",
            "give less, and send smaller requests",
        ));
    }
    let body_bytes = usize::try_from(args.body).unwrap_or(usize::MAX);
    let places = Places::read(&args.listen, args.lines.as_deref(), token, body_bytes)?;
    let until = args.until.as_deref().map(|text| session.as_of(Some(text))).transpose()?;
    let input = if args.events.is_some() { session.input.take() } else { None };
    let means = means(args, session)?;
    let stop = signals()?;
    let session: &Session = session;
    let writer = session.home.writer(&session.environment, session.settings.zone)?;
    let disk = RealDisk::open(&session.home.dir().join(SPOOL)).map_err(Problem::from)?;
    let (spool, notes) = Spool::open(Arc::new(disk), &session.app)?;
    door.warn(&notes);
    let ran_until = session.ledger()?.clock()?;
    let now = session.environment.now;
    let begin = beginning(now, ran_until, &spool)?;
    let is_rehearsal = args.speed > 1 || ((session.clock)().0 - now.0).abs() > REHEARSAL_MS;
    let steady = Steady::new(session.clock, session.pace, if is_rehearsal { begin } else { now }, args.speed);
    let hall = Hall::new(args.queue.max(1), means.lateness_ms, begin, ran_until);
    let doors = Doors::open(&places, &hall)?;
    let server = Server { session, hall: &hall, spool: Mutex::new(spool), steady, means, stop, until };
    let has_others = places.http.is_some() || places.lines.is_some();
    if let Some(input) = input {
        let hall = hall.clone();
        std::thread::spawn(move || {
            lines::read_stdin(hall.clone(), input);
            if !has_others {
                hall.close();
            }
        });
    }
    server.greet(door, doors.document())?;
    let done = server.serve(writer, door);
    hall.close();
    doors.close();
    done
}

/// Where the clock begins: not before what has happened, nor before an event that was accepted.
fn beginning(now: Timestamp, ran_until: Option<Timestamp>, spool: &Spool) -> Outcome<Timestamp> {
    let last = spool.after(spool.forgotten())?.last().map(|item| item.arrival);
    Ok([ran_until, last].into_iter().flatten().fold(now, Timestamp::max))
}

fn token(args: &Serve, session: &Session) -> Result<Option<String>, Failure> {
    let Some(name) = &args.token_env else { return Ok(None) };
    match (session.variable)(name).filter(|token| !token.trim().is_empty()) {
        Some(token) => Ok(Some(token.trim().to_string())),
        None => Err(usage(
            format!("--token-env {name}"),
            "this variable is not set",
            "set it to a long random text",
        )),
    }
}

fn means(args: &Serve, session: &Session) -> Result<Means, Failure> {
    if args.map.iter().any(|(theirs, _)| theirs == ARRIVAL) {
        return Err(usage("--map", "`arrived_at` is what the server itself writes", "leave it out"));
    }
    let ask = Ask {
        paths: Vec::new(),
        format: None,
        zone: session.zone(args.zone.as_deref())?,
        map: args.map.iter().cloned().collect(),
        types: session.snapshot()?.catalog().settled_properties(),
        rejects: aside(session, "serve", "ndjson"),
        after: 0,
        clock: session.environment.now,
        unnamed: None,
        is_eager: false,
    };
    let triggers = RealDisk::open(&session.home.dir().join(TRIGGERS)).map_err(Problem::from)?;
    Ok(Means { triggers: Arc::new(triggers), ask, lateness_ms: args.lateness })
}

/// True once somebody asked us to end; who asks twice does not want to wait.
fn signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, stop.clone())
            .map_err(Problem::from)?;
        signal_hook::flag::register(signal, stop.clone()).map_err(Problem::from)?;
    }
    Ok(stop)
}

/// Everything that serving needs.
struct Server<'s> {
    session: &'s Session<'s>,
    hall: &'s Hall,
    spool: Mutex<Spool>,
    steady: Steady<'s>,
    means: Means,
    stop: Arc<AtomicBool>,
    until: Option<Timestamp>,
}

impl Server<'_> {
    /// Says where the doors are and what the clock shows.
    fn greet(&self, door: &mut Door, mut places: Value) -> Done {
        let now = self.hall.take(self.steady.now(), 0).until;
        places["at"] = self.session.settings.zone.text(now).into();
        if door.is_json {
            return self.line(door, &json!({ "serving": places }));
        }
        for (name, place) in places.as_object().into_iter().flatten() {
            if let Some(place) = place.as_str() {
                door.say(&format!("{name}: {place}"));
            }
        }
        Ok(())
    }

    /// Porter and keeper at work, until all is done.
    fn serve(&self, writer: Writer, door: &mut Door) -> Done {
        std::thread::scope(|scope| {
            let judge = Judge::new(self.means.ask.clone());
            let porter = Porter::new(self.hall, &self.spool, judge);
            let steady = &self.steady;
            scope.spawn(move || porter.work(&|| steady.now()));
            let done = self.keep(writer, door);
            self.hall.close();
            done
        })?;
        self.hall.failure().map_or(Ok(()), |problem| Err(problem.into()))
    }

    /// Keepers, one after the other: a failure is the end of one.
    fn keep(&self, writer: Writer, door: &mut Door) -> Done {
        let mut begun = Some(Keeper::open(self.session, writer, &self.spool, &self.means)?);
        loop {
            let failed = match begun.take() {
                Some(begun) => self.life(begun, door),
                None => self.open_again().and_then(|begun| self.life(begun, door)),
            };
            match failed {
                Ok(()) => return Ok(()),
                Err(Failure::Found(problems)) if !self.stop.load(Ordering::SeqCst) => {
                    self.note(&problems, door)
                }
                Err(failure) => return Err(failure),
            }
            self.hall.start_again();
            std::thread::sleep(REST);
        }
    }

    fn open_again(&self) -> Result<Begun<'_>, Failure> {
        let writer = self.session.home.writer(&self.session.environment, self.session.settings.zone)?;
        Keeper::open(self.session, writer, &self.spool, &self.means)
    }

    fn note(&self, problems: &Problems, door: &mut Door) {
        let mut readings = self.hall.numbers.readings();
        readings.errors += 1;
        readings.last_error = Some((self.steady.now().0, problems.to_string()));
        drop(readings);
        door.say(&problems.to_string());
        door.say("this step is done again; time stands meanwhile");
    }

    /// One keeper, until its end.
    fn life(&self, begun: Begun, door: &mut Door) -> Done {
        let Begun { mut keeper, waiting, notes } = begun;
        door.warn(&notes);
        self.hall.opened(waiting);
        let mut told = Told::default();
        while !self.hall.is_empty() {
            self.hall.wait(TICK);
            let now = self.now();
            let taken = self.hall.take(now, STEP_EVENTS);
            if !keeper.is_idle(&taken)? {
                self.step(&mut keeper, taken, door)?;
            }
            self.publish(&mut keeper, &mut told, door)?;
        }
        let last = self.hall.take(self.now(), STEP_EVENTS);
        self.step(&mut keeper, last, door)?;
        self.finish(&mut keeper, door)
    }

    /// The clock; the doors close when its end has come.
    fn now(&self) -> Timestamp {
        let now = self.steady.now();
        let is_over = self.until.is_some_and(|until| now >= until);
        if is_over || self.stop.load(Ordering::SeqCst) {
            self.hall.close();
        }
        self.until.map_or(now, |until| now.min(until))
    }

    fn step(&self, keeper: &mut Keeper, taken: Taken, door: &mut Door) -> Done {
        let began = self.session.pace.seconds();
        let crowds = loop {
            match keeper.prepare(&taken) {
                Err(Failure::Found(problems)) if is_held(&problems) => std::thread::sleep(TICK),
                other => break other?,
            }
        };
        let happened = keeper.step(taken, crowds, &self.hall.numbers)?;
        keeper.readings.step_ms = (self.session.pace.seconds() - began) * 1e3;
        self.hall.is_stored(keeper.stored_to());
        happened.iter().try_for_each(|one| self.tell(one, door))
    }

    fn tell(&self, happened: &Happened, door: &mut Door) -> Done {
        if door.is_json {
            return self.line(door, &json!({ "happened": happened }));
        }
        let Happened { at, task, what, note } = happened;
        door.say(format!("{at}  {task}  {what}  {note}").trim_end());
        Ok(())
    }

    /// The keeper's readings become everybody's; now and then with those of the ledger, and as a line.
    fn publish(&self, keeper: &mut Keeper, told: &mut Told, door: &mut Door) -> Done {
        let seconds = self.session.pace.seconds();
        if seconds - told.book > BOOK_SECONDS {
            keeper.read_book()?;
            told.book = seconds;
        }
        let (queue_events, queue_bytes) = self.hall.waiting();
        let mut readings = self.hall.numbers.readings();
        keeper.readings.errors = readings.errors;
        keeper.readings.last_error = readings.last_error.clone();
        *readings = numbers::Readings {
            now: self.steady.now().0,
            apart_ms: self.steady.apart_ms(),
            queue_events,
            queue_bytes,
            ..keeper.readings.clone()
        };
        drop(readings);
        if door.is_json && seconds - told.line > TELL_SECONDS {
            told.line = seconds;
            self.line(door, &json!({ "numbers": self.hall.numbers.document() }))?;
        }
        Ok(())
    }

    /// Everything becomes history, and the spool is empty.
    fn finish(&self, keeper: &mut Keeper, door: &mut Door) -> Done {
        keeper.store()?;
        keeper.read_book()?;
        self.publish(keeper, &mut Told::never(), door)?;
        let mut spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        if self.hall.failure().is_none() {
            spool.forget(keeper.stored_to())?;
        }
        let at = self.session.settings.zone.text(keeper.now());
        let numbers = self.hall.numbers.document();
        if door.is_json {
            return self.line(door, &json!({ "ended": { "at": at, "numbers": numbers } }));
        }
        let accepted = self.hall.numbers.accepted.sum();
        let rejected = self.hall.numbers.rejected.sum();
        door.say(&format!("ended at {at}: accepted {accepted} events, rejected {rejected} lines"));
        Ok(())
    }

    fn line(&self, door: &mut Door, document: &Value) -> Done {
        let out = door.stream();
        writeln!(out, "{document}")?;
        Ok(out.flush()?)
    }
}

/// When readings were told last, in seconds.
#[derive(Default)]
struct Told {
    book: f64,
    line: f64,
}

impl Told {
    fn never() -> Told {
        Told { book: f64::MAX, line: f64::MAX }
    }
}

/// Does another process make crowds right now?
fn is_held(problems: &Problems) -> bool {
    problems.0.iter().all(|problem| problem.code == "OUT-010")
}
