//! Appends one JSON line a touch to `outbox/<task id>.ndjson`, exactly once.
//!
//! A batch is on disk (fsync) before it is answered. A kill in the middle of an append leaves a
//! torn last line and perhaps some whole ones: the next hand-over cuts the torn line off, looks in
//! the tail for lines of the batch, and appends only those that are missing.

mod tail;

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::base::Problem;
use crate::dispatch::{Batch, Faults, Outcome, Receipt, Sender, Touch, TouchId};

use super::line::Line;

/// How long the shared loop should wait for a full disk.
const DISK_WAIT: Duration = Duration::from_secs(5);

/// How a touch is written: one line of JSON without its end, with the keys `touch_id`, `run` and `batch`.
pub type Written = Box<dyn Fn(&Batch, &Touch) -> serde_json::Result<Vec<u8>> + Send + Sync>;

/// The sender `file`.
pub struct FileSender {
    name: String,
    outbox: PathBuf,
    faults: Arc<dyn Faults>,
    write: Written,
    /// One append at a time.
    turn: Mutex<()>,
}

/// Why an append ended early.
enum Broken {
    /// The disk said no; what was half written was cut off again.
    Disk(io::Error),
    /// The planned kill of a test: nothing is tidied.
    Killed(Problem),
}

impl FileSender {
    /// A file sender that writes into the folder `outbox`, which is made when it is needed.
    pub fn new(name: &str, outbox: &Path, faults: Arc<dyn Faults>) -> FileSender {
        FileSender::writing(name, outbox, faults, Box::new(|b, t| serde_json::to_vec(&Line::of(b, t))))
    }

    /// The same with lines of another form.
    pub fn writing(name: &str, outbox: &Path, faults: Arc<dyn Faults>, write: Written) -> FileSender {
        FileSender {
            name: name.to_string(),
            outbox: outbox.to_path_buf(),
            faults,
            write,
            turn: Mutex::new(()),
        }
    }

    fn append(&self, batch: &Batch) -> Result<(), Broken> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.faults.step("file: open")?;
        let mut file = self.open(&batch.task)?;
        let end = tail::cut_torn_line(&mut file)?;
        let present = if batch.attempt > 1 { tail::present(&mut file, end, batch)? } else { HashSet::new() };
        let text = self.missing_lines(batch, &present)?;
        file.seek(SeekFrom::Start(end))?;
        match self.add(&mut file, &text) {
            Err(Broken::Disk(error)) => {
                file.set_len(end)?;
                Err(Broken::Disk(error))
            }
            other => other,
        }
    }

    /// In two halves, so that tests can kill between them; the cut is anywhere in a line.
    fn add(&self, file: &mut File, text: &[u8]) -> Result<(), Broken> {
        let (first, second) = text.split_at(text.len() / 2);
        file.write_all(first)?;
        self.faults.step("file: half written")?;
        file.write_all(second)?;
        self.faults.step("file: written")?;
        file.sync_data()?;
        self.faults.step("file: synced")?;
        Ok(())
    }

    /// The lines of a batch that are not in the file yet, in its order.
    fn missing_lines(&self, batch: &Batch, present: &HashSet<TouchId>) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        for touch in batch.touches.iter().filter(|touch| !present.contains(&touch.touch_id)) {
            text.extend((self.write)(batch, touch)?);
            text.push(b'\n');
        }
        Ok(text)
    }

    fn open(&self, task: &str) -> io::Result<File> {
        std::fs::create_dir_all(&self.outbox)?;
        let path = self.outbox.join(format!("{task}.ndjson"));
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        if is_new {
            // The name of a new file must survive a power cut too.
            File::open(&self.outbox)?.sync_all()?;
        }
        Ok(file)
    }

    fn trouble(&self, error: io::Error) -> Problem {
        Problem::outside("SND-002", format!("the outbox cannot be written: {error}"))
            .at(self.outbox.display().to_string())
            .cure("free some disk space or mend the rights of the folder")
    }
}

#[async_trait]
impl Sender for FileSender {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), Problem> {
        std::fs::create_dir_all(&self.outbox).map_err(|error| self.trouble(error))
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        match self.append(batch) {
            Ok(()) => Outcome::Answered(
                batch.touches.iter().map(|touch| Receipt::delivered(touch.touch_id)).collect(),
            ),
            Err(Broken::Disk(error)) => Outcome::TryLater { after: DISK_WAIT, why: self.trouble(error) },
            Err(Broken::Killed(problem)) => Outcome::Unknown(problem),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Disk(error)
    }
}

impl From<Problem> for Broken {
    fn from(problem: Problem) -> Broken {
        Broken::Killed(problem)
    }
}
