//! Which files does nobody need? Those that no manifest names which is current or being read.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::base::Outcome;

use super::disk::{Disk, trouble};
use super::manifest::{self, Manifest};

/// The folders in which every file belongs to the store.
pub(super) const FOLDERS: &[&str] = &["ids", "sets", "users", "events", "details", "spill"];

/// Removes manifests that nobody reads any more, the data files that only they named, and what
/// an interrupted load has left behind. Only the writer may do this.
pub(super) fn sweep(disk: &Disk, current: &Manifest) -> Outcome<()> {
    let mut needed = names(current);
    for path in files_in(&disk.path(manifest::FOLDER))? {
        if path == disk.path(&manifest::name_of(current.version)) && current.version > 0 {
            continue;
        }
        match in_use(&path)? {
            Some(manifest) => needed.extend(names(&manifest)),
            None => disk.remove(&path)?,
        }
    }
    for folder in FOLDERS {
        for path in files_in(&disk.path(folder))? {
            let is_needed =
                path.strip_prefix(&disk.root).is_ok_and(|name| needed.contains(&PathBuf::from(name)));
            if !is_needed {
                disk.remove(&path)?;
            }
        }
    }
    disk.remove(&disk.path("CURRENT.tmp"))
}

fn names(manifest: &Manifest) -> HashSet<PathBuf> {
    manifest.parts().into_iter().map(|part| PathBuf::from(&part.name)).collect()
}

/// The manifest, if somebody holds it; nobody can hold one that was never current.
fn in_use(path: &Path) -> Outcome<Option<Manifest>> {
    let file = File::open(path).map_err(|error| trouble(path, error))?;
    if file.try_lock().is_ok() {
        return Ok(None);
    }
    let text = std::fs::read(path).map_err(|error| trouble(path, error))?;
    manifest::parse(path, &text).map(Some)
}

/// All files in a folder and the folders in it; none if it is not there.
fn files_in(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(|error| trouble(&folder, error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| trouble(&folder, error))?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}
