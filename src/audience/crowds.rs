//! The life of crowds: made, refreshed, uploaded, compared, deleted.

use std::collections::BTreeSet;

use roaring::RoaringBitmap;

use super::files::{Files, Mark};
use super::guard::Guard;
use super::registry::{Change, Crowd, Registry, STEPS, Update, taken, uses_of};
use super::rules::{name_problem, refuse_cycle, users_of};
use super::version::{CrowdVersion, State};
use crate::base::{Outcome, Pace, Problem, Problems, Timestamp};
use crate::select::ast::Selection;
use crate::store::{Home, Snapshot, migrate};

/// A daily crowd whose newest version is older than this is stale: two days, since a version may
/// be a day old when the next is due, and its as-of is the midnight before it was made.
const DAILY_FRESH_MS: i64 = 2 * 86_400_000;
/// Near names told when a crowd is not found.
const NEAR_MAX: usize = 3;

/// The audiences of one app: its crowds, and any selection asked over its data.
pub struct Audiences {
    pub(super) registry: Registry,
    /// Guards the crowds that have none of their own.
    pub(super) guard: Option<Guard>,
}

/// A crowd to be made from a selection.
#[derive(Debug, Clone)]
pub struct Creation<'c> {
    pub name: &'c str,
    /// The selection's text.
    pub rule: &'c str,
    /// Left out: on demand; when redefined: as it was.
    pub update: Option<Update>,
    pub as_of: Timestamp,
    /// The task whose own audience this is.
    pub owner: Option<&'c str>,
    /// Is it seen by selections and in lists?
    pub is_listed: bool,
    /// Give a crowd that exists a new selection.
    pub is_redefined: bool,
    /// A guard of its own; left out: none, when redefined as it was.
    pub guard: Option<Guard>,
}

/// When a job runs, over which data, and who watches it.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    pub snapshot: &'a Snapshot,
    pub now: Timestamp,
    pub pace: &'a dyn Pace,
}

/// A version just made.
#[derive(Debug, Clone)]
pub struct Made {
    pub crowd: String,
    pub version: CrowdVersion,
    /// Users more than in the newest version before; nothing for the first.
    pub change: Option<i64>,
    pub warnings: Vec<Problem>,
}

/// A crowd and how it stands.
#[derive(Debug, Clone)]
pub struct Overview {
    pub crowd: Crowd,
    /// In every state, oldest first.
    pub versions: Vec<CrowdVersion>,
    /// Its last attempt failed, or a daily one has not been made anew for two days.
    pub is_stale: bool,
}

impl Overview {
    /// The newest complete version.
    pub fn newest(&self) -> Option<&CrowdVersion> {
        newest(&self.versions)
    }

    /// The version that waits for a person, if there is one.
    pub fn held(&self) -> Option<&CrowdVersion> {
        self.versions.iter().rev().find(|version| version.state == State::Held)
    }

    /// Why it is stale, or what is held; nothing where all is well.
    pub fn why(&self) -> Option<String> {
        let held = self.held().map(|version| format!("version {}: {}", version.no, version.cause));
        let failed = self.versions.last().filter(|v| matches!(v.state, State::Failed | State::Cancelled));
        let old = "no new version for two days".to_string();
        held.or_else(|| failed.map(|v| v.cause.clone())).or_else(|| self.is_stale.then_some(old))
    }

    /// Users more in the newest complete version than in the one before.
    pub fn change(&self) -> Option<i64> {
        let mut complete = self.versions.iter().rev().filter(|v| v.state == State::Complete);
        let (last, before) = (complete.next()?, complete.next()?);
        Some(last.size as i64 - before.size as i64)
    }
}

impl Audiences {
    /// The audiences of the app that `home` is.
    /// Errors: OUT-011 when meta.db cannot be used.
    pub fn open(home: &Home) -> Outcome<Audiences> {
        let mut connection = home.meta()?;
        migrate(&mut connection, "audience", STEPS)?;
        Ok(Audiences { registry: Registry::new(connection, Files::below(home.dir())), guard: None })
    }

