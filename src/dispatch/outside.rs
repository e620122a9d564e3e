//! What does the engine need from other rooms and from the world? Small traits, wired in `main`.

use std::time::Duration;

use async_trait::async_trait;
use roaring::RoaringBitmap;

use crate::base::{Outcome, Timestamp, UserNo};
use crate::task::Task;

/// The users of a run, and what they were found from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resolved {
    pub users: RoaringBitmap,
    pub as_of: Option<Timestamp>,
    pub data_version: u64,
    /// `name@no` of the crowd version that was used, if one was.
    pub crowd_version: Option<String>,
}

/// Who is in a task's audience.
pub trait Audiences {
    /// Makes the audience anew as of `as_of`; gives a complete one or an error, nothing between.
    fn refresh(&self, task: &Task, as_of: Timestamp) -> Outcome<Resolved>;
    /// The audience that the task is bound to, without a refresh (semantics 3).
    fn resolve(&self, task: &Task, as_of: Timestamp) -> Outcome<Resolved>;
    /// The users of a crowd as of an instant.
    fn crowd(&self, name: &str, as_of: Timestamp) -> Outcome<RoaringBitmap>;
}

/// Who a user number is, and what is known of the user.
pub trait Directory {
    /// The external id, if the user is known.
    fn user_id(&self, user: UserNo) -> Option<&str>;
    /// The user with this external id, if there is one.
    fn user_no(&self, user_id: &str) -> Option<UserNo>;
    /// Those of these users who are known.
    fn known(&self, users: &RoaringBitmap) -> RoaringBitmap {
        users.iter().filter(|user| self.user_id(*user).is_some()).collect()
    }
    /// Is there such an attribute?
    fn is_attribute(&self, name: &str) -> bool;
    /// Values as text, one row per user and in it one entry per name; `None` is missing.
    fn fields(&self, users: &[UserNo], names: &[String]) -> Outcome<Vec<Vec<Option<String>>>>;
}

/// How the engine waits before it tries again.
#[async_trait]
pub trait Patience: Send + Sync {
    /// Waits so long.
    async fn wait(&self, time: Duration);
}

/// Waits on the real clock.
pub struct RealPatience;

#[async_trait]
impl Patience for RealPatience {
    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Where tests stop the engine. Each step names itself before it happens; an error there is taken
/// as a kill: it goes straight up, nothing is tidied.
pub trait Faults: Send + Sync {
    /// May this step happen?
    fn step(&self, step: &str) -> Outcome<()>;
}

/// Lets every step happen.
pub struct NoFaults;

impl Faults for NoFaults {
    fn step(&self, _: &str) -> Outcome<()> {
        Ok(())
    }
}
