//! Tasks at the door: checked, made, moved, reported; and the clock that runs them.

mod list;
mod overlap;
mod plan;
mod preflight;
mod report;
mod touches;

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::json;

use super::args::{By, Run, Task as Command, Why};
use super::crowd_clock::{self, CROWDS};
use super::door::{Done, Door, Failure};
use super::live::{Came, Origin, Words};
use super::session::Session;
use super::table::Cell;
use super::trace::TRIGGERS;
use super::wiring::{Names, People, Reach, is_listed, owner_of, update_of};
use crate::audience::{Audiences, crowds_in};
use crate::base::{Outcome, Problem, Problems, Timestamp};
use crate::dispatch::{self, Engine, Happened, Ledger, Policy, RealPatience, Summary};
use crate::select::Selection;
use crate::store::{Snapshot, Writer};
use crate::task::{Audience, Checked, Feature, Links, Move, Policies, State, Task, Tasks, check};
use crate::trigger::log::RealDisk;
use crate::trigger::{Numbered, Opened, Triggers};

/// One thread decides: while time passes step by step, waking others costs more than they do.
pub(super) const SHARDS: usize = 1;

/// Runs one command on tasks.
pub fn run(command: &Command, session: &mut Session, door: &mut Door) -> Done {
    match command {
        Command::Check { file } => checked_only(file, session, door),
        Command::Create { file, start, by } => create(file, *start, by, session, door),
        Command::Edit { id, file, by } => edit(id, file, by, session, door),
        Command::Copy { id, by } => copy(id, by, session, door),
        Command::List(asked) => list::list(asked, session, door),
        Command::Show { id, diff } => list::show(id, *diff, session, door),
        Command::Plan { what, days } => plan::run(what, *days, session, door),
        Command::Preflight { what, at } => preflight::run(what, at.as_deref(), session, door),
        Command::Submit { id, by } => moved(id, Move::Submit, (by, None), session, door),
        Command::Approve { id, by } => moved(id, Move::Approve, (by, None), session, door),
        Command::Reject { id, reason, by } => {
            moved(id, Move::Reject, (by, Some(reason.as_str())), session, door)
        }
        Command::Start { id, by } => moved(id, Move::Start, (by, None), session, door),
        Command::Pause { id, why } => moved(id, Move::Pause, (&why.by, why.reason.as_deref()), session, door),
        Command::Resume { id, by } => moved(id, Move::Resume, (by, None), session, door),
        Command::Cancel { id, why } => steered(id, why, dispatch::cancel, session, door),
        Command::Stop { id, why } => steered(id, why, dispatch::stop, session, door),
        Command::Delete { id, why } => delete(id, why, session, door),
        Command::Report { id } => report::run(id, session, door),
        Command::Touches(asked) => touches::run(asked, session, door),
        Command::Overlap(asked) => overlap::run(asked, session, door),
        Command::Reconcile { id } => super::receipts::reconcile(id, session, door),
        Command::Staff { id, user } => super::staff::of_task(id, user.as_deref(), session, door),
        Command::Trace { id, user } => super::trace::run(id, user, session, door),
    }
}

impl Session<'_> {
    /// The tasks of the app.
    pub fn tasks(&self) -> Result<Tasks, Failure> {
        self.must_exist()?;
        Ok(Tasks::open(self.home.meta()?)?)
    }

    /// The ledger of the app.
    pub fn ledger(&self) -> Result<Ledger, Failure> {
        self.must_exist()?;
        Ok(Ledger::open(&self.home.dir().join("ledger.db"))?)
    }

    /// Who moves tasks, for the audit trail.
    pub(super) fn who(&self, by: &By) -> String {
        let login = || (self.variable)("USER");
        let named = by.by.clone().or_else(|| self.settings.tasks.by.clone()).or_else(login);
        named.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "cli".to_string())
    }
}