    /// Saves a selection as a crowd and makes a version at once; if that fails nothing is saved.
    /// Errors: CRD-001 name, CRD-003 taken, CRD-004 one-off, CRD-005 cycle, CRD-009 upload, all
    /// mistakes of the selection.
    pub fn create(&mut self, creation: &Creation, job: Job) -> Result<Made, Problems> {
        let name = creation.name;
        if let (Some(problem), None) = (name_problem(name), creation.owner) {
            return Err(problem.into());
        }
        let old = self.registry.find(name)?;
        check_redefinition(old.as_ref(), creation)?;
        let uses = uses_of(creation.rule);
        refuse_cycle(&self.registry.graph()?, name, &uses)?;
        let (selection, _) = self.prepare_text(creation.rule, creation.as_of, job.snapshot)?;
        let (draft, users, warnings) = self.compute(&selection, creation.as_of, job)?;
        let before = old.as_ref().map(|crowd| self.newest_of(crowd)).transpose()?.flatten();
        let version = self.registry.change(|change| {
            refuse_cycle(&change.graph()?, name, &uses)?;
            let crowd = save(change, old.as_ref(), creation, job.now)?;
            let rule_version = change.add_rule(crowd, creation.rule.trim(), job.now)?;
            change.sweep(crowd)?;
            let no = change.next_no(crowd)?;
            change.publish(crowd, CrowdVersion { no, rule_version, ..draft }, &users)
        })?;
        Ok(Made { crowd: name.to_string(), change: grown(&version, before.as_ref()), version, warnings })
    }

    /// Makes a new version from the crowd's selection. If that fails, the failed attempt is kept
    /// with its cause and the newest complete version stays in force; so it does if the size jumps beyond the
    /// crowd's guard: then the version is held.
    /// Errors: CRD-002 unknown, CRD-004 one-off, CRD-009 upload, mistakes of the selection.
    pub fn refresh(&mut self, name: &str, as_of: Timestamp, job: Job) -> Result<Made, Problems> {
        let crowd = self.find(name)?;
        let rule = refreshable(&crowd)?.to_string();
        let before = self.newest_of(&crowd)?;
        let (begun, _mark) = self.begin(&crowd, as_of, job)?;
        let computed = rule.parse::<Selection>().and_then(|selection| self.compute(&selection, as_of, job));
        match computed {
            Ok((draft, users, warnings)) => {
                let draft = CrowdVersion { no: begun.no, rule_version: begun.rule_version, ..draft };
                let draft = self.watched(&crowd, before.as_ref(), draft, users.len());
                let version = self.registry.change(|change| change.publish(crowd.no, draft, &users))?;
                Ok(Made { crowd: crowd.name, change: grown(&version, before.as_ref()), version, warnings })
            }
            Err(problems) => {
                let cause = problems
                    .0
                    .iter()
                    .map(|p| format!("{}: {}", p.code, p.what))
                    .collect::<Vec<_>>()
                    .join("; ");
                let failed = CrowdVersion { state: State::Failed, cause, ..begun };
                self.registry.change(|change| change.put_version(crowd.no, &failed))?;
                Err(problems)
            }
        }
    }

    /// Makes `users` the crowd's new version, or adds them to its newest with `is_append`; makes
    /// the crowd if there is none.
    /// Errors: CRD-001 name, CRD-009 when the crowd is made by a selection.
    pub fn import(
        &mut self,
        name: &str,
        mut users: RoaringBitmap,
        is_append: bool,
        job: Job,
    ) -> Outcome<Made> {
        if let Some(problem) = name_problem(name) {
            return Err(problem);
        }
        let old = self.uploadable(name)?;
        let before = old.as_ref().map(|crowd| self.newest_of(crowd)).transpose()?.flatten();
        if let (true, Some(crowd), Some(version)) = (is_append, &old, &before) {
            users |= self.registry.files.read(crowd.no, version.no, &version.checksum)?;
        }
        let draft = draft(job.now, job);
        let version = self.registry.change(|change| {
            let crowd = match &old {
                Some(crowd) => crowd.no,
                None => change.add_crowd(name, Update::Upload, None, true, job.now)?,
            };
            change.sweep(crowd)?;
            let no = change.next_no(crowd)?;
            change.publish(crowd, CrowdVersion { no, ..draft }, &users)
        })?;
        Ok(Made {
            crowd: name.to_string(),
            change: grown(&version, before.as_ref()),
            version,
            warnings: vec![],
        })
    }

