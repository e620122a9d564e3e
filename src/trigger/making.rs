//! How is a snapshot made while deciding goes on? By somebody else, from what is durable.
//!
//! Flow: [`Making::begin`] notes what is durable and starts a thread. That takes the snapshot before and the
//! records behind it, which give the same state as the one that decides (that is what a start does, too), writes the
//! minutes that have come to rest as blocks, then the rest, and gives the snapshot its name ([`Job::run`]).
//! [`Making::go_on`] tells the log, takes files away that nobody needs any more, on a thread again, and lets the
//! engine go over to the blocks, some at a time. The thread that decides never waits.

use std::collections::{BTreeMap, VecDeque};
use std::thread::{Builder, JoinHandle};

use crate::base::{Outcome, Problem};

use super::engine::unreadable;
use super::entry::Entry;
use super::keep::Keep;
use super::kept::Kept;
use super::loading::{Loaded, NAMES, SPOTS, STATE};
use super::log::{Beside, Block, Blocks, BlocksWriter, Log, Shown};
use super::part::Part;
use super::rest::Spot;
use super::{Names, State};

/// So many facts at most come to lie in blocks at once.
const LAID_AT_ONCE: usize = 65_536;

/// The snapshot that is under way, and what is left to do after the last one.
#[derive(Default)]
pub(super) struct Making {
    job: Option<JoinHandle<Outcome<Made>>>,
    /// How many have begun.
    turn: u64,
    /// Minutes that lie in blocks and that the engine still has in memory.
    laid: VecDeque<(Spot, Kept)>,
    cleaning: Option<JoinHandle<()>>,
}

/// A snapshot to be made of what was durable at one moment.
struct Job {
    beside: Beside,
    shards: usize,
}

/// A snapshot that can be seen, and the minutes that it has written down.
struct Made {
    shown: Shown,
    laid: VecDeque<(Spot, Kept)>,
}

impl Making {
    pub fn is_under_way(&self) -> bool {
        self.job.is_some() || self.cleaning.is_some() || !self.laid.is_empty()
    }

    /// Begins a snapshot of `state`, which is what the log has for good.
    pub fn begin(&mut self, log: &Log, state: &mut State) -> Outcome<()> {
        let job = self.next(log, state);
        self.job = Some(Builder::new().name("snapshot".to_string()).spawn(move || job.run_apart())?);
        Ok(())
    }

    /// Makes a snapshot here and now.
    pub fn make(&mut self, log: &mut Log, state: &mut State) -> Outcome<()> {
        let made = self.next(log, state).run();
        let shown = self.take(made).inspect_err(|problem| log.stop_if_lost(problem))?;
        log.note(shown).take_away();
        while !self.laid.is_empty() {
            self.lay_some_down(state);
        }
        Ok(())
    }

    /// Goes on as far as it goes without waiting.
    /// Errors: what kept the snapshot from being made.
    pub fn go_on(&mut self, log: &mut Log, state: &mut State) -> Outcome<()> {
        self.cleaning.take_if(|cleaning| cleaning.is_finished());
        self.lay_some_down(state);
        if self.job.as_ref().is_some_and(JoinHandle::is_finished) { self.end(log) } else { Ok(()) }
    }

    /// Waits for what is under way.
    /// Errors: as [`Making::go_on`].
    pub fn finish(&mut self, log: &mut Log, state: &mut State) -> Outcome<()> {
        let ended = if self.job.is_some() { self.end(log) } else { Ok(()) };
        self.cleaning.take().map(JoinHandle::join);
        while !self.laid.is_empty() {
            self.lay_some_down(state);
        }
        ended
    }

    fn next(&mut self, log: &Log, state: &mut State) -> Job {
        self.turn += 1;
        state.begin_turn(self.turn);
        Job { beside: log.beside(), shards: state.shards.len() }
    }

    /// The job has come to its end, or is waited for.
    fn end(&mut self, log: &mut Log) -> Outcome<()> {
        let Some(job) = self.job.take() else { return Ok(()) };
        let made = job.join().unwrap_or_else(|_| Err(Problem::bug("the thread of a snapshot broke off")));
        let shown = self.take(made).inspect_err(|problem| log.stop_if_lost(problem))?;
        let unneeded = log.note(shown);
        let cleaning = Builder::new().name("clean-up".to_string()).spawn(move || unneeded.take_away());
        self.cleaning = Some(cleaning?);
        Ok(())
    }

    fn take(&mut self, made: Outcome<Made>) -> Outcome<Shown> {
        let Made { shown, laid } = made?;
        self.laid = laid;
        Ok(shown)
    }

