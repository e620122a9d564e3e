//! Who is named somewhere, when a run begins? Blacklists, whitelists, those who are suspended.

use roaring::RoaringBitmap;
use rusqlite::{OptionalExtension, Row, params};

use crate::base::{Outcome, Timestamp};
use crate::task::{Audience, Task, disk_trouble};

use super::engine::Engine;
use super::gates::Lists;
use super::ledger::{Ledger, Run, bitmap_of, bytes_of};

/// What a run found when it began, until all its touches are written.
pub(super) const LISTS: &str = "
    create table lists (
        run integer primary key references runs(no), only_these blob, suspended blob not null);";

impl Engine<'_> {
    /// What the lists of the company and of a task say at this instant.
    /// Errors: CRD-… when a list cannot be read: nothing goes out without it. OUT-030.
    pub fn lists(&self, task: &Task, now: Timestamp) -> Outcome<Lists> {
        let (company, own) = (&self.policy.limits, &task.file.limits);
        let mut blocked = RoaringBitmap::new();
        for crowd in self.blacklist.into_iter().chain(own.blacklist.as_deref()) {
            blocked |= self.audiences.crowd(crowd, now)?;
        }
        let mut only: Option<RoaringBitmap> = None;
        for crowd in company.whitelist.iter().chain(&own.whitelist) {
            let users = self.audiences.crowd(crowd, now)?;
            only = Some(only.map_or_else(|| users.clone(), |only| only & &users));
        }
        let suspended = self.ledger.suspensions(now)?;
        let suspended = suspended.iter().filter_map(|one| self.directory.user_no(&one.user_id)).collect();
        Ok(Lists { blocked, only, suspended, audience: None })
    }

    /// The same when touches are let out of a hold: there the audience is asked again where the rule says so.
    pub(super) fn lists_again(&self, task: &Task, now: Timestamp) -> Outcome<Lists> {
        let lists = self.lists(task, now)?;
        let is_asked = task.rule().is_some_and(|rule| rule.is_rechecked());
        if !is_asked || task.file.audience == Audience::Everyone {
            return Ok(lists);
        }
        Ok(Lists { audience: Some(self.audiences.resolve(task, now)?.users), ..lists })
    }
}

impl Ledger {
    /// Fixes what the lists say besides the blacklists, so that a run that is interrupted goes on with the same.
    pub(super) fn freeze_lists(&self, run: &Run, lists: &Lists) -> Outcome<()> {
        let sql = "insert or replace into lists (run, only_these, suspended) values (?1, ?2, ?3)";
        let only = lists.only.as_ref().map(bytes_of).transpose()?;
        let values = params![run.no, only, bytes_of(&lists.suspended)?];
        self.db.execute(sql, values).map(|_| ()).map_err(disk_trouble)
    }

    /// What was fixed, with those who are `blocked`.
    pub(super) fn frozen_lists(&self, run: &Run, blocked: RoaringBitmap) -> Outcome<Lists> {
        let sql = "select only_these, suspended from lists where run = ?1";
        let read = |row: &Row| Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?));
        let found = self.db.query_row(sql, [run.no], read).optional().map_err(disk_trouble)?;
        let (only, suspended) = found.unwrap_or_default();
        let only = only.map(|bytes| bitmap_of(Some(bytes))).transpose()?;
        Ok(Lists { blocked, only, suspended: bitmap_of(suspended)?, audience: None })
    }

    /// The touches of a run are written.
    pub(super) fn forget_lists(&self, run: &Run) -> Outcome<()> {
        self.db.execute("delete from lists where run = ?1", [run.no]).map(|_| ()).map_err(disk_trouble)
    }
}
