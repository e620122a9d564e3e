//! The server without threads.
