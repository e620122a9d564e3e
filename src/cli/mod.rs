//! The command line: their words in, our words out, nothing decided.
