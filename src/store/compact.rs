//! Are the files of a home whole, and can what is not be made again?
//!
//! Users, keys, events and detail rows are told once and are in no other file. Roll-ups, bitmaps of
//! values and indexes follow from them: a lost or damaged one is made again ([`super::rebuild`]), bit
//! for bit, and indexes of several runs become one. Flow: look at every file → refuse if one is
//! damaged that cannot be made again → new files → one new manifest, whose rename is the commit → look
//! at every file of the new version.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use crate::base::{Environment, Outcome, Pace, Problem, Problems};

use super::disk::{Disk, Fuse, Part, is_derived, verify_part};
use super::home::Home;
use super::lock;
use super::manifest::{self, Manifest};
use super::rebuild::Rebuild;
use super::snapshot::Verified;
use super::sweep::sweep;
use super::writer::sync_folders;

/// What [`Home::compact`] has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compacted {
    /// The files looked at before anything was done.
    pub looked: Verified,
    /// The files that were made again.
    pub rebuilt: Vec<Rebuilt>,
    /// Runs of indexes that were joined.
    pub joined_runs: usize,
    /// Bytes of the version's files that were there.
    pub bytes_before: u64,
    /// Bytes of the files of the version that is current now.
    pub bytes_after: u64,
    /// The data version now; the one before when there was nothing to do.
    pub version: u64,
}

/// A file that was made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The damaged file, inside the app's folder.
    pub file: String,
    /// What was found there.
    pub what: String,
}

/// What was found at the files that are not as they were written, by name.
pub(super) type Damage = BTreeMap<String, Problem>;

impl Home {
    /// Reads every file of the newest version whole and compares it with the sum it was written
    /// with; takes no lock of the writer. An empty home has no files.
    /// Errors: one STO-002 for each file that differs, STO-003 for a home of a newer program.
    pub fn check(&self, pace: &dyn Pace) -> Result<Verified, Problems> {
        // Held until the end, so that no file is removed while it is looked at.
        let Some((manifest, _held)) = manifest::current(self.dir())? else {
            return Ok(Verified { files: 0, bytes: 0 });
        };
        let damage = look(self.dir(), &manifest, pace)?;
        Problems(damage.into_values().collect()).or(size_of(&manifest))
    }

    /// Makes lost and damaged derived files again and joins the runs of indexes, as one new data
    /// version; without anything to do there is none. Ends by looking at every file.
    /// Errors: OUT-010 when another process writes, STO-013 for each damaged file that cannot be
    /// made again (nothing is changed then), STO-002 and STO-003 as [`Home::snapshot`], OUT-001.
    pub fn compact(&self, env: &Environment, pace: &dyn Pace) -> Result<Compacted, Problems> {
        self.compact_on(env, pace, Fuse::default())
    }

    pub(super) fn compact_on(
        &self,
        env: &Environment,
        pace: &dyn Pace,
        fuse: Fuse,
    ) -> Result<Compacted, Problems> {
        let _lock = lock::take(self.root(), &env.process)?;
        // Not held: only the writer removes files, and that is us; the sweep would spare what we hold.
        let Some((old, _)) = manifest::current(self.dir())? else { return Ok(Compacted::nothing()) };
        let disk = Disk { root: self.dir().to_path_buf(), fuse };
        sweep(&disk, &old)?;
        let damage = look(self.dir(), &old, pace)?;
        refuse_lost(&damage)?;
        let bytes_before = old.parts().iter().map(|part| bytes_at(self.dir(), part)).sum();
        let mut rebuild = Rebuild { disk: &disk, new: old.clone(), damage: &damage, joined_runs: 0, pace };
        let is_changed = rebuild.run()?;
        let Rebuild { new, joined_runs, .. } = rebuild;
        if is_changed {
            publish(&disk, &new)?;
            self.snapshot()?;
            Problems(look(self.dir(), &new, pace)?.into_values().collect()).or(())?;
        }
        Ok(Compacted {
            looked: size_of(&old),
            rebuilt: damage.into_iter().map(|(file, found)| Rebuilt { file, what: found.what }).collect(),
            joined_runs,
            bytes_before,
            bytes_after: size_of(&new).bytes,
            version: new.version,
        })
    }
}

impl Compacted {
    fn nothing() -> Compacted {
        let looked = Verified { files: 0, bytes: 0 };
        Compacted { looked, rebuilt: Vec::new(), joined_runs: 0, bytes_before: 0, bytes_after: 0, version: 0 }
    }
}

/// Makes the new manifest current. The version is out with its rename: what cannot be removed after
/// it, the next writer removes.
fn publish(disk: &Disk, new: &Manifest) -> Outcome<()> {
    sync_folders(disk, new)?;
    new.publish(disk)?;
    let _ = sweep(disk, new);
    Ok(())
}

/// Reads every file of a version whole.
/// Errors: only what keeps us from looking at all; what is found at a file is in the map.
fn look(root: &Path, manifest: &Manifest, pace: &dyn Pace) -> Outcome<Damage> {
    let parts = manifest.parts();
    pace.begin("looking at files", Some(size_of(manifest).bytes), "bytes");
    let one = |part: &&Part| {
        let found = verify_part(root, part);
        pace.more(part.bytes);
        found.err().map(|problem| (part.name.clone(), problem))
    };
    let found: Vec<(String, Problem)> = parts.par_iter().filter_map(one).collect();
    pace.end();
    // A file that cannot be opened for another reason than its own may be whole.
    match found.iter().find(|(_, problem)| problem.code != "STO-002") {
        Some((_, problem)) => Err(problem.clone()),
        None => Ok(found.into_iter().collect()),
    }
}

/// One STO-013 for each damaged file from which others follow.
fn refuse_lost(damage: &Damage) -> Result<(), Problems> {
    let lost = damage.iter().filter(|(name, _)| !is_derived(Path::new(name)));
    Problems(lost.map(|(_, found)| not_repairable(found)).collect()).or(())
}

fn not_repairable(found: &Problem) -> Problem {
    let found_there = found.what.trim_start_matches("the file is damaged: ");
    let what = format!(
        "the file holds rows that are in no other file, and it is damaged: {found_there}; nothing was changed"
    );
    Problem::outside("STO-013", what)
        .at(found.at.clone())
        .cure("put this file back from a copy of the home, or ingest again into a new home")
}

fn size_of(manifest: &Manifest) -> Verified {
    let parts = manifest.parts();
    Verified { files: parts.len(), bytes: parts.iter().map(|part| part.bytes).sum() }
}

/// Bytes of a file as it lies there; none if it is lost.
fn bytes_at(root: &Path, part: &Part) -> u64 {
    std::fs::metadata(root.join(&part.name)).map_or(0, |file| file.len())
}
