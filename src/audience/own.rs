//! Which users does a task reach? Its own audience, or a crowd's version by the rules of
//! semantics 3.
//!
//! A task's own audience is a crowd that the task owns, named `<task name>+<task id>`; it is
//! listed for others only when the task's owner wants that. So one set of rules serves both.

use roaring::RoaringBitmap;

use super::crowds::{Audiences, Creation, Job, refuse_use, versionless};
use super::guard;
use super::registry::{Crowd, Update};
use super::rules::users_of;
use super::version::{CrowdVersion, State, resolve};
use crate::base::{Outcome, Problems, Timestamp};

/// The owner of an audience, and when it was made.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'t> {
    /// The task's id.
    pub id: &'t str,
    /// The task's name.
    pub name: &'t str,
    /// When the task was made: what is not refreshed for a run stays as it was then.
    pub created_at: Timestamp,
}

/// A crowd's version that a task is bound to.
#[derive(Debug, Clone)]
pub struct BoundVersion {
    pub crowd: String,
    pub version: CrowdVersion,
    /// Users in it who are still in the universe.
    pub users: RoaringBitmap,
}

impl Audiences {
    /// Has the task an audience of its own, made by this very rule in this rhythm?
    pub fn is_own(&self, owner: Owner, rule: &str, update: Update) -> Outcome<bool> {
        let found = self.owned(owner.id)?;
        Ok(found.is_some_and(|crowd| {
            let is_named = crowd.name == name_of(owner);
            is_named && crowd.update == update && crowd.rule.as_deref() == Some(rule.trim())
        }))
    }

    /// Makes a task's own audience from its selection, and the first version as of `as_of`; an
    /// audience that the task had before goes, but not the files of its versions, which runs may have used.
    /// Errors: all mistakes of the selection, CRD-003 when a person took the name.
    pub fn own(
        &mut self,
        owner: Owner,
        rule: &str,
        update: Update,
        is_listed: bool,
        as_of: Timestamp,
        job: Job,
    ) -> Result<CrowdVersion, Problems> {
        if let Some(old) = self.owned(owner.id)? {
            let kept = self.registry.versions(old.no)?.iter().map(|version| version.no).collect();
            self.delete(&old.name, &[], &kept, job.now)?;
        }
        let name = name_of(owner);
        let creation = Creation {
            name: &name,
            rule,
            update: Some(update),
            as_of,
            owner: Some(owner.id),
            is_listed,
            is_redefined: false,
            guard: None,
        };
        Ok(self.create(&creation, job)?.version)
    }

    /// Refuses what would take a task's own audience, which others use, away from them: another name, rule or
    /// rhythm, or that it is listed no longer. `tasks` names the other tasks that use it.
    /// Errors: CRD-006 naming who uses it.
    pub fn keep_shared(
        &self,
        owner: Owner,
        rule: Option<(&str, Update)>,
        is_listed: bool,
        tasks: &[String],
    ) -> Outcome<()> {
        let Some(crowd) = self.owned(owner.id)?.filter(|crowd| crowd.is_listed) else { return Ok(()) };
        let stays = rule.map(|(rule, update)| self.is_own(owner, rule, update)).transpose()?;
        if stays == Some(true) && is_listed {
            return Ok(());
        }
        refuse_use(&crowd.name, &users_of(&self.registry.graph()?, &crowd.name), tasks)
    }

    /// The name of a task's own audience, if it has one.
    pub fn name_of_own(&self, id: &str) -> Outcome<Option<String>> {
        Ok(self.owned(id)?.map(|crowd| crowd.name))
    }

    /// From now on a task's own audience is seen by selections and in lists, or not.
    pub fn list_own(&mut self, owner: Owner, is_listed: bool) -> Outcome<()> {
        match self.owned(owner.id)? {
            Some(crowd) if crowd.is_listed != is_listed => {
                self.registry.change(|change| change.set_listed(crowd.no, is_listed))
            }
            _ => Ok(()),
        }
    }

