//! The words that all rooms share: users, values, instants, windows, problems.
//!
//! Nothing here knows a file, a table or a channel. Start with [`Timestamp`] and [`Zone`] (when),
//! [`Value`] and [`Type`] (what), [`Window`] (since when), [`Problem`] (what went wrong and what
//! to do), then read `ingest`, the next room.

mod name;
mod pace;
mod problem;
mod share;
mod time;
mod value;
mod window;

pub use name::{Name, Span};
pub use pace::{Environment, Pace, Quiet};
pub use problem::{Kind, MAKE_WRITABLE, Outcome, Problem, Problems};
pub use share::{Salt, Share, place_of, share_of, stable_hash};
pub use time::{Day, Moment, Timestamp, Zone};
pub use value::{Type, Value};
pub use window::{Interval, Unit, Window, ahead};

/// A user inside one app: dense, counted from 0 in the order of first appearance; one bit in a
/// bitmap. Outside, a user is text (`user_id`); `store::Ids` translates.
pub type UserNo = u32;

/// Users in one chunk: the share of a bitmap that one Roaring container holds, and the unit in
/// which attributes are stored and selections are evaluated.
pub const CHUNK_USERS: u32 = 65_536;