    /// May an upload go into the crowd of this name? The crowd, if it exists.
    /// Errors: CRD-001 name, CRD-009 when the crowd is made by a selection.
    pub fn uploadable(&self, name: &str) -> Outcome<Option<Crowd>> {
        if let Some(problem) = name_problem(name) {
            return Err(problem);
        }
        let old = self.registry.find(name)?;
        match old {
            Some(crowd) if crowd.update != Update::Upload => {
                let what = format!("crowd '{name}' is made by its selection, not by uploads");
                Err(Problem::author("CRD-009", what)
                    .at(format!("crowd '{name}'"))
                    .cure("upload under another name"))
            }
            old => Ok(old),
        }
    }

    /// Deletes a crowd. `tasks` names the tasks that are not ended and use it; the versions in
    /// `kept` belong to reports, so their files stay.
    /// Errors: CRD-002 unknown, CRD-006 in use, naming who uses it.
    pub fn delete(
        &mut self,
        name: &str,
        tasks: &[String],
        kept: &BTreeSet<u32>,
        now: Timestamp,
    ) -> Outcome<()> {
        let crowd = self.find(name)?;
        self.registry.change(|change| {
            refuse_use(name, &users_of(&change.graph()?, name), tasks)?;
            change.delete(crowd.no, now)
        })?;
        self.registry.files.sweep(crowd.no, |no| kept.contains(&no))
    }

    /// The crowds that are listed, by name.
    pub fn list(&self, now: Timestamp) -> Outcome<Vec<Overview>> {
        let listed = self.registry.all()?.into_iter().filter(|crowd| crowd.is_listed);
        listed.map(|crowd| self.overview(crowd, now)).collect()
    }

    /// One crowd with all its versions.
    /// Errors: CRD-002 unknown.
    pub fn show(&self, name: &str, now: Timestamp) -> Outcome<Overview> {
        self.overview(self.find(name)?, now)
    }

    /// A version's users: the newest complete one, or the one asked for, which may be one that is held.
    /// Errors: CRD-002 unknown, CRD-007 no version, CRD-010 no such version, CRD-011 damaged.
    pub fn users(&self, name: &str, no: Option<u32>) -> Outcome<(CrowdVersion, RoaringBitmap)> {
        let crowd = self.find(name)?;
        let versions = self.registry.versions(crowd.no)?;
        let version = match no {
            Some(no) => complete(&versions, no, name)?,
            None => newest(&versions).ok_or_else(|| versionless(name))?,
        };
        Ok((version.clone(), self.registry.files.read(crowd.no, version.no, &version.checksum)?))
    }

    /// A version's users as an evaluation at `as_of` sees them (semantics 1.2).
    /// Errors: CRD-002 unknown, CRD-007 no version, CRD-011 damaged.
    pub fn users_at(&self, name: &str, as_of: Timestamp) -> Outcome<(CrowdVersion, RoaringBitmap)> {
        let crowd = self.find(name)?;
        let versions = self.registry.versions(crowd.no)?;
        let (version, _) = super::version::resolve(&versions, as_of).ok_or_else(|| versionless(name))?;
        Ok((version.clone(), self.registry.files.read(crowd.no, version.no, &version.checksum)?))
    }