    fn lay_some_down(&mut self, state: &mut State) {
        let mut count = 0;
        while count < LAID_AT_ONCE
            && let Some((spot, kept)) = self.laid.pop_front()
        {
            count += kept.count as usize;
            state.lay_down(spot, kept, self.turn);
        }
    }
}

impl Job {
    /// On a thread of its own: those that decide at the same time keep theirs.
    fn run_apart(self) -> Outcome<Made> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|error| Problem::outside("LOG-001", format!("no thread: {error}")))?;
        pool.install(|| self.run())
    }

    fn run(self) -> Outcome<Made> {
        let (mut state, names) = self.replayed()?;
        let mut minutes = Minutes::of(&self.beside, &state)?;
        state.take_rested(|spot, part| minutes.put(&self.beside, spot, part))?;
        let Minutes { writer, spots, blocks, new, .. } = minutes;
        writer.map_or(Ok(()), BlocksWriter::finish)?;
        let mut writer = self.beside.write_snapshot()?;
        writer.blocks(&blocks)?;
        writer.section(SPOTS, &bytes_of(&spots))?;
        writer.section(NAMES, &names.bytes())?;
        writer.section(STATE, &state.snapshot())?;
        let shown = writer.finish()?.show()?;
        let laid = self.laid(&spots, &blocks, &new)?;
        Ok(Made { shown, laid })
    }

    /// The state before the position, and the names.
    fn replayed(&self) -> Outcome<(State, Names)> {
        let Loaded { mut state, mut names } = match self.beside.open_snapshot()? {
            Some(reader) => Loaded::read(reader, self.beside.position())?,
            None => Loaded::nothing(self.shards),
        };
        let (mut reader, mut decided) = (self.beside.read()?, Vec::new());
        while let Some(group) = reader.next_group()? {
            for record in group.records() {
                let entry =
                    Entry::of(record.kind, record.bytes).ok_or_else(|| unreadable(record.position))?;
                names.take(&entry);
                entry.record(|record| state.step(record, &mut decided));
                decided.clear();
            }
        }
        Ok((state, names))
    }

    /// The minutes that were written now, as they lie in the file.
    fn laid(&self, spots: &[Spot], blocks: &[Block], new: &[usize]) -> Outcome<VecDeque<(Spot, Kept)>> {
        if new.is_empty() {
            return Ok(VecDeque::new());
        }
        let file = self.beside.open_blocks(self.beside.position())?;
        let kept = |place: &usize| {
            let block = blocks[*place];
            let kept = Kept::of(file.get(&block)?, Some(block));
            Ok((spots[*place], kept.ok_or_else(|| unreadable(self.beside.position()))?))
        };
        new.iter().map(kept).collect()
    }
}

/// The minutes of a snapshot: where each belongs, and the block that it lies in.
struct Minutes {
    writer: Option<BlocksWriter>,
    spots: Vec<Spot>,
    blocks: Vec<Block>,
    /// The places of those that are written now.
    new: Vec<usize>,
    /// Files of which most is not needed any more: the rest moves.
    wasteful: BTreeMap<u64, Blocks>,
}

impl Minutes {
    fn of(beside: &Beside, state: &State) -> Outcome<Minutes> {
        let mut needed: BTreeMap<u64, u64> = BTreeMap::new();
        for block in state.in_blocks().filter_map(|kept| kept.block) {
            *needed.entry(block.file).or_default() += u64::from(block.length);
        }
        let mut wasteful = BTreeMap::new();
        for (file, bytes) in needed {
            let blocks = beside.open_blocks(file)?;
            if 2 * bytes < blocks.length() {
                wasteful.insert(file, blocks);
            }
        }
        Ok(Minutes { writer: None, spots: Vec::new(), blocks: Vec::new(), new: Vec::new(), wasteful })
    }

    fn put(&mut self, beside: &Beside, spot: Spot, mut part: Part) -> Outcome<()> {
        let known = part.kept().and_then(|kept| kept.block);
        let moves_from = known.and_then(|block| self.wasteful.get(&block.file).zip(Some(block)));
        let block = match (known, moves_from) {
            (Some(block), None) => block,
            (Some(_), Some((file, block))) => {
                file.check(&block)?;
                let bytes = file.get(&block)?;
                self.write(beside, &bytes)?
            }
            (None, _) => self.write(beside, &part.own().to_block())?,
        };
        self.spots.push(spot);
        self.blocks.push(block);
        Ok(())
    }

    fn write(&mut self, beside: &Beside, bytes: &[u8]) -> Outcome<Block> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(beside.write_blocks()?),
        };
        self.new.push(self.spots.len());
        writer.put(bytes)
    }
}

fn bytes_of(spots: &[Spot]) -> Vec<u8> {
    let mut out = Vec::new();
    spots.to_vec().put(&mut out);
    out
}
