//! Who exactly is in?
//!
//! A selection becomes the exact users at one snapshot and one as-of ([`Audiences::evaluate`]). A
//! crowd is such an audience with a name: a list of immutable versions, made by its selection
//! ([`Audiences::create`], [`Audiences::refresh`]) or uploaded ([`Audiences::import`]).
//!
//! Flow: `rules` reads which crowds a selection uses and refuses cycles; `registry` keeps crowds
//! and versions in `meta.db`; `files` keeps the bitmaps beside it; `evaluate` resolves each crowd
//! once and asks `select`; `crowds` ties them together; `queue` says which is made anew first, `guard` which
//! version waits for a person; `compare`, `overlap` and `trend` look at several
//! versions or instants; `own` binds tasks to versions; `export` writes users out;
//! `live` lets triggers ask filters of events as they come, `past` of those that are stored;
//! `package` reads and writes the bitmaps of other systems, `numbering` knows whose numbers they hold.
//!
//! **Invariant**: a version is seen by nobody before its row is committed as complete, and its
//! file was written and synced before that; afterwards neither changes.

mod cells;
mod compare;
mod crowds;
mod evaluate;
mod export;
mod files;
mod guard;
mod holdout;
mod live;
mod moved;
mod numbering;
mod overlap;
mod own;
pub mod package;
mod past;
mod queue;
mod registry;
mod rules;
#[cfg(test)]
mod tests;
mod trend;
mod version;
mod xlsx;

pub use cells::write as write_rows;
pub use compare::{Diff, Step, Which};
pub use crowds::{Audiences, Creation, Job, Made, Overview};
pub use evaluate::{Evaluated, Prepared};
pub use export::{Listing, Target, fields, write_atomically, write_batches};
pub use guard::Guard;
pub use holdout::held_out;
pub use live::{AsOf, LiveRows, Predicate, TagOf, UserTags, alike, rows_per_day, same_property};
pub use moved::Moved;
pub use numbering::{Named, Numbered, Numbering};
pub use overlap::{Member, Overlap};
pub use own::{BoundVersion, Owner};
pub use past::{Happened, Past, PastDay};
pub use queue::{Deadlines, Queued, Refreshed, Standing};
pub use registry::{Crowd, Update};
pub use rules::{crowds_in, name_problem};
pub use trend::{Every, Trend};
pub use version::{CrowdVersion, State, resolve};
