//! What would a disk do at its worst moment? A disk in memory that loses all that it may lose.
//!
//! It keeps apart what a program sees and what would survive a power cut. At a crash every write that
//! was not synced is lost, kept, torn at any byte or kept in pieces out of order; every change of a
//! name that was not synced is kept or lost, each for itself. A sync that fails keeps some bytes and
//! will never write the others, although they can still be read. All of it follows from one seed and
//! the operations asked for, so that a run can be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use super::disk::{Disk, DiskFile};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The power goes during the operation; all later ones fail until [`SimulatedDisk::restart`].
    Crash,
    /// From this operation on so many writing operations find no space.
    Full { operations: u64 },
    /// The next sync, from this operation on, fails.
    SyncFails,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    rng: Rng,
    operations: u64,
    faults: Vec<(u64, Fault)>,
    full_for: u64,
    sync_fails: bool,
    is_down: bool,
    /// Which life of the machine it is; files opened in an earlier one are gone.
    life: u64,
    files: Vec<FileState>,
    seen: Names,
    durable: Names,
    changes: Vec<Change>,
}

type Names = BTreeMap<String, usize>;

/// A change of names that is not durable.
#[derive(Debug, Clone)]
enum Change {
    Put(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

#[derive(Debug, Default)]
struct FileState {
    /// What a program reads.
    seen: Vec<u8>,
    /// What survives.
    durable: Vec<u8>,
    /// Where bytes were put since the last sync, and how many.
    writes: Vec<(usize, usize)>,
}

/// How an operation goes.
enum Course {
    Well,
    /// Some of it is done, then there is this error.
    Broken(io::Error),
}

impl SimulatedDisk {
    /// An empty disk whose chances follow from `seed`.
    pub fn new(seed: u64) -> SimulatedDisk {
        SimulatedDisk(Arc::new(Mutex::new(State {
            rng: Rng::with_seed(seed),
            operations: 0,
            faults: Vec::new(),
            full_for: 0,
            sync_fails: false,
            is_down: false,
            life: 0,
            files: Vec::new(),
            seen: Names::new(),
            durable: Names::new(),
            changes: Vec::new(),
        })))
    }

    /// Operations asked for so far, reads too.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Plans a fault for the operation with this number, counted from 0 over all lives.
    pub fn fault_at(&self, operation: u64, fault: Fault) {
        self.state().faults.push((operation, fault));
    }

    /// Is the power gone?
    pub fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// The power goes, if it has not, and comes back; faults that did not come are forgotten.
    pub fn restart(&self) {
        self.state().restart();
    }

    /// Changes the bits of `mask` in one byte of a file, in memory and for good; `false` where there is no
    /// such byte.
    pub fn flip(&self, name: &str, byte: usize, mask: u8) -> bool {
        let mut state = self.state();
        let Some(file) = state.file_of(name) else { return false };
        let FileState { seen, durable, .. } = file;
        durable.get_mut(byte).into_iter().for_each(|b| *b ^= mask);
        seen.get_mut(byte).map(|b| *b ^= mask).is_some()
    }

    /// Cuts a file to `length` bytes for good, as somebody's hand might.
    pub fn cut(&self, name: &str, length: usize) {
        if let Some(file) = self.state().file_of(name) {
            file.seen.truncate(length);
            file.durable.truncate(length);
        }
    }

    /// What a file holds for those who read it now.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.state().file_of(name).map(|file| file.seen.clone())
    }

    /// The names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        self.state().seen.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for SimulatedDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.look()?;
        Ok(state.seen.keys().cloned().collect())
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        let mut state = self.state();
        state.look()?;
        Ok(state.existing(name)?.seen.len() as u64)
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.look()?;
        let bytes = &state.existing(name)?.seen;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        Ok(bytes.iter().skip(from).take(length).copied().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let course = state.write()?;
        let file = state.files.len();
        state.files.push(FileState::default());
        state.change(Change::Put(name.to_string(), file), &course);
        course.end()?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), file, life: state.life }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let course = state.write()?;
        let file = *state.seen.get(from).ok_or(ErrorKind::NotFound)?;
        state.change(Change::Rename(from.to_string(), to.to_string(), file), &course);
        course.end()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let course = state.operation(false)?;
        if state.seen.contains_key(name) {
            state.change(Change::Remove(name.to_string()), &course);
        }
        course.end()
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.state();
        let course = state.sync()?;
        state.sync_names(&course);
        course.end()
    }

    fn place(&self, name: &str) -> String {
        name.to_string()
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
    life: u64,
}

impl DiskFile for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_life(self.life)?;
        let course = state.write()?;
        let count = match course {
            Course::Well => bytes.len(),
            Course::Broken(_) => state.rng.usize(0..=bytes.len()),
        };
        if let Some(file) = state.files.get_mut(self.file) {
            file.writes.push((file.seen.len(), count));
            file.seen.extend(bytes.iter().take(count));
        }
        course.end()
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.check_life(self.life)?;
        let course = state.sync()?;
        state.sync_file(self.file, &course);
        course.end()
    }
}

impl Course {
    fn end(self) -> io::Result<()> {
        match self {
            Course::Well => Ok(()),
            Course::Broken(error) => Err(error),
        }
    }

    fn is_well(&self) -> bool {
        matches!(self, Course::Well)
    }
}

impl State {
    /// An operation that changes nothing.
    fn look(&mut self) -> io::Result<()> {
        self.operation(false)?.end()
    }

    fn write(&mut self) -> io::Result<Course> {
        self.operation(true)
    }