/// A task file that is right, over what is there.
/// Errors: CLI-002, every mistake in the file.
pub fn checked(
    path: &str,
    snapshot: &Snapshot,
    audiences: &Audiences,
    session: &Session,
) -> Result<Checked, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let cure = "name a UTF-8 text file that holds one task";
        Problem::author("CLI-002", format!("the task cannot be read: {error}")).at(path).cure(cure)
    })?;
    let senders = session.senders()?;
    let now = session.environment.now;
    let (links, policies) = (session.links()?, session.policies()?);
    let features = &session.settings.tasks.features;
    let staff = session.tasks()?.staff().list()?;
    let (senders, links, policies) = (&senders, &links, &policies);
    let names = Names { audiences, snapshot, senders, links, policies, features, staff, now };
    Ok(check(&text, path, &session.settings.zone, now, &names)?)
}

fn checked_only(path: &str, session: &Session, door: &mut Door) -> Done {
    let snapshot = session.snapshot()?;
    let found = checked(path, &snapshot, &session.audiences()?, session)?;
    door.warn(&found.warnings);
    match door.is_json {
        true => door.json(&json!({ "name": found.file.name, "ok": true, "warnings": found.warnings })),
        false => {
            door.say(&format!("task '{}' is right", found.file.name));
            Ok(())
        }
    }
}

fn create(path: &str, is_started: bool, by: &By, session: &Session, door: &mut Door) -> Done {
    if is_started && !session.settings.tasks.features.contains(&Feature::CreateStarted) {
        return Err(Feature::CreateStarted.switched_off("`--start`").into());
    }
    let snapshot = session.snapshot()?;
    let mut audiences = session.audiences()?;
    let found = checked(path, &snapshot, &audiences, session)?;
    door.warn(&found.warnings);
    let _lock = session.crowd_lock()?;
    let (tasks, zone, who) = (session.tasks()?, &session.settings.zone, session.who(by));
    let task = match is_started {
        true => tasks.create_started(&found.file, zone, &who, session.environment.now)?,
        false => tasks.create(&found.file, zone, &who, session.environment.now)?,
    };
    own(&task, &mut audiences, &snapshot, session)?;
    told(&task, door)
}

fn edit(id: &str, path: &str, by: &By, session: &Session, door: &mut Door) -> Done {
    let snapshot = session.snapshot()?;
    let mut audiences = session.audiences()?;
    let found = checked(path, &snapshot, &audiences, session)?;
    door.warn(&found.warnings);
    let _lock = session.crowd_lock()?;
    let (tasks, ledger, who) = (session.tasks()?, session.ledger()?, session.who(by));
    let (zone, now) = (&session.settings.zone, session.environment.now);
    keep_shared(&Task { file: found.file.clone(), ..tasks.task(id)? }, &audiences, session)?;
    let task = dispatch::edit(&tasks, &ledger, id, &found.file, zone, &who, now)?;
    own(&task, &mut audiences, &snapshot, session)?;
    told(&task, door)
}

/// An edit must not take the task's own audience away from others who use it.
fn keep_shared(edited: &Task, audiences: &Audiences, session: &Session) -> Done {
    let Some(name) = audiences.name_of_own(&edited.id)? else { return Ok(()) };
    let others = users_of_crowd(&name, session)?;
    let rule = match &edited.file.audience {
        Audience::Selection(rule) => Some((rule.as_str(), update_of(edited))),
        _ => None,
    };
    let is_listed = is_listed(edited, session.settings.is_sync_default);
    Ok(audiences.keep_shared(owner_of(edited), rule, is_listed, &others)?)
}

fn copy(id: &str, by: &By, session: &Session, door: &mut Door) -> Done {
    let snapshot = session.snapshot()?;
    let _lock = session.crowd_lock()?;
    let task = session.tasks()?.copy(id, &session.who(by), session.environment.now)?;
    own(&task, &mut session.audiences()?, &snapshot, session)?;
    told(&task, door)
}

fn delete(id: &str, why: &Why, session: &Session, door: &mut Door) -> Done {
    let who = session.who(&why.by);
    let task = session.tasks()?.delete(id, &who, why.reason.as_deref(), session.environment.now)?;
    match door.is_json {
        true => door.json(&json!({ "id": task.id, "state": task.state, "deleted": true })),
        false => {
            door.say(&format!("task {} '{}' is deleted", task.id, task.file.name));
            Ok(())
        }
    }
}

