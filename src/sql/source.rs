//! What is asked: one snapshot, the crowds beside it, one as-of; and each selection found once.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use roaring::RoaringBitmap;

use crate::audience::{Audiences, CrowdVersion, Overview, Prepared, State};
use crate::base::{Outcome, Problem, Problems, Timestamp, Zone};
use crate::select::text::{locate, locate_all};
use crate::store::{Ids, Snapshot};

/// What [`register`](super::register) makes known to DataFusion; cloning is cheap. Two are equal when
/// one is a clone of the other.
#[derive(Clone)]
pub struct Source(Arc<Inner>);

struct Inner {
    snapshot: Snapshot,
    as_of: Timestamp,
    audiences: Mutex<Audiences>,
    crowds: Vec<Overview>,
    asked: Mutex<HashMap<String, Arc<Asked>>>,
    are_ids_ready: OnceLock<Outcome<()>>,
}

/// A selection that was named in a question: prepared when planned, run when first needed.
struct Asked {
    prepared: Prepared,
    users: OnceLock<Outcome<Arc<RoaringBitmap>>>,
}

impl Source {
    /// The data of `snapshot` as of an instant, with the crowds that are listed now.
    /// Errors: OUT-011 when the crowds cannot be read.
    pub fn new(snapshot: Snapshot, audiences: Audiences, as_of: Timestamp) -> Outcome<Source> {
        let crowds = audiences.list(as_of)?;
        Ok(Source(Arc::new(Inner {
            snapshot,
            as_of,
            audiences: Mutex::new(audiences),
            crowds,
            asked: Mutex::default(),
            are_ids_ready: OnceLock::new(),
        })))
    }

    /// The data version that is asked.
    pub fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// Rows later than this do not count.
    pub fn as_of(&self) -> Timestamp {
        self.0.as_of
    }

    /// The zone of the home: instants are shown in it, and a date without an offset is local to it.
    pub fn zone(&self) -> Zone {
        self.0.snapshot.zone()
    }

    /// What the selections that were asked so far had to warn of, each once, in the order of their texts.
    pub fn warnings(&self) -> Vec<Problem> {
        let asked = held(&self.0.asked);
        let mut texts: Vec<&String> = asked.keys().collect();
        texts.sort_unstable();
        let of = |text: &String| asked[text].prepared.warnings().to_vec();
        texts.into_iter().flat_map(|text| of(text).into_iter().map(|w| locate(text, IN, w))).collect()
    }

    /// Crowds with all their versions.
    pub(super) fn crowds(&self) -> &[Overview] {
        &self.0.crowds
    }

    /// The users of a version who are in the universe.
    /// Errors: CRD-011 when its file is missing or damaged, CRD-002 and CRD-010 when it was deleted.
    pub(super) fn members(&self, crowd: &str, version: &CrowdVersion) -> Outcome<RoaringBitmap> {
        let (_, users) = held(&self.0.audiences).users(crowd, Some(version.no))?;
        Ok(users & self.0.snapshot.universe())
    }

    /// External ids, after a look that all can be read.
    /// Errors: STO-002 when a file of ids is damaged.
    pub(super) fn ids(&self) -> Outcome<&Ids> {
        let ids = self.0.snapshot.ids();
        self.0.are_ids_ready.get_or_init(|| ids.ready()).clone().map(|()| ids)
    }

    /// Looks up the names of a selection; nothing is evaluated yet.
    /// Errors: every mistake of the selection (SEL-…) at its line and column, CRD-007.
    pub(super) fn prepare(&self, text: &str) -> Result<(), Problems> {
        self.asked(text).map(drop)
    }

    /// The users of a selection; evaluated the first time, on all cores.
    /// Errors: as [`prepare`](Source::prepare), STO-002 when a file is damaged.
    pub(super) fn users(&self, text: &str) -> Result<Arc<RoaringBitmap>, Problems> {
        let asked = self.asked(text)?;
        let find = || asked.prepared.quick(self.snapshot()).map(|found| Arc::new(found.answer.users));
        Ok(asked.users.get_or_init(find).clone()?)
    }

    fn asked(&self, text: &str) -> Result<Arc<Asked>, Problems> {
        if let Some(asked) = held(&self.0.asked).get(text) {
            return Ok(asked.clone());
        }
        let prepared = held(&self.0.audiences).prepare_text(text, self.0.as_of, &self.0.snapshot);
        let (_, prepared) = prepared.map_err(|problems| locate_all(text, IN, problems))?;
        let asked = Arc::new(Asked { prepared, users: OnceLock::new() });
        Ok(held(&self.0.asked).entry(text.to_string()).or_insert(asked).clone())
    }
}

/// The file that mistakes of a selection inside a question are placed in.
const IN: &str = "in_selection";

/// Is the version one that is seen at an instant (semantics 1.2)? Complete and not later.
pub(super) fn is_seen(version: &CrowdVersion, as_of: Timestamp) -> bool {
    version.state == State::Complete && version.as_of <= as_of
}

/// A lock whose holder panicked guards nothing that can be half done here.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Source {}

impl Hash for Source {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Source(version {}, as of {})", self.snapshot().version(), self.zone().text(self.as_of()))
    }
}
