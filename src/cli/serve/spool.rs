//! Which events were accepted and are not yet both history and facts? A journal in the home.
//!
//! The spool stands on the same log as the triggers ([`Log`]): groups with sums, one sync for many events,
//! nothing written over. The place of an event is its number in the spool, from 1, for ever; the trigger log
//! keeps the place up to which it has read, the store knows events by their ids. What both have is forgotten:
//! an empty snapshot says up to where, and old segments go.

use std::sync::Arc;

use crate::base::{Outcome, Problem, Timestamp};
use crate::trigger::log::{Disk, Limits, Log, Settings};

/// Bytes of a segment: what is forgotten goes in pieces of this size.
const SEGMENT_BYTES: u64 = 8 << 20;
/// The form of a record: arrival (8 bytes), door (1 byte), the line.
const EVENT: u16 = 1;
const HEAD_BYTES: usize = 9;

/// An accepted event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number in the spool, from 1.
    pub place: u64,
    pub arrival: Timestamp,
    /// The door that it came by: a number of [`super::numbers::DOORS`].
    pub door: u8,
    /// One JSON object, without a line end.
    pub line: Vec<u8>,
}

/// The journal.
pub struct Spool {
    log: Log,
    /// Everything up to this place is forgotten.
    forgotten: u64,
}

impl Spool {
    /// Opens the spool of an app, or begins one. Gives what a person should see as well.
    /// Errors: LOG-001 to LOG-009 of the log.
    pub fn open(disk: Arc<dyn Disk>, app: &str) -> Outcome<(Spool, Vec<Problem>)> {
        let limits = Limits { segment_bytes: SEGMENT_BYTES, ..Limits::default() };
        let settings = Settings { limits, ..Settings::of(app) };
        let (log, found) = Log::open(disk, &settings)?;
        Ok((Spool { log, forgotten: found.start }, found.notes))
    }

    /// Gives an event its place; it is safe after the next [`commit`](Spool::commit).
    /// Errors: LOG-008 when it does not fit beside those that wait; LOG-002, LOG-007.
    pub fn add(&mut self, arrival: Timestamp, door: u8, line: &[u8]) -> Outcome<Item> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + line.len());
        bytes.extend_from_slice(&arrival.0.to_le_bytes());
        bytes.push(door);
        bytes.extend_from_slice(line);
        let place = self.log.append(EVENT, &bytes, arrival)?.position + 1;
        Ok(Item { place, arrival, door, line: line.to_vec() })
    }

    /// Makes everything added safe; gives the place of the last one.
    /// Errors: LOG-001 (what waits still waits), LOG-002 and LOG-007 (the spool has stopped).
    pub fn commit(&mut self) -> Outcome<u64> {
        Ok(self.log.commit()?.until)
    }

    /// The place of the last event that is safe.
    pub fn end(&self) -> u64 {
        self.log.durable().until
    }

    /// Somebody has acted on everything up to place `known`, so it must have been here.
    /// Errors: LOG-005 when it was not.
    pub fn check(&self, known: u64) -> Outcome<()> {
        let end = self.end();
        if known <= end {
            return Ok(());
        }
        let what = format!("the spool ends at event {end}, but the triggers have read up to event {known}");
        let cure = "bring back the folder `spool` of this home; it and `triggers` belong together";
        Err(Problem::outside("LOG-005", what).at("spool").cure(cure))
    }

    /// Everything up to this place is forgotten.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The events behind a place, in order. Errors: LOG-001, LOG-003, LOG-004 where it is damaged.
    pub fn after(&self, place: u64) -> Outcome<Vec<Item>> {
        let mut reader = self.log.read(place)?;
        let mut items = Vec::new();
        while let Some(group) = reader.next_group()? {
            for record in group.records() {
                items.push(item(record.position, record.kind, record.bytes)?);
            }
        }
        Ok(items)
    }

    /// Store and triggers have everything up to `place`: it may go.
    /// Errors: as the log's; then it stays and is only in the way.
    pub fn forget(&mut self, place: u64) -> Outcome<()> {
        if place <= self.forgotten {
            return Ok(());
        }
        let written = self.log.snapshot(place)?.finish()?;
        self.log.publish(written)?;
        self.forgotten = place;
        Ok(())
    }
}

