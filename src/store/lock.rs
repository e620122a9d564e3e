//! May we write? One process at a time writes data, one makes an app's crowds; the lock says who has it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::base::{Environment, Outcome, Problem};

use super::disk::trouble;
use super::home::Home;

const NAME: &str = "lock";
/// Below the app's folder; beside the crowds' own folders, which are numbers.
const CROWDS: &str = "crowds";
/// More than this is not read of the holder's name.
const HOLDER_BYTES: u64 = 1_000;

/// Takes the writer's lock of a home; it is given back when the file is closed, even by a kill.
/// Errors: OUT-010 with the name of the process that has it.
pub(super) fn take(root: &Path, process: &str) -> Outcome<File> {
    take_in(root, process, "writing to this home")
}

/// The right to make and delete versions of an app's crowds; given back when it is dropped, even
/// by a kill.
#[derive(Debug)]
pub struct CrowdLock {
    _file: File,
}

impl Home {
    /// Takes the crowd lock of the app: one process at a time makes crowds. Whoever also needs
    /// the [`writer`](Home::writer) takes that one first.
    /// Errors: OUT-010 with the name of the process that has it, OUT-001.
    pub fn crowd_lock(&self, env: &Environment) -> Outcome<CrowdLock> {
        let file = take_in(&self.dir().join(CROWDS), &env.process, "making crowds in this home")?;
        Ok(CrowdLock { _file: file })
    }
}

/// Takes the file `lock` in a folder; `doing` is what its holder does.
fn take_in(folder: &Path, process: &str, doing: &str) -> Outcome<File> {
    let path = folder.join(NAME);
    std::fs::create_dir_all(folder).map_err(|error| trouble(folder, error))?;
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(|error| trouble(&path, error))?;
    match file.try_lock() {
        Ok(()) => {
            let noted = file
                .set_len(0)
                .and_then(|()| file.rewind())
                .and_then(|()| file.write_all(process.as_bytes()));
            noted.map_err(|error| trouble(&path, error))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(is_held(&path, &file, doing)),
        Err(TryLockError::Error(error)) => Err(trouble(&path, error)),
    }
}

fn is_held(path: &Path, file: &File, doing: &str) -> Problem {
    let mut holder = String::new();
    // The name is a courtesy: a lock without one is still a lock.
    let _ = file.take(HOLDER_BYTES).read_to_string(&mut holder);
    let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
    Problem::outside("OUT-010", format!("{holder} is {doing}"))
        .at(path.display().to_string())
        .cure("wait until it is done, or stop it, then run the command again; reading is possible meanwhile")
}
