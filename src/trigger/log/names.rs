//! Which file is which? Names say what a file holds and where it begins.

/// A file of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileName {
    /// Records from `first` on, written under `epoch`.
    Segment { first: u64, epoch: u64 },
    /// The state before record `position`.
    Snapshot { position: u64 },
    /// Blocks that snapshots share, from that for `position` on.
    Blocks { position: u64 },
    /// A writer with this epoch has begun; no content.
    Claim { epoch: u64 },
    /// A file that was being written when its writer stopped.
    Part,
}

impl FileName {
    /// What a name says; `None` for files that are not ours.
    pub fn read(name: &str) -> Option<FileName> {
        if name.ends_with(".part") {
            return Some(FileName::Part);
        }
        let (stem, ending) = name.split_once('.')?;
        match ending {
            "log" => {
                let (first, epoch) = stem.split_once('-')?;
                Some(FileName::Segment { first: number(first)?, epoch: number(epoch)? })
            }
            "snapshot" => Some(FileName::Snapshot { position: number(stem)? }),
            "blocks" => Some(FileName::Blocks { position: number(stem)? }),
            "claim" => Some(FileName::Claim { epoch: number(stem)? }),
            _ => None,
        }
    }
}

/// Name of a segment: `00000000000000000042-00000007.log`.
pub(super) fn segment(first: u64, epoch: u64) -> String {
    format!("{first:020}-{epoch:08}.log")
}

/// Name of a snapshot: `00000000000000000042.snapshot`.
pub(super) fn snapshot(position: u64) -> String {
    format!("{position:020}.snapshot")
}

/// Name of a file of blocks: `00000000000000000042.blocks`.
pub(super) fn blocks(position: u64) -> String {
    format!("{position:020}.blocks")
}

/// Name of a claim: `00000007.claim`.
pub(super) fn claim(epoch: u64) -> String {
    format!("{epoch:08}.claim")
}

/// The name under which a file is written until it is whole.
pub(super) fn part(name: &str) -> String {
    format!("{name}.part")
}

/// The name of a file that an operator has given up.
pub(super) fn aside(name: &str) -> String {
    format!("{name}.aside")
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let read = |name: String| FileName::read(&name);
        assert_eq!(read(segment(42, 7)), Some(FileName::Segment { first: 42, epoch: 7 }));
        assert_eq!(read(snapshot(u64::MAX)), Some(FileName::Snapshot { position: u64::MAX }));
        assert_eq!(read(blocks(42)), Some(FileName::Blocks { position: 42 }));
        assert_eq!(read(claim(3)), Some(FileName::Claim { epoch: 3 }));
        assert_eq!(read(part(&segment(42, 7))), Some(FileName::Part));
    }

    #[test]
    fn other_names_are_not_ours() {
        for name in ["", "x", "a-b.log", "1.log", "+1.claim", "1.claims", "99999999999999999999.snapshot"] {
            assert_eq!(FileName::read(name), None, "{name}");
        }
        assert_eq!(FileName::read(&aside(&segment(1, 1))), None);
    }
}