/// Makes the task's own audience, if it has a selection that is made anew. A one-off audience is
/// made by the run, as of its planned time (docs/decisions/004).
fn own(task: &Task, audiences: &mut Audiences, snapshot: &Snapshot, session: &Session) -> Done {
    let is_listed = is_listed(task, session.settings.is_sync_default);
    let waits_for_run = update_of(task) == crate::audience::Update::Once && !is_listed;
    if let Audience::Selection(rule) = &task.file.audience {
        let now = session.environment.now;
        if audiences.is_own(owner_of(task), rule, update_of(task))? {
            return Ok(audiences.list_own(owner_of(task), is_listed)?);
        }
        if waits_for_run {
            return Ok(());
        }
        audiences.own(owner_of(task), rule, update_of(task), is_listed, now, session.job(snapshot))?;
    }
    Ok(())
}

fn moved(id: &str, step: Move, (by, note): (&By, Option<&str>), session: &Session, door: &mut Door) -> Done {
    let task = session.tasks()?.make_move(id, step, &session.who(by), note, session.environment.now)?;
    told(&task, door)
}

type Steer = fn(&Tasks, &Ledger, &str, &str, Option<&str>, Timestamp) -> Outcome<Task>;

fn steered(id: &str, why: &Why, steer: Steer, session: &Session, door: &mut Door) -> Done {
    let (tasks, ledger, who) = (session.tasks()?, session.ledger()?, session.who(&why.by));
    told(&steer(&tasks, &ledger, id, &who, why.reason.as_deref(), session.environment.now)?, door)
}

fn told(task: &Task, door: &mut Door) -> Done {
    match door.is_json {
        true => door.json(&json!({ "id": task.id, "state": task.state })),
        false => {
            door.say(&format!("task {} '{}' is {}", task.id, task.file.name, task.state));
            Ok(())
        }
    }
}

/// The tasks that are not over and use a crowd, as `id name`.
pub fn users_of_crowd(name: &str, session: &Session) -> Result<Vec<String>, Failure> {
    let mut users = Vec::new();
    for task in session.tasks()?.list()? {
        if !matches!(task.state, State::Ended | State::Cancelled) && uses(&task, name) {
            users.push(format!("{} {}", task.id, task.file.name));
        }
    }
    Ok(users)
}

fn uses(task: &Task, name: &str) -> bool {
    let in_audience = match &task.file.audience {
        Audience::Everyone => false,
        Audience::Crowd(crowd) => crowd == name,
        Audience::Selection(rule) => rule
            .parse::<Selection>()
            .is_ok_and(|selection| crowds_in(&selection).iter().any(|n| n.text == name)),
    };
    let limits = &task.file.limits;
    in_audience || [&limits.blacklist, &limits.whitelist].iter().any(|list| list.as_deref() == Some(name))
}

/// The versions of a crowd that reports speak of.
pub fn reported_versions(name: &str, session: &Session) -> Result<std::collections::BTreeSet<u32>, Failure> {
    let ledger = session.ledger()?;
    let mut kept = std::collections::BTreeSet::new();
    for task in session.tasks()?.list()? {
        let runs = ledger.runs_of(&task.id)?;
        let versions =
            runs.iter().filter_map(|run| run.crowd_version.as_deref()?.strip_prefix(name)?.strip_prefix('@'));
        kept.extend(versions.filter_map(|no| no.parse::<u32>().ok()));
    }
    Ok(kept)
}

/// `quanke run --until T`: everything that falls due on the way happens, in order. The home's
/// lock is held, so that no data changes under a run and no second clock moves, and the crowds' too.
pub fn run_until(args: &Run, session: &mut Session, door: &mut Door) -> Done {
    session.must_exist()?;
    let until = session.as_of(Some(&args.until))?;
    let mut writer = session.home.writer(&session.environment, session.settings.zone)?;
    let _lock = session.crowd_lock()?;
    let (summary, came) = match is_live(args, session)? {
        true => live(args, until, session, &mut writer, door)?,
        false => (Clock::new(session, &writer.snapshot())?.move_to(until, None)?, None),
    };
    drop(writer);
    let mut document = serde_json::to_value(&summary).map_err(|e| Problem::bug(e.to_string()))?;
    if let Some(came) = &came {
        document["events"] = came.document();
    }
    let told = || came.as_ref().map_or(String::new(), Came::text) + &text(&summary);
    door.answer(document, told)?;
    failures(&summary).or(()).map_err(Failure::Told)
}