fn item(position: u64, kind: u16, bytes: &[u8]) -> Outcome<Item> {
    let whole = bytes.split_first_chunk::<8>().and_then(|(arrival, rest)| {
        let (door, line) = rest.split_first()?;
        Some((i64::from_le_bytes(*arrival), *door, line))
    });
    match whole.filter(|_| kind == EVENT) {
        Some((arrival, door, line)) => {
            Ok(Item { place: position + 1, arrival: Timestamp(arrival), door, line: line.to_vec() })
        }
        None => {
            let what = format!(
                "record {position} of the spool is whole, but of a form that this program does not know"
            );
            Err(Problem::outside("LOG-012", what).cure("a newer program wrote it: use that one"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::log::{Fault, SimulatedDisk};

    fn open(disk: &SimulatedDisk) -> Spool {
        Spool::open(Arc::new(disk.clone()), "default").unwrap().0
    }

    fn lines(items: &[Item]) -> Vec<(u64, String)> {
        items.iter().map(|item| (item.place, String::from_utf8(item.line.clone()).unwrap())).collect()
    }

    #[test]
    fn events_have_their_places_for_ever() {
        let disk = SimulatedDisk::new(1);
        let mut spool = open(&disk);
        for n in 0..3 {
            spool.add(Timestamp(n), 0, format!("e{n}").as_bytes()).unwrap();
        }
        assert_eq!(spool.commit().unwrap(), 3);
        spool.forget(1).unwrap();
        spool.forget(2).unwrap();
        drop(spool);
        let mut spool = open(&disk);
        assert_eq!((spool.forgotten(), lines(&spool.after(2).unwrap())), (2, vec![(3, "e2".to_string())]));
        let item = spool.add(Timestamp(9), 1, b"e3").unwrap();
        assert_eq!((item.place, item.arrival, item.door), (4, Timestamp(9), 1));
    }

    #[test]
    fn a_spool_that_lost_what_was_acted_on_is_told() {
        let lost = open(&SimulatedDisk::new(1)).check(7).err();
        assert_eq!(lost.map(|problem| problem.code), Some("LOG-005"));
    }

    /// A story of accepting and forgetting; gives the places that were called safe.
    fn live(disk: &SimulatedDisk, safe: &mut Vec<(u64, String)>) -> Outcome<()> {
        let (mut spool, _) = Spool::open(Arc::new(disk.clone()), "default")?;
        spool.check(safe.len() as u64)?;
        for n in spool.end()..6 {
            let item = spool.add(Timestamp(n as i64), 0, format!("e{n}").as_bytes())?;
            let safe_to = spool.commit()?;
            assert_eq!(safe_to, item.place);
            safe.push((item.place, format!("e{n}")));
            if n % 2 == 1 {
                spool.forget(n)?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_crash_at_any_operation_keeps_what_was_called_safe() {
        let whole = SimulatedDisk::new(5);
        live(&whole, &mut Vec::new()).unwrap();
        for operation in 0..whole.operations() {
            let (disk, mut safe) = (SimulatedDisk::new(operation), Vec::new());
            disk.fault_at(operation, Fault::Crash);
            let _ = live(&disk, &mut safe);
            disk.restart();
            let (spool, _) = Spool::open(Arc::new(disk), "default").unwrap();
            let kept = lines(&spool.after(spool.forgotten()).unwrap());
            let wanted: Vec<_> =
                safe.iter().filter(|(place, _)| *place > spool.forgotten()).cloned().collect();
            assert!(kept.starts_with(&wanted), "operation {operation}: {kept:?} {wanted:?}");
        }
    }
}
