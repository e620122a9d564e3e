//! The door of the room: a request in, checked batches out, read ahead by one thread.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::check::Checker;
use super::content::{self, Input};
use super::plan::Plan;
use super::read::Reader;
use super::rejects::{Rejects, write_rejects};
use super::survey::{Survey, survey};
use super::{Checked, Column, Counts, Format, Request, files};
use crate::base::{Outcome, Pace, Problem, Problems, Zone};

/// Batches read ahead: enough that reading and storing overlap.
const BATCHES_AHEAD: usize = 2;

/// Opens everything that a request names and settles one schema for it. Text is read once from
/// end to end to find its types. `input` is what `-` means.
/// Errors: all problems of paths (ING-001), formats (ING-002, 003, 007), names (ING-004, 005,
/// 008) and damaged files (ING-006), together; OUT-001.
pub fn open<'a>(
    request: &Request,
    input: Option<Box<dyn Read + Send>>,
    pace: &'a dyn Pace,
) -> Result<Source<'a>, Problems> {
    let inputs = content::inputs(files::find(&request.paths)?, request, input)?;
    let surveys = surveys(&inputs, request, pace)?;
    let plan = Plan::new(request, &inputs, &surveys)?;
    let (columns, bytes) = (plan.columns.clone(), inputs.iter().map(|input| input.bytes).sum());
    let loader =
        Loader { inputs, surveys, plan, zone: request.zone, rejects: Rejects::new(request.rejects.clone()) };
    let (sender, reports) = sync_channel(BATCHES_AHEAD);
    let thread = std::thread::Builder::new().name("ingest".into()).spawn(move || loader.run(&sender));
    let thread = Some(thread.map_err(Problem::from)?);
    let (counts, rejects_file) = Default::default();
    let progress = Progress { pace, bytes, stage: Stage::Ahead };
    Ok(Source { columns, counts, rejects_file, reports: Some(reports), thread, progress })
}

fn surveys(inputs: &[Input], request: &Request, pace: &dyn Pace) -> Result<Vec<Survey>, Problems> {
    let is_text = |input: &&Input| matches!(input.format, Format::Csv | Format::Ndjson);
    pace.begin("reading types", Some(inputs.iter().filter(is_text).map(|input| input.bytes).sum()), "bytes");
    let mut problems = Problems::default();
    let mut surveys = Vec::with_capacity(inputs.len());
    for input in inputs {
        match survey(input, request, pace) {
            Ok(survey) => surveys.push(survey),
            Err(Problems(found)) => problems.0.extend(found),
        }
    }
    pace.end();
    problems.or(surveys)
}

/// Checked rows of a request, batch by batch; each batch has at least one row and at most 65,536.
/// An error ends it: a damaged file or a full disk, after which nothing of the load is to be kept.
pub struct Source<'a> {
    columns: Vec<Column>,
    counts: Counts,
    rejects_file: Option<PathBuf>,
    reports: Option<Receiver<Outcome<Report>>>,
    thread: Option<JoinHandle<()>>,
    progress: Progress<'a>,
}

impl Source<'_> {
    /// The other columns with the types decided, known before the first batch. A column in which
    /// no file has a value, and of which nothing was settled, is not among them.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Rows so far; exact after the last batch.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The file of rejected rows, once there is one; complete after the last batch.
    pub fn rejects_file(&self) -> Option<&Path> {
        self.rejects_file.as_deref()
    }

    /// Stops reading, and waits for the thread.
    fn stop(&mut self) -> std::thread::Result<()> {
        self.reports = None;
        self.progress.end();
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }

    fn take(&mut self, report: Report) -> Option<Checked> {
        self.counts.read += report.counts.read;
        self.counts.accepted += report.counts.accepted;
        self.counts.rejected += report.counts.rejected;
        self.rejects_file = report.rejects_file.or(self.rejects_file.take());
        self.progress.more(report.bytes);
        report.checked.filter(|checked| !checked.is_empty())
    }
}

impl Iterator for Source<'_> {
    type Item = Outcome<Checked>;

    fn next(&mut self) -> Option<Outcome<Checked>> {
        self.progress.begin();
        while let Some(reports) = &self.reports {
            match reports.recv() {
                Ok(Ok(report)) => {
                    if let Some(checked) = self.take(report) {
                        return Some(Ok(checked));
                    }
                }
                Ok(Err(problem)) => {
                    let _ = self.stop();
                    return Some(Err(problem));
                }
                Err(_) => {
                    return self
                        .stop()
                        .is_err()
                        .then(|| Err(Problem::bug("reading a file stopped at an impossible place")));
                }
            }
        }
        None
    }
}

impl Drop for Source<'_> {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

#[derive(PartialEq, Eq)]
enum Stage {
    Ahead,
    Loading,
    Over,
}

/// The stage of loading, begun with the first batch asked for and ended once.
struct Progress<'a> {
    pace: &'a dyn Pace,
    bytes: u64,
    stage: Stage,
}

impl Progress<'_> {
    fn begin(&mut self) {
        if self.stage == Stage::Ahead {
            self.pace.begin("reading rows", Some(self.bytes), "bytes");
            self.stage = Stage::Loading;
        }
    }

    fn more(&self, bytes: u64) {
        self.pace.more(bytes);
    }

    fn end(&mut self) {
        if self.stage == Stage::Loading {
            self.pace.end();
        }
        self.stage = Stage::Over;
    }
}

/// What the thread tells: a batch, and what was counted since the last.
#[derive(Default)]
struct Report {
    checked: Option<Checked>,
    counts: Counts,
    rejects_file: Option<PathBuf>,
    bytes: u64,
}

/// What the thread needs.
struct Loader {
    inputs: Vec<Input>,
    surveys: Vec<Survey>,
    plan: Plan,
    zone: Zone,
    rejects: Rejects,
}

impl Loader {
    /// Reads all files. A receiver that is gone ends it; so does the first problem.
    fn run(mut self, sender: &SyncSender<Outcome<Report>>) {
        let (plan, inputs, surveys) = (
            Arc::new(self.plan.clone()),
            std::mem::take(&mut self.inputs),
            std::mem::take(&mut self.surveys),
        );
        let mut checker = Checker::new(&plan, self.zone);
        for (input, survey) in inputs.into_iter().zip(&surveys) {
            match self.read(Arc::new(input), survey, &plan, &mut checker, sender) {
                Ok(true) => {}
                Ok(false) => return,
                Err(problem) => return drop(sender.send(Err(problem))),
            }
        }
        let _ = sender.send(self.rejects.flush().map(|()| Report::default()));
    }

    /// Reads one file; false if nobody listens any more.
    fn read(
        &mut self,
        input: Arc<Input>,
        survey: &Survey,
        plan: &Arc<Plan>,
        checker: &mut Checker,
        sender: &SyncSender<Outcome<Report>>,
    ) -> Outcome<bool> {
        let mut reader = Reader::open(input.clone(), survey, plan.clone())?;
        while let Some(frame) = reader.next()? {
            let (checked, bad) = checker.check(&frame)?;
            let rejected = (frame.spoiled.len() + bad.0.len()) as u64;
            let accepted = checked.len() as u64;
            write_rejects(&mut self.rejects, &input.name, &frame, bad, plan)?;
            let counts = Counts { read: accepted + rejected, accepted, rejected };
            let rejects_file = self.rejects.path().map(Path::to_path_buf);
            let report = Report { checked: Some(checked), counts, rejects_file, bytes: reader.taken() };
            if sender.send(Ok(report)).is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
