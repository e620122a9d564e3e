//! A small home in a temporary folder, an audience and a directory that tests can bend.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use roaring::RoaringBitmap;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::base::{Outcome as Found, Problem, Quiet, Timestamp, UserNo, Zone};
use crate::dispatch::{
    Audiences, Batch, Directory, Engine, Faults, Ledger, NoFaults, Outcome, Patience, Policy, Receipt,
    ReceiptState, Report, Resolved, Sender, Senders, Summary, TouchId, Triggered,
};
use crate::task::{Limits, Move, Policies, Quota, Task, Tasks, read};

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-03-01T{text}:00+08:00"), &Zone::default()).unwrap()
}

pub fn now() -> Timestamp {
    at("08:00")
}

/// A task at 20:00 with more lines in `[trigger]` and `[limits]`.
pub fn text(sender: &str, trigger: &str, limits: &str) -> String {
    format!(
        "name = \"春季活动\"\nstart = \"2026-03-01T09:00:00+08:00\"\nend = \"2026-03-02T00:00:00+08:00\"\n\
         [trigger]\nkind = \"once\"\nat = \"2026-03-01T20:00:00+08:00\"\n{trigger}\n\
         [dispatch]\nsender = \"{sender}\"\nbatch = 3\n\
         content = {{ template = \"{{{{name}}}} 您好，点击 {{{{link}}}} {{{{code}}}}\", link = \"https://例.cn/?u={{{{user_id}}}}\" }}\n\
         [limits]\n{limits}\n"
    )
}

pub struct World {
    pub dir: TempDir,
    pub users: RefCell<RoaringBitmap>,
    pub crowds: RefCell<BTreeMap<String, RoaringBitmap>>,
    pub is_refresh_broken: Cell<bool>,
    pub calls: RefCell<Vec<String>>,
    ids: Vec<String>,
    /// Users who were deleted.
    pub gone: RefCell<RoaringBitmap>,
    pub blacklist: Option<&'static str>,
    /// The company's limits, and the quotas of senders.
    pub limits: RefCell<Limits>,
    pub quotas: RefCell<BTreeMap<String, Quota>>,
}

impl World {
    pub fn of(users: u32) -> World {
        World {
            dir: tempfile::tempdir().unwrap(),
            users: RefCell::new((0..users).collect()),
            crowds: RefCell::default(),
            is_refresh_broken: Cell::new(false),
            calls: RefCell::default(),
            gone: RefCell::default(),
            ids: (0..users).map(|n| format!("u{n}")).collect(),
            blacklist: None,
            limits: RefCell::default(),
            quotas: RefCell::default(),
        }
    }

    pub fn tasks(&self) -> Tasks {
        Tasks::open(Connection::open(self.dir.path().join("meta.db")).unwrap()).unwrap()
    }

    pub fn ledger(&self) -> Ledger {
        Ledger::open(&self.dir.path().join("ledger.db")).unwrap()
    }

    /// A task that waits for its start.
    pub fn approved(&self, text: &str) -> String {
        let zone = Zone::default();
        let tasks = self.tasks();
        let file = read(text, "test.toml", &zone).unwrap();
        let id = tasks.create(&file, &zone, "小王", now()).unwrap().id;
        tasks.make_move(&id, Move::Submit, "小王", None, now()).unwrap();
        tasks.make_move(&id, Move::Approve, "老李", None, now()).unwrap();
        id
    }

    pub fn make_move(&self, id: &str, step: Move, at: Timestamp) -> Task {
        self.tasks().make_move(id, step, "小王", None, at).unwrap()
    }

    pub fn run(&self, senders: &Senders, until: &str) -> Summary {
        self.run_with(senders, &NoFaults, at(until)).unwrap()
    }

    pub fn run_with(&self, senders: &Senders, faults: &dyn Faults, until: Timestamp) -> Found<Summary> {
        self.with_engine(senders, faults, |engine| engine.run_until(now(), until, None))
    }

