//! Rooms introduced to each other: what a task may name, whom it reaches, who users are.

use std::cell::RefCell;

use roaring::RoaringBitmap;

use super::session::Session;
use crate::audience::{Audiences, BoundVersion, Job, Owner, Predicate, fields, rows_per_day, same_property};
use crate::base::{Outcome, Pace, Problem, Problems, Timestamp, UserNo};
use crate::dispatch::{self, Directory, Resolved, Senders};
use crate::store::Snapshot;
use crate::task::{Audience, Feature, Known, Links, Member, Policies, Task};

/// What a task file may name.
pub struct Names<'a> {
    pub audiences: &'a Audiences,
    pub snapshot: &'a Snapshot,
    pub senders: &'a Senders,
    pub features: &'a [Feature],
    pub links: &'a Links,
    pub policies: &'a Policies,
    pub staff: Vec<Member>,
    pub now: Timestamp,
}

impl Known for Names<'_> {
    fn selection(&self, text: &str) -> Result<Vec<Problem>, Problems> {
        let (_, prepared) = self.audiences.prepare_text(text, self.now, self.snapshot)?;
        Ok(prepared.warnings().to_vec())
    }

    fn event(&self, text: &str) -> Result<Vec<Problem>, Problems> {
        Predicate::read(text, self.snapshot).map(|(_, warnings)| warnings)
    }

    fn same(&self, property: &str) -> Result<Vec<Problem>, Problems> {
        same_property(property, self.snapshot).map(|(_, warnings)| warnings)
    }

    fn contains(&self, outer: &str, inner: &str) -> bool {
        let read = |text| Predicate::read(text, self.snapshot).ok();
        read(outer).zip(read(inner)).is_some_and(|((outer, _), (inner, _))| outer.contains(&inner))
    }

    fn rows_per_day(&self, event: &str) -> f64 {
        let read = Predicate::read(event, self.snapshot).ok();
        read.map_or(0.0, |(predicate, _)| rows_per_day(predicate.event(), self.snapshot))
    }

    fn crowds(&self) -> Vec<String> {
        let listed = self.audiences.list(self.now).unwrap_or_default();
        listed.into_iter().map(|overview| overview.crowd.name).collect()
    }

    fn attributes(&self) -> Vec<String> {
        let catalog = self.snapshot.catalog();
        catalog
            .attributes
            .iter()
            .map(|column| column.name.clone())
            .chain(catalog.aliases.keys().cloned())
            .collect()
    }

    fn senders(&self) -> Vec<String> {
        self.senders.keys().cloned().collect()
    }

    fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    fn staff(&self) -> Vec<Member> {
        self.staff.clone()
    }

    fn links(&self) -> Vec<String> {
        self.links.names()
    }

    fn is_link_per_touch(&self, link: &str) -> bool {
        self.links.is_per_touch(link)
    }

    fn limits(&self, sender: &str) -> (Policies, String) {
        let channel = self.senders.get(sender).map_or("", |sender| sender.policy());
        (self.policies.clone(), channel.to_string())
    }
}

/// Whom tasks reach, over one snapshot.
pub struct Reach<'a> {
    pub audiences: &'a RefCell<Audiences>,
    pub snapshot: &'a Snapshot,
    pub pace: &'a dyn Pace,
    /// Is a task's own audience listed as a crowd, when the task does not say?
    pub is_listed: bool,
}

impl Reach<'_> {
    fn job(&self, now: Timestamp) -> Job<'_> {
        Job { snapshot: self.snapshot, now, pace: self.pace }
    }

    fn everyone(&self, as_of: Timestamp) -> Resolved {
        Resolved {
            users: self.snapshot.universe().clone(),
            as_of: Some(as_of),
            data_version: self.snapshot.version(),
            crowd_version: None,
        }
    }

    /// The task's own audience, made when the task was; made now if that was interrupted, or if a run made it
    /// for another version of the task.
    fn own(&self, task: &Task, rule: &str, as_of: Timestamp) -> Result<BoundVersion, Problems> {
        let (owner, job) = (owner_of(task), self.job(as_of));
        let mut audiences = self.audiences.borrow_mut();
        if !audiences.is_own(owner, rule, update_of(task))? {
            let is_listed = is_listed(task, self.is_listed);
            audiences.own(owner, rule, update_of(task), is_listed, as_of, job)?;
        }
        let bound = audiences.own_at(owner, as_of, job)?;
        bound.ok_or_else(|| Problem::bug("an audience just made is not there").into())
    }

    /// Is the audience of its own not there yet, or another version's?
    fn lacks_own(&self, task: &Task, rule: &str) -> Outcome<bool> {
        Ok(!self.audiences.borrow().is_own(owner_of(task), rule, update_of(task))?)
    }
}

