//! Which events come in, when, and are they on time? NDJSON, Parquet or Arrow, in the order given.
//!
//! [`open`] finds the source; [`Live::next_batch`] gives checked batches. `ndjson` reads lines whose columns
//! turn up as they come, `columnar` files that say theirs; both end in the same checks as every other
//! load, so that a bad row goes to the rejects and stops nothing. `arrival` says when each event came
//! in, moves the clock, and judges events that are too early or too late (semantics 5.13).
//! docs/live-events.md has the rules.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use arrow::array::{Array, BooleanArray, Int64Array, StringArray};
use arrow::buffer::BooleanBuffer;

use super::check::Checker;
use super::content::{self, Input};
use super::convert::Bad;
use super::files::{self, Found};
use super::plan::Plan;
use super::read::Frame;
use super::rejects::{Rejects, write_rejects};
use super::{Checked, Counts, Format, Request, Settled, Shape};
use crate::base::{Outcome, Problem, Problems, Timestamp, Zone};

mod arrival;
mod columnar;
mod judge;
mod ndjson;
#[cfg(test)]
mod tests;

use arrival::Arrivals;
pub use arrival::{AHEAD_MAX_MS, LATE_MAX_MS};
pub use judge::{Judge, Judged};

/// The columns of a live event, by our names.
pub const USER: &str = "user_id";
pub const EVENT: &str = "event";
pub const TIME: &str = "time";
pub const ID: &str = "event_id";
pub const ARRIVAL: &str = "arrived_at";

/// Bytes that tell what a pipe holds; no event is shorter.
const HEAD_BYTES: u64 = 6;

/// What to read and how.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Files, folders, globs, or `-`; read one after another.
    pub paths: Vec<String>,
    /// NDJSON, Parquet or Arrow, when neither extension nor first bytes tell.
    pub format: Option<Format>,
    /// Zone of instants written without one.
    pub zone: Zone,
    /// Their column (or path with dots) → our name.
    pub map: BTreeMap<String, String>,
    /// Types of properties already settled, by `catalog.toml` or by earlier data.
    pub types: BTreeMap<String, Settled>,
    /// The file for rejected rows, made when the first is rejected.
    pub rejects: PathBuf,
    /// Rows up to this position were taken before and are passed over.
    pub after: u64,
    /// Where the clock stands.
    pub clock: Timestamp,
    /// Events without an id get this, and their position behind it; `None`: they stay without.
    pub unnamed: Option<String>,
    /// Are events given as soon as no more are at hand, instead of in full batches?
    pub is_eager: bool,
}

/// Some events in the order given.
#[derive(Debug, Clone)]
pub struct Batch {
    /// At least one row, at most 65,536; times are those to go by, clamped where they had to be.
    pub events: Checked,
    /// When each came in, epoch milliseconds; never null.
    pub arrivals: Int64Array,
    /// Line or row of each in the source, counted from 1 over all files.
    pub positions: Vec<u64>,
    /// Events from more than 2 min ahead of their arrival: their time is now their arrival.
    pub clamped: BooleanBuffer,
    /// Events over 2 h late: history only, they count for no completed A.
    pub late: BooleanBuffer,
    /// Where the clock stands after the last of them.
    pub clock: Timestamp,
    /// Everything up to this position has been read: what is here, before, or rejected.
    pub read_to: u64,
}

/// Opens a source. `input` is what `-` means.
/// Errors: ING-001 no such file, ING-002 another format, ING-004 and ING-005 columns of Parquet and
/// Arrow, ING-006 a damaged file, ING-007 a JSON array, ING-009 `-` without input, OUT-001.
pub fn open(ask: Ask, input: Option<Box<dyn Read + Send>>) -> Result<Live, Problems> {
    let request = request_of(&ask);
    let found = files::find(&ask.paths)?;
    let mut feeds = match (found.as_slice(), input) {
        ([Found::Input], Some(input)) => vec![piped(&ask, &request, input)?],
        (_, input) => {
            let inputs = content::inputs(found, &request, input)?;
            inputs.into_iter().map(|input| feed(input, &ask, &request)).collect::<Result<_, Problems>>()?
        }
    };
    feeds.reverse();
    Ok(Live {
        arrivals: Arrivals::new(ask.clock),
        rejects: Rejects::new(ask.rejects.clone()),
        types: ask.types.clone(),
        counts: Counts::default(),
        base: 0,
        read_to: 0,
        feeds,
        ask,
    })
}

