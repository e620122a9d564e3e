//! Task files, contents and lives, as an operator meets them.
