//! What can go wrong with the log, in words that an operator can act on.

use std::io;

use crate::base::{Outcome, Problem};

use super::disk::Disk;

/// What the system said when it was asked for something.
pub(super) trait Told<T> {
    /// LOG-001 at the file, when it is an error.
    fn told(self, disk: &dyn Disk, name: &str) -> Outcome<T>;
}

impl<T> Told<T> for io::Result<T> {
    fn told(self, disk: &dyn Disk, name: &str) -> Outcome<T> {
        self.map_err(|error| failed(&disk.place(name), &error))
    }
}

/// LOG-001: reading or writing failed; what was acknowledged is untouched.
pub(super) fn failed(place: &str, error: &io::Error) -> Problem {
    let cure = match error.kind() {
        io::ErrorKind::StorageFull => {
            "free some disk space; the records still wait and can be committed then"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => crate::base::MAKE_WRITABLE,
        _ => "look at the disk; what was acknowledged is untouched",
    };
    Problem::outside("LOG-001", format!("the disk refused: {error}")).at(place).cure(cure)
}

/// LOG-002: the disk could not promise that bytes are safe.
pub(super) fn not_synced(place: &str, error: &io::Error, durable: u64) -> Problem {
    Problem::outside(
        "LOG-002",
        format!(
            "the disk could not make bytes safe: {error}; records before {durable} are safe, later ones may be lost"
        ),
    )
    .at(place)
    .cure("look at the disk, then start again: the log is read anew from what the disk has")
}

/// LOG-003: bytes that were whole once are not any more.
pub(super) fn damaged(place: &str, offset: u64, what: &str, position: u64) -> Problem {
    Problem::outside(
        "LOG-003",
        format!("the log is damaged at byte {offset}: {what}; records before {position} are whole"),
    )
    .at(place)
    .cure(format!("restore the file from a copy, or give up what follows: recover up to {position}"))
}

/// LOG-004: records that must be there are in no file. `until` is the first that is there again.
pub(super) fn missing(place: &str, from: u64, until: u64) -> Problem {
    let which = match until {
        u64::MAX => format!("the records from {from} on"),
        _ => format!("the records from {from} to {}", until.saturating_sub(1)),
    };
    Problem::outside("LOG-004", format!("{which} are in no file"))
        .at(place)
        .cure(format!("restore the missing files from a copy, or give up what follows: recover up to {from}"))
}

/// LOG-005: the log ends too early.
pub(super) fn too_short(place: &str, end: u64, known: u64, who: &str) -> Problem {
    Problem::outside(
        "LOG-005",
        format!("the log ends at record {end}, but {who} knows records before {known}"),
    )
    .at(place)
    .cure(format!("restore the log from a copy, or give up what follows: recover up to {end}"))
}

/// LOG-006: a file of another app, or of a newer program.
pub(super) fn foreign(place: &str, what: &str) -> Problem {
    Problem::outside("LOG-006", what)
        .at(place)
        .cure("give the log its own folder, and open it with the program that wrote it or a newer one")
}

/// LOG-007: a newer writer has taken over.
pub(super) fn fenced(place: &str, ours: u64, newest: u64) -> Problem {
    Problem::outside("LOG-007", format!("a writer with epoch {newest} has taken over; ours is {ours}"))
        .at(place)
        .cure("stop this process: the other one goes on")
}

/// LOG-008: more bytes than a group can hold.
pub(super) fn too_large(bytes: usize, waiting: usize, most: usize) -> Problem {
    Problem::author(
        "LOG-008",
        format!("a record of {bytes} bytes beside {waiting} that wait; a group holds {most} at most"),
    )
    .cure("commit first, or write smaller records")
}

/// LOG-009: the operator asked for more than is whole.
pub(super) fn not_up_to(up_to: u64, found: &Problem) -> Problem {
    Problem::outside("LOG-009", format!("the log cannot be recovered up to {up_to}: {}", found.what))
        .at(found.at.clone())
        .cure("recover up to the record that is named there, or restore the file from a copy")
}

/// LOG-010, a note: bytes behind the last whole group.
pub(super) fn cut(place: &str, offset: u64, bytes: u64, end: u64) -> Problem {
    Problem::outside(
        "LOG-010",
        format!(
            "the last write did not finish: {bytes} bytes from byte {offset} on are left out; the log ends at record {end}"
        ),
    )
    .at(place)
    .cure("nothing: they were never acknowledged")
}

/// LOG-020: blocks that snapshots need and that are not as they were written.
pub(super) fn bad_blocks(place: &str, what: &str) -> Problem {
    Problem::outside("LOG-020", format!("minutes that snapshots share are damaged: {what}")).at(place).cure(
        "restore the file from a copy; a snapshot that does not need it, or the whole log, makes up for it",
    )
}

/// LOG-011, a note: a snapshot that cannot be used.
pub(super) fn bad_snapshot(place: &str, what: &str) -> Problem {
    Problem::outside("LOG-011", format!("the snapshot is passed over: {what}"))
        .at(place)
        .cure("nothing: the one before and the log make up for it; look at the disk")
}