fn request_of(ask: &Ask) -> Request {
    Request {
        paths: ask.paths.clone(),
        format: ask.format,
        shape: Shape::Live,
        is_id_asked: false,
        zone: ask.zone,
        types: ask.types.clone(),
        rejects: ask.rejects.clone(),
    }
}

/// A pipe of lines is read as it comes; anything else is spooled first.
fn piped(ask: &Ask, request: &Request, mut input: Box<dyn Read + Send>) -> Result<Feed, Problems> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(Problem::from)?;
    let is_lines = match ask.format {
        Some(format) => format == Format::Ndjson && !content::is_packed(&head),
        None => head.is_empty() || content::by_head(&head) == Some(Format::Ndjson),
    };
    let whole: Box<dyn Read + Send> = Box::new(io::Cursor::new(head).chain(input));
    if is_lines {
        return Ok(Feed::Lines(Box::new(ndjson::Feed::new("-", whole, &ask.map))));
    }
    let inputs = content::inputs(vec![Found::Input], request, Some(whole))?;
    let input =
        inputs.into_iter().next().ok_or_else(|| Problem::bug("a pipe was opened and is not there"))?;
    feed(input, ask, request)
}

fn feed(input: Input, ask: &Ask, request: &Request) -> Result<Feed, Problems> {
    match input.format {
        Format::Ndjson => {
            let reader = input.reader(std::sync::Arc::default())?;
            Ok(Feed::Lines(Box::new(ndjson::Feed::new(&input.name, reader, &ask.map))))
        }
        Format::Parquet | Format::Arrow => {
            Ok(Feed::Columnar(Box::new(columnar::Feed::open(input, request, &ask.map)?)))
        }
        Format::Csv => Err(Problem::data("ING-002", "live events are no CSV; they have properties")
            .at(input.name)
            .cure("give them as NDJSON, Parquet or Arrow, or load the file with `quanke ingest events`")
            .into()),
    }
}

enum Feed {
    Lines(Box<ndjson::Feed>),
    Columnar(Box<columnar::Feed>),
}

/// A frame with the plan by which it is checked.
struct Planned {
    frame: Frame,
    plan: Plan,
    /// Rows that are bad before any value is looked at.
    bad: Bad,
}

impl Feed {
    fn name(&self) -> &str {
        match self {
            Feed::Lines(feed) => feed.name(),
            Feed::Columnar(feed) => feed.name(),
        }
    }

    /// The last position in it, once all is read.
    fn end(&self) -> u64 {
        match self {
            Feed::Lines(feed) => feed.end(),
            Feed::Columnar(feed) => feed.end(),
        }
    }

    fn next(
        &mut self,
        ask: &Ask,
        after: u64,
        types: &mut BTreeMap<String, Settled>,
    ) -> Outcome<Option<Planned>> {
        match self {
            Feed::Lines(feed) => feed.next(after, ask.is_eager, types),
            Feed::Columnar(feed) => feed.next(),
        }
    }
}

/// A source of live events that is being read. It may be moved to a thread of its own.
pub struct Live {
    ask: Ask,
    /// What is still to be read, the next one last.
    feeds: Vec<Feed>,
    arrivals: Arrivals,
    rejects: Rejects,
    /// Types settled so far, those of properties that turned up on the way among them.
    types: BTreeMap<String, Settled>,
    counts: Counts,
    /// Positions of the files before this one.
    base: u64,
    read_to: u64,
}

impl Live {
    /// The next events, or nothing at the end. A row that is not good goes to the rejects.
    /// Errors: ING-006 where a file breaks off, OUT-001.
    pub fn next_batch(&mut self) -> Outcome<Option<Batch>> {
        loop {
            let Some(feed) = self.feeds.last_mut() else {
                self.rejects.flush()?;
                return Ok(None);
            };
            let after = self.ask.after.saturating_sub(self.base);
            match feed.next(&self.ask, after, &mut self.types)? {
                Some(planned) => {
                    if let Some(batch) = self.checked(planned)? {
                        return Ok(Some(batch));
                    }
                }
                None => {
                    self.base += feed.end();
                    self.feeds.pop();
                }
            }
        }
    }

