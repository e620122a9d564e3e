//! The store against its slow, obvious twin, against crashes, and against damage.

mod compact;
mod crash;
mod damage;
mod dump;
mod loads;
mod made;
mod readers;
mod twin;
