//! What do the gates of a run over ten million users cost?
//!
//! Data model: `QUANKE_BENCH_USERS` users (default 10,000,000) with ids of nine letters; three runs of tasks to all
//! of them on one day, whose touches are written and reserved, and then wait: the channel is busy. Then the gates of
//! a fourth run, which writes nothing: a blacklist of each 50th user, a whitelist of all but each 20th, a share of
//! 5% as holdout, caps of 4 a day over all tasks and of 1 a day for the task, no quota. Shown: the three runs (gates,
//! rows and reservations), then the gates alone: who is full by the caps, and all gates slice by slice.
//! `cargo bench --bench gates`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quanke::base::{Outcome, Problem, Quiet, Timestamp, UserNo, Zone};
use quanke::dispatch::{
    Audiences, Batch, Directory, Engine, Ledger, NoFaults, Outcome as Answer, Policy, RealPatience, Resolved,
    Sender, Senders, TouchState,
};
use quanke::task::{Move, Task, Tasks, read};
use roaring::RoaringBitmap;
use rusqlite::Connection;

const ID_BYTES: usize = 9;
const SLICE: usize = 65_536;

/// Asks for more patience than there is, so that nothing leaves.
struct Busy;

#[async_trait::async_trait]
impl Sender for Busy {
    fn name(&self) -> &str {
        "busy"
    }

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn send(&self, _: &Batch) -> Answer {
        Answer::TryLater { after: Duration::from_secs(86_400), why: Problem::outside("SND-005", "busy") }
    }
}

struct World {
    users: RoaringBitmap,
    ids: String,
}

impl World {
    fn of(users: u32) -> World {
        let ids = (0..users).map(|n| format!("u{n:08}")).collect();
        World { users: (0..users).collect(), ids }
    }

    fn resolved(&self, as_of: Timestamp) -> Resolved {
        Resolved { users: self.users.clone(), as_of: Some(as_of), data_version: 1, crowd_version: None }
    }
}

impl Audiences for World {
    fn refresh(&self, _: &Task, as_of: Timestamp) -> Outcome<Resolved> {
        Ok(self.resolved(as_of))
    }

    fn resolve(&self, _: &Task, as_of: Timestamp) -> Outcome<Resolved> {
        Ok(self.resolved(as_of))
    }

    fn crowd(&self, name: &str, _: Timestamp) -> Outcome<RoaringBitmap> {
        match name {
            "投诉" => Ok(self.users.iter().filter(|user| user % 50 == 0).collect()),
            "内测" => Ok(self.users.iter().filter(|user| user % 20 != 7).collect()),
            _ => Err(Problem::author("CRD-001", name)),
        }
    }
}

impl Directory for World {
    fn user_id(&self, user: UserNo) -> Option<&str> {
        let from = user as usize * ID_BYTES;
        self.ids.get(from..from + ID_BYTES)
    }

    fn user_no(&self, user_id: &str) -> Option<UserNo> {
        user_id.get(1..)?.parse().ok()
    }

    fn known(&self, users: &RoaringBitmap) -> RoaringBitmap {
        users & &self.users
    }

    fn is_attribute(&self, _: &str) -> bool {
        false
    }

    fn fields(&self, users: &[UserNo], _: &[String]) -> Outcome<Vec<Vec<Option<String>>>> {
        Ok(users.iter().map(|_| Vec::new()).collect())
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-03-02 {text}"), &Zone::default()).expect("an instant")
}

fn task(tasks: &Tasks, time: &str, limits: &str) -> Task {
    let text = format!(
        "name = \"量\"\nstart = \"2026-03-01\"\nend = \"2026-03-03\"\n[trigger]\nkind = \"once\"\n\
         at = \"2026-03-02 {time}\"\n[dispatch]\nsender = \"busy\"\nbatch = 1\n[limits]\n{limits}\n"
    );
    let (zone, now) = (Zone::default(), at("08:00"));
    let made = tasks.create(&read(&text, "bench", &zone).expect("a task"), &zone, "x", now).expect("created");
    tasks.make_move(&made.id, Move::Submit, "x", None, now).expect("submitted");
    tasks.make_move(&made.id, Move::Approve, "x", None, now).expect("approved")
}

fn main() {
    let users = std::env::var("QUANKE_BENCH_USERS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000_000);
    let (world, folder) = (World::of(users), tempfile::tempdir().expect("a folder"));
    let path = |name: &str| Path::new(folder.path()).join(name);
    let tasks = Tasks::open(Connection::open(path("meta.db")).expect("a database")).expect("tasks");
    let ledger = Ledger::open(&path("ledger.db")).expect("a ledger");
    let mut senders = Senders::new();
    senders.insert("busy".into(), Arc::new(Busy));
    let engine = Engine {
        app: "default",
        zone: Zone::default(),
        tasks: &tasks,
        ledger: &ledger,
        audiences: &world,
        directory: &world,
        senders: &senders,
        blacklist: None,
        policy: Policy::default(),
        patience: &RealPatience,
        faults: &NoFaults,
        pace: &Quiet,
    };
    for time in ["10:00", "11:00", "12:00"] {
        task(&tasks, time, "");
        let begun = Instant::now();
        engine.run_until(at("08:00"), at(time), None).expect("a run");
        let seconds = begun.elapsed().as_secs_f64();
        println!("a run of {users} touches: {seconds:.1} s, {:.2} M/s", f64::from(users) / seconds / 1e6);
    }
    let bytes = std::fs::metadata(path("ledger.db")).map_or(0, |file| file.len());
    println!("ledger: {:.1} bytes a touch", bytes as f64 / f64::from(users) / 3.0);
    let limits = "blacklist = \"投诉\"\nwhitelist = \"内测\"\nholdout = \"5%\"\n\
                  caps = [{ all = true, limit = 4, per = \"day\" }, { task = true, limit = 1, per = \"day\" }]";
    let fourth = task(&tasks, "13:00", limits);
    for _ in 0..3 {
        gates(&engine, &fourth, &world.users);
    }
}

fn gates(engine: &Engine, task: &Task, users: &RoaringBitmap) {
    let lists = engine.lists(task, at("13:00")).expect("lists");
    let begun = Instant::now();
    let mut sieve = engine.sieve(task, &lists, false, at("13:00")).expect("a sieve");
    let caps = begun.elapsed().as_secs_f64();
    let (mut left, mut due) = (users.iter().peekable(), 0);
    let mut sifting = 0.0;
    while left.peek().is_some() {
        let slice: RoaringBitmap = left.by_ref().take(SLICE).collect();
        let begun = Instant::now();
        let verdicts = sieve.sift(slice);
        sifting += begun.elapsed().as_secs_f64();
        due += verdicts.iter().filter(|(_, state, _)| *state == TouchState::Due).count();
    }
    println!(
        "gates: caps {:.0} ms, all gates {:.0} ms; {due} would go out",
        caps * 1e3,
        (caps + sifting) * 1e3
    );
}
