//! Who exactly is in?
