//! How does this channel say it?
