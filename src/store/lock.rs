//! May we write? One process at a time per home; the lock says who has it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::base::{Outcome, Problem};

use super::disk::trouble;

const NAME: &str = "lock";
/// More than this is not read of the holder's name.
const HOLDER_BYTES: u64 = 1_000;

/// Takes the writer's lock of a home; it is given back when the file is closed, even by a kill.
/// Errors: OUT-010 with the name of the process that has it.
pub(super) fn take(root: &Path, process: &str) -> Outcome<File> {
    let path = root.join(NAME);
    std::fs::create_dir_all(root).map_err(|error| trouble(root, error))?;
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
        Err(TryLockError::WouldBlock) => Err(is_held(&path, &file)),
        Err(TryLockError::Error(error)) => Err(trouble(&path, error)),
    }
}

fn is_held(path: &Path, file: &File) -> Problem {
    let mut holder = String::new();
    // The name is a courtesy: a lock without one is still a lock.
    let _ = file.take(HOLDER_BYTES).read_to_string(&mut holder);
    let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
    Problem::outside("OUT-010", format!("{holder} is writing to this home"))
        .at(path.display().to_string())
        .cure("wait until it is done, or stop it, then run the command again; reading is possible meanwhile")
}