/// Are there live events, or rules that wait for some?
fn is_live(args: &Run, session: &Session) -> Result<bool, Failure> {
    let folder = session.home.dir().join(TRIGGERS);
    let has_rules =
        || Ok::<bool, Failure>(session.tasks()?.alive()?.iter().any(|task| task.rule().is_some()));
    Ok(!args.events.is_empty() || folder.exists() || has_rules()?)
}

/// The clock moves, and events come on the way.
fn live(
    args: &Run,
    until: Timestamp,
    session: &mut Session,
    writer: &mut Writer,
    door: &mut Door,
) -> Result<(Summary, Option<Came>), Failure> {
    let now = session.environment.now;
    let clock = session.ledger()?.clock()?.map_or(now, |last| last.max(now));
    let disk = Arc::new(RealDisk::open(&session.home.dir().join(TRIGGERS)).map_err(Problem::from)?);
    let known = session.ledger()?.place()?;
    let Opened { mut triggers, again, notes } = Triggers::open(disk, &session.app, known, SHARDS)?;
    door.warn(&notes);
    let mut origin = match args.events.as_slice() {
        [] => None,
        paths => Some(Origin::new(&args.live, paths, clock, session)?),
    };
    let name = origin.as_ref().map_or(dispatch::SILENCE, Origin::name).to_string();
    let (source, after) = dispatch::source_of(&mut triggers, &name, clock)?;
    let mut came = origin.as_mut().map(|origin| origin.keep_all(source, writer, session)).transpose()?;
    let late_before = triggers.state().oddities().late;
    let snapshot = writer.publish()?;
    let mut feed = origin.as_ref().map(|origin| origin.feed(source, after, &snapshot)).transpose()?;
    let words = Words(&snapshot);
    let feed = feed.as_mut().map(|feed| feed as &mut dyn dispatch::Feed);
    let mut live = dispatch::Live::new(&mut triggers, source, feed, &words);
    let summary = Clock::new(session, &snapshot)?.move_to(until, Some((&mut live, &again)))?;
    origin.map_or(Ok(()), Origin::done)?;
    let breaches = triggers.state().oddities().late - late_before;
    came.iter_mut().for_each(|came| came.breaches = breaches);
    Ok((summary, came))
}

/// Tasks that failed on the way: what else fell due was done all the same.
fn failures(summary: &Summary) -> Problems {
    let failed = summary.happened.iter().filter(|h| matches!(h.what.as_str(), "failed" | "refresh failed"));
    let failed = failed.filter(|h| h.task != CROWDS);
    let problem = |h: &Happened| {
        Problem::outside("DSP-008", format!("{}: {}", h.what, h.note))
            .at(format!("task {} at {}", h.task, h.at))
            .cure(format!("mend the cause, then `quanke task start {}` and run again", h.task))
    };
    Problems(failed.map(problem).chain(crowd_clock::failures(summary)).collect())
}

fn text(summary: &Summary) -> String {
    let head = format!("the clock moved from {} to {}\n", summary.from, summary.to);
    let row = |h: &Happened| [&h.at, &h.task, &h.what, &h.note].map(Cell::text).to_vec();
    let rows: Vec<Vec<Cell>> = summary.happened.iter().map(row).collect();
    head + &super::table::aligned(&rows)
}

/// What moves with the clock: tasks, and crowds that are made anew each day.
pub(super) struct Clock<'a> {
    pub(super) session: &'a Session<'a>,
    /// Where the clock begins, unless it has been further already.
    pub begins: Timestamp,
    /// The newest one; `serve` gives it another as events come.
    pub snapshot: Snapshot,
    pub audiences: RefCell<Audiences>,
    pub tasks: Tasks,
    pub ledger: Ledger,
    senders: dispatch::Senders,
    links: Arc<Links>,
    /// Crowds that nobody needs yet wait, one a step, so that the clock goes on meanwhile.
    pub is_served: bool,
    policies: Arc<Policies>,
}

