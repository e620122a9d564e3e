//! How are durable records read again? Group by group, from any position that is still there.

use std::sync::Arc;

use crate::base::Outcome;

use super::disk::Disk;
use super::group::Group;
use super::problems;
use super::scan::{Found, Scan, Segment};

/// Reads the records of a range, in order; may live on another thread than the log.
pub struct Reader {
    scan: Scan,
    from: u64,
    until: u64,
    place: String,
}

impl Reader {
    pub(super) fn open(
        disk: &Arc<dyn Disk>,
        app: u64,
        segments: &[Segment],
        from: u64,
        until: u64,
    ) -> Outcome<Reader> {
        let from = from.min(until);
        let mut scan = Scan::open(disk, app, if from < until { segments } else { &[] }, from)?;
        scan.is_durable = true;
        Ok(Reader { scan, from, until, place: disk.place("") })
    }

    /// The next group; `None` when the position is reached up to which the log was durable when the
    /// reader was made.
    /// Errors: LOG-001, LOG-003 and LOG-004 for damage found on the way: nothing after it is given.
    pub fn next_group(&mut self) -> Outcome<Option<Group>> {
        while self.scan.position < self.until {
            match self.scan.next()? {
                Found::Group(group) => {
                    if let Some(group) = group.within(self.from, self.until) {
                        return Ok(Some(group));
                    }
                }
                Found::End(_) => {
                    return Err(problems::missing(&self.place, self.scan.position, self.until));
                }
            }
        }
        Ok(None)
    }
}
