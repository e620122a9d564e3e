//! How fast does a run of ten million users go through the gates, the ledger and its batches? Two cores.
//!
//! Data model: users `u00000000` … with a name each, all of them in the audience; a task of kind `once` with a
//! holdout of 5 %, a blacklist of 1 % and a content with the name and the id of the user in it. The ledger lies on
//! the disk that `TMPDIR` chooses, every commit synced; the sender is `blackhole`, which says "delivered".
//! `QUANKE_BENCH_USERS` sets the number of users (default 1,000,000), `QUANKE_BENCH_BATCH` the touches of a batch
//! (default 200 and 1,000, one after the other). Shown: wall clock, seconds of the processor, bytes a touch on the
//! disk, and the most memory that the process ever held.

use std::sync::Arc;
use std::time::Instant;

use quanke::base::{Outcome, Problem, Quiet, Timestamp, UserNo, Zone};
use quanke::dispatch::{
    Audiences, Directory, Engine, Ledger, NoFaults, Policy, RealPatience, Report, Resolved, Senders,
    Triggered,
};
use quanke::sender::Blackhole;
use quanke::task::{Move, Task, Tasks, read};
use roaring::RoaringBitmap;
use rusqlite::Connection;

const IDS: [&str; 10] = ["王", "李", "张", "刘", "陈", "杨", "黄", "赵", "周", "吴"];

struct World {
    ids: Vec<String>,
}

impl Audiences for World {
    fn refresh(&self, task: &Task, as_of: Timestamp) -> Outcome<Resolved> {
        self.resolve(task, as_of)
    }

    fn resolve(&self, _: &Task, as_of: Timestamp) -> Outcome<Resolved> {
        let users = (0..self.ids.len() as u32).collect();
        Ok(Resolved { users, as_of: Some(as_of), data_version: 1, crowd_version: None })
    }

    fn crowd(&self, _: &str, _: Timestamp) -> Outcome<RoaringBitmap> {
        Ok((0..self.ids.len() as u32).filter(|user| user % 100 == 7).collect())
    }
}

impl Directory for World {
    fn user_id(&self, user: UserNo) -> Option<&str> {
        self.ids.get(user as usize).map(String::as_str)
    }

    fn user_no(&self, user_id: &str) -> Option<UserNo> {
        user_id.strip_prefix('u')?.parse().ok()
    }

    fn is_attribute(&self, name: &str) -> bool {
        name == "name"
    }

    fn fields(&self, users: &[UserNo], names: &[String]) -> Outcome<Vec<Vec<Option<String>>>> {
        let value = |user: &UserNo| Some(format!("{}女士", IDS[*user as usize % IDS.len()]));
        Ok(users.iter().map(|user| names.iter().map(|_| value(user)).collect()).collect())
    }
}

fn main() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<usize>().ok());
    let users = number("QUANKE_BENCH_USERS").unwrap_or(1_000_000);
    let world = World { ids: (0..users).map(|n| format!("u{n:08}")).collect() };
    for batch in number("QUANKE_BENCH_BATCH").map_or(vec![200, 1_000], |batch| vec![batch]) {
        play(&world, batch);
    }
}

fn play(world: &World, batch: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.db");
    let (zone, at) =
        (Zone::default(), |text: &str| Timestamp::parse(text, &Zone::default()).expect("an instant"));
    let tasks =
        Tasks::open(Connection::open(folder.path().join("meta.db")).expect("meta.db")).expect("tasks");
    let text = format!(
        "name = \"春季活动\"\nstart = \"2026-03-01\"\nend = \"2026-03-02\"\n[trigger]\nkind = \"once\"\n\
         at = \"2026-03-01T20:00:00+08:00\"\n[dispatch]\nsender = \"blackhole\"\nbatch = {batch}\n\
         content = {{ text = \"{{{{name}}}} 您好，您的专属礼包: https://例.cn/?u={{{{user_id}}}}\" }}\n\
         [limits]\nholdout = \"5%\"\nblacklist = \"黑名单\"\n"
    );
    let file = read(&text, "bench.toml", &zone).expect("a task file");
    let now = at("2026-03-01T00:00:00+08:00");
    let id = tasks.create(&file, &zone, "bench", now).expect("a task").id;
    for step in [Move::Submit, Move::Approve] {
        tasks.make_move(&id, step, "bench", None, now).expect("a move");
    }
    let ledger = Ledger::open(&path).expect("a ledger");
    let senders = Senders::from([("blackhole".to_string(), Arc::new(Blackhole::new("blackhole")) as _)]);
    let engine = Engine {
        app: "default",
        zone,
        tasks: &tasks,
        ledger: &ledger,
        audiences: world,
        directory: world,
        senders: &senders,
        blacklist: None,
        policy: Policy::default(),
        patience: &RealPatience,
        faults: &NoFaults,
        pace: &Quiet,
    };
    let (begun, busy) = (Instant::now(), busy_seconds());
    engine.run_until(now, at("2026-03-01T21:00:00+08:00"), None).map_err(|p: Problem| p.what).expect("a run");
    let (wall, busy) = (begun.elapsed().as_secs_f64(), busy_seconds() - busy);
    let task = tasks.task(&id).expect("the task");
    let book = Report::of(&task, &ledger, &Triggered::default()).expect("a report").total;
    let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
    println!(
        "batches of {batch:>5}: {} due, {} handed in {wall:.1} s ({:.2} M touches/s; {:.2} us of the processor a \
         touch), {:.1} bytes a touch on disk, {} MiB of memory at most",
        book.due,
        book.handed,
        book.due as f64 / wall / 1e6,
        busy * 1e6 / book.due as f64,
        bytes as f64 / book.due as f64,
        memory_kib() / 1024,
    );
}

/// Seconds of the processor so far, of all threads.
fn busy_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// The most memory that was ever resident, in KiB.
fn memory_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
