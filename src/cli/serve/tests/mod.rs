//! The server without threads and on a clock that is moved by hand: posts go in, the clock goes on, lives end.

mod crashes;
mod silence;
mod world;
