//! Live events for `run --events`: kept as history, and given to the triggers as facts.
//!
//! The source is gone through three times: what columns it has, then the store takes it all (so that
//! every user has a number, and selections see what happened), then the triggers take it in the order
//! of arrival. A source that a crash interrupted goes on behind the last event taken; the store knows
//! events by their ids, so nothing is there twice.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, Int64Array, StringArray};
use arrow::buffer::BooleanBuffer;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::args::Live as Asked;
use super::door::Failure;
use super::load::{aside, format_of};
use super::session::Session;
use super::words::grouped;
use crate::audience::{AsOf, LiveRows, Predicate as Filter, UserTags, alike, same_property};
use crate::base::{Outcome, Problem, Problems, Timestamp};
use crate::dispatch::{self, EachA, Feed, Meanings, Portion};
use crate::ingest::live::{self, Ask, Batch};
use crate::ingest::{Column, Counts};
use crate::store::{Limits, Loaded, Snapshot, Writer};
use crate::trigger::{Columns, EventNo, IdCode, Names, Predicate, SourceNo, Triggers};

/// Where a pipe is kept while it is gone through; it lies in the home until the run is over.
const SPOOL: &str = "live-events";
/// Bytes that tell one source from another.
const HEAD_BYTES: u64 = 64 << 10;

/// A source that can be gone through more than once.
pub struct Origin {
    ask: Ask,
    name: String,
    spool: Option<PathBuf>,
}

impl Origin {
    /// The source that the command line names; a pipe is written down first.
    /// Errors: OUT-001, CLI-001 for `--map`.
    pub fn new(
        asked: &Asked,
        paths: &[String],
        clock: Timestamp,
        session: &mut Session,
    ) -> Result<Origin, Failure> {
        let is_pipe = paths == ["-"];
        let spool = is_pipe.then(|| session.home.dir().join(SPOOL));
        if let (Some(path), Some(mut input)) = (&spool, session.input.take()) {
            let mut file = std::fs::File::create(path).map_err(Problem::from)?;
            std::io::copy(&mut input, &mut file).map_err(Problem::from)?;
            file.flush().map_err(Problem::from)?;
        }
        let paths = match &spool {
            Some(path) => vec![path.display().to_string()],
            None => paths.to_vec(),
        };
        let place = if is_pipe { "-".to_string() } else { paths.join(" ") };
        let name = format!("{place} {:016x}", mark_of(&paths)?);
        let ask = Ask {
            paths,
            format: asked.format.map(format_of),
            zone: session.zone(asked.zone.as_deref())?,
            map: asked.map.iter().cloned().collect(),
            types: session.snapshot()?.catalog().settled_properties(),
            rejects: aside(session, "live", "ndjson"),
            after: 0,
            clock,
            is_eager: false,
            unnamed: None,
        };
        Ok(Origin { ask, name, spool })
    }

    /// The name by which an interrupted source is known again.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts every event into the store; events without an id get one that tells `source` and position.
    /// Gives what was read, and the types of its properties.
    /// Errors: ING-… for the source, STO-004, OUT-001.
    pub fn keep_all(
        &mut self,
        source: SourceNo,
        writer: &mut Writer,
        session: &Session,
    ) -> Result<Came, Problems> {
        let mut survey = live::open(self.ask.clone(), None)?;
        while survey.next_batch()?.is_some() {}
        let (counts, rejects) = (survey.counts(), survey.rejects_file().map(PathBuf::from));
        self.ask.types = survey.types().clone();
        // What is bad has been told.
        self.ask.rejects = session.home.dir().join("rejects").join(".again");
        self.ask.unnamed = Some(format!("live-{source}-"));
        let columns: Vec<Column> = self
            .ask
            .types
            .iter()
            .map(|(name, settled)| Column { name: name.clone(), type_of: settled.type_of })
            .collect();
        let mut again = live::open(self.ask.clone(), None)?;
        let mut batches =
            std::iter::from_fn(|| again.next_batch().map(|batch| batch.map(|b| b.events)).transpose());
        let limits = Limits { memory_bytes: session.settings.memory };
        let loaded = writer.events(&mut batches, &columns, &limits, session.pace)?;
        self.ask.unnamed = None;
        Ok(Came { counts, loaded, rejects, breaches: 0 })
    }

    /// The events behind `after`, as facts over a snapshot that knows all their users.
    /// Errors: as [`live::open`].
    pub fn feed(&self, source: SourceNo, after: u64, snapshot: &Snapshot) -> Result<Events, Problems> {
        let mut live = live::open(Ask { after, ..self.ask.clone() }, None)?;
        Ok(Events::new(source, snapshot, Box::new(move || live.next_batch())))
    }

    /// Removes what is not needed any more. Errors: OUT-001.
    pub fn done(self) -> Outcome<()> {
        let _ = std::fs::remove_file(&self.ask.rejects).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        match self.spool {
            Some(path) => Ok(std::fs::remove_file(path)?),
            None => Ok(()),
        }
    }
}

