//! What do we know, and as of when?
