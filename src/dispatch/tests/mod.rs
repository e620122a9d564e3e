//! The engine on a made-up world, with channels that misbehave on purpose.

mod channel;
mod clock;
mod kills;
pub(crate) mod world;