/// Tells one stream from another at the same place: by its first line, which stays when lines are added, or
/// by the head of a file that has no lines. Folders and patterns have their names only.
fn mark_of(paths: &[String]) -> Outcome<u64> {
    let [path] = paths else { return Ok(0) };
    if !Path::new(path).is_file() {
        return Ok(0);
    }
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    let is_lines = head.first() == Some(&b'{');
    let line = head.split(|byte| *byte == b'\n').next().filter(|_| is_lines);
    Ok(xxh3_64(line.unwrap_or(&head)))
}

/// What came.
pub struct Came {
    counts: Counts,
    loaded: Loaded,
    rejects: Option<PathBuf>,
    /// Facts that rules name and that came when the watermark had passed them.
    pub breaches: u64,
}

impl Came {
    /// For `--json`.
    pub fn document(&self) -> Value {
        let Counts { read, accepted, rejected } = self.counts;
        let (new_users, duplicates) = (self.loaded.new_users, self.loaded.duplicates);
        let rejects = self.rejects.as_ref().map(|path| path.display().to_string());
        json!({ "read": read, "accepted": accepted, "rejected": rejected, "new_users": new_users,
            "duplicates": duplicates, "rejects": rejects, "breaches": self.breaches })
    }

    /// One line for a person.
    pub fn text(&self) -> String {
        let Counts { read, accepted, rejected } = self.counts;
        let aside = self.rejects.as_ref().map_or(String::new(), |path| format!(" (in {})", path.display()));
        let breaches = match self.breaches {
            0 => String::new(),
            count => format!(" · later than the lateness allows {}", grouped(count)),
        };
        format!(
            "events: read {} · accepted {} · rejected {}{aside} · new users {} · delivered before {}{breaches}\n",
            grouped(read),
            grouped(accepted),
            grouped(rejected),
            grouped(self.loaded.new_users),
            grouped(self.loaded.duplicates)
        )
    }
}

/// Live events on their way to the triggers.
pub struct Events {
    source: SourceNo,
    batches: Batches,
    snapshot: Snapshot,
    taken: Option<Taken>,
    is_over: bool,
    filters: Filters,
    /// How far the watermark stays behind, and how far without events at hand.
    behind: (i64, i64),
}

/// Gives the next events, or nothing at the end.
type Batches = Box<dyn FnMut() -> Outcome<Option<Batch>>>;

impl Events {
    /// What `batches` gives, as facts over a snapshot that knows all their users; the end proves silence.
    pub fn new(source: SourceNo, snapshot: &Snapshot, batches: Batches) -> Events {
        Events {
            source,
            batches,
            snapshot: snapshot.clone(),
            taken: None,
            is_over: false,
            filters: Filters::default(),
            behind: (dispatch::LATENESS_MS, 0),
        }
    }

    /// The same of a source that goes on: the watermark stays `lateness_ms` behind while there are events,
    /// and `silence_ms` behind after them.
    pub fn behind(self, lateness_ms: i64, silence_ms: i64) -> Events {
        Events { behind: (lateness_ms, silence_ms), ..self }
    }
}

/// A batch, and how far it has been given.
struct Taken {
    batch: Batch,
    row: usize,
    /// The filters that hold, by the version of `Filters` that they were asked in.
    masks: Option<(u64, Masks)>,
}

/// What holds of every row of a batch: under its own event, and under any.
struct Masks {
    own: Vec<(EventNo, u64)>,
    any: Vec<(EventNo, u64)>,
}

/// The filters that rules name, ready to be asked.
#[derive(Default)]
struct Filters {
    known: Vec<(Predicate, Arc<str>)>,
    ready: Vec<(Predicate, Filter)>,
    version: u64,
}

impl Feed for Events {
    fn next_arrival(&mut self) -> Outcome<Option<Timestamp>> {
        while self.taken.as_ref().is_none_or(|taken| taken.row >= taken.batch.events.len()) {
            if self.is_over {
                return Ok(None);
            }
            self.taken = (self.batches)()?.map(|batch| Taken { batch, row: 0, masks: None });
            self.is_over = self.taken.is_none();
        }
        let arrival = |taken: &Taken| taken.batch.arrivals.values().get(taken.row).copied().map(Timestamp);
        Ok(self.taken.as_ref().and_then(arrival))
    }

    fn take(&mut self, until: Timestamp, triggers: &Triggers) -> Outcome<Portion> {
        let names = triggers.names();
        self.filters.look(names, &self.snapshot)?;
        let Some(taken) = &mut self.taken else { return Ok(Portion::default()) };
        if taken.masks.as_ref().is_none_or(|(version, _)| *version != self.filters.version) {
            taken.masks =
                Some((self.filters.version, self.filters.masks(&taken.batch, names, &self.snapshot)?));
        }
        let arrivals = taken.batch.arrivals.values();
        let end = taken.row + arrivals.iter().skip(taken.row).take_while(|at| **at < until.0).count();
        let rows = taken.row..end;
        taken.row = end;
        let read_to = end.checked_sub(1).and_then(|row| taken.batch.positions.get(row)).copied().unwrap_or(0);
        let Some((_, masks)) = &taken.masks else { return Ok(Portion::default()) };
        let facts = facts(&taken.batch, rows, masks, names, self.source, &self.snapshot);
        Ok(Portion { facts, read_to })
    }

