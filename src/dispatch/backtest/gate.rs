//! Would dispatch have handed it over? The gates that a live run asks at release: blacklist, holdout.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use roaring::RoaringBitmap;

use crate::audience::{CrowdVersion, resolve};
use crate::base::{Outcome, Timestamp, UserNo};

use super::super::gates::{Gates, Lists};
use super::super::state::{Reason, TouchState};
use super::Trial;

/// A fire that passes every gate.
pub const HANDED: &str = "handed";

/// The gates of a trial.
pub struct Gate<'a> {
    trial: &'a Trial<'a>,
    nobody: Lists,
    versions: BTreeMap<String, Vec<CrowdVersion>>,
    /// Blacklists by crowd and version.
    lists: BTreeMap<(String, Option<u32>), RoaringBitmap>,
}

impl<'a> Gate<'a> {
    pub fn new(trial: &'a Trial<'a>) -> Gate<'a> {
        Gate { trial, nobody: Lists::default(), versions: BTreeMap::new(), lists: BTreeMap::new() }
    }

    /// The word of what a live run would have done with a touch that is released at `at`.
    /// Errors: CRD-… when a blacklist cannot be read.
    pub fn ask(&mut self, user: UserNo, at: Timestamp) -> Outcome<&'static str> {
        if self.is_blocked(user, at)? {
            return Ok(Reason::Blacklist.word());
        }
        let gates = Gates::of(self.trial.task, false, &self.nobody, self.trial.directory);
        Ok(match gates.ask(user) {
            (_, TouchState::Due, _) => HANDED,
            (_, _, reason) => reason.map_or(HANDED, |reason| reason.word()),
        })
    }

    fn is_blocked(&mut self, user: UserNo, at: Timestamp) -> Outcome<bool> {
        let own = self.trial.task.file.limits.blacklist.as_deref();
        for name in self.trial.blacklist.into_iter().chain(own) {
            if self.is_listed(name, user, at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Is the user in the version of the crowd that an evaluation at `at` sees?
    fn is_listed(&mut self, name: &str, user: UserNo, at: Timestamp) -> Outcome<bool> {
        if !self.versions.contains_key(name) {
            let overview = self.trial.crowds.show(name, self.trial.now)?;
            self.versions.insert(name.to_string(), overview.versions);
        }
        let seen = self.versions.get(name).and_then(|all| resolve(all, at)).map(|(version, _)| version.no);
        let list = match self.lists.entry((name.to_string(), seen)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(slot) => slot.insert(self.trial.crowds.users(name, seen)?.1),
        };
        Ok(list.contains(user))
    }
}
