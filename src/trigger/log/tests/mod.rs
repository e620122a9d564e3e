//! Does the log keep its word on the worst of disks? A run, a disk that fails, and a twin that is a
//! plain list of what was promised.

mod crash;
mod damage;
mod ordinary;
mod random;
mod world;