    pub fn with_engine<T>(
        &self,
        senders: &Senders,
        faults: &dyn Faults,
        work: impl FnOnce(&Engine) -> T,
    ) -> T {
        let (tasks, ledger) = (self.tasks(), self.ledger());
        work(&Engine {
            app: "default",
            zone: Zone::default(),
            tasks: &tasks,
            ledger: &ledger,
            audiences: self,
            directory: self,
            senders,
            blacklist: self.blacklist,
            policy: Policy {
                attempts_max: 3,
                limits: Arc::new(self.limits.borrow().clone()),
                quotas: Arc::new(self.quotas.borrow().clone()),
                policies: Arc::new(Policies::shipped().unwrap()),
                ..Policy::default()
            },
            patience: &NoWaiting::default(),
            faults,
            pace: &Quiet,
        })
    }

    pub fn report(&self, id: &str) -> Report {
        Report::of(&self.tasks().task(id).unwrap(), &self.ledger(), &Triggered::default()).unwrap()
    }

    pub fn state(&self, id: &str) -> &'static str {
        self.tasks().task(id).unwrap().state.word()
    }

    /// State of the task's one run.
    pub fn run_state(&self, id: &str) -> String {
        self.report(id).runs[0].state.clone()
    }
}

impl Audiences for World {
    fn refresh(&self, task: &Task, as_of: Timestamp) -> Found<Resolved> {
        if self.is_refresh_broken.get() {
            return Err(Problem::author("CRD-009", "the selection names a tag that is gone"));
        }
        self.calls.borrow_mut().push(format!("refresh {}", clock(as_of)));
        self.found(task, as_of)
    }

    fn resolve(&self, task: &Task, as_of: Timestamp) -> Found<Resolved> {
        self.calls.borrow_mut().push(format!("resolve {}", clock(as_of)));
        self.found(task, as_of)
    }

    fn crowd(&self, name: &str, as_of: Timestamp) -> Found<RoaringBitmap> {
        self.calls.borrow_mut().push(format!("crowd {name} {}", clock(as_of)));
        let known = self.crowds.borrow();
        known
            .get(name)
            .cloned()
            .ok_or_else(|| Problem::author("CRD-001", format!("no crowd is called `{name}`")))
    }
}

impl World {
    fn found(&self, _: &Task, as_of: Timestamp) -> Found<Resolved> {
        let users = self.users.borrow().clone();
        Ok(Resolved { users, as_of: Some(as_of), data_version: 7, crowd_version: Some("c1@2".into()) })
    }
}

impl Directory for World {
    fn user_id(&self, user: UserNo) -> Option<&str> {
        self.ids.get(user as usize).map(String::as_str).filter(|_| !self.gone.borrow().contains(user))
    }

    fn user_no(&self, user_id: &str) -> Option<UserNo> {
        let user = user_id.strip_prefix('u')?.parse().ok()?;
        self.user_id(user).map(|_| user)
    }

    fn is_attribute(&self, name: &str) -> bool {
        name == "name"
    }

    fn fields(&self, users: &[UserNo], names: &[String]) -> Found<Vec<Vec<Option<String>>>> {
        let value = |user: UserNo| (!user.is_multiple_of(5)).then(|| format!("张{user}"));
        Ok(users.iter().map(|user| names.iter().map(|_| value(*user)).collect()).collect())
    }
}

fn clock(at: Timestamp) -> String {
    Zone::default().local(at).format("%H:%M").to_string()
}

/// Counts the waits instead of waiting.
#[derive(Default)]
pub struct NoWaiting(Mutex<Vec<Duration>>);

#[async_trait]
impl Patience for NoWaiting {
    async fn wait(&self, time: Duration) {
        self.0.lock().unwrap().push(time);
    }
}

/// Dies at its `n`-th step and stays dead.
pub struct DieAt(AtomicI64);

impl DieAt {
    pub fn step(n: i64) -> Arc<DieAt> {
        Arc::new(DieAt(AtomicI64::new(n)))
    }

    pub fn is_dead(&self) -> bool {
        self.0.load(Ordering::SeqCst) < 0
    }
}

impl Faults for DieAt {
    fn step(&self, step: &str) -> Found<()> {
        match self.0.fetch_sub(1, Ordering::SeqCst) {
            n if n > 0 => Ok(()),
            _ => Err(Problem::bug(format!("killed before `{step}`"))),
        }
    }
}

