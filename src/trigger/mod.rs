//! What does this event, or this minute, change? For now the room has its durable [`log`].

pub mod log;