    fn lateness_ms(&self) -> i64 {
        self.behind.0
    }

    fn silence_ms(&self) -> i64 {
        self.behind.1
    }
}

/// Rows of which some filter holds.
fn facts(
    batch: &Batch,
    rows: std::ops::Range<usize>,
    masks: &Masks,
    names: &Names,
    source: SourceNo,
    snapshot: &Snapshot,
) -> Columns {
    let events = &batch.events;
    let same: Vec<_> =
        names.properties().iter().map(|name| events.columns().column_by_name(name).map(alike)).collect();
    let mut facts = Columns { same: vec![vec![]; same.len()], ..Columns::default() };
    let Some(times) = events.times() else { return facts };
    for row in rows {
        let all = [masks.own.get(row), masks.any.get(row)];
        for (event, mask) in all.into_iter().flatten().filter(|(_, mask)| *mask != 0) {
            let Some(user) = snapshot.find(events.users().value(row)) else { continue };
            let id = match events.ids().filter(|ids| ids.is_valid(row)) {
                Some(ids) => IdCode::of(ids.value(row), &mut facts.texts),
                None => IdCode::unnamed(u64::from(source) << 40 | batch.positions[row]),
            };
            facts.users.push(user);
            facts.times.push(times.value(row));
            facts.arrivals.push(batch.arrivals.value(row));
            facts.events.push(*event);
            facts.masks.push(*mask);
            facts.ids.push(id);
            for (column, hashes) in facts.same.iter_mut().zip(&same) {
                let hash = hashes.as_ref().and_then(|hashes| hashes.get(row).copied().flatten());
                column.push(hash.map_or(0, |hash| hash.get()));
            }
        }
    }
    facts
}

impl Filters {
    /// Makes the filters ready that are new.
    fn look(&mut self, names: &Names, snapshot: &Snapshot) -> Outcome<()> {
        if self.known == names.predicates() {
            return Ok(());
        }
        let read = |(predicate, text): &(Predicate, Arc<str>)| {
            let (filter, _) = Filter::read(text, snapshot).map_err(first)?;
            Ok((*predicate, filter))
        };
        self.ready = names.predicates().iter().map(read).collect::<Outcome<_>>()?;
        self.known = names.predicates().to_vec();
        self.version += 1;
        Ok(())
    }

    fn masks(&mut self, batch: &Batch, names: &Names, snapshot: &Snapshot) -> Outcome<Masks> {
        let rows = batch.events.len();
        let mut masks = Masks { own: vec![(0, 0); rows], any: vec![(0, 0); rows] };
        let (Some(events), Some(times)) = (batch.events.events(), batch.events.times()) else {
            return Ok(masks);
        };
        let filters: Vec<Filter> = self.ready.iter().map(|(_, filter)| filter.clone()).collect();
        let tags = UserTags::read(&filters, batch.events.users(), snapshot)?;
        let tag = |name: &str, row: usize| tags.of(name, row);
        let rows = live_rows(events, times, batch, &tag, snapshot);
        for (predicate, filter) in &mut self.ready {
            let is_any = names.event(None) == Some(predicate.event);
            let held: BooleanBuffer = filter.test(&rows)?;
            let cells = if is_any { &mut masks.any } else { &mut masks.own };
            for row in held.set_indices() {
                if let Some((event, mask)) = cells.get_mut(row) {
                    (*event, *mask) = (predicate.event, *mask | 1u64 << predicate.bit);
                }
            }
        }
        Ok(masks)
    }
}

fn live_rows<'a>(
    events: &'a StringArray,
    times: &'a Int64Array,
    batch: &'a Batch,
    tag: &'a dyn Fn(&str, usize) -> Option<Timestamp>,
    snapshot: &Snapshot,
) -> LiveRows<'a> {
    LiveRows::new(events, batch.events.columns(), AsOf::Own(times), tag, snapshot.zone())
}

/// What the words of rules mean, over one snapshot.
pub struct Words<'a>(pub &'a Snapshot);

impl Meanings for Words<'_> {
    fn filter(&self, text: &str) -> Outcome<(Option<String>, String)> {
        let (filter, _) = Filter::read(text, self.0).map_err(first)?;
        Ok((filter.event().map(str::to_string), filter.text()))
    }

    fn property(&self, name: &str) -> Outcome<String> {
        same_property(name, self.0).map(|(name, _)| name).map_err(first)
    }

    fn each_stored(&self, did: &str, span: (Timestamp, Timestamp), each: EachA) -> Outcome<()> {
        dispatch::stored(did, span, self.0, each)
    }
}

fn first(problems: Problems) -> Problem {
    problems.0.into_iter().next().unwrap_or_else(|| Problem::bug("a failure without a problem"))
}