impl dispatch::Audiences for Reach<'_> {
    fn refresh(&self, task: &Task, as_of: Timestamp) -> Outcome<Resolved> {
        let name = match &task.file.audience {
            Audience::Everyone => return Ok(self.everyone(as_of)),
            Audience::Selection(rule) if self.lacks_own(task, rule)? => return self.resolve(task, as_of),
            Audience::Selection(_) => None,
            Audience::Crowd(name) => Some(name.as_str()),
        };
        let refreshed =
            self.audiences.borrow_mut().refreshed_at(name, owner_of(task), as_of, self.job(as_of));
        match refreshed.map_err(first)? {
            Some(bound) => Ok(resolved(bound)),
            None => self.resolve(task, as_of),
        }
    }

    fn resolve(&self, task: &Task, as_of: Timestamp) -> Outcome<Resolved> {
        let bound = match &task.file.audience {
            Audience::Everyone => return Ok(self.everyone(as_of)),
            Audience::Selection(rule) => self.own(task, rule, as_of),
            Audience::Crowd(name) => {
                self.audiences.borrow_mut().bound_at(name, owner_of(task), as_of, self.job(as_of))
            }
        };
        bound.map(resolved).map_err(first)
    }

    fn crowd(&self, name: &str, as_of: Timestamp) -> Outcome<RoaringBitmap> {
        let (_, users) = self.audiences.borrow().users_at(name, as_of)?;
        Ok(users & self.snapshot.universe())
    }
}

fn resolved(bound: BoundVersion) -> Resolved {
    Resolved {
        users: bound.users,
        as_of: Some(bound.version.as_of),
        data_version: bound.version.data_version,
        crowd_version: Some(format!("{}@{}", bound.crowd, bound.version.no)),
    }
}

/// The owner that a task is to its audience.
pub fn owner_of(task: &Task) -> Owner<'_> {
    Owner { id: &task.id, name: &task.file.name, created_at: task.created_at }
}

/// Is a task's own audience listed as a crowd? By the task's word, else by that of the settings.
pub fn is_listed(task: &Task, is_sync_default: bool) -> bool {
    task.file.sync.unwrap_or(is_sync_default)
}

/// How a task's own audience is made anew: on demand when its run asks for that, else as it says.
pub fn update_of(task: &Task) -> crate::audience::Update {
    match task.file.update {
        _ if task.file.trigger.refreshes_before() => crate::audience::Update::OnDemand,
        crate::task::Update::Once => crate::audience::Update::Once,
        crate::task::Update::Daily => crate::audience::Update::Daily,
        crate::task::Update::OnDemand => crate::audience::Update::OnDemand,
    }
}

/// One problem where several were found; its words tell the others.
fn first(problems: Problems) -> Problem {
    let more: Vec<String> = problems.0.iter().skip(1).map(|p| format!("{}: {}", p.code, p.what)).collect();
    match problems.0.into_iter().next() {
        Some(problem) if more.is_empty() => problem,
        Some(problem) => Problem { what: format!("{}; {}", problem.what, more.join("; ")), ..problem },
        None => Problem::bug("a failure without a problem"),
    }
}

/// Who users are, read from one snapshot.
pub struct People<'a>(pub &'a Snapshot);

impl Directory for People<'_> {
    fn user_id(&self, user: UserNo) -> Option<&str> {
        self.0.universe().contains(user).then(|| self.0.ids().text(user))
    }

    fn user_no(&self, user_id: &str) -> Option<UserNo> {
        self.0.find(user_id)
    }

    fn known(&self, users: &RoaringBitmap) -> RoaringBitmap {
        users & self.0.universe()
    }

    fn is_attribute(&self, name: &str) -> bool {
        let catalog = self.0.catalog();
        [name, catalog.resolve(name)].iter().any(|name| catalog.attribute(name).is_some())
    }

    fn fields(&self, users: &[UserNo], names: &[String]) -> Outcome<Vec<Vec<Option<String>>>> {
        fields(self.0, users, names)
    }
}

impl Session<'_> {
    /// The senders that quanke.toml sets up, and those that need no set-up.
    /// Errors: SND-001 for every wrong setting at once.
    pub fn senders(&self) -> Result<Senders, Problems> {
        let policies = self.policies()?;
        let world = crate::sender::World {
            outbox: &self.home.dir().join("outbox"),
            clock: self.clock,
            secret: &|name| (self.variable)(name),
            faults: self.faults.clone(),
            policies: &policies,
        };
        crate::sender::build(&self.settings.senders, &world)
    }
}
