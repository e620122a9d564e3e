//! The real binary, as a user runs it: real input, exit codes, two processes, kill -9.

mod cdnow;
mod exits;
mod kills;
mod receiver;
mod serve;
mod support;
mod tiny;
mod triggers;