    /// Rows so far, without those passed over; `read = accepted + rejected`.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The file of rejected rows, once there is one; complete after [`Live::flush`] or the end.
    pub fn rejects_file(&self) -> Option<&Path> {
        self.rejects.path()
    }

    /// Writes out the rejects that are still in memory. Errors: OUT-001.
    pub fn flush(&mut self) -> Outcome<()> {
        self.rejects.flush()
    }

    /// Types of the properties as settled so far; give them to the next `open` of the same source.
    pub fn types(&self) -> &BTreeMap<String, Settled> {
        &self.types
    }

    /// Everything up to this position has been read.
    pub fn read_to(&self) -> u64 {
        self.read_to
    }

    /// The good rows of a frame that were not taken before; the bad ones go to the rejects.
    fn checked(&mut self, planned: Planned) -> Outcome<Option<Batch>> {
        let Planned { frame, plan, bad: refused } = planned;
        self.read_to = self.base + last_position(&frame);
        if self.read_to <= self.ask.after {
            return Ok(None);
        }
        let (good, mut bad) = Checker::new(&plan, self.ask.zone).check(&frame)?;
        let rows: Vec<usize> = (0..frame.row_count).filter(|row| !bad.0.contains_key(row)).collect();
        let is_wanted = |row: &usize| !refused.0.contains_key(row) && self.is_new(&frame, *row);
        let wanted: Vec<bool> = rows.iter().map(is_wanted).collect();
        let positions = rows.iter().zip(&wanted).filter(|(_, is_wanted)| **is_wanted);
        let positions: Vec<u64> = positions.map(|(row, _)| self.base + position(&frame, *row)).collect();
        let is_whole = positions.len() == good.len();
        let events = if is_whole { good } else { good.only(&BooleanArray::from(wanted))? };
        for (row, why) in refused.0 {
            bad.0.entry(row).or_insert(why);
        }
        bad.0.retain(|row, _| self.is_new(&frame, *row));
        self.count(&frame, events.len(), bad.0.len());
        let name = self.feeds.last().map_or("", Feed::name);
        write_rejects(&mut self.rejects, name, &frame, bad, &plan)?;
        Ok(if events.is_empty() { None } else { Some(self.timed(events, positions)?) })
    }

    fn count(&mut self, frame: &Frame, accepted: usize, bad: usize) {
        let rejected = (frame.spoiled.len() + bad) as u64;
        self.counts.accepted += accepted as u64;
        self.counts.rejected += rejected;
        self.counts.read += accepted as u64 + rejected;
    }

    /// Was the row not taken before?
    fn is_new(&self, frame: &Frame, row: usize) -> bool {
        self.base + position(frame, row) > self.ask.after
    }

    fn timed(&mut self, mut events: Checked, positions: Vec<u64>) -> Outcome<Batch> {
        let times = events.times.take().ok_or_else(|| Problem::bug("events without times were accepted"))?;
        if let Some(prefix) = &self.ask.unnamed {
            events.ids = Some(named(events.ids.as_ref(), &positions, prefix));
        }
        let judged = self.arrivals.judge(&times, events.arrivals.take().as_ref());
        events.times = Some(judged.times);
        Ok(Batch {
            events,
            arrivals: judged.arrivals,
            positions,
            clamped: judged.clamped,
            late: judged.late,
            clock: self.arrivals.clock(),
            read_to: self.read_to,
        })
    }
}

/// Every event with an id: its own, or one that tells its position.
fn named(ids: Option<&StringArray>, positions: &[u64], prefix: &str) -> StringArray {
    let own = |row: usize| ids.filter(|ids| ids.is_valid(row)).map(|ids| ids.value(row).to_string());
    let name = |(row, position): (usize, &u64)| own(row).unwrap_or_else(|| format!("{prefix}{position}"));
    positions.iter().enumerate().map(name).map(Some).collect()
}

/// Where a row of the frame stood in its file: its line, or its number.
fn position(frame: &Frame, row: usize) -> u64 {
    let (number, line) = frame.numbers.of(row);
    line.unwrap_or(number)
}

fn last_position(frame: &Frame) -> u64 {
    let read = frame.row_count.checked_sub(1).map_or(0, |row| position(frame, row));
    let spoiled = frame.spoiled.last().map_or(0, |spoiled| spoiled.line.unwrap_or(spoiled.row));
    read.max(spoiled)
}
