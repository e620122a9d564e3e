//! Live events, as they come in.
