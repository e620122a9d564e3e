//! Does the log keep its word on the worst of disks?
