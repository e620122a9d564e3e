//! A home with users and an approved task, a server on it, and what became of it all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use clap::{CommandFactory, FromArgMatches};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::super::beginning;
use super::super::hall::{Answer, Hall, Post};
use super::super::keeper::{Begun, Keeper, Means};
use super::super::porter::Porter;
use super::super::spool::Spool;
use crate::base::{Outcome, Problem, Quiet, Timestamp, Zone};
use crate::cli::args::Cli;
use crate::cli::door::Failure;
use crate::cli::session::{Outside, Session};
use crate::cli::tests::Shell;
use crate::dispatch::{Faults, NoFaults};
use crate::ingest::live::{Ask, Judge};
use crate::trigger::log::SimulatedDisk;

pub const LATENESS_MS: i64 = 60_000;

/// `2026-03-02` at a time of day, in the zone of the home.
pub fn at(time: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-03-02T{time}+08:00"), &Zone::default()).unwrap()
}

pub fn event(id: &str, user: &str, name: &str, time: &str) -> Value {
    json!({"event_id": id, "user_id": user, "event": name, "time": format!("2026-03-02T{time}+08:00")})
}

/// A kill before a step; the disks go at the same moment.
pub struct Kill {
    steps: AtomicI64,
}

impl Kill {
    pub fn at(step: i64) -> Arc<Kill> {
        Arc::new(Kill { steps: AtomicI64::new(step) })
    }

    pub fn has_struck(&self) -> bool {
        self.steps.load(Ordering::SeqCst) < 0
    }
}

impl Faults for Kill {
    fn step(&self, step: &str) -> Outcome<()> {
        match self.steps.fetch_sub(1, Ordering::SeqCst) {
            n if n > 0 => Ok(()),
            _ => Err(Problem::bug(format!("killed before `{step}`"))),
        }
    }
}

/// What lasts over the lives of servers.
pub struct Place {
    pub shell: Shell,
    pub task: String,
    pub spool: SimulatedDisk,
    pub triggers: SimulatedDisk,
}

impl Place {
    /// Some users, and one task: who views and does not share within 20 minutes.
    pub fn new(seed: u64) -> Place {
        let shell = Shell::with_users();
        let text = "name = \"未分享\"\nstart = \"2026-03-02T00:00:00+08:00\"\nend = \"2026-03-09T00:00:00+08:00\"\n\
             [trigger]\nkind = \"absence\"\ndid = \"view\"\nnot_done = \"share\"\nwithin = \"20m\"\n\
             [dispatch]\nsender = \"file\"\ncontent = { template = \"您好\" }\n";
        let file = shell.file("task.toml", text);
        let task = shell.ask(&["task", "create", &file]).fine().json()["id"].as_str().unwrap().to_string();
        shell.say(&["task", "submit", &task]).fine();
        shell.say(&["task", "approve", &task]).fine();
        Place { shell, task, spool: SimulatedDisk::new(seed), triggers: SimulatedDisk::new(seed + 1) }
    }

    /// The same, and the task runs since 10:00:00.
    pub fn running(seed: u64) -> Place {
        let place = Place::new(seed);
        place.live(at("10:00:00"), Arc::new(NoFaults), |life| life.step(at("10:00:00"))).unwrap();
        place
    }

    /// A server's life from `now` on; it ends with the first failure, as a killed process does.
    pub fn live<T>(
        &self,
        now: Timestamp,
        faults: Arc<dyn Faults>,
        story: impl FnOnce(&mut Life) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let matches = Cli::command().try_get_matches_from(["quanke", "serve"]).unwrap();
        let cli = Cli::from_arg_matches(&matches).unwrap();
        let outside = Outside {
            now,
            seed: 7,
            process_no: 4711,
            home: Some(Path::new(&self.shell.home()).to_path_buf()),
            input: None,
            clock: || Timestamp(0),
            faults,
            variable: &|_| None,
        };
        let session = Session::open(&cli, outside, &Quiet)?;
        let writer = session.home.writer(&session.environment, session.settings.zone)?;
        let means = Means {
            triggers: Arc::new(self.triggers.clone()),
            ask: self.ask(&session),
            lateness_ms: LATENESS_MS,
        };
        let ran_until = session.ledger()?.clock()?;
        let (spool, _) = Spool::open(Arc::new(self.spool.clone()), &session.app)?;
        let hall = Hall::new(1 << 20, LATENESS_MS, beginning(now, ran_until, &spool)?, ran_until);
        let spool = Mutex::new(spool);
        let porter = Porter::new(&hall, &spool, Judge::new(means.ask.clone()));
        let Begun { keeper, waiting, .. } = Keeper::open(&session, writer, &spool, &means)?;
        hall.opened(waiting);
        story(&mut Life { hall: hall.clone(), spool: &spool, porter, keeper, now })
    }

    fn ask(&self, session: &Session) -> Ask {
        Ask {
            paths: vec![],
            format: None,
            zone: Zone::default(),
            map: BTreeMap::new(),
            types: session.snapshot().unwrap().catalog().settled_properties(),
            rejects: session.home.dir().join("rejects/serve.ndjson"),
            after: 0,
            clock: session.environment.now,
            unnamed: None,
            is_eager: false,
        }
    }

    /// Users and planned reaches in the outbox, sorted.
    pub fn reached(&self) -> Vec<(String, String)> {
        let path = self.shell.folder.path().join(format!("home/outbox/{}.ndjson", self.task));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let touch = |line: &str| {
            let touch: Value = serde_json::from_str(line).unwrap();
            let time = touch["due_at"].as_str().unwrap()[11..19].to_string();
            (touch["user_id"].as_str().unwrap().to_string(), time)
        };
        let mut all: Vec<_> = text.lines().map(touch).collect();
        all.sort();
        all
    }

    /// How many users a selection finds at the end of the day.
    pub fn count(&self, selection: &str) -> u64 {
        let asked = ["estimate", selection, "--as-of", "2026-03-03T00:00:00+08:00"];
        self.shell.ask(&asked).fine().json()["count"].as_u64().unwrap()
    }
}

/// A server at work.
pub struct Life<'l> {
    pub hall: Arc<Hall>,
    spool: &'l Mutex<Spool>,
    porter: Porter<'l>,
    keeper: Keeper<'l>,
    now: Timestamp,
}

impl Life<'_> {
    /// Events come by a door at `now`; gives how many were accepted.
    pub fn post(&mut self, events: &[Value], now: Timestamp) -> Result<u64, Failure> {
        self.now = now;
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        let (answer, mut answered) = oneshot::channel();
        let visit = self.hall.enter_anyway();
        self.porter.take(vec![Post { door: 0, lines: lines.into_bytes(), answer, visit }], &|| now)?;
        match answered.try_recv() {
            Ok(Answer::Taken { accepted, .. }) => Ok(accepted),
            Ok(Answer::Failed(problem)) => Err(problem.into()),
            Err(_) => Err(Problem::bug("no answer").into()),
        }
    }

    /// The clock goes to `now`, with what waits.
    pub fn step(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.now = now;
        let taken = self.hall.take(now, 1_000);
        let crowds = self.keeper.prepare(&taken)?;
        self.keeper.step(taken, crowds, &self.hall.numbers)?;
        self.hall.is_stored(self.keeper.stored_to());
        Ok(())
    }

    /// All is history, and forgotten by the spool.
    pub fn end(&mut self) -> Result<(), Failure> {
        self.keeper.store()?;
        Ok(self.spool.lock().unwrap().forget(self.keeper.stored_to())?)
    }
}