impl<'a> Clock<'a> {
    /// Everything of the session's app, over one snapshot.
    pub fn new(session: &'a Session<'a>, snapshot: &Snapshot) -> Result<Clock<'a>, Failure> {
        // A touch without its user's id must never go out.
        snapshot.ids().ready()?;
        Ok(Clock {
            session,
            begins: session.environment.now,
            snapshot: snapshot.clone(),
            audiences: RefCell::new(session.audiences()?),
            tasks: session.tasks()?,
            ledger: session.ledger()?,
            senders: session.senders()?,
            links: Arc::new(session.links()?),
            is_served: false,
            policies: Arc::new(session.policies()?),
        })
    }

    /// Moves the clock, stopping at each daily refresh on the way: what falls due at the very
    /// instant of a refresh comes after it.
    fn move_to(
        &self,
        until: Timestamp,
        mut live: Option<(&mut dispatch::Live<'_>, &[Numbered])>,
    ) -> Result<Summary, Failure> {
        let from = self.from()?;
        if let Some((live, again)) = &mut live {
            self.engine(|engine| live.again(engine, again, from).and_then(|()| live.renew(engine, from)))?;
        }
        let mut live = live.map(|(live, _)| live);
        let happened = self.go_on(until, live.as_deref_mut())?;
        if let Some(live) = live {
            self.engine(|engine| live.end(engine, until))?;
        }
        let zone = self.session.settings.zone;
        Ok(Summary { from: zone.text(from), to: zone.text(until), happened })
    }

    /// Where the clock stands. Errors: OUT-030.
    pub fn from(&self) -> Outcome<Timestamp> {
        Ok(self.ledger.clock()?.map_or(self.begins, |last| last.max(self.begins)))
    }

    /// Moves the clock; what lives on after it is not ended.
    pub fn go_on(
        &self,
        until: Timestamp,
        mut live: Option<&mut dispatch::Live<'_>>,
    ) -> Result<Vec<Happened>, Failure> {
        let (now, from) = (self.begins, self.from()?);
        let mut happened = Vec::new();
        let mut clock = from;
        for (at, day) in self.daily(from, until)? {
            let before = at.plus(-1).max(from);
            happened.extend(self.engine(|e| e.run_until(now, before, live.as_deref_mut()))?.happened);
            self.queue_daily(at, day)?;
            happened.extend(self.refresh_queued(at, until, live.as_deref_mut())?);
            clock = at;
        }
        happened.extend(self.refresh_queued(clock, until, live.as_deref_mut())?);
        let last = self.engine(|engine| engine.run_until(now, until, live))?;
        happened.extend(last.happened);
        Ok(happened)
    }

    /// What `act` does with an engine over everything here.
    pub fn engine<T>(&self, act: impl FnOnce(&Engine) -> Outcome<T>) -> Result<T, Failure> {
        let settings = &self.session.settings;
        let reach = Reach {
            audiences: &self.audiences,
            snapshot: &self.snapshot,
            pace: self.session.pace,
            is_listed: settings.is_sync_default,
        };
        let engine = Engine {
            app: &self.session.app,
            zone: settings.zone,
            tasks: &self.tasks,
            ledger: &self.ledger,
            audiences: &reach,
            directory: &People(&self.snapshot),
            senders: &self.senders,
            blacklist: settings.blacklist.as_deref(),
            policy: Policy {
                attempts_max: settings.retry_tries,
                wait_first: settings.retry_wait,
                seed: self.session.environment.seed,
                links: self.links.clone(),
                limits: settings.limits.clone(),
                quotas: settings.quotas.clone(),
                policies: self.policies.clone(),
                ..Policy::default()
            },
            patience: &RealPatience,
            faults: &*self.session.faults,
            pace: self.session.pace,
        };
        Ok(act(&engine)?)
    }
}