/// What a receiver does with one hand-over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reply {
    Deliver,
    /// Takes the batch and says nothing about its touches.
    Take,
    Busy,
    Refuse,
    /// Takes the batch, and the answer is lost.
    LostAnswer,
    /// The batch itself is lost.
    LostBatch,
    /// Delivers the first touch, refuses the second, leaves the rest unknown.
    Mixed,
}

/// A channel that keeps what it got, and drops what it knows already.
pub struct Receiver {
    is_idempotent: bool,
    script: Mutex<VecDeque<Reply>>,
    /// Per touch: the bytes as first seen, and how many deliveries a person would have noticed.
    pub seen: Mutex<BTreeMap<TouchId, (String, usize)>>,
    pub users: Mutex<BTreeSet<String>>,
    /// Of which task a touch is.
    pub tasks: Mutex<BTreeMap<TouchId, String>>,
    faults: Arc<dyn Faults>,
}

impl Receiver {
    pub fn new(is_idempotent: bool, script: &[Reply]) -> Arc<Receiver> {
        Receiver::dying(is_idempotent, script, Arc::new(NoFaults))
    }

    pub fn dying(is_idempotent: bool, script: &[Reply], faults: Arc<dyn Faults>) -> Arc<Receiver> {
        let script = Mutex::new(script.iter().copied().collect());
        let (seen, users, tasks) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Receiver { is_idempotent, script, seen, users, tasks, faults })
    }

    fn take(&self, batch: &Batch) {
        for touch in &batch.touches {
            let bytes = serde_json::to_string(touch).unwrap();
            let mut seen = self.seen.lock().unwrap();
            let entry = seen.entry(touch.touch_id).or_insert((bytes.clone(), 0));
            assert_eq!(entry.0, bytes, "a retry carries the same bytes");
            entry.1 += usize::from(entry.1 == 0 || !self.is_idempotent);
            self.users.lock().unwrap().insert(touch.user_id.clone());
            self.tasks.lock().unwrap().insert(touch.touch_id, batch.task.clone());
        }
    }

    /// What it does with the next batch.
    pub fn then(&self, reply: Reply) {
        self.script.lock().unwrap().push_back(reply);
    }

    /// Touches that a user would have got more than once.
    pub fn doubles(&self) -> usize {
        self.seen.lock().unwrap().values().filter(|(_, count)| *count > 1).count()
    }

    pub fn user_count(&self) -> usize {
        self.users.lock().unwrap().len()
    }
}

#[async_trait]
impl Sender for Receiver {
    fn name(&self) -> &str {
        "receiver"
    }

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }

    fn parallel(&self) -> usize {
        2
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        let why = |what: &str| Problem::outside("SND-005", what);
        if let Err(problem) = self.faults.step("receiver: before") {
            return Outcome::Unknown(problem);
        }
        let reply = self.script.lock().unwrap().pop_front().unwrap_or(Reply::Deliver);
        if !matches!(reply, Reply::Busy | Reply::LostBatch | Reply::Refuse) {
            self.take(batch);
        }
        if let Err(problem) = self.faults.step("receiver: after") {
            return Outcome::Unknown(problem);
        }
        let receipt = |(n, touch): (usize, &crate::dispatch::Touch)| {
            let states = [ReceiptState::Delivered, ReceiptState::Refused];
            let state = states.get(n).copied().unwrap_or(ReceiptState::Unknown);
            Receipt { reason: Some("因为".into()), ..Receipt::of(touch.touch_id, state) }
        };
        match reply {
            Reply::Deliver => {
                Outcome::Answered(batch.touches.iter().map(|t| Receipt::delivered(t.touch_id)).collect())
            }
            Reply::Take => Outcome::Answered(Vec::new()),
            Reply::Busy => Outcome::TryLater { after: Duration::from_secs(5), why: why("busy") },
            Reply::Refuse => Outcome::Refused(why("no")),
            Reply::LostAnswer | Reply::LostBatch => Outcome::Unknown(why("no answer")),
            Reply::Mixed => Outcome::Answered(batch.touches.iter().enumerate().map(receipt).collect()),
        }
    }
}

pub fn senders(receiver: &Arc<Receiver>) -> Senders {
    let mut senders = Senders::new();
    senders.insert("receiver".into(), receiver.clone());
    senders
}