    fn sync(&mut self) -> io::Result<Course> {
        let course = self.operation(false)?;
        if course.is_well() && std::mem::take(&mut self.sync_fails) {
            return Ok(Course::Broken(io::Error::other("a simulated sync failed")));
        }
        Ok(course)
    }

    /// Counts an operation and says how it goes. Errors: the power is gone already.
    fn operation(&mut self, needs_space: bool) -> io::Result<Course> {
        if self.is_down {
            return Err(power_is_gone());
        }
        let number = self.operations;
        self.operations += 1;
        for (_, fault) in self.faults.extract_if(.., |(at, _)| *at == number).collect::<Vec<_>>() {
            match fault {
                Fault::Crash => self.is_down = true,
                Fault::Full { operations } => self.full_for = operations,
                Fault::SyncFails => self.sync_fails = true,
            }
        }
        if self.is_down {
            return Ok(Course::Broken(power_is_gone()));
        }
        if needs_space && self.full_for > 0 {
            self.full_for -= 1;
            return Ok(Course::Broken(ErrorKind::StorageFull.into()));
        }
        Ok(Course::Well)
    }

    fn check_life(&self, life: u64) -> io::Result<()> {
        if life == self.life { Ok(()) } else { Err(power_is_gone()) }
    }

    fn existing(&self, name: &str) -> io::Result<&FileState> {
        let file = self.seen.get(name).and_then(|file| self.files.get(*file));
        file.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn file_of(&mut self, name: &str) -> Option<&mut FileState> {
        self.files.get_mut(*self.seen.get(name)?)
    }

    /// A broken change is done or not.
    fn change(&mut self, change: Change, course: &Course) {
        if course.is_well() || self.rng.bool() {
            change.apply(&mut self.seen);
            self.changes.push(change);
        }
    }

    fn sync_names(&mut self, course: &Course) {
        if course.is_well() {
            self.durable = self.seen.clone();
            self.changes.clear();
        } else if !self.is_down {
            // What could not be made durable now never will be, though everybody sees it.
            self.keep_some_changes();
        }
    }

    fn sync_file(&mut self, file: usize, course: &Course) {
        let Some(file) = self.files.get_mut(file) else { return };
        if course.is_well() {
            // Bytes that a failed sync has given up stay given up.
            for (from, count) in file.writes.drain(..) {
                keep(&mut file.durable, &file.seen, from, from + count);
            }
        } else if !self.is_down {
            file.keep_some(&mut self.rng);
        }
    }

    fn restart(&mut self) {
        self.keep_some_changes();
        self.seen = self.durable.clone();
        for file in &mut self.files {
            file.keep_some(&mut self.rng);
            file.seen = file.durable.clone();
        }
        (self.is_down, self.sync_fails, self.full_for) = (false, false, 0);
        self.faults.clear();
        self.life += 1;
    }

    /// Each change of names for itself, in order; now and then all or none.
    fn keep_some_changes(&mut self) {
        let mood = Mood::any(&mut self.rng);
        for change in std::mem::take(&mut self.changes) {
            if mood.keeps(&mut self.rng) {
                change.apply(&mut self.durable);
            }
        }
    }
}

impl Change {
    fn apply(&self, names: &mut Names) {
        match self {
            Change::Put(name, file) => {
                names.insert(name.clone(), *file);
            }
            Change::Rename(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Change::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl FileState {
    /// Every write that was not synced survives in pieces.
    fn keep_some(&mut self, rng: &mut Rng) {
        let mood = Mood::any(rng);
        let mut lost = BTreeSet::new();
        for (from, count) in std::mem::take(&mut self.writes) {
            for (from, until) in pieces(from, from + count, rng) {
                if mood.keeps(rng) {
                    keep(&mut self.durable, &self.seen, from, until);
                } else {
                    lost.insert((from, until));
                }
            }
        }
        // The length may be known to the disk although the bytes are not.
        if let Some((_, until)) = lost.last().filter(|_| rng.bool()) {
            self.durable.resize(self.durable.len().max(*until), 0);
        }
    }
}

/// Copies a range to what survives; a hole before it is zeros.
fn keep(durable: &mut Vec<u8>, seen: &[u8], from: usize, until: usize) {
    let until = until.min(seen.len());
    if durable.len() < until {
        durable.resize(until, 0);
    }
    if let (Some(to), Some(bytes)) = (durable.get_mut(from..until), seen.get(from..until)) {
        to.copy_from_slice(bytes);
    }
}

/// A range cut into some pieces.
fn pieces(from: usize, until: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut cuts = vec![from, until];
    for _ in 0..rng.usize(0..4) {
        cuts.push(rng.usize(from..=until));
    }
    cuts.sort_unstable();
    let pairs = cuts.iter().zip(cuts.iter().skip(1));
    pairs.filter(|(a, b)| a < b).map(|(a, b)| (*a, *b)).collect()
}

/// How much of what may be lost is lost.
enum Mood {
    All,
    Nothing,
    Some,
}

impl Mood {
    fn any(rng: &mut Rng) -> Mood {
        match rng.u8(0..4) {
            0 => Mood::All,
            1 => Mood::Nothing,
            _ => Mood::Some,
        }
    }

    fn keeps(&self, rng: &mut Rng) -> bool {
        match self {
            Mood::All => true,
            Mood::Nothing => false,
            Mood::Some => rng.bool(),
        }
    }
}

fn power_is_gone() -> io::Error {
    io::Error::other("the simulated power is gone")
}
