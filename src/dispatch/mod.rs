//! May it go out now, and did it?