    /// The version of a task's own audience for a run as of `as_of`; nothing when it has none yet.
    /// Errors: CRD-011 damaged.
    pub fn own_at(
        &mut self,
        owner: Owner,
        as_of: Timestamp,
        job: Job,
    ) -> Result<Option<BoundVersion>, Problems> {
        match self.owned(owner.id)? {
            Some(crowd) => self.bound(crowd, owner, as_of, job).map(Some),
            None => Ok(None),
        }
    }

    /// The version of a crowd for a run as of `as_of` of a task (semantics 3): of a one-off and an
    /// upload what is there; of a daily crowd the newest; of an on-demand crowd the one that was there when the task was made.
    /// Errors: CRD-002 unknown, CRD-007 no version, CRD-011 damaged.
    pub fn bound_at(
        &mut self,
        name: &str,
        owner: Owner,
        as_of: Timestamp,
        job: Job,
    ) -> Result<BoundVersion, Problems> {
        let crowd = self.find(name)?;
        self.bound(crowd, owner, as_of, job)
    }

    /// A new version for a run, of the task's own audience or of the crowd `name`. A crowd that is
    /// not on demand keeps its own rhythm: the task gets what [`bound_at`](Audiences::bound_at) says.
    /// Errors: CRD-002 unknown, CRD-021 its size jumped and it is held, mistakes of the selection.
    pub fn refreshed_at(
        &mut self,
        name: Option<&str>,
        owner: Owner,
        as_of: Timestamp,
        job: Job,
    ) -> Result<Option<BoundVersion>, Problems> {
        let crowd = match name {
            Some(name) => Some(self.find(name)?),
            None => self.owned(owner.id)?,
        };
        match crowd {
            Some(crowd) if crowd.update == Update::OnDemand => {
                let made = self.refresh(&crowd.name, as_of, job)?;
                if made.version.state == State::Held {
                    return Err(guard::is_held(&made).into());
                }
                Ok(Some(self.with_users(&crowd, &made.version, job)?))
            }
            Some(crowd) => self.bound(crowd, owner, as_of, job).map(Some),
            None => Ok(None),
        }
    }

    fn bound(
        &mut self,
        crowd: Crowd,
        owner: Owner,
        as_of: Timestamp,
        job: Job,
    ) -> Result<BoundVersion, Problems> {
        let versions = self.registry.versions(crowd.no)?;
        let chosen = match crowd.update {
            Update::OnDemand => as_made(&versions, owner.created_at).or_else(|| seen(&versions, as_of)),
            _ => seen(&versions, as_of),
        };
        let version = chosen.ok_or_else(|| versionless(&crowd.name))?.clone();
        Ok(self.with_users(&crowd, &version, job)?)
    }

    fn with_users(&self, crowd: &Crowd, version: &CrowdVersion, job: Job) -> Outcome<BoundVersion> {
        let users =
            self.registry.files.read(crowd.no, version.no, &version.checksum)? & job.snapshot.universe();
        Ok(BoundVersion { crowd: crowd.name.clone(), version: version.clone(), users })
    }

    fn owned(&self, id: &str) -> Outcome<Option<Crowd>> {
        Ok(self.registry.all()?.into_iter().find(|crowd| crowd.owner.as_deref() == Some(id)))
    }
}

fn name_of(owner: Owner) -> String {
    format!("{}+{}", owner.name, owner.id)
}

fn seen(versions: &[CrowdVersion], as_of: Timestamp) -> Option<&CrowdVersion> {
    resolve(versions, as_of).map(|(version, _)| version)
}

/// The newest complete version that was there at `at`.
fn as_made(versions: &[CrowdVersion], at: Timestamp) -> Option<&CrowdVersion> {
    versions.iter().rev().find(|v| v.state == State::Complete && v.made_at <= at)
}