    pub(super) fn overview(&self, crowd: Crowd, now: Timestamp) -> Outcome<Overview> {
        let versions = self.registry.versions(crowd.no)?;
        let is_stale = is_stale(&crowd, &versions, now);
        Ok(Overview { crowd, versions, is_stale })
    }

    pub(super) fn find(&self, name: &str) -> Outcome<Crowd> {
        match self.registry.find(name)? {
            Some(crowd) => Ok(crowd),
            None => Err(self.unknown(name)?),
        }
    }

    fn unknown(&self, name: &str) -> Outcome<Problem> {
        let mut near: Vec<(usize, String)> = self
            .registry
            .all()?
            .into_iter()
            .filter(|c| c.is_listed)
            .map(|c| (strsim::damerau_levenshtein(&c.name, name), c.name))
            .collect();
        near.sort();
        let names: Vec<String> =
            near.into_iter().take(NEAR_MAX).map(|(_, name)| format!("'{name}'")).collect();
        let known = if names.is_empty() {
            "there are none yet".to_string()
        } else {
            format!("there is {}", names.join(", "))
        };
        let cure = "see them all with `quanke crowd list`";
        Ok(Problem::author("CRD-002", format!("no crowd '{name}'; {known}"))
            .at(format!("crowd '{name}'"))
            .cure(cure))
    }

    pub(super) fn newest_of(&self, crowd: &Crowd) -> Outcome<Option<CrowdVersion>> {
        Ok(newest(&self.registry.versions(crowd.no)?).cloned())
    }

    /// Makes the row of a version that is being computed, and the mark that its maker lives.
    fn begin(&mut self, crowd: &Crowd, as_of: Timestamp, job: Job) -> Outcome<(CrowdVersion, Mark)> {
        self.registry.change(|change| {
            change.sweep(crowd.no)?;
            let no = change.next_no(crowd.no)?;
            let mark = change.files.mark(crowd.no, no)?;
            let version = CrowdVersion { no, rule_version: crowd.rule_version, ..draft(as_of, job) };
            change.put_version(crowd.no, &version)?;
            Ok((version, mark))
        })
    }

    /// The same version, held if its size jumps beyond the crowd's guard.
    fn watched(
        &self,
        crowd: &Crowd,
        before: Option<&CrowdVersion>,
        draft: CrowdVersion,
        size: u64,
    ) -> CrowdVersion {
        match crowd.guard.or(self.guard).zip(before) {
            Some((guard, before)) if !guard.allows(before.size, size) => {
                CrowdVersion { state: State::Held, cause: guard.cause(before.size, size), ..draft }
            }
            _ => draft,
        }
    }

    fn compute(
        &self,
        selection: &Selection,
        as_of: Timestamp,
        job: Job,
    ) -> Result<(CrowdVersion, RoaringBitmap, Vec<Problem>), Problems> {
        let began = job.pace.seconds();
        let found = self.evaluate(selection, as_of, job.snapshot)?;
        let duration_ms = ((job.pace.seconds() - began) * 1e3).round().max(0.0) as u64;
        let draft = CrowdVersion {
            duration_ms,
            uses: found.uses,
            data_version: found.data_version,
            ..draft(as_of, job)
        };
        Ok((draft, found.answer.users, found.warnings))
    }
}

/// A version of which only the beginning is known.
fn draft(as_of: Timestamp, job: Job) -> CrowdVersion {
    CrowdVersion {
        no: 0,
        as_of,
        made_at: job.now,
        rule_version: 0,
        size: 0,
        duration_ms: 0,
        data_version: job.snapshot.version(),
        state: State::Computing,
        file: String::new(),
        cause: String::new(),
        uses: Default::default(),
        checksum: String::new(),
    }
}

