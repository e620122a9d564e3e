//! The JSON twin.
