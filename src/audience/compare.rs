//! How do versions of crowds compare? Between two of one crowd, over all of one, and crowd by crowd.

use super::crowds::{Audiences, versionless};
use super::moved::Moved;
use super::overlap::{Member, Overlap};
use super::version::{CrowdVersion, State};
use crate::base::{Outcome, Problem, Problems, Timestamp, Zone};
use crate::store::Snapshot;

/// Which version of a crowd is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// By its number.
    No(u32),
    /// The newest complete one with as-of not later than this.
    At(Timestamp),
}

/// Who entered and who left between two versions.
#[derive(Debug, Clone)]
pub struct Diff {
    pub from: CrowdVersion,
    pub to: CrowdVersion,
    pub moved: Moved,
}

/// A version beside the complete one before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub version: CrowdVersion,
    /// Users that it has and the one before has not; all of the first.
    pub entered: u64,
    /// Users that the one before has and it has not.
    pub left: u64,
}

impl Audiences {
    /// Who entered and who left: to the newest complete version from the one before, or between
    /// those asked for. `zone` is for the words of problems.
    /// Errors: CRD-002 unknown, CRD-007 no version, CRD-010 no such version, CRD-011 damaged.
    pub fn diff(&self, name: &str, from: Option<Which>, to: Option<Which>, zone: &Zone) -> Outcome<Diff> {
        let to = to.map(|which| self.number(name, which, zone)).transpose()?;
        let (to, after) = self.users(name, to)?;
        let from = match from {
            Some(which) => self.number(name, which, zone)?,
            None => self.version_before(name, to.no)?,
        };
        let (from, before) = self.users(name, Some(from))?;
        Ok(Diff { from, to, moved: Moved::between(&before, &after) })
    }

    /// The complete versions of a crowd, oldest first, each beside the one before.
    /// Errors: CRD-002 unknown, CRD-007 no complete version, CRD-011 damaged.
    pub fn history(&self, name: &str) -> Outcome<Vec<Step>> {
        let crowd = self.find(name)?;
        let versions = self.registry.versions(crowd.no)?;
        let mut before = roaring::RoaringBitmap::new();
        let mut steps = vec![];
        for version in versions.into_iter().filter(|version| version.state == State::Complete) {
            let users = self.registry.files.read(crowd.no, version.no, &version.checksum)?;
            let both = users.intersection_len(&before);
            steps.push(Step { entered: users.len() - both, left: before.len() - both, version });
            before = users;
        }
        if steps.is_empty() { Err(versionless(name)) } else { Ok(steps) }
    }

    /// How the newest complete versions of crowds overlap, users deleted since left out: of the
    /// crowds named (each once), or of all that are listed and have a version.
    /// Errors: all at once: CRD-002 unknown, CRD-007 no version, CRD-011 damaged; CRD-013 too many.
    pub fn overlap(&self, names: Option<&[String]>, snapshot: &Snapshot) -> Result<Overlap, Problems> {
        let names = match names {
            Some(names) => each_once(names),
            None => self.comparable()?,
        };
        Overlap::refuse(names.len())?;
        let mut problems = Problems::default();
        let mut members = vec![];
        for name in names {
            match self.users(&name, None) {
                Ok((version, users)) => {
                    members.push(Member { name, version: Some(version), users: users & snapshot.universe() })
                }
                Err(problem) => problems.push(problem),
            }
        }
        Ok(Overlap::new(problems.or(members)?))
    }

    /// The listed crowds that have a complete version.
    fn comparable(&self) -> Outcome<Vec<String>> {
        let mut names = vec![];
        for crowd in self.registry.all()?.into_iter().filter(|crowd| crowd.is_listed) {
            let versions = self.registry.versions(crowd.no)?;
            if versions.iter().any(|version| version.state == State::Complete) {
                names.push(crowd.name);
            }
        }
        Ok(names)
    }

    fn number(&self, name: &str, which: Which, zone: &Zone) -> Outcome<u32> {
        let at = match which {
            Which::No(no) => return Ok(no),
            Which::At(at) => at,
        };
        let versions = self.registry.versions(self.find(name)?.no)?;
        let complete = || versions.iter().filter(|version| version.state == State::Complete);
        let seen = complete().filter(|version| version.as_of <= at).max_by_key(|v| (v.as_of, v.no));
        let oldest = complete().map(|version| version.as_of).min();
        match (seen, oldest) {
            (Some(version), _) => Ok(version.no),
            (None, None) => Err(versionless(name)),
            (None, Some(oldest)) => Err(not_yet(name, at, oldest, zone)),
        }
    }

    fn version_before(&self, name: &str, no: u32) -> Outcome<u32> {
        let versions = self.registry.versions(self.find(name)?.no)?;
        let before = versions.iter().rev().find(|v| v.state == State::Complete && v.no < no);
        before.map(|v| v.no).ok_or_else(|| {
            Problem::author("CRD-010", format!("crowd '{name}' has no complete version before {no}"))
                .at(format!("crowd '{name}'"))
                .cure("there is nothing to compare with until the next version is made")
        })
    }
}

fn not_yet(name: &str, at: Timestamp, oldest: Timestamp, zone: &Zone) -> Problem {
    let (at, oldest) = (zone.text(at), zone.text(oldest));
    let what = format!("crowd '{name}' has no complete version as of {at}; its oldest is of {oldest}");
    let cure = "name a later instant, or the number of a version";
    Problem::author("CRD-010", what).at(format!("crowd '{name}'")).cure(cure)
}

fn each_once(names: &[String]) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    names.iter().filter(|name| seen.insert(name.as_str())).cloned().collect()
}
