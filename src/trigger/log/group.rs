//! What is in a group? Records one after the other, each with its own kind and position.

use super::frame::u32_at;

/// Bytes before each record: length (u32) and kind (u16).
pub(super) const RECORD_HEAD_BYTES: usize = 6;

/// One record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number: dense, from 0, the same at every replay.
    pub position: u64,
    /// What the writer said that it is; the log does not look at it.
    pub kind: u16,
    /// What the writer handed over.
    pub bytes: &'a [u8],
}

/// The records that became durable together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    first: u64,
    from: u64,
    until: u64,
    payload: Vec<u8>,
}

impl Group {
    /// A group whose payload begins with record `first`, seen up to `until`.
    pub(super) fn new(first: u64, until: u64, payload: Vec<u8>) -> Group {
        Group { first, from: first, until, payload }
    }

    /// The same group, seen from `from` to `until` only; `None` when nothing of it lies there.
    pub(super) fn within(mut self, from: u64, until: u64) -> Option<Group> {
        (self.from, self.until) = (self.from.max(from), self.until.min(until));
        (self.from < self.until).then_some(self)
    }

    /// The first record's position.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The position after the last record's.
    pub fn until(&self) -> u64 {
        self.until
    }

    /// The records in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let all = Records { rest: &self.payload, position: self.first };
        all.filter(|record| (self.from..self.until).contains(&record.position))
    }
}

/// Puts a record behind others.
pub(super) fn put(payload: &mut Vec<u8>, kind: u16, bytes: &[u8]) {
    payload.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    payload.extend_from_slice(&kind.to_le_bytes());
    payload.extend_from_slice(bytes);
}

/// Is the payload `count` records and nothing else?
pub(super) fn tiles(payload: &[u8], count: u32) -> bool {
    let mut records = Records { rest: payload, position: 0 };
    records.by_ref().count() == count as usize && records.rest.is_empty()
}

struct Records<'a> {
    rest: &'a [u8],
    position: u64,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let length = u32_at(self.rest, 0)? as usize;
        let kind = u16::from_le_bytes(self.rest.get(4..RECORD_HEAD_BYTES)?.try_into().ok()?);
        let (bytes, rest) = self.rest.get(RECORD_HEAD_BYTES..)?.split_at_checked(length)?;
        let position = self.position;
        (self.rest, self.position) = (rest, position.saturating_add(1));
        Some(Record { position, kind, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload() -> Vec<u8> {
        let mut payload = Vec::new();
        for (kind, bytes) in [(7, b"one".as_slice()), (8, b""), (9, b"three")] {
            put(&mut payload, kind, bytes);
        }
        payload
    }

    #[test]
    fn records_come_back_with_positions() {
        let group = Group::new(40, 43, payload());
        let seen: Vec<(u64, u16, &[u8])> = group.records().map(|r| (r.position, r.kind, r.bytes)).collect();
        assert_eq!(seen, [(40, 7, b"one".as_slice()), (41, 8, b""), (42, 9, b"three")]);
    }

    #[test]
    fn a_part_of_a_group_is_seen() {
        let part = Group::new(40, 43, payload()).within(41, 42);
        assert_eq!(part.map(|g| g.records().map(|r| r.kind).collect::<Vec<_>>()), Some(vec![8]));
        assert_eq!(Group::new(40, 43, payload()).within(43, 50), None);
    }

    #[test]
    fn a_payload_that_is_not_all_records_is_none() {
        assert!(tiles(&payload(), 3));
        assert!(!tiles(&payload(), 2) && !tiles(&payload(), 4));
        let cut = payload();
        assert!(!tiles(&cut[..cut.len() - 1], 3) && !tiles(&cut[..cut.len() - 1], 2));
        assert!(tiles(&[], 0));
    }
}