fn save(change: &Change, old: Option<&Crowd>, creation: &Creation, now: Timestamp) -> Outcome<u32> {
    let crowd = match (old, creation.update) {
        (Some(crowd), Some(update)) => change.set_update(crowd.no, update).map(|()| crowd.no)?,
        (Some(crowd), None) => crowd.no,
        (None, update) => {
            let update = update.unwrap_or(Update::OnDemand);
            change.add_crowd(creation.name, update, creation.owner, creation.is_listed, now)?
        }
    };
    if creation.guard.is_some() {
        change.set_guard(crowd, creation.guard)?;
    }
    Ok(crowd)
}

fn check_redefinition(old: Option<&Crowd>, creation: &Creation) -> Outcome<()> {
    match old {
        Some(_) if !creation.is_redefined => Err(taken(creation.name)),
        Some(crowd) => refreshable(crowd).map(drop),
        None => Ok(()),
    }
}

/// The rule of a crowd that may have another version made from it.
fn refreshable(crowd: &Crowd) -> Outcome<&str> {
    let at = format!("crowd '{}'", crowd.name);
    match (&crowd.rule, crowd.update) {
        (Some(_), Update::Once) => {
            let what = format!("crowd '{}' is a one-off: its first version is fixed for ever", crowd.name);
            let cure = "create another crowd with this selection, or with `--update on_demand`";
            Err(Problem::author("CRD-004", what).at(at).cure(cure))
        }
        (Some(rule), _) => Ok(rule),
        (None, _) => {
            let what = format!("crowd '{}' was uploaded, so it has no selection", crowd.name);
            Err(Problem::author("CRD-009", what)
                .at(at)
                .cure("upload its next version with `quanke crowd import`"))
        }
    }
}

pub(super) fn refuse_use(name: &str, crowds: &[String], tasks: &[String]) -> Outcome<()> {
    if crowds.is_empty() && tasks.is_empty() {
        return Ok(());
    }
    let named =
        |kind: &str, names: &[String]| names.iter().map(|n| format!("{kind} '{n}'")).collect::<Vec<_>>();
    let who = [named("crowd", crowds), named("task", tasks)].concat().join(", ");
    let cure = "change or delete what uses it first";
    Err(Problem::author("CRD-006", format!("crowd '{name}' is used by {who}"))
        .at(format!("crowd '{name}'"))
        .cure(cure))
}

fn newest(versions: &[CrowdVersion]) -> Option<&CrowdVersion> {
    versions.iter().rev().find(|v| v.state == State::Complete)
}

fn complete<'v>(versions: &'v [CrowdVersion], no: u32, name: &str) -> Outcome<&'v CrowdVersion> {
    let found = versions.iter().find(|v| v.no == no);
    let what = match found {
        Some(version) if matches!(version.state, State::Complete | State::Held) => return Ok(version),
        Some(version) => format!("version {no} of crowd '{name}' is {}, not complete", version.state.word()),
        None => format!("crowd '{name}' has no version {no}"),
    };
    let known: Vec<String> =
        versions.iter().filter(|v| v.state == State::Complete).map(|v| v.no.to_string()).collect();
    let cure = format!("its complete versions are {}", known.join(", "));
    Err(Problem::author("CRD-010", what).at(format!("crowd '{name}'")).cure(cure))
}

/// CRD-007.
pub(super) fn versionless(name: &str) -> Problem {
    Problem::author("CRD-007", format!("crowd '{name}' has no complete version"))
        .at(format!("crowd '{name}'"))
        .cure(format!("make one with `quanke crowd refresh '{name}'`"))
}

fn grown(version: &CrowdVersion, before: Option<&CrowdVersion>) -> Option<i64> {
    before.map(|before| version.size as i64 - before.size as i64)
}

fn is_stale(crowd: &Crowd, versions: &[CrowdVersion], now: Timestamp) -> bool {
    let has_failed = versions.last().is_some_and(|v| matches!(v.state, State::Failed | State::Cancelled));
    let is_old = |v: &CrowdVersion| now.0.saturating_sub(v.as_of.0) > DAILY_FRESH_MS;
    has_failed || (crowd.update == Update::Daily && newest(versions).is_some_and(is_old))
}
